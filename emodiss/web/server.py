"""Start and stop of a server on this machine."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from emodiss.errors import RunError
from emodiss.web.safety import is_loopback

LOOPBACK = "127.0.0.1"


def hosts_of(host: str) -> tuple[str, ...]:
    """Name the hosts that an application served on this address answers to; empty means any."""
    if is_loopback(host):
        return (LOOPBACK,)
    return () if host in ("0.0.0.0", "::") else (host, LOOPBACK)


def bind(host: str = LOOPBACK, port: int = 0) -> socket.socket:
    """Take an address, or raise a RunError; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would share an address in use
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host.strip("[]"), port))
    except (OSError, OverflowError) as error:
        taken.close()
        raise RunError(
            f"The address {host}:{port} cannot be used ({error}).",
            next_step="Choose another --port; 0 takes a free one.",
        ) from error
    return taken


def address_of(taken: socket.socket) -> str:
    """Return the address of a server on this socket, without a slash at the end."""
    host, port = taken.getsockname()[:2]
    host = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


def serve(app: Any, taken: socket.socket, *, started: Callable[[], None] = lambda: None) -> None:
    """Serve until Ctrl-C or SIGTERM, and answer what was asked before."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    # No access log: addresses hold codes. What goes wrong is logged by `safety.Guard`.
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=30,
        limit_concurrency=1000,
    )

    def ignore(_number: int, _frame: FrameType | None) -> None:
        """Do nothing more: the server has ended by then, and the command ends after it."""

    ours = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if ours else ()
    before = {number: signal.signal(number, ignore) for number in numbers}
    try:
        Server(config).run(sockets=[taken])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        taken.close()
