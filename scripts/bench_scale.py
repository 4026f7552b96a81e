"""Make a run of the paper's size, and time what people do with it; a rating study too.

    python scripts/bench_scale.py                      # 1,441 sessions, 500,000 utterances
    python scripts/bench_scale.py --keep FOLDER        # keep run and times, and add to them
    python scripts/bench_scale.py --only export        # rows whose name has this in it
    python scripts/bench_scale.py --repeats 3 --write  # medians, into the table of the guide

Everybody in it is random numbers. The run is a true one: `emodiss.annotate` makes it from media of
a few bytes and real transcripts, with stand-ins for the stages that look and listen. What is timed
runs in a process of its own; times are CPU seconds of all its threads, start-up included.
"""

# pyright: reportPrivateUsage=false
# It makes a run as `annotate` does, from the same parts.
from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from update_guides import GUIDES, updated

from emodiss import dissonance, manifest as manifests, study, utterances
from emodiss.chat import Endpoint
from emodiss.chat.model import Completion, Usage
from emodiss.exports import FORMATS
from emodiss.faces.boxes import FaceSeries
from emodiss.faces.records import Detections, FaceTrack, LinkCounts, Tracks
from emodiss.media import Audio, Media, hash_file
from emodiss.people.records import Binding, Mouths, People, Person
from emodiss.runs import annotate as annotating, memory, perform, sources, tables
from emodiss.runs.store import Outcome, Store
from emodiss.runs.work import Work
from emodiss.stages import BY_NAME
from emodiss.transcript import Wording
from emodiss.utterances.measures import FaceMeasures, SpeechMeasures
from emodiss.utterances.windows import VoiceWindows

SESSIONS, UTTERANCES, ROWS = 1441, 500_000, 2000
RATED, RATERS, CRITERIA = 125, 10, tuple(f"criterion{n}" for n in range(1, 9))
"""Sessions whose replies are rated, eight each: 1,000 items; raters and what they rate."""
SIZE = (1280, 720)
VOICES = ("Ana", "Ben")
AXES = ("valence", "arousal", "dominance")
_FACE = ((4,), (), (5, 2))  # shapes of a box, a score and landmarks


