"""How often voices are given their own face: clips with known truth, easy and hard.

    python scripts/measure_binding.py                      # the demo session and variants of it
    python scripts/measure_binding.py --data ../shared/data/video    # real clips as well
    python scripts/measure_binding.py --data ../shared/data/video --scenes ../shared/data/asd

Every voice of a clip counts with the seconds it speaks: right (its own face, or none when its
face is not shown), wrong (somebody else's face) or open (no face although it is shown). With
scenes come the sums by class, the swap test (the faces of one scene with the sound and the turns
of another, nobody in common: every face given is false), narrators, how far the posterior can be
believed, constants taken from other people, turns with errors, and sessions of minutes composed
from the scenes. The tables of `emodiss/guides/faces_and_voices.md` are what this prints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss import demo, people, presets
from emodiss.faces import Tracks, stages as video
from emodiss.manifest import VideoRow
from emodiss.media import Audio, Media, decode_audio, probe
from emodiss.models import catalog
from emodiss.people import Binding, MouthMotion, Mouths, TalkScores, evidence, series
from emodiss.settings import resolve
from emodiss.transcript import Transcript, Turn, Utterance, with_overlap

EVERYWHERE = (0.0, 0.0, 1e9, 1e9)
THRESHOLDS = (0.90, 0.93, 0.95, 0.97, 0.99)
CHANGES: list[str] = []
"""Settings on top of `lite`, from the command line."""
N_SWAPS = 200
N_ERRORS = 5
SHORT_S = 1.5
"""Utterances up to here may get a wrong voice on purpose."""


@dataclass(frozen=True)
class Panel:
    """Whose face lies where and when."""

    person: str
    box: tuple[float, float, float, float] = EVERYWHERE
    start: float = 0.0
    end: float = 1e9


@dataclass(frozen=True)
class Case:
    """A clip, who speaks when, and whose face lies where; a voice without a panel is not shown."""

    name: str
    path: Path
    turns: tuple[Utterance, ...]
    panels: tuple[Panel, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    start: float | None = None
    end: float | None = None
    kind: str = "clip"
    # Sources of the people in it; scenes that share one are not swapped.
    sources: frozenset[str] = frozenset()
    person_of: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the stages before the binding found in one clip."""

    case: Case
    media: Media
    audio: Audio
    tracks: Tracks
    mouths: Mouths
    talking: TalkScores | None
    turns: tuple[Utterance, ...]
    owner: Mapping[int, str]

    def weigh(self, **changes: Any) -> list[Binding]:
        """Weigh the pairs, with other turns, sound or mouths if given."""
        use: dict[str, Any] = {
            "turns": self.turns, "audio": self.audio, "mouths": self.mouths,
            "talking": self.talking, **changes,
        }  # fmt: skip
        transcript = Transcript(tuple(with_overlap(list(use["turns"]))), "truth")
        found, _ = people.weigh(transcript, use["mouths"], use["audio"], use["talking"])
        return found


def look(case: Case, active_speaker: Any = None) -> Seen:
    """Run the stages before the binding."""
    settings = resolve({**presets.changes_of("lite"), **case.settings}, CHANGES)
    row = VideoRow(id="case", path=case.path.name, start=case.start, end=case.end)
    media = probe(source=case.path, row=row, settings=settings.media)
    audio = decode_audio(source=case.path, media=media)
    model = catalog.load("mtcnn", settings, device="cpu", threads=1)
    sightings = video.detect(source=case.path, media=media, model=model, settings=settings.faces)
    tracks = video.follow(
        faces=sightings,
        model=catalog.load("sort", settings),
        settings=settings.tracks,
        min_score=settings.faces.min_score,
    )
    mouths = people.watch_mouths(source=case.path, media=media, faces=sightings, tracks=tracks)
    talking = None
    if active_speaker is not None:
        talking = people.score_talking(
            source=case.path, media=media, audio=audio, tracks=tracks, model=active_speaker
        )
    turns = tuple(
        Utterance(max(u.start, media.start), min(u.end, media.end), u.speaker, u.text)
        for u in case.turns
        if u.start < media.end and u.end > media.start
    )
    owner = {track.id: _owner(track, case.panels) for track in tracks.tracks}
    return Seen(case, media, audio, tracks, mouths, talking, turns, owner)


def _owner(track: Any, panels: Sequence[Panel]) -> str:
    """Whose panel the middle of a track lies in most of the time; nobody's is empty."""
    middle = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2
    votes: dict[str, int] = {"": 0}
    for panel in panels:
        left, top, right, bottom = panel.box
        inside = (track.times >= panel.start) & (track.times < panel.end)
        inside &= (middle[:, 0] >= left) & (middle[:, 0] < right)
        inside &= (middle[:, 1] >= top) & (middle[:, 1] < bottom)
        votes[panel.person] = votes.get(panel.person, 0) + int(inside.sum())
    return max(votes, key=lambda person: votes[person])


# --- counting ------------------------------------------------------------------------------------


