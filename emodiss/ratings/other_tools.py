"""A blind study for other annotation tools: Potato and Label Studio. Neither file names a model."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any
from xml.sax.saxutils import quoteattr

from emodiss.errors import nearest
from emodiss.ratings.handout import Handout
from emodiss.ratings.instrument import INSTRUCTIONS, own_text, shipped
from emodiss.ratings.schema import RatingsError

_README = """This is the study '{name}' for {tool}: {n} items, without models and conditions.

{files}
Recordings are not in it. Each item names its recording as media/<id of the video>, with the clip as
a media fragment (#t=start,end in seconds): put the recordings where {tool} serves files and change
the addresses to that place.

Answers come back with the item's code. Bring them into a CSV with the columns rater, item and one
per criterion, and join them with the key: emodiss evaluate --ratings FILE --key hidden/key.csv
"""


def _items(handout: Handout) -> list[dict[str, str]]:
    wanted = ("transcript", "technique", "response", "dialogue_a", "dialogue_b")
    found: list[dict[str, str]] = []
    for item, row in sorted(handout.shown.items()):
        each = {"id": item, **{name: str(row[name]) for name in wanted if name in row}}
        if row.get("video") and row.get("start"):
            each["video"] = f"media/{row['video']}#t={row['start']},{row.get('end', '')}"
        found.append(each)
    return found


def label_studio(handout: Handout) -> dict[str, str]:
    """Return files for Label Studio: tasks to import, and the labelling configuration."""
    items = _items(handout)
    tasks = [{"data": {"item": each.pop("id"), **each}} for each in items]
    names = [name for name in items[0] if name not in ("id", "video")] if items else []
    lines = ["<View>"]
    if items and "video" in items[0]:
        lines.append('  <Video name="clip" value="$video"/>')
    for name in names:
        title = name.replace("_", " ").capitalize()
        lines += [
            f"  <Header value={quoteattr(title)}/>",
            f"  <Text name={quoteattr(name)} value={quoteattr('$' + name)}/>",
        ]
    to = names[-1] if names else "clip"
    for ask in handout.asks:
        lines += [
            f"  <Header value={quoteattr(f'{ask.title}: {ask.text}')}/>",
            f"  <Choices name={quoteattr(ask.name)} toName={quoteattr(to)} "
            'choice="single-radio" showInline="true">',
            *(
                f"    <Choice value={quoteattr(value if value == label else f'{value} {label}')} "
                f"alias={quoteattr(value)}/>"
                for value, label in ask.options
            ),
            "  </Choices>",
        ]
    lines += [
        '  <Header value="Cannot be judged"/>',
        f'  <Choices name="cannot_judge" toName={quoteattr(to)}>',
        *(f"    <Choice value={quoteattr(why)}/>" for why in handout.instrument.reasons),
        "  </Choices>",
        f'  <TextArea name="comment" toName={quoteattr(to)} placeholder="Comment"/>',
        "</View>",
    ]
    return {
        "tasks.json": json.dumps(tasks, indent=1, ensure_ascii=False) + "\n",
        "config.xml": "\n".join(lines) + "\n",
    }


def potato(handout: Handout) -> dict[str, str]:
    """Return files for Potato: its configuration (JSON, which is YAML) and the data."""
    items = _items(handout)
    fields: list[dict[str, Any]] = []
    for name in items[0] if items else ():
        if name != "id":
            kind = "video" if name == "video" else "text"
            options = {} if kind == "video" else {"preserve_whitespace": True}
            title = name.replace("_", " ").capitalize()
            fields.append({"key": name, "type": kind, "label": title, "display_options": options})
    schemes: list[dict[str, Any]] = []
    for ask in handout.asks:
        scheme: dict[str, Any] = {
            "name": ask.name,
            "description": f"{ask.title}: {ask.text}",
            "label_requirement": {"required": False},
        }
        if handout.kind == "pairs":
            scheme |= {"annotation_type": "radio", "labels": [value for value, _ in ask.options]}
        else:
            scheme |= {
                "annotation_type": "likert",
                "size": len(ask.options),
                "min_label": ask.options[0][1],
                "max_label": ask.options[-1][1],
                "sequential_key_binding": True,
            }
        schemes.append(scheme)
    why = list(handout.instrument.reasons)
    schemes += [
        {
            "annotation_type": "multiselect",
            "name": "cannot_judge",
            "description": "Cannot be judged",
            "labels": why,
        },
        {"annotation_type": "text", "name": "comment", "description": "Comment"},
    ]
    text = "dialogue_a" if handout.kind == "pairs" else "response"
    config = {
        "annotation_task_name": "Rating",
        "task_dir": ".",
        "output_annotation_dir": "annotation_output",
        "output_annotation_format": "jsonl",
        "data_files": ["data/items.jsonl"],
        "item_properties": {"id_key": "id", "text_key": text},
        "assignment_strategy": "random",
        "user_config": {"allow_all_users": True},
        "instance_display": {"layout": {"direction": "vertical"}, "fields": fields},
        "annotation_schemes": schemes,
    }
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in items)
    return {
        "config.yaml": json.dumps(config, indent=2, ensure_ascii=False) + "\n",
        "data/items.jsonl": lines,
    }


TOOLS = {"label-studio": ("Label Studio", label_studio), "potato": ("Potato", potato)}
"""Name of a tool to its title and what makes its files."""


def for_tool(handout: Handout, tool: str) -> dict[str, str]:
    """Return the files of a study for one of `TOOLS`, by their paths."""
    if tool not in TOOLS:
        raise RatingsError(f"There is no export for '{tool}'.", next_step=nearest(tool, TOOLS))
    title, make = TOOLS[tool]
    files = make(handout)
    said = "".join(f"{name}\n" for name in (*files, INSTRUCTIONS))
    own = own_text(handout.folder, INSTRUCTIONS)
    files[INSTRUCTIONS] = own or shipped(INSTRUCTIONS, of_pairs=handout.kind == "pairs")
    files["README.txt"] = _README.format(
        name=handout.name, tool=title, n=len(handout.shown), files=said
    )
    return files


def zipped(handout: Handout, tool: str) -> bytes:
    """Return the files of a study for another tool as one archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in for_tool(handout, tool).items():
            # One date for all: the same study gives the same bytes.
            archive.writestr(zipfile.ZipInfo(f"{tool}/{name}"), text)
    return buffer.getvalue()
