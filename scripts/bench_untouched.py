"""What an untouched video ends in: words, voices, faces, affect and cost, against known truth.

    python scripts/bench_untouched.py                        # what installed packages carry
    python scripts/bench_untouched.py --data ../shared/data  # real scenes and recordings as well
    python scripts/bench_untouched.py --data DIR --write     # the tables of the guide anew
    python scripts/bench_untouched.py --long                 # and three hours of film

Every recording goes through `emodiss.annotate(..., preset="lite")` as a stranger's file would: no
transcript, no roles, no number of voices. The run lies in `--out` and is continued, so what is
measured already costs nothing again. Voices that speak where nobody is shown are right when they
get no face; speech that no utterance covers counts as open.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

import emodiss
from emodiss import demo, presets
from emodiss.demo.portraits import find_sample
from emodiss.models import catalog
from emodiss.runs import perform
from emodiss.settings import resolve
from emodiss.transcript import Turn, read
from emodiss.transcript.scoring import plain_words, voice_errors, word_errors

GUIDE = Path(__file__).resolve().parents[1] / "emodiss" / "guides" / "untouched.md"
RATE = 16_000
DOUBTS = {"low_probability", "no_speech", "repetition"}
JFK = (
    "And so my fellow Americans, ask not what your country can do for you, ask what you can do for "
    "your country."
)
RAVDESS = {1: "Kids are talking by the door.", 2: "Dogs are sitting by the door."}

LONG, THREE_HOURS_S, LONG_SIZE, LONG_FPS = "three hours", 10_800, (320, 180), 6.25
"""The film of three hours: its name, length, width and height, and pictures per second."""

Panel = tuple[str, float, float, tuple[float, float, float, float]]


@dataclass(frozen=True)
class Case:
    """A recording and what is known of it; None is not known.

    `faces` are panels: whose face lies in which box from when to when. `voices` says which person
    a voice belongs to (None: never shown), where faces are known.
    """

    name: str
    kind: str
    path: Path
    said: tuple[tuple[str, str], ...] | None = None
    turns: tuple[Turn, ...] | None = None
    voices: dict[str, str | None] | None = None
    faces: tuple[Panel, ...] = ()
    expect: str = ""
    seconds: float | None = None


# --- what is measured ----------------------------------------------------------------------------


def cases(data: Path | None, folder: Path, *, long: bool) -> Iterator[Case]:
    """Yield every recording; those that are composed are written into a folder once."""
    yield from _carried(folder)
    if data is not None:
        yield from _scenes(data / "asd")
        yield from _recordings(data, folder)
    yield from _bad(data, folder)
    if long:
        yield _three_hours(data, folder)


def _carried(folder: Path) -> Iterator[Case]:
    """Yield the call that pyannote.audio carries, and the demo session made of it."""
    wav = find_sample("pyannote.audio", "sample/sample.wav")
    known = read(find_sample("pyannote.audio", "sample/sample.stm"))
    truth = {
        "said": tuple((u.speaker, u.text) for u in known),
        "turns": tuple(Turn(u.start, u.end, u.speaker) for u in known),
    }
    yield Case("telephone call", "recording", wav, **truth)
    session = demo.build(folder / "demo")
    yield Case("demo session", "demo", session.video, **truth, **_demo_faces(session.truth))


def _demo_faces(truth: demo.DemoTruth, *, mirrored: bool = False) -> dict[str, Any]:
    panels: list[Panel] = []
    for person in truth.people:
        left = (person.side == "left") != mirrored
        box = (0.0, 0.0, demo.WIDTH / 2, demo.HEIGHT) if left else (
            demo.WIDTH / 2, 0.0, demo.WIDTH, demo.HEIGHT)  # fmt: skip
        start = 0.0
        for away in person.absences:
            panels.append((person.speaker, start, away.start, box))
            start = away.end
        panels.append((person.speaker, start, truth.duration, box))
    return {"voices": {p.speaker: p.speaker for p in truth.people}, "faces": tuple(panels)}


def _scenes(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("d*.json")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        yield Case(
            path.stem,
            truth["class"],
            folder / truth["video"],
            turns=tuple(Turn(t["start"], t["end"], t["speaker"]) for t in truth["turns"]),
            voices=truth["voices"],
            faces=tuple((f["person"], f["start"], f["end"], tuple(f["box"]))
                        for f in truth["faces"]),
        )  # fmt: skip


def _recordings(data: Path, folder: Path) -> Iterator[Case]:
    turns: dict[str, list[Turn]] = {}
    for line in (data / "audio" / "debug.development.rttm").read_text().splitlines():
        cell = line.split()
        start, length = float(cell[3]), float(cell[4])
        turns.setdefault(cell[1], []).append(Turn(start, start + length, cell[7]))
    for name in ("dev00", "dev01"):
        yield Case(name, "recording", data / "audio" / f"{name}.wav", turns=tuple(turns[name]))
    jfk = data / "audio" / "jfk.wav"
    yield Case("jfk", "recording", jfk, said=(("jfk", JFK),))
    truth = json.loads((data / "video" / "dyad_truth.json").read_text(encoding="utf-8"))
    sides = {"left": (0.0, 0.0, 512.0, 9e9), "right": (512.0, 0.0, 1024.0, 9e9)}
    yield Case(
        "dyad", "dyad", data / "video" / "dyad.mp4",
        turns=tuple(Turn(t["start"], t["end"], t["speaker"]) for t in truth["turns"]),
        voices={side: side for side in sides},
        faces=tuple((side, 0.0, 99.0, box) for side, box in sides.items()),
    )  # fmt: skip
    yield Case(
        "two faces", "two_faces", data / "video" / "two_faces_one_speaks.mp4",
        turns=(Turn(0.0, 8.7, "man"),), voices={"man": "man"},
        faces=(("man", 0.0, 9.0, (160.0, 0.0, 9e9, 9e9)),
               ("listener", 0.0, 9.0, (0.0, 0.0, 160.0, 9e9))),
    )  # fmt: skip
    clips = _acted(data / "lite")
    for actor in sorted({c.speaker for c in clips if c.corpus == "ravdess"})[12:16]:
        mine = [c for c in clips if c.speaker == actor][::6][:9]
        yield _composed(f"acting {actor}", "one acting voice", mine, folder)


def _composed(name: str, kind: str, clips: Sequence[Any], folder: Path) -> Case:
    """Acted clips one after the other, half a second apart."""
    path = folder / f"{name.replace(' ', '_')}.wav"
    pieces: list[np.ndarray] = []
    turns: list[Turn] = []
    at = 0.0
    for clip in clips:
        sound = clip.read()
        turns.append(Turn(at, at + len(sound) / RATE, clip.speaker))
        pieces += [sound, np.zeros(RATE // 2, np.float32)]
        at += len(sound) / RATE + 0.5
    _write_wav(path, np.concatenate(pieces))
    said = tuple((c.speaker, c.text) for c in clips)
    return Case(name, kind, path, said=said if all(c.text for c in clips) else None,
                turns=tuple(turns))  # fmt: skip


def _acted(folder: Path) -> list[Any]:
    """List the acted clips, with their speaker, corpus and words."""
    archive = folder / "speech_16k_flac.tar"
    found: list[Any] = []
    with (folder / "speech_labels.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            number = (
                row["statement"][:2] if row["corpus"] == "ravdess" else ""
            )  # 01_02: second time
            found.append(
                SimpleNamespace(
                    speaker=row["speaker"],
                    corpus=row["corpus"],
                    text=RAVDESS.get(int(number), "") if number else "",
                    read=lambda name=row["archive_name"]: _from_tar(archive, name),
                )
            )
    return found


def _from_tar(archive: Path, name: str) -> np.ndarray:
    import io

    import soundfile

    with tarfile.open(archive) as packed:
        member = packed.extractfile(name)
        assert member is not None
        return np.asarray(soundfile.read(io.BytesIO(member.read()), dtype="float32")[0])


# --- bad input -----------------------------------------------------------------------------------


def _bad(data: Path | None, folder: Path) -> Iterator[Case]:
    """Yield what no tool should be fooled by, composed from the demo film and from noise."""
    session = demo.build(folder / "demo")
    film, truth = session.video, session.truth
    call = find_sample("pyannote.audio", "sample/sample.wav")
    turns = tuple(Turn(u.start, u.end, u.speaker) for u in truth.utterances)
    said = tuple((u.speaker, u.text) for u in truth.utterances)
    faces = _demo_faces(truth)
    rng = np.random.default_rng(0)
    t = np.arange(20 * RATE) / RATE

    def sound(name: str, signal: np.ndarray) -> Path:
        path = folder / f"{name}.wav"
        _write_wav(path, signal.astype(np.float32))
        return path

    def picture(name: str, *options: object) -> Path:
        path = folder / f"{name}.mp4"
        _ffmpeg(path, *options)
        return path

    def bad(name: str, path: Path, expect: str, **known: Any) -> Case:
        return Case(name, "bad input", path, expect=expect, **known)

    yield bad("silence", sound("silence", np.zeros(20 * RATE)), "no utterance")
    yield bad("noise", sound("noise", rng.normal(0, 0.05, len(t))), "no unflagged word")
    chords = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330)) / 8 * (t % 0.5 < 0.4)
    yield bad("music", sound("music", chords), "no unflagged word")
    puffs = np.exp(-(((t % 0.21) / 0.06) ** 2)) * (t % 3 < 1.4)
    buzz = sum(np.sin(2 * np.pi * k * 240 * t) / k for k in range(1, 12)) / 6
    laughs = puffs * (buzz + rng.normal(0, 0.1, len(t)))
    yield bad("laughter-like noise", sound("laughter", laughs * 0.4), "no unflagged word")
    late = picture("late", "-i", film, "-itsoffset", "0.2", "-i", film,
                   "-map", "0:v", "-map", "1:a", "-c", "copy")  # fmt: skip
    shifted = tuple(Turn(u.start + 0.2, u.end + 0.2, u.speaker) for u in turns)
    yield bad("sound 200 ms late", late, "as the demo", said=said, turns=shifted, **faces)
    signal = _read_wav(call)
    rolled = sound("rolled", np.roll(signal, 11 * RATE))
    dubbed = picture("dubbed", "-i", film, "-i", rolled, "-map", "0:v", "-map", "1:a",
                     "-c:v", "copy", "-c:a", "aac", "-shortest")  # fmt: skip
    hidden: dict[str, str | None] = {"Diane": None, "Sheila": None}
    moved = tuple(Turn((u.start + 11) % 30, min((u.start + 11) % 30 + u.end - u.start, 30.0),
                       u.speaker) for u in turns)  # fmt: skip
    unseen = {"voices": hidden, "faces": faces["faces"]}
    yield bad("dubbed: the sound of another stretch", dubbed, "no face", turns=moved, **unseen)
    mirror = picture("mirror", "-i", film, "-vf", "hflip", "-crf", "18", "-c:a", "copy")
    yield bad("mirrored picture", mirror, "as the demo", said=said, turns=turns,
              **_demo_faces(truth, mirrored=True))  # fmt: skip
    yield bad("picture without sound", picture("mute", "-i", film, "-an", "-c", "copy"),
              "no utterance")  # fmt: skip
    yield bad("sound without picture", picture("phone", "-i", film, "-vn", "-c", "copy"),
              "words and voices, no face", said=said, turns=turns)  # fmt: skip
    cut = tuple(u for u in truth.utterances if u.end <= 20.0)
    yield bad("20 seconds", film, "as the demo, or open", seconds=20.0,
              said=tuple((u.speaker, u.text) for u in cut),
              turns=tuple(Turn(u.start, min(u.end, 20.0), u.speaker) for u in truth.utterances
                          if u.start < 20.0), **faces)  # fmt: skip
    if data is None:
        return
    jfk = data / "audio" / "jfk.wav"
    narrated = picture("narrator", "-i", film, "-i", jfk, "-map", "0:v", "-map", "1:a",
                       "-c:v", "copy", "-c:a", "aac", "-shortest")  # fmt: skip
    yield bad("narrator over faces", narrated, "words, no face", said=(("jfk", JFK),),
              turns=(Turn(0.3, 10.6, "jfk"),), voices={"jfk": None},
              faces=faces["faces"])  # fmt: skip
    clips = _acted(data / "lite")
    german = [c for c in clips if c.corpus == "emodb"]
    for speaker in sorted({c.speaker for c in german})[:2]:
        mine = [c for c in german if c.speaker == speaker][::5][:8]
        made = _composed(f"German {speaker}", "bad input", mine, folder)
        yield bad(f"another language ({speaker})", made.path, "note that the text is doubtful",
                  turns=made.turns)  # fmt: skip
    talk = [signal[7 * RATE :]] + [_read_wav(data / "audio" / f) for f in
                                   ("jfk.wav", "dev00.wav", "dev01.wav")]  # fmt: skip
    several = np.sum([np.resize(one, 15 * RATE) for one in talk], axis=0) / 2
    said = "words that one of them says, else flagged"
    yield bad("four recordings at once", sound("four_recordings", several), said)


def _three_hours(data: Path | None, folder: Path) -> Case:
    """Compose three hours of scenes in random order, a third of them with their sound.

    Small and slow pictures, so that it ends in an hour of CPU time. Without scenes the demo film,
    over and over.
    """
    path, known = folder / "three_hours.mp4", Case(LONG, "bad input", folder)
    expect = "as the scenes; no wrong face"
    if data is None:
        film = demo.build(folder / "demo").video
        _ffmpeg(path, "-stream_loop", "359", "-i", film, "-c", "copy", "-t", f"{THREE_HOURS_S}")
        return replace(known, path=path, expect="ends")
    scenes = [c for c in (*_scenes(data / "asd"), *_recordings(data, folder)) if c.faces]
    small = {scene.name: _small(scene, folder) for scene in scenes}
    listed, sound = folder / "three_hours.txt", folder / "three_hours.wav"
    order = list(_order(scenes, {name: length for name, (_, _, length) in small.items()}))
    if not path.exists():
        parts: list[np.ndarray] = []
        for scene, _, heard in order:
            _, signal, length = small[scene.name]
            n = round(length * RATE)
            parts.append(np.resize(np.pad(signal, (0, max(0, n - len(signal)))), n) * heard)
        listed.write_text("".join(f"file '{small[s.name][0].resolve()}'\n" for s, _, _ in order))
        _write_wav(sound, np.concatenate(parts))
        _ffmpeg(path, "-f", "concat", "-safe", "0", "-i", listed, "-i", sound, "-map", "0:v",
                "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-b:a", "40k")  # fmt: skip
    return replace(known, path=path, expect=expect, **_truth_of(order))


def _small(scene: Case, folder: Path) -> tuple[Path, np.ndarray, float]:
    """Make a scene's small pictures without sound; return its sound and its length, too."""
    import av

    stem = f"long_{scene.name.replace(' ', '_')}"
    pictures, sound = folder / f"{stem}.mkv", folder / f"{stem}.wav"
    size = "{}:{}".format(*LONG_SIZE)
    scaled = f"scale={size}:force_original_aspect_ratio=decrease,pad={size}:-1:-1,fps={LONG_FPS}"
    _ffmpeg(pictures, "-i", scene.path, "-an", "-vf", scaled, "-c:v", "libx264", "-crf", "23")
    _ffmpeg(sound, "-i", scene.path, "-vn", "-ar", str(RATE), "-ac", "1")
    with av.open(str(pictures)) as container:
        n = sum(packet.pts is not None for packet in container.demux(video=0))
    return pictures, _read_wav(sound), n / LONG_FPS


