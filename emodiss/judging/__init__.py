"""Judging: language models as raters, by G-Eval (Liu et al. 2023), and how far to trust them.

`criteria` says what is judged and keeps the steps a model wrote for it, `asking` puts the questions
and reads the scores (`scores`), `checks` measures what was missed and three known biases. A score
that cannot be read is missing, never 0. Agreement with experts is in `statistics`
(`judge_correlations`, `bland_altman`).
"""

from emodiss.judging.asking import (
    COLUMNS,
    MODES,
    ORDERS,
    judge,
    judge_all,
    mode_params,
    questions,
)
from emodiss.judging.checks import (
    average_orders,
    length_check,
    order_check,
    read_scores,
    self_preference,
    unparsable_rates,
)
from emodiss.judging.criteria import (
    Criterion,
    JudgeError,
    Steps,
    criterion,
    plan_steps,
    read_steps,
    steps_params,
    steps_question,
    write_steps,
)
from emodiss.judging.matching import match_items
from emodiss.judging.scores import Found, Weighed, find_score, weigh

__all__ = [
    "COLUMNS",
    "MODES",
    "ORDERS",
    "Criterion",
    "Found",
    "JudgeError",
    "Steps",
    "Weighed",
    "average_orders",
    "criterion",
    "find_score",
    "judge",
    "judge_all",
    "length_check",
    "match_items",
    "mode_params",
    "order_check",
    "plan_steps",
    "questions",
    "read_scores",
    "read_steps",
    "self_preference",
    "steps_params",
    "steps_question",
    "unparsable_rates",
    "weigh",
    "write_steps",
]
