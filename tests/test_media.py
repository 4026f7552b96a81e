"""What a file holds, decoded at its true times."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from emodiss import media
from emodiss.errors import MediaError
from emodiss.settings import MediaSettings
from tests import make

STRICT = MediaSettings()


def probe(path: Path, row=make.VIDEO, settings=STRICT) -> media.Media:
    return media.probe(source=path, row=row, settings=settings)


def shown(path: Path, found: media.Media) -> list[tuple[float, int]]:
    """Time and grey value of every frame."""
    indices = np.arange(len(found.frame_times))
    return [
        (round(f.time, 3), int(f.image.mean().round()))
        for f in media.iterate_frames(path, found, indices)
    ]


def test_sound_and_pictures_are_found_and_decoded(tmp_path):
    path = make.write_media(
        tmp_path / "a.mp4",
        frames=[make.grey(v) for v in range(10, 210, 4)],
        sound=make.tone(2.0),
    )
    found = probe(path)
    assert (found.width, found.height, found.rotation) == (96, 64, 0)
    assert found.frame_times == pytest.approx(np.arange(50) / 25)
    assert found.duration == pytest.approx(2.0, abs=0.1)
    assert len(found.ticks()) == 60
    sound = media.decode_audio(source=path, media=found)
    assert sound.sample_rate == 16_000
    # AAC pads its last frame of 1024 samples.
    assert len(sound.signal) / 16_000 == pytest.approx(2.0, abs=0.1)
    # RMS of a sine of amplitude 0.3 is 0.3 / sqrt(2) = 0.212.
    assert np.sqrt((sound.cut(0.5, 1.5) ** 2).mean()) == pytest.approx(0.212, abs=0.01)


def test_variable_frame_rate_keeps_every_frames_own_time(tmp_path):
    times = [0.0, 0.04, 0.5, 0.54, 1.2, 1.9]
    path = make.write_media(
        tmp_path / "vfr.mp4", frames=[make.grey(40 * i) for i in range(6)], times=times
    )
    found = probe(path)
    assert found.frame_times == pytest.approx(times)
    assert [time for time, _ in shown(path, found)] == pytest.approx(times)
    assert [value for _, value in shown(path, found)] == pytest.approx(
        [0, 40, 80, 120, 160, 200], abs=3
    )


def test_frames_are_delivered_in_order_with_their_own_content(tmp_path):
    # B-frames are stored out of order; the value of each picture names it.
    path = make.write_media(
        tmp_path / "b.mp4",
        frames=[make.grey(20 + 5 * i) for i in range(40)],
        options={"bf": "3", "g": "12"},
    )
    found = probe(path)
    chosen = np.array([3, 17, 18, 39])
    frames = list(media.iterate_frames(path, found, chosen))
    assert [f.index for f in frames] == chosen.tolist()
    assert [f.image.mean() for f in frames] == pytest.approx(20 + 5 * chosen, abs=3)


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"bf": "3"}),
        ("libx264", {"bf": "3", "x264-params": "b-pyramid=none"}),
        ("libx264", {"bf": "2", "x264-params": "tff=1"}),
        ("libx265", {"x265-params": "log-level=none:bframes=3"}),
        ("mpeg4", {"bf": "2"}),
    ],
)
def test_frames_that_are_passed_over_change_no_other(tmp_path, codec, options):
    # Most pictures between the wanted ones are no reference, and need not be decoded.
    moving = np.random.default_rng(0).integers(0, 256, (64, 256, 3), np.uint8)
    frames = [np.roll(moving, 3 * k, axis=1)[:, :96] for k in range(60)]
    path = make.write_media(tmp_path / "b.mp4", frames=frames, codec=codec, options=options)
    found = probe(path)
    every = {f.index: f.image for f in media.iterate_frames(path, found, np.arange(60))}
    for first, step in ((0, 7), (1, 6), (2, 2)):
        chosen = np.arange(first, 60, step)
        some = list(media.iterate_frames(path, found, chosen))
        assert [f.index for f in some] == chosen.tolist()
        assert all((f.image == every[f.index]).all() for f in some)


def test_frames_far_apart_are_sought_and_are_the_same(tmp_path, monkeypatch):
    path = make.write_media(
        tmp_path / "far.mp4",
        frames=[make.grey(20 + i) for i in range(200)],
        options={"bf": "3", "g": "30"},
    )
    found = probe(path)
    chosen = np.array([0, 5, 70, 71, 130, 199])
    together = list(media.iterate_frames(path, found, chosen))
    monkeypatch.setattr("emodiss.media.decoding._SEEK_S", 1.0)
    openings: list[str] = []
    av_open = av.open
    monkeypatch.setattr(av, "open", lambda *a, **k: openings.append(a[0]) or av_open(*a, **k))
    sought = list(media.iterate_frames(path, found, chosen))
    assert len(openings) == 4
    assert [f.index for f in sought] == chosen.tolist()
    for a, b in zip(together, sought, strict=True):
        np.testing.assert_array_equal(a.image, b.image)


def test_a_stretch_far_into_the_file_is_reached_by_seeking(tmp_path):
    path = make.write_media(
        tmp_path / "long.mp4",
        frames=[make.grey(int(v)) for v in np.linspace(10, 240, 250)],
        sound=make.tone(10.0),
        options={"g": "25"},
    )
    found = probe(path, make.row(start=6.0, end=7.0))
    ticks = found.ticks()
    assert (ticks[0], ticks[-1]) == (180, 209)
    indices = np.unique(found.clock().frame_at(ticks))
    frames = list(media.iterate_frames(path, found, indices))
    assert [f.time for f in frames] == pytest.approx(np.arange(150, 175) / 25)
    sound = media.decode_audio(source=path, media=found)
    assert sound.offset == 6.0
    assert len(sound.signal) == 16_000
    assert len(sound.cut(6.25, 6.75)) == 8_000


def test_sound_that_starts_late_stays_in_its_place(tmp_path):
    path = make.write_media(
        tmp_path / "late.mkv",
        frames=[make.grey(90)] * 50,
        sound=make.tone(1.0),
        sound_start=0.8,
    )
    sound = media.decode_audio(source=path, media=probe(path))
    loud = np.flatnonzero(np.abs(sound.as_float()) > 0.1)
    assert loud[0] / 16_000 == pytest.approx(0.8, abs=0.05)


def test_sound_on_one_channel_is_kept(tmp_path):
    stereo = np.stack([make.tone(1.0, rate=48_000), np.zeros(48_000, np.float32)], axis=1)
    path = make.write_media(tmp_path / "one.mp4", sound=stereo, rate=48_000)
    found = probe(path)
    assert (found.channels, found.sample_rate) == (2, 48_000)
    assert np.abs(media.decode_audio(source=path, media=found).as_float()).max() > 0.1


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_phone_video_comes_upright(tmp_path, degrees):
    import ffmpeg
    import imageio_ffmpeg

    # Left half dark, right half bright; stored turned, with a display matrix that undoes it.
    picture = make.grey(30)
    picture[:, 48:] = 220
    stored = np.ascontiguousarray(np.rot90(picture, -degrees // 90))
    flat = make.write_media(tmp_path / "flat.mp4", frames=[stored] * 10)
    path = tmp_path / "turned.mp4"
    ffmpeg.input(str(flat), display_rotation=degrees).output(str(path), c="copy").run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True
    )
    found = probe(path)
    assert (found.width, found.height) == (96, 64)
    frame = next(media.iterate_frames(path, found, np.array([0])))
    assert frame.image.shape == (64, 96, 3)
    assert frame.image[:, :40].mean() < 60 < 190 < frame.image[:, 56:].mean()


def test_ten_bit_hevc_is_decoded_to_eight_bits(tmp_path):
    path = make.write_media(
        tmp_path / "hdr.mp4", frames=[make.grey(128)] * 5, codec="libx265", pixels="yuv420p10le"
    )
    found = probe(path)
    assert found.video_codec == "hevc"
    frame = next(media.iterate_frames(path, found, np.array([0])))
    assert frame.image.dtype == np.uint8
    assert frame.image.mean() == pytest.approx(128, abs=3)


def test_a_file_may_lack_sound_or_pictures(tmp_path):
    silent = probe(make.write_media(tmp_path / "silent.mp4", frames=[make.grey(9)] * 9))
    assert (silent.has_audio, silent.has_video, silent.notes) == (False, True, ("no_audio",))
    path = make.write_media(tmp_path / "blind.m4a", sound=make.tone(1.0))
    blind = probe(path)
    assert (blind.has_audio, blind.has_video, blind.notes) == (True, False, ("no_video",))
    assert len(blind.ticks()) == 0
    assert list(media.iterate_frames(path, blind, np.zeros(0, np.int64))) == []


def test_a_file_cut_off_in_its_middle_is_not_taken_for_a_short_one(tmp_path):
    whole = make.write_media(
        tmp_path / "whole.mp4",
        frames=[
            np.random.default_rng(i).integers(0, 255, (64, 96, 3), np.uint8) for i in range(99)
        ],
        options={"movflags": "faststart"},
    )
    import ffmpeg
    import imageio_ffmpeg

    front = tmp_path / "front.mp4"
    ffmpeg.input(str(whole)).output(str(front), c="copy", movflags="faststart").run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front.read_bytes()[: int(front.stat().st_size * 0.4)])
    with pytest.raises(MediaError) as error:
        probe(cut)
    assert error.value.code == "truncated"
    accepted = probe(cut, settings=STRICT.changed(allow_truncated=True))
    assert 0 < accepted.duration < 3
    # Without its index at the front, a cut file cannot even be opened.
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(MediaError) as error:
        probe(headless)
    assert error.value.code == "unreadable"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("text.mp4", b"Once upon a time there was a file that was no film.\n" * 20, "unreadable"),
        ("empty.mp4", b"", "unreadable"),
        ("zeros.mp4", b"\0" * 5000, "unreadable"),
    ],
)
def test_what_is_no_media_file_says_so(tmp_path, name, content, code):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError) as error:
        probe(path)
    assert error.value.code == code
    assert error.value.next_step


def test_a_missing_file_and_an_empty_stretch_have_their_own_codes(tmp_path):
    with pytest.raises(MediaError) as error:
        probe(tmp_path / "none.mp4")
    assert error.value.code == "missing_file"
    assert str(tmp_path / "none.mp4") in error.value.what
    path = make.write_media(tmp_path / "a.mp4", frames=[make.grey(9)] * 25)
    with pytest.raises(MediaError) as error:
        probe(path, make.row(start=5.0))
    assert error.value.code == "empty_stretch"


def test_the_same_file_has_the_same_hash_wherever_it_lies(tmp_path):
    path = make.write_media(tmp_path / "a.mp4", frames=[make.grey(9)] * 5)
    copy = tmp_path / "b.mp4"
    copy.write_bytes(path.read_bytes())
    assert probe(path).sha256 == probe(copy).sha256


def test_the_published_debate_clip_is_decoded_frame_by_frame(shared_data):
    path = shared_data / "video" / "mexca_debate_5s.mp4"
    found = probe(path)
    assert len(found.frame_times) == 125
    assert found.frame_times == pytest.approx(np.arange(125) / 25)


def test_decoding_threads_never_call_back_into_python(tmp_path):
    # torchvision.io sets this level when it is imported, and closing a file then could hang.
    import av.logging

    path = make.write_media(tmp_path / "a.mp4", frames=[make.grey(9)] * 9)
    found = probe(path)
    frames = media.iterate_frames(path, found, np.arange(9))
    next(frames)
    for stop in (lambda: next(frames), frames.close):
        av.logging.set_level(av.logging.ERROR)
        stop()
        assert av.logging.get_level() is None


@pytest.mark.parametrize(("version", "asked"), [("18.1.0", True), ("19.0.2", False)])
def test_each_version_of_pyav_is_asked_what_it_knows(tmp_path, monkeypatch, version, asked):
    path = make.write_media(tmp_path / "a.mp4", frames=[make.grey(9)] * 9)
    calls: list[dict] = []

    def opened(name, really=av.open, **options):
        calls.append(options.copy())
        options.pop("metadata_errors", None)
        return really(name, **options)

    monkeypatch.setattr(av, "open", opened)
    monkeypatch.setattr(av, "__version__", version)
    assert len(probe(path).frame_times) == 9
    assert calls and all(("metadata_errors" in options) is asked for options in calls)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n"
"""An HLS playlist of one file."""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", PLAYLIST),
        ("list.mp4", PLAYLIST),
        ("list.mp4", "ffconcat version 1.0\nfile '{}'\n"),
    ],
)
def test_a_list_of_other_files_is_not_followed_to_them(tmp_path, name, text):
    import av

    secret = tmp_path / "secret" / "s.ts"
    secret.parent.mkdir()
    make.write_media(secret, frames=[make.grey(90)] * 25, sound=make.tone(1.0))
    probe(secret)  # the file itself is fine
    path = tmp_path / name
    path.write_text(text.format(secret))
    if name.endswith("m3u8"):
        # The decoder by itself would follow it.
        with av.open(str(path)) as container:
            assert container.format.name == "hls"
    with pytest.raises(MediaError) as error:
        probe(path)
    assert error.value.code == "unreadable"


def quadrants():
    """Return a picture whose four corners differ, so that every turn and flip shows."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48], picture[:32, 48:], picture[32:, :48], picture[32:, 48:] = 30, 90, 160, 230
    return picture


