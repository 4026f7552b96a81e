"""What keeps a served page safe: codes, tokens, limits, headers; nobody's words in a log."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
import time
import traceback
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CODE = r"[A-Za-z0-9_-]{22}"
"""What a code of 128 bits looks like in an address."""

_LINK = re.compile(rf"/[a-z]+/({CODE})(?:/|\Z)")

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

HEADERS = (
    ("content-security-policy", _POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    # With `no-referrer` a browser would hide the origin of a form, too, and it is checked.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex, nofollow, noarchive"),
)

log = logging.getLogger("emodiss.web")


def new_code() -> str:
    """Make a code of 128 random bits, for a link or a token."""
    return secrets.token_urlsafe(16)


def csrf_token(secret: str, subject: str) -> str:
    """Make the token that a form of this person must carry."""
    return hmac.new(secret.encode(), subject.encode(), hashlib.sha256).hexdigest()


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one link, or one address without a link, may ask for."""

    per_second: float = 20.0
    burst: int = 200
    # Addresses that do not exist, per client: guessing codes is pointless, and slow as well.
    misses_per_second: float = 1.0
    misses_burst: int = 60
    body_bytes: int = 1 << 16
    # What is kept in mind at once; the longest unused is forgotten.
    remembered: int = 4096


class Buckets:
    """Token buckets by key."""

    def __init__(self, per_second: float, burst: int, remembered: int) -> None:
        self._rate, self._burst, self._remembered = per_second, float(burst), remembered
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Take one token; False where none is left."""
        now = time.monotonic()
        level, then = self._levels.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        self._levels[key] = (max(level - 1, 0.0), now)
        if len(self._levels) > self._remembered:
            self._levels.popitem(last=False)
        return level >= 1


def _allowed_host(headers: dict[bytes, bytes], hosts: Collection[str]) -> bool:
    """Refuse a page elsewhere whose name was made to point here (DNS rebinding)."""
    if not hosts:
        return True
    try:
        name = urlsplit("//" + headers.get(b"host", b"").decode("ascii")).hostname or ""
    except (UnicodeDecodeError, ValueError):
        return False
    return name in hosts or ("127.0.0.1" in hosts and is_loopback(name))


class Guard:
    """Around the whole application: who may ask, how much, and what every answer carries."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], limits: Limits, plain: Any) -> None:
        self._app, self._hosts, self._limits, self._plain = app, hosts, limits, plain
        self._asked = Buckets(limits.per_second, limits.burst, limits.remembered)
        self._missed = Buckets(limits.misses_per_second, limits.misses_burst, limits.remembered)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from starlette.exceptions import HTTPException
        from starlette.requests import ClientDisconnect

        if scope["type"] != "http":
            return
        started = False
        client = (scope.get("client") or ("?",))[0]

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = [(n.lower(), v) for n, v in message.get("headers", [])]
                names = {name for name, _ in given}
                given += [(n.encode(), v.encode()) for n, v in HEADERS if n.encode() not in names]
                if b"cache-control" not in names:
                    given.append((b"cache-control", b"no-store"))
                message = {**message, "headers": given}
            await send(message)

        async def refuse(status: int) -> None:
            await self._plain(status)(scope, receive, answer)

        headers = dict(scope["headers"])
        if not _allowed_host(headers, self._hosts):
            return await refuse(400)
        link = _LINK.match(scope["path"])
        if not self._asked.take(link[1] if link else f"address {client}"):
            return await refuse(429)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return await refuse(400)
        if int(length) > self._limits.body_bytes:
            return await refuse(413)
        n_bytes = 0

        async def bounded() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._limits.body_bytes:
                raise HTTPException(413)
            return message

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 404:
                scope["emodiss.missed"] = not self._missed.take(client)
                if scope["emodiss.missed"]:
                    return
            elif scope.get("emodiss.missed"):
                return
            await answer(message)

        try:
            await self._app(scope, bounded, counting)
            if scope.get("emodiss.missed"):
                await refuse(429)
        except ClientDisconnect:
            return  # whoever asked is gone
        except Exception as error:
            # Where it happened and of which kind; its message may hold words of a session.
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = type(error).__name__
            log.error("%s in %s, line %s", kind, place.filename.rpartition("/")[2], place.lineno)
            if not started:
                await refuse(500)


async def form_of(request: Request, secret: str, subject: str) -> dict[str, list[str]]:
    """Read a form and check that the person's own page sent it; the fields, each with its values.

    Raises
    ------
    HTTPException
        403 where the token or the origin is wrong, 415 and 400 where it is no form.
    """
    from starlette.exceptions import HTTPException

    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    try:
        text = (await request.body()).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=500)
    except ValueError:
        raise HTTPException(400) from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        # Zero bytes and lone surrogates are no text that a file or a table could keep.
        if "\0" in value:
            raise HTTPException(400)
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    given = fields.pop("csrf", [""])[0]
    if not hmac.compare_digest(given.encode(), csrf_token(secret, subject).encode()):
        raise HTTPException(403)
    return fields