def _order(scenes: Sequence[Case], lengths: dict[str, float]) -> Iterator[tuple[Case, float, bool]]:
    """Draw scenes: which, from when on, and whether it is heard."""
    rng, at = random.Random(0), 0.0
    while at < THREE_HOURS_S:
        drawn = list(scenes)
        rng.shuffle(drawn)
        for scene in drawn:
            yield scene, at, rng.random() < 1 / 3
            at += lengths[scene.name]
            if at >= THREE_HOURS_S:
                break


def _truth_of(order: Sequence[tuple[Case, float, bool]]) -> dict[str, Any]:
    """Say who speaks and who is seen when; people are told apart within a scene alone."""
    turns: list[Turn] = []
    faces: list[Panel] = []
    voices: dict[str, str | None] = {}
    for scene, at, heard in order:
        assert scene.turns is not None and scene.voices is not None

        def of_scene(name: str, scene: Case = scene) -> str:
            return f"{scene.name} {name}"

        if heard:
            turns += [Turn(at + t.start, at + t.end, of_scene(t.speaker)) for t in scene.turns]
        for voice, person in scene.voices.items():
            voices[of_scene(voice)] = None if person is None else of_scene(person)
        width, height = _picture_size(scene.path)
        scale = min(LONG_SIZE[0] / width, LONG_SIZE[1] / height)
        left, top = (LONG_SIZE[0] - width * scale) / 2, (LONG_SIZE[1] - height * scale) / 2
        for person, start, end, (x1, y1, x2, y2) in scene.faces:
            box = (left + x1 * scale, top + y1 * scale, left + x2 * scale, top + y2 * scale)
            faces.append((of_scene(person), at + start, at + end, box))
    return {"turns": tuple(turns), "voices": voices, "faces": tuple(faces)}


