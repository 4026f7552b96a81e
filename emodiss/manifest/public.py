"""Public collections as manifests: AnnoMI and HOPE.

Their videos belong to other people and are shared by address only; their tables are read from a
file that the user has downloaded, and no word of them comes with emodiss.
"""

from __future__ import annotations

import csv
import io
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from emodiss import tabular
from emodiss.errors import ManifestError
from emodiss.manifest.rows import VideoRow
from emodiss.timebase import parse_time

if TYPE_CHECKING:
    import pandas as pd

ANNOMI_SOURCE = "AnnoMI (Wu et al. 2022, github.com/uccollab/AnnoMI)"
HOPE_SOURCE = "HOPE (Malhotra et al. 2022, github.com/LCS2-IIITD/SPARTA_WSDM2022)"

ANNOMI_TALK = ("transcript_id", "utterance_id", "interlocutor", "timestamp", "utterance_text")
"""Columns of AnnoMI's table that hold the talk."""

ANNOMI_CODES = {
    "client_talk_type": "x_client_talk",
    "main_therapist_behaviour": "x_therapist_behaviour",
}
"""Columns with what annotators say of an utterance, and their names in a transcript."""

_ANNOMI_COLUMNS = (*ANNOMI_TALK, "mi_quality", "video_title", "video_url", "topic")
_HOPE_COLUMNS = ("ID", "Type", "Utterance", "Dialog_Act")
_HOPE_ROLES = {"T": "therapist", "P": "patient"}


@dataclass(frozen=True, slots=True)
class Collection:
    """A public collection, ready to be annotated."""

    # One mapping per session with the columns of a manifest. `transcript` names the file that
    # `write` puts there.
    manifest: tuple[dict[str, str], ...]
    # CSV text of each session's transcript, by id: Speaker, Start Time, Utterance.
    transcripts: dict[str, str]
    # In all transcripts.
    n_utterances: int
    # What was wrong with the table, one line each, with the line number and never the words.
    problems: tuple[str, ...]

    @property
    def n_urls(self) -> int:
        """Distinct addresses; several sessions can be stretches of one video."""
        return len({row["url"] for row in self.manifest})

    def write(self, folder: Path, *, transcripts: bool = True) -> Path:
        """Write manifest.csv and, in `transcripts`, a file per session; return the manifest.

        A manifest that is there and says other things is left alone: a ManifestError.
        """
        rows = [dict(row) for row in self.manifest]
        texts: dict[Path, str] = {}
        for row in rows:
            if transcripts and row["id"] in self.transcripts:
                row["transcript"] = f"transcripts/{row['id']}.csv"
                texts[folder / row["transcript"]] = self.transcripts[row["id"]]
            elif not transcripts:
                row.pop("roles", None)
        header = list(dict.fromkeys(column for row in rows for column in row))
        # Close to the id, where a reader looks for it.
        header.sort(key=lambda column: ("id", "url", "transcript", "roles").index(column)
                    if column in ("id", "url", "transcript", "roles") else 9)  # fmt: skip
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, header, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = folder / "manifest.csv"
        # The manifest last: what it names is there.
        texts[path] = table.getvalue()
        for each, text in texts.items():
            if each.exists() and each.read_bytes() != text.encode():
                raise ManifestError(
                    f"'{each}' is there already and says other things.",
                    next_step="Choose another --out, or move that file away.",
                )
        for each, text in texts.items():
            each.parent.mkdir(parents=True, exist_ok=True)
            each.write_bytes(text.encode())
        return path


def each_once(table: tabular.Table) -> Iterator[tabular.Row | tabular.Fault]:
    """Give each utterance of AnnoMI once: the full table has one row per annotator."""
    seen: set[tuple[str, str]] = set()
    for entry in table.lines():
        if isinstance(entry, tabular.Row):
            key = (entry.cells["transcript_id"], entry.cells["utterance_id"])
            if key in seen:
                continue
            seen.add(key)
        yield entry


