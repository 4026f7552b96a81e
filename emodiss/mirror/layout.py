"""The names inside the folder of a MIRROR experiment. They never change."""

from __future__ import annotations

from typing import Final

from emodiss.runs import layout

EXPERIMENT: Final = layout.EXPERIMENT
LOCK: Final = layout.LOCK
CHAT_CACHE: Final = layout.CHAT_CACHE
LEDGER: Final = layout.CHAT_LEDGER

CASES: Final = "cases.jsonl"
LEFT_OUT: Final = "left_out.jsonl"
SCREENPLAYS: Final = "screenplays.jsonl"
EXPRESSIONS: Final = "expressions.jsonl"
REFERENCES: Final = "references.jsonl"
FACES: Final = "faces"
FACE_RECORDS: Final = "faces.jsonl"
EXPRESSIONS_WITHOUT: Final = "expressions_without_directions.jsonl"
FACES_WITHOUT: Final = "faces_without_directions"
FACE_RECORDS_WITHOUT: Final = "faces_without_directions.jsonl"
MEASURES: Final = "measures.jsonl"
SCREENING: Final = "screening.jsonl"
ENCOUNTERS: Final = "encounters.jsonl"
SESSION_FACES: Final = "session_faces"
SCORES: Final = "scores.jsonl"
PAIRS: Final = "pairs"
PAIR_RATINGS: Final = "pair_ratings.csv"
EVALUATION: Final = "evaluation"
PAPER: Final = "paper.md"
FIGURES: Final = layout.FIGURES
REPORT: Final = layout.REPORT
ANNOMI: Final = "annomi"
TRAINING: Final = "training"
