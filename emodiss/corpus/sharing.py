"""Lists of videos that may be passed on: addresses and stretches, no media and no words."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from emodiss.manifest import Manifest


def shareable(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the list that may be passed on: addresses and stretches, no media and no words."""
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
                    **{k: "" if row.get(k) is None else f"{row[k]:.12g}" for k in ("start", "end")},
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
