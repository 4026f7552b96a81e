"""How often voices are given their own face: clips with known truth, easy and hard.

    python scripts/measure_binding.py                      # the demo session and variants of it
    python scripts/measure_binding.py --data ../shared/data/video    # real clips as well

Every voice of a clip counts with the seconds it speaks: right (its own face, or none when its
face is not shown), wrong (somebody else's face) or open (no face although it is shown).
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from emodiss import demo, people, presets, video
from emodiss.media import decode_audio, probe
from emodiss.models import catalog
from emodiss.settings import resolve
from emodiss.speech import Transcript
from emodiss.transcript import Utterance, with_overlap

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Case:
    """A clip, who speaks when, and between which x each voice's face lies (None: not shown)."""

    name: str
    path: Path
    utterances: tuple[Utterance, ...]
    faces: Mapping[str, tuple[float, float] | None]
    settings: Mapping[str, object]
    start: float | None = None
    end: float | None = None


def measure(case: Case) -> dict[str, object]:
    """Run the stages up to the binding and count seconds."""
    settings = resolve({**presets.changes_of("lite"), **case.settings})
    row = SimpleNamespace(start=case.start, end=case.end, faces=None, roles=None)
    media = probe(source=case.path, row=row, settings=settings.media)
    audio = decode_audio(source=case.path, media=media)
    groups = {"faces": settings.faces, "tracks": settings.tracks}
    model = catalog.load("mtcnn", settings, device="cpu", threads=1)
    seen = video.detect(source=case.path, media=media, model=model, settings=groups)
    tracks = video.follow(faces=seen, settings=groups)
    mouths = people.watch_mouths(source=case.path, media=media, tracks=tracks)
    inside = [
        Utterance(max(u.start, media.start), min(u.end, media.end), u.speaker, u.text)
        for u in case.utterances
        if u.start < media.end and u.end > media.start
    ]
    found = people.match(
        media=media,
        transcript=Transcript(tuple(with_overlap(inside)), "truth"),
        tracks=tracks,
        mouths=mouths,
        audio=audio,
        row=row,
        settings=settings.people,
    )
    seconds = {"right": 0.0, "wrong": 0.0, "open": 0.0}
    sure: list[str] = []
    for person in found.persons:
        talk = sum(u.end - u.start for u in inside if u.speaker == person.speaker)
        seconds[_judge(person, tracks, case.faces[person.speaker])] += talk
        sure.append(f"{person.speaker} {person.binding_confidence:.4f}")
    total = sum(seconds.values())
    shares = {f"{name}_%": round(100 * value / total, 1) for name, value in seconds.items()}
    return {"clip": case.name, "speech_s": round(total, 1), **shares,
            "tracks": len(tracks.tracks), "confidence": ", ".join(sure)}  # fmt: skip


def _judge(person: people.Person, tracks: video.Tracks, where: tuple[float, float] | None) -> str:
    if not person.track_ids:
        return "right" if where is None else "open"
    if where is None:
        return "wrong"
    middles = [float(np.median(tracks.of(t).boxes[:, [0, 2]])) for t in person.track_ids]
    return "right" if all(where[0] <= x < where[1] for x in middles) else "wrong"


def demo_cases(folder: Path) -> Iterator[Case]:
    """Yield the demo session: whole, short, small, and with one of the two cut away."""
    session = demo.build(folder / "demo")
    truth = session.truth
    wide = {}
    for person in truth.people:
        x1, _, x2, _ = person.face
        wide[person.speaker] = (float(x1), float(x2))
    base = {"path": session.video, "utterances": truth.utterances, "settings": {}}
    yield Case("demo session", faces=wide, **base)
    yield Case("demo session, every tick", faces=wide, **{**base, "settings": {"faces.stride": 1}})
    yield Case("demo session, first 10 s", faces=wide, end=10.0, **base)
    half = folder / "demo_left.mp4"
    ffmpeg(session.video, half, "crop=iw/2:ih:0:0")
    left = next(p.speaker for p in truth.people if p.side == "left")
    alone = {s: (wide[s] if s == left else None) for s in wide}
    yield Case("demo session, one of two in the picture", faces=alone, **{**base, "path": half})
    small = folder / "demo_small.mp4"
    ffmpeg(session.video, small, "scale=iw/3:ih/3")
    yield Case(
        "demo session, a third of the size",
        faces={s: (a / 3, b / 3) for s, (a, b) in wide.items()},
        **{**base, "path": small, "settings": {"faces.min_face": 20}},
    )


def real_cases(data: Path, folder: Path) -> Iterator[Case]:
    """Yield the clips of real people with truth."""
    truth = json.loads((data / "dyad_truth.json").read_text())
    turns = tuple(Utterance(t["start"], t["end"], t["speaker"], "") for t in truth["turns"])
    sides = {"left": (0.0, 512.0), "right": (512.0, 1024.0)}
    base = {"path": data / "dyad.mp4", "utterances": turns, "settings": {}}
    yield Case("dyad", faces=sides, **base)
    yield Case("dyad, 2 s of each voice", faces=sides, start=6.0, end=10.0, **base)
    for side, crop in (("left", "crop=512:ih:0:0"), ("right", "crop=512:ih:512:0")):
        path = folder / f"dyad_{side}.mp4"
        ffmpeg(data / "dyad.mp4", path, crop)
        alone = {s: ((0.0, 512.0) if s == side else None) for s in sides}
        yield Case(f"dyad, only the {side} one in the picture", faces=alone,
                   **{**base, "path": path})  # fmt: skip
    # The man at the microphones, right of the middle, speaks throughout; the other one listens.
    speech = (Utterance(0.0, 8.7, "man", ""),)
    pair = {"path": data / "two_faces_one_speaks.mp4", "utterances": speech}
    yield Case("two faces, one speaks", faces={"man": (160.0, 320.0)}, settings={}, **pair)


def ffmpeg(source: Path, target: Path, picture: str) -> None:
    """Change the picture of a file."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(source)]
    command += ["-vf", picture, "-crf", "16", "-c:a", "copy", str(target)]
    subprocess.run(command, check=True)


def main() -> None:
    """Measure every case and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with dyad.mp4 and its truth")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = real_cases(arguments.data, folder) if arguments.data else ()
        for case in itertools.chain(cases, demo_cases(folder)):
            result = measure(case)
            if arguments.json:
                print(json.dumps(result), flush=True)
                continue
            print(
                f"{result['clip']:42} {result['speech_s']:5} s  right {result['right_%']:5} %  "
                f"wrong {result['wrong_%']:5} %  open {result['open_%']:5} %  "
                f"({result['tracks']} tracks; {result['confidence']})",
                flush=True,
            )


if __name__ == "__main__":
    main()
