"""Fetching weights from a real server on this machine: checked, resumed, unpacked, refused."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from emodiss.errors import DiskError, ModelError, SettingsError
from emodiss.models import catalog
from emodiss.models.pull import pull
from emodiss.models.weight_files import WeightFile

WEIGHTS = bytes(range(256)) * 500


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("release/model.onnx", b"graph")
        packed.writestr("release/model.yaml", b"description")
        packed.writestr("../outside.txt", b"must stay inside")
    return out.getvalue()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Serve `server.content` by path; `server.cut` ends an answer early, once."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments):
            pass

        def do_GET(self):
            wanted = self.headers.get("Range")
            asked.append(wanted)
            token = self.headers.get("Authorization")
            server.tokens.append((self.path, token))
            if self.path.startswith("/gated/"):
                if token != "Bearer secret":
                    self.send_error(401)
                    return
                self.send_response(302)  # as the hub does: the file lies on another server
                self.send_header("Location", "/weights.pth")
                self.end_headers()
                return
            body = server.content.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            end, server.cut = (server.cut, None) if server.cut else (len(body), None)
            self.wfile.write(body[start:end])

    asked: list[str | None] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.cut, server.tokens = asked, None, []
    server.content = {"/weights.pth": WEIGHTS, "/packed.zip": zipped()}
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    yield server
    server.shutdown()
    thread.join()


@pytest.fixture
def entry(server, monkeypatch):
    """The catalog's EmoNet, with its file on the server."""
    file = WeightFile(
        "emonet_8.pth",
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        url=f"{server.url}/weights.pth",
    )
    found = dataclasses.replace(catalog.CATALOG["emonet-8"], files=(file,))
    monkeypatch.setitem(catalog.CATALOG, "emonet-8", found)
    return found


def test_a_file_is_fetched_checked_and_fetched_once(server, entry):
    seen = []
    (path,) = pull("emonet-8", progress=lambda *said: seen.append(said))
    assert path == entry.folder / "emonet_8.pth" and path.read_bytes() == WEIGHTS
    assert seen[-1] == ("emonet_8.pth", len(WEIGHTS), len(WEIGHTS))
    assert [p.name for p in entry.folder.iterdir()] == ["emonet_8.pth"]
    assert pull("emonet-8") == [] and len(server.asked) == 1


def test_a_cut_download_goes_on_where_it_stopped(server, entry):
    server.cut = 1000
    with pytest.raises(ModelError, match="Run again") as error:
        pull("emonet-8")
    assert error.value.code == "network" and entry.missing() == ["emonet_8.pth"]
    assert pull("emonet-8")[0].read_bytes() == WEIGHTS
    assert server.asked == [None, "bytes=1000-"]