def corners(image):
    half, middle = image.shape[0] // 2, image.shape[1] // 2
    parts = (image[:half, :middle], image[:half, middle:], image[half:, :middle])
    return [int(np.median(part)) for part in (*parts, image[half:, middle:])]


def as_ffmpeg_shows(path, size):
    """First frame through ffmpeg's own turning and flipping, scaled to square pixels."""
    import subprocess

    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", str(path), "-frames:v", "1"]
    command += ["-vf", f"scale={size[0]}:{size[1]},setsar=1", "-f", "rawvideo"]
    raw = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    return np.frombuffer(raw.stdout, np.uint8).reshape(size[1], size[0], 3)


MATRICES = {
    # right x, right y, down x, down y of the stored picture, rows going down
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "half a turn": (-1, 0, 0, -1),
    "to the right": (0, 1, -1, 0),
    "to the left": (0, -1, 1, 0),
    "mirrored and to the right": (0, -1, -1, 0),
    "mirrored and to the left": (0, 1, 1, 0),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_display_matrix_is_followed_as_players_do(tmp_path, name):
    a, b, c, d = (value * 65536 for value in MATRICES[name])
    flat = make.write_media(tmp_path / "flat.mp4", frames=[quadrants()] * 5)
    path = tmp_path / "shown.mp4"
    # A track header holds the matrix as nine numbers in big-endian order.
    data = flat.read_bytes()
    plain = np.array([65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30], ">i4").tobytes()
    at = data.index(plain, data.index(b"tkhd"))
    matrix = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    found = probe(path)
    frame = next(media.iterate_frames(path, found, np.array([0])))
    assert frame.image.shape == (found.height, found.width, 3)
    shown = as_ffmpeg_shows(path, (found.width, found.height))
    assert corners(frame.image) == pytest.approx(corners(shown), abs=3)
    assert corners(frame.image) != pytest.approx(corners(quadrants()), abs=3)


@pytest.mark.parametrize(
    ("aspect", "width"), [("16/15", 102), ("12/11", 105), ("64/45", 137), ("8/9", 85), ("1/1", 96)]
)
def test_pixels_that_are_not_square_are_made_so(tmp_path, aspect, width):
    import ffmpeg
    import imageio_ffmpeg

    flat = make.write_media(tmp_path / "flat.mp4", frames=[quadrants()] * 5)
    path = tmp_path / "dv.mp4"
    ffmpeg.input(str(flat)).output(str(path), vf=f"setsar={aspect}", **{"c:v": "libx264"}).run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True
    )
    found = probe(path)
    assert (found.width, found.height) == (width, 64)
    frame = next(media.iterate_frames(path, found, np.array([0])))
    assert frame.image.shape == (64, width, 3)
    assert corners(frame.image) == pytest.approx([30, 90, 160, 230], abs=4)


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    frames = [quadrants()] * 5
    small = make.write_media(tmp_path / "a.webm", frames=frames, codec="libvpx")
    large = make.write_media(
        tmp_path / "b.webm",
        frames=[np.kron(quadrants(), np.ones((2, 2, 1), np.uint8))] * 5,
        codec="libvpx",
    )
    path = tmp_path / "both.webm"
    import av

    # Packets of both, one after the other, in one track: what some call recorders write.
    with av.open(str(path), "w") as out, av.open(str(small)) as a, av.open(str(large)) as b:
        stream = out.add_stream_from_template(a.streams.video[0])
        for later, source in ((0, a), (200, b)):
            for packet in source.demux(video=0):
                if packet.pts is not None:
                    packet.pts, packet.dts = packet.pts + later, packet.dts + later
                    packet.stream = stream
                    out.mux(packet)
    found = probe(path)
    shapes = {f.image.shape for f in media.iterate_frames(path, found, np.arange(10))}
    assert shapes == {(64, 96, 3)}


