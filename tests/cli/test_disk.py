"""A disk that takes nothing is named by every command, and so is the file where one is known."""

from __future__ import annotations

import errno

import pytest

from emodiss import cli


def ended(monkeypatch, capsys, fault, *, code):
    """What a command says that ends with a fault."""

    def app() -> None:
        raise fault

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == code
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "A file cannot be used: No space"),
        (OSError(errno.ENOSPC, "No space left on device", "a.csv"), "'a.csv' cannot be used: No"),
        (OSError(errno.EROFS, "Read-only file system", b"a.csv"), "'a.csv' cannot be used: Read"),
        (OSError(errno.ESTALE, "Stale file handle", "a.csv"), "'a.csv' cannot be used: Stale"),
    ],
)
def test_errors_of_the_disk_are_messages(monkeypatch, capsys, fault, said):
    shown = ended(monkeypatch, capsys, fault, code=1)
    assert said in shown
    assert "room" in shown


def test_what_is_of_no_disk_is_no_message(monkeypatch):
    def app() -> None:
        raise OSError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(OSError, match="refused"):
        cli.main()


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
        RuntimeError("[ONNXRuntimeError] : Failed to allocate memory for requested buffer"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_memory_that_ran_out_is_named(monkeypatch, capsys, fault):
    shown = ended(monkeypatch, capsys, fault, code=2)
    assert "not enough memory" in shown and "fewer workers" in shown


@pytest.mark.parametrize("fault", [ImportError("no module x"), RuntimeError("odd"), OSError("odd")])
def test_what_is_no_want_of_memory_is_no_message(monkeypatch, fault):
    def app() -> None:
        raise fault

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(type(fault)):
        cli.main()