@cache
def _picture_size(path: Path) -> tuple[int, int]:
    import av

    with av.open(str(path)) as container:
        video = container.streams.video[0]
        return video.width, video.height


def _ffmpeg(target: Path, *options: object) -> None:
    import imageio_ffmpeg

    if target.exists():
        return
    unfinished = target.with_name(f"unfinished-{target.name}")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, options)]
    subprocess.run([*command, str(unfinished)], check=True)
    unfinished.rename(target)


def _write_wav(path: Path, signal: np.ndarray) -> None:
    import soundfile

    if not path.exists():
        soundfile.write(path, np.clip(signal, -1, 1), RATE)


def _read_wav(path: Path) -> np.ndarray:
    import soundfile

    return np.asarray(soundfile.read(path, dtype="float32")[0])


# --- how it is measured --------------------------------------------------------------------------


def annotate(found: Sequence[Case], out: Path, settings: Sequence[str]) -> emodiss.Run:
    """Annotate all recordings in one run, whose outcomes hold CPU seconds instead of seconds."""
    manifest = out / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "path", "end"))
        rows.writerows((_id(c), c.path.resolve(), c.seconds or "") for c in found)
    perform.time = SimpleNamespace(perf_counter=time.process_time)
    return emodiss.annotate(
        manifest,
        out=out / "run",
        preset="lite",
        settings=list(settings),
        workers=0,
        allow_local=True,
        announce=lambda line: print(line, file=sys.stderr, flush=True),
    )


