"""Faces drawn by an external program, which keeps its own environment: PhotoMaker, for one.

The program reads one JSON object per line and answers each with one line of JSON on its standard
output: `{}` when the PNG lies at `output`, or `{"error": "why"}`. Other lines it prints are passed
over. It may end after one picture or go on; it is started when it is needed.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shlex
import subprocess
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from emodiss.errors import ModelError, SettingsError
from emodiss.faces.drawn import SIDE, Drawn
from emodiss.faces.pictures import read_picture
from emodiss.screenplays.expressions import face_prompts
from emodiss.tabular import json_value


class CommandFaces:
    """Asks a program for pictures; no shell reads its command line."""

    def __init__(self, program: str, timeout_s: float = 600.0, photomaker: bool = True) -> None:
        self._words = shlex.split(program)
        if not self._words:
            raise SettingsError(
                "The way to draw 'command' needs a program.",
                next_step="Give --set options.command.program='PROGRAM ARGUMENTS'.",
            )
        self._timeout_s, self._photomaker = timeout_s, photomaker
        self._running: tuple[subprocess.Popen[str], queue.Queue[str | None]] | None = None

    @property
    def identity(self) -> str:
        """The command line; what the program draws with is its own affair."""
        return f"command {shlex.join(self._words)}" + (" photomaker" * self._photomaker)

    def draw(
        self, reference: Path, positive: str, negative: str, *, gender: str, seed: int
    ) -> Drawn:
        """Ask for one picture; a program that died is started again for the next one."""
        prompt, avoided = face_prompts(
            positive, negative, gender=gender, photomaker=self._photomaker
        )
        with tempfile.TemporaryDirectory(prefix="emodiss-face-") as folder:
            output = Path(folder) / "face.png"
            asked = {
                "reference": str(Path(reference).resolve()),
                "prompt": prompt,
                "negative_prompt": avoided,
                "positive": positive,
                "negative": negative,
                "gender": gender,
                "seed": seed,
                "width": SIDE,
                "height": SIDE,
                "output": str(output),
            }
            self._ask(asked, output)
            return Drawn(_read(output), prompt, avoided)

    def _ask(self, asked: dict[str, Any], output: Path) -> None:
        """Send one line and wait for its answer."""
        program, lines = self._program()
        until = time.monotonic() + self._timeout_s
        with contextlib.suppress(OSError):  # it has ended; what it says of that comes below
            assert program.stdin is not None
            program.stdin.write(json.dumps(asked) + "\n")
            program.stdin.flush()
        while True:
            try:
                line = lines.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                self._end()
                raise ModelError(
                    f"The program gave no picture in {self._timeout_s:g} s.", code="timeout"
                ) from None
            if line is None:
                self._running = None
                status = program.wait()
                if status == 0 and output.exists():
                    return  # a program that makes one picture and says nothing
                how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
                raise ModelError(f"The program {how} and gave no picture.", code="program")
            try:
                said = json_value(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                if said.get("error"):
                    raise ModelError("The program says that it failed.", code="program_error")
                return

    def _program(self) -> tuple[subprocess.Popen[str], queue.Queue[str | None]]:
        """Return the running program and the lines it prints; start it if there is none."""
        if self._running is None or self._running[0].poll() is not None:
            self._end()
            try:
                program = subprocess.Popen(
                    self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            except OSError as fault:
                raise ModelError(
                    f"The program '{self._words[0]}' cannot be started: {fault.strerror}.",
                    next_step="Check options.command.program.",
                    code="no_program",
                ) from None
            lines: queue.Queue[str | None] = queue.Queue()
            threading.Thread(target=_listen, args=(program, lines), daemon=True).start()
            weakref.finalize(self, _kill, program)
            self._running = program, lines
        return self._running

    def _end(self) -> None:
        if self._running is not None:
            _kill(self._running[0])
            self._running = None


def _listen(program: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert program.stdout is not None
    with contextlib.suppress(ValueError):  # closed while it is read
        for line in program.stdout:
            lines.put(line)
    lines.put(None)


def _kill(program: subprocess.Popen[str]) -> None:
    """End a program and wait for it, so that nothing of it is left."""
    if program.poll() is None:
        program.kill()
    program.wait()
    for pipe in (program.stdin, program.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.close()


def _read(output: Path) -> np.ndarray:
    if not output.is_file():
        raise ModelError("The program answered and wrote no picture.", code="no_output")
    picture = read_picture(output.read_bytes())
    if picture is None:
        raise ModelError("What the program wrote is no picture.", code="no_output")
    if picture.shape[:2] != (SIDE, SIDE):
        raise ModelError(
            f"The picture is {picture.shape[1]} x {picture.shape[0]}, not {SIDE} x {SIDE}.",
            code="size",
        )
    return picture
