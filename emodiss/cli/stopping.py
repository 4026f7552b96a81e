"""Ctrl-C and SIGTERM end a command with the way to go on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType

import typer

from emodiss.cli import output


class _Terminated(KeyboardInterrupt):
    """SIGTERM was received; ends the work the way Ctrl-C does."""


@contextlib.contextmanager
def stoppable(how_to_go_on: str) -> Generator[None]:
    """Let Ctrl-C and SIGTERM end what is done inside, and say how to go on."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    # Handlers belong to the main thread; a program that calls this in another keeps its own.
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if ours else None
    try:
        yield
    except KeyboardInterrupt as stopped:
        output.say(f"Stopped; what is finished is kept. Go on with: {how_to_go_on}")
        raise typer.Exit(143 if isinstance(stopped, _Terminated) else 130) from None
    finally:
        if ours:
            signal.signal(signal.SIGTERM, before)
