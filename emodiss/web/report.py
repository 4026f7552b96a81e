"""Session reports: one self-contained page per session, and an index of them all.

A page holds its style and its script, loads nothing from anywhere, and points to the video file
where it lies. It holds words and curves of people: treat it like the recording itself.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import os
from collections import Counter, namedtuple
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from emodiss.dissonance import overview
from emodiss.errors import RunError, nearest
from emodiss.exports.methods import TASKS, stated
from emodiss.exports.provenance import Provenance, trace
from emodiss.runs import layout
from emodiss.runs.run import AnyRun, Run, load
from emodiss.runs.written import Written
from emodiss.vocabulary import doubt_words, looks_of, reason_words
from emodiss.web import curves
from emodiss.web.pages import environment, resource

if TYPE_CHECKING:
    import jinja2
    import pandas as pd
    from markupsafe import Markup
    from numpy.typing import NDArray

    from emodiss.runs.run import Run
    from emodiss.settings import Settings

_AT_ONCE = 50
_SHOWN = [
    *("utterance_id", "start", "end", "speaker", "role", "text", "flags"),
    *("dissonant", "dissonance_reason", "dissonance_axis"),
    *("speech_valence", "speech_arousal", "face_valence", "face_arousal"),
]
"""Columns of the utterance table that a page shows."""
_Row = namedtuple("_Row", _SHOWN)  # pyright: ignore[reportUntypedNamedTuple] # as itertuples gives
_AXES = {"valence": "valence", "arousal": "arousal", "both": "valence and arousal"}


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance as the page shows it; numbers are text, "" where missing."""

    id: str
    start: float
    end: float
    clock: str
    speaker: str
    role: str
    text: str
    state: str
    note: str
    reason: str
    numbers: tuple[tuple[str, str, str], ...]
    doubt: str

    @property
    def measured(self) -> str:
        """All numbers in words."""
        return "; ".join(
            f"{name} valence {valence}, arousal {arousal}" if valence else f"{name} not measured"
            for name, valence, arousal in self.numbers
        )


@dataclass(frozen=True, slots=True)
class _Summary:
    """One session in the index."""

    video: str
    href: str
    seconds: float
    clock: str
    n: int
    n_flagged: int
    n_unknown: int
    trouble: str = ""

    @property
    def n_known(self) -> int:
        """Utterances in which both channels could be measured."""
        return self.n - self.n_unknown

    @property
    def rate(self) -> float:
        """Share of the determined utterances that is dissonant; NaN without any."""
        return self.n_flagged / self.n_known if self.n_known else float("nan")


def write(
    run: AnyRun,
    out: str | Path | None = None,
    *,
    videos: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    force: bool = False,
) -> Path:
    """Write the pages; one that a person changed stops it, unless forced."""
    run = load(run)
    with Written(run.root) as written:
        return _write(run, out, videos, progress, functools.partial(written.write, force=force))


def _write(
    run: Run,
    out: str | Path | None,
    videos: Sequence[str] | None,
    progress: Callable[[int, int], None] | None,
    keep: Callable[[Path, bytes], None],
) -> Path:
    folder = Path(out) if out is not None else run.root / layout.REPORT
    known = run.videos
    for video in videos or ():
        if video not in known:
            raise RunError(f"There is no video '{video}'.", next_step=nearest(video, known))
    chosen = list(videos) if videos is not None else known
    rows = {row["id"]: row for row in run.manifest}
    facts = run.videos_table
    lengths = facts.set_index("video_id")["duration"]
    # A session in which nobody speaks has a page, too; one that was not listened to has none.
    heard = set(facts.loc[facts["n_utterances"].notna(), "video_id"])
    troubles = {f.video: (f.error or {}).get("what", "") for f in run.failures}
    summaries: list[_Summary] = []
    utterances = run.utterances
    where = utterances.groupby("video_id").indices
    rests = trace(run)
    media = run.media_files(chosen)
    said_by = ["video_id", "speaker", "role_source", "binding_source"]
    voices = utterances[said_by].drop_duplicates(["video_id", "speaker"])
    own_facts, own_voices = (dict(list(t.groupby("video_id"))) for t in (facts, voices))

    def told(part: Provenance, facts: pd.DataFrame, voices: pd.DataFrame) -> dict[str, Any]:
        """Say what a page rests on, for its template."""
        return {
            "stated": stated(part, facts, voices),
            "models": [(TASKS[use.task], use.identity, part.extent(use)) for use in part.uses],
            "n_untraced": len(part.untraced),
        }

    settings, seen, origins = run.settings, _frames_of(run, chosen), rests.by_session()
    for done, video in enumerate(chosen, start=1):
        table = _rows(utterances, where.get(video)).reset_index(drop=True)
        if not table["start"].is_monotonic_increasing:
            table = table.sort_values("start", kind="stable", ignore_index=True)
        frames = next(seen)
        length = float(lengths.get(video, np.nan))
        trouble = troubles.get(video, "" if video in lengths.index else "not finished")
        summary = _summary(video, table, length, trouble, heard=video in heard)
        if summary.href:
            keep(
                folder / summary.href,
                _session_page(
                    rows[video],
                    summary,
                    table,
                    frames,
                    _address(media.get(video), folder),
                    {
                        "meaning": _meaning(settings, table),
                        "threshold": _threshold_of(table, settings),
                        **told(
                            origins.get(video) or rests.of(video),
                            own_facts[video],
                            own_voices.get(video, voices[:0]),
                        ),
                    },
                ),
            )
        summaries.append(summary)
        if progress is not None:
            progress(done, len(chosen))
    index = folder / "index.html"
    shown = utterances[utterances["video_id"].isin(chosen)]
    origin = told(rests.of(*chosen), facts, voices)
    keep(index, _index_page(run, summaries, _meaning(settings, shown), origin))
    return index


