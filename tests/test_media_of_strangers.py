"""Media as strangers bring them: joined recordings, broadcasts, fields, many tracks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emodiss import media
from emodiss.errors import MediaError
from emodiss.settings import MediaSettings
from tests import make
from tests.fields import fields_of_h264

FLASHES = ((0.52, 0.72), (1.2, 1.4), (2.4, 2.6))
"""When the picture is white and a tone sounds, in seconds."""


def probe(path: Path, **stated: object) -> media.Media:
    return media.probe(source=path, row=make.row(**stated), settings=MediaSettings())


def flashing(path: Path) -> Path:
    """Three seconds at 25 pictures a second, with a key frame in each second."""
    white = [any(a <= k / 25 < b for a, b in FLASHES) for k in range(75)]
    t = np.arange(48_000) / 16_000
    loud = np.any([(a <= t) & (t < b) for a, b in FLASHES], axis=0)
    return make.write_media(
        path,
        frames=[make.grey(250 if now else 60) for now in white],
        sound=make.tone(3.0, hertz=1000) * loud,
        options={"g": "25", "bf": "2"},
    )


def run_ffmpeg(*arguments: object) -> None:
    import subprocess

    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-nostdin", "-v", "error"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def onsets(times: np.ndarray, on: np.ndarray) -> list[float]:
    return times[np.flatnonzero(on & ~np.r_[False, on[:-1]])].tolist()


def seen_and_heard(path: Path) -> tuple[list[float], list[float]]:
    """When flashes begin and when tones begin."""
    found = probe(path)
    frames = list(media.iterate_frames(path, found, np.arange(len(found.frame_times))))
    assert len(frames) == len(found.frame_times)
    seen = onsets(
        np.array([f.time for f in frames]), np.array([f.image.mean() > 200 for f in frames])
    )
    heard = np.abs(media.decode_audio(source=path, media=found).as_float()[: 16 * 10**6])
    peaks = heard[: len(heard) // 160 * 160].reshape(-1, 160).max(axis=1)
    return seen, onsets(np.arange(len(peaks)) / 100, peaks > 0.05)


@pytest.mark.parametrize("suffix", ["ts", "mpg", "mkv", "ogg"])
def test_recordings_joined_end_to_end_are_not_laid_over_each_other(tmp_path: Path, suffix):
    one = tmp_path / f"one.{suffix}"
    codecs = {
        "mpg": ("-c:v", "mpeg2video", "-c:a", "mp2", "-ar", 48_000),
        "ogg": ("-vn", "-c:a", "libvorbis"),
    }
    run_ffmpeg("-i", flashing(tmp_path / "f.mp4"), *codecs.get(suffix, ("-c", "copy")), one)
    twice = tmp_path / f"twice.{suffix}"
    twice.write_bytes(2 * one.read_bytes())
    with pytest.raises(MediaError) as caught:
        probe(twice)
    assert caught.value.code == "clock_jumps"
    assert "by -" in str(caught.value) and "-0.0" not in str(caught.value)
    assert probe(one).duration == pytest.approx(3.0, abs=0.2)
    if suffix in ("ts", "mpg"):  # what the message says to do helps
        run_ffmpeg("-i", twice, tmp_path / "new.mp4")
        seen, heard = seen_and_heard(tmp_path / "new.mp4")
        assert len(seen) == 6
        assert heard == pytest.approx(seen, abs=0.1)


def test_a_broadcast_whose_clock_jumps_ahead_is_not_an_hour_of_nothing(tmp_path: Path) -> None:
    source = flashing(tmp_path / "f.mp4")
    parts = []
    for name, offset in (("a", 0), ("b", 1000), ("c", 8)):
        run_ffmpeg("-i", source, "-c", "copy", "-output_ts_offset", offset, tmp_path / f"{name}.ts")
        parts.append((tmp_path / f"{name}.ts").read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(parts[0] + parts[1])
    with pytest.raises(MediaError, match=r"jumps by \+99"):
        probe(path)
    # A hole of five seconds is one: nothing is seen or heard in it, and both go on together.
    path.write_bytes(parts[0] + parts[2])
    seen, heard = seen_and_heard(path)
    assert heard == pytest.approx(seen, abs=0.05)
    assert seen[3] - seen[0] == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("late", ["picture", "sound"])
def test_sound_and_picture_of_a_broadcast_begin_at_their_own_times(tmp_path: Path, late):
    source = flashing(tmp_path / "f.mp4")
    maps = ("-map", "0:v", "-map", "1:a") if late == "picture" else ("-map", "1:v", "-map", "0:a")
    path = tmp_path / "late.ts"
    run_ffmpeg("-itsoffset", 2.8, "-i", source, "-i", source, *maps, "-c", "copy", path)
    seen, heard = seen_and_heard(path)
    assert len(seen) == 3
    sign = 1 if late == "picture" else -1
    assert np.subtract(seen, heard) == pytest.approx([sign * 2.8] * 3, abs=0.05)


def test_a_seek_that_ends_behind_its_key_frame_goes_further_back(tmp_path: Path) -> None:
    # MPEG-TS states no key frames; here there is one in all.
    source = make.write_media(
        tmp_path / "one.mp4", frames=[make.grey(40 + k) for k in range(150)], options={"g": "999"}
    )
    path = tmp_path / "one.ts"
    run_ffmpeg("-i", source, "-c", "copy", path)
    found = probe(path)
    chosen = np.arange(100, 150)
    frames = list(media.iterate_frames(path, found, chosen))
    assert [f.index for f in frames] == chosen.tolist()
    assert [f.image.mean() for f in frames] == pytest.approx(40 + chosen, abs=3)


@pytest.mark.parametrize("suffix", ["ts", "mkv", "mp4"])
def test_a_picture_of_two_fields_is_one(tmp_path: Path, suffix):
    stream = tmp_path / "fields.h264"
    stream.write_bytes(fields_of_h264([40 + 4 * k for k in range(40)]))
    path = tmp_path / f"fields.{suffix}"
    run_ffmpeg("-i", stream, "-c", "copy", tmp_path / "plain.ts")
    run_ffmpeg("-i", tmp_path / "plain.ts", "-c", "copy", path)
    found = probe(path)
    assert np.diff(found.frame_times) == pytest.approx(1 / 25, abs=0.002)
    ticks = np.unique(found.clock().frame_at(found.ticks()))
    frames = list(media.iterate_frames(path, found, ticks))
    assert [f.index for f in frames] == ticks.tolist() == list(range(40))
    # Y of 40 + 4k in 16 to 235.
    shown = (40 + 4 * ticks - 16) * 255 / 219
    assert [f.image.mean() for f in frames] == pytest.approx(shown, abs=1)


def write_wave(path: Path, *tracks: np.ndarray, codec: str = "pcm_f32le", default: int = 0) -> Path:
    """Write tracks of (channels, samples) as they are; their codec is the first one's alone."""
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        streams = []
        for number, samples in enumerate(tracks):
            layout = ("mono", "stereo")[len(samples) - 1]
            name = codec if number == 0 else "pcm_f32le"
            stream = container.add_stream(name, rate=16_000, layout=layout)
            stream.disposition = Disposition.default if number == default else Disposition(0)
            streams.append(stream)
        for stream, samples in zip(streams, tracks, strict=True):
            planar = stream.codec_context.format.is_planar
            short = stream.codec_context.format.name.startswith("s16")
            data = (samples * 32767).astype(np.int16) if short else samples.astype(np.float32)
            packed = data if planar else np.ascontiguousarray(data.T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(
                packed, format=stream.codec_context.format.name, layout=stream.layout.name
            )
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def test_samples_that_are_no_numbers_are_looked_for_in_the_track_that_is_heard(
    tmp_path: Path,
) -> None:
    voice = make.tone(2.0)[None]
    holes = voice.copy()
    holes[:, 8_000:8_100] = np.nan
    silence = np.zeros_like(voice)
    # The default track holds integers and is silent, so the second is heard.
    path = write_wave(tmp_path / "a.mkv", silence, holes, codec="pcm_s16le")
    sound = media.decode_audio(source=path, media=probe(path))
    assert sound.notes == ("other_sound_track", "sound_not_numbers")
    assert not sound.as_float()[8_000:8_100].any()
    assert np.abs(sound.as_float()).max() == pytest.approx(0.3, abs=0.01)
    # Holes in a track that nobody hears are none.
    path = write_wave(tmp_path / "b.mkv", voice, holes, codec="pcm_s16le")
    assert media.decode_audio(source=path, media=probe(path)).notes == ()


def test_a_default_track_that_cancels_is_heard_before_another_one(tmp_path: Path) -> None:
    voice, other = make.tone(2.0), make.tone(2.0, hertz=700, level=0.2)[None]
    turned = np.stack([voice, -voice])
    path = write_wave(tmp_path / "a.mkv", turned, other)
    sound = media.decode_audio(source=path, media=probe(path))
    assert sound.notes == ("channels_cancel",)
    assert np.abs(sound.as_float() - voice).max() < 0.01
    # One that is heard in place of a silent one may cancel, too.
    path = write_wave(tmp_path / "b.mkv", 0 * turned, turned)
    sound = media.decode_audio(source=path, media=probe(path))
    assert sound.notes == ("other_sound_track", "channels_cancel")
    assert np.abs(sound.as_float()).max() == pytest.approx(0.3, abs=0.01)


def channels(path: Path, n: int, voice: int) -> Path:
    """A tone on one of n channels alone."""
    samples = np.zeros((n, 32_000), np.float32)
    samples[voice] = make.tone(2.0, hertz=400)
    data = path.with_suffix(".raw")
    data.write_bytes(samples.T.tobytes())
    stored = ("-f", "f32le", "-ar", 16_000, "-ac", n)
    run_ffmpeg(*stored, "-i", data, "-c:a", "pcm_s16le", path)
    return path


@pytest.mark.parametrize(("n", "voice"), [(3, 2), (6, 2), (6, 3), (8, 3), (16, 0), (16, 9)])
def test_no_microphone_of_a_recorder_is_left_out(tmp_path: Path, n, voice):
    # Three tracks read as 2.1, six as 5.1: the channel for low frequencies holds a microphone.
    path = channels(tmp_path / "many.wav", n, voice)
    sound = media.decode_audio(source=path, media=probe(path))
    assert sound.notes == ()
    assert np.abs(sound.as_float()).max() > 0.3 / n - 0.001


def test_low_frequencies_stay_out_of_the_mix(tmp_path: Path) -> None:
    samples = np.zeros((6, 32_000), np.float32)
    samples[2], samples[3] = make.tone(2.0, hertz=400), make.tone(2.0, hertz=60, level=0.8)
    (tmp_path / "a.raw").write_bytes(samples.T.tobytes())
    stored = ("-f", "f32le", "-ar", 16_000, "-ac", 6)
    run_ffmpeg(*stored, "-i", tmp_path / "a.raw", "-c:a", "flac", tmp_path / "a.mkv")
    found = probe(tmp_path / "a.mkv")
    heard = media.decode_audio(source=tmp_path / "a.mkv", media=found).as_float()
    spectrum = np.abs(np.fft.rfft(heard[:32_000]))  # half a hertz apart
    assert spectrum[800] > 100 * spectrum[120]


def test_sound_that_changes_its_rate_and_channels_stays_in_its_place(tmp_path: Path) -> None:
    source = flashing(tmp_path / "f.mp4")
    for name, offset, sound in (("a", 0, ("-ar", 48_000)), ("b", 4, ("-ar", 32_000, "-ac", 2))):
        path = tmp_path / f"{name}.ts"
        run_ffmpeg("-i", source, "-c:v", "copy", *sound, "-output_ts_offset", offset, path)
    path = tmp_path / "both.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    seen, heard = seen_and_heard(path)
    assert len(seen) == 6
    assert heard == pytest.approx(seen, abs=0.06)


def test_a_damaged_packet_costs_its_pictures_and_no_others(tmp_path: Path) -> None:
    moving = np.random.default_rng(0).integers(0, 256, (64, 256, 3), np.uint8)
    frames = [np.roll(moving, 3 * k, axis=1)[:, :96] for k in range(60)]
    path = make.write_media(tmp_path / "a.mp4", frames=frames, options={"g": "10", "bf": "0"})
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    for position, size in packets[25:27]:
        content[position : position + size] = bytes(size)
    path.write_bytes(content)
    found = probe(path)
    got = [f.index for f in media.iterate_frames(path, found, np.arange(60))]
    assert set(range(60)) - set(got) <= {25, 26}
    assert len(got) < 60
    with pytest.raises(MediaError, match=r"from 1\.0 to 1\.0 s"):
        list(media.iterate_frames(path, found, np.array([25])))


@pytest.mark.parametrize(
    ("curve", "is_so"), [("smpte2084", True), ("arib-std-b67", True), ("bt709", False)]
)
def test_hdr_is_said(tmp_path: Path, curve, is_so):
    path = make.write_media(
        tmp_path / "hdr.mp4",
        frames=[make.grey(v) for v in (60, 120)],
        options={"x264-params": f"transfer={curve}:colorprim=bt2020"},
    )
    found = probe(path)
    assert found.high_dynamic_range is is_so
    assert found.notes == ("no_audio", *(("high_dynamic_range",) if is_so else ()))


def test_pictures_that_share_one_time_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for value in range(20):
            frame = av.VideoFrame.from_ndarray(make.grey(value), format="rgb24")
            for packet in stream.encode(frame):
                packet.pts = packet.dts = 0
                container.mux(packet)
    with pytest.raises(MediaError, match="states no times"):
        probe(path)


def without_decoder(path: Path, track: int) -> Path:
    """Rename the codec of one sound track of a QuickTime file, as one that is not known."""
    content = bytearray(path.read_bytes())
    at = -1
    for _ in range(track + 1):
        at = content.index(b"soun\0\0\0\0", content.index(b"mdia", at + 1))
        entry = content.index(b"stsd", at)
    for name, other in ((b"mp4a", b"apac"), (b"esds", b"xsds"), (b"wave", b"xave")):
        while (found := content.find(name, entry, entry + 160)) >= 0:
            content[found : found + 4] = other
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("unknown", [0, 1])
def test_spatial_sound_without_decoder_gives_way_to_the_track_beside_it(tmp_path, unknown):
    source = flashing(tmp_path / "a.mp4")
    path = tmp_path / "b.mov"
    tracks = ("-map", "0:v", "-map", "0:a", "-map", "1:a")
    run_ffmpeg("-i", source, "-i", source, *tracks, "-c", "copy", path)
    found = probe(without_decoder(path, unknown))
    assert (found.n_sound_tracks, found.sound_track) == (2, 1 - unknown)
    seen, heard = seen_and_heard(path)
    assert heard == pytest.approx(seen, abs=0.06)


def test_a_silent_track_beside_sound_without_decoder_is_silent(tmp_path):
    picture = [make.grey(9)] * 10
    source = make.write_media(tmp_path / "a.mp4", frames=picture, sound=np.zeros(6400, np.float32))
    path = tmp_path / "b.mov"
    tracks = ("-map", "0:v", "-map", "0:a", "-map", "1:a")
    run_ffmpeg("-i", source, "-i", source, *tracks, "-c", "copy", path)
    found = probe(without_decoder(path, 1))
    assert not media.decode_audio(source=path, media=found).as_float().any()


def test_sound_that_cannot_be_decoded_is_no_silence(tmp_path):
    path = tmp_path / "b.mov"
    run_ffmpeg("-i", flashing(tmp_path / "a.mp4"), "-c", "copy", path)
    with pytest.raises(MediaError, match="sound is stored in a format") as error:
        probe(without_decoder(path, 0))
    assert error.value.code == "unreadable"


def test_a_still_beside_the_moving_picture_is_not_it(tmp_path):
    still = make.write_media(tmp_path / "still.mp4", frames=[make.grey(9, size=(32, 32))])
    path = tmp_path / "b.mov"
    source = flashing(tmp_path / "a.mp4")
    run_ffmpeg("-i", still, "-i", source, "-map", "0:v", "-map", "1", "-c", "copy", path)
    found = probe(path)
    assert (found.width, found.height, len(found.frame_times)) == (96, 64, 75)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_animations_are_videos_or_say_what_to_do(tmp_path, ending):
    from PIL import Image

    path = tmp_path / f"a.{ending}"
    first, *others = (Image.fromarray(make.grey(value)) for value in (40, 120, 200))
    first.save(path, save_all=True, append_images=others, duration=[100, 300, 200])
    if ending == "webp" and "webp_anim" not in av.formats_available:
        with pytest.raises(MediaError, match="Animated WebP"):
            probe(path)
        return
    found = probe(path)
    assert found.frame_times == pytest.approx([0, 0.1, 0.4])
    assert found.duration == pytest.approx(0.6)
    values = [f.image.mean() for f in media.iterate_frames(path, found, np.arange(3))]
    assert values == pytest.approx([40, 120, 200], abs=3)


def test_spatial_sound_hears_those_in_front_and_behind_alike(tmp_path):
    """Channels of the first order: all around, then left, up, front."""
    front, behind = make.tone(4.0, rate=48_000), make.tone(2.0, rate=48_000, hertz=440)
    talk = np.r_[front, behind]
    ahead = np.r_[front, -behind]
    channels = np.stack([talk, 0 * talk, 0 * talk, ahead], axis=1)
    raw, path = tmp_path / "a.raw", tmp_path / "a.mkv"
    raw.write_bytes((channels * 32767).astype("<i2").tobytes())
    stored = ("-f", "s16le", "-ar", 48_000, "-ch_layout", "ambisonic 1", "-i", raw)
    run_ffmpeg(*stored, "-c:a", "libopus", "-mapping_family", 2, path)
    sound = media.decode_audio(source=path, media=probe(path))
    assert (sound.heard, sound.notes) == ("omnidirectional", ())
    signal = sound.as_float()
    for second in (0.5, 4.5):
        at = round(second * 16_000)
        assert signal[at : at + 16_000].std() == pytest.approx(0.3 / 2**0.5, rel=0.05)
