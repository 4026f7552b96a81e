"""Requests that no browser sends: refused, without a trace of the inside, and nothing is touched.

EMODISS_HOSTILE sets how many are sent (10,000 for a long run).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import socket
import threading
from pathlib import Path

import pytest

from emodiss import ratings, study as verbs
from emodiss.web.rate import opened
from emodiss.web.safety import csrf_token
from emodiss.web.server import bind, serve
from emodiss.web.site import build_app
from tests.web import studies
from tests.web.studies import FREE, Rater, served, without_practice

N = int(os.environ.get("EMODISS_HOSTILE", "150"))

NASTY = (
    *("../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/", "....//....//etc"),
    *("%00", "%c0%ae%c0%ae/", "%ff%fe", "C:\\Windows\\win.ini", "file:///etc/passwd", "//evil/x"),
    *("hidden/key.csv", "answers.sqlite", "' OR 1=1 --", '"; DROP TABLE answer; --', "{{7*7}}"),
    *("<script>alert(1)</script>", "%0d%0aSet-Cookie:%20a=b", "\u202e", "\ud83d\ude00", "A" * 3000),
    *(
        "-1",
        "0",
        "999999999999999999999999",
        "1e9",
        "NaN",
        "\x00",
        "%",
        "%zz",
        "?",
        "#",
        ";",
        "&&=&",
    ),
)
HEADERS = (
    b"Host: evil.example", b"Host:", b"Host: 127.0.0.1:1\r\nHost: evil.example",
    b"Content-Length: -5", b"Content-Length: 99999999999", b"Content-Length: x",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Range: bytes=9-1",
    b"Range: bytes=0-0,1-1,2-2,3-3", b"Range: bytes=-99999999999999", b"Range: x=1",
    b"If-Range: \"x\"", b"Origin: http://evil.example", b"Origin: \xff\xfe", b"X: " + b"y" * 9000,
    b"Content-Type: multipart/form-data; boundary=", b"Content-Type: application/json",
    b"Expect: 100-continue", b"Upgrade: websocket\r\nConnection: Upgrade", b"Cookie: a=\x01",
    b": empty", b"no colon", b"X-Forwarded-For: 127.0.0.1", b"X-Original-URL: /a/x",
)  # fmt: skip
METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"get",
    b"X" * 50,
)


def fingerprint(folder: Path) -> dict[str, str]:
    """Hash of every file, but those that SQLite writes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "answers.sqlite" not in path.name
    }


class Attacker:
    """Mutates requests that would be in order."""

    def __init__(self, rng: random.Random, code: str, token: str, admin: str) -> None:
        self.rng, self.code = rng, code
        form = f"csrf={token}&form=x&applicability=3&empathy=3&comprehensiveness=3&seconds=1"
        self.seeds = [
            ("GET", f"/r/{code}", ""),
            ("GET", f"/r/{code}/1", ""),
            ("GET", f"/r/{code}/clip/0", ""),
            ("GET", f"/r/{code}/history", ""),
            ("POST", f"/r/{code}/1", form),
            ("POST", f"/r/{code}/1/draft", form),
            ("POST", f"/r/{code}/about/before", f"csrf={token}&degree=PhD"),
            ("GET", f"/a/{admin}", ""),
            ("GET", "/static/rate.js", ""),
        ]

    def request(self) -> bytes:
        rng = self.rng
        method, path, body = rng.choice(self.seeds)
        verb, target, sent = method.encode(), path.encode(), body.encode()
        headers = [b"Host: 127.0.0.1", b"Connection: close"]
        if body:
            headers.append(b"Content-Type: application/x-www-form-urlencoded")
        for _ in range(rng.randint(1, 3)):
            kind = rng.randrange(6)
            nasty = rng.choice(NASTY).encode("utf-8", "surrogatepass")
            if kind == 0:
                verb = rng.choice(METHODS)
            elif kind == 1:
                parts = target.split(b"/")
                parts[rng.randrange(len(parts))] = nasty
                target = b"/".join(parts)
            elif kind == 2:
                target = target + rng.choice((b"/", b"?", b"")) + nasty
            elif kind == 3:
                headers.insert(rng.randint(0, len(headers)), rng.choice(HEADERS))
            elif kind == 4:
                fields = sent.split(b"&")
                fields[rng.randrange(len(fields))] = rng.choice(
                    (nasty, b"empathy=" + nasty, b"csrf=", b"x" * 70_000, b"form=" + nasty * 3)
                )
                sent = b"&".join(fields)
            else:
                whole = bytearray(target)
                whole[rng.randrange(len(whole))] = rng.randrange(256)
                target = bytes(whole)
        headers.append(b"Content-Length: " + str(len(sent)).encode())
        return verb + b" " + target + b" HTTP/1.1\r\n" + b"\r\n".join(headers) + b"\r\n\r\n" + sent


