"""Builds the demo session: the script, the two actors, the film."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from emodiss import transcript
from emodiss.demo.portraits import COLLINS, HOPPER, Portrait, find_sample, mouth_of, read_portrait
from emodiss.demo.truth import DemoSession, DemoTruth, Side
from emodiss.errors import MediaError, MissingExtra
from emodiss.media import hash_file
from emodiss.models.drawn_faces.mouth import Array, Picture, ease
from emodiss.runs.store import write_atomically
from emodiss.timebase import Span
from emodiss.transcript import Utterance

if TYPE_CHECKING:
    from av import VideoStream

_VERSION = 2
"""Raised whenever the same inputs would give other bytes; old demo folders are then rebuilt."""

FPS = 25
"""Frames per second; not 30, so that the 30 FPS clock has something to do."""

WIDTH, HEIGHT = 960, 540
"""Size of the picture in pixels."""

ABSENCE = Span(20.0, 24.0)
"""Stretch during which the therapist's face is out of the picture, although she speaks in it."""

SMILE = Span(21.9, 28.45)
"""Stretch of the full smile: two utterances of the patient, in her ordinary voice."""

_SLIDE_S = 0.4
_SMILE_RAMP_S = 0.4
_TILE = (384, 450)
_TILE_TOP = 45
_TILE_LEFT = {"left": 64, "right": 512}
_CORNER_PX = 16
_FACE_PX = 144.0
_SWAY_PX = (4.0, 2.0)
_SWAY_DEGREES = 2.0
_OPENING_STEPS = 40
_BACKGROUND = ((46, 40, 36), (34, 29, 26))
_EMPTY_TILE = (66, 59, 54)


