"""Answers kept in SQLite as JSON, so that nothing is asked or paid for twice."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import threading
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path

from emodiss.chat.model import ChatModel, ChatParams, Completion, Message, Wrapped, request_key
from emodiss.errors import ModelError
from emodiss.tabular import json_value

_BUSY_S = 30.0


class Cached(Wrapped):
    """A model that asks another one only what is not in the cache: SQLite, for its owner only."""

    def __init__(self, model: ChatModel, path: str | Path) -> None:
        super().__init__(model)
        self._path = Path(path)
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            self._path.touch(mode=0o600)
        with self._typed():
            self._db = sqlite3.connect(self._path, timeout=_BUSY_S, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            with self._db:
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS answers "
                    "(key TEXT PRIMARY KEY, completion TEXT NOT NULL) WITHOUT ROWID"
                )

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Give the kept answer, marked `from_cache`, or ask and keep."""
        key = request_key(self._model, messages, params, sample)
        # Conditions that render alike are asked side by side; the second waits for the first.
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:
            kept = self.get(key)
            if kept is not None:
                return dataclasses.replace(kept, from_cache=True)
            answer = self._model.generate(messages, params, sample=sample)
            text = json.dumps(answer.to_dict(), ensure_ascii=False)
            with self._typed(), self._lock, self._db:
                row = (key, _sealed(text))
                self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", row)
        return answer

    def get(self, key: str) -> Completion | None:
        """Return the answer kept under a key, or None."""
        with self._typed(), self._lock:
            row = self._db.execute(
                "SELECT completion FROM answers WHERE key = ?", (key,)
            ).fetchone()
        try:
            return None if row is None else Completion.from_dict(json_value(_sound(row[0])))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None  # damaged, or written by another version: asked again and replaced

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _typed(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as fault:
            raise ModelError(
                f"The answer cache {self._path.name} cannot be used: {fault}.",
                next_step="Delete it (answers will be asked again), name another file with "
                "--cache, or do without: --no-cache.",
                code="chat_cache",
            ) from None


def _sealed(text: str) -> str:
    """One line and, in a second, its checksum; the database has none of its own."""
    return f"{text}\n{zlib.crc32(text.encode()):08x}"


def _sound(row: str) -> str:
    """Return the line; ValueError if it is not as it was kept. Older rows have no checksum."""
    text, end, _ = row.partition("\n")
    if end and row != _sealed(text):
        raise ValueError
    return text
