"""Writers: RTTM, WebVTT and TextGrid; EAF has a module of its own."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emodiss.errors import MissingExtra
from emodiss.exports import stamp
from emodiss.exports.items import VALUES, ExportError, Item, Tier, edges, tiers

NO_TEXT = "[speech]"
"""What a TextGrid says where nobody transcribed: an empty interval would mean silence there."""


def rttm(video: str, found: Sequence[Item], _media: Path | None) -> str:
    """NIST Rich Transcription time marks: one SPEAKER line per utterance."""
    labels: dict[str, str] = {}
    for item in found:
        # Cells are separated by blanks, so a name can hold none; two names stay two.
        label = item.speaker.replace(" ", "_") or "_"
        while label in (other for name, other in labels.items() if name != item.speaker):
            label += "_"
        labels.setdefault(item.speaker, label)
    lines: list[str] = []
    for item in found:
        start, end = edges(item.start, item.end)
        lines.append(
            f"SPEAKER {video} 1 {start / 1000:.3f} {(end - start) / 1000:.3f} <NA> <NA> "
            f"{labels[item.speaker]} <NA> <NA>\n"
        )
    return "".join(lines)


def webvtt(_video: str, found: Sequence[Item], _media: Path | None) -> str:
    """WebVTT (W3C): the id of the utterance names the cue, the role is a class of the voice.

    A note at the end holds the stamp, which players pass over.
    """
    cues = ["WEBVTT\n"]
    for item in found:
        start, end = (_clock(edge) for edge in edges(item.start, item.end))
        role = f".{item.role}" if item.role else ""
        speaker, text = (html.escape(value, quote=False) for value in (item.speaker, item.text))
        cues.append(f"{item.utterance_id}\n{start} --> {end}\n<v{role} {speaker}>{text}</v>\n")
    if found:
        cues.append("\n".join([f"NOTE {stamp.NAME}", *stamp.entries(found)]) + "\n")
    return "\n".join(cues)


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def textgrid(_video: str, found: Sequence[Item], _media: Path | None) -> str:
    """Praat TextGrid, long form: interval tiers per voice, and one per measurement of it."""
    try:
        from praatio.data_classes.interval_tier import IntervalTier
        from praatio.data_classes.textgrid import Textgrid
    except ImportError:
        raise MissingExtra.of("praatio", "export") from None
    if not found:
        raise ExportError(
            "A TextGrid needs at least one interval, and nobody speaks in this session.",
            next_step="Leave this video out, or write another format.",
        )
    length = max(edges(item.start, item.end)[1] for item in found) / 1000
    grid = Textgrid(0, length)

    def add(name: str, tier: Tier, labels: Sequence[str | None]) -> None:
        entries = [
            (*(edge / 1000 for edge in edges(item.start, item.end)), label)
            for item, label in zip(tier.items, labels, strict=True)
            if label is not None
        ]
        if entries:
            grid.addTier(IntervalTier(name, entries, 0, length))

    for tier in tiers(found):
        add(tier.name, tier, [item.text or NO_TEXT for item in tier.items])
        for name in VALUES:
            add(f"{tier.name}: {name}", tier, [item.values.get(name) for item in tier.items])
    # praatio writes to a path and to nothing else.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.TextGrid"
        grid.save(str(path), "long_textgrid", includeBlankSpaces=True)
        return path.read_text(encoding="utf-8")
