"""Decoding: what a file holds, its sound at 16 kHz and its frames with their true times.

Nothing is transcoded. Time zero is the container's own start, the same for sound and picture,
and frame times are presentation timestamps. Pictures are as a player shows them
(`emodiss.media.display`). Fetching from the web is in `emodiss.media.fetch`.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import DiskError, MediaError, MissingExtra
from emodiss.manifest import VideoRow
from emodiss.media.display import Display, display_of
from emodiss.media.records import SAMPLE_RATE, Audio, DecodedSignal, Frame, Heard, Media
from emodiss.media.tone import Converter, curve_of
from emodiss.settings import MediaSettings

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    _Track = TypeVar("_Track", AudioStream, VideoStream)

# Formats that are lists of other files or streams. A file that came with somebody's manifest must
# not make the decoder open others, elsewhere on this machine or on the network.
_LISTS = frozenset({"concat", "dash", "hls", "imf", "rtsp", "sdp"})

# Less than a frame of any codec of sound.
_ROUNDED_S = 0.001

# Of decoded sound, read at a time.
_PIPE_BYTES = 1 << 20

# Nothing that a person could hear, of 16-bit samples.
_SILENT_PEAK = 4

# Channels cancel in a second whose mean has less than this share of what talk on one of n channels
# alone would keep of its energy, 1/n^2; two different voices keep more.
_CANCELLED_SHARE = 0.2
_LOUD_RMS = 32.768  # -60 dB of full scale; quieter seconds say nothing

# Energy of a 16 kHz signal's rises per energy of the signal: a tone of 120 Hz, where the channel
# for low frequencies ends, has (2 sin(pi 120 / 16000))^2 = 0.0022; talk has 0.02 and more.
_LOW_RISES = 0.005

# Layouts of more have no mix that holds all of them.
_MIXED_CHANNELS = 8

# Wanted frames further apart than this are sought. Most files have a key frame at least as often,
# so that less is decoded than by going on.
_SEEK_S = 10.0

# Codecs whose decoders can pass over frames that are no reference.
_SPARING = frozenset({"h264", "hevc"})

# Share of the packets of a picture that have a time which no other has: two fields may share one.
_OWN_TIMES = 0.4

# Pictures in fields of which the time between two is found.
_LOOKED_AT = 24

# Clocks are set anew where recordings are joined. Back by less are packets out of order. Ahead
# matters in formats of broadcasts, where ffmpeg, too, takes this for a new clock.
_CLOCK_BACK_S, _CLOCK_AHEAD_S = 1.0, 10.0

# A file that stops this much before its stated end lost its tail in a download.
_TRUNCATED_SHARE, _TRUNCATED_S = 0.02, 1.0


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DiskError.of(error, path) from error


@contextlib.contextmanager
def _opened(path: Path) -> Generator[InputContainer]:
    """Open a container; every complaint of the decoder becomes a `MediaError`.

    A list of other files, such as an HLS playlist, is no container.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtra.of("av", "media") from error
    if not path.is_file():
        raise MediaError(
            f"There is no media file at '{path}'.",
            next_step="Check the path in the manifest; it is relative to the manifest's folder.",
            code="missing_file",
        )
    _quiet()
    formats = ",".join(sorted(av.formats_available - _LISTS))
    # From version 19 on, PyAV reads metadata in any encoding without being asked to.
    lenient: dict[str, Any] = {"metadata_errors": "ignore"} if _av_before(19) else {}
    options = {"format_whitelist": formats}
    try:
        with av.open(str(path), mode="r", options=options, **lenient) as container:
            try:
                yield container
            finally:
                _quiet()
    except av.FFmpegError as error:
        raise MediaError(
            f"The file cannot be decoded ({type(error).__name__}).",
            next_step="It is damaged, cut off or no media file; play it, or download it again.",
            code="unreadable",
        ) from error


def _av_before(version: int) -> bool:
    import av

    return int(av.__version__.split(".")[0]) < version


def _quiet() -> None:
    """Keep decoding threads from calling back into Python.

    Importing torchvision sends the decoder's messages to Python's logging. A decoding thread that
    has one then waits for the interpreter, which waits for that thread when it closes the file
    (PyAV issues 751 and 1861): the process stands still for ever.
    """
    import av.logging

    av.logging.set_level(None)


