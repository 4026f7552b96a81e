"""What people said about a run, on disk: `reviews.jsonl`, added to and never changed.

Beside it lies `role_labels.jsonl`, what language models said about the voices. The two are kept
apart: a person's word and a model's word are different things.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emodiss.errors import RunError
from emodiss.reviews import NOTHING_SAID, Overlay, Review, in_force
from emodiss.reviews.role_labels import RoleLabel
from emodiss.runs import jsonlines
from emodiss.runs.store import Store
from emodiss.stages import STAGES


@dataclass(frozen=True, slots=True)
class ReviewFile:
    """`reviews.jsonl` and `role_labels.jsonl` of a run folder.

    Parameters
    ----------
    root
        The run folder.
    """

    root: Path

    @property
    def path(self) -> Path:
        """One line per review, in the order they were made."""
        return self.root / "reviews.jsonl"

    @property
    def labels_path(self) -> Path:
        """One line per session that a language model was asked about."""
        return self.root / "role_labels.jsonl"

    def read(self) -> list[Review]:
        """Return all reviews ever made, oldest first; [] when there are none.

        Raises
        ------
        RunError
            If a line is no review. Going on without it would drop a person's correction.
        """
        advice = "Correct the line or take it out; each line is one review."
        found: list[Review] = []
        for number, line in enumerate(jsonlines.read(self.path, next_step=advice), 1):
            try:
                found.append(Review.model_validate(line))
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(str(part) for part in fault["loc"])
                raise RunError(
                    f"{self.path.name}, review {number}: {where} {fault['msg']}.".replace(
                        "  ", " "
                    ),
                    next_step=advice,
                    code="review",
                ) from None
        return found

    def append(self, reviews: Iterable[Review]) -> None:
        """Add reviews; also while a run is under way, which has read the earlier ones.

        Parameters
        ----------
        reviews
            In the order they were made.
        """
        with self._alone():
            jsonlines.mend(self.path)
            jsonlines.append(self.path, [review.to_dict() for review in reviews])

    def read_labels(self) -> dict[str, tuple[RoleLabel, ...]]:
        """Return the latest labels of each session, by video id.

        Raises
        ------
        RunError
            If a line is no answer.
        """
        advice = f"Take the line out of {self.labels_path.name}, or ask again."
        found: dict[str, tuple[RoleLabel, ...]] = {}
        for number, line in enumerate(jsonlines.read(self.labels_path, next_step=advice), 1):
            try:
                labels = tuple(RoleLabel.from_dict(record) for record in line["labels"])
                found[line["video_id"]] = labels
            except (KeyError, TypeError, ValueError):
                raise RunError(
                    f"{self.labels_path.name}, answer {number}: not what emodiss wrote.",
                    next_step=advice,
                    code="review",
                ) from None
        return found

    def append_label(self, line: Mapping[str, Any]) -> None:
        """Add what a language model said about one session.

        Parameters
        ----------
        line
            `video_id` and `labels` (as `RoleLabel.to_dict` gives them) are read back; the rest
            says where they come from.
        """
        with self._alone():
            jsonlines.mend(self.labels_path)
            jsonlines.append(self.labels_path, [line])

    def overlays(self) -> dict[str, Overlay]:
        """Return what lies over the results of each video, by id; other videos have nothing.

        Raises
        ------
        RunError
            As in `read` and `read_labels`.
        """
        by_video: dict[str, list[Review]] = {}
        for review in self.read():
            by_video.setdefault(review.video_id, []).append(review)
        labels = self.read_labels()
        return {
            video: Overlay(tuple(in_force(by_video.get(video, []))), labels.get(video, ()))
            for video in dict.fromkeys([*by_video, *labels])
        }

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """Let two reviewers write one after the other; a run that is under way is not in the way.

        Raises
        ------
        RunError
            If another process holds the file for long.
        """
        import filelock

        lock = filelock.FileLock(self.root / ".reviews.lock", timeout=10)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise RunError(
                f"Another process is writing reviews of the run '{self.root.name}'.",
                next_step="Try again in a moment.",
                code="locked",
            ) from None
        try:
            yield
        finally:
            lock.release()


def n_pending(store: Store, video: str, overlay: Overlay = NOTHING_SAID) -> int:
    """Count what was said or taken back since the tables of a video were made.

    Parameters
    ----------
    store
        The run folder.
    video
        Id.
    overlay
        In force now.
    """
    pending = 0
    for stage in STAGES:
        if not stage.reviews:
            continue
        used = (store.meta(video, stage.name) or {}).get("reviews", [])
        wanted = [review.facts() for review in overlay.of_kinds(stage.reviews)]
        pending += sum(fact not in used for fact in wanted) + sum(u not in wanted for u in used)
    return pending
