"""Readers of files that are no plain text: pictures, databases, arrays, tables, models' folders."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

import emodiss
from emodiss import judging, mirror
from emodiss.chat.pictures import Picture
from emodiss.faces.pictures import read_picture
from emodiss.faces.records import FaceTrack, LinkCounts, Tracks
from emodiss.media import Audio
from emodiss.mirror import layout as mirror_layout
from emodiss.ratings.handout import Handout, open_study
from emodiss.ratings.other_tools import TOOLS, for_tool
from emodiss.runs import codecs, layout, seals
from emodiss.runs.perform import result_type
from emodiss.runs.store import Store
from emodiss.study import answers
from emodiss.study.captions import caption_faces, with_captions
from emodiss.web.rate import consent_is_ours, opened
from tests.fuzz.fuzzer import Fuzzer
from tests.web import studies

FOLDER = {
    layout.RUN: '{"preset": "lite", "settings": {}, "problems": [], "models": {}, "versions": {}, '
    '"inputs": {"folder": "..", "sources": []}, "command": []}',
    layout.MANIFEST: '{"id": "v", "path": "v.mp4", "url": null, "transcript": null, '
    '"metadata": {}}\n',
}
CAPTIONS = (
    "video_id,utterance_id,face_caption,model\nv,u0000,looking down,blip\n"
    'v,u0001,"a (forced)\nsmile",blip\n',
)
CAPTION = (
    '{"video_id": "v", "utterance_id": "u0000", "face_caption": "tired", "model": "measured"}\n',
)
PROMPT = (
    "You judge sessions.\n\n{conversation}\n\nHow well did the counselor understand? 0 to 6.\n"
    "Answer as: score, explanation\n",
)
_LINES = {"s1": (("therapist", "How are you?"), ("client", "I do not know."))}
BILL = (
    '{"sessions": {"requests": 2, "cost_usd": 0.5, "known_cost_usd": 0.5, "models": {"m": 2}}, '
    '"faces": {"requests": 0, "cost_usd": null}}',
)
CONSENT = ("# Consent\n\nI am 18 or older, and *agree* to take part.\n- My answers are kept.\n",)


def _pictures() -> tuple[bytes, ...]:
    """Give small pictures of each kind that people hand in, and one that says it is huge."""
    noise = np.random.default_rng(0).integers(0, 255, (24, 20, 4), np.uint8)
    made = [cv2.imencode(kind, noise[:, :, :3])[1].tobytes() for kind in (".png", ".jpg", ".webp")]
    made += [cv2.imencode(".png", picture)[1].tobytes() for picture in (noise, noise[:, :, 0])]
    return tuple(made)


def huge_png(width: int, height: int) -> bytes:
    """Give the head of a picture that would fill the memory."""
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    parts = (head, b"IDAT" + zlib.compress(bytes(1000)), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(part) - 4).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big")
        for part in parts
    )


def _picture(path: Path) -> object:
    found = Picture.of(path)
    return found.pixels().size, len(found.data_url())


@cache
def _studied() -> tuple[Path, Handout]:
    """Write a study once; the answers that are tried are laid into it one after the other."""
    root = studies.write(Path(tempfile.mkdtemp(prefix="emodiss-fuzz-")) / "study")
    return root, open_study(root)


def script() -> str:
    """Give what makes a file of answers, as SQL."""
    _, handout = _studied()
    rater = next(iter(handout.raters))
    steps = [step.name for step in handout.walks[rater] if step.kind == "item"]
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        connection.executescript(answers.SCHEMA)
        answers.prepare(connection, list(handout.raters))
        for name in ("consented", "instructed"):
            answers.mark(connection, rater, name)
        choices = {ask.name: "4" for ask in handout.asks}
        for number, step in enumerate(steps[:3]):
            answers.opened(connection, rater, step)
            said = answers.Answer(choices, comment="well", seconds=1.5)
            answers.save(connection, rater, step, f"form{number}", said)
        answers.undo(connection, rater)
        answers.save_draft(connection, rater, steps[2], choices)
        answers.save_about(connection, rater, "before", {"age": "34"})
        answers.note(connection, "researcher", "looked")
        connection.commit()
        return "\n".join(connection.iterdump())


@cache
def _database() -> bytes:
    """Give a file of answers with small pages, so that damage falls on what is read."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.executescript(script())
        return connection.serialize()


def _served(path: Path) -> object:
    """Read the answers in a file as tables, then open it as the server does."""
    root, handout = _studied()
    target = root / answers.FILE
    for end in ("", "-wal", "-shm"):
        target.with_name(target.name + end).unlink(missing_ok=True)
    target.write_bytes(path.read_bytes())
    found = answers.browser_answers(handout)
    for table in (found.ratings, found.history, found.questionnaire, found.progress):
        table.to_csv()
    with opened(handout, {}) as (site, _):
        return site.database.now(lambda connection: answers.draft(connection, "r1", "x"))