def _zero(container: InputContainer) -> float:
    """Seconds that the clock of a file shows when it starts; sound and picture share it."""
    return (container.start_time or 0) / 1e6


def _moving_pictures(container: InputContainer) -> VideoStream | None:
    """Return the video stream that players show: no cover or still, the default one if one is."""
    from av.stream import Disposition

    tracks = _readable(container.streams.video, "picture")
    moving = [one for one in tracks if not one.disposition & Disposition.attached_pic]
    # MP4 states the number of pictures; a thumbnail or the still of an animation has one.
    moving = [one for one in moving if one.frames != 1] or moving
    shown = (stream for stream in moving if stream.disposition & Disposition.default)
    return next(shown, moving[0] if moving else None)


def _default_sound(container: InputContainer) -> tuple[AudioStream | None, int]:
    """Return the sound track that players play, and its number among the sound tracks."""
    from av.stream import Disposition

    readable = _readable(container.streams.audio, "sound")
    played = (stream for stream in readable if stream.disposition & Disposition.default)
    stream = next(played, readable[0] if readable else None)
    return stream, container.streams.audio.index(stream) if stream else 0


def _readable(tracks: Sequence[_Track], what: str) -> list[_Track]:
    """Leave out tracks that this FFmpeg has no decoder for, such as spatial sound of iPhones."""
    readable = [track for track in tracks if track.codec_context is not None]
    if tracks and not readable:
        raise MediaError(
            f"The file's {what} is stored in a format that FFmpeg cannot decode.",
            next_step="Convert it to H.264 and AAC in MP4 with the program that made it.",
            code="unreadable",
        )
    return readable


def probe(*, source: Path, row: VideoRow, settings: MediaSettings) -> Media:
    """Find out what a file holds, without decoding it.

    Parameters
    ----------
    row
        Manifest row; `start` and `end` choose the stretch to work on.
    settings
        Group `media`; `allow_truncated` accepts a file that ends early.

    Raises
    ------
    MediaError
        `missing_file`, `unreadable`, `no_streams`, `clock_jumps`, `truncated` or
        `empty_stretch`.
    """
    with _opened(source) as container:
        zero = _zero(container)
        stated = (container.duration or 0) / 1e6
        if "matroska" in container.format.name:  # it states when the file ends, not its length
            stated -= max(0.0, zero)
        video = _moving_pictures(container)
        audio, track = _default_sound(container)
        if video is None and audio is None:
            raise MediaError(
                "The file holds neither sound nor moving pictures.",
                next_step="Check that this is the right file.",
                code="no_streams",
            )
        # Captions may go on after sound and picture, and the stated length holds them.
        wanted = [s for s in (video, audio, *container.streams.subtitles) if s is not None]
        pts: set[int] = set()
        n_pictures = 0
        last_video = last_audio = last_caption = 0.0
        untimed = False
        for packet in _on_one_clock(container, wanted):
            if packet.pts is None or packet.time_base is None or packet.is_discard:
                untimed |= packet.pts is None and packet.size > 0
                continue
            end = (packet.pts + (packet.duration or 0)) * float(packet.time_base) - zero
            if video is not None and packet.stream_index == video.index:
                pts.add(packet.pts)
                n_pictures += 1
                last_video = max(last_video, end)
            elif audio is None or packet.stream_index != audio.index:
                last_caption = max(last_caption, end)
            else:
                last_audio = max(last_audio, end)
        times = np.zeros(0)
        look = _Look(Display(0, 0, 0, False), False, 0.0)
        if video is not None and pts:
            assert video.time_base is not None
            times = np.array(sorted(pts), dtype=np.float64) * float(video.time_base) - zero
            times = np.maximum(times[times > -1e-6], 0.0)  # the start is stated in microseconds
            look = _first_look(source)
            if look.least_step:  # else every second field would be waited for, and never come
                kept = [times[0]]
                for time in times[1:]:
                    if time - kept[-1] > look.least_step:
                        kept.append(time)
                times = np.array(kept)
            step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / 30
            last_video = max(
                last_video, float(times[-1]) + (step if last_video <= times[-1] else 0)
            )
        codec = audio.codec_context.name if audio is not None and last_audio > 0 else None
        duration = max(last_video, last_audio)
        if (duration <= 0 and untimed) or len(pts) < _OWN_TIMES * (n_pictures - 1):
            raise MediaError(
                "The file states no times for its frames.",
                next_step="Convert it, for instance with: ffmpeg -i FILE new.mp4",
                code="unreadable",
            )
        if duration <= 0:
            raise MediaError(
                "The file holds no sound and no frame.",
                next_step="It is empty or cut off; download it again.",
                code="no_streams",
            )
        shortfall = stated - max(duration, last_caption)
        if (
            shortfall > max(_TRUNCATED_S, _TRUNCATED_SHARE * stated)
            and not settings.allow_truncated
        ):
            raise MediaError(
                f"The file ends at {duration:.1f} s of its stated {stated:.1f} s.",
                next_step="Download it again, or accept it with --set media.allow_truncated=true.",
                code="truncated",
            )
        start = row.start or 0.0
        end = min(row.end if row.end is not None else duration, duration)
        if start >= end:
            raise MediaError(
                f"The stretch starts at {start:g} s, but the file ends at {duration:.1f} s.",
                next_step="Correct start and end in the manifest.",
                code="empty_stretch",
            )
        return Media(
            sha256=hash_file(source),
            duration=duration,
            start=start,
            end=end,
            audio_codec=codec,
            sample_rate=int(audio.codec_context.sample_rate or 0) if audio and codec else 0,
            channels=int(audio.codec_context.channels or 0) if audio and codec else 0,
            video_codec=video.codec_context.name if video is not None and len(times) else None,
            width=look.display.width,
            height=look.display.height,
            rotation=look.display.rotation,
            frame_times=times,
            video_end=last_video if len(times) else 0.0,
            mirrored=look.display.mirrored,
            n_sound_tracks=len(container.streams.audio),
            sound_track=track,
            high_dynamic_range=look.high_dynamic_range,
        )