def _id(case: Case) -> str:
    """Return an id that no transcript beside a recording bears."""
    return "untouched_" + re.sub(r"\W+", "_", case.name).strip("_")


def measure(case: Case, run: emodiss.Run) -> dict[str, Any]:
    """Hold one recording's results against what is known of it."""
    video = _id(case)
    outcomes = {stage: o for (v, stage), o in run.outcomes.items() if v == video}
    failed = [o for o in outcomes.values() if o.status == "failed"]
    row: dict[str, Any] = {"case": case.name, "class": case.kind, "expect": case.expect}
    if failed:
        code = (failed[0].error or {}).get("code")
        return {**row, "outcome": f"failed in {failed[0].stage}: {code}"}
    table = run.session(video)
    notes = sorted({n for o in outcomes.values() if o.status != "skipped" for n in o.notes})
    doubted = [bool(DOUBTS & set(str(f).split(";"))) for f in table["flags"]]
    n_words = table["n_words"].fillna(0).to_numpy(int)
    row |= {
        "outcome": "done",
        "notes": notes,
        "utterances": len(table),
        "words": int(n_words.sum()),
        "words_unflagged": int(n_words[~np.array(doubted, bool)].sum()) if len(table) else 0,
        "voice_ok": int((table["speech_status"] == "ok").sum()),
        "face_ok": int((table["face_status"] == "ok").sum()),
        "voices_found": int(table["speaker"].nunique()),
    }
    found = [
        Turn(float(s), float(e), str(v))
        for s, e, v in zip(table["start"], table["end"], table["speaker"], strict=True)
    ]
    same: dict[str, str] = {}
    if case.turns is not None:
        errors = voice_errors(case.turns, found)
        same = dict(errors.same)
        wrong = errors.missed_s + errors.false_alarm_s + errors.confused_s
        row |= {
            "voices": len({turn.speaker for turn in case.turns}),
            "speech_s": errors.speech_s,
            "der_s": wrong,
            "confused_s": errors.confused_s,
        }
    if case.said is not None:
        row |= _words(case.said, table, same)
    if case.turns is not None and case.voices is not None:
        row |= _faces(case, table, run.artifact(video, "tracks"))
    return row


