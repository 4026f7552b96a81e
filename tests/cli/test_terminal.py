"""What data say never acts on the terminal they are shown on."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from emodiss.cli import output
from emodiss.errors import RunError

HOSTILE = (
    *("\x1b]0;title\x07", "\x1b[31m", "a\rb", "\x9b31m", "\x90q\x9c", "a\x08b", "\x7f"),
    *("\u202egnp.exe", "\u2066x\u2069", "\u200f", "\u061c", "a\x00b", "a\u2028b"),
)
ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_lines_and_errors_show_codes_in_their_place(text, capsys):
    output.show([{"speaker": text}])
    output.say(text)
    output.explain(RunError(text, next_step=text))
    shown = capsys.readouterr()
    assert ACTIVE.search(shown.out) is None and ACTIVE.search(shown.err) is None
    for character in ACTIVE.findall(text):
        assert ascii(character)[1:-1] in shown.out and ascii(character)[1:-1] in shown.err


def test_a_csv_is_as_it_is_in_a_file_and_harmless_on_a_terminal(capsys, monkeypatch):
    rows = [{"speaker": "\x1b[31mAda", "n": 1}]
    output.show(rows, as_csv=True)
    assert "\x1b[31mAda" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.show(rows, as_csv=True)
    assert capsys.readouterr().out == "speaker,n\n\\x1b[31mAda,1\n"


def test_json_escapes_what_acts_and_keeps_the_value(capsys):
    rows = [{"speaker": text} for text in HOSTILE]
    output.show(rows, as_json=True)
    shown = capsys.readouterr().out
    assert ACTIVE.search(shown) is None and json.loads(shown) == rows


@pytest.mark.parametrize("text", ["Zoë", "שלום", "مرحبا", "日本", "a\tb\nc", "👩‍⚕️"])
def test_words_of_any_script_stay(text):
    assert output.harmless(text) == text


def test_text_for_programs_is_as_it_is_and_harmless_on_a_terminal(capsys, monkeypatch):
    output.tell("\x1b[31mAda")
    assert capsys.readouterr().out == "\x1b[31mAda\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.tell("\x1b[31mAda", end="")
    assert capsys.readouterr().out == "\\x1b[31mAda"


def test_no_command_writes_data_past_these_functions():
    """Whatever a command shows goes through `output`; a fixed text or the version may not."""
    folder = Path(output.__file__).parent
    found = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if path.name == "output.py" or not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            plain = not node.args or isinstance(node.args[0], ast.Constant)
            if called in ("print", "typer.echo", "typer.secho", "sys.stdout.write") and not plain:
                found.append(f"{path.name}: {ast.unparse(node)}")
    assert found == ["__init__.py: typer.echo(__version__)"]
