"""The demo of simulated sessions: whole, offline, and the same twice."""

from __future__ import annotations

import socket
import stat

import pytest
from typer.testing import CliRunner

from emodiss.cli import app

pytest.importorskip("skimage", reason="the demo's faces are made from a portrait inside it")


@pytest.mark.slow
def test_the_demo_goes_from_profiles_to_tables_and_pages_offline(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("the demo needs no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    out = tmp_path / "demo"
    done = CliRunner().invoke(
        app, ["mirror", "demo", str(out), "--resamples", "100"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    for section in ("What was compared", "Table 2", "Table 3", "Tables 4 to 6", "only scripted"):
        assert section in done.output
    assert (out / "paper.md").read_text() in done.stdout
    assert "3 clients" in done.stdout
    assert "12 cases" in done.stdout
    assert len(list((out / "faces").rglob("*.png"))) == 72  # six lines of a client in each of 12
    assert (out / "report" / "index.html").is_file()
    assert len(list((out / "report").rglob("*.html"))) == 37
    before = (out / "encounters.jsonl").read_bytes()
    assert before.count(b"\n") == 36
    again = CliRunner().invoke(app, ["mirror", "demo", str(out), "--resamples", "100"])
    assert again.exit_code == 0, again.output
    assert (out / "encounters.jsonl").read_bytes() == before
    assert again.stdout == done.stdout
    for path in out.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