def build(
    folder: Path,
    *,
    seed: int = 0,
    duration_s: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DemoSession:
    """Write the demo session into a folder; a session that is already there is left alone.

    The same seed, packages and machine type give the same bytes. Every file is written whole or
    not at all, and `truth.json`, which holds the hashes of the others, comes last.

    Parameters
    ----------
    folder
        Made if needed. Receives `demo.mp4` (960 x 540, 25 frames per second, H.264 and AAC at
        16 kHz), `demo.stm`, `manifest.csv` and `truth.json`.
    seed
        Decides how the heads sway.
    duration_s
        Stop after so many seconds, with whole utterances only; all 30 by default.
    progress
        Called with the number of frames done and the number of all frames.

    Raises
    ------
    MissingExtra
        If a package that carries a sample, decodes or encodes is not installed.
    MediaError
        If a sample is not the one that was measured for this demo.
    """
    folder = Path(folder)
    sources = {
        "wav": find_sample("pyannote.audio", "sample/sample.wav"),
        "stm": find_sample("pyannote.audio", "sample/sample.stm"),
        "left": find_sample(COLLINS.package, COLLINS.path),
        "right": find_sample(HOPPER.package, HOPPER.path),
    }
    signal, sample_rate = _read_wav(sources["wav"])
    length_s = len(signal) / sample_rate
    duration = min(length_s, duration_s or length_s)
    codec = _video_codec()
    recipe = {
        "version": _VERSION,
        "seed": seed,
        "duration": duration,
        "encoder": codec,
        "av": _version_of_av(),
        "inputs": {name: hash_file(path) for name, path in sources.items()},
    }
    existing = _existing(folder, recipe)
    if existing is not None:
        return existing

    utterances = [u for u in transcript.read(sources["stm"]) if u.end <= duration]
    signal = signal[: round(duration * sample_rate)]
    n_frames = math.ceil(duration * FPS)
    actors = _cast(sources, utterances, signal, sample_rate, n_frames, seed)
    video = _encode(_frames(actors, n_frames, progress), n_frames, signal, sample_rate, codec)
    files = {
        "demo.mp4": video,
        "demo.stm": "".join(
            f"demo 1 {u.speaker} {u.start} {u.end} {u.text}\n" for u in utterances
        ).encode(),
        "manifest.csv": _manifest(actors).encode(),
    }
    truth = {
        "recipe": recipe,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "credits": _CREDITS,
        "duration": duration,
        "fps": FPS,
        "n_frames": n_frames,
        "width": WIDTH,
        "height": HEIGHT,
        "smile_span": [SMILE.start, SMILE.end] if duration >= SMILE.end else None,
        "utterances": [
            {"start": u.start, "end": u.end, "speaker": u.speaker, "text": u.text}
            for u in utterances
        ],
        "people": [actor.truth() for actor in actors],
    }
    for name, content in files.items():
        write_atomically(folder / name, content)
    write_atomically(folder / "truth.json", json.dumps(truth, indent=1).encode())
    return _session(folder, truth)


_CREDITS = {
    "voices": "sample.wav and sample.stm of pyannote.audio, CNRS and pyannoteAI, MIT",
    "left": "Eileen Collins, astronaut.png of scikit-image, NASA, public domain",
    "right": "Grace Hopper, grace_hopper.jpg of matplotlib, James S. Davis for the United States "
    "Navy, public domain",
    "note": "Faces and voices belong to different people; roles are given out arbitrarily.",
}


def _session(folder: Path, truth: dict[str, Any]) -> DemoSession:
    return DemoSession(
        folder=folder,
        video=folder / "demo.mp4",
        transcript=folder / "demo.stm",
        manifest=folder / "manifest.csv",
        truth_path=folder / "truth.json",
        truth=DemoTruth.from_json(truth),
    )


def _existing(folder: Path, recipe: dict[str, Any]) -> DemoSession | None:
    """Return the session in a folder if it is whole and made by the same recipe."""
    try:
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        whole = truth["recipe"] == recipe and all(
            hash_file(folder / name) == digest for name, digest in truth["files"].items()
        )
        return _session(folder, truth) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # absent, cut short or edited: build it again


def _read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    with wave.open(str(path), "rb") as sound:
        if sound.getnchannels() != 1 or sound.getsampwidth() != 2:
            raise MediaError(
                f"The demo needs 16-bit mono sound, got {sound.getnchannels()} channels of "
                f"{8 * sound.getsampwidth()} bits in {path.name}.",
                next_step="Install the version of pyannote.audio named in the lock file.",
            )
        frames = sound.readframes(sound.getnframes())
        return np.frombuffer(frames, dtype="<i2").astype(np.int16), sound.getframerate()


def _manifest(actors: tuple[_Actor, _Actor]) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("id", "path", "transcript", "roles", "license", "notes"))
    table.writerow(
        (
            "demo",
            "demo.mp4",
            "demo.stm",
            ";".join(f"{actor.speaker}={actor.role}" for actor in actors),
            "MIT (voices); public domain (portraits)",
            "Demo session made from samples of installed packages. " + _CREDITS["note"],
        )
    )
    return out.getvalue()


# ----------------------------------------------------------------------------------- the script


def _openings(
    utterances: list[Utterance], speaker: str, signal: NDArray[np.int16], rate: int, n_frames: int
) -> Array:
    """Open a speaker's mouth as far as the voice is loud, per frame, in her utterances only."""
    times = (np.arange(n_frames) + 0.5) / FPS
    power = np.concatenate([[0.0], np.cumsum((signal / 32768.0) ** 2)])
    # 60 ms centred on the frame: long enough to bridge glottal pulses, short enough for syllables.
    last = len(signal)
    begin = np.clip(np.round((times - 0.03) * rate).astype(int), 0, last)
    end = np.clip(np.round((times + 0.03) * rate).astype(int), 0, last)
    loudness = np.sqrt((power[end] - power[begin]) / np.maximum(end - begin, 1))
    mine = np.zeros(n_frames, bool)
    for utterance in utterances:
        if utterance.speaker == speaker:
            mine |= (utterance.start <= times) & (times < utterance.end)
    if not mine.any():
        return np.zeros(n_frames)
    quiet, loud = np.percentile(loudness[mine], [15, 90])
    shape = np.clip((loudness - quiet) / max(loud - quiet, 1e-9), 0, 1) ** 0.7
    # Steps let the warps be computed once each; 1/40 of the full opening is under half a pixel.
    return np.round(np.where(mine, shape, 0.0) * _OPENING_STEPS) / _OPENING_STEPS


