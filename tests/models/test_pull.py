"""Fetching weights from a real server on this machine: checked, resumed, unpacked, refused."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from emodiss.errors import ModelError, SettingsError
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
    server.asked, server.cut = asked, None
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
                assert file.sha256 or file.git_blob


def test_the_command_states_the_terms_and_prints_the_places(server, entry):
    from emodiss.cli import app

    done = CliRunner().invoke(app, ["models", "pull", "emonet-8", "--quiet"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(entry.folder / "emonet_8.pth")
    assert "CC BY-NC-ND 4.0" in done.stderr