def read_annomi(path: Path) -> Collection:
    """Read AnnoMI's table: 133 motivational interviews with roles, start times and codes.

    A transcript has the columns `x_client_talk` and `x_therapist_behaviour` where the table codes
    them: what most annotators say, and where they are divided all of it, `;` between.
    """
    table = _table(path, _ANNOMI_COLUMNS, "AnnoMI-simple.csv")
    problems: list[str] = []
    sessions: dict[str, list[tuple[float, str, str, dict[str, str]]]] = {}
    codes, n_tied = _codes(table)
    if n_tied:
        problems.append(f"{n_tied} codes: annotators are divided; all they say stands, ';' between")
    facts: dict[str, dict[str, str]] = {}
    for entry in each_once(table):
        row, number = entry.cells, entry.cells["transcript_id"]
        said = sessions.setdefault(number, [])
        facts.setdefault(number, row)
        try:
            start = _strict_time(row["timestamp"])
        except ValueError as error:
            start = said[-1][0] if said else 0.0
            problems.append(
                f"line {entry.line}, transcript {number}, utterance {row['utterance_id']}: "
                f"{error}; {start:g} s, the start of the one before, is used"
            )
        known = codes.get((number, row["utterance_id"]), {})
        said.append((start, row["interlocutor"], row["utterance_text"], known))
    begins = {n: min(start for start, *_ in said) for n, said in sessions.items()}
    by_address: dict[str, list[float]] = {}
    for number in sessions:
        by_address.setdefault(facts[number]["video_url"], []).append(begins[number])
    for starts in by_address.values():
        starts.sort()
    manifest: list[dict[str, str]] = []
    transcripts: dict[str, str] = {}
    for number, said in sessions.items():
        row = facts[number]
        starts = by_address[row["video_url"]]
        later = starts[bisect_right(starts, begins[number]) :][:1]
        name = f"annomi_{number.zfill(3)}"
        made = {
            "id": name,
            "url": row["video_url"].strip(),
            "roles": "therapist=therapist;client=patient",
            "start": f"{begins[number]:g}",
            "end": f"{later[0]:g}" if later else "",
            "topic": " ".join(row["topic"].split()),
            "quality": row["mi_quality"],
            "source": f"{ANNOMI_SOURCE}, transcript {number}",
        }
        try:
            VideoRow.model_validate({k: made[k] or None for k in ("id", "url", "start", "end")})
        except ValidationError as error:
            columns = ", ".join(str(fault["loc"][0]) for fault in error.errors() if fault["loc"])
            problems.append(f"transcript {number} is left out: its {columns} cannot be used")
            continue
        manifest.append(made)
        transcripts[name] = _csv_of(said)
    if not manifest:
        raise ManifestError(
            f"'{path.name}' holds no session that can be used.",
            next_step="Check that it is AnnoMI-simple.csv or AnnoMI-full.csv.",
        )
    return Collection(
        tuple(manifest), transcripts, sum(map(len, sessions.values())), tuple(problems)
    )


def _strict_time(text: str) -> float:
    """Read HH:MM:SS with two digits each; `00:09:025` could mean 2, 5 or 25 seconds."""
    if not re.fullmatch(r"\d{2}:[0-5]\d:[0-5]\d", text):
        # In a shifted column stand words, and a report must not repeat them.
        shown = (
            f"the time '{text}'"
            if re.fullmatch(r"[\d:.,]{0,20}", text)
            else (f"what stands for the time ({len(text)} characters)")
        )
        raise ValueError(f"{shown} is not HH:MM:SS")
    return parse_time(text)


def _codes(table: tabular.Table) -> tuple[dict[tuple[str, str], dict[str, str]], int]:
    """Give what most annotators say of each utterance, and how often they are divided."""
    votes: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    for row in table.rows:
        own = votes.setdefault((row.cells["transcript_id"], row.cells["utterance_id"]), {})
        for column, name in ANNOMI_CODES.items():
            if column in row.cells:
                said = " ".join(row.cells[column].split())
                own.setdefault(name, Counter()).update([said] if said not in ("", "n/a") else [])
    n_tied = 0
    codes: dict[tuple[str, str], dict[str, str]] = {}
    for key, own in votes.items():
        codes[key] = {}
        for name, counts in own.items():
            first = sorted(said for said in counts if counts[said] == max(counts.values()))
            codes[key][name] = ";".join(first)
            n_tied += len(first) > 1
    return codes, n_tied


