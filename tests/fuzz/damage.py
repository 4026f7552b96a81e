"""Damage the files of a run folder by flips and cuts, and see what reading makes of it.

By command, for many cases: python -m tests.fuzz.damage RUN --cases 2500 --seed 1
"""

from __future__ import annotations

import argparse
import collections
import io
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import emodiss
from emodiss import judging
from emodiss.errors import EmodissError, RunError
from emodiss.reviews import Review
from emodiss.runs import codecs, fetching, layout
from emodiss.runs.perform import result_type
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.run import Run
from emodiss.runs.store import Store
from emodiss.runs.written import Written
from emodiss.study.captions import caption_faces, with_captions
from emodiss.study.interventions import InterventionFile
from emodiss.study.judgements import JudgementFile
from tests.fuzz import readers
from tests.fuzz.mutation import damaged

TABLES = ("utterances", "words", "videos", "face_frames", "face_summary", "voice_windows")


@dataclass
class Tally:
    """What became of damaged files."""

    cases: int = 0
    named: int = 0
    """Ended in an error of emodiss that says what to do, or counted as not there."""
    harmless: int = 0
    """Read, and with the value that was written, such as a blank between two entries."""
    passed_over: int = 0
    """Of files that people may change: read, with another value than was written."""
    as_sound: list[str] = field(default_factory=list)
    untyped: collections.Counter[str] = field(default_factory=collections.Counter)


def artifact_files(root: Path) -> list[Path]:
    """Files of all artifacts, `meta.json` among them."""
    return sorted(p for p in (root / "videos").glob("*/*/*") if p.is_file())


def read_artifact(path: Path) -> Any:
    """Read the artifact that a file belongs to, and what is known of it."""
    folder = path.parent
    video, name = folder.parent.name, folder.name
    store = Store(path.parents[3])
    stage, _, piece = name.partition(".")  # one piece of a long video
    files = codecs.encode(store.read(video, name, result_type(stage, piece=bool(piece))))
    pieces = {file: b"".join(content) for file, content in files.items()}
    return store.meta(video, name), pieces


def study_files(root: Path) -> None:
    """Put the files into a run that asking, judging and reviewing write, as they write them."""
    answer = {**readers.line(readers.ANSWERS[0]), "window": ["0"]}
    InterventionFile(root).append(answer)
    InterventionFile(root).keep_prompts(readers.line(prompt) for prompt in readers.PROMPTS)
    ReviewFile(root).append(Review.model_validate(readers.line(said)) for said in readers.REVIEWS)
    for label in readers.LABELS:
        ReviewFile(root).append_label(readers.line(label))
    caption_faces(emodiss.load(root))
    JudgementFile(root).keep(pd.read_csv(io.StringIO(readers.judgements())))
    steps = judging.Steps("empathy", "1. Read it.", "a model", "0" * 64)
    JudgementFile(root).write_steps({"empathy": steps})
    with Written(root) as written:
        written.write(root / "kept.csv", b"a\n")


def run_files(root: Path) -> list[Path]:
    """Files of a run beside its artifacts that commands read, and their seals."""
    own = (path for path in root.iterdir() if path.is_file() and path.name in READERS)
    return sorted([*own, *(root / layout.SEALS).iterdir()])


def _table(name: str) -> Callable[[Run], Any]:
    return lambda run: getattr(run, "videos_table" if name == "videos" else name).to_csv()


def _remembered(run: Run) -> Any:
    found = run.media_files()
    if not found:
        raise RunError("All files are hashed again.", next_step="None is needed.")
    return found


def _replaceable(run: Run) -> bool:
    """Write what takes the place of a file; refused where nothing is known of it."""
    path = run.root / "kept.csv"
    before = path.read_bytes()
    Written(run.root).write(path, b"b\n")
    path.write_bytes(before)
    return True


READERS: dict[str, Callable[[Run], Any]] = {
    "run.json": lambda run: (run.facts, run.settings, run.failures),
    "manifest.jsonl": lambda run: (run.manifest, run.failures, [run.media(v) for v in run.videos]),
    "outcomes.jsonl": lambda run: (run.outcomes, run.failures),
    ".hashes.json": _remembered,
    ".written.json": _replaceable,
    "decay.csv": lambda run: fetching.decay(run.root).read(),
    "prompts.jsonl": lambda run: run.prompts,
    "interventions.jsonl": lambda run: InterventionFile(run.root).read(),
    "asked_prompts.jsonl": lambda run: InterventionFile(run.root).prompts.read(),
    "reviews.jsonl": lambda run: ReviewFile(run.root).overlays(),
    "role_labels.jsonl": lambda run: ReviewFile(run.root).overlays(),
    "face_captions.jsonl": lambda run: with_captions(run, run.utterances).to_csv(),
    "judgements.csv": lambda run: str(JudgementFile(run.root).read()),
    "judge_steps.json": lambda run: JudgementFile(run.root).read_steps(),
    **{f"{name}.parquet": _table(name) for name in TABLES},
}
"""How commands read each file of a run."""
MAY_BE_CHANGED = ("decay.csv",)
"""Files that people may change, so that damage is not told from a change."""


def read_run(path: Path) -> Any:
    """Read a file of a run as commands do, or the file that a seal belongs to."""
    root = path.parent.parent if path.parent.name == layout.SEALS else path.parent
    return READERS[path.name](emodiss.load(root))


def tried(files: list[Path], read: Callable[[Path], Any], *, cases: int, seed: int) -> Tally:
    """Damage one file at a time, read, and put it back; each of the files has its turn."""
    rng, tally = random.Random(seed), Tally()
    before = {path: (path.read_bytes(), repr(read(path))) for path in files}
    for path in _in_turn(files, cases):
        content, value = before[path]
        changed = damaged(content, rng)
        if changed == content:
            continue
        path.write_bytes(changed)
        tally.cases += 1
        name = f"{path.parent.name}/{path.name}"
        try:
            found = read(path)
            if repr(found) == value:
                tally.harmless += 1
            elif path.name in MAY_BE_CHANGED:
                tally.passed_over += 1
            else:
                tally.as_sound.append(name)
        except EmodissError as error:
            assert error.next_step, (name, error.what)
            tally.named += 1
        except Exception as error:
            tally.untyped[f"{name}: {type(error).__name__}"] += 1
        finally:
            path.write_bytes(content)
    return tally


def _in_turn(files: list[Path], cases: int) -> Iterator[Path]:
    for number in range(cases):
        yield files[number % len(files)]


def main() -> None:
    """Try many cases on a copy of a run folder and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cases", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(shutil.copytree(asked.run, Path(scratch) / "run"))
        options = {"cases": asked.cases, "seed": asked.seed}
        study_files(root)
        print("artifacts:", tried(artifact_files(root), read_artifact, **options))
        print("run files:", tried(run_files(root), read_run, **options))


if __name__ == "__main__":
    main()