def exchange(port: int, request: bytes, patience_s: float = 20) -> bytes:
    """Send bytes and return what comes back until the server is done or waits for more."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as channel:
        with contextlib.suppress(OSError):  # refused before the end
            channel.sendall(request)
        parts: list[bytes] = []
        with contextlib.suppress(OSError):
            while part := channel.recv(1 << 16):
                parts.append(part)
        return b"".join(parts)


def test_mutated_requests_get_4xx_and_change_nothing(tmp_path, caplog):
    folder = studies.write(tmp_path / "in" / "study", instrument=without_practice())
    (tmp_path / "secret.txt").write_text("what nobody may read")
    handout = ratings.open_study(folder)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(5000))
    videos = {row["video"] for row in handout.shown.values()}
    rng = random.Random(0)
    with (
        caplog.at_level(logging.DEBUG),
        opened(handout, dict.fromkeys(videos, clip)) as (
            site,
            routes,
        ),
    ):
        code = site.codes["r1"]
        taken = bind()
        port = taken.getsockname()[1]
        ready = threading.Event()
        thread = threading.Thread(
            target=serve,
            args=(build_app(routes, limits=FREE), taken),
            kwargs={"started": ready.set},
            daemon=True,
        )
        thread.start()
        assert ready.wait(30)
        before = fingerprint(tmp_path)
        attacker = Attacker(rng, code, csrf_token(site.secret, "r1"), "A" * 22)
        counts: dict[str, int] = {}
        for _ in range(N):
            request = attacker.request()
            unfinished = (b"Content-Length: 99", b"chunked", b"Expect")
            unended = b"\r\n\r\n" not in request
            may_wait = unended or any(sign in request for sign in unfinished)
            answer = exchange(port, request, 0.5 if may_wait else 20)
            status = answer[9:12].decode("latin-1")
            counts[status] = counts.get(status, 0) + 1
            assert status or may_wait, request[:300]
            where = f"{request[:200]!r} -> {answer[:200]!r}"
            # A mutation may leave a request in order. No answer: the server waits for the rest of
            # a body that was announced longer than it is.
            assert status in ("", "200", "204", "206", "303", "100") or status.startswith("4"), (
                where
            )
            for inside in (b"Traceback", b"site-packages", b"what nobody may read", b"root:x:"):
                assert inside not in answer, where
            assert str(tmp_path).encode() not in answer, where
        assert sum(n for status, n in counts.items() if status.startswith("4")) > N // 3, counts
        assert fingerprint(tmp_path) == before
        # And it still serves whoever asks in order.
        assert exchange(port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 0.5).endswith(
            b"ok\n"
        )
        table = verbs.browser_answers(handout).ratings
        assert table.empty or table["value"].isin([1, 2, 3, 4, 5]).all()
    said = caplog.text
    assert "Traceback" not in said and code not in said and "Reply" not in said
    print(counts)


@pytest.mark.parametrize(
    "path",
    [
        "/r/../../../etc/passwd", "/r/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/static/../site.py",
        "/static/%2e%2e%2fsite.py", "/static//etc/passwd", "/static/page.css/../site.py",
        "/r/{code}/clip/..%2f..%2fx", "/r/{code}/clip/-1", "/r/{code}/clip/99", "/r/{code}/clip/x",
        "/r/{code}/hidden/key.csv", "/a/{code}/ratings.csv", "/a//ratings.csv",
        "/hidden/key.csv", "/r/{code}%00", "/r/{code}/1/../../../x",
    ],
)  # fmt: skip
def test_paths_lead_nowhere(tmp_path, path):
    folder = studies.write(tmp_path / "study", instrument=without_practice())
    with served(folder) as (site, client):
        Rater(site, client, "r1").begin()
        answer = client.get(path.replace("{code}", site.codes["r1"]))
        assert answer.status_code == 404
        assert "root:" not in answer.text and "repeat_of" not in answer.text
