"""Builders of media and tables for tests: everything is generated, everybody is invented."""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from emodiss.faces import FaceTrack, LinkCounts, Tracks
from emodiss.manifest import VideoRow
from emodiss.media import Media

VIDEO = VideoRow(id="v", path="v.mp4")
"""A manifest row about which nothing is stated."""

MILLISECOND = Fraction(1, 1000)


def row(**stated: object) -> VideoRow:
    """Return a manifest row of which this is stated."""
    return VideoRow.model_validate({"id": "v", "path": "v.mp4", **stated})


def media(**fields: object) -> Media:
    """Return what was found of a video of a minute, 100 by 100 pixels, but for these fields."""
    usual = {
        **{"sha256": "0" * 64, "duration": 60.0, "start": 0.0, "end": 60.0, "rotation": 0},
        **{"audio_codec": "aac", "sample_rate": 16_000, "channels": 1, "video_codec": "h264"},
        **{"width": 100, "height": 100, "frame_times": np.arange(1800) / 30, "video_end": 60.0},
    }
    return Media(**{**usual, **fields})


def track(number: int, ticks: NDArray[np.int64], box: tuple[float, ...]) -> FaceTrack:
    """Return a face that stays where it is."""
    n = len(ticks)
    return FaceTrack(
        id=number,
        ticks=ticks,
        times=ticks / 30,
        boxes=np.tile(np.array(box, np.float32), (n, 1)),
        landmarks=np.zeros((n, 5, 2), np.float32),
        scores=np.ones(n, np.float32),
        measured=np.ones(n, bool),
    )


def tracks(*found: FaceTrack) -> Tracks:
    """Return tracks with the counts that belong to them."""
    return Tracks(found, LinkCounts(len(found), 0, 0, 0))


def tone(seconds: float, *, hertz: float = 220.0, rate: int = 16_000, level: float = 0.3):
    """Return a sine, (n,) float32."""
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def grey(value: int, *, size: tuple[int, int] = (96, 64)) -> NDArray[np.uint8]:
    """Return a flat picture; its grey value names the frame."""
    return np.full((size[1], size[0], 3), value, np.uint8)


def write_media(
    path: Path,
    *,
    frames: Iterable[NDArray[np.uint8]] | None = None,
    times: Iterable[float] | None = None,
    fps: int = 25,
    sound: NDArray[np.float32] | None = None,
    rate: int = 16_000,
    sound_start: float = 0.0,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> Path:
    """Write a media file.

    Parameters
    ----------
    path
        Suffix chooses the container.
    frames, times, fps
        Pictures and their times in seconds; evenly spaced by default.
    sound, rate, sound_start
        Mono (n,) or stereo (n, 2) signal, its rate, and the time of its first sample.
    codec, pixels, options
        Of the video encoder.
    """
    pictures = list(frames or [])
    with av.open(str(path), "w") as container:
        video = None
        if pictures:
            video = container.add_stream(codec, rate=fps, options={"crf": "12", **(options or {})})
            video.height, video.width = pictures[0].shape[:2]
            video.pix_fmt = pixels
            video.codec_context.time_base = MILLISECOND
        audio = None
        if sound is not None:
            layout = "mono" if sound.ndim == 1 else "stereo"
            audio = container.add_stream("aac", rate=rate, layout=layout)
        at = list(times) if times is not None else [i / fps for i in range(len(pictures))]
        if video is not None:
            for picture, time in zip(pictures, at, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = round(time * 1000), MILLISECOND
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if audio is not None and sound is not None:
            signal = np.ascontiguousarray(np.atleast_2d(sound.T).astype(np.float32))
            frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout=layout)
            frame.sample_rate = rate
            frame.pts, frame.time_base = round(sound_start * rate), Fraction(1, rate)
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def package_file(package: str, *parts: str) -> Path:
    """Return a file inside an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None, package
    return Path(spec.origin).parent.joinpath(*parts)


def astronaut(width: int = 240) -> NDArray[np.uint8]:
    """Return the public-domain portrait that scikit-image ships: one smiling face."""
    import cv2

    path = package_file("skimage", "data", "astronaut.png")
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return cv2.resize(picture, (width, width), interpolation=cv2.INTER_AREA)


def talk(start: float, end: float) -> NDArray[np.float32]:
    """Return a stretch of the two-person call that pyannote.audio ships, 16 kHz."""
    import wave

    path = package_file("pyannote.audio", "sample", "sample.wav")
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        file.setpos(round(start * rate))
        pcm = np.frombuffer(file.readframes(round((end - start) * rate)), "<i2")
    return pcm.astype(np.float32) / 32768


def write_stm(path: Path, rows: Iterable[tuple[str, float, float, str]]) -> Path:
    """Write a transcript; rows are speaker, start, end and text."""
    lines = (f"{path.stem} 1 {who} {start} {end} {text}\n" for who, start, end, text in rows)
    path.write_text("".join(lines))
    return path


def huge_png(width: int, height: int) -> bytes:
    """Give the head of a picture that would fill the memory."""
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    parts = (head, b"IDAT" + zlib.compress(bytes(1000)), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(part) - 4).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big")
        for part in parts
    )
