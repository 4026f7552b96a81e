"""The names inside a run folder. What another program relies on; they never change."""

from __future__ import annotations

from typing import Final

RUN: Final = "run.json"
EXPERIMENT: Final = "mirror.json"
MANIFEST: Final = "manifest.jsonl"
OUTCOMES: Final = "outcomes.jsonl"
VIDEOS: Final = "videos"
META: Final = "meta.json"
PROMPTS: Final = "prompts.jsonl"
FIGURES: Final = "figures"
LOCK: Final = ".lock"

DOWNLOADS: Final = "downloads"
DECAY: Final = "decay.csv"
HASHES: Final = ".hashes.json"
WRITTEN: Final = ".written.json"
SEALS: Final = ".seals"

REVIEWS: Final = "reviews.jsonl"
ROLE_LABELS: Final = "role_labels.jsonl"
REVIEWS_LOCK: Final = ".reviews.lock"

FACE_CAPTIONS: Final = "face_captions.jsonl"
PROMPT_FRAMES: Final = "prompt_frames"
INTERVENTIONS: Final = "interventions.jsonl"
ASKED_PROMPTS: Final = "asked_prompts.jsonl"
CHAT_CACHE: Final = "chat_cache.sqlite"
CHAT_LEDGER: Final = "chat_ledger.json"
JUDGEMENTS: Final = "judgements.csv"
JUDGE_STEPS: Final = "judge_steps.json"
JUDGE_LEDGER: Final = "judge_ledger.json"

RATINGS: Final = "ratings.csv"
STUDY: Final = "study"
STUDY_DESIGN: Final = "hidden/design.json"
EVALUATION: Final = "evaluation"
REPORT: Final = "report"
