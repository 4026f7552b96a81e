"""Records of media: what a file holds, its sound, and its frames with their true times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import MediaError
from emodiss.media.display import Display
from emodiss.timebase import FrameClock, Seconds

SAMPLE_RATE = 16_000
"""Hertz of decoded sound; what Whisper, wav2vec2 and pyannote were trained on."""

Result = TypeVar("Result")

Piece = tuple[int, int]
"""Ticks of the 30 FPS clock that are worked on at a time: the first, and the end, which is not."""

PIECE_TICKS = 900
"""Half a minute: `lite` spends no more on two halves than on a minute (on thirds 3 % more), and the
last pieces, while which another core may be idle, are over in seconds."""

Heard = Literal["mean", "left", "right", "loudest", "omnidirectional"]

_ONE_OF_SEVERAL = frozenset({"left", "right", "loudest"})  # where the others cancel it


@dataclass(frozen=True, slots=True, eq=False)
class Media:
    """What a media file holds.

    Parameters
    ----------
    sha256
        Hash of the whole file; the identity of everything measured on it.
    duration
        Seconds from media start to the end of the last sound or frame.
    start, end
        Stretch to work on, in seconds; the whole file unless the manifest says otherwise.
    audio_codec, sample_rate, channels
        As stored in the file; None, 0, 0 without sound.
    video_codec
        As stored in the file; None without pictures.
    width, height
        Of the picture as it is shown, in square pixels; 0 without pictures.
    rotation
        Degrees the stored picture is turned counter-clockwise to stand upright.
    frame_times
        (n,) float64, presentation times of all frames in seconds, increasing.
    video_end
        Seconds at which the last frame leaves the display.
    mirrored
        Whether the stored picture is flipped left to right before it is turned.
    n_sound_tracks
        Sound tracks in the file; one is heard.
    sound_track
        Which: the one that the file marks as its default, else the first.
    high_dynamic_range
        Whether brightness is stored as PQ or HLG (ITU-R BT.2100). Frames are tone mapped to
        ordinary brightness and colours (`emodiss.media.tone`).
    """

    sha256: str
    duration: Seconds
    start: Seconds
    end: Seconds
    audio_codec: str | None
    sample_rate: int
    channels: int
    video_codec: str | None
    width: int
    height: int
    rotation: int
    frame_times: NDArray[np.float64]
    video_end: Seconds
    mirrored: bool = False
    n_sound_tracks: int = 1
    sound_track: int = 0
    high_dynamic_range: bool = False

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track."""
        return self.audio_codec is not None

    @property
    def has_video(self) -> bool:
        """Whether there is a moving picture."""
        return len(self.frame_times) > 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        known = (
            ("no_audio", not self.has_audio),
            ("no_video", not self.has_video),
            ("several_sound_tracks", self.n_sound_tracks > 1),
            ("high_dynamic_range", self.high_dynamic_range),
        )
        return tuple(name for name, is_so in known if is_so)

    @property
    def display(self) -> Display:
        """How a stored frame is shown."""
        return Display(self.width, self.height, self.rotation, self.mirrored)

    def clock(self) -> FrameClock:
        """Return the 30 FPS clock over the frames of the whole file."""
        return FrameClock(self.frame_times, self.video_end)

    def pieces(self) -> list[Piece]:
        """Cut the ticks into pieces of half a minute, wherever the stretch begins; one at least."""
        ticks = self.ticks()
        if not len(ticks):
            return [(0, 0)]
        first, last = int(ticks[0]) // PIECE_TICKS, int(ticks[-1]) // PIECE_TICKS
        return [(k * PIECE_TICKS, (k + 1) * PIECE_TICKS) for k in range(first, last + 1)]

    def ticks(self) -> NDArray[np.int64]:
        """Ticks of the 30 FPS clock inside the stretch to work on, (n,) int64."""
        clock = self.clock()
        ticks = clock.ticks()
        times = clock.time_of(ticks)
        return ticks[(times >= self.start) & (times < self.end)]