def write_study(folder: Path, *, sessions: int, n: int, seconds: float | None = None) -> Path:
    """Write media, transcripts and the manifest of random sessions.

    They are all `seconds` long, or as long as the paper's.
    """
    rng = np.random.default_rng(0)
    # A log-normal with median 2.9 and mean 6.8 minutes, as in the paper's Table 1.
    minutes = 2.9 * np.exp(rng.normal(0, np.sqrt(2 * np.log(6.8 / 2.9)), sessions))
    if seconds is not None:
        minutes = np.full(sessions, seconds / 60)
    counts = 2 + rng.multinomial(n - 2 * sessions, minutes / minutes.sum())
    letters = "bcdfghjklmnprstvwxyz"
    words = ["".join(letters[k // 20**p % 20] for p in range(4)) for k in range(29_005)]
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["id,path,transcript,roles"]
    for k, (count, length) in enumerate(zip(counts, minutes * 60 / counts, strict=True)):
        name = f"s{k:04d}"
        # Zipf's law: the k-th word comes up with a frequency of about 1/k.
        drawn = np.minimum((29_005 ** rng.random((count, 12))).astype(int), 29_004)
        said = [
            f"{name} 1 {VOICES[i % 2].replace(' ', '_')} {i * length:.3f} {(i + 0.9) * length:.3f} "
            f"<o> {' '.join(words[w] for w in row[:m])}.\n"
            for i, (row, m) in enumerate(zip(drawn, rng.integers(1, 13, count), strict=True))
        ]
        (folder / f"{name}.mp4").write_text(f"{name} {minutes[k] * 60}")
        (folder / f"{name}.stm").write_text("".join(said))
        lines.append(f"{name},{name}.mp4,{name}.stm,Ana=therapist;Ben=patient")
    path = folder / "manifest.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _probe(*, source: Path, **_: Any) -> Media:
    seconds = float(source.read_text().split()[1])
    times = np.arange(0, seconds, 0.1)
    return Media(
        *(hash_file(source), seconds, 0.0, seconds, "aac", 16000, 1, "h264", *SIZE, 0),
        frame_times=times,
        video_end=seconds,
    )


def _hear(*, media: Media, **_: Any) -> Audio:
    return Audio(np.full(160, zlib.crc32(media.sha256.encode()) % 9999, np.int16), 16000, 0.0)


def _detect(**_: Any) -> Detections:
    nothing = np.zeros(0, np.int64)
    faces = FaceSeries(nothing, nothing, *(np.zeros((0, *n), np.float32) for n in _FACE))
    looks, steps = np.zeros((0, 2, 256), np.uint8), np.zeros((0, 3, 3), np.float32)
    return Detections(faces, np.zeros(0), 3, nothing, looks, nothing, steps)


def _follow(**_: Any) -> Tracks:
    def face(number: int) -> FaceTrack:
        ticks = np.arange(0, 300, 3)
        left = SIZE[0] / 2 * (number - 1) + 200
        boxes = np.tile(np.array([left, 200, left + 150, 350], np.float32), (100, 1))
        landmarks = np.tile(boxes[:, None, :2] + 50, (1, 5, 1))
        ones = np.ones(100, np.float32)
        return FaceTrack(number, ticks, ticks / 30, boxes, landmarks, ones, ones > 0)

    return Tracks((face(1), face(2)), LinkCounts(2, 0, 0, 0))


def _match(**_: Any) -> People:
    pairs = [(voice, k) for voice in range(2) for k in range(2)]
    return People(
        tuple(Person(n, (k + 1,), 0.99, "measured") for k, n in enumerate(VOICES)),
        tuple(Binding(VOICES[v], k + 1, 9.0, 1.0, 3.0, 0.99 if v == k else 0.01) for v, k in pairs),
    )


def _listen(*, audio: Audio, transcript: Any, **_: Any) -> SpeechMeasures:
    n = len(transcript.utterances)
    rng = np.random.default_rng(int(audio.signal[:1][0]))
    heard = rng.random(n) > 0.2
    values: list[Any] = [
        np.where(heard, rng.normal(m, 0.25, n).clip(-1, 1), np.nan) for m in (0.15, 0, 0)
    ]
    return SpeechMeasures(
        tuple("ok" if one else "too_short" for one in heard),
        *values,
        *values,
        n_clamped=0,
        scale="signed",
        start=np.array([u.start for u in transcript.utterances]),
        end=np.array([u.end for u in transcript.utterances]),
    )


def _window(*, transcript: Any, speech_affect: SpeechMeasures, **_: Any) -> VoiceWindows:
    at = np.arange(len(transcript.utterances))
    return VoiceWindows(at, speech_affect.start, speech_affect.end, speech_affect)


def _look(*, media: Media, transcript: Any, **_: Any) -> FaceMeasures:
    """Measure four frames of four in five utterances."""
    n = len(transcript.utterances)
    rng = np.random.default_rng(zlib.crc32(media.sha256.encode()))
    seen = rng.random(n) > 0.2
    utterance = np.repeat(np.flatnonzero(seen), 4)
    m = len(utterance)
    spans = np.array([(u.start, u.end) for u in transcript.utterances])[utterance]
    time_ = spans[:, 0] + (np.arange(m) % 4 + 0.5) / 4 * (spans[:, 1] - spans[:, 0])
    values = [
        (np.repeat(rng.normal(mean, 0.2, n), 4)[:m] + rng.normal(0, 0.1, m)).clip(-1, 1)
        for mean in (-0.1, 0.1)
    ]
    valence, arousal = (value.astype(np.float32) for value in values)
    return FaceMeasures(
        utterance=utterance,
        track_id=utterance % 2 + 1,
        tick=(time_ * 30).astype(np.int64),
        frame=(time_ * 10).astype(np.int64),
        time=time_,
        box=np.tile(np.array([200, 200, 350, 350], np.float32), (m, 1)),
        valence=valence,
        arousal=arousal,
        valence_raw=valence,
        arousal_raw=arousal,
        probabilities=np.full((m, 8), 0.125, np.float32),
        n_clamped=0,
        scale="signed",
        status=tuple("ok" if one else "off_screen" for one in seen),
        coverage=np.where(seen, 1.0, 0.0),
    )


def _tabulate(
    *, wording: Wording, speech_affect: Any, face_affect: Any, row: Any, settings: Any, **_: Any
) -> pd.DataFrame:
    """Lay a session out without weighing how sure its means are, which takes most of the time."""
    said = wording.utterances
    n = len(said)
    first = np.searchsorted(face_affect.utterance, np.arange(n))
    seen = np.array(face_affect.status) == "ok"
    face = {
        f"face_{axis}{raw}": np.where(seen, np.append(getattr(face_affect, axis), 0)[first], np.nan)
        for axis in ("valence", "arousal")
        for raw in ("", "_raw")
    }
    table = pd.DataFrame(
        {
            "video_id": row.id,
            "utterance_id": wording.ids,
            "start": [u.start for u in said],
            "end": [u.end for u in said],
            "speaker": [u.speaker for u in said],
            "role": [row.roles[u.speaker] for u in said],
            "role_source": "manifest",
            "text": [u.text for u in said],
            "n_words": [len(u.text.split()) for u in said],
            "overlap_s": 0.0,
            "timing": "given",
            "flags": "",
            "binding_confidence": 0.99,
            "binding_source": "measured",
            **{f"speech_{axis}": getattr(speech_affect, axis) for axis in AXES},
            **{f"speech_{axis}_raw": getattr(speech_affect, axis) for axis in AXES},
            "speech_label": [None if bad else "neutral" for bad in np.isnan(speech_affect.valence)],
            "speech_status": speech_affect.status,
            **face,
            "face_label": ["neutral" if one else None for one in seen],
            "n_face_frames": np.where(seen, 4, 0),
            "face_coverage": face_affect.coverage,
            "track_id": np.arange(n) % 2 + 1,
            "face_status": face_affect.status,
            "listener_status": "not_measured",
            "sentiment": np.random.default_rng(n).normal(0, 0.4, n).clip(-1, 1),
        }
    )
    table = utterances.conform(table, utterances.SCHEMA)
    return utterances.conform(dissonance.reflag(table, settings), utterances.SCHEMA)


_STAND_INS: dict[str, Callable[..., Any]] = {
    "media": _probe,
    "audio": _hear,
    "faces": _detect,
    "tracks": _follow,
    "mouths": lambda **_: Mouths((), np.zeros((0, 0), np.float32)),
    "people": _match,
    "speech_affect": _listen,
    "voice_windows": _window,
    "face_affect": _look,
    "utterances": _tabulate,
}
"""Stages that need media, a model or long, and what stands in for each."""


@contextlib.contextmanager
def stand_in() -> Generator[None]:
    """Have stages that need media, a model or long answer at once in this process."""
    with contextlib.ExitStack() as patches:
        for name, answer in _STAND_INS.items():
            module, _, function = BY_NAME[name].function.partition(":")
            real = getattr(importlib.import_module(module), function)
            patches.enter_context(mock.patch(f"{module}.{function}", functools.wraps(real)(answer)))
        patches.enter_context(mock.patch.object(perform, "_model", lambda _job: None))
        yield


@dataclass(frozen=True, slots=True)
class _Remembering(Store):
    """A store that reads nothing back: what a session's next stage takes is still in memory."""

    made: dict[str, Any] = field(default_factory=dict)

    def read(self, video: str, name: str, kind: Any, *, key: str | None = None) -> Any:
        return self.made[name]

    def meta(self, video: str, name: str) -> None:
        """Know of no earlier result."""

    def write(self, video: str, name: str, value: Any, *, key: str, facts: dict[str, Any]) -> None:
        self.made[name] = value
        Store(self.root).write(video, name, value, key=key, facts=facts)


def simulate(folder: Path, *, sessions: int, n: int) -> None:
    """Make a study, and annotate it as `emodiss.annotate` does, session by session."""
    read = manifests.opened(write_study(folder / "study", sessions=sessions, n=n))
    choice = memory.choose(read, folder / "run", None, ())
    settings, store = choice.settings, Store(choice.root)
    current: dict[str, dict[str, str]] = {}
    with store.lock(), stand_in(), mock.patch.object(os, "fsync", lambda _file: None):
        work = Work(store, settings)
        annotating._record(work, read, choice)
        hashes = sources.Hashes(store)
        found = annotating._known_sources(read, store, settings, hashes)
        hashes.save()
        outcomes: list[Outcome] = []
        for source, recipes in work.recipes(found):
            one = _Remembering(store.root)
            for name, recipe in recipes.items():
                status = "skipped" if recipe.skipped else "done"
                if not recipe.skipped:
                    perform._make(work.job(source, recipe.stage, recipes), one)
                outcomes.append(Outcome(source.row.id, name, status, 1.5, key=recipe.key))
            current[source.row.id] = {name: r.key for name, r in recipes.items() if r.key}
        store.append(outcomes)
        tables.gather(store, current, settings.face_affect)


class Echo:
    """A language model that answers at once."""

    def __init__(self, name: str) -> None:
        self.name, self.identity = name, f"echo {name}"

    def generate(self, messages: Any, params: Any, *, sample: int = 0) -> Completion:
        """Answer with a technique and a sentence of its own for each question."""
        del params
        said = f"{zlib.crc32(messages[0]['content'].encode()) + sample:x}"
        return Completion(f"[Reflection] {self.name} {said}", self.name, "stop", Usage(5, 4), 0.1)


_STUDY = (
    "from emodiss import ratings, study; ratings.write_study(study.rating_study({run!r}, {raters!r}"
    ", criteria={criteria!r}, n_windows={n}, seed=0), {out!r})"
)


def rate(folder: Path) -> None:
    """Make a run with replies of two models to four prompts, a study of them, and filled sheets."""
    simulate(folder, sessions=RATED, n=20 * RATED)
    run = str(folder / "run")
    asked = study.prompts(run)
    for name in ("echo1", "echo2"):
        study.intervene(run, asked, Endpoint([Echo(name)], no_cache=True))
    exec(_study(folder, folder / "dealt"))
    rng = np.random.default_rng(0)
    for path in (folder / "dealt" / "sheets").glob("*.csv"):
        sheet = pd.read_csv(path)
        sheet[list(CRITERIA)] = rng.integers(1, 6, (len(sheet), len(CRITERIA)))
        sheet.to_csv(path, index=False)


def _evaluate(folder: Path, out: str) -> str:
    """Return the code that joins the filled sheets with the key and analyses them."""
    return (
        "import pandas as pd; from pathlib import Path; from emodiss import ratings, study; "
        f"dealt = Path({str(folder / 'dealt')!r}); sheets = sorted(dealt.glob('sheets/*.csv')); "
        "table = ratings.merge({path.name: pd.read_csv(path) for path in sheets}, "
        f"pd.read_csv(dealt / 'hidden' / 'key.csv'), criteria={CRITERIA!r}); "
        f"study.evaluate({str(folder / 'run')!r}, table).write({out!r})"
    )


def _study(folder: Path, out: Path) -> str:
    """Return the code that deals the replies of a run out to raters."""
    given = {"raters": [f"r{n}" for n in range(RATERS)], "criteria": CRITERIA, "n": RATED}
    return _STUDY.format(run=str(folder / "run"), out=str(out), **given)


@dataclass(frozen=True, slots=True)
class Row:
    """What is timed, as Python code, and the most CPU seconds it may take."""

    name: str
    code: str
    # None where nothing is promised.
    target: float | None = None
    # Divides CPU seconds: pages of a report.
    per: int = 1


def rows(folder: Path, sessions: int) -> list[Row]:
    """List what is timed."""
    run, out = str(folder / "run"), str(folder / "out")
    new, more = str(folder / "new.csv"), str(folder / "study" / "more.csv")
    load = f"import emodiss; run = emodiss.load({run!r}); "
    plan = "import emodiss; emodiss.plan({!r}, out={!r}, absent='keep')"
    draw = "from emodiss.plots import registry; registry.draw(run, {!r})"
    figures = ("figure3", "figure4", "figure10")
    rated = folder / "rated"

    def cli(*words: str) -> str:
        return f"from emodiss.cli import main; sys.argv[1:] = {list(words)!r}; main()"

    return [
        *(Row(f"export {n}", cli("export", run, "--format", n, "--out", out), 60) for n in FORMATS),
        Row("report, a page", cli("report", run, "-q", "--out", out), 0.05, sessions + 1),
        Row("emodiss.load(RUN)", load),
        Row(".utterances", load + "run.utterances"),
        Row("status", cli("status", run)),
        Row("people", cli("people", run)),
        Row("dissonance", cli("dissonance", run)),
        Row("prompts", cli("prompts", run, "--out", f"{out}/prompts.jsonl")),
        *(Row(f"table {k}", cli("table", run, str(k))) for k in (1, 2, 4)),
        *(Row(name, load + draw.format(name)) for name in figures),
        Row("every session", load + "[len(session.people.persons) for session in run]"),
        Row("review roles", cli("review", "roles", run)),
        Row("models licenses", cli("models", "licenses", run)),
        Row("plan, all new", plan.format(new, f"{out}/none"), 3),
        Row("plan, run finished", plan.format(more, run)),
        Row("study of 1,000 items", _study(rated, folder / "out"), 60),
        Row("evaluate 80,000 ratings", _evaluate(rated, out), 60),
    ]


def write_manifests(folder: Path) -> None:
    """Write two manifests of 2,000 rows: nothing there yet, and all sessions of the run."""
    new = [f"n{k:04d},https://example.org/{k}.mp4," for k in range(ROWS // 2)]
    new += [f"m{k:04d},,nowhere/{k}.mp4" for k in range(ROWS // 2)]
    (folder / "new.csv").write_text("\n".join(["id,url,path", *new]) + "\n")
    known = (folder / "study" / "manifest.csv").read_text().splitlines()
    more = [f"more{k},m{k}.mp4,," for k in range(ROWS - len(known) + 1)]
    (folder / "study" / "more.csv").write_text("\n".join([*known, *more]) + "\n")


# A process takes over the peak of the one that started it, and on Linux alone tells its own.
_PEAK = (
    "import atexit, sys; atexit.register(lambda: print('\\n', next(line for line in "
    "open('/proc/self/status') if line.startswith('VmHWM')).split()[1], file=sys.stderr)); "
)


def measure(row: Row) -> tuple[float, float]:
    """Run a command; return its CPU seconds and peak memory in MB."""
    linux = sys.platform == "linux"
    command = [sys.executable, "-c", (_PEAK if linux else "import sys; ") + row.code]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{row.name} ended with {done.returncode}: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = float(done.stderr.split()[-1]) / 2**10 if linux else after.ru_maxrss / 2**20
    return cpu / row.per, peak


@dataclass(frozen=True, slots=True)
class Found:
    """What a row took, time after time: CPU seconds, and peak memory in MB."""

    row: Row
    cpu: list[float]
    peak: list[float]

    @property
    def missed(self) -> bool:
        """Whether it took longer than it may."""
        return self.row.target is not None and statistics.median(self.cpu) >= self.row.target

    def cells(self) -> tuple[str, ...]:
        """Name, CPU seconds (median, least to most), target and peak as cells of a table."""
        digits = 3 if self.row.per > 1 else 1
        cpu = f"{statistics.median(self.cpu):.{digits}f}"
        if len(self.cpu) > 1:
            cpu += f" ({min(self.cpu):.{digits}f} to {max(self.cpu):.{digits}f})"
        target = "" if self.row.target is None else f"{self.row.target:g}"
        return self.row.name, cpu, target, f"{max(self.peak):,.0f}"


def table(found: Iterable[Found]) -> str:
    """Lay out what was measured."""
    lines = ["| | CPU s | target | peak MB |", "| --- | ---: | ---: | ---: |"]
    return "\n".join([*lines, *(f"| {' | '.join(one.cells())} |" for one in found)])


def main() -> None:
    """Make the runs unless they are there, measure, and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--utterances", type=int, default=UTTERANCES)
    parser.add_argument(
        "--keep", type=Path, help="keep run and times here, and add to those that are there"
    )
    parser.add_argument("--only", nargs="+", default=[""], help="only what has this in its name")
    parser.add_argument("--repeats", type=int, default=1, help="how often each row is timed")
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        if not (folder / "run" / "face_summary.parquet").exists():
            simulate(folder, sessions=chosen.sessions, n=chosen.utterances)
        if not (folder / "rated" / "dealt").exists():
            rate(folder / "rated")
        write_manifests(folder)
        sessions = len((folder / "study" / "manifest.csv").read_text().splitlines()) - 1
        found = {row.name: Found(row, [], []) for row in rows(folder, sessions)}
        asked = [one.row for name, one in found.items() if any(p in name for p in chosen.only)]
        times = Path(folder / "times.jsonl")
        # In turns, so that a busy minute does not meet one row alone.
        for _ in range(chosen.repeats):
            for row in asked:
                cpu, peak = measure(row)
                print(f"{row.name:23} {cpu:9.3f} CPU s {peak:6.0f} MB", flush=True)
                with times.open("a") as file:
                    file.write(json.dumps([row.name, cpu, peak]) + "\n")
                shutil.rmtree(folder / "out", ignore_errors=True)
        # What was timed before on a run that is kept counts too.
        for line in times.read_text().splitlines():
            name, cpu, peak = json.loads(line)
            found[name].cpu.append(cpu)
            found[name].peak.append(peak)
        timed = [one for one in found.values() if one.cpu]

    def scale() -> str:
        return table(timed)

    print(f"\n{scale()}")
    if chosen.write:
        path = GUIDES / "speed.md"
        path.write_text(updated(path.read_text("utf-8"), "speed", scale), encoding="utf-8")
    missed = [one.row.name for one in timed if one.missed]
    sys.exit(f"Over the target: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
