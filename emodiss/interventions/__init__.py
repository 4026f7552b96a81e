"""Interventions: what of a model's answers can be used.

The prompts ask for `[Technique] [Your Response]`. Models write that in many ways, so `parse` takes
the technique and the response out of all the usual ones, notes which one it met, keeps the raw
text, and never raises. Failure cases of appendix F in Haydarov et al. (2025) are flags beside the
parsed fields; nothing is corrected or dropped.

The flags read English and go by form, not by meaning: a missing flag is no proof of a good answer.
"""

from __future__ import annotations

from emodiss.arguments import explain
from emodiss.interventions.answers import Answer, request_hash
from emodiss.interventions.failures import FAILURES
from emodiss.interventions.parsing import parse
from emodiss.interventions.records import PARSE_MODES, Intervention, InterventionError
from emodiss.interventions.redaction import Redaction, read_names, redact
from emodiss.interventions.responses import one_window, responses
from emodiss.interventions.sharing import Plan, plan, questions
from emodiss.interventions.techniques import (
    Technique,
    count_sentences,
    count_words,
    normalise_technique,
    vocabulary,
)

__all__ = [
    "FAILURES",
    "PARSE_MODES",
    "Answer",
    "Intervention",
    "InterventionError",
    "Plan",
    "Redaction",
    "Technique",
    "count_sentences",
    "count_words",
    "normalise_technique",
    "one_window",
    "parse",
    "plan",
    "questions",
    "read_names",
    "redact",
    "request_hash",
    "responses",
    "vocabulary",
]

explain(__name__)
