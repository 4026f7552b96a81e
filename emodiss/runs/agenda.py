"""What is done next: a job starts when what it reads is there, those with most to follow first.

So sound is worked on beside pictures, and no worker waits for a stage to end that it does not need.
Of many videos the same stage is done together, so that a worker changes its model rarely. A stage
that fails blocks what depends on it for that video and nothing else.

Long videos are done in pieces, cut at fixed ticks (`Media.pieces`), so that results do not depend
on who does them. Each is an artifact of its own until all of a video are joined.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from emodiss.errors import EmodissError, RunError
from emodiss.media import Media
from emodiss.runs.engines import Engine
from emodiss.runs.keys import Recipe, digest
from emodiss.runs.perform import Job
from emodiss.runs.progress import Progress
from emodiss.runs.sources import Source
from emodiss.runs.store import Outcome, Store
from emodiss.runs.work import Work
from emodiss.stages import BY_NAME, most_to_follow_first

_JOIN = -1
"""Place of a joining among the pieces: it goes first, since others wait for it."""


def perform_all(
    work: Work, found: Sequence[Source], pool: Engine, progress: Progress | None
) -> dict[str, dict[str, str]]:
    """Bring every artifact up to date; return the keys of those that now stand, by video."""
    agenda = Agenda(work, found, progress)
    work.store.append(agenda.begin())
    for outcome in pool.work(agenda.take):
        if settled := agenda.finish(outcome):
            work.store.append(settled)
        if outcome.error and outcome.error["code"] == "disk_full":
            raise RunError(outcome.error["what"], next_step=outcome.error["next_step"], code="disk")
    return agenda.standing()


@dataclass(slots=True)
class _Cut:
    """A stage of a video that is done in pieces."""

    whole: Job
    keys: tuple[str, ...]
    # Pieces that are not done.
    left: int
    seconds: float = 0.0
    failed: bool = False


class Agenda:
    """What is settled of every video, and the jobs that can start."""

    def __init__(self, work: Work, found: Sequence[Source], progress: Progress | None) -> None:
        self._work, self._progress = work, progress
        self._order = most_to_follow_first()
        self._rank = {stage.name: rank for rank, stage in enumerate(self._order)}
        self._sources = {source.row.id: source for source in found}
        self._place = {video: place for place, video in enumerate(self._sources)}
        self._plans = {source.row.id: recipes for source, recipes in work.recipes(found)}
        self._ahead = {video: list(self._order) for video in self._sources}
        self._settled: dict[str, set[str]] = {video: set() for video in self._sources}
        # What stands in the way of each video's later stages: the first stage that failed.
        self._failed: dict[tuple[str, str], str] = {}
        self._cut: dict[tuple[str, str], _Cut] = {}
        self._ready: list[tuple[tuple[int, int, int], Job]] = []
        # Pieces and undivided jobs by stage, for progress.
        self._done = Counter[str]()
        self._total = Counter({stage.name: len(found) for stage in self._order})
        self._told: set[str] = set()

    def begin(self) -> list[Outcome]:
        """Settle what needs no work; return what became of it."""
        return [outcome for video in self._sources for outcome in self._advance(video)]

    def take(self) -> Job | None:
        """Return the most urgent job that can start, or None when for now there is none."""
        if not self._ready:
            return None
        _, job = heapq.heappop(self._ready)
        if job.stage not in self._told:
            self._tell(job.stage)
        return job

    def finish(self, outcome: Outcome) -> list[Outcome]:
        """Take in what became of a job; return the stages that are settled by it."""
        video, stage = outcome.video, outcome.stage
        cut = self._cut.get((video, stage))
        if cut is None or cut.left:
            self._done[stage] += 1
            self._tell(stage)
        if cut is not None:
            cut.seconds = round(cut.seconds + outcome.seconds, 3)
            if not cut.left:
                if outcome.status == "done":
                    self._work.store.forget_pieces(video, stage)
                outcome = replace(outcome, seconds=cut.seconds)
            else:
                cut.left -= 1
                if outcome.status != "failed" or cut.failed:
                    self._join(cut)
                    return []
                cut.failed = True  # its other pieces are done all the same, and kept
                outcome = replace(outcome, key=cut.whole.key)
        if outcome.status == "failed":
            self._failed[video, stage] = stage
        self._settled[video].add(stage)
        return [self._noted(outcome), *self._advance(video)]

    def standing(self) -> dict[str, dict[str, str]]:
        """Return the keys of what was found or made, by video and stage."""
        return {
            video: {n: r.key for n, r in plan.items() if r.key and (video, n) not in self._failed}
            for video, plan in self._plans.items()
        }

    def _advance(self, video: str) -> Iterator[Outcome]:
        """Go on with a video: settle what needs no work, and make ready what can start."""
        settled = self._settled[video]
        for stage in list(self._ahead[video]):
            if not settled.issuperset(stage.reads):
                continue
            self._ahead[video].remove(stage)
            recipe = self._plans[video][stage.name]
            outcome = _known(self._sources[video], recipe, self._work.store, self._failed)
            if outcome is None:
                job = self._work.job(self._sources[video], stage, self._plans[video])
                self._make_ready(job)
            else:
                settled.add(stage.name)
                self._done[stage.name] += 1
                if stage.name in self._told or self._done[stage.name] == self._total[stage.name]:
                    self._tell(stage.name)
                yield self._noted(outcome)

    def _make_ready(self, job: Job) -> None:
        parts = _parts(job, self._work.store)
        if len(parts) < 2:
            self._push(job)
            return
        # What an earlier run finished before it was ended is kept.
        left = [part for part in parts if not _whole(part, self._work.store)]
        cut = _Cut(job, tuple(part.key for part in parts), len(left))
        self._cut[job.row.id, job.stage] = cut
        self._total[job.stage] += len(parts) - 1
        self._done[job.stage] += len(parts) - len(left)
        for part in left:
            self._push(part)
        self._join(cut)

    def _join(self, cut: _Cut) -> None:
        """Let the pieces be joined once all are there."""
        if not cut.left and not cut.failed:
            self._push(replace(cut.whole, parts=cut.keys, number=_JOIN))

    def _push(self, job: Job) -> None:
        urgency = self._rank[job.stage], self._place[job.row.id], job.number
        heapq.heappush(self._ready, (urgency, job))

    def _tell(self, stage: str) -> None:
        self._told.add(stage)
        if self._progress is not None:
            self._progress(stage, self._done[stage], self._total[stage])

    def _noted(self, outcome: Outcome) -> Outcome:
        """Add what is to be known of the choice of a transcript where the transcript is made."""
        if outcome.stage != "draft":
            return outcome
        return replace(outcome, notes=(*outcome.notes, *self._sources[outcome.video].notes))


def _known(
    source: Source, recipe: Recipe, store: Store, failed: dict[tuple[str, str], str]
) -> Outcome | None:
    """Say what is known of a stage of a video without doing it; None where there is work."""
    video, stage = source.row.id, recipe.stage
    blocker = next((failed[video, n] for n in stage.reads if (video, n) in failed), None)
    if stage.source and source.media is None:
        blocker = blocker or "fetch"
    if recipe.skipped:
        return Outcome(video, stage.name, "skipped", notes=(recipe.skipped,))
    if blocker:
        failed[video, stage.name] = blocker
        error = {"code": "blocked", "what": f"Stage {blocker} failed.", "next_step": ""}
        return Outcome(video, stage.name, "blocked", key=recipe.key, error=error)
    made = store.found(video, stage.name, recipe.key)
    if made is None:
        return None
    kept = tuple(made.get("notes", ()))
    return Outcome(video, stage.name, "cached", key=recipe.key, notes=kept)


def _whole(part: Job, store: Store) -> bool:
    """Whether what a piece makes is there, and as it was written."""
    made = store.found(part.row.id, part.artifact, part.key)
    return made is not None and store.damaged(part.row.id, part.artifact, made) is None


def _parts(job: Job, store: Store) -> list[Job]:
    """Cut a job into those of its pieces; none where the stage or the video is not cut."""
    if not BY_NAME[job.stage].piece:
        return []
    try:
        media: Media = store.read(job.row.id, "media", Media, key=job.inputs["media"])
    except EmodissError:
        return []  # the job itself meets the same fault, and tells it
    return [
        replace(job, piece=piece, number=number, key=digest([job.key, *piece]))
        for number, piece in enumerate(media.pieces())
    ]