def _on_one_clock(container: InputContainer, streams: list[Any]) -> Iterator[Packet[Any]]:
    """Take the packets of a file; one whose clock is set anew on the way has no times to trust."""
    import av.format

    broadcast = bool(container.format.flags & av.format.Flags.ts_discont.value)
    latest: dict[int, float] = {}
    for packet in container.demux(streams):
        if packet.dts is not None and packet.time_base is not None:
            now = packet.dts * float(packet.time_base)
            own = latest.get(packet.stream_index, now)
            furthest = max(latest.values(), default=now)
            if now < own - _CLOCK_BACK_S or (broadcast and now > furthest + _CLOCK_AHEAD_S):
                at = furthest - _zero(container)
                raise MediaError(
                    f"The file's clock jumps by {now - furthest:+z.1f} s at {at:.1f} s, as where "
                    "recordings were joined end to end.",
                    next_step="Convert it, for instance with: ffmpeg -i FILE new.mp4"
                    if broadcast
                    else "Give the recordings one by one, or join them anew with a program for it.",
                    code="clock_jumps",
                )
            latest[packet.stream_index] = max(now, own)
        yield packet


class _Look(NamedTuple):
    """What the first pictures tell."""

    display: Display
    high_dynamic_range: bool
    # Seconds from one picture to the next, at least; 0 where it is not known. Two fields may be
    # two packets with a time each, and are one picture.
    least_step: float


def _first_look(source: Path) -> _Look:
    """Find out how the pictures of a file are stored and shown."""
    with _opened(source) as container:
        video = _moving_pictures(container)
        assert video is not None and video.time_base is not None
        frames = (frame for packet in container.demux(video) for frame in _frames_of(packet) or ())
        for frame in frames:
            shown = display_of(frame, video.sample_aspect_ratio)
            hdr = curve_of(frame) is not None
            if not frame.interlaced_frame or video.codec_context.name not in _SPARING:
                return _Look(shown, hdr, 0.0)
            pts = [f.pts for f in (frame, *islice(frames, _LOOKED_AT)) if f.pts is not None]
            step = float(np.median(np.diff(pts))) if len(pts) > 1 else 0.0
            return _Look(shown, hdr, 0.75 * step * float(video.time_base))
        if container.format.name == "webp_pipe":
            raise MediaError(
                "Animated WebP cannot be decoded by the FFmpeg in the installed PyAV.",
                next_step="Convert it, with FFmpeg 9 or newer: ffmpeg -i FILE.webp new.mp4",
                code="unreadable",
            )
    raise MediaError(
        "The file states a picture, but not one frame can be decoded.",
        next_step="Its end is missing or its codec is not supported; convert it to H.264 in MP4.",
        code="unreadable",
    )