def _words(
    said: Sequence[tuple[str, str]], table: pd.DataFrame, same: dict[str, str]
) -> dict[str, int]:
    """Count wrong words and, where it is known who spoke when, words with the wrong voice."""
    true = [(word, who) for who, text in said for word in plain_words(text)]
    heard = [
        (word, same.get(str(who)))
        for text, who in zip(table["text"], table["speaker"], strict=True)
        for word in plain_words(str(text))
    ]
    errors = word_errors([w for w, _ in true], [w for w, _ in heard])
    found = {"said": errors.n_said, "word_errors": errors.n_wrong}
    if same:
        found["word_pairs"] = len(errors.pairs)
        found["word_voice_errors"] = sum(true[i][1] != heard[j][1] for i, j in errors.pairs)
    return found


def _faces(case: Case, table: pd.DataFrame, tracks: Any) -> dict[str, float]:
    """Seconds of speech whose voice has the right face (or rightly none), a wrong one, or none."""
    assert case.turns is not None and case.voices is not None
    seconds = {"right": 0.0, "wrong": 0.0, "open": 0.0}
    by_id = {track.id: track for track in tracks.tracks}
    step = 0.1
    rows = [(r, _speaker(r, case.turns)) for r in table.to_dict("records")]
    for turn in case.turns:
        person = case.voices[turn.speaker]
        mine = [r for r, who in rows if who == turn.speaker and _meet(r["start"], r["end"], turn)]
        faces = [panel for panel in case.faces if _meet(panel[1] - 1, panel[2] + 1, turn)]
        for at in np.arange(turn.start + step / 2, turn.end, step):
            shown = {p for p, start, end, _ in faces if start <= at < end}
            said = next((r for r in mine if r["start"] <= at < r["end"]), None)
            whose = None
            if said is not None and not pd.isna(said["track_id"]):
                whose = _whose(by_id.get(int(said["track_id"])), float(at), faces)
            if whose is None:
                verdict = "open" if person in shown else "right"
            else:
                verdict = "right" if whose == person else "wrong"
            seconds[verdict] += step
    return {f"face_{name}_s": round(value, 2) for name, value in seconds.items()}