@dataclass(frozen=True, slots=True, eq=False)
class StoredSignal:
    """16-bit samples at the end of a file; a slice is read when it is asked for.

    An hour of sound is 115 MB, and most stages look at a few seconds at a time.
    """

    path: Path
    n: int

    dtype: ClassVar = np.dtype("<i2")

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, part: slice) -> NDArray[np.int16]:
        first, last, step = part.indices(self.n)
        begin = self.path.stat().st_size + self.dtype.itemsize * (first - self.n)
        return np.fromfile(self.path, self.dtype, max(last - first, 0), offset=begin)[::step]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy  # it always is one
        return self[:].astype(dtype or self.dtype, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedSignal:
    """16-bit samples that are decoded anew, piece by piece, each time they are taken."""

    n: int
    decode: Callable[[], Iterator[bytes]]

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, part: slice) -> NDArray[np.int16]:
        return np.asarray(self)[part]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy  # it always is one
        # Into one block: what joins pieces holds them twice.
        pcm = bytearray()
        for piece in self.pieces():
            pcm += piece
        return np.frombuffer(pcm, "<i2").astype(dtype or "<i2", copy=False)

    def pieces(self) -> Iterator[bytes]:
        """Decode from the beginning."""
        left = 2 * self.n
        for piece in self.decode():
            left -= len(piece)
            yield piece
        if left:
            raise MediaError(
                "The file gave more or less sound than when it was first read.",
                next_step="It changes while it is read; run again when it is whole.",
                code="unreadable",
            )


Pcm = NDArray[np.int16] | StoredSignal | DecodedSignal
"""16-bit samples, of which slices are arrays, and which themselves need not be in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """A signal whose slices are float32 in [-1, 1), times a gain, and which is never so as a whole.

    An hour takes 230 MB as float32, and most models look at a few seconds at a time.
    """

    pcm: Pcm
    gain: float = 1.0

    def __len__(self) -> int:
        return len(self.pcm)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        signal = _as_float(self.pcm[part])
        signal *= np.float32(self.gain)
        return signal

    def any(self) -> bool:
        """Whether there is anything but silence."""
        step = 60 * SAMPLE_RATE
        return any(self.pcm[k : k + step].any() for k in range(0, len(self), step))


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Mono sound.

    Parameters
    ----------
    signal
        (n,) int16 PCM; empty when the file has no sound. `as_float` gives [-1, 1]. Of a stored
        result it stays on disk, and slices of it are arrays; so it does where it is streamed.
    sample_rate
        Hertz.
    offset
        Seconds from media start to the first sample.
    heard
        What of a recording with several channels: their mean, or where they cancel the louder one
        of two, the loudest one of more; of spatial sound (ambisonics) what comes from everywhere.
    other_track
        Number of the sound track that was decoded in place of the file's default one, because that
        is silent; None as a rule.
    mended
        Whether samples of the file that are no numbers (NaN, infinite) were made silent.
    """

    signal: Pcm
    sample_rate: int
    offset: Seconds
    heard: Heard = "mean"
    other_track: int | None = None
    mended: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        found = () if self.other_track is None else ("other_sound_track",)
        found += ("sound_not_numbers",) if self.mended else ()
        return (*found, "channels_cancel") if self.heard in _ONE_OF_SEVERAL else found

    def as_float(self) -> NDArray[np.float32]:
        """Return the whole signal as float32 in [-1, 1)."""
        return _as_float(np.asarray(self.signal))

    def in_stretches(self) -> Stretches:
        """Return the same to be taken slice by slice."""
        return Stretches(self.signal)

    def cut(self, start: Seconds, end: Seconds) -> NDArray[np.float32]:
        """Return the samples of `[start, end)` as float32 in [-1, 1).

        Parameters
        ----------
        start, end
            Seconds from media start; parts outside the recording are left out.
        """
        first = max(0, round((start - self.offset) * self.sample_rate))
        last = max(first, round((end - self.offset) * self.sample_rate))
        return _as_float(self.signal[first:last])


def _as_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    signal = pcm.astype(np.float32)
    signal /= 32768.0  # in place: an hour takes 230 MB
    return signal


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Parameters
    ----------
    index
        Position in `Media.frame_times`.
    time
        Seconds at which it comes on display.
    image
        (height, width, 3) uint8 RGB, as a player shows it.
    """

    index: int
    time: Seconds
    image: NDArray[np.uint8]


def in_pieces(
    work: Callable[..., Any],
    join: Callable[..., Result],
    *,
    source: Path,
    media: Media,
    model: object,
    **others: object,
) -> Result:
    """Do the work on each piece of a video in turn, and join what it gives."""
    parts = [
        work(source=source, media=media, model=model, piece=piece, **others)
        for piece in media.pieces()
    ]
    return join(media=media, parts=parts, **others)
