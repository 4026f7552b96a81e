"""Fetch the videos of a manifest into a run folder, and list the addresses that have died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from emodiss.errors import EmodissError, MediaError
from emodiss.manifest import Manifest, VideoRow
from emodiss.media import fetch
from emodiss.runs import layout
from emodiss.runs.journal import TableJournal
from emodiss.runs.store import Store

GONE: Final = ("private", "removed", "geo_blocked", "age_restricted", "unsupported")
"""Outcomes that another try will not mend."""

DECAY_COLUMNS: Final = ("id", "url", "code", "since")

_PARALLEL = 2


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one row."""

    # id, url: Of the row.
    id: str
    url: str
    # `done`, `cached`, or the code of what went wrong.
    state: str
    # what, next_step: In words, when it went wrong.
    what: str = ""
    next_step: str = ""
    # As the page states it, or else as the manifest does; "" when neither does.
    license: str = ""

    @property
    def here(self) -> bool:
        """Whether the file lies in the run folder now."""
        return self.state in ("done", "cached")


def fetch_rows(
    rows: Sequence[VideoRow],
    root: Path,
    *,
    max_height: int,
    options: fetch.Options | None = None,
    parallel: int = _PARALLEL,
    offline: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fetched]:
    """Fetch the rows that have an address and are not here yet, each address once.

    With `offline`, nobody is asked for what is not here. `max_height` is in pixels; `progress` is
    told of addresses done and in all.
    """
    downloads = root / layout.DOWNLOADS
    rows = [row for row in rows if row.url]
    addresses = list(dict.fromkeys(str(row.url) for row in rows))

    def fetch_one(url: str) -> tuple[str, str, str]:
        state = "cached" if fetch.fetched(url, downloads) else "done"
        try:
            if offline and state != "cached":
                raise MediaError(
                    "The video was never fetched, and offline nothing is.",
                    next_step="Run emodiss fetch, or annotate without --offline, once.",
                    code="offline",
                )
            fetch.fetch(url, downloads, max_height=max_height, options=options)
        except EmodissError as error:
            return error.code, error.what, error.next_step
        return state, "", ""

    results: dict[str, tuple[str, str, str]] = {}
    with ThreadPoolExecutor(parallel) as pool:
        fetched = zip(addresses, pool.map(fetch_one, addresses), strict=True)
        for done, (url, result) in enumerate(fetched, start=1):
            results[url] = result
            if progress is not None:
                progress(done, len(addresses))
    found: list[Fetched] = []
    for row in rows:
        url = str(row.url)
        terms = str(fetch.about(url, downloads).get("license") or row.license or "")
        found.append(Fetched(row.id, url, *results[url], license=terms))
    return found


def fetch_manifest(
    read: Manifest,
    root: Path,
    *,
    max_height: int,
    options: fetch.Options | None = None,
    parallel: int = _PARALLEL,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fetched]:
    """Fetch every row that has an address; `annotate` on the same folder then finds the files."""
    if options is not None and options.cookies is not None:
        fetch.read_cookies(options.cookies)  # once and first, not with every address
    with Store(root).lock():
        found = fetch_rows(
            read.rows,
            root,
            max_height=max_height,
            options=options,
            parallel=parallel,
            progress=progress,
        )
        _record_decay(decay(root), found)
    return found


def decay(root: Path) -> TableJournal[dict[str, str]]:
    """Addresses that died: id, url, code, first day seen dead."""
    return TableJournal(
        root / layout.DECAY,
        columns=DECAY_COLUMNS,
        sealed=False,  # people may correct it
        decode=_dead,
        next_step=f"Correct {layout.DECAY} or move it away.",
    )


def _dead(row: dict[str, str]) -> dict[str, str]:
    if lacking := set(DECAY_COLUMNS) - row.keys():
        raise KeyError(*lacking)
    return row


def _record_decay(journal: TableJournal[dict[str, str]], found: Sequence[Fetched]) -> None:
    known = {row["url"]: row for row in journal.read()}
    today = datetime.now(UTC).date().isoformat()
    for entry in found:
        if entry.here:
            known.pop(entry.url, None)
        elif entry.state in GONE:
            since = known.get(entry.url, {}).get("since", today)
            values = (entry.id, entry.url, entry.state, since)
            known[entry.url] = dict(zip(DECAY_COLUMNS, values, strict=True))
    if known or journal.path.exists():
        journal.write(known.values())