def count(seen: Seen, pairs: Sequence[Binding], threshold: float) -> dict[str, float]:
    """Seconds of speech that are right, wrong and open."""
    seconds = {"right": 0.0, "wrong": 0.0, "open": 0.0}
    for speaker in sorted({u.speaker for u in seen.turns}):
        talk = sum(u.end - u.start for u in seen.turns if u.speaker == speaker)
        person = seen.case.person_of.get(speaker, speaker)
        shown = person is not None and person in seen.owner.values()
        bound = [b for b in pairs if b.speaker == speaker and b.confidence >= threshold]
        if not bound:
            seconds["open" if shown else "right"] += talk
        elif shown and all(seen.owner[b.track_id] == person for b in bound):
            seconds["right"] += talk
        else:
            seconds["wrong"] += talk
    return seconds


def total(found: Iterable[tuple[Seen, Sequence[Binding]]], threshold: float) -> dict[str, float]:
    """Shares of the speech of many clips in percent, and its seconds."""
    sums = {"right": 0.0, "wrong": 0.0, "open": 0.0}
    for seen, pairs in found:
        for name, seconds in count(seen, pairs, threshold).items():
            sums[name] += seconds
    speech = sum(sums.values())
    return {**{k: 100 * v / max(speech, 1e-9) for k, v in sums.items()}, "speech": speech}


def swaps(scenes: Sequence[Seen], n: int, seed: int) -> list[tuple[Seen, Seen]]:
    """Pairs of scenes without a person in common, drawn at random without repetition."""
    possible = [
        (a, b) for a, b in itertools.permutations(scenes, 2) if not a.case.sources & b.case.sources
    ]
    chosen = np.random.default_rng(seed).permutation(len(possible))[:n]
    return [possible[k] for k in chosen]


def swapped(faces: Seen, sound: Seen) -> list[tuple[float, float]]:
    """Speech in s and greatest confidence of each voice over somebody else's faces; all false."""
    end = min(faces.media.end, sound.media.end)
    turns = tuple(replace(u, end=min(u.end, end)) for u in sound.turns if u.start < end - 0.05)
    pairs = faces.weigh(turns=turns, audio=sound.audio, mouths=cut(faces.mouths, end), talking=None)
    return [
        (
            sum(u.end - u.start for u in turns if u.speaker == speaker),
            max((b.confidence for b in pairs if b.speaker == speaker), default=0.0),
        )
        for speaker in sorted({u.speaker for u in turns})
    ]


def narrated(faces: Seen, sound: Seen) -> list[tuple[float, float]]:
    """Do as `swapped` with all turns taken for one voice that never pauses."""
    end = min(faces.media.end, sound.media.end)
    pairs = faces.weigh(
        turns=(Utterance(0.0, end, "narrator"),), audio=sound.audio,
        mouths=cut(faces.mouths, end), talking=None,
    )  # fmt: skip
    return [(end, max((b.confidence for b in pairs), default=0.0))]


def false_share(voices: Sequence[tuple[float, float]], threshold: float) -> float:
    """Share of the speech that was given a face, in percent."""
    given = sum(talk for talk, sure in voices if sure >= threshold)
    return 100 * given / max(sum(talk for talk, _ in voices), 1e-9)


def cut(mouths: Mouths, end: float, begin: float = 0.0) -> Mouths:
    """Leave out what comes after some seconds, and before others."""
    first, last = int(begin * 30), int(end * 30)
    kept: list[MouthMotion] = []
    for mouth in mouths.series:
        use = (mouth.ticks >= first) & (mouth.ticks < last)
        kept.append(
            MouthMotion(
                mouth.track_id, mouth.ticks[use], mouth.motion[use], mouth.opening[use],
                mouth.stir[use],
            )
        )  # fmt: skip
    return Mouths(tuple(kept), mouths.likeness)


# --- turns with errors ---------------------------------------------------------------------------


def jittered(turns: Sequence[Utterance], seed: int) -> tuple[Utterance, ...]:
    """Move edges (sd 0.2 s), join pauses below a second, give one turn in twenty to another."""
    rng = np.random.default_rng(seed)
    speakers = sorted({u.speaker for u in turns})
    out: list[Utterance] = []
    for turn in sorted(turns, key=lambda u: u.start):
        start = max(0.0, turn.start + rng.normal(0, 0.2))
        end = max(start + 0.1, turn.end + rng.normal(0, 0.2))
        speaker = turn.speaker
        if len(speakers) > 1 and rng.random() < 0.05:
            speaker = str(rng.choice([s for s in speakers if s != speaker]))
        if out and out[-1].speaker == speaker and start - out[-1].end < 1.0:
            out[-1] = replace(out[-1], end=max(end, out[-1].end))
        else:
            out.append(Utterance(start, end, speaker))
    return tuple(out)


def covering(turns: Sequence[Utterance], end: float) -> tuple[Utterance, ...]:
    """Let each turn last until the next one begins, as transcripts without ends do."""
    ordered = sorted(turns, key=lambda u: u.start)
    ends = [*(u.start for u in ordered[1:]), end]
    starts = [0.0, *(u.start for u in ordered[1:])]
    return tuple(
        replace(u, start=a, end=max(b, a + 0.05))
        for u, a, b in zip(ordered, starts, ends, strict=True)
    )


def late(audio: Audio, seconds: float) -> Audio:
    """Move the sound back."""
    return replace(audio, offset=audio.offset + seconds)


# --- utterances of a wrong voice ------------------------------------------------------------------


