"""Fetching from a real server on this machine: resumed, refused, cut, and never twice."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from emodiss import manifest
from emodiss.corpus import sharing
from emodiss.errors import MediaError, SettingsError
from emodiss.media import fetch, network
from emodiss.runs import fetching, sources
from tests import make

LARGE = 600_000
"""Bytes of the film at /large.mp4."""


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
            cookies.append(self.headers.get("Cookie"))
            if self.path.startswith("http://video.invalid/"):
                # Asked as a proxy is: with the whole address of a host that nobody has.
                self._send(200, film, "video/mp4")
            elif self.path == "/members.mp4":
                known = "session=opened" in (self.headers.get("Cookie") or "")
                self._send(200 if known else 403, film if known else b"", "video/mp4")
            elif self.path == "/large.mp4":
                self._send(200, film + bytes(LARGE - len(film)), "video/mp4")
            elif self.path.endswith(".m3u8"):
                self._send_playlist()
            elif self.path == "/film.mp4":
                self._send(200, film, "video/mp4")
            elif self.path == "/page":
                self._send(200, b"<html><body>no film here</body></html>", "text/html")
            elif self.path == "/talk":
                track = '<track kind="subtitles" srclang="en" src="/talk.vtt">'
                page = f'<html><video src="/film.mp4">{track}</video></html>'
                self._send(200, page.encode(), "text/html")
            elif self.path == "/talk.vtt":
                self._send(200, b"WEBVTT\n\n00:00.100 --> 00:00.900\nGood morning\n", "text/vtt")
            elif self.path == "/busy.mp4":
                self._send(429, b"", "text/plain")
            elif self.path == "/elsewhere.mp4":
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
            elif self.path.startswith("/cut"):
                self._send_cut()
            elif self.path == "/endless.mp4":
                self._send_without_end()
            else:
                self._send(404, b"", "text/plain")

        def _send_cut(self) -> None:
            """Answer ranges, but break off after a third as often as the path says."""
            begin = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
            asked[-1] = (*asked[-1], begin)
            self.send_response(206 if self.headers.get("Range") else 200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(film) - begin))
            if self.headers.get("Range"):
                span = f"bytes {begin}-{len(film) - 1}/{len(film)}"
                self.send_header("Content-Range", span)
            self.end_headers()
            if self.command == "HEAD":
                return
            rest = film[begin:]
            cuts = int(self.path.removeprefix("/cut").removesuffix(".mp4"))
            if len([a for a in asked if a[1] == self.path and a[0] == "GET"]) <= cuts:
                rest = rest[: len(film) // 3]
            with contextlib.suppress(OSError):
                self.wfile.write(rest)
            self.close_connection = True

        def _send_playlist(self) -> None:
            """State as many segments of an hour as the path says, or one and no end."""
            name = self.path.removeprefix("/").removesuffix(".m3u8")
            lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:3600", "#EXT-X-VERSION:3"]
            if name != "broadcast":
                lines += ["#EXT-X-PLAYLIST-TYPE:VOD"]
            for i in range(1 if name == "broadcast" else int(name)):
                lines += ["#EXTINF:3600.0,", f"/segment{i}.ts"]
            if name != "broadcast":
                lines += ["#EXT-X-ENDLIST"]
            body = "\n".join(lines) + "\n"
            self._send(200, body.encode(), "application/vnd.apple.mpegurl")

        def _send_without_end(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.end_headers()
            with contextlib.suppress(OSError):
                # Bounded all the same: 64 MiB are endless for a limit of one.
                for _ in range(1024 if self.command == "GET" else 0):
                    self.wfile.write(film[:16] + bytes(65_520))

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    asked: list[tuple[str, str]] = []
    cookies: list[str | None] = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked = asked  # type: ignore[attr-defined]
    httpd.cookies = cookies  # type: ignore[attr-defined]
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(autouse=True)
def the_server_counts_as_far(monkeypatch, request):
    if "near" not in request.node.name:
        monkeypatch.setattr(network, "is_local", lambda host: False)


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


@pytest.mark.parametrize("path", ["/film.mp4", "/page"])
def test_what_is_near_is_not_asked_unless_allowed(server, film, tmp_path, path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(MediaError) as error:
        fetch.fetch(address(server, path), tmp_path, max_height=720)
    assert error.value.code == "local_address" and "--local-network" in error.value.next_step
    assert server.asked == []


def test_what_is_near_is_asked_where_it_is_allowed(server, film, tmp_path):
    options = fetch.Options(local_network=True)
    path = fetch.fetch(address(server, "/film.mp4"), tmp_path, max_height=720, options=options)
    assert path.read_bytes() == film


@pytest.mark.parametrize(
    ("host", "near"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True)),
        *(("169.254.169.254", True), ("fe80::1%eth0", True), ("0.0.0.0", True), ("::", True)),
        *(("93.184.216.34", False), ("10.0.0.1", False), ("2606:2800::1", False)),
    ],
)
def test_which_addresses_are_near(host, near):
    assert network.is_local(host) is near


def _drip(header: bool):
    """Serve one header line or byte each tenth of a second, for at most 20 s."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                if not header:
                    head = b"Content-Type: video/mp4\r\nContent-Length: 1000000\r\n\r\n"
                    connection.sendall(head)
                for _ in range(200):
                    connection.sendall(b"X-More: 1\r\n" if header else b"x")
                    time.sleep(0.1)

    threading.Thread(target=serve, daemon=True).start()
    return listening


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("limit", [{"patience_s": 1.0}, {"longest_s": 1.0}])
def test_a_server_that_drips_is_left(tmp_path, header, limit):
    with _drip(header) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/film.mp4"
        begun = time.monotonic()
        with pytest.raises(MediaError) as error:
            options = fetch.Options(retries=0, **limit)
            fetch.fetch(url, tmp_path, max_height=720, options=options)
    assert error.value.code == "too_slow"
    assert time.monotonic() - begun < 15


