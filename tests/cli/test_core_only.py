"""With the core packages alone, every command ends in a result or names the extra to install."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from emodiss.cli import extra_of
from tests.test_installation import imported

CORE = {
    *("filelock", "jinja2", "matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "rich"),
    *("scipy", "threadpoolctl", "typer", "vaderSentiment"),
    *("PIL", "markdown_it", "markupsafe", "packaging", "requests"),  # come with the former
}
"""Packages that the wheel brings without any extra; names as they are imported."""

COMMANDS = {
    "status RUN": None,
    "people RUN": None,
    "table RUN 1": None,
    "plot RUN fig2": "media",
    "plot RUN fig3": None,
    "plot RUN fig10": None,
    "plot RUN contact-sheet": "media",
    "report RUN": None,
    "export RUN --format eaf -o OUT": None,
    "export RUN --format textgrid -o OUT": "export",
    "export RUN --format methods -o OUT": None,
    "prompts RUN": None,
    "prompts RUN --kind video": "media",
    "intervene RUN --model m --base-url http://127.0.0.1:9/v1": "llm",
    "intervene RUN --local smollm2-135m": "llm-local",
    "label-roles RUN --model m --base-url http://127.0.0.1:9/v1": "llm",
    "serve RUN": "web",
    "review roles RUN": None,
    "models list": None,
    "doctor": "models",
    "demo --out OUT/demo": "demo",
    "annotate FILM --out OUT/new": "models",
    "collect therapy -o OUT/c.csv": "media",
    "mirror demo OUT/mirror": "demo",
}
"""Command and the extra that it needs; None where it gives a result."""

SCRIPT = """
import contextlib, io, json, sys

class Absent:
    names = frozenset(json.loads(sys.argv[1]))
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Absent())
import importlib.util
known = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: (
    None if name.partition(".")[0] in Absent.names else known(name, *more))
from emodiss.cli import main
ended = {}
for line in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["emodiss", *line.split()]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    ended[line] = code, out.getvalue() + err.getvalue()
print(json.dumps(ended))
"""


def brought_by(extra: str) -> set[str]:
    """Distributions that the wheel brings with one extra, and what they bring in turn."""
    found: set[str] = set()
    open_ends = [("emodiss", frozenset({extra}))]
    while open_ends:
        name, extras = open_ends.pop()
        with contextlib.suppress(metadata.PackageNotFoundError):  # of other systems
            for line in metadata.requires(name) or ():
                asked = Requirement(line)
                wanted = [asked.marker is None or asked.marker.evaluate({"extra": e})
                          for e in ("", *extras)]  # fmt: skip
                key = f"{canonicalize_name(asked.name)}{sorted(asked.extras)}"
                if any(wanted) and key not in found:
                    found |= {key, canonicalize_name(asked.name)}
                    open_ends.append((asked.name, frozenset(asked.extras)))
    return found


def test_the_extra_that_a_message_names_brings_the_package():
    holders = metadata.packages_distributions()
    known = {extra: brought_by(extra) for extra in metadata.metadata("emodiss").get_all(
        "Provides-Extra")}  # fmt: skip
    wrong = {}
    optional = {"IPython", "tiktoken"}  # used where they are, asked for nowhere
    for package in sorted(imported() - CORE - optional):
        extra = extra_of(package)
        names = {canonicalize_name(name) for name in holders.get(package, [])}
        if extra == "all" or not names & known[extra]:
            wrong[package] = extra
    assert not wrong
    some = ("torch", "cv2", "transformers", "skimage", "multipart")
    assert [extra_of(name) for name in some] == ["models", "media", "models", "demo", "web"]


@pytest.fixture
def ended(study, tmp_path, finished_run) -> dict[str, tuple[int, str]]:
    places = {"RUN": finished_run, "OUT": tmp_path / "out", "FILM": study / "a.mp4"}
    lines: dict[str, str] = {}
    for command in COMMANDS:
        line = command
        for name, place in places.items():
            line = line.replace(name, str(place))
        lines[line] = command
    # The demo reads files of a package that it does not import.
    absent = sorted((imported() | {"skimage"}) - CORE)
    assert {"av", "cv2", "torch", "openai", "starlette", "statsmodels"} <= set(absent)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(absent), json.dumps(list(lines))],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {lines[line]: tuple(end) for line, end in json.loads(done.stdout).items()}


def test_every_command_ends_in_a_result_or_names_its_extra(ended):
    wrong = {}
    for command, extra in COMMANDS.items():
        code, said = ended[command]
        good = code == 0 if extra is None else code != 0 and f"emodiss[{extra}]" in said
        if not good:
            wrong[command] = code, said[-400:]
    assert not wrong