def utterances_of(
    turns: Sequence[Utterance], wrong: float, seed: int
) -> list[tuple[Utterance, str]]:
    """Cut turns into utterances, beside who truly says each; some short ones get another voice."""
    rng = np.random.default_rng(seed)
    voices = sorted({u.speaker for u in turns})
    out: list[tuple[Utterance, str]] = []
    for turn in sorted(turns, key=lambda u: u.start):
        lengths = rng.uniform(0.5, 3.0, 2 + int(2 * (turn.end - turn.start)))
        edges = [turn.start, *(t for t in turn.start + lengths.cumsum() if t < turn.end - 0.3)]
        for start, end in itertools.pairwise([*edges, turn.end]):
            voice = turn.speaker
            if len(voices) > 1 and end - start <= SHORT_S and rng.random() < wrong:
                voice = str(rng.choice([v for v in voices if v != voice]))
            out.append((replace(turn, start=start, end=end, speaker=voice), turn.speaker))
    return out


def opened(seen: Seen, wrong: float, seed: int) -> dict[str, float]:
    """Seconds of speech whose utterance has its own face in view or another's; and those opened."""
    said = utterances_of(seen.turns, wrong, seed)
    spoken = tuple(with_overlap([u for u, _ in said]))
    found = people.match(
        media=seen.media, transcript=Transcript(spoken, "truth"), tracks=seen.tracks,
        mouths=seen.mouths, audio=seen.audio, row=VideoRow(id="case", path="case"),
        settings=resolve(presets.changes_of("lite"), CHANGES).people,
        turns=tuple(Turn(u.start, u.end, u.speaker) for u in spoken), talking=seen.talking,
    )  # fmt: skip
    counted = ("speech", "right", "wrong", "right opened", "wrong opened")
    seconds: dict[str, float] = dict.fromkeys(counted, 0.0)
    for i, (utterance, (_, who)) in enumerate(zip(spoken, said, strict=True)):
        seconds["speech"] += utterance.duration
        faces = {
            seen.owner[track.id]
            for track in seen.tracks.tracks
            if track.id in found.of(utterance.speaker).track_ids
            and ((track.times >= utterance.start) & (track.times < utterance.end)).any()
        }
        if faces:
            state = "right" if faces == {seen.case.person_of.get(who, who)} else "wrong"
            seconds[state] += utterance.duration
            if i in found.contradicted:
                seconds[f"{state} opened"] += utterance.duration
    return seconds


def report_utterances(scenes: Sequence[Seen]) -> Iterator[list[str]]:
    """Yield what the mouths in view do to utterances whose voice is wrong, and to the others."""
    groups = [{s.case.name for s in members} for members in grouped(scenes)]
    yield ["short utterances of a wrong voice, %", "right, %", "of it opened", "wrong, %",
           "of it opened", "right opened in the worst group of people"]  # fmt: skip
    for wrong in (0.0, 0.05, 0.1, 0.2):
        found = [(s.case.name, opened(s, wrong, k)) for s in scenes for k in range(N_ERRORS)]

        def share(of: str, names: set[str], found: list[Any] = found) -> float:
            own = [seconds for name, seconds in found if name in names]
            return 100 * sum(s[of] for s in own) / max(sum(s["speech"] for s in own), 1e-9)

        every = set[str]().union(*groups)
        columns = [share(of, every) for of in ("right", "right opened", "wrong", "wrong opened")]
        worst = max(share("right opened", names) for names in groups)
        yield [f"{100 * wrong:g}", *(f"{x:.2f}" for x in (*columns, worst))]


# --- constants from other people -----------------------------------------------------------------


def constants_of(scenes: Sequence[Seen]) -> dict[str, Any]:
    """Estimate what the likelihoods need from scenes with truth, by their moments."""
    talks: list[float] = []
    rests: list[float] = []
    noise: list[float] = []
    scores: list[tuple[float, float]] = []
    for seen in scenes:
        n = int(seen.media.end * series.RATE) + 2
        speakers = sorted({u.speaker for u in seen.turns})
        spoken = evidence.windows(series.talking(seen.turns, speakers, n, 0.0).astype(float))
        for mouth in seen.mouths.series:
            own = [
                k
                for k, s in enumerate(speakers)
                if seen.case.person_of.get(s, s) == seen.owner[mouth.track_id]
            ]
            level = evidence.windows(series.level_of_motion(mouth, n))
            talk = spoken[own].sum(axis=0)
            for use, into in ((talk > 0.8, talks), (talk < 0.1, rests)):
                part = level[use & np.isfinite(level)]
                # Silent talkers are no resting faces, and frozen ones no people.
                moving = into is rests and "moving" in seen.case.kind
                if len(part) >= 3 and part.mean() > 0 and not moving:
                    into.append(float(part.mean()))
                    noise.append(float(part.std()))
        for pair in seen.weigh():
            person = seen.case.person_of.get(pair.speaker, pair.speaker)
            if person == seen.owner[pair.track_id] and np.isfinite(pair.z_synchrony):
                scores.append((pair.z_synchrony, pair.alone_s))
    z, s = np.array(scores).T
    growth = float((z * np.sqrt(s)).sum() / s.sum())
    rest = np.mean((z - growth * np.sqrt(s)) ** 2) - evidence.SYNCHRONY.noise**2
    return {
        "MOUTH": replace(
            evidence.MOUTH,
            talks=(float(np.mean(talks)), float(np.std(talks))),
            rests=(float(np.mean(rests)), float(np.std(rests))),
            noise=float(np.mean(noise)),
        ),
        "SYNCHRONY": replace(
            evidence.SYNCHRONY, growth=growth, spread=float(np.sqrt(max(0.01, rest / s.mean())))
        ),
    }


