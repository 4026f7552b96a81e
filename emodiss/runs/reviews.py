"""What people said about a run, on disk: `reviews.jsonl`, added to and never changed.

Beside it lies `role_labels.jsonl`, what language models said about the voices. The two are kept
apart: a person's word and a model's word are different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss.reviews import NOTHING_SAID, Overlay, Review, in_force
from emodiss.reviews.role_labels import RoleLabel
from emodiss.runs import layout
from emodiss.runs.journal import Journal, Line
from emodiss.runs.store import Store
from emodiss.stages import STAGES


@dataclass(frozen=True, slots=True)
class ReviewFile:
    """Reviews and role labels of a run folder; added to also while a run is under way."""

    root: Path

    @property
    def reviews(self) -> Journal[Review]:
        """One line per review, in the order they were made."""
        return Journal(
            self.root / layout.REVIEWS,
            next_step="Correct the line or take it out; each line is one review.",
            decode=Review.model_validate,
            encode=Review.to_dict,
            lock=self.root / layout.REVIEWS_LOCK,
        )

    @property
    def role_labels(self) -> Journal[Line]:
        """One line per session that a language model was asked about."""
        return Journal(
            self.root / layout.ROLE_LABELS,
            next_step=f"Take the line out of {layout.ROLE_LABELS}, or ask again: "
            "emodiss label-roles.",
            decode=_checked,
            lock=self.root / layout.REVIEWS_LOCK,
        )

    def read(self) -> list[Review]:
        """Return all reviews ever made, oldest first."""
        return self.reviews.read()

    def append(self, reviews: Iterable[Review]) -> None:
        """Add reviews."""
        self.reviews.append(reviews)

    def read_labels(self) -> dict[str, tuple[RoleLabel, ...]]:
        """Return the latest labels of each session, by video id."""
        return {line["video_id"]: _labels(line) for line in self.role_labels.read()}

    def append_label(self, line: Mapping[str, Any]) -> None:
        """Add what a language model said of one session: `video_id`, `labels` and the source."""
        self.role_labels.append([dict(line)])

    def overlays(self) -> dict[str, Overlay]:
        """Return what lies over the results of each video, by id; other videos have nothing."""
        by_video: dict[str, list[Review]] = {}
        for review in self.read():
            by_video.setdefault(review.video_id, []).append(review)
        labels = self.read_labels()
        return {
            video: Overlay(tuple(in_force(by_video.get(video, []))), labels.get(video, ()))
            for video in dict.fromkeys([*by_video, *labels])
        }


def _labels(line: Line) -> tuple[RoleLabel, ...]:
    return tuple(RoleLabel.from_dict(record) for record in line["labels"])


def _checked(line: Line) -> Line:
    if not isinstance(line["video_id"], str):
        raise TypeError
    _labels(line)
    return line


def n_pending(store: Store, video: str, overlay: Overlay = NOTHING_SAID) -> int:
    """Count what was said or taken back since the tables of a video were made."""
    return len(pending_facts(store, video, overlay))


def pending_facts(store: Store, video: str, overlay: Overlay) -> list[dict[str, Any]]:
    """Return what was said or taken back since the tables of a video were made."""
    pending: list[dict[str, Any]] = []
    for stage in STAGES:
        if not stage.reviews:
            continue
        used = (store.meta(video, stage.name) or {}).get("reviews", [])
        wanted = [review.facts() for review in overlay.of_kinds(stage.reviews)]
        differ = [f for f in wanted if f not in used] + [u for u in used if u not in wanted]
        # Two stages take in what changes who speaks when.
        pending += [fact for fact in differ if fact not in pending]
    return pending