def stereo(tmp_path, left, right, name="s.mkv"):
    return make.write_media(tmp_path / name, sound=np.stack([left, right], axis=1), rate=16_000)


def test_channels_that_cancel_leave_the_louder_one(tmp_path):
    voice = make.tone(3.0)
    for name, left, right, heard in (
        ("turned", voice, -0.9 * voice, "left"),
        ("turned louder", 0.5 * voice, -0.55 * voice, "right"),
    ):
        path = stereo(tmp_path, left, right, f"{name}.mkv")
        sound = media.decode_audio(source=path, media=probe(path))
        assert (sound.heard, sound.notes) == (heard, ("channels_cancel",)), name
        assert np.abs(sound.as_float()).max() > 0.1, name


def converted(source: Path, path: Path, *inputs: Path, **options: object) -> Path:
    import ffmpeg
    import imageio_ffmpeg

    streams = [ffmpeg.input(str(each)) for each in (source, *inputs)]
    ffmpeg.output(*streams, str(path), **options).run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True
    )
    return path


@pytest.mark.parametrize(
    ("layout", "heard"),
    [
        ("5.1|c0=c0|c1=-1*c0", "loudest"),
        ("quad|c2=c0|c3=-0.9*c0", "loudest"),
        ("5.1|c2=c0", "mean"),  # a voice in the centre alone
        ("7.1|c6=c0", "mean"),
    ],
)
def test_more_than_two_channels_may_cancel_too(tmp_path, layout, heard):
    voice = make.write_media(tmp_path / "voice.mkv", sound=make.tone(2.0))
    path = converted(voice, tmp_path / "many.wav", af=f"pan={layout}")
    sound = media.decode_audio(source=path, media=probe(path))
    assert (sound.heard, bool(sound.notes)) == (heard, heard != "mean")
    assert np.abs(sound.as_float()).max() > 0.03


