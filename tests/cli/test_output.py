"""Progress in a pipe: a line when long work ends, one every half minute, and none otherwise."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

import emodiss
from emodiss.cli import output
from emodiss.cli.output import ProgressLog


def test_a_long_stage_is_told_of_every_half_minute_and_when_it_ends():
    log = ProgressLog(now=0.0)
    assert log.due(40.0) is None  # nothing is under way
    assert log.moved("faces", 0, 2, 40.0) is None
    assert log.due(41.0) == "faces: 0 of 2 so far, 1 s"
    assert log.moved("faces", 1, 2, 60.0) is None
    assert log.due(70.9) is None
    assert log.due(71.0) == "faces: 1 of 2 so far, 31 s"
    assert log.moved("faces", 2, 2, 94.0) == "faces: 2 of 2 done, 54 s"
    assert log.moved("faces", 2, 2, 95.0) is None  # told once
    assert log.due(1000.0) is None  # between stages there is nothing to tell


def test_what_is_short_or_found_finished_is_not_told():
    log = ProgressLog(now=0.0)
    assert log.moved("media", 0, 2, 0.0) is None
    assert log.moved("media", 2, 2, 9.9) is None
    # Each stage has a clock of its own.
    assert log.moved("audio", 2, 2, 50.0) is None
    assert log.moved("faces", 0, 1, 50.0) is None
    assert log.moved("faces", 1, 1, 60.0) == "faces: 1 of 1 done, 10 s"


def test_stages_that_go_on_side_by_side_keep_their_clocks():
    log = ProgressLog(now=0.0)
    assert log.moved("turns", 0, 1, 0.0) is None
    assert log.moved("faces", 0, 9, 5.0) is None
    assert log.due(31.0) == "faces: 0 of 9 so far, 26 s"
    # Pieces may become known while others are done already.
    assert log.moved("faces", 1, 12, 40.0) is None
    assert log.moved("turns", 1, 1, 50.0) == "turns: 1 of 1 done, 50 s"
    assert log.due(81.0) == "faces: 1 of 12 so far, 76 s"


@pytest.mark.parametrize(("quiet", "told"), [(False, "faces: 0 of 1 so far"), (True, "")])
def test_a_pipe_is_told_while_the_work_goes_on(monkeypatch, capsys, quiet, told):
    monkeypatch.setattr(ProgressLog, "EVERY_S", 0.0)
    # Time passes with the asking: the work ends when the line has come, or had time to.
    said = output.threading.Event()
    monkeypatch.setattr(output, "say", lambda line: (print(line), said.set()))
    with output.progress_bars(quiet=quiet) as report:
        assert (report is None) == quiet
        if report is not None:
            report("faces", 0, 1)
            assert said.wait(30)
            report("faces", 1, 1)
    assert capsys.readouterr().out.startswith(told)
    if quiet:
        assert not said.is_set()


def test_a_table_leaves_out_what_is_empty_and_writes_counts_without_decimals(capsys):
    rows = [{"name": "a", "what": "", "n": 3.0, "v": 0.5}, {"name": "b", "what": None, "n": 1441.0}]
    output.show(rows)
    head, _, *body = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert head == ["name", "n", "v"]
    assert body == [["a", "3", "0.50"], ["b", "1441"]]
    output.show([], columns=["name", "n"])
    assert capsys.readouterr().out.split()[:2] == ["name", "n"]


def test_a_table_for_people_has_units_as_people_write_them_and_no_zero_with_a_minus(capsys):
    row = {"size_mb": -0.004, "cost_usd": -0.0, "peaks_per_s": -0.006, "p_value": 0.5, "s": "x"}
    output.show([row, row | {"size_mb": 1.5}])
    head, _, first, _ = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert re.split(r" {2,}", head.strip()) == [
        "size, MB",
        "cost, USD",
        "peaks per s",
        "p value",
        "s",
    ]
    assert first.split() == ["0.00", "0", "-0.01", "0.50", "x"]
    output.show([row], as_csv=True)
    assert capsys.readouterr().out.splitlines()[0] == "size_mb,cost_usd,peaks_per_s,p_value,s"


def test_no_number_with_a_sign_can_be_written_as_minus_zero():
    source = Path(emodiss.__file__).parent
    signed = re.compile(r"\{[^{}\n]*:\+[.\d]")
    assert signed.search('f"{rise:+.2f}"') and not signed.search('f"{rise:+z.2f}"')
    assert [p.name for p in source.rglob("*.py") if signed.search(p.read_text("utf-8"))] == []


@pytest.mark.parametrize(("terminal", "shown"), [(False, "Ψυχή 😀"), (True, r"\u03a8")])
def test_what_the_locale_of_an_output_lacks_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: str
) -> None:
    from emodiss import cli

    class Written(io.BytesIO):
        def isatty(self) -> bool:
            return terminal

    # Windows gives output that is redirected the letters of one region.
    written = Written()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, "cp1252", write_through=True))
    monkeypatch.setattr(cli, "app", lambda: output.tell("Ψυχή 😀"))
    cli.main()
    text = written.getvalue().decode("cp1252" if terminal else "utf-8")
    assert text.startswith(shown)
