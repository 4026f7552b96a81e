"""Fetching from a real server on this machine: resumed, refused, cut, and never twice."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from emodiss import fetch
from emodiss.errors import MediaError
from tests import make


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("film")
    path = make.write_media(
        folder / "film.mp4", frames=[make.grey(9 * i) for i in range(25)], sound=make.tone(1.0)
    )
    return path.read_bytes()


@pytest.fixture
def server(film):
    """Serve the film at /film.mp4 and trouble elsewhere; `server.asked` lists the requests."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            asked.append((self.command, self.path))
            if self.path == "/film.mp4":
                self._send(200, film, "video/mp4")
            elif self.path == "/page":
                self._send(200, b"<html><body>no film here</body></html>", "text/html")
            elif self.path == "/busy.mp4":
                self._send(429, b"", "text/plain")
            elif self.path == "/elsewhere.mp4":
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
            else:
                self._send(404, b"", "text/plain")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    asked: list[tuple[str, str]] = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked = asked  # type: ignore[attr-defined]
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def address(server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def test_a_film_is_fetched_whole_and_never_twice(server, film, tmp_path):
    url = address(server, "/film.mp4")
    assert fetch.fetched(url, tmp_path) is None
    path = fetch.fetch(url, tmp_path, max_height=720)
    assert path.read_bytes() == film
    assert path.is_relative_to(tmp_path)
    asked = len(server.asked)
    assert fetch.fetch(url, tmp_path, max_height=720) == path == fetch.fetched(url, tmp_path)
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("path", "code"),
    [("/none.mp4", "removed"), ("/busy.mp4", "rate_limited"), ("/page", "unsupported")],
)
def test_trouble_has_a_name_and_a_way_out(server, tmp_path, path, code):
    with pytest.raises(MediaError) as error:
        fetch.fetch(address(server, path), tmp_path, max_height=720)
    assert error.value.code == code
    assert error.value.next_step


def test_a_redirect_to_a_local_file_is_not_followed(server, tmp_path):
    with pytest.raises(MediaError):
        fetch.fetch(address(server, "/elsewhere.mp4"), tmp_path, max_height=720)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "fetched.txt"]


def test_a_dead_address_ends_soon(tmp_path):
    with pytest.raises(MediaError) as error:
        fetch.fetch("http://127.0.0.1:9/film.mp4", tmp_path, max_height=720)
    assert error.value.code == "network"


def test_a_marker_without_its_file_does_not_count(server, tmp_path):
    url = address(server, "/film.mp4")
    fetch.fetch(url, tmp_path, max_height=720).unlink()
    assert fetch.fetched(url, tmp_path) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("ERROR: Private video. Sign in if you've been granted access", "private"),
        ("ERROR: Sign in to confirm you\u2019re not a bot", "bot_check"),
        ("ERROR: Sign in to confirm your age", "age_restricted"),
        ("ERROR: The uploader has not made this video available in your country", "geo_blocked"),
        ("ERROR: Video unavailable. This video has been removed by the uploader", "removed"),
        ("ERROR: This live event will begin in 3 hours", "live"),
        ("ERROR: Unable to download webpage: timed out", "network"),
        ("something nobody has seen", "fetch"),
    ],
)
def test_what_the_downloader_says_is_sorted(message, code):
    # Messages as yt-dlp prints them.
    assert fetch._typed(Exception(message)).code == code
