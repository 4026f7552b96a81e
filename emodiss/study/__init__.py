"""What people and language models say about a run: ask, judge, rate, evaluate, review.

`Study(run)` shows what was said as tables. The verbs read from a run folder and write into it;
file names and formats are those of the commands of the same names. `video` keeps to one session;
`people` are names to replace beside those of speaker labels (None: nothing is replaced); `own` says
of a judge which models are of its family, beside one of its name; `say` is told what a user should
know before anything is asked; `progress` is called with what is done, how much of it, and of what.
"""

from __future__ import annotations

from emodiss.arguments import explain
from emodiss.study.answers import BrowserAnswers, browser_answers
from emodiss.study.double_coding import agreement
from emodiss.study.evaluate import Evaluation, evaluate
from emodiss.study.intervene import Intervened, intervene
from emodiss.study.judge import Judged, judge
from emodiss.study.label_roles import RoleLabels, label_roles
from emodiss.study.prompting import Rendered, prompts
from emodiss.study.raters import rating_study
from emodiss.study.reviewing import (
    Imported,
    accuracy,
    add_utterance,
    import_corrections,
    review,
    role_evidence,
    take_over,
    undo,
)
from emodiss.study.study import Study

__all__ = [
    "BrowserAnswers",
    "Evaluation",
    "Imported",
    "Intervened",
    "Judged",
    "Rendered",
    "RoleLabels",
    "Study",
    "accuracy",
    "add_utterance",
    "agreement",
    "browser_answers",
    "evaluate",
    "import_corrections",
    "intervene",
    "judge",
    "label_roles",
    "prompts",
    "rating_study",
    "review",
    "role_evidence",
    "take_over",
    "undo",
]

explain(__name__)
