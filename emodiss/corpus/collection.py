"""Collecting candidates: search queries to a manifest, without fetching any media."""

from __future__ import annotations

import csv
import importlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emodiss.errors import EmodissError
from emodiss.tabular import safe_cell

COLUMNS = (
    *("id", "url", "license", "title", "duration_s", "uploader", "upload_date", "language"),
    *("captions", "query", "rank"),
)
"""Columns of a candidate manifest."""

Look = Callable[[str, bool], dict[str, Any]]
"""Takes an address or `ytsearchN:words`, and whether a search should stay a bare list; returns what
yt-dlp calls an info dictionary."""

_SEPARATOR = " | "


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the queries found."""

    # One mapping per video with the columns `COLUMNS`, in order of first appearance. A video that
    # several queries found has all of them in `query` and its place in each in `rank`, ` | `
    # between. A cell that nobody filled is empty.
    rows: tuple[dict[str, str], ...]
    # One line per query or video that could not be looked at, with what to do.
    troubles: tuple[str, ...]

    def to_csv(self) -> str:
        """Return the candidate manifest."""
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        # Titles are texts of strangers, and the list is opened in spreadsheets.
        writer.writerows({k: safe_cell(v) for k, v in row.items()} for row in self.rows)
        return out.getvalue()


def collect(
    queries: Sequence[str],
    *,
    limit: int = 20,
    details: bool = True,
    look: Look | None = None,
) -> Candidates:
    """Search for videos; a query that fails costs only itself."""
    from emodiss.media import fetch

    if look is None:
        importlib.import_module("yt_dlp")  # a package that is missing is no trouble of a query
        look = _yt_dlp
    found: dict[str, dict[str, str]] = {}
    troubles: list[str] = []
    for query in dict.fromkeys(" ".join(query.split()) for query in queries):
        try:
            entries = look(f"ytsearch{limit}:{query}", True).get("entries") or ()
        except Exception as error:  # yt-dlp lets errors of its extractors through as they are
            troubles.append(_trouble(f"query '{query}'", fetch.typed(error)))
            continue
        usable = (
            e for e in entries if e and e.get("id") and (e.get("url") or e.get("webpage_url"))
        )
        for rank, entry in enumerate(usable, start=1):
            row = found.get(entry["id"])
            if row is None:
                found[entry["id"]] = _row(entry, query, rank)
            elif query not in row["query"].split(_SEPARATOR):
                row["query"] += f"{_SEPARATOR}{query}"
                row["rank"] += f"{_SEPARATOR}{rank}"
    if details:
        for row in found.values():
            try:
                row.update(_details(look(row["url"], False)))
            except Exception as error:  # as above
                troubles.append(_trouble(row["id"], fetch.typed(error)))
    return Candidates(_named_apart(found.values()), tuple(troubles))


def _yt_dlp(address: str, flat: bool) -> dict[str, Any]:
    import yt_dlp

    from emodiss.media import fetch

    options = {**fetch.quiet_options(), "extract_flat": flat, "skip_download": True}
    with yt_dlp.YoutubeDL(options) as client:  # pyright: ignore[reportArgumentType]
        return dict(client.extract_info(address, download=False) or {})


def _row(entry: dict[str, Any], query: str, rank: int) -> dict[str, str]:
    address = str(entry.get("webpage_url") or entry["url"])
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", str(entry["id"]))[:90]
    row = dict.fromkeys(COLUMNS, "")
    row |= {"id": f"yt_{plain}", "url": address, "query": query, "rank": str(rank)}
    return row | {k: v for k, v in _details(entry).items() if v}


def _details(info: dict[str, Any]) -> dict[str, str]:
    """Fields of an info dictionary that a manifest carries, "" where it has none."""
    duration = info.get("duration")
    date = str(info.get("upload_date") or "")
    captions = [str(name) for name in info.get("subtitles") or () if name != "live_chat"]
    if info.get("automatic_captions"):
        captions.append("automatic")
    return {
        "license": _line(info.get("license")),
        "title": _line(info.get("title")),
        "duration_s": f"{float(duration):g}" if duration else "",
        "uploader": _line(info.get("channel") or info.get("uploader")),
        "upload_date": f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 else "",
        "language": _line(info.get("language")),
        "captions": ";".join(captions),
    }


def _line(value: object) -> str:
    return " ".join(str(value).split()) if value else ""


def _trouble(what: str, error: EmodissError) -> str:
    return f"{what}: {error.what} {error.next_step}"


def _named_apart(rows: Iterable[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Give videos whose ids differ only in case different ids: they name folders."""
    seen: dict[str, int] = {}
    named: list[dict[str, str]] = []
    for row in rows:
        key = row["id"].casefold()
        seen[key] = seen.get(key, 0) + 1
        named.append(row if seen[key] == 1 else {**row, "id": f"{row['id']}.{seen[key]}"})
    return tuple(named)
