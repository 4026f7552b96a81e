"""Damage the files of a run folder by flips and cuts, and see what reading makes of it.

By command, for many cases: python -m tests.fuzz.damage RUN --cases 2500 --seed 1
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import emodiss
from emodiss.errors import EmodissError
from emodiss.runs import codecs, fetching, sources
from emodiss.runs.perform import result_type
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.store import Store
from emodiss.study.interventions import InterventionFile, totals

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
    """Of files that carry no hash: read, with another value than was written."""
    as_sound: list[str] = field(default_factory=list)
    untyped: collections.Counter[str] = field(default_factory=collections.Counter)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Flip up to three bits, cut the end, or put zeros or a block of the file elsewhere."""
    if not content:
        return b"\0"
    changed = bytearray(content)
    kind = rng.choice(("flip", "flip", "cut", "zeros", "moved"))
    place = rng.randrange(len(content))
    if kind == "flip":
        for _ in range(rng.randint(1, 3)):
            changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del changed[place:]
    else:
        n = min(rng.choice((1, 16, 512)), len(content) - place)
        start = rng.randrange(len(content) - n + 1)
        changed[place : place + n] = bytes(n) if kind == "zeros" else content[start : start + n]
    return bytes(changed)


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


def run_files(root: Path) -> list[Path]:
    """Files of a run beside its artifacts that commands read."""
    names = (
        *("run.json", "manifest.jsonl", "outcomes.jsonl", ".hashes.json", "decay.csv"),
        *("prompts.jsonl", "interventions.jsonl", "reviews.jsonl", "role_labels.jsonl"),
        *(f"{name}.parquet" for name in TABLES),
    )
    return [root / name for name in names if (root / name).is_file()]


def read_run(path: Path) -> Any:
    """Read a file of a run as commands do."""
    run = emodiss.load(path.parent)
    if path.suffix == ".parquet":
        table = getattr(run, "videos_table" if path.stem == "videos" else path.stem)
        return table.to_csv()
    readers: dict[str, Callable[[], Any]] = {
        "run.json": lambda: (run.facts, run.settings, run.failures),
        "manifest.jsonl": lambda: (run.manifest, run.failures, [run.media(v) for v in run.videos]),
        "outcomes.jsonl": lambda: (run.outcomes, run.failures),
        ".hashes.json": lambda: sources.Hashes(run.store).path_of("0" * 64),
        "decay.csv": lambda: fetching.decay(run.root).read(),
        "prompts.jsonl": lambda: run.prompts,
        "interventions.jsonl": lambda: totals(InterventionFile(run.root).read()),
        "reviews.jsonl": lambda: ReviewFile(run.root).overlays(),
        "role_labels.jsonl": lambda: ReviewFile(run.root).overlays(),
    }
    return readers[path.name]()


def tried(
    files: list[Path], read: Callable[[Path], Any], *, cases: int, seed: int, hashed: bool
) -> Tally:
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
            elif hashed:
                tally.as_sound.append(name)
            else:
                tally.passed_over += 1
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
        print("artifacts:", tried(artifact_files(root), read_artifact, hashed=True, **options))
        print("run files:", tried(run_files(root), read_run, hashed=False, **options))


if __name__ == "__main__":
    main()
