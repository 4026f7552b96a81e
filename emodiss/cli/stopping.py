"""Ctrl-C, SIGTERM and SIGHUP end a command with the way to go on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Final

import typer

from emodiss.cli import output

_SIGNALS: Final = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Terminated(KeyboardInterrupt):
    """A signal was received, its number the argument; ends the work the way Ctrl-C does."""


@contextlib.contextmanager
def stoppable(how_to_go_on: str) -> Generator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end what is done inside, and say how to go on."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise _Terminated(number)

    # Handlers belong to the main thread; a program that calls this in another keeps its own.
    ours = threading.current_thread() is threading.main_thread()
    known = {each: signal.getsignal(each) for each in _SIGNALS} if ours else {}
    # What is ignored stays so: `nohup` lets work outlast its terminal.
    before = {each: old for each, old in known.items() if old is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    except KeyboardInterrupt as stopped:
        output.say(f"Stopped; what is finished is kept. Go on with: {how_to_go_on}")
        number = stopped.args[0] if isinstance(stopped, _Terminated) else signal.SIGINT
        raise typer.Exit(128 + number) from None
    finally:
        for each, old in before.items():
            signal.signal(each, old)