def with_constants(constants: Mapping[str, Any], run: Callable[[], Any]) -> Any:
    """Run something with other constants of the likelihoods."""
    before = {name: getattr(evidence, name) for name in constants}
    try:
        for name, value in constants.items():
            setattr(evidence, name, value)
        return run()
    finally:
        for name, value in before.items():
            setattr(evidence, name, value)


def grouped(scenes: Sequence[Seen]) -> list[list[Seen]]:
    """Put scenes into groups that have no person in common."""
    groups: list[tuple[set[str], list[Seen]]] = []
    for seen in scenes:
        people_in, members = set(seen.case.sources), [seen]
        apart = []
        for others, their in groups:
            if others & people_in:
                people_in |= others
                members = [*their, *members]
            else:
                apart.append((others, their))
        groups = [*apart, (people_in, members)]
    return [members for _, members in groups]


def halves(scenes: Sequence[Seen]) -> tuple[list[Seen], list[Seen]]:
    """Split the scenes so that no person is in both parts, as evenly as can be."""
    parts: tuple[list[Seen], list[Seen]] = ([], [])
    for members in sorted(grouped(scenes), key=lambda members: -len(members)):
        min(parts, key=len).extend(members)
    return parts


# --- clips ---------------------------------------------------------------------------------------


def demo_cases(folder: Path) -> Iterator[Case]:
    """Yield the demo session: whole, short, small, and with one of the two cut away."""
    session = demo.build(folder / "demo")
    truth = session.truth
    panels = {
        p.speaker: Panel(p.speaker, (float(p.face[0]), 0.0, float(p.face[2]), 1e9))
        for p in truth.people
    }
    both = tuple(panels.values())
    base = {"path": session.video, "turns": tuple(truth.utterances), "panels": both}
    yield Case("demo session", **base)
    yield Case("demo session, every tick", **base, settings={"faces.stride": 1})
    yield Case("demo session, first 10 s", **base, end=10.0)
    half = folder / "demo_left.mp4"
    ffmpeg(session.video, half, "crop=iw/2:ih:0:0")
    left = next(p.speaker for p in truth.people if p.side == "left")
    alone = {**base, "path": half, "panels": (panels[left],)}
    yield Case("demo session, one of two in the picture", **alone)
    small = folder / "demo_small.mp4"
    ffmpeg(session.video, small, "scale=iw/3:ih/3")
    third = tuple(
        replace(p, box=(p.box[0] / 3, p.box[1] / 3, p.box[2] / 3, p.box[3] / 3)) for p in both
    )
    yield Case(
        "demo session, a third of the size",
        **{**base, "path": small, "panels": third},
        settings={"faces.min_face": 20},
    )


def real_cases(data: Path, folder: Path) -> Iterator[Case]:
    """Yield the clips of real people with truth."""
    truth = json.loads((data / "dyad_truth.json").read_text())
    turns = tuple(Utterance(t["start"], t["end"], t["speaker"], "") for t in truth["turns"])
    sides = {
        "left": Panel("left", (0.0, 0.0, 512.0, 1e9)),
        "right": Panel("right", (512.0, 0.0, 1024.0, 1e9)),
    }
    base = {"path": data / "dyad.mp4", "turns": turns, "panels": tuple(sides.values())}
    yield Case("dyad", **base, kind="dyad", sources=frozenset({"dyad"}))
    yield Case("dyad, 2 s of each voice", **base, start=6.0, end=10.0)
    for side, crop in (("left", "crop=512:ih:0:0"), ("right", "crop=512:ih:512:0")):
        path = folder / f"dyad_{side}.mp4"
        ffmpeg(data / "dyad.mp4", path, crop)
        alone = {**base, "path": path, "panels": (Panel(side),)}
        yield Case(f"dyad, only the {side} one in the picture", **alone)
    for rate in (12, 60):
        path = folder / f"dyad_{rate}.mp4"
        ffmpeg(data / "dyad.mp4", path, f"fps={rate}")
        yield Case(f"dyad at {rate} frames per second", **{**base, "path": path})
    mirrored = folder / "dyad_mirrored.mp4"
    ffmpeg(data / "dyad.mp4", mirrored, "hflip")
    exchanged = (replace(sides["left"], person="right"), replace(sides["right"], person="left"))
    yield Case("dyad, mirrored", **{**base, "path": mirrored, "panels": exchanged})
    still = folder / "dyad_still.mp4"
    ffmpeg(data / "dyad.mp4", still, "loop=loop=-1:size=1:start=0,trim=duration=16,fps=25")
    yield Case("dyad, a still picture", **{**base, "path": still})
    # The man at the microphones, right of the middle, speaks throughout; the other one listens.
    yield Case(
        "two faces, one speaks",
        data / "two_faces_one_speaks.mp4",
        (Utterance(0.0, 8.7, "man", ""),),
        (Panel("man", (160.0, 0.0, 320.0, 1e9)), Panel("listener", (0.0, 0.0, 160.0, 1e9))),
        kind="real_listen",
        sources=frozenset({"two_faces"}),
    )