def test_captions_that_outlast_the_picture_are_no_lost_tail(tmp_path):
    flat = make.write_media(tmp_path / "flat.mkv", frames=[make.grey(90)] * 25)
    captions = tmp_path / "c.srt"
    captions.write_text("1\n00:00:00,000 --> 00:00:09,000\nhi\n")
    path = converted(flat, tmp_path / "c.mkv", captions, c="copy")
    assert probe(path).duration == pytest.approx(1.0, abs=0.05)


def test_of_several_pictures_the_default_one_is_shown(tmp_path):
    both = [
        make.write_media(tmp_path / f"{v}.mkv", frames=[make.grey(v, size=s)] * 5)
        for v, s in ((60, (64, 64)), (180, (96, 64)))
    ]
    marks = {"disposition:v:0": "0", "disposition:v:1": "default"}
    path = converted(both[0], tmp_path / "both.mkv", both[1], c="copy", **marks)
    found = probe(path)
    assert (found.width, found.height) == (96, 64)
    frame = next(media.iterate_frames(path, found, np.array([0])))
    assert frame.image.mean() == pytest.approx(180, abs=3)


def test_pictures_without_times_say_so(tmp_path):
    flat = make.write_media(tmp_path / "flat.mp4", frames=[make.grey(90)] * 5)
    path = converted(flat, tmp_path / "raw.h264", c="copy", f="h264")
    with pytest.raises(MediaError, match="states no times") as caught:
        probe(path)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (make.tone(3.0), make.tone(3.0)),
        (make.tone(3.0), 0 * make.tone(3.0)),
        (make.tone(3.0), make.tone(3.0, hertz=330)),
        (0 * make.tone(3.0), 0 * make.tone(3.0)),
        # Cancelled for a short while only: both channels may hold a voice of their own.
        (make.tone(3.0), np.where(np.arange(48_000) < 16_000, -1, 1) * make.tone(3.0)),
    ],
)
def test_channels_that_do_not_cancel_are_mixed(tmp_path, left, right):
    path = stereo(tmp_path, left.astype(np.float32), right.astype(np.float32))
    sound = media.decode_audio(source=path, media=probe(path))
    assert (sound.heard, sound.notes) == ("mean", ())
    assert len(sound.signal) == pytest.approx(48_000, abs=2_000)