def test_a_redirect_to_a_local_file_is_not_followed(server, tmp_path):
    with pytest.raises(MediaError):
        fetch.fetch(address(server, "/elsewhere.mp4"), tmp_path, max_height=720)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "fetched.txt"]


HASTE = fetch.Options(backoff_s=0.01)


def test_a_connection_that_breaks_goes_on_where_it_stopped(server, film, tmp_path):
    # The first look and the first download break off; the next one asks for the rest.
    url = address(server, "/cut2.mp4")
    path = fetch.fetch(url, tmp_path, max_height=720, options=HASTE)
    assert path.read_bytes() == film
    begins = [a[2] for a in server.asked if a[0] == "GET"]
    # The downloader writes whole blocks, so it may ask again for the end of the last one.
    assert begins[0] == 0 and len(film) // 4 < begins[-1] <= len(film) // 3


def test_a_later_run_goes_on_with_what_an_earlier_one_left(server, film, tmp_path):
    url = address(server, "/cut2.mp4")
    with pytest.raises(MediaError) as error:
        fetch.fetch(url, tmp_path, max_height=720, options=fetch.Options(retries=0))
    assert error.value.code == "network"
    assert fetch.fetched(url, tmp_path) is None
    assert fetch.fetch(url, tmp_path, max_height=720, options=HASTE).read_bytes() == film
    assert [a[2] for a in server.asked if a[0] == "GET"][-1] > len(film) // 4


def test_an_endless_answer_stops_at_the_limit(server, tmp_path):
    options = fetch.Options(max_bytes=2**20, retries=0)
    with pytest.raises(MediaError) as error:
        fetch.fetch(address(server, "/endless.mp4"), tmp_path, max_height=720, options=options)
    assert error.value.code == "too_large"
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) < 8 * 2**20


def test_what_the_page_states_is_kept_beside_the_media(server, tmp_path):
    url = address(server, "/film.mp4")
    assert fetch.about(url, tmp_path) == {}
    fetch.fetch(url, tmp_path, max_height=720)
    stated = fetch.about(url, tmp_path)
    assert stated["webpage_url"] == url and stated["ext"] == "mp4"
    assert "license" not in stated  # a bare file states none, and none is made up


def test_captions_come_with_the_film_when_asked_for(server, tmp_path):
    url = address(server, "/talk")
    plain = fetch.fetch(url, tmp_path / "plain", max_height=720)
    assert not list(plain.parent.glob("*.vtt"))
    options = fetch.Options(captions=("en.*",))
    media = fetch.fetch(url, tmp_path / "asked", max_height=720, options=options)
    assert "Good morning" in (media.parent / "media.en.vtt").read_text()


