"""Where a download may connect to, and how slow it may be.

Addresses are looked at when a socket connects, after names are resolved and redirects followed, so
that neither can lead to services of this machine. What is too slow is ended from outside: time-outs
of sockets count between two bytes only, in headers and in bodies.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import threading
import time
from collections.abc import Collection, Generator, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from emodiss.errors import MediaError

_TICK_S: Final = 0.5
_here = threading.local()


class Watch:
    """The connections that one thread makes during a download."""

    def __init__(
        self,
        *,
        local: bool,
        but: Collection[tuple[str, int]],
        least_speed: float,
        patience_s: float,
        longest_s: float,
    ) -> None:
        self.refused = ""
        self.received = 0
        self._local, self._but = local, but
        self._least, self._patience_s = least_speed * patience_s, patience_s
        self._end = time.monotonic() + longest_s
        self._sockets: list[socket.socket] = []
        self._begun = time.monotonic()

    def connecting(self, sock: socket.socket, host: str, port: int) -> None:
        """Refuse an address, or remember the connection so that it can be ended."""
        if self.refused:
            raise OSError(self.refused)
        if not self._local and is_local(host) and (host, port) not in self._but:
            self.refused = "local_address"
            raise MediaError(
                "The address leads to this machine or its own link.",
                next_step="Give a public address; with --local-network such ones are fetched too.",
                code="local_address",
            )
        # The original may be taken apart when encryption begins; a copy ends the same connection.
        self._sockets.append(socket.socket(fileno=os.dup(sock.fileno())))
        self._begun = time.monotonic()

    def overdue(self, since: float, before: int) -> bool:
        """Whether too little came in, or all of it takes too long."""
        now = time.monotonic()
        slow = now - max(since, self._begun) >= self._patience_s
        return now > self._end or (slow and self.received - before < self._least)

    def end(self, code: str = "") -> None:
        """End every connection; a thread that waits for one goes on with an error."""
        self.refused = self.refused or code
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                if code:
                    sock.shutdown(socket.SHUT_RDWR)
            if not code:
                sock.close()


def is_local(host: str) -> bool:
    """Whether an address is of this machine, of its own link or of nothing."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def places(proxies: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Address and port of proxies, as a connection names them."""
    found: set[tuple[str, int]] = set()
    for proxy in proxies:
        with contextlib.suppress(OSError, ValueError):
            parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
            port = parts.port or {"https": 443, "socks5": 1080}.get(parts.scheme, 80)
            answers = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
            found |= {(str(answer[4][0]), port) for answer in answers} if parts.hostname else set()
    return frozenset(found)


@contextlib.contextmanager
def watched(
    *,
    local: bool,
    but: Collection[tuple[str, int]] = (),
    least_speed: float,
    patience_s: float,
    longest_s: float,
) -> Generator[Watch]:
    """Watch the connections of this thread; bytes per second and seconds."""
    _listen()
    watch = Watch(
        local=local,
        but=but,
        least_speed=least_speed,
        patience_s=patience_s,
        longest_s=longest_s,
    )
    done = threading.Event()

    def look() -> None:
        since, before = time.monotonic(), 0
        while not done.wait(min(_TICK_S, patience_s / 4)):
            if watch.overdue(since, before):
                watch.end("too_slow")
            if time.monotonic() - since >= patience_s:
                since, before = time.monotonic(), watch.received

    thread = threading.Thread(target=look, daemon=True)
    _here.watch = watch
    thread.start()
    try:
        yield watch
    finally:
        _here.watch = None
        done.set()
        thread.join()
        watch.end()


def _heard(event: str, args: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    watch: Watch | None = getattr(_here, "watch", None)
    sock, address = args
    if watch is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        watch.connecting(sock, str(address[0]), int(address[1]))


_listens = threading.Lock()
_hooked = False


def _listen() -> None:
    """Hear of every connection from now on; a hook of Python's cannot be taken off again."""
    global _hooked
    with _listens:
        if not _hooked:
            sys.addaudithook(_heard)
            _hooked = True