def two_tracks(tmp_path, levels, default):
    import ffmpeg
    import imageio_ffmpeg

    paths = [
        make.write_media(tmp_path / f"{i}.mkv", sound=make.tone(1.0, level=level))
        for i, level in enumerate(levels)
    ]
    path = tmp_path / "tracks.mkv"
    marks = {f"disposition:a:{i}": "default" if i == default else 0 for i in range(len(paths))}
    inputs = [ffmpeg.input(str(p))["a:0"] for p in paths]
    ffmpeg.output(*inputs, str(path), c="copy", **marks).run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True
    )
    return path


@pytest.mark.parametrize(
    ("levels", "default", "track", "notes"),
    [
        ((0.1, 0.4), 1, 1, ()),
        ((0.1, 0.4), 0, 0, ()),
        ((0.1, 0.4), None, 0, ()),
        ((0.0, 0.4), 0, 1, ("other_sound_track",)),
        ((0.0, 0.0), 0, 0, ()),
    ],
)
def test_of_several_sound_tracks_the_one_that_players_play_is_heard(
    tmp_path, levels, default, track, notes
):
    path = two_tracks(tmp_path, levels, default)
    found = probe(path)
    assert found.notes == ("no_video", "several_sound_tracks")
    sound = media.decode_audio(source=path, media=found)
    assert sound.notes == notes
    assert sound.other_track == (track if notes else None)
    assert np.abs(sound.as_float()).max() == pytest.approx(levels[track], abs=0.05)


