"""The clip that the benchmarks run on: two talking, smiling, swaying heads, 720p at 30 FPS.

Made from a public-domain portrait inside scikit-image, so that anybody can repeat a figure.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodiss.demo.portraits import COLLINS, find_sample, mouth_of, read_portrait

Frame = NDArray[np.uint8]
FPS = 30


def moving_heads(n_frames: int, *, height: int = 720, width: int = 1280) -> Iterator[Frame]:
    """Draw two heads in front of a textured wall; the faces are a seventh of the height."""
    import cv2
    from skimage import data

    path = find_sample(COLLINS.package, COLLINS.path)
    mouth = mouth_of(read_portrait(path, COLLINS), COLLINS)
    wall = cv2.GaussianBlur(cv2.resize(data.brick(), (width, height)), (0, 0), 3)
    wall = np.repeat(wall[:, :, None], 3, 2)
    side = height * 640 // 720  # the face is a sixth of the portrait: about 105 pixels at 720p
    for k in range(n_frames):
        frame, t = wall.copy(), k / FPS
        for centre, phase in ((0.26, 0.0), (0.74, 1.7)):
            x = int(width * centre - side / 2 + 0.02 * width * np.sin(np.pi * t + phase))
            y = int(height - side + 0.015 * height * np.sin(1.6 * np.pi * t + phase))
            # Syllables at 3 Hz, a smile every four seconds; rounded, so that pictures repeat.
            opening = round(max(0.0, np.sin(6 * np.pi * t + phase)), 1)
            smile = round(0.5 + 0.5 * np.sin(0.5 * np.pi * t + phase), 1)
            person = cv2.resize(mouth.draw(opening, smile), (side, side), interpolation=3)
            person = person[:, ::-1, ::-1] if phase else person[:, :, ::-1]
            x0, x1, y1 = max(x, 0), min(x + side, width), min(y + side, height)
            frame[max(y, 0) : y1, x0:x1] = person[max(-y, 0) : y1 - y, x0 - x : x1 - x]
        yield frame


def write_clip(path: Path, n_frames: int, *, height: int = 720, width: int = 1280) -> Path:
    """Encode the clip as H.264, without sound."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "20"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for frame in moving_heads(n_frames, height=height, width=width):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode(None))
    return path


def loop_clip(path: Path, source: Path, seconds: float) -> Path:
    """Repeat a clip until it lasts `seconds`, by copying packets; nothing is encoded again."""
    import av

    with av.open(str(source)) as original:
        stream = original.streams.video[0]
        packets = [p for p in original.demux(stream) if p.pts is not None]
        tick = Fraction(stream.time_base or 1)
        length = round(Fraction(len(packets), FPS) / tick)
        with av.open(str(path), "w") as looped:
            out = looped.add_stream_from_template(stream)
            for k in range(int(np.ceil(seconds / float(length * tick)))):
                for packet in packets:
                    copy = av.Packet(bytes(packet))
                    copy.stream, copy.time_base = out, packet.time_base
                    copy.pts = packet.pts + k * length
                    copy.dts = packet.dts + k * length
                    copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
                    looped.mux(copy)
    return path


def loop_session(path: Path, source: Path, seconds: float) -> Path:
    """Repeat pictures and sound of a recording for so many seconds; nothing is encoded again."""
    import imageio_ffmpeg

    looped = ["-stream_loop", "-1", "-i", str(source), "-t", str(seconds), "-c", "copy"]
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *looped, str(path)], check=True
    )
    return path


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start
