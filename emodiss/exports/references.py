"""References: what a study that rests on a run cites, as BibTeX."""

from __future__ import annotations

import importlib.resources
import re
from typing import TYPE_CHECKING

from emodiss.exports.provenance import trace

if TYPE_CHECKING:
    from emodiss.runs.run import Run

_ALWAYS = ("haydarov2025",)


def references(run: Run) -> str:
    """List what the utterances of a run rest on, as BibTeX entries."""
    from emodiss.models.catalog import cards

    rests = trace(run)
    used = [use.identity.partition("@")[0] for use in rests.uses]
    keys = [*_ALWAYS, *(key for name in used if name in cards() for key in cards()[name].cite)]
    # SORT is no model that is traced; a tracker of another package is.
    if "faces" in rests.tasks and "tracker" not in rests.tasks:
        keys.extend(cards()["sort"].cite)
    if "vader" in used:
        keys.append("hutto2014")
    entries = bibliography()
    return "\n".join(entries[key] for key in sorted(set(keys)))


def bibliography() -> dict[str, str]:
    """Return all entries that emodiss ships, by key."""
    text = importlib.resources.files("emodiss.data").joinpath("references.bib").read_text("utf-8")
    return {
        m["key"]: m[0] for m in re.finditer(r"^@\w+\{(?P<key>\w+),\n.*?^\}\n", text, re.M | re.S)
    }
