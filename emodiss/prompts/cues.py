"""Cues: what the prompt says beside a patient's words about voice and face."""

from __future__ import annotations

import json

from emodiss.prompts.captions import caption
from emodiss.prompts.records import Channel, Turn
from emodiss.prompts.session import Session

NO_TRANSCRIPT = "[no transcript]"
_PHRASE = "emotional dissonance"


def absent(channel: Channel, discrete: bool) -> bool:
    """Whether a channel has nothing to show: no label, or neither valence nor arousal."""
    if discrete:
        return channel.label is None
    return channel.valence is None and channel.arousal is None


def turn(session: Session, row: int, marked: bool) -> Turn:
    """Make one row of a session ready for a template."""
    options = session.options
    is_patient = session.is_patient[row]
    channels = {name: session.channel(row, name) for name in ("speech", "face")}
    shown = {name: channels[name] for name in options.channels}
    labels = _cue(session, shown, numbers=False) if is_patient else ""
    numbers = _cue(session, shown, numbers=True) if is_patient else ""
    tag = prefix = ""
    if marked:
        mark = f"({_PHRASE})"
        if options.flag_values and numbers.startswith("("):
            mark = f"({_PHRASE}; {numbers[1:]}"
        elif options.flag_values and numbers:
            mark = f"({_PHRASE}) {numbers}"
        tag, prefix = (mark, "") if options.flag_as == "tag" else ("", mark)
    return Turn(
        speaker=session.speakers[row],
        role=session.roles[row],
        is_patient=is_patient,
        text=session.texts[row] or NO_TRANSCRIPT,
        start=session.starts[row],
        end=session.ends[row],
        speech=channels["speech"],
        face=channels["face"],
        dissonant=session.dissonant[row],
        labels=labels,
        numbers=numbers,
        tag=tag,
        prefix=prefix,
        caption=_caption(session, row, channels["face"]) if is_patient else "",
    )


def _caption(session: Session, row: int, face: Channel) -> str:
    """Word what the face showed, or why nothing is known of it."""
    said = caption(session.captions[row])
    if not said and session.options.missing == "omit":
        return ""
    return f"(face: {said or face.words or 'not described'})"


def _cue(session: Session, shown: dict[str, Channel], *, numbers: bool) -> str:
    """Word what stands between a patient's name and the colon."""
    options = session.options
    cues: dict[str, object] = {}
    for name, channel in shown.items():
        if absent(channel, not numbers):
            if options.missing == "omit":
                continue
            cues[name] = channel.words or ("not available" if numbers else "no label")
        elif not numbers:
            cues[name] = channel.label
        else:
            cues[name] = {
                axis: _rounded(getattr(channel, axis), options.decimals)
                for axis in ("valence", "arousal")
            }
    if options.cue_format == "json":
        return json.dumps(cues, ensure_ascii=False) if cues else ""
    if options.cue_format == "fused":
        present = [c for c in shown.values() if not absent(c, not numbers)]
        if present:
            return f"({_fused(present, numbers, options.decimals)})"
    parts = [f"{name}: {_in_words(cue, options.decimals)}" for name, cue in cues.items()]
    return f"({'; '.join(parts)})" if parts else ""


def _fused(present: list[Channel], numbers: bool, decimals: int) -> str:
    if not numbers:
        return " / ".join(dict.fromkeys(channel.label or "" for channel in present))
    means: dict[str, float | None] = {}
    for axis in ("valence", "arousal"):
        values = [v for c in present if (v := getattr(c, axis)) is not None]
        means[axis] = _rounded(sum(values) / len(values), decimals) if values else None
    return _in_words(means, decimals)


def _rounded(value: float | None, decimals: int) -> float | None:
    # Adding zero turns -0.0, which a small negative number rounds to, into 0.0.
    return None if value is None else round(value, decimals) + 0.0


def _in_words(cue: object, decimals: int) -> str:
    if not isinstance(cue, dict):
        return str(cue)
    return ", ".join(
        f"{axis} not available" if value is None else f"{axis} {value:.{decimals}f}"
        for axis, value in cue.items()
    )