def test_annotate_fetches_the_captions_it_is_to_read(server, tmp_path):
    row = manifest_of(tmp_path, f"a,{address(server, '/talk')},,,,,\n").rows[0]
    options = fetch.Options(captions=("en.*",))
    fetching.fetch_rows([row], tmp_path / "run", max_height=720, options=options)
    media = fetch.fetched(str(row.url), tmp_path / "run" / "downloads")
    read = manifest_of(tmp_path, f"a,{address(server, '/talk')},,,,,\n")
    found = sources.find_transcript(row, read, media, captions=True)
    assert found is not None and found.name == "media.en.vtt"


def test_offline_takes_what_is_here_and_asks_nobody(server, tmp_path):
    root = tmp_path / "run"
    good, other = address(server, "/film.mp4"), address(server, "/talk")
    rows = manifest_of(tmp_path, f"a,{good},,,,,\nb,{other},,,,,\n").rows
    fetching.fetch_rows([rows[0]], root, max_height=720)
    asked = len(server.asked)
    found = fetching.fetch_rows(rows, root, max_height=720, offline=True)
    assert len(server.asked) == asked
    assert [(one.id, one.state, one.here) for one in found] == [
        ("a", "cached", True),
        ("b", "offline", False),
    ]


# --- options -------------------------------------------------------------------------------------


def cookie_file(folder, *lines: tuple[str, str, str]):
    """Write cookies as a browser exports them; a line is domain, name and value."""
    path = folder / "cookies.txt"
    rows = (f"{d}\tFALSE\t/\tFALSE\t4000000000\t{n}\t{v}\n" for d, n, v in lines)
    path.write_text("# Netscape HTTP Cookie File\n\n" + "".join(rows))
    return path


def test_cookies_open_what_is_closed_and_go_to_their_own_site_only(server, film, tmp_path):
    url = address(server, "/members.mp4")
    with pytest.raises(MediaError):
        fetch.fetch(url, tmp_path / "without", max_height=720)
    server.cookies.clear()
    path = cookie_file(
        tmp_path,
        ("127.0.0.1", "session", "opened"),
        ("video.example", "token", "of-another-site"),
    )
    before = path.read_bytes()
    options = fetch.Options(cookies=path)
    found = fetch.fetch(url, tmp_path / "with", max_height=720, options=options)
    assert found.read_bytes() == film
    assert server.cookies and set(server.cookies) == {"session=opened"}
    assert path.read_bytes() == before  # yt-dlp would write it anew
    assert "opened" not in "".join(
        p.read_text(errors="ignore") for p in (tmp_path / "with").rglob("*") if p.is_file()
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("", "holds no cookie"),
        ("# Netscape HTTP Cookie File\n", "holds no cookie"),
        ('[{"name": "session", "value": "hush"}]', "Line 1 .* not in Netscape format"),
        ("# Netscape HTTP Cookie File\nvideo.example hush\n", "Line 2 .* not in Netscape format"),
        ("a.example\tTRUE\t/\tFALSE\t0\tsession\thush\n", "Line 1 .* not in Netscape format"),
        ("a.example\tFALSE\t/\tFALSE\tsoon\tsession\thush\n", "Line 1 .* not in Netscape format"),
    ],
)
def test_a_bad_cookie_file_is_said_once_and_never_quoted(server, tmp_path, text, message):
    path = tmp_path / "cookies.txt"
    if text is not None:
        path.write_text(text)
    read = manifest_of(tmp_path, f"a,{address(server, '/film.mp4')},,,,,\n")
    with pytest.raises(SettingsError, match=message) as error:
        fetching.fetch_manifest(
            read, tmp_path / "run", max_height=720, options=fetch.Options(cookies=path)
        )
    assert "hush" not in str(error.value) and "Netscape format" in error.value.next_step
    assert server.asked == []