def scene_cases(folder: Path, made: Path | None = None, fps: str = "") -> Iterator[Case]:
    """Yield scenes that lie as dNN.json beside dNN.mp4; with other pictures per second if asked."""
    for path in sorted(folder.glob("*.json")):
        truth = json.loads(path.read_text())
        turns = tuple(Utterance(t["start"], t["end"], t["speaker"], "") for t in truth["turns"])
        panels = tuple(
            Panel(f["person"], tuple(f["box"]), f["start"], f["end"]) for f in truth["faces"]
        )
        # One car with one group of people.
        sources = frozenset("car" if c.startswith("ms") else c for c in truth["clips"])
        film = path.with_suffix(".mp4")
        if made is not None and fps:
            film = made / f"{path.stem}_slow.mp4"
            ffmpeg(path.with_suffix(".mp4"), film, f"fps={fps}")
        yield Case(
            path.stem, film, turns, panels, kind=truth["class"],
            sources=sources, person_of=truth["voices"],
        )  # fmt: skip


def ffmpeg(source: Path, target: Path, picture: str) -> None:
    """Change the picture of a file."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(source)]
    command += ["-vf", picture, "-crf", "16", "-c:a", "copy", str(target)]
    subprocess.run(command, check=True)


# --- sessions of minutes -------------------------------------------------------------------------

SESSIONS: dict[str, tuple[tuple[str, str], ...]] = {
    # Each face of a session: whose voice it has, and what it does while it listens.
    "both shown, listeners rest": (("A", "rest"), ("B", "rest")),
    "both shown, listeners talk silently": (("A", "talk"), ("B", "talk")),
    "B not shown, A rests": (("A", "rest"),),
    "B not shown, A talks silently": (("A", "talk"),),
    "nobody shown, two faces at rest": (("", "rest"), ("", "rest")),
    "nobody shown, two faces talk silently": (("", "talk"), ("", "talk")),
}


@dataclass(frozen=True)
class Stretch:
    """A piece of one face, with the sound of the same time."""

    person: str
    motion: NDArray[np.float32]
    opening: NDArray[np.float32]
    stir: NDArray[np.float32]
    sound: NDArray[np.int16]

    def part(self, ticks: int, rng: np.random.Generator) -> Stretch:
        """Cut a random part out."""
        begin = int(rng.integers(0, len(self.motion) - ticks + 1))
        use = slice(begin, begin + ticks)
        per_tick = 16_000 / 30
        sound = self.sound[round(begin * per_tick) :][: round(ticks * per_tick)]
        return Stretch(self.person, self.motion[use], self.opening[use], self.stir[use], sound)


def stretches(scenes: Sequence[Seen]) -> tuple[list[Stretch], list[Stretch]]:
    """Talk of faces that are seen while their own voice is heard alone; and faces at rest."""
    talk: list[Stretch] = []
    rest: list[Stretch] = []
    for seen in scenes:
        if seen.case.kind in ("offset", "poor") or len(seen.audio.signal) == 0:
            continue
        for mouth in seen.mouths.series:
            person = seen.owner[mouth.track_id]
            for begin, end, whose in _states(seen, person):
                use = (mouth.ticks >= begin) & (mouth.ticks < end)
                if use.sum() < 60 or use.sum() < end - begin:  # 2 s without a gap
                    continue
                clip = "|".join(sorted(seen.case.sources)) + person
                sound = seen.audio.signal[round(begin * 16_000 / 30) : round(end * 16_000 / 30)]
                found = Stretch(clip, mouth.motion[use], mouth.opening[use], mouth.stir[use], sound)
                if whose:
                    talk.append(found)
                elif "moving" not in seen.case.kind and seen.case.kind != "dyad":
                    rest.append(found)
    return talk, rest


def _states(seen: Seen, person: str) -> Iterator[tuple[int, int, bool]]:
    """Yield ticks from and to which a person talks alone, or somebody else does."""
    for turn in seen.turns:
        alone = not any(
            u is not turn and u.start < turn.end and u.end > turn.start for u in seen.turns
        )
        whose = seen.case.person_of.get(turn.speaker, turn.speaker) == person
        if alone:
            yield int(np.ceil(turn.start * 30)), int(turn.end * 30), whose


def session(
    faces: Sequence[tuple[str, str]],
    minutes: float,
    talk: Sequence[Stretch],
    rest: Sequence[Stretch],
    rng: np.random.Generator,
    *,
    one_clip: bool,
) -> tuple[Mouths, Audio, tuple[Utterance, ...]]:
    """Compose a conversation of voices A and B over some faces.

    With `one_clip` every voice and face keeps to the clips of one person, as a real one does, and
    these few seconds come again and again; else each turn is another person's.
    """
    clips = rng.permutation(sorted({s.person for s in talk}))
    cast = dict(zip(("A", "B", "face 0", "face 1"), clips, strict=False))

    def draw(pool: Sequence[Stretch], who: str, ticks: int, other_than: str = "") -> Stretch:
        fitting = [s for s in pool if len(s.motion) >= ticks and s.person != other_than]
        own = [s for s in fitting if s.person == cast.get(who)] if one_clip else []
        return (own or fitting)[int(rng.integers(len(own or fitting)))].part(ticks, rng)

    sounds: list[NDArray[np.int16]] = []
    seen: list[list[Stretch]] = [[] for _ in faces]
    turns: list[Utterance] = []
    at, speaker = 0, "A"
    while at < minutes * 60 * 30:
        ticks = int(rng.integers(60, 110))
        spoken = draw(talk, speaker, ticks)
        sounds.append(spoken.sound)
        turns.append(Utterance(at / 30, (at + ticks) / 30, speaker))
        for k, (voice, otherwise) in enumerate(faces):
            if voice == speaker:
                seen[k].append(spoken)
            else:
                who = voice or f"face {k}"
                pool = talk if otherwise == "talk" else rest
                seen[k].append(draw(pool, who, ticks, other_than=spoken.person))
        at += ticks
        if rng.random() < 0.7:
            speaker = "B" if speaker == "A" else "A"
    ticks = np.arange(at)
    mouths = [
        MouthMotion(
            k + 1, ticks, *(np.concatenate([getattr(s, name) for s in own])
                            for name in ("motion", "opening", "stir")),
        )
        for k, own in enumerate(seen)
    ]  # fmt: skip
    n = len(mouths)
    alike = np.full((n, n), np.nan, np.float32)
    return Mouths(tuple(mouths), alike), Audio(np.concatenate(sounds), 16_000, 0.0), tuple(turns)


def sessions(
    scenes: Sequence[Seen], minutes: float, n: int, seed: int, *, one_clip: bool, threshold: float
) -> dict[str, dict[str, float]]:
    """Shares of speech right, wrong and open in percent, by kind of session."""
    talk, rest = stretches(scenes)
    out: dict[str, dict[str, float]] = {}
    for kind, faces in SESSIONS.items():
        rng = np.random.default_rng(seed)
        sums = {"right": 0.0, "wrong": 0.0, "open": 0.0}
        for _ in range(n):
            mouths, audio, turns = session(faces, minutes, talk, rest, rng, one_clip=one_clip)
            pairs, _ = people.weigh(Transcript(turns, "truth"), mouths, audio)
            owner = {k + 1: voice for k, (voice, _) in enumerate(faces)}
            for speaker in ("A", "B"):
                talked = sum(u.end - u.start for u in turns if u.speaker == speaker)
                sure = [b for b in pairs if b.speaker == speaker and b.confidence >= threshold]
                if not sure:
                    sums["open" if speaker in owner.values() else "right"] += talked
                elif all(owner[b.track_id] == speaker for b in sure):
                    sums["right"] += talked
                else:
                    sums["wrong"] += talked
        out[kind] = {k: 100 * v / max(sum(sums.values()), 1e-9) for k, v in sums.items()}
    return out


# --- reports -------------------------------------------------------------------------------------


def report_clips(cases: Iterable[Case], threshold: float) -> Iterator[list[str]]:
    """Yield the rows of the table of clips."""
    yield ["clip", "speech, s", "right, %", "wrong, %", "open, %", "confidence"]
    for case in cases:
        seen = look(case)
        pairs = seen.weigh()
        sums = total([(seen, pairs)], threshold)
        sure = [
            f"{s} {max((b.confidence for b in pairs if b.speaker == s), default=0.0):.3f}"
            for s in sorted({u.speaker for u in seen.turns})
        ]
        yield [case.name, f"{sums['speech']:.1f}", *shares(sums), ", ".join(sure)]


def shares(sums: Mapping[str, float]) -> list[str]:
    """Right, wrong and open as text."""
    return [f"{sums[name]:.1f}" for name in ("right", "wrong", "open")]


def report_scenes(scenes: Sequence[Seen], threshold: float) -> Iterator[list[str]]:
    """Yield one row per class and one for all."""
    found = [(seen, seen.weigh()) for seen in scenes]
    yield ["class", "scenes", "speech, s", "right, %", "wrong, %", "open, %"]
    for kind in sorted({s.case.kind for s in scenes}):
        own = [f for f in found if f[0].case.kind == kind]
        sums = total(own, threshold)
        yield [kind, str(len(own)), f"{sums['speech']:.0f}", *shares(sums)]
    sums = total(found, threshold)
    yield ["all", str(len(found)), f"{sums['speech']:.0f}", *shares(sums)]


def report_thresholds(scenes: Sequence[Seen], seed: int) -> Iterator[list[str]]:
    """Yield what each threshold lets through."""
    found = [(seen, seen.weigh()) for seen in scenes]
    pairs = swaps(scenes, N_SWAPS, seed)
    every = swaps(scenes, 10_000, seed)
    drawn = [v for a, b in pairs for v in swapped(a, b)]
    whole = [v for a, b in every for v in swapped(a, b)]
    told = [v for a, b in pairs for v in narrated(a, b)]
    yield ["people.min_confidence", "right, %", "wrong, %", "open, %",
           f"false faces, {len(pairs)} swaps, %", f"all {len(every)} swaps, %",
           "false faces, narrator, %"]  # fmt: skip
    for threshold in THRESHOLDS:
        yield [
            f"{threshold:.2f}",
            *shares(total(found, threshold)),
            *(f"{false_share(voices, threshold):.1f}" for voices in (drawn, whole, told)),
        ]


@dataclass(frozen=True)
class Said:
    """What was said of one pair in one piece of a scene, and what is true of it."""

    seen: Seen
    posterior: float
    kind: str


def judged(scenes: Sequence[Seen], seconds: float) -> list[Said]:
    """Weigh pieces of some length, each as if it were the recording; infinite: whole scenes."""
    out: list[Said] = []
    for seen in scenes:
        n = 1 if np.isinf(seconds) else int(seen.media.end // seconds)
        for k in range(n):
            begin, end = (0.0, 1e9) if np.isinf(seconds) else (k * seconds, (k + 1) * seconds)
            turns = tuple(
                replace(u, start=max(u.start, begin), end=min(u.end, end))
                for u in seen.turns
                if u.start < end - 0.2 and u.end > begin + 0.2
            )
            mouths = cut(seen.mouths, min(end, 1e6), begin)
            there = {seen.owner[m.track_id] for m in mouths.series if len(m.ticks)}
            for b in seen.weigh(turns=turns, mouths=mouths) if turns and there else ():
                person = seen.case.person_of.get(b.speaker, b.speaker)
                if person == seen.owner[b.track_id]:
                    kind = "own face"
                elif person not in there:
                    kind = "hidden voice"
                else:
                    kind = "silent talker" if "moving" in seen.case.kind else "other face"
                out.append(Said(seen, b.confidence, kind))
    return out


def calibration(said: NDArray[np.float64], true: NDArray[np.bool_]) -> tuple[float, float]:
    """Log loss, and expected calibration error over ten equal bins."""
    sure = np.clip(said, 1e-4, 1 - 1e-4)
    bins = np.minimum((10 * said).astype(int), 9)
    gap = sum(abs((said - true)[bins == k].sum()) for k in range(10)) / len(said)
    return -float(np.log(np.where(true, sure, 1 - sure)).mean()), float(gap)


def tempered(pairs: Sequence[Said], true: NDArray[np.bool_]) -> tuple[NDArray[np.float64], str]:
    """Scale the log odds by one number, taken for each scene from scenes of other people."""
    from scipy.optimize import minimize_scalar

    sure = np.clip([s.posterior for s in pairs], 1e-6, 1 - 1e-6)
    odds, out = np.log(sure / (1 - sure)), np.zeros(len(sure))
    scales: list[float] = []
    for name in sorted({s.seen.case.name for s in pairs}):
        own = np.array([s.seen.case.name == name for s in pairs])
        sources = pairs[int(own.argmax())].seen.case.sources
        use = np.array([not s.seen.case.sources & sources for s in pairs])

        def loss(scale: float, use: NDArray[np.bool_] = use) -> float:
            return float(np.logaddexp(0, np.where(true, -scale, scale) * odds)[use].mean())

        scales.append(float(minimize_scalar(loss, bounds=(0.2, 5), method="bounded").x))
        out[own] = 1 / (1 + np.exp(-scales[-1] * odds[own]))
    return out, f"{min(scales):.1f} to {max(scales):.1f}"


def report_reliability(scenes: Sequence[Seen]) -> Iterator[list[str]]:
    """Yield how often pairs of a given posterior are true, by what they are."""
    kinds = ("own face", "other face", "silent talker", "hidden voice")
    yield ["pieces", "posterior", "pairs", "mean posterior", "true", *kinds]
    edges = (0.0, 0.05, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0001)
    for seconds in (3, 5, 8, np.inf):
        pairs = judged(scenes, seconds)
        for low, high in itertools.pairwise(edges):
            own = [s for s in pairs if low <= s.posterior < high]
            if own:
                counts = [sum(s.kind == kind for s in own) for kind in kinds]
                yield [name_of(seconds), f"{low:g} to {min(high, 1):g}", str(len(own)),
                       f"{np.mean([s.posterior for s in own]):.3f}",
                       f"{counts[0] / len(own):.3f}", *map(str, counts)]  # fmt: skip


def report_calibration(scenes: Sequence[Seen]) -> Iterator[list[str]]:
    """Yield how well the posterior is calibrated, as it is and scaled by other people's scenes."""
    yield ["pieces", "pairs", "log loss", "calibration error", "scale from other people",
           "log loss with it", "calibration error with it"]  # fmt: skip
    for seconds in (3, 5, 8, np.inf):
        pairs = judged(scenes, seconds)
        true = np.array([s.kind == "own face" for s in pairs])
        scaled, scales = tempered(pairs, true)
        before = calibration(np.array([s.posterior for s in pairs]), true)
        after = calibration(scaled, true)
        yield [name_of(seconds), str(len(pairs)), *(f"{x:.3f}" for x in before), scales,
               *(f"{x:.3f}" for x in after)]  # fmt: skip