def _sway(rng: np.random.Generator, n_frames: int) -> Array:
    """Slow wandering in [-1, 1], (n_frames,): three sines of 5 to 16 s."""
    times = np.arange(n_frames) / FPS
    periods, phases = rng.uniform(5.0, 16.0, 3), rng.uniform(0, 2 * np.pi, 3)
    weights = np.array([0.5, 0.3, 0.2])
    return np.sin(2 * np.pi * times[:, None] / periods + phases) @ weights


def _smile(n_frames: int) -> Array:
    times = np.arange(n_frames) / FPS
    rise = ease((times - SMILE.start) / _SMILE_RAMP_S + 1)
    fall = ease((SMILE.end - times) / _SMILE_RAMP_S + 1)
    return np.round(np.minimum(rise, fall) * 20) / 20


def _slide(n_frames: int) -> Array:
    """How far a portrait has slid out of its tile per frame: 0 in, 1 out, 0.5 at the bounds."""
    times = np.arange(n_frames) / FPS
    leave = ease((times - ABSENCE.start) / _SLIDE_S + 0.5)
    back = ease((ABSENCE.end - times) / _SLIDE_S + 0.5)
    return np.minimum(leave, back)


def _cast(
    sources: dict[str, Path],
    utterances: list[Utterance],
    signal: NDArray[np.int16],
    rate: int,
    n_frames: int,
    seed: int,
) -> tuple[_Actor, _Actor]:
    """Give each voice a face, a side, a role and a script."""
    rng = np.random.default_rng(seed)
    still = np.zeros(n_frames)

    def actor(
        speaker: str, role: str, side: Side, portrait: Portrait, slide: Array, smile: Array
    ) -> _Actor:
        return _Actor(
            speaker=speaker,
            role=role,
            side=side,
            portrait=portrait,
            still=read_portrait(sources[side], portrait),
            sway=np.stack([_sway(rng, n_frames) for _ in range(3)], axis=1),
            slide=slide,
            opening=_openings(utterances, speaker, signal, rate, n_frames),
            smile=smile,
        )

    return (
        actor("Diane", "therapist", "left", COLLINS, _slide(n_frames), still),
        actor("Sheila", "patient", "right", HOPPER, still, _smile(n_frames)),
    )


