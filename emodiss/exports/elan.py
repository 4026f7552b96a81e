"""ELAN: EAF 3.0 written and read (schema EAFv3.0.xsd, Max Planck Institute for Psycholinguistics).

One time-aligned tier per voice holds what is said; tiers that hang on it, one annotation to one,
hold the measurements and the id of each utterance, by which a corrected file is known again. The
annotations carry the ids too, but ELAN may number annotations anew.

pympi-ling, the usual library, numbers annotations itself and raises bare exceptions on a file it
cannot read, so it serves the tests as an independent reader and not this module.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from emodiss.exports import stamp
from emodiss.exports.items import VALUES, ExportError, Item, Tier, edges, tiers

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"

_MILLISECONDS = re.compile(r"[0-9]{1,12}")

ID_TIER = "id"
"""Name, before the colon and the voice, of the tier that holds utterance ids."""

_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps "
    "allowed within this interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations referring "
    "to the same parent are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, "
    "gaps are allowed",
}
"""The four kinds of dependent tier, as ELAN lists them in every file."""

_MIME_TYPES = {
    ".mp4": "video/mp4",
    ".mpg": "video/mpeg",
    ".mov": "video/quicktime",
    ".wav": "audio/x-wav",
}


def write(_video: str, found: Sequence[Item], media: Path | None) -> str:
    """Write a session as XML; times are whole milliseconds.

    Parameters
    ----------
    media
        The video, which ELAN then opens; None leaves the choice to its user.
    """
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "emodiss",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if media is not None:
        about = {
            "MEDIA_URL": media.resolve().as_uri(),
            "MIME_TYPE": _MIME_TYPES.get(media.suffix.lower(), "unknown"),
        }
        ET.SubElement(header, "MEDIA_DESCRIPTOR", about)
    exported = ET.SubElement(header, "PROPERTY", {"NAME": stamp.NAME})
    exported.text = " ".join(stamp.entries(found))
    order = ET.SubElement(root, "TIME_ORDER")
    all_tiers = tiers(found)
    slots = _slots(order, all_tiers)
    n_refs = 0
    for tier in all_tiers:
        _speech_tier(root, tier, slots)
        hanging = {ID_TIER: [item.utterance_id for item in tier.items]}
        hanging |= {name: [item.values.get(name, "") for item in tier.items] for name in VALUES}
        for name, values in hanging.items():
            if any(values):
                n_refs = _value_tier(root, tier, name, values, n_refs)
    _types(root)
    ET.register_namespace("xsi", _XSI)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _slots(order: ET.Element, all_tiers: Iterable[Tier]) -> dict[str, tuple[str, str]]:
    """Write the time slots, two for each utterance, in order of time as ELAN wants them."""
    sides: list[tuple[int, int, str]] = []
    for tier in all_tiers:
        for item in tier.items:
            for side, time in enumerate(edges(item.start, item.end)):
                sides.append((time, side, item.utterance_id))
    names: dict[tuple[str, int], str] = {}
    for number, (time, side, utterance) in enumerate(sorted(sides), start=1):
        names[utterance, side] = f"ts{number}"
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": f"ts{number}", "TIME_VALUE": str(time)})
    return {u: (names[u, 0], names[u, 1]) for u, side in names if side == 0}


def _speech_tier(root: ET.Element, tier: Tier, slots: dict[str, tuple[str, str]]) -> None:
    element = ET.SubElement(
        root,
        "TIER",
        {
            "LINGUISTIC_TYPE_REF": "utterance",
            "PARTICIPANT": tier.speaker,
            "TIER_ID": tier.name,
        },
    )
    for item in tier.items:
        start, end = slots[item.utterance_id]
        annotation = ET.SubElement(
            ET.SubElement(element, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            {
                "ANNOTATION_ID": _annotation_id(item.utterance_id),
                "TIME_SLOT_REF1": start,
                "TIME_SLOT_REF2": end,
            },
        )
        ET.SubElement(annotation, "ANNOTATION_VALUE").text = item.text


def _value_tier(root: ET.Element, tier: Tier, name: str, values: Sequence[str], n_refs: int) -> int:
    """Write a tier that hangs on a voice's; where there is no value there is no annotation."""
    element = ET.SubElement(
        root,
        "TIER",
        {
            "LINGUISTIC_TYPE_REF": "measurement",
            "PARENT_REF": tier.name,
            "PARTICIPANT": tier.speaker,
            "TIER_ID": f"{name}: {tier.name}",
        },
    )
    for item, value in zip(tier.items, values, strict=True):
        if not value:
            continue
        n_refs += 1
        annotation = ET.SubElement(
            ET.SubElement(element, "ANNOTATION"),
            "REF_ANNOTATION",
            {
                "ANNOTATION_ID": f"m{n_refs}",
                "ANNOTATION_REF": _annotation_id(item.utterance_id),
            },
        )
        ET.SubElement(annotation, "ANNOTATION_VALUE").text = value
    return n_refs