def name_of(seconds: float) -> str:
    """Name the length of pieces."""
    return "whole scenes" if np.isinf(seconds) else f"{seconds:g} s"


def report_halves(scenes: Sequence[Seen], threshold: float, seed: int) -> Iterator[list[str]]:
    """Yield what constants from one half of the people do on the other half."""
    yield ["constants from", "measured on", "scenes", "right, %", "wrong, %", "open, %",
           "false faces, swaps, %"]  # fmt: skip
    one, other = halves(scenes)
    for source, target, names in ((one, other, "AB"), (other, one, "BA")):

        def run(target: Sequence[Seen] = target) -> tuple[dict[str, float], float]:
            found = [(seen, seen.weigh()) for seen in target]
            voices = [v for a, b in swaps(target, N_SWAPS, seed) for v in swapped(a, b)]
            return total(found, threshold), false_share(voices, threshold)

        sums, false = with_constants(constants_of(source), run)
        yield [f"half {names[0]}", f"half {names[1]}", str(len(target)), *shares(sums),
               f"{false:.1f}"]  # fmt: skip


def report_faults(scenes: Sequence[Seen], threshold: float) -> Iterator[list[str]]:
    """Yield what errors in turns and sound cost."""
    yield ["what is wrong with the scenes", "right, %", "wrong, %", "open, %"]
    variants: dict[str, Callable[[Seen, int], list[Binding]]] = {
        "nothing": lambda s, _: s.weigh(),
        f"turns with a diarizer's errors, mean of {N_ERRORS}": lambda s, seed: s.weigh(
            turns=jittered(s.turns, seed)
        ),
        "turns that cover everything": lambda s, _: s.weigh(turns=covering(s.turns, s.media.end)),
        "sound 200 ms late": lambda s, _: s.weigh(
            audio=late(s.audio, 0.2), turns=shifted(s.turns, 0.2)
        ),
        "sound 200 ms early": lambda s, _: s.weigh(
            audio=late(s.audio, -0.2), turns=shifted(s.turns, -0.2)
        ),
        "no sound": lambda s, _: s.weigh(audio=replace(s.audio, signal=s.audio.signal[:0])),
    }
    for name, weigh in variants.items():
        seeds = range(N_ERRORS) if "errors" in name else (0,)
        found = [(s, weigh(s, seed)) for seed in seeds for s in scenes]
        yield [name, *shares(total(found, threshold))]