def test_what_was_heard_is_kept(tmp_path):
    from emodiss.runs import codecs

    path = stereo(tmp_path, make.tone(2.0), -0.8 * make.tone(2.0))
    sound = media.decode_audio(source=path, media=probe(path))
    for name, pieces in codecs.encode(sound).items():
        (tmp_path / name).write_bytes(b"".join(pieces))
    again = codecs.decode(media.Audio, tmp_path)
    assert (again.heard, again.other_track, again.notes) == ("left", None, ("channels_cancel",))
    assert np.array_equal(again.signal, sound.signal)


def test_a_recording_whose_clock_starts_late_is_whole(tmp_path):
    times = [7 + i / 10 for i in range(20)]
    pictures = [make.grey(10 * i) for i in range(20)]
    for name in ("late.mkv", "late.webm"):
        codec = "libvpx" if name.endswith("webm") else "libx264"
        path = make.write_media(tmp_path / name, frames=pictures, times=times, fps=10, codec=codec)
        found = probe(path)
        assert found.duration == pytest.approx(2, abs=0.01)
        assert found.frame_times[:2] == pytest.approx([0, 0.1], abs=0.002)


@pytest.mark.parametrize("n", [1, 2])
def test_samples_that_are_no_numbers_are_silent_and_said(tmp_path, n):
    import av

    from emodiss.runs import codecs

    voice = np.tile(make.tone(2.0).astype(np.float32), (n, 1))
    voice[:, 8_000:8_100] = np.nan
    voice[-1, 20_000] = np.inf
    path = tmp_path / "holes.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout=("mono", "stereo")[n - 1])
        packed = np.ascontiguousarray(voice.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=stream.layout.name)
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    sound = media.decode_audio(source=path, media=probe(path))
    assert sound.notes == ("sound_not_numbers",)
    heard = sound.as_float()
    assert not heard[8_000:8_100].any()
    right = np.nan_to_num(voice, posinf=0).mean(axis=0)
    assert np.abs(heard - right).max() < 1e-3
    for name, pieces in codecs.encode(sound).items():
        (tmp_path / name).write_bytes(b"".join(pieces))
    assert codecs.decode(media.Audio, tmp_path).notes == sound.notes
