"""One SQLite file that a server writes: a transaction per save, answered when it is on disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from emodiss.errors import RunError

T = TypeVar("T")


class Database:
    """A file, used from one thread of its own: writers take turns, and readers wait for them.

    Readers in other processes are not held up (write-ahead log). A commit returns when the log
    has reached the disk (`synchronous=FULL`), so what was answered survives a loss of power.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._connection = self._thread.submit(self._open, schema).result()

    def _open(self, schema: str) -> sqlite3.Connection:
        # Codes of raters lie in it: for its owner alone, and so are the files of its log.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.executescript(schema)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # damaged names, the latter
            connection.close()
            raise RunError(
                f"'{self.path.name}' cannot be used ({error}).",
                next_step="Move it away; a copy of the file from a backup takes its place.",
                code="damaged",
            ) from error
        return connection

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            found = work(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return found

    def now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work in one transaction and wait for it."""
        return self._thread.submit(self._transaction, work).result()

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work in one transaction; other requests are answered meanwhile."""
        return await asyncio.wrap_future(self._thread.submit(self._transaction, work))

    def close(self) -> None:
        """Finish what is under way and close the file."""
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()
