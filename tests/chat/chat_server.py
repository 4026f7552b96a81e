"""A real HTTP server on the loopback address that answers as a script says."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPLY = "[Reflection] It sounds like a heavy week."

Act = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
            self.server.paths.append(self.path)
            self.server.times.append(time.monotonic())
            self.server.under_way += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.under_way)
            act = self.server.script.pop(0) if self.server.script else self.server.otherwise
        self.body = body
        try:
            with contextlib.suppress(OSError):  # a client that gave up
                act(self)
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send(404, {})

    def send(self, status: int, record: Any, **headers: str) -> None:
        content = record if isinstance(record, bytes) else json.dumps(record).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class ChatServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.under_way = 0
        self.most_at_once = 0
        self.script: list[Act] = []
        self.otherwise: Act = answer(REPLY)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextlib.contextmanager
def serving() -> Iterator[ChatServer]:
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def record(text: str | None, **message: Any) -> dict[str, Any]:
    return {
        "id": "answer-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny-2026-01-01",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def answer(text: str | None, **message: Any) -> Act:
    """Answer whole, or in pieces where the request asks for that."""

    def act(handler: Handler) -> None:
        if not handler.body.get("stream"):
            handler.send(200, record(text, **message))
            return
        whole = text or ""
        pieces = [whole[i : i + 5] for i in range(0, len(whole), 5)]
        events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 11, "completion_tokens": 7}
        events.append({"choices": [], "usage": usage})
        stream(handler, events, done=True)

    return act


def stream(handler: Handler, events: list[Any], *, done: bool) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.close_connection = True
    for event in events:
        event = {"id": "answer-1", "model": "tiny-2026-01-01", **event}
        handler.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        handler.wfile.flush()
    if done:
        handler.wfile.write(b"data: [DONE]\n\n")


def status(code: int, error: dict[str, Any] | None = None, **headers: str) -> Act:
    return lambda handler: handler.send(code, {"error": error or {}}, **headers)


def body(content: Any) -> Act:
    return lambda handler: handler.send(200, content)


def slow(seconds: float, then: Act) -> Act:
    def act(handler: Handler) -> None:
        time.sleep(seconds)
        then(handler)

    return act


def dripping(seconds: float) -> Act:
    """Answer one byte at a time: no single wait is long, all of them are."""

    def act(handler: Handler) -> None:
        content = json.dumps(record(REPLY)).encode()
        handler.send_response(200)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        for byte in content:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(seconds / len(content))

    return act


def dripping_headers(seconds: float) -> Act:
    """Send one header after the other, as if there were no end to them."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        for number in range(30):
            handler.send_header(f"x-{number}", "y")
            handler.flush_headers()
            time.sleep(seconds / 30)
        answer(REPLY)(handler)

    return act


def cut(handler: Handler) -> None:
    """Promise a long answer and hang up in the middle of it."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    # Linger of zero: the other side sees a reset, as when a machine dies.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