def _meet(start: float, end: float, turn: Turn) -> bool:
    return start < turn.end and turn.start < end


def _speaker(row: dict[str, Any], turns: Iterable[Turn]) -> str | None:
    """Who speaks most of an utterance, by the truth."""
    shared: dict[str, float] = {}
    for turn in turns:
        both = min(turn.end, row["end"]) - max(turn.start, row["start"])
        if both > 0:
            shared[turn.speaker] = shared.get(turn.speaker, 0.0) + both
    return max(shared, key=lambda name: shared[name]) if shared else None


def _whose(track: Any, at: float, faces: Iterable[Panel]) -> str | None:
    """Whose panel a track lies in at an instant, or where it is next to that; None out of view."""
    if track is None or not len(track.times):
        return None
    near = int(np.argmin(np.abs(track.times - at)))
    # Behind a cut the same place is somebody else's: the panel is that of the track's own time.
    seen = float(track.times[near])
    if abs(seen - at) > 0.5:
        return None
    x, y = (track.boxes[near, :2] + track.boxes[near, 2:]) / 2
    # A face that is leaving the picture may be followed for a moment past the end of its panel.
    for margin in (0.0, 0.5):
        for person, start, end, (x1, y1, x2, y2) in faces:
            if start - margin <= seen < end + margin and x1 <= x < x2 and y1 <= y < y2:
                return person
    return "nobody"