@dataclass(eq=False)
class _Actor:
    """A portrait with its script, drawn frame by frame. Coordinates: `still` and tile pixels."""

    speaker: str
    role: str
    side: Side
    portrait: Portrait
    still: Picture
    sway: Array
    slide: Array
    opening: Array
    smile: Array

    def __post_init__(self) -> None:
        import cv2

        portrait, k = self.portrait, self.portrait.sharpness
        face = np.array(portrait.face) * k
        self.shrink = (face[2] - face[0]) / _FACE_PX
        middle = (face[:2] + face[2:]) / 2
        self.origin = np.array([middle[0] - self.shrink * _TILE[0] / 2, portrait.top * k])
        self.mouth = mouth_of(self.still, portrait)
        self.empty = np.full((_TILE[1], _TILE[0], 3), _EMPTY_TILE, np.uint8)
        # The head turns about a point below the chin; shoulders and tile edges stay where they are.
        chin = (portrait.chin * k - self.origin[1]) / self.shrink
        self.pivot = np.array([_TILE[0] / 2, chin + 30])
        y, x = np.mgrid[0 : _TILE[1], 0 : _TILE[0]].astype(np.float32)
        half = portrait.head_half_width * k / self.shrink
        aside = ease((_TILE[0] / 2 - np.abs(x - self.pivot[0])) / (_TILE[0] / 2 - half))
        below = ease((chin + 120 - y) / 120)
        # Everything per pixel that does not change, in pixels of `still` and single precision.
        weight = aside * below * self.shrink
        from_x, from_y = x * self.shrink + self.origin[0], y * self.shrink + self.origin[1]
        parts = (
            *(from_x, from_y, weight),
            *(weight * (x - self.pivot[0]), weight * (y - self.pivot[1])),
        )
        # Below the shoulders nothing moves, so that it is drawn once.
        moving = int(np.flatnonzero(weight.any(axis=1))[-1]) + 1
        self.x, self.y, self.weight, self.lever_x, self.lever_y = (
            part[:moving].astype(np.float32) for part in parts
        )
        # Written over in each frame: new arrays of this size would cost more than their content.
        self.from_x, self.from_y = from_x.astype(np.float32), from_y.astype(np.float32)
        self.tile = cv2.remap(
            self.still, self.from_x, self.from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        self.from_x, self.from_y = self.from_x[:moving], self.from_y[:moving]

    def pose(self, frame: int) -> tuple[float, float, float]:
        """Return the head's turn in radians and its shift in pixels, x and y."""
        dx, dy, turn = (float(v) for v in self.sway[frame])
        return math.radians(turn * _SWAY_DEGREES), dx * _SWAY_PX[0], dy * _SWAY_PX[1]

    def draw(self, frame: int) -> Picture:
        """Draw the tile at one frame, (450, 384, 3) BGR."""
        import cv2

        gone = round(float(self.slide[frame]) * _TILE[0])
        if gone >= _TILE[0]:
            return self.empty
        turn, dx, dy = self.pose(frame)
        c, s = math.cos(turn), math.sin(turn)
        # Where each tile pixel comes from: the inverse of the turn and shift, faded by the weight.
        back_x, back_y = c * dx + s * dy, c * dy - s * dx
        for goal, rest, by_x, by_y, back in (
            (self.from_x, self.x, c - 1, s, back_x),
            (self.from_y, self.y, -s, c - 1, back_y),
        ):
            cv2.scaleAdd(self.lever_x, by_x, rest, goal)
            cv2.scaleAdd(self.lever_y, by_y, goal, goal)
            cv2.scaleAdd(self.weight, -back, goal, goal)
        picture = self.mouth.draw(float(self.opening[frame]), float(self.smile[frame]))
        moving = self.tile[: len(self.x)]
        cv2.remap(picture, self.from_x, self.from_y, cv2.INTER_LINEAR, moving, cv2.BORDER_REFLECT)
        if gone == 0:
            return self.tile
        tile = self.empty.copy()
        if self.side == "left":
            tile[:, : _TILE[0] - gone] = self.tile[:, gone:]
        else:
            tile[:, gone:] = self.tile[:, : _TILE[0] - gone]
        return tile

    def truth(self) -> dict[str, Any]:
        """Write down where the face is, and what it does, in pixels of the frame."""
        corner = np.array([_TILE_LEFT[self.side], _TILE_TOP])
        face = self._in_tile(np.reshape(self.portrait.face, (2, 2)))
        lips = self._in_tile(np.array(self.portrait.lips))
        wide = lips[-1, 0] - lips[0, 0]
        middle = lips.mean(0)
        mouth = middle + wide * np.array([[-0.55, -0.3], [0.55, 0.5]])
        centre = face.mean(0) - self.pivot
        offset = []
        for frame in range(len(self.slide)):
            turn, dx, dy = self.pose(frame)
            c, s = math.cos(turn), math.sin(turn)
            gone = round(float(self.slide[frame]) * _TILE[0])
            moved = (c * centre[0] - s * centre[1] + dx, s * centre[0] + c * centre[1] + dy)
            slid = -gone if self.side == "left" else gone
            offset.append([moved[0] - centre[0] + slid, moved[1] - centre[1]])
        leaves = self.slide.max() > 0
        half = _SLIDE_S / 2
        end = len(self.slide) / FPS
        bounds = [b for b in (ABSENCE.start, ABSENCE.end) if leaves and b < end]
        return {
            "speaker": self.speaker,
            "role": self.role,
            "side": self.side,
            "face": _rounded((face + corner).ravel()),
            "mouth": _rounded((mouth + corner).ravel()),
            "absences": [[ABSENCE.start, ABSENCE.end]] if bounds else [],
            "moving": [[round(b - half, 6), round(b + half, 6)] for b in bounds],
            "offset": _rounded(np.array(offset)),
            "opening": _rounded(self.opening),
            "smile": _rounded(self.smile),
        }

    def _in_tile(self, points: Array) -> Array:
        return (points * self.portrait.sharpness - self.origin) / self.shrink


def _rounded(values: Array) -> list[Any]:
    return np.round(values, 3).tolist()


# ------------------------------------------------------------------------------------- the film


def _frames(
    actors: tuple[_Actor, _Actor], n_frames: int, progress: Callable[[int, int], None] | None
) -> Iterator[Picture]:
    """Draw every frame, (540, 960, 3) BGR; each is drawn over the one before."""
    import cv2

    shade = np.linspace(0, 1, HEIGHT)[:, None]
    top, bottom = (np.array(colour, np.float64) for colour in _BACKGROUND)
    rows = np.rint(top + shade * (bottom - top)).astype(np.uint8)
    picture = np.repeat(rows[:, None], WIDTH, axis=1)
    # Rounded corners with soft edges: distance to the inner rectangle of corner centres.
    x = np.abs(np.arange(_TILE[0]) - (_TILE[0] - 1) / 2) - (_TILE[0] / 2 - _CORNER_PX)
    y = np.abs(np.arange(_TILE[1]) - (_TILE[1] - 1) / 2) - (_TILE[1] / 2 - _CORNER_PX)
    far = np.hypot(np.maximum(x, 0)[None], np.maximum(y, 0)[:, None])
    inner = np.clip(_CORNER_PX + 0.5 - far, 0, 1).astype(np.float32)
    ends = (np.s_[:_CORNER_PX], np.s_[-_CORNER_PX:])
    spots = []
    for actor in actors:
        left = _TILE_LEFT[actor.side]
        spot = picture[_TILE_TOP : _TILE_TOP + _TILE[1], left : left + _TILE[0]]
        spots.append((actor, spot, spot.copy()))
    for frame in range(n_frames):
        for actor, spot, behind in spots:
            tile = actor.draw(frame)
            spot[:] = tile
            for end in ends:
                spot[end] = cv2.blendLinear(tile[end], behind[end], inner[end], 1 - inner[end])
        yield picture
        if progress is not None:
            progress(frame + 1, n_frames)


def _version_of_av() -> str:
    try:
        import av
    except ModuleNotFoundError as trouble:
        raise MissingExtra.of("av", "media") from trouble
    return av.__version__


def _video_codec() -> str:
    """H.264 where this build of FFmpeg can write it, which browsers play; MPEG-4 otherwise."""
    _version_of_av()
    from av.codec import codecs_available

    return "libx264" if "libx264" in codecs_available else "mpeg4"


_QUALITY: dict[str, dict[str, object]] = {
    # Drawing and encoding are a third of what the demo costs: bytes are cheaper.
    "libx264": {"preset": "ultrafast", "crf": "25"},
    "mpeg4": {"qscale:v": "3"},
}


def _encode(
    frames: Iterator[Picture], n_frames: int, signal: NDArray[np.int16], rate: int, codec: str
) -> bytes:
    """Make an mp4 of pictures and sound; the same input gives the same bytes."""
    import av
    import cv2

    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = cast("VideoStream", container.add_stream(codec, rate=FPS))
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        # The bytes depend on the number of threads, so it is fixed.
        video.options = {"threads": "1", "g": "50", **_QUALITY[codec]}
        audio = container.add_stream("aac", rate=rate)
        audio.layout, audio.bit_rate = "mono", 64_000
        said = 0
        for number, picture in enumerate(frames):
            # FFmpeg's own conversion takes four times as long.
            planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
            shown = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
            shown.pts = number
            container.mux(video.encode(shown))
            until = len(signal) if number + 1 == n_frames else round((number + 1) / FPS * rate)
            sound = av.AudioFrame.from_ndarray(
                signal[None, said:until], format="s16", layout="mono"
            )
            sound.sample_rate, sound.pts = rate, said
            container.mux(audio.encode(sound))
            said = until
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return out.getvalue()
