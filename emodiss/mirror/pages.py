"""A page for each simulated session: what was said, shown, noted, planned and scored.

A page holds its style, its script and its pictures, and loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.encounters import Encounter
from emodiss.mirror import layout
from emodiss.mirror.experiment import Experiment, own_file
from emodiss.runs.files import write_atomically

if TYPE_CHECKING:
    import jinja2

SIMULATED = (
    "<strong>What is said is simulated:</strong> client and therapist are language models, the "
    "person is invented and the pictures are synthetic. It is for research; no simulated therapist "
    "is fit to treat anyone. A face may be drawn after a picture of a real person, who has nothing "
    "to do with what is said here."
)


def pages(experiment: Experiment) -> Path:
    """Write the pages of all sessions to `report/`; returns their index.

    Raises
    ------
    RunError
        If there are no sessions.
    """
    encounters = experiment.need(experiment.encounters, "simulate")
    return write_encounters(
        encounters,
        experiment.root / layout.REPORT,
        root=experiment.root,
        scores=experiment.scores.read(),
        name=experiment.root.name,
    )


def write_encounters(
    encounters: Sequence[Encounter],
    folder: Path,
    *,
    root: Path,
    scores: Iterable[Mapping[str, Any]] = (),
    name: str = "",
) -> Path:
    """Write the pages of sessions, failed ones among them, and return the index."""
    by_item: dict[str, list[Mapping[str, Any]]] = {}
    for row in scores:
        by_item.setdefault(str(row["item"]), []).append(row)
    rows: list[dict[str, Any]] = []
    for n, each in enumerate(encounters, start=1):
        # Names of therapists are free, names of files are not.
        href = f"{n:04d}-{re.sub(r'[^A-Za-z0-9.-]+', '_', each.id)[:80]}.html"
        write_atomically(folder / href, _page(each, root, by_item.get(each.id, [])))
        rows.append(
            {
                "id": each.id,
                "href": href,
                "resistance": each.case.resistance,
                "variant": each.labelled,
                "n_lines": len(each.lines),
                "n_pictures": sum(picture is not None for picture in each.pictures),
                "end": each.ended_by or f"failed: {each.reason}",
            }
        )
    index = folder / "index.html"
    write_atomically(
        index, render("encounters.html.jinja", sessions=rows, name=name, simulated=SIMULATED)
    )
    return index


def _page(each: Encounter, root: Path, scores: Sequence[Mapping[str, Any]]) -> bytes:
    profile, replies = each.case.profile, {reply.line: reply for reply in each.replies}
    pictured = any(each.pictures)
    lines: list[dict[str, Any]] = []
    for line in each.lines:
        picture = picture_address(root, _at(each.pictures, line.index))
        lines.append(
            {
                "index": line.index,
                "role": line.role,
                "directions": ", ".join(line.directions),
                "words": line.words,
                "caption": _at(each.captions, line.index),
                "picture": picture,
                "missing": pictured and line.role == "client" and not picture,
                "flags": ", ".join(replies[line.index].flags) if line.index in replies else "",
            }
        )
    client = {
        "who": profile.introduction(),
        "reason": profile.reason,
        "thought": f"{profile.distorted_thought} (no therapist reads this)",
        "traps": ", ".join(profile.thinking_traps),
    }
    return render(
        "encounter.html.jinja",
        title=each.id,
        lines=lines,
        variant=each.variant,
        labelled=each.labelled,
        status=each.status,
        ended_by=each.ended_by,
        reason=each.reason,
        resistance=each.case.resistance,
        client=[(name, value) for name, value in client.items() if value],
        plan=each.plan,
        scores=sorted(map(_score, scores), key=_place),
        client_model=each.client_model or "not stated",
        therapist_model=each.therapist_model or "not stated",
        simulated=SIMULATED,
    )


def _at(values: Sequence[str | None], index: int) -> str | None:
    return values[index] if index < len(values) else None


def picture_address(root: Path, path: str | None) -> str:
    """Give a picture as an address that holds it; empty if there is none."""
    place = None if path is None else own_file(root, path)
    if place is None:
        return ""
    try:
        content = place.read_bytes()
    except OSError:
        return ""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _score(row: Mapping[str, Any]) -> dict[str, Any]:
    value = row.get("score")
    known = isinstance(value, int | float) and math.isfinite(value)
    said = f"{value:zg}" if known else str(row.get("status") or "none")
    named = {name: str(row.get(name) or "") for name in ("criterion", "instrument", "judge")}
    return named | {"score": said}


def _place(row: Mapping[str, str]) -> tuple[str, int, str]:
    """Sort by instrument, and its items as numbers: q2 before q10."""
    number = re.search(r"\d+", row["criterion"])
    return row["instrument"], int(number[0]) if number else 0, row["criterion"]


def render(template: str, **values: Any) -> bytes:
    """Fill a template in; everything that was said is escaped."""
    return _environment().get_template(template).render(**values).encode("utf-8", "replace")


@functools.cache
def _environment() -> jinja2.Environment:
    """Make an environment of the report's templates, which are data: `web` stands above."""
    import jinja2

    loader = jinja2.PackageLoader("emodiss", "web/pages")
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, style = (loader.get_source(made, name)[0] for name in ("page.js", "page.css"))
    # Only this very script may run: what a dialogue holds stays text.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shared: dict[str, Any] = {"script": script, "script_digest": digest, "style": style}
    made.globals.update(shared)
    return made