def decode_audio(*, source: Path, media: Media) -> Audio:
    """Decode the sound of the stretch to work on to 16 kHz mono.

    Returns
    -------
    Audio
        Starts at `media.start`. Gaps in the stored sound are filled with silence, so that a
        sample's position is its time. Empty without a sound track.

    Raises
    ------
    MediaError
        `unreadable`, when the decoder gives up.
    """
    audio = stream_audio(source=source, media=media)
    return replace(audio, signal=np.asarray(audio.signal))


def stream_audio(*, source: Path, media: Media) -> Audio:
    """Do as `decode_audio`, but leave the samples to be decoded anew, piece by piece, when taken.

    Decoding takes seconds per hour; the sound of an hour is 115 MB.
    """
    if not media.has_audio:
        return Audio(np.zeros(0, np.int16), SAMPLE_RATE, media.start)
    others = (number for number in range(media.n_sound_tracks) if number != media.sound_track)
    heard = None
    for track in (media.sound_track, *others):
        if not _sound_facts(source, track).channels:
            continue
        channel, low = _look_at_channels(source, media, track)
        found, silent = _decoded(source, media, track, channel=channel, low=low)
        if heard is None or not silent:
            heard = track, found, channel
        if not silent:
            break
    assert heard is not None
    track, signal, channel = heard
    facts = _sound_facts(source, track)
    what: Heard = "mean"
    if facts.ambisonic:
        what = "omnidirectional"
    elif channel is not None:
        what = "loudest" if facts.channels > 2 else "right" if channel else "left"
    other_track = None if track == media.sound_track else track
    return Audio(signal, SAMPLE_RATE, media.start, what, other_track, facts.holes)


