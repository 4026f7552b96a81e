"""What is done next: nothing waits for what it does not need, and order changes no byte."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

import emodiss
from emodiss.media import records
from emodiss.runs import engines, perform
from emodiss.runs.engines import Take
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome
from emodiss.stages import BY_NAME, STAGES, most_to_follow_first
from tests import fakes
from tests.runs.test_annotate import results, statuses
from tests.runs.test_pieces import PIECE, film as film


@dataclass
class Simulated:
    """So many workers whose clock is not the machine's; jobs are done when they end."""

    workers: int
    lasts: Callable[[Job], float]
    perform: Callable[[Job], Outcome] = perform.perform
    # Of each job: when it began, when it ended.
    spans: list[tuple[float, float, Job]] = field(default_factory=list)

    def work(self, take: Take) -> Iterator[Outcome]:
        now, busy = 0.0, list[tuple[float, float, Job]]()
        while True:
            while len(busy) < self.workers and (job := take()) is not None:
                busy.append((now, now + self.lasts(job), job))
            if not busy:
                return
            ends = min(busy, key=lambda span: span[1])
            busy.remove(ends)
            self.spans.append(ends)
            now = ends[1]
            yield self.perform(ends[2])

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def begins(self, stage: str) -> float:
        return min(begin for begin, _, job in self.spans if job.stage == stage)

    def ends(self, stage: str) -> float:
        return max(end for _, end, job in self.spans if job.stage == stage)


@pytest.fixture
def untouched(stand_ins, monkeypatch) -> dict:
    """Settings under which words are recognised and voices told apart, and all is in pieces."""
    monkeypatch.setattr(records, "PIECE_TICKS", PIECE)
    return {**stand_ins, "models.asr": "fake-words", "models.aligner": "fake-aligner"}


def annotate(pool, video, out: Path, settings: dict, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(engines, "create", lambda *_, **__: pool)
        return emodiss.annotate(video, out=out, preset="lite", settings=settings, progress=False)


@pytest.fixture
def alone(film, tmp_path) -> Path:
    """The film without a transcript."""
    (tmp_path / "alone.mp4").symlink_to(film / "a.mp4")
    return tmp_path / "alone.mp4"


def test_every_stage_comes_after_what_it_reads_and_once():
    place = {stage.name: k for k, stage in enumerate(most_to_follow_first())}
    assert sorted(place) == sorted(stage.name for stage in STAGES)
    assert all(place[name] < place[stage.name] for stage in STAGES for name in stage.reads)
    # What takes long and is not cut is not left to the end.
    assert place["recognition"] < place["turns"] < place["faces"] < place["speech_affect"]


# Seconds of an hour of video on one core, as six minutes took, a piece's for each piece; others
# take one.
HOUR = {
    "media": 10, "audio": 4, "recognition": 157, "turns": 320, "faces": 14, "tracks": 16,
    "mouths": 10, "people": 10, "speech_affect": 20, "face_affect": 3, "utterances": 11,
    "voice_windows": 7,
}  # fmt: skip


@pytest.mark.parametrize("videos", [1, 5])
def test_hours_keep_two_workers_busy(untouched, alone, tmp_path, monkeypatch, videos):
    pieces = 60 // videos  # the same work for the machine
    monkeypatch.setattr(records, "PIECE_TICKS", 6 * 30 // pieces)
    films = [tmp_path / f"film{n}.mp4" for n in range(videos)]
    for each in films:
        shutil.copy(alone, each)

    def lasts(job: Job) -> float:
        if job.parts:
            return 1.0
        return HOUR.get(job.stage, 1.0) * (60 / pieces if job.piece else 1)

    def done(job: Job) -> Outcome:
        if job.stage == "media":  # which says how long the video is
            return perform.perform(job)
        return Outcome(job.row.id, job.stage, "done", key=job.key)

    took = {}
    for workers in (1, 2):
        pool = Simulated(workers, lasts, done)
        with pytest.raises(emodiss.errors.EmodissError):  # nothing was made to be gathered
            annotate(pool, films, tmp_path / f"run{workers}", untouched, monkeypatch)
        took[workers] = max(end for _, end, _ in pool.spans)
    done_in_pieces = [job for _, _, job in pool.spans if job.stage == "faces" and job.piece]
    assert len(done_in_pieces) == pieces * videos
    # Faces need none of what recognition finds; of several videos the same stage goes first.
    if videos == 1:
        assert pool.begins("faces") < pool.ends("recognition")
    assert took[1] / took[2] > 1.9


def test_one_worker_does_a_stage_of_all_videos_together(study, tmp_path, stand_ins, monkeypatch):
    pool = Simulated(1, lambda _: 1.0)
    annotate(pool, study / "manifest.csv", tmp_path / "run", stand_ins, monkeypatch)
    order = [job.stage for _, _, job in pool.spans]
    assert [name for name, _ in groupby(order)] == list(dict.fromkeys(order))
    assert order.count("people") == order.count("faces") == 2
    # Windows of the voice, which nothing waits for, come last.
    assert fakes.LOADED == ["fake-faces", "fake-speech", "fake-face", "fake-speech"]


def test_neither_workers_nor_order_change_a_byte(untouched, alone, tmp_path, monkeypatch):
    found: list[dict[str, str]] = []
    orders: set[tuple] = set()
    for workers in (1, 3, 7):
        rng = random.Random(workers)
        pool = Simulated(workers, lambda _, rng=rng: rng.random())
        run = annotate(pool, alone, tmp_path / f"run{workers}", untouched, monkeypatch)
        assert run.failures == [] and run.utterances["text"].tolist() == ["I am fine."]
        orders.add(tuple((job.stage, job.number) for _, _, job in pool.spans))
        found.append(results(run.root))
    assert len(orders) == 3 and found[1:] == found[:1] * 2


def test_a_stage_that_fails_costs_what_depends_on_it(untouched, alone, tmp_path, monkeypatch):
    settings = {**untouched, "models.asr": "fake-no-words"}
    # Recognition fails while pieces of faces are under way.
    pool = Simulated(2, lambda job: 4.0 if job.stage == "recognition" else 1.0)
    run = annotate(pool, alone, tmp_path / "run", settings, monkeypatch)
    found = statuses(run, "alone")

    def needs(stage: str) -> bool:
        reads = BY_NAME[stage].reads
        return "recognition" in reads or any(map(needs, reads))

    assert found.pop("recognition") == "failed"
    assert {name for name, state in found.items() if state == "blocked"} == {
        name for name, state in found.items() if needs(name) and state != "skipped"
    }
    assert found["mouths"] == found["turns"] == "done"