def _frames_of(run: Run, videos: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Give the face frames of the speakers of one video after the other.

    The table is the longest of a run: it is read for some videos at a time, neither whole nor anew
    for each.
    """
    columns = ["video_id", "utterance_id", "time", "valence", "arousal", "part"]
    for first in range(0, len(videos), _AT_ONCE):
        some = videos[first : first + _AT_ONCE]
        frames = run.columns("face_frames", columns, videos=some)
        frames = frames[frames["part"] == "speaker"].reset_index(drop=True)
        where = frames.groupby("video_id").indices
        yield from (_rows(frames, where.get(video)) for video in some)


def _rows(table: pd.DataFrame, at: NDArray[np.intp] | None) -> pd.DataFrame:
    """Take rows of a table; those that lie together are not copied."""
    if at is None:
        return table.iloc[:0]
    first, last = int(at[0]), int(at[-1])
    return table.iloc[first : last + 1] if last - first + 1 == len(at) else table.iloc[at]


def _summary(
    video: str, table: pd.DataFrame, length: float, trouble: str, *, heard: bool
) -> _Summary:
    return _Summary(
        video=video,
        href=f"{video}.session.html" if heard and np.isfinite(length) else "",
        seconds=length,
        clock=clock(length),
        n=len(table),
        n_flagged=int(table["dissonant"].fillna(False).sum()),
        n_unknown=int(table["dissonant"].isna().sum()),
        trouble=trouble,
    )


def _session_page(
    row: dict[str, Any],
    summary: _Summary,
    table: pd.DataFrame,
    frames: pd.DataFrame,
    media: str,
    origin: dict[str, Any],
) -> bytes:
    table = table[_SHOWN]
    # Lists, since columns of text are slow to walk through.
    columns = (table[name].tolist() for name in _SHOWN)
    lines = [line_of(_Row(*row)) for row in zip(*columns, strict=True)]
    start = float(row.get("start") or 0.0)
    end = max(start + summary.seconds, float(table["end"].max()))
    return _render(
        "session.html.jinja",
        summary=summary,
        lines=lines,
        media=media,
        url=row.get("url") or "",
        start=start,
        end=end,
        panels=[curves.panel(axis, table, frames, start, end) for axis in ("valence", "arousal")],
        lanes=curves.lanes(table, start, end),
        items=list(_items(lines)),
        counts=Counter(line.state for line in lines),
        roles=Counter(line.role for line in lines),
        reasons=Counter(line.reason for line in lines if line.reason),
        **origin,
    )


def _items(lines: Sequence[Line]) -> Iterator[Markup]:
    """Write the transcript, line by line; a template takes longer over it than over all else."""
    from markupsafe import Markup, escape

    # The same few names come again and again.
    safe = functools.cache(lambda text: str(escape(text)))
    looks = looks_of((line.speaker, line.role) for line in lines)
    for k, line in enumerate(lines):
        role = "" if line.role == "unknown" else f" ({safe(line.role)})"
        mark = "\N{BLACK DIAMOND} " if line.state == "dissonant" else "? "
        badge = f' <span class="badge">{mark}{safe(line.note)}</span>'
        doubt = f'<span class="doubt">{safe(line.doubt)}</span>' if line.doubt else ""
        yield Markup(
            f'<li id="{escape(line.id)}" data-start="{line.start}" data-end="{line.end}" '
            f'data-state="{line.state}" data-role="{safe(line.role)}" '
            f'data-reason="{safe(line.reason)}"><button type="button" tabindex="{-(k > 0)}">'
            f'<span class="clock">{line.clock}</span> <span class="who {looks[line.speaker]}">'
            f"{safe(line.speaker)}{role}</span>{'' if line.state == 'agreeing' else badge}"
            f'<span class="said">{escape(line.text)}</span>{doubt}'
            f'<span class="numbers">{line.measured}</span></button></li>'
        )


def _meaning(settings: Settings, table: pd.DataFrame) -> str:
    """Say what the flags amount to, beside chance and after centring."""
    return overview(table, settings.dissonance).in_words()


def _index_page(
    run: Run, summaries: Sequence[_Summary], meaning: str, origin: dict[str, Any]
) -> bytes:
    seconds = sum(s.seconds for s in summaries if np.isfinite(s.seconds))
    whole = _Summary(
        *("", "", seconds, clock(seconds)),
        n=sum(s.n for s in summaries),
        n_flagged=sum(s.n_flagged for s in summaries),
        n_unknown=sum(s.n_unknown for s in summaries),
    )
    return _render(
        "index.html.jinja",
        name=run.root.resolve().name,
        sessions=summaries,
        whole=whole,
        threshold=run.settings.dissonance.threshold_words,
        preset=run.facts.get("preset", ""),
        meaning=meaning,
        **origin,
    )


def _render(template: str, **values: Any) -> bytes:
    """Fill a template in; everything that comes from a table is escaped."""
    page = _environment().get_template(template).render(**values)
    return page.encode("utf-8", "replace")


@functools.cache
def _environment() -> jinja2.Environment:
    made = environment()
    script = resource("page.js")
    # Only this very script may run: what a transcript or a file name holds stays text.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.filters["reason"] = reason_words
    shared: dict[str, Any] = {
        "script": script,
        "script_digest": digest,
        "style": resource("page.css"),
    }
    made.globals.update(shared)
    return made


def _address(media: Path | None, folder: Path) -> str:
    """Return the video file's address as seen from the page; "" when it is not there."""
    if media is None:
        return ""
    try:
        relative = os.path.relpath(media.resolve(), folder.resolve())
    except ValueError:  # another drive on Windows
        return media.resolve().as_uri()
    return quote(Path(relative).as_posix())


def line_of(row: Any) -> Line:
    """Say of a row of the utterance table what a page shows."""
    state = curves.state_of(row.dissonant)
    reason = _text(row.dissonance_reason) if state == "undetermined" else ""
    note = ": ".join(filter(None, ("undetermined", reason_words(reason))))
    if state == "dissonant":
        axis = _text(row.dissonance_axis)
        note = f"dissonant in {_AXES.get(axis, axis)}" if axis else "dissonant"
    return Line(
        id=str(row.utterance_id),
        start=float(row.start),
        end=float(row.end),
        clock=clock(float(row.start)),
        speaker=_text(row.speaker),
        role=_text(row.role) or "unknown",
        text=" ".join(_text(row.text).split()) or "(not transcribed)",
        state=state,
        note=note,
        reason=reason,
        numbers=tuple(
            (name, signed(getattr(row, f"{channel}_valence")), signed(
                getattr(row, f"{channel}_arousal")))
            for name, channel in (("voice", "speech"), ("face", "face"))
        ),
        doubt=doubt_words(_text(row.flags).split(";")),
    )  # fmt: skip


def _threshold_of(table: pd.DataFrame, settings: Settings) -> str:
    """Return the threshold that a session was flagged with; a quantile differs between sessions."""
    used = table["dissonance_threshold"].dropna()
    return f"{used.iloc[0]:g}" if len(used) else settings.dissonance.threshold_words


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def signed(value: float) -> str:
    """Write a number with its sign; nothing where there is none."""
    if not math.isfinite(value):
        return ""
    # z: a hair below zero is 0.00, not its negative.
    return f"{value:+z.2f}".replace("-", "\N{MINUS SIGN}")


def clock(seconds: float) -> str:
    """Return M:SS or H:MM:SS; "" when not known."""
    if not math.isfinite(seconds):
        return ""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
