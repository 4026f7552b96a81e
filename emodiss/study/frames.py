"""Frames of a prompt's window, for models that see: taken from the run's own media, kept in it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from emodiss.chat.model import Picture
from emodiss.errors import ChatError, EmodissError, SettingsError
from emodiss.media import Frame, Media, iterate_frames
from emodiss.prompts import Prompt, PromptError
from emodiss.runs import layout
from emodiss.runs.files import write_atomically
from emodiss.runs.run import Run

N_FRAMES = 8
SECONDS = 60.0
"""Appendix H of Haydarov et al. (2025): video models are made for inputs of up to a minute."""

MOST_PIXELS_A_SIDE = 768
"""Larger frames are made smaller: models that see do so anyway, and endpoints charge by size."""

_QUALITY = 90  # of a JPEG


def with_frames(
    run: Run, prompts: Sequence[Prompt], count: int = N_FRAMES, seconds: float = SECONDS
) -> tuple[list[Prompt], PromptError | None]:
    """Give a video's prompts their frames; those that get none are left out, and it is said why."""
    if count < 1 or not (math.isfinite(seconds) and seconds > 0):
        raise SettingsError(
            "Frames: at least 1 and more than 0 seconds were expected, got "
            f"{count} and {seconds:g}."
        )
    if not prompts:
        return [], None
    video = prompts[0].video_id
    try:
        source, media = _opened(run, video)
    except EmodissError as fault:
        return [], PromptError(fault.what, next_step=fault.next_step, code=fault.code)
    found: list[Prompt] = []
    faults: list[EmodissError] = []
    for prompt in prompts:
        try:
            pictures = _pictures(run, prompt, source, media, count, seconds)
            found.append(replace(prompt, pictures=pictures))
        except EmodissError as fault:
            if fault.code == "disk":
                raise
            faults.append(fault)
    if not faults:
        return found, None
    return found, PromptError(
        f"{len(faults)} of {len(prompts)} windows of video '{video}' have no frames: "
        f"{faults[0].what}",
        next_step=faults[0].next_step,
        code=faults[0].code,
    )


def _opened(run: Run, video: str) -> tuple[Path, Media]:
    """Find the media that a video was measured on."""
    source = run.media(video)
    if source is None:
        raise PromptError(
            f"The media of video '{video}' are not where they were, or have changed.",
            next_step="Put the file back, or run emodiss annotate again.",
            code="prompt_no_media",
        )
    media: Media = run.artifact(video, "media")
    if not media.has_video:
        raise PromptError(
            f"Video '{video}' has sound and no picture.",
            next_step="Ask under a condition that shows words alone.",
            code="prompt_no_picture",
        )
    return source, media


def times_of(prompt: Prompt, count: int, seconds: float) -> list[float]:
    """Middles of so many equal parts of a window's last seconds."""
    length = min(prompt.end - prompt.start, seconds)
    return [prompt.end - length + (k + 0.5) * length / count for k in range(count)]


def _pictures(
    run: Run, prompt: Prompt, source: Path, media: Media, count: int, seconds: float
) -> tuple[Picture, ...]:
    # NaN, where the table has no times, is never before the end.
    times = np.array([t for t in times_of(prompt, count, seconds) if t < media.video_end])
    shown = np.unique(np.searchsorted(media.frame_times, times + 1e-6, side="right") - 1)
    found = [_picture(run, prompt.video_id, source, media, int(i)) for i in shown if i >= 0]
    pictures = tuple(picture for picture in found if picture is not None)
    if not pictures:
        raise PromptError(
            f"no frame is on display between {prompt.start:g} and {prompt.end:g} s.",
            next_step="Choose another window with --end or --span.",
            code="prompt_no_frames",
        )
    return pictures


def _picture(run: Run, video: str, source: Path, media: Media, index: int) -> Picture | None:
    """Find a frame in the run folder, or take it from the media; None where it is damaged."""
    name = f"{media.sha256[:12]}_{media.frame_times[index]:.3f}s.jpg"
    path = run.root / layout.PROMPT_FRAMES / video / name
    try:
        return Picture.of(path)
    except ChatError:  # not there, or damaged
        # One at a time: it is found by its key frame, not by decoding all between two of them.
        frame = next(iterate_frames(source, media, np.array([index], dtype=np.int64)), None)
        if frame is None:
            return None
        write_atomically(path, _jpeg(frame))
    return Picture.of(path)


def _jpeg(frame: Frame) -> bytes:
    from PIL import Image

    image = Image.fromarray(frame.image)
    image.thumbnail((MOST_PIXELS_A_SIDE, MOST_PIXELS_A_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
