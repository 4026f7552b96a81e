"""Long videos piece by piece: the same bytes, nothing done twice, and little to lose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import emodiss
from emodiss.errors import ModelError
from emodiss.faces import Detections
from emodiss.media import records
from emodiss.runs import codecs, engines, perform
from emodiss.runs.engines import Take
from emodiss.runs.engines.local import LocalEngine
from emodiss.runs.perform import Job
from emodiss.runs.store import Outcome
from tests import make
from tests.runs.test_annotate import results, statuses

SECONDS, PIECE = 6, 50  # four pieces, the last a short one


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds at 25 FPS: a flash, frames that two ticks show, and shots that begin with a
    piece (frames 41 and 83 are on display at ticks 50 and 100)."""
    folder = tmp_path_factory.mktemp("film")
    rng = np.random.default_rng(0)
    shots = rng.integers(20, 235, (3, 1, 1, 3))
    frames = [
        (shots[(i >= 41) + (i >= 83)] + rng.integers(-3, 4, (64, 96, 3)))
        .clip(0, 255)
        .astype(np.uint8)
        for i in range(25 * SECONDS)
    ]
    frames[110] = np.full_like(frames[110], 250)
    make.write_media(folder / "a.mp4", frames=frames, sound=make.tone(SECONDS, level=0.2))
    rows = [("Ada", 0.0, 2.5, "Hello."), ("Bo", 2.5, 5.9, "I am fine.")]
    make.write_stm(folder / "a.stm", rows)
    (folder / "manifest.csv").write_text("id,path,roles\na,a.mp4,Ada=therapist;Bo=patient\n")
    return folder


def annotate(film: Path, out: Path, settings: dict, **options):
    return emodiss.annotate(
        film / "manifest.csv",
        out=out,
        preset="lite",
        settings={**settings, "face_affect.who": "all", "faces.cut_threshold": 5.0},
        workers=0,
        **options,
    )


def assert_same(one: Path, other: Path) -> None:
    """All bytes but which mouths the walk measured: it links no faces from piece to piece."""
    faces = Path("videos", "a", "faces")
    apart = {str(faces / name) for name in ("data.npz", "meta.json")}  # meta.json has the hash
    a, b = (codecs.decode(Detections, root / faces) for root in (one, other))
    for field in ("cuts", "looked", "looks"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    for field in ("ticks", "counts", "boxes", "scores", "landmarks"):
        np.testing.assert_array_equal(getattr(a.faces, field), getattr(b.faces, field))
    left, right = (
        {name: own for name, own in results(root).items() if name not in apart}
        for root in (one, other)
    )
    assert left == right


def test_pieces_and_the_whole_give_the_same_bytes(film, tmp_path, stand_ins, monkeypatch):
    whole = annotate(film, tmp_path / "whole", stand_ins)
    assert len(whole.artifact("a", "faces").cuts) == 3  # so that cuts are compared too
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(records, "PIECE_TICKS", PIECE)
    run = annotate(film, tmp_path / "run", stand_ins, progress=lambda *step: told.append(step))
    assert_same(run.root, whole.root)
    # Every piece is told of, and none is left behind.
    assert [step[1:] for step in told if step[0] == "faces"] == [(k, 4) for k in range(5)]
    assert not list((run.root / "videos" / "a").glob("*.[0-9]*"))
    assert statuses(run, "a")["faces"] == "done"


class Killed(LocalEngine):
    """Dies in the third piece of the faces."""

    def work(self, take: Take) -> Iterator[Outcome]:
        while (job := take()) is not None:
            if job.stage == "faces" and job.number == 2 and job.piece:
                raise KeyboardInterrupt
            yield perform.perform(job)


def test_a_kill_loses_no_piece_that_was_done_and_a_damaged_one_is_done_again(
    film, tmp_path, stand_ins, monkeypatch
):
    monkeypatch.setattr(records, "PIECE_TICKS", PIECE)
    whole = annotate(film, tmp_path / "whole", stand_ins)
    with monkeypatch.context() as patch:
        patch.setattr(engines, "create", lambda *_, **__: Killed(workers=0))
        with pytest.raises(KeyboardInterrupt):
            annotate(film, tmp_path / "run", stand_ins)
    file = tmp_path / "run" / "videos" / "a" / "faces.0001" / "data.npz"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    done: list[int] = []
    once = perform.perform

    def counted(job: Job) -> Outcome:
        done.extend([job.number] if job.stage == "faces" and job.piece else [])
        return once(job)

    monkeypatch.setattr("emodiss.runs.engines.local.perform", counted)
    run = annotate(film, tmp_path / "run", stand_ins)
    assert done == [1, 2, 3]
    assert results(run.root) == results(whole.root)


def test_a_piece_that_fails_fails_its_video_once(film, tmp_path, stand_ins, monkeypatch):
    from tests import fakes

    monkeypatch.setattr(records, "PIECE_TICKS", PIECE)
    detect = fakes.Faces.detect

    def failing(self, frames):
        if len(frames) < 16:  # the last frames of a piece
            raise ModelError("It gave up.", next_step="Nothing.")
        return detect(self, frames)

    with monkeypatch.context() as patch:
        patch.setattr(fakes.Faces, "detect", failing)
        run = annotate(film, tmp_path / "run", stand_ins)
    assert [(f.video, f.stage) for f in run.failures] == [("a", "faces")]
    assert statuses(run, "a")["tracks"] == "blocked"
    assert annotate(film, tmp_path / "run", stand_ins).failures == []


def test_pieces_are_cut_at_fixed_ticks_wherever_the_stretch_begins():
    whole = make.media(frame_times=np.arange(30 * 70) / 30, video_end=70.0, end=70.0)
    assert whole.pieces() == [(0, 900), (900, 1800), (1800, 2700)]
    late = make.media(frame_times=np.arange(30 * 70) / 30, video_end=70.0, start=35.0, end=50.0)
    assert late.pieces() == [(900, 1800)]
    assert make.media(frame_times=np.zeros(0), video_end=0.0).pieces() == [(0, 0)]