def _of_script(path: Path) -> object:
    """Make a database as another program might: what the script says, as far as it can be done."""
    made = path.parent / "made.sqlite"
    made.unlink(missing_ok=True)
    statements = path.read_bytes().decode("utf-8", "replace").split(";\n")
    with contextlib.closing(sqlite3.connect(made, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            with contextlib.suppress(sqlite3.Error, sqlite3.Warning, ValueError):
                connection.execute(statement)
        with contextlib.suppress(sqlite3.Error):
            connection.execute("COMMIT")
    return _served(made)


def _consent(path: Path) -> object:
    _, handout = _studied()
    own = Handout(**{**_fields(handout), "folder": path.parent})
    return consent_is_ours(path.parent), [for_tool(own, tool) for tool in TOOLS]


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _booked(path: Path) -> object:
    seals.forget(path)
    return mirror.load(path.parent).book("scores", {"requests": 1})


def _parquet(table: pd.DataFrame) -> bytes:
    return codecs.to_parquet(table)


@cache
def _utterances() -> pd.DataFrame:
    return pd.DataFrame(
        {
            **{"video_id": "v", "utterance_id": ["u0000", "u0001"], "role": "patient"},
            **{"start": [0.0, 1.5], "end": [1.5, 3.0], "face_label": ["happy", None]},
            **{"face_valence": [0.5, np.nan], "face_arousal": [0.1, np.nan]},
        }
    )


_RUN = FOLDER | {"utterances.parquet": _parquet(_utterances())}


def _captioned(path: Path) -> object:
    run = emodiss.load(path.parent)
    return caption_faces(run, path), with_captions(run, run.utterances).to_csv()


def _table(path: Path) -> object:
    run = emodiss.load(path.parent)
    return run.utterances.to_csv(), run.lists("utterances", ["role"]), caption_faces(run)


def _artifact(stage: str) -> Callable[[Path], object]:
    """Read a file of an artifact of which only the length is known, as of earlier versions."""

    def read(path: Path) -> object:
        files = {each.name: {"bytes": each.stat().st_size} for each in path.parent.iterdir()}
        files.pop(layout.META, None)
        meta = {"key": "k", "stage": stage, "video": "v", "files": files, "version": 1}
        (path.parent / layout.META).write_text(json.dumps(meta))
        found = Store(path.parents[3]).read("v", stage, result_type(stage))
        if isinstance(found, Audio):
            return np.asarray(found.signal[:]).sum()
        return {name: b"".join(parts) for name, parts in codecs.encode(found).items()}

    return read


def _tracks() -> Tracks:
    n = 3
    shapes = {"boxes": (n, 4), "landmarks": (n, 5, 2), "scores": (n,)}
    arrays = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    ticks, times = np.arange(n), np.arange(n) / 30
    track = FaceTrack(1, ticks, times, measured=np.ones(n, bool), **arrays)
    return Tracks((track,), LinkCounts(1, 0, 0, 0))


def _artifacts() -> dict[str, Fuzzer]:
    """Give the files of small results of stages, each damaged with the others sound."""
    values = {
        "tracks": _tracks(),
        "audio": Audio(np.arange(400, dtype=np.int16), 16_000, 0.0),
        "utterances": _utterances(),
    }
    found: dict[str, Fuzzer] = {}
    for stage, value in values.items():
        files = {name: b"".join(parts) for name, parts in codecs.encode(value).items()}
        beside = {f"videos/v/{stage}/{name}": content for name, content in files.items()}
        for name, content in files.items():
            place = f"videos/v/{stage}/{name}"
            seed = content.decode() if name.endswith(".json") else content
            found[f"{stage}_{Path(name).suffix[1:]}"] = Fuzzer(
                place, (seed,), _artifact(stage), beside=FOLDER | beside
            )
    return found


def fuzzers() -> dict[str, Fuzzer]:
    """Readers by name."""
    mark = {mirror_layout.EXPERIMENT: '{"version": 1}'}
    return {
        "captions": Fuzzer("c.csv", CAPTIONS, _captioned, beside=_RUN),
        "caption_lines": Fuzzer(
            layout.FACE_CAPTIONS,
            CAPTION,
            lambda path: with_captions(emodiss.load(path.parent), _utterances()).to_csv(),
            beside=FOLDER,
        ),
        "counseling_file": Fuzzer(
            "general_1_understanding.txt",
            PROMPT,
            lambda path: judging.counseling_questions(
                _LINES, ["understanding"], prompts=path.parent
            ),
        ),
        "picture": Fuzzer("a.png", _pictures(), _picture),
        "face_picture": Fuzzer(
            "a.png", _pictures(), lambda path: read_picture(path.read_bytes()), never=True
        ),
        "answers_file": Fuzzer("a.sqlite", (_database(),), _served),
        "answers_script": Fuzzer("a.sql", (script(),), _of_script),
        "consent": Fuzzer("consent.md", CONSENT, _consent),
        "instructions": Fuzzer("instructions.md", CONSENT, _consent),
        "bill": Fuzzer(mirror_layout.LEDGER, BILL, _booked, beside=mark),
        "utterance_table": Fuzzer(
            "utterances.parquet", (_parquet(_utterances()),), _table, beside=FOLDER
        ),
        **_artifacts(),
    }