def _annotation_id(utterance_id: str) -> str:
    """XML ids begin with a letter; ids of utterances are short and unique in a session."""
    return utterance_id if utterance_id[:1].isalpha() else f"a{utterance_id}"


def _types(root: ET.Element) -> None:
    ET.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {
            "GRAPHIC_REFERENCES": "false",
            "LINGUISTIC_TYPE_ID": "utterance",
            "TIME_ALIGNABLE": "true",
        },
    )
    ET.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {
            "CONSTRAINTS": "Symbolic_Association",
            "GRAPHIC_REFERENCES": "false",
            "LINGUISTIC_TYPE_ID": "measurement",
            "TIME_ALIGNABLE": "false",
        },
    )
    for stereotype, description in _CONSTRAINTS.items():
        ET.SubElement(root, "CONSTRAINT", {"DESCRIPTION": description, "STEREOTYPE": stereotype})


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation of a tier that holds speech, as a person left it."""

    # From the tier of ids, None where there is none.
    utterance_id: str | None
    # start, end: Seconds.
    start: float
    end: float
    # Participant of the tier, or its name when it names none.
    speaker: str
    tier: str
    text: str


def read(text: str, *, name: str) -> tuple[list[Annotation], list[str], str]:
    """Read the speech of an EAF file: annotations, what cannot be read of them, and the stamp.

    Speech is every time-aligned tier that hangs on no other.
    """
    # Entities are what XML attacks are made of, and no EAF file has any.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ExportError(f"{name} declares a document type, which no EAF file does.")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        line, column = error.position
        raise ExportError(
            f"{name}, line {line}: is not XML at column {column + 1}.",
            next_step="Open it in ELAN and save it again.",
        ) from None
    if root.tag != "ANNOTATION_DOCUMENT":
        raise ExportError(f"{name} is XML, but no EAF file: its root is '{root.tag}'.")
    slots = {
        slot.get("TIME_SLOT_ID", ""): slot.get("TIME_VALUE")
        for slot in root.iterfind("TIME_ORDER/TIME_SLOT")
    }
    ids: dict[str, str] = {}
    for tier in root.iterfind("TIER"):
        if tier.get("PARENT_REF") and tier.get("TIER_ID", "").startswith(f"{ID_TIER}: "):
            for annotation in tier.iterfind("ANNOTATION/REF_ANNOTATION"):
                said = (annotation.findtext("ANNOTATION_VALUE") or "").strip()
                ids[annotation.get("ANNOTATION_REF", "")] = said
    found: list[Annotation] = []
    problems: list[str] = []
    for tier in root.iterfind("TIER"):
        if tier.get("PARENT_REF"):
            continue
        label = tier.get("TIER_ID", "")
        for annotation in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"):
            own = annotation.get("ANNOTATION_ID", "")
            times = [slots.get(annotation.get(f"TIME_SLOT_REF{n}", "")) for n in (1, 2)]
            if not all(_MILLISECONDS.fullmatch(time or "") for time in times):
                problems.append(
                    f"annotation '{own}' of tier '{label}' has no times; align it in ELAN, "
                    "or delete it"
                )
                continue
            start, end = (int(str(time)) / 1000 for time in times)
            found.append(
                Annotation(
                    utterance_id=ids.get(own),
                    start=start,
                    end=end,
                    speaker=tier.get("PARTICIPANT") or label,
                    tier=label,
                    text=annotation.findtext("ANNOTATION_VALUE") or "",
                )
            )
    properties = root.iterfind("HEADER/PROPERTY")
    exported = " ".join(one.text or "" for one in properties if one.get("NAME") == stamp.NAME)
    return found, problems, exported
