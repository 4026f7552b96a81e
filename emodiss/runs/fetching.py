"""Fetch the videos of a manifest into a run folder ahead of annotating, and list what has died."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emodiss.errors import EmodissError
from emodiss.manifest import Manifest
from emodiss.media import fetch
from emodiss.runs.store import Store, write_atomically

GONE = ("private", "removed", "geo_blocked", "age_restricted", "unsupported")
"""Outcomes that another try will not mend."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one row.

    Parameters
    ----------
    id, url
        Of the row.
    state
        `done`, `cached`, or the code of what went wrong.
    what, next_step
        In words, when it went wrong.
    license
        As the page states it, or else as the manifest does; "" when neither does.
    """

    id: str
    url: str
    state: str
    what: str = ""
    next_step: str = ""
    license: str = ""


def fetch_manifest(
    read: Manifest,
    root: Path,
    *,
    max_height: int,
    options: fetch.Options | None = None,
    parallel: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fetched]:
    """Fetch every row that has an address; `annotate` on the same folder then finds the files.

    Parameters
    ----------
    read
        The manifest; local rows are passed over.
    root
        Run folder.
    max_height
        Largest picture height in pixels; the one of the later run's settings.
    options
        How to fetch.
    parallel
        Downloads at a time.
    progress
        Called with addresses done and addresses in all.

    Returns
    -------
    list of Fetched
        In the order of the manifest. Those that are gone for good are added to `decay.csv` in the
        run folder, with the day on which that was seen; one that came back leaves the list.

    Raises
    ------
    RunError
        If another process works on the folder.
    SettingsError
        If the cookie file cannot be used.
    """
    if options is not None and options.cookies is not None:
        fetch.read_cookies(options.cookies)  # once and first, not with every address
    store = Store(root)
    downloads = store.root / "downloads"
    rows = [row for row in read.rows if row.url]
    addresses = list(dict.fromkeys(str(row.url) for row in rows))

    def fetch_one(url: str) -> str | EmodissError:
        state = "cached" if fetch.fetched(url, downloads) else "done"
        try:
            fetch.fetch(url, downloads, max_height=max_height, options=options)
        except EmodissError as error:
            return error
        return state

    with store.lock(), ThreadPoolExecutor(parallel) as pool:
        results: dict[str, str | EmodissError] = {}
        for done, (url, result) in enumerate(
            zip(addresses, pool.map(fetch_one, addresses), strict=True), start=1
        ):
            results[url] = result
            if progress is not None:
                progress(done, len(addresses))
        found: list[Fetched] = []
        for row in rows:
            url = str(row.url)
            result = results[url]
            terms = str(fetch.about(url, downloads).get("license") or row.license or "")
            if isinstance(result, EmodissError):
                trouble = (result.code, result.what, result.next_step)
                found.append(Fetched(row.id, url, *trouble, license=terms))
            else:
                found.append(Fetched(row.id, url, result, license=terms))
        _record_decay(store.root / "decay.csv", found)
    return found


def _record_decay(path: Path, found: list[Fetched]) -> None:
    """Keep the list of addresses that died: id, url, code, first day seen dead."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            known = {row["url"]: row for row in csv.DictReader(file)}
    except FileNotFoundError:
        known = {}
    today = datetime.now(UTC).date().isoformat()
    for entry in found:
        if entry.state in ("done", "cached"):
            known.pop(entry.url, None)
        elif entry.state in GONE:
            since = known.get(entry.url, {}).get("since", today)
            known[entry.url] = {
                "id": entry.id, "url": entry.url, "code": entry.state, "since": since
            }  # fmt: skip
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "url", "code", "since"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(known.values())
    if known or path.exists():
        write_atomically(path, out.getvalue().encode())


def shareable(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the list that may be passed on: addresses and stretches, no media and no words.

    Parameters
    ----------
    rows
        Manifest rows as in `Run.manifest`: id, url, start, end, license and, under `metadata`,
        what is carried along. Rows without an address cannot be shared and are left out.

    Returns
    -------
    str
        CSV with id, url, start, end and, where any row has them, license, topic, quality,
        duration_s, language and source.
    """
    carried = ("topic", "quality", "duration_s", "language", "source")
    found: list[dict[str, str]] = []
    for row in rows:
        if row["url"]:
            own: dict[str, str] = {**(row.get("metadata") or {})}
            own |= {"language": row.get("language") or own.get("language", "")}
            found.append(
                {
                    "id": row["id"],
                    "url": row["url"],
                    **{k: "" if row.get(k) is None else f"{row[k]:g}" for k in ("start", "end")},
                    "license": row.get("license") or "",
                    **{name: own.get(name, "") for name in carried},
                }
            )
    always = ("id", "url", "start", "end")
    header = [c for c in (*always, "license", *carried) if c in always or any(r[c] for r in found)]
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


def rows_of(read: Manifest) -> list[dict[str, Any]]:
    """Return a manifest's rows with what is carried along, as `Run.manifest` has them."""
    return [{**row.model_dump(), "metadata": read.metadata.get(row.id, {})} for row in read.rows]