def stages(run: emodiss.Run, ids: Iterable[str]) -> dict[str, float]:
    """CPU seconds by stage, over these recordings."""
    wanted = set(ids)
    total: dict[str, float] = {}
    for (video, stage), outcome in worked_outcomes(run).items():
        if video in wanted:
            total[stage] = total.get(stage, 0.0) + outcome.seconds
    return total


def worked_outcomes(run: emodiss.Run) -> dict[tuple[str, str], Any]:
    """Return the outcome of each stage that was worked on, not the later ones that found it."""
    found: dict[tuple[str, str], Any] = {}
    for outcome in run.store.outcomes():
        if outcome.status == "done":
            found[outcome.video, outcome.stage] = outcome
    return found


# --- what is printed -----------------------------------------------------------------------------


def by_class(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sum the recordings of each class; bad input stands by itself."""
    frame = pd.DataFrame([r for r in rows if r["class"] != "bad input" and r["outcome"] == "done"])
    found: list[dict[str, Any]] = []
    for kind, part in [*frame.groupby("class", sort=False), ("all", frame)]:

        def share(of: str, whole: str, part: pd.DataFrame = part) -> float | None:
            if of not in part or whole not in part:
                return None
            known = part[part[of].notna() & part[whole].notna()]
            total = known[whole].sum()
            return round(100 * float(known[of].sum() / total), 1) if total else None

        if "face_right_s" in part:
            names = ["face_right_s", "face_wrong_s", "face_open_s"]
            part = part.assign(face_s=part[names].sum(axis=1, min_count=3))
        counted = part[part["voices"].notna()]
        found.append(
            {
                "class": kind,
                "recordings": len(part),
                "wer_%": share("word_errors", "said", part),
                "words_wrong_voice_%": share("word_voice_errors", "word_pairs", part),
                "der_%": share("der_s", "speech_s", part),
                "counts_right": f"{int((counted['voices'] == counted['voices_found']).sum())}"
                f"/{len(counted)}",
                "face_right_%": share("face_right_s", "face_s", part),
                "face_wrong_%": share("face_wrong_s", "face_s", part),
                "face_open_%": share("face_open_s", "face_s", part),
                "voice_ok_%": share("voice_ok", "utterances", part),
                "face_ok_%": share("face_ok", "utterances", part),
                "words_flagged_%": None
                if (kept := share("words_unflagged", "words", part)) is None
                else round(100 - kept, 1),
            }
        )
    return found


def swap_rate(scenes: Path) -> float:
    """Return the percent of speech that gets a face over somebody else's picture, by its script."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import measure_binding as binding

    if not hasattr(binding, "swapped"):
        raise SystemExit("scripts/measure_binding.py of this version has no swap test.")
    seen = [binding.look(case) for case in binding.scene_cases(scenes)]
    pairs = binding.swaps(seen, binding.N_SWAPS, 0)
    least = resolve(presets.changes_of("lite")).people.min_confidence
    return binding.false_share([v for a, b in pairs for v in binding.swapped(a, b)], least)


_HEADS = {
    "class": "class",
    "recordings": "n",
    "wer_%": "WER",
    "words_wrong_voice_%": "words with the wrong voice",
    "der_%": "DER",
    "counts_right": "voices counted right",
    "face_right_%": "face right",
    "face_wrong_%": "wrong",
    "face_open_%": "open",
    "voice_ok_%": "utterances with voice values",
    "face_ok_%": "with face values",
    "words_flagged_%": "words flagged",
}


def _table(rows: Sequence[dict[str, Any]], heads: dict[str, str]) -> str:
    lines = [f"| {' | '.join(heads.values())} |", f"|{' --- |' * len(heads)}"]
    for row in rows:
        cells = ("" if row.get(k) is None else str(row.get(k)) for k in heads)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def bad_table(rows: Sequence[dict[str, Any]]) -> str:
    """Write what became of bad input."""
    shown: list[dict[str, Any]] = []
    for row in rows:
        if row["class"] != "bad input":
            continue
        if row["outcome"] != "done":
            shown.append({"case": row["case"], "expect": row["expect"], "found": row["outcome"]})
            continue
        words = f"{row['words']} words, {row['words'] - row['words_unflagged']} of them flagged"
        parts = [f"{row['utterances']} utterances", words, f"{row['voices_found']} voices"]
        if "face_wrong_s" in row:
            parts.append(
                f"face right {row['face_right_s']:.1f}, wrong {row['face_wrong_s']:.1f}, open "
                f"{row['face_open_s']:.1f} s"
            )
        parts += [f"`{note}`" for note in row["notes"]]
        shown.append({"case": row["case"], "expect": row["expect"], "found": "; ".join(parts)})
    return _table(shown, {"case": "input", "expect": "should end in", "found": "ends in"})


def long_table(rows: Sequence[dict[str, Any]], run: emodiss.Run) -> str:
    """Write what became of three hours, and what they cost."""
    long = [row for row in rows if row["case"] == LONG]
    video = _id(Case(LONG, "bad input", Path()))
    spent = [{"stage": k, "cost": f"{v:.1f}"} for k, v in stages(run, [video]).items() if v >= 1]
    return f"{bad_table(long)}\n\n{_table(spent, {'stage': 'stage', 'cost': 'CPU s'})}"


def cost_table(cost: dict[str, float]) -> str:
    """Write CPU seconds per second of recording, by stage."""
    rows = [{"stage": k, "cost": f"{v:.3f}"} for k, v in cost.items() if v >= 0.0005]
    rows.append({"stage": "all", "cost": f"{sum(cost.values()):.3f}"})
    return _table(rows, {"stage": "stage", "cost": "CPU s per s"})


def updated(text: str, parts: dict[str, str]) -> str:
    """Return the guide with its generated parts made anew."""
    for name, made in parts.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        found = pattern.search(text)
        if found is None:
            raise SystemExit(f"{GUIDE.name} lacks the part '{name}'.")
        text = text[: found.start()] + f"{found[1]}{made}\n{found[2]}" + text[found.end() :]
    return text


def main() -> None:
    """Measure, print, and write the guide when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with asd, audio, video and lite")
    parser.add_argument("--out", type=Path, default=catalog.home() / "bench-untouched",
                        help="where composed recordings and the run lie")  # fmt: skip
    parser.add_argument("--only", help="only recordings whose name or class matches this pattern")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="assign",
                        help="change a setting, as for emodiss annotate")  # fmt: skip
    parser.add_argument("--long", action="store_true", help="also three hours of film")
    parser.add_argument("--swap", action="store_true", help="also the swap test (with --data)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help=f"write the tables of {GUIDE.name}")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "composed").mkdir(exist_ok=True)
    found = [
        case
        for case in cases(options.data, options.out / "composed", long=options.long)
        if options.only is None or re.search(options.only, f"{case.name}\n{case.kind}")
    ]
    run = annotate(found, options.out, options.assign)
    rows = [measure(case, run) for case in found]
    good = [case for case in found if case.kind != "bad input"]
    lengths = run.videos_table.set_index("video_id")["duration"]
    seconds = float(sum(lengths.get(_id(c), 0.0) for c in good))
    cost = {k: v / seconds for k, v in stages(run, map(_id, good)).items()} if good else {}
    classes = by_class(rows) if good else []
    swapped = swap_rate(options.data / "asd") if options.swap and options.data else None
    parts = {
        "results": _table(classes, _HEADS),
        "bad input": bad_table([row for row in rows if row["case"] != LONG]),
        "cost": cost_table(cost),
    }
    if options.long:
        parts[LONG] = long_table(rows, run)
    if options.json:
        record = {"cases": rows, "classes": classes, "swap_test": swapped,
                  "cpu_s_per_s": cost, "seconds": seconds}  # fmt: skip
        print(json.dumps(record, indent=1, default=float))
    else:
        print(
            f"{len(good)} recordings, {seconds:.0f} s; percent of words, of speech, of utterances"
        )
        print(*parts.values(), sep="\n\n")
        if swapped is not None:
            print(f"\nswap test: {swapped:.1f} % of speech given somebody else's face")
    if options.write:
        whole = {name: part for name, part in parts.items() if name == LONG or not options.only}
        GUIDE.write_text(updated(GUIDE.read_text(encoding="utf-8"), whole), encoding="utf-8")


if __name__ == "__main__":
    main()