def _decoded(
    source: Path, media: Media, track: int, *, channel: int | None, low: bool
) -> tuple[DecodedSignal, bool]:
    """Look through a sound track, or one of its channels, at 16 kHz; whether it is silent, too."""
    again = partial(_pieces, source, media, track, channel=channel, low=low)
    n_bytes = peak = 0
    for piece in again():
        n_bytes += len(piece)
        pcm = np.frombuffer(piece, "<i2")
        peak = max(peak, int(pcm.max(initial=0)), -int(pcm.min(initial=0)))
    return DecodedSignal(n_bytes // 2, again), peak <= _SILENT_PEAK


class _SoundFacts(NamedTuple):
    """What decoding must know of a sound track."""

    # Seconds that the file's clock shows when it starts.
    zero: float
    # 0 where it cannot be decoded.
    channels: int
    layout: str
    # Which channel is for low frequencies alone, if one is.
    low: int | None
    # Whether samples are NaN or infinite.
    holes: bool

    @property
    def ambisonic(self) -> bool:
        """Whether channels are no places but directions; the first one has none of them."""
        return self.layout.startswith("ambisonic")


def _sound_facts(source: Path, track: int) -> _SoundFacts:
    """Return what is so of the file as it is now."""
    return _sound_facts_of(source, source.stat().st_mtime_ns, track)


@lru_cache(maxsize=16)
def _sound_facts_of(source: Path, changed: int, track: int) -> _SoundFacts:
    with _opened(source) as container:
        sound = container.streams.audio[track]
        if sound not in _readable(container.streams.audio, "sound"):
            return _SoundFacts(_zero(container), 0, "", None, False)
        # Only codecs that store floats as they are can hold NaN and infinity.
        holes = sound.codec_context.name.startswith(("pcm_f", "wavpack")) and any(
            not np.isfinite(frame.to_ndarray()).all() for frame in container.decode(sound)
        )
        layout = sound.codec_context.layout
        names = [channel.name for channel in layout.channels]
        low = names.index("LFE") if "LFE" in names else None
        return _SoundFacts(_zero(container), layout.nb_channels, layout.name, low, holes)


def _look_at_channels(source: Path, media: Media, track: int) -> tuple[int | None, bool]:
    """Find the number of the loudest of the channels that cancel; None where they do not.

    Microphones and cables with turned polarity make such files: each channel is clear, and their
    mean is silent. Tells, too, whether the channel for low frequencies holds more than those:
    recorders of many microphones put one there, and mixes leave it out.
    """
    facts = _sound_facts(source, track)
    n = facts.channels
    if n < 2:
        return None, False
    if facts.ambisonic:  # the mean would be deaf to what comes from the other side
        return 0, False
    speaks = False
    n_loud = n_cancelled = 0
    energy = np.zeros(n)
    rest = b""
    for piece in _pieces(source, media, track, mixed=False):
        rest += piece
        whole = len(rest) // (2 * n * SAMPLE_RATE)
        seconds = np.frombuffer(rest, dtype="<i2", count=whole * n * SAMPLE_RATE)
        rest = rest[whole * 2 * n * SAMPLE_RATE :]
        channels = seconds.reshape(whole, SAMPLE_RATE, n).astype(np.float32)
        each = np.square(channels).mean(axis=1)
        mean = np.square(channels.mean(axis=2)).mean(axis=1)
        loud = each.max(axis=1) > _LOUD_RMS**2
        n_loud += int(loud.sum())
        n_cancelled += int((mean < _CANCELLED_SHARE / n**2 * each.max(axis=1))[loud].sum())
        energy += each.sum(axis=0)
        if facts.low is not None:
            alone = each[:, facts.low]
            rises = np.square(np.diff(channels[:, :, facts.low], axis=1)).mean(axis=1)
            speaks |= bool(((rises > _LOW_RISES * alone) & (alone > _LOUD_RMS**2)).any())
    cancel = n_cancelled and n_cancelled >= n_loud / 2
    return (int(energy.argmax()) if cancel else None), speaks


def _pieces(
    source: Path,
    media: Media,
    track: int,
    *,
    channel: int | None = None,
    low: bool = False,
    mixed: bool = True,
) -> Iterator[bytes]:
    """Decode a sound track to 16-bit samples, a piece at a time: one channel, or all as stored.

    `low` takes the channel for low frequencies into the mix.
    """
    import ffmpeg
    import imageio_ffmpeg

    facts = _sound_facts(source, track)
    # The program's own zero differs where a file states the clock of a broadcast: there it begins
    # with the tracks that are taken and closes gaps, so the picture would not fit.
    sound = ffmpeg.input(str(source.absolute()), itsoffset=-facts.zero)[f"a:{track}"]
    if facts.holes:
        # Else they become clicks at full scale, and with them what is resampled around them.
        number = "if(isnan(val(ch))+isinf(val(ch)),0,val(ch))"
        sound = sound.filter("aeval", number, c="same")
    if channel is not None:
        sound = sound.filter("channelmap", map=channel, channel_layout="mono")
    elif mixed and facts.channels > _MIXED_CHANNELS:
        all_alike = "+".join(f"c{number}" for number in range(facts.channels))
        sound = sound.filter("pan", f"mono|c0<{all_alike}")
    elif mixed and low:
        sound = sound.filter("aresample", out_chlayout="mono", lfe_mix_level=1)
    mono = mixed or channel is not None
    layout = "mono" if mono else facts.layout
    decode = sound.output(
        "pipe:", format="nut", acodec="pcm_s16le", ar=SAMPLE_RATE, ch_layout=layout
    )
    # A second program puts it on the clock: in the first one the filters begin anew where a
    # broadcast changes its rate or channels. first_pts=0 keeps sound that starts late in its
    # place; async fills gaps and never stretches.
    place = (
        ffmpeg.input("pipe:", format="nut")
        .filter("aresample", SAMPLE_RATE, **{"async": 1, "first_pts": 0})
        .filter("atrim", start=media.start, end=media.end)
        .filter("asetpts", "PTS-STARTPTS")
        .output("pipe:", format="s16le", acodec="pcm_s16le")
    )
    n_bytes = 0
    program = imageio_ffmpeg.get_ffmpeg_exe()
    quiet = ("-nostdin", "-v", "quiet", "-copyts")
    with (
        subprocess.Popen(decode.global_args(*quiet).compile(program), stdout=subprocess.PIPE) as a,
        subprocess.Popen(
            place.global_args(*quiet).compile(program), stdin=a.stdout, stdout=subprocess.PIPE
        ) as b,
    ):
        assert a.stdout is not None and b.stdout is not None
        a.stdout.close()  # else the first would not end with the second
        while piece := b.stdout.read(_PIPE_BYTES):
            n_bytes += len(piece)
            yield piece
    seconds = n_bytes / (2 * SAMPLE_RATE * (1 if mono else facts.channels))
    # The first is broken off where the stretch ends before the file does.
    whole = seconds > media.end - media.start - _ROUNDED_S
    if b.returncode or (a.returncode and not whole):
        raise MediaError(
            "The sound cannot be decoded.",
            next_step="Play the file; if it plays, convert its sound to AAC or WAV.",
            code="unreadable",
        )


def iterate_frames(source: Path, media: Media, indices: NDArray[np.int64]) -> Iterator[Frame]:
    """Decode chosen frames, one at a time and in order; memory stays flat.

    Parameters
    ----------
    indices
        Positions in `media.frame_times`, increasing.

    Yields
    ------
    Frame
        Those of the chosen frames that the decoder delivers; a damaged one is left out.

    Raises
    ------
    MediaError
        `unreadable`, when decoding stops with an error before the last chosen frame.
    """
    if not len(indices):
        return
    far = np.flatnonzero(np.diff(media.frame_times[indices]) > _SEEK_S) + 1
    for run in np.split(indices, far):
        yield from _run_of_frames(source, media, run)


def _run_of_frames(source: Path, media: Media, indices: NDArray[np.int64]) -> Iterator[Frame]:
    """Decode frames that lie close together; from the key frame before them on."""
    lead = 0.0
    # Formats of broadcasts state no key frames, so that a seek may end behind the one it needs.
    while (yield from _frames_from(source, media, indices, lead)):
        lead = 10 * lead or _SEEK_S


def _frames_of(packet: Packet[VideoStream]) -> list[VideoFrame] | None:
    """Decode a packet; a damaged one gives nothing, and players, too, go on."""
    from av.error import InvalidDataError

    try:
        return packet.decode()
    except InvalidDataError:
        return None


def _frames_from(
    source: Path, media: Media, indices: NDArray[np.int64], lead: float
) -> Generator[Frame, None, bool]:
    """Do so, from so many seconds before them on; whether that came too late for the first."""
    # To the microsecond, since a time that is computed twice may differ in its last bits.
    wanted = np.rint(media.frame_times[indices] * 1e6)
    waiting = np.ones(len(wanted), np.bool_)
    n_waiting = len(wanted)
    last = float(media.frame_times[indices[-1]])
    first = float(media.frame_times[indices[0]])
    display = media.display
    sought = first - lead > 2.0
    with _opened(source) as container:
        converter = Converter()
        video = _moving_pictures(container)
        assert video is not None and video.time_base is not None
        video.thread_type = "AUTO"
        zero = _zero(container)
        if sought:
            at = first - lead + zero
            container.seek(round(at / float(video.time_base)), stream=video)
        tick = float(video.time_base)

        def place(pts: int) -> int:
            """Where a frame stands among the wanted ones, or -1."""
            at = round((pts * tick - zero) * 1e6)
            k = int(wanted.searchsorted(at))
            return k if k < len(wanted) and wanted[k] == at else -1

        codec = video.codec_context
        by_packet = damaged = past = False
        for packet in container.demux(video):
            if by_packet:
                # No other frame needs one that is no reference: unless wanted, it stays packed.
                spare = packet.pts is not None and place(packet.pts) < 0
                codec.skip_frame = "NONREF" if spare else "DEFAULT"
            frames = _frames_of(packet)
            damaged |= frames is None
            for frame in frames or ():
                # A frame in two fields may be two packets.
                by_packet = codec.name in _SPARING and not frame.interlaced_frame
                if frame.pts is None:
                    continue
                time = frame.pts * tick - zero
                if sought and time > first + 1e-6:
                    return True
                sought = False
                k = place(frame.pts)
                if k >= 0 and waiting[k]:
                    waiting[k] = False
                    n_waiting -= 1
                    yield Frame(int(indices[k]), time, display.picture(frame, converter))
                    _quiet()  # a model may have imported torchvision meanwhile
                past = time >= last or not n_waiting
                if past:
                    break
            if past:
                break
    if damaged and n_waiting == len(wanted) and not sought:
        raise MediaError(
            f"No picture from {first:.1f} to {last:.1f} s can be decoded.",
            next_step="The file is damaged there; play it, or download it again.",
            code="unreadable",
        )
    return sought
