"""Long videos piece by piece: on all cores, with progress to see, and with little to lose.

Pieces are cut at fixed ticks (`Media.pieces`), so that results do not depend on who does them. Each
is an artifact of its own until all of a video are joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from emodiss.errors import EmodissError
from emodiss.media import Media
from emodiss.runs.engines import Engine
from emodiss.runs.keys import digest
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome, Store
from emodiss.stages import BY_NAME


@dataclass(slots=True)
class _Video:
    """A stage of a video that is done in pieces."""

    whole: Job
    parts: list[Job]
    seconds: float = 0.0
    failed: bool = False


def perform_all(
    jobs: Sequence[Job], pool: Engine, store: Store, told: Callable[[str, int, int], None]
) -> Iterator[Outcome]:
    """Do jobs, of several stages if need be, those of long videos in pieces; one outcome for each.

    `told` is called with a stage, how many of its pieces and undivided jobs are done, and how many
    there are.
    """
    cut: dict[tuple[str, str], _Video] = {}
    todo: list[Job] = []
    done, total = Counter[str](), Counter[str]()
    for job in jobs:
        parts = _parts(job, store)
        total[job.stage] += max(1, len(parts))
        if len(parts) < 2:
            todo.append(job)
            continue
        # What an earlier run finished before it was ended is kept.
        left = [part for part in parts if not store.has(job.row.id, part.artifact, part.key)]
        cut[job.row.id, job.stage] = _Video(job, parts)
        todo += left
        done[job.stage] += len(parts) - len(left)
    for stage in total:
        told(stage, done[stage], total[stage])
    for outcome in pool.map(todo):
        done[outcome.stage] += 1
        told(outcome.stage, done[outcome.stage], total[outcome.stage])
        video = cut.get((outcome.video, outcome.stage))
        if video is None:
            yield outcome
            continue
        video.seconds += outcome.seconds
        if outcome.status == "failed" and not video.failed:
            video.failed = True  # its other pieces are done all the same, and kept
            yield replace(outcome, key=video.whole.key)
    whole = [
        replace(video.whole, parts=tuple(part.key for part in video.parts))
        for video in cut.values()
        if not video.failed
    ]
    for outcome in pool.map(whole):
        video = cut[outcome.video, outcome.stage]
        if outcome.status == "done":
            store.forget_pieces(outcome.video, outcome.stage)
        yield replace(outcome, seconds=round(video.seconds + outcome.seconds, 3))


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
