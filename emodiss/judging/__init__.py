"""Judging: language models as raters, by G-Eval (Liu et al. 2023), and how far to trust them.

`criteria` says what is judged and keeps the steps a model wrote for it, `questions` writes what is
asked and reads the scores (`scores`), `checks` measures what was missed and three known biases.
`counseling` and `alliance` judge whole sessions (`sessions`) by CounselingEval and the Working
Alliance Inventory.
`emodiss.study` asks. A score that cannot be read is missing, never 0. Agreement with experts is in
`statistics` (`judge_correlations`, `bland_altman`).
"""

from emodiss.arguments import explain
from emodiss.judging.alliance import (
    DIMENSIONS,
    alliance_items,
    alliance_questions,
    alliance_score,
    alliance_scores,
)
from emodiss.judging.checks import (
    average_orders,
    examine,
    length_check,
    order_check,
    read_scores,
    self_preference,
    unparsable_rates,
)
from emodiss.judging.counseling import (
    CBT,
    COUNSELING,
    GENERAL,
    counseling_questions,
    counseling_score,
)
from emodiss.judging.criteria import (
    Criterion,
    JudgeError,
    Steps,
    criterion,
    read_steps,
    steps_of,
    steps_params,
    steps_question,
    write_steps,
)
from emodiss.judging.matching import match_items
from emodiss.judging.questions import COLUMNS, MODES, ORDERS, mode_params, questions, read_answers
from emodiss.judging.scores import Found, find_score, weigh
from emodiss.judging.sessions import SESSION_COLUMNS, session_table

__all__ = [
    "CBT",
    "COLUMNS",
    "COUNSELING",
    "DIMENSIONS",
    "GENERAL",
    "MODES",
    "ORDERS",
    "SESSION_COLUMNS",
    "Criterion",
    "Found",
    "JudgeError",
    "Steps",
    "alliance_items",
    "alliance_questions",
    "alliance_score",
    "alliance_scores",
    "average_orders",
    "counseling_questions",
    "counseling_score",
    "criterion",
    "examine",
    "find_score",
    "length_check",
    "match_items",
    "mode_params",
    "order_check",
    "questions",
    "read_answers",
    "read_scores",
    "read_steps",
    "self_preference",
    "session_table",
    "steps_of",
    "steps_params",
    "steps_question",
    "unparsable_rates",
    "weigh",
    "write_steps",
]

explain(__name__)
