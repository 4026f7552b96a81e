"""The server under every page: who may ask, what an answer carries, start and stop."""

from __future__ import annotations

import logging
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from emodiss.errors import RunError
from emodiss.web.database import Database
from emodiss.web.safety import CODE, Limits, csrf_token, form_of, is_loopback, new_code
from emodiss.web.server import bind, hosts_of
from emodiss.web.site import build_app, media

HERE = "http://127.0.0.1:8000"
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def broken(_request):
    raise ValueError("what Anna said")


async def outdated(_request):
    raise RunError("A stored result is old.", next_step="Resume the run.", code="old_result")


async def form(request):
    return PlainTextResponse(str(await form_of(request, "secret", "r1")))


async def changed(_request):
    raise HTTPException(409)


def client(limits=None, **options):
    routes = [
        Route("/broken", broken),
        Route("/changed", changed),
        Route("/outdated", outdated),
        Route("/form", form, methods=["POST"]),
    ]
    app = build_app(routes, limits=limits, **options)
    return TestClient(app, base_url=HERE, raise_server_exceptions=False)


def test_a_fault_is_a_plain_page_and_the_log_holds_no_words(caplog):
    with caplog.at_level(logging.DEBUG):
        answer = client().get("/broken")
    assert answer.status_code == 500
    assert "Anna" not in answer.text + caplog.text and "Traceback" not in answer.text
    assert "ValueError" in caplog.text


def test_a_run_that_cannot_be_read_says_why_and_what_to_do(caplog):
    answer = client().get("/outdated")
    assert answer.status_code == 500
    assert "A stored result is old. Resume the run." in answer.text
    assert caplog.messages == ["RunError [old_result]"]


def test_every_answer_carries_the_policy_and_is_not_kept():
    one = client()
    for path in ("/", "/health", "/broken", "/changed"):
        headers = one.get(path).headers
        assert "unsafe" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
    assert "max-age" in one.get("/static/page.css").headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/static/..%2f..%2f__init__.py", 404),
        ("/static/base.html.jinja", 404),
        ("/changed", 409),
        ("/form", 405),
    ],
)
def test_what_is_not_there_is_a_page_of_4xx(path, status):
    answer = client().get(path)
    assert answer.status_code == status
    assert answer.text.startswith("<!doctype html>")


def test_a_form_needs_its_token_its_own_origin_and_the_form_of_a_form():
    token = csrf_token("secret", "r1")
    one = client()
    good = one.post("/form", data={"csrf": token, "a": ["1", "2"]})
    assert good.text == "{'a': ['1', '2']}"
    assert one.post("/form", data={"csrf": token}, headers={"origin": HERE}).status_code == 200
    for data, headers, status in (
        ({"a": "1"}, {}, 403),
        ({"csrf": csrf_token("secret", "r2")}, {}, 403),
        ({"csrf": token}, {"origin": "http://evil.example"}, 403),
        ({"csrf": token}, {"sec-fetch-site": "cross-site"}, 403),
        ({"csrf": token, "a": "\0"}, {}, 400),
    ):
        assert one.post("/form", data=data, headers=headers).status_code == status, data
    assert one.post("/form", json={"csrf": token}).status_code == 415
    assert one.post("/form", content=b"a=%ff", headers=FORM).status_code == 400
    assert one.post("/form", content=b"\xff", headers=FORM).status_code == 400


def test_a_long_body_is_refused_whether_it_says_so_or_not():
    one = client(Limits(body_bytes=1000))
    assert one.post("/form", content=b"a" * 1001, headers=FORM).status_code == 413
    pieces = (b"a" * 100 for _ in range(20))
    assert one.post("/form", content=pieces, headers=FORM).status_code == 413


def test_a_name_made_to_point_here_gets_nothing():
    one = client()
    assert one.get("/health").status_code == 200
    assert one.get("/health", headers={"host": "localhost:8000"}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "", "a" * 500, "[::1"):
        assert one.get("/health", headers={"host": host}).status_code == 400, host
    other = client(hosts=hosts_of("192.0.2.7"))
    assert other.get("/health", headers={"host": "192.0.2.7"}).status_code == 200
    assert other.get("/health", headers={"host": "evil.example"}).status_code == 400
    assert is_loopback("127.8.0.1") and is_loopback("::1") and not is_loopback("0.0.0.0")


def test_who_asks_too_much_waits_and_others_do_not():
    one = client(Limits(per_second=0.001, burst=3))
    path = f"/r/{new_code()}"
    assert [one.get(path).status_code for _ in range(4)] == [404, 404, 404, 429]
    assert one.get(f"/r/{new_code()}").status_code == 404
    guessing = client(Limits(misses_per_second=0.001, misses_burst=2))
    codes = [guessing.get(f"/r/{new_code()}").status_code for _ in range(4)]
    assert codes == [404, 404, 429, 429]
    assert guessing.get("/health").status_code == 200


def test_codes_have_128_bits():
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(re.fullmatch(CODE, code) for code in codes)  # 22 characters of 64: 132 bits


def test_media_comes_in_ranges_and_without_its_name(tmp_path):
    path = tmp_path / "anna.mp4"
    path.write_bytes(bytes(range(256)))

    async def clip(_request):
        return media(path)

    async def gone(_request):
        return media(tmp_path / "gone.mp4")

    one = TestClient(build_app([Route("/clip", clip), Route("/gone", gone)]), base_url=HERE)
    part = one.get("/clip", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/256"
    assert one.get("/clip", headers={"range": "bytes=999-"}).status_code == 416
    assert "anna" not in str(part.headers)
    assert one.get("/gone").status_code == 404


def test_a_transaction_is_whole_or_not_at_all(tmp_path):
    base = Database(tmp_path / "x.sqlite", "CREATE TABLE IF NOT EXISTS t (a INTEGER)")

    def halfway(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        raise ValueError

    with pytest.raises(ValueError):
        base.now(halfway)
    base.now(lambda c: c.execute("INSERT INTO t VALUES (2)"))
    found = base.now(lambda c: [tuple(r) for r in c.execute("SELECT a FROM t")])
    assert found == [(2,)]
    assert base.now(lambda c: c.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
    assert base.now(lambda c: c.execute("PRAGMA synchronous").fetchone()[0]) == 2  # FULL
    # Another process reads while the file is open.
    other = sqlite3.connect(tmp_path / "x.sqlite")
    assert other.execute("SELECT a FROM t").fetchall() == [(2,)]
    other.close()
    base.close()
    (tmp_path / "y.sqlite").write_bytes(b"no database, " * 100)
    with pytest.raises(RunError, match="cannot be used"):
        Database(tmp_path / "y.sqlite", "")


SERVER = """
from emodiss.web.server import address_of, bind, serve
from emodiss.web.site import build_app
taken = bind()
serve(build_app([]), taken, started=lambda: print(address_of(taken), flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_says_where_it_is_and_ends_when_told(number):
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        process.send_signal(number)
        assert process.stdout.read() == "ended\n"
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_an_address_in_use_is_said():
    taken = bind()
    taken.listen()
    with taken, pytest.raises(RunError, match="cannot be used"):
        bind(port=taken.getsockname()[1])