def shifted(turns: Sequence[Utterance], by: float) -> tuple[Utterance, ...]:
    """Move turns with their sound."""
    return tuple(replace(u, start=max(0.0, u.start + by), end=max(0.05, u.end + by)) for u in turns)


def report_sessions(scenes: Sequence[Seen], threshold: float, n: int) -> Iterator[list[str]]:
    """Yield right, wrong and open of composed sessions."""
    yield ["session", "turns from", "minutes", "right, %", "wrong, %", "open, %"]
    for minutes in (1 / 3, 5, 20):
        for one_clip in (True, False):
            found = sessions(scenes, minutes, n, 0, one_clip=one_clip, threshold=threshold)
            for kind, sums in found.items():
                who = "one person's clip" if one_clip else "many people"
                yield [kind, who, f"{minutes:.2g}", *shares(sums)]


def show(title: str, rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n")
    for k, row in enumerate(rows):
        print(f"| {' | '.join(row)} |", flush=True)
        if k == 0:
            print(f"|{' --- |' * len(row)}", flush=True)


def main() -> None:
    """Measure every case and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with dyad.mp4 and its truth")
    parser.add_argument("--scenes", type=Path, help="folder with dNN.json beside dNN.mp4")
    parser.add_argument("--threshold", type=float, help="instead of people.min_confidence")
    parser.add_argument("--lr-asd", type=Path, help="weights: score faces with LR-ASD as well")
    parser.add_argument("--seed", type=int, default=0, help="of the swap test")
    parser.add_argument("--fps", default="", help="give the scenes so many pictures a second")
    parser.add_argument("--set", action="append", default=[], help="name=value, as of emodiss")
    parser.add_argument("--n-sessions", type=int, default=20, help="composed sessions of a kind")
    arguments = parser.parse_args()
    CHANGES.extend(arguments.set)
    threshold = arguments.threshold or resolve(presets.changes_of("lite")).people.min_confidence
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [] if arguments.data is None else list(real_cases(arguments.data, folder))
        show("Clips", report_clips([*clips, *demo_cases(folder)], threshold))
        if arguments.scenes is None:
            return
        model = None
        if arguments.lr_asd is not None:
            from emodiss.models.lr_asd.adapter import LrAsd

            model = LrAsd(arguments.lr_asd)
        counted = [c for c in clips if c.sources]
        cases = scene_cases(arguments.scenes, folder, arguments.fps)
        scenes = [look(case, model) for case in (*cases, *counted)]
        show("Scenes by class", report_scenes(scenes, threshold))
        if model is not None:
            return  # the swaps below take no scores: these would be of the wrong sound
        show("What each threshold lets through", report_thresholds(scenes, arguments.seed))
        show("How far the posterior can be believed", report_reliability(scenes))
        show("How well it is calibrated", report_calibration(scenes))
        show("Constants from other people", report_halves(scenes, threshold, arguments.seed))
        show("Faults", report_faults(scenes, threshold))
        show("Utterances of a wrong voice", report_utterances(scenes))
        show("Composed sessions", report_sessions(scenes, threshold, arguments.n_sessions))


if __name__ == "__main__":
    main()