def test_requests_go_through_the_proxy(server, film, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    # Nobody has this name, so only the proxy can answer.
    url = "http://video.invalid/film.mp4"
    options = fetch.Options(proxy=address(server, ""), retries=0)
    path = fetch.fetch(url, tmp_path / "with", max_height=720, options=options)
    assert path.read_bytes() == film
    assert {asked[1] for asked in server.asked} == {url}
    with pytest.raises(MediaError) as error:
        fetch.fetch(url, tmp_path / "without", max_height=720, options=fetch.Options(retries=0))
    assert error.value.code == "network"


def test_the_rate_limit_is_held(server, tmp_path):
    # A slow machine can only be slower, so the rate is bounded from above alone.
    seen: list[tuple[float, int]] = []
    path = fetch.fetch(
        address(server, "/large.mp4"),
        tmp_path,
        max_height=720,
        options=fetch.Options(rate_limit=LARGE // 2),
        progress=lambda done, _: seen.append((time.monotonic(), done)),
    )
    assert path.stat().st_size == LARGE
    (began, first), (ended, last) = seen[0], seen[-1]
    assert last - first > LARGE / 2
    assert (last - first) / (ended - began) < 1.2 * LARGE / 2


def test_a_video_whose_page_states_too_great_a_length_is_not_fetched(server, tmp_path):
    with pytest.raises(MediaError) as error:
        fetch.fetch(address(server, "/7.m3u8"), tmp_path, max_height=720)
    assert error.value.code == "too_long"
    assert "--max-hours" in error.value.next_step
    assert not any("segment" in asked[1] for asked in server.asked)
    # Five hours are fine, but for the segments that nobody serves.
    with pytest.raises(MediaError) as error:
        fetch.fetch(address(server, "/5.m3u8"), tmp_path, max_height=720, options=HASTE)
    assert error.value.code != "too_long"
    assert any("segment" in asked[1] for asked in server.asked)


@pytest.mark.timeout(60)  # whoever records it never ends
def test_a_broadcast_is_not_recorded(server, tmp_path):
    with pytest.raises(MediaError) as error:
        fetch.fetch(address(server, "/broadcast.m3u8"), tmp_path, max_height=720)
    assert error.value.code == "live"
    assert "Wait until the broadcast has ended" in error.value.next_step
    assert not any("segment" in asked[1] for asked in server.asked)


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
        ("ERROR: Requested format is not available. Use --list-formats", "no_format"),
        ("something nobody has seen", "fetch"),
    ],
)
def test_what_the_downloader_says_is_sorted(message, code):
    # Messages as yt-dlp prints them.
    assert fetch.typed(Exception(message)).code == code


# --- a whole manifest ----------------------------------------------------------------------------


def manifest_of(tmp_path, rows: str):
    path = tmp_path / "manifest.csv"
    path.write_text("id,url,path,start,license,topic,notes\n" + rows)
    return manifest.read(path)


def test_a_manifest_is_fetched_each_address_once_and_the_dead_are_listed(server, film, tmp_path):
    good, gone = address(server, "/film.mp4"), address(server, "/none.mp4")
    busy = address(server, "/busy.mp4")
    read = manifest_of(
        tmp_path,
        f"a,{good},,,CC BY,sleep,\nb,{good},,2,,,\ndead,{gone},,,,,\nbusy,{busy},,,,,\n"
        "own,,x.mp4,,,,\n",
    )
    root = tmp_path / "run"
    found = fetching.fetch_manifest(read, root, max_height=720)
    assert [(f.id, f.state) for f in found] == [
        ("a", "done"),
        ("b", "done"),
        ("dead", "removed"),
        ("busy", "rate_limited"),
    ]
    assert (found[0].license, found[1].license) == ("CC BY", "")
    assert found[2].next_step
    assert len([p for p in root.rglob("media.mp4")]) == 1
    # Only what is gone for good is on the list; too many requests today is no death.
    assert [line.split(",")[:3] for line in (root / "decay.csv").read_text().splitlines()] == [
        ["id", "url", "code"],
        ["dead", gone, "removed"],
    ]
    again = fetching.fetch_manifest(read, root, max_height=720)
    assert [f.state for f in again] == ["cached", "cached", "removed", "rate_limited"]


def test_an_address_that_comes_back_leaves_the_list(server, tmp_path):
    good = address(server, "/film.mp4")
    root = tmp_path / "run"
    root.mkdir()
    (root / "decay.csv").write_text(f"id,url,code,since\na,{good},removed,2024-01-01\n")
    fetching.fetch_manifest(manifest_of(tmp_path, f"a,{good},,,,,\n"), root, max_height=720)
    assert (root / "decay.csv").read_text() == "id,url,code,since\n"


def test_what_is_shared_is_addresses_and_no_words(tmp_path):
    read = manifest_of(
        tmp_path,
        "a,https://video.example/1,,12345.678,CC BY,sleep,she cries here\nown,,x.mp4,,,diet,\n",
    )
    assert sharing.shareable(sharing.rows_of(read)) == (
        "id,url,start,end,license,topic\na,https://video.example/1,12345.678,,CC BY,sleep\n"
    )