@pytest.mark.parametrize(
    "answer",
    [
        b"no status line\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc",
        b"",
    ],
    ids=["status", "cut_chunk", "bad_chunk", "bad_length", "nothing"],
)
def test_a_broken_answer_is_an_error_of_the_download(answer, entry, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def reply():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=reply, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/weights.pth"
        file = dataclasses.replace(entry.files[0], url=url)
        monkeypatch.setitem(catalog.CATALOG, "emonet-8", dataclasses.replace(entry, files=(file,)))
        with pytest.raises(ModelError) as error:
            pull("emonet-8")
    assert error.value.code in ("network", "model_hash") and entry.missing() == ["emonet_8.pth"]


def test_a_full_disk_is_named(entry, monkeypatch):
    entry.folder.mkdir(parents=True)
    (entry.folder / "emonet_8.pth.part").symlink_to("/dev/full")
    with pytest.raises(DiskError, match=r"emonet_8\.pth\.part"):
        pull("emonet-8")


def test_what_is_not_the_published_file_is_thrown_away(server, entry):
    server.content["/weights.pth"] = b"version https://git-lfs.github.com/spec/v1\n"
    with pytest.raises(
        ModelError, match=r"not the published emonet_8\.pth: its sha256 is"
    ) as error:
        pull("emonet-8")
    assert error.value.code == "model_hash"
    assert list(entry.folder.iterdir()) == []


def test_an_archive_is_checked_before_it_is_opened_and_gives_the_named_files_only(
    server, monkeypatch, tmp_path
):
    content = server.content["/packed.zip"]
    good = WeightFile(
        "a.zip",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        url=f"{server.url}/packed.zip",
    )
    entry = dataclasses.replace(catalog.CATALOG["audeering-w2v2"], archive=good)
    monkeypatch.setitem(catalog.CATALOG, "audeering-w2v2", entry)
    placed = pull("audeering-w2v2")
    assert [path.read_bytes() for path in placed] == [b"graph", b"description"]
    assert sorted(p.name for p in entry.folder.iterdir()) == ["model.onnx", "model.yaml"]
    assert not list(tmp_path.rglob("outside.txt"))

    placed[0].unlink()
    server.content["/packed.zip"] = content[:-1] + b"x"
    with pytest.raises(ModelError, match="its sha256 is"):
        pull("audeering-w2v2")
    assert entry.missing() == ["model.onnx"]


def test_an_archive_without_the_file_says_so(server, monkeypatch):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("readme.txt", b"moved")
    server.content["/packed.zip"] = out.getvalue()
    entry = dataclasses.replace(
        catalog.CATALOG["audeering-w2v2"],
        archive=WeightFile("a.zip", url=f"{server.url}/packed.zip"),
    )
    monkeypatch.setitem(catalog.CATALOG, "audeering-w2v2", entry)
    with pytest.raises(ModelError, match=r"holds no model\.onnx"):
        pull("audeering-w2v2")


def test_refusals_name_the_address_and_the_way_out(server, entry, monkeypatch):
    server.content.clear()
    with pytest.raises(ModelError, match=r"weights\.pth \(404\).*put the file into"):
        pull("emonet-8")
    monkeypatch.setitem(
        catalog.CATALOG, "emonet-8", dataclasses.replace(entry, files=(WeightFile("w.pth"),))
    )
    with pytest.raises(ModelError, match=r"no address.*Put w\.pth into"):
        pull("emonet-8")
    with pytest.raises(SettingsError, match="Did you mean 'emonet-8'"):
        pull("emonet8")


def test_models_that_come_along_need_nothing():
    assert pull("fer-lite") == [] and pull("mtcnn") == []


def test_every_model_with_an_address_can_be_checked():
    for entry in catalog.CATALOG.values():
        for file in (entry.archive,) if entry.archive else entry.files:
            if file.url:
                assert file.url.startswith("https://")
                pinned = re.search(r"/resolve/[0-9a-f]{40}/", file.url)
                assert file.sha256 or file.git_blob or pinned, file.url


def test_the_command_states_the_terms_and_prints_the_places(server, entry):
    from emodiss.cli import app

    done = CliRunner().invoke(app, ["models", "pull", "emonet-8", "--quiet"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(entry.folder / "emonet_8.pth")
    assert "CC BY-NC-ND 4.0" in done.stderr


def gated_entry(monkeypatch, server) -> None:
    address = f"{server.url}/gated/repository/resolve/main/sub/weights.pth"
    entry = dataclasses.replace(
        catalog.CATALOG["emonet-8"],
        name="gated",
        archive=None,
        files=(WeightFile("sub/weights.pth", url=address),),
    )
    monkeypatch.setitem(catalog.CATALOG, "gated", entry)
    monkeypatch.setattr("emodiss.models.pull._TOKEN_HOST", server.url)


def test_a_gated_model_names_the_page_the_token_and_what_does_without(server, monkeypatch):
    gated_entry(monkeypatch, server)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ModelError) as caught:
        pull("gated")
    assert caught.value.code == "gated"
    for part in (f"{server.url}/gated/repository,", "HF_TOKEN", "models pull", "--preset lite"):
        assert part in str(caught.value)


def test_a_token_goes_to_its_host_and_not_to_where_that_sends_us(server, monkeypatch):
    gated_entry(monkeypatch, server)
    monkeypatch.setenv("HF_TOKEN", "secret")
    (path,) = pull("gated")
    assert path.read_bytes() == WEIGHTS and path.parent.name == "sub"
    assert [token for _, token in server.tokens] == ["Bearer secret", None]


def test_a_librarys_data_are_unpacked_beside_their_zip(server, monkeypatch):
    entry = dataclasses.replace(
        catalog.CATALOG["emonet-8"],
        name="data",
        archive=None,
        files=(WeightFile("nltk_data/packed.zip", url=f"{server.url}/packed.zip"),),
    )
    monkeypatch.setitem(catalog.CATALOG, "data", entry)
    (path,) = pull("data")
    assert (path.parent / "release" / "model.yaml").read_bytes() == b"description"
    assert not (path.parent.parent / "outside.txt").exists()
    assert pull("data") == []