def _csv_of(said: list[tuple[float, str, str, dict[str, str]]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = list(dict.fromkeys(name for *_, codes in said for name in codes))
    writer.writerow(["Speaker", "Start Time", "Utterance", *names])
    writer.writerows(
        (speaker, f"{start:g}", " ".join(text.split()), *(codes.get(name, "") for name in names))
        for start, speaker, text, codes in said
    )
    return out.getvalue()


def read_hope_urls(path: Path) -> Collection:
    """Read HOPE's list of addresses, `URL_sources.txt`: one per line."""
    problems: list[str] = []
    first: dict[str, int] = {}
    listed = tabular.decoded(path, error=ManifestError, what="list of addresses")
    for line, text in enumerate(listed.splitlines(), start=1):
        url = text.strip().strip(",;")
        if not url:
            continue
        try:
            VideoRow(id="x", url=url)
        except ValueError:
            problems.append(f"line {line}: no http or https address")
            continue
        if url in first:
            problems.append(f"line {line}: the address of line {first[url]} again")
        else:
            first[url] = line
    if not first:
        raise ManifestError(
            f"'{path.name}' holds no address.", next_step="Give HOPE's URL_sources.txt."
        )
    width = len(str(max(first.values())))
    rows = [
        {"id": f"hope_{line:0{width}d}", "url": url, "source": f"{HOPE_SOURCE}, line {line}"}
        for url, line in first.items()
    ]
    return Collection(tuple(rows), {}, 0, tuple(problems))


def read_hope(path: Path) -> pd.DataFrame:
    """Read one of HOPE's transcripts: roles and dialogue acts, no times."""
    rows: list[dict[str, object]] = []
    import pandas as pd

    for entry in _table(path, _HOPE_COLUMNS, "one of HOPE's transcripts").rows:
        row = entry.cells
        if row["Type"] not in _HOPE_ROLES:
            raise ManifestError(
                f"'{path.name}', line {entry.line}: the type '{row['Type'][:10]}' is neither T "
                "nor P."
            )
        rows.append(
            {
                "video_id": path.stem,
                "utterance_id": row["ID"],
                "start": float("nan"),
                "end": float("nan"),
                "speaker": row["Type"],
                "role": _HOPE_ROLES[row["Type"]],
                "text": " ".join(row["Utterance"].split()),
                "dialog_act": row["Dialog_Act"],
            }
        )
    return pd.DataFrame(rows)


def read_hope_folder(paths: Sequence[Path]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read several of HOPE's transcripts."""
    import pandas as pd

    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ManifestError(
                f"There is no '{path.name}'.",
                next_step="Give HOPE_therapy_session_transcripts, or CSV files from it.",
            )
        files += path.glob("*.csv") if path.is_dir() else [path]
    files = sorted(set(files), key=lambda f: (int(f.stem) if f.stem.isdecimal() else math.inf, f))
    parts: list[pd.DataFrame] = []
    problems: list[str] = []
    for file in files:
        try:
            parts.append(read_hope(file))
        except ManifestError as error:
            problems.append(error.what)
    if not parts:
        raise ManifestError(
            "None of these files is one of HOPE's transcripts"
            + (f": {problems[0]}" if problems else "."),
            next_step="Give HOPE_therapy_session_transcripts, or CSV files from it.",
        )
    table = pd.concat(parts, ignore_index=True).rename(columns={"video_id": "transcript"})
    table.insert(0, "video_id", "")
    return table, tuple(problems)


def match_hope(
    found: Collection, talk: pd.DataFrame, path: Path
) -> tuple[Collection, pd.DataFrame]:
    """Put addresses and transcripts together as a person states it: HOPE itself does not."""
    ids = {row["url"]: row["id"] for row in found.manifest}
    known = set(talk["transcript"])
    problems: list[str] = []
    matched: dict[str, str] = {}
    pairs = _table(path, ("transcript", "url"), "a table with the columns transcript, url")
    for line, row in ((entry.line, entry.cells) for entry in pairs.rows):
        name, video = row["transcript"].removesuffix(".csv"), ids.get(row["url"])
        if video is None:
            problems.append(f"'{path.name}', line {line}: the address is not in HOPE's list")
        elif name not in known:
            problems.append(f"'{path.name}', line {line}: there is no transcript '{name}'")
        elif name in matched or video in matched.values():
            problems.append(
                f"'{path.name}', line {line}: '{name}' or its address is matched already"
            )
        else:
            matched[name] = video
    names = {video: name for name, video in matched.items()}
    rows = tuple(
        {**row, "x_hope_transcript": names[row["id"]]} if row["id"] in names else row
        for row in found.manifest
    )
    placed = talk.assign(video_id=talk["transcript"].map(matched).fillna(""))
    return replace(found, manifest=rows, problems=(*found.problems, *problems)), placed


def _table(path: Path, columns: tuple[str, ...], what: str) -> tabular.Table:
    """Read a table of which every row must fit; the header must have these columns."""
    text = tabular.decoded(path, error=ManifestError, what=what)
    table = tabular.parse(text, path.name, known=columns, short_rows=False)
    missing = [column for column in columns if column not in table.header]
    if missing:
        raise ManifestError(
            f"'{path.name}' lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.",
            next_step=f"Give {what}.",
        )
    if table.faults:
        first = table.faults[0]
        raise ManifestError(
            f"'{path.name}', line {first.line}: the cells do not fit the header: {first.message}."
        )
    return table
