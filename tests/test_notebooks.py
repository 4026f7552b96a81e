"""The notebooks run from top to bottom on the demo session, and are kept without outputs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import emodiss

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NAMES = ("01_first_run", "02_figures_3_and_10", "03_prompts", "04_dissonance_threshold")


def test_the_notebooks_are_those_named():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_without_outputs_and_people(name):
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert "attachments" not in cell


@pytest.fixture(scope="module")
def place(demo_session, demo_run, tmp_path_factory) -> Path:
    """A folder `notebooks` beside a finished `demo-run`, as in a checkout after the README."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(demo_session.folder, root / "demo-run" / "demo")
    shutil.copytree(demo_run, root / "demo-run" / "run")
    # From the copies: nothing is built or measured anew.
    session = emodiss.demo.build(root / "demo-run" / "demo")
    emodiss.annotate(session.manifest, out=root / "demo-run" / "run", preset="lite", workers=0)
    (root / "notebooks").mkdir()
    return root / "notebooks"


@pytest.fixture(scope="module")
def executed(place):
    """Run a notebook there, once; return the texts its cells showed."""
    import nbformat
    from nbclient import NotebookClient

    shown: dict[str, str] = {}

    def run(name: str) -> str:
        if name not in shown:
            notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
            client = NotebookClient(
                notebook, timeout=240, kernel_name="python3",
                resources={"metadata": {"path": str(place)}},
            )  # fmt: skip
            # As Jupyter sets it; the tests themselves draw without a screen.
            inline = "module://matplotlib_inline.backend_inline"
            client.execute(env={**os.environ, "MPLBACKEND": inline})
            shown[name] = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
        return shown[name]

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 13 utterances, five of them under a second and one off screen: tests/test_demo_run.py.
        ("01_first_run", ["speech:too_short", "face:off_screen", "image/png", "index.html"]),
        ("02_figures_3_and_10", ["exchanges_in_window", "DAIC-WOZ", "face_affect", "image/png"]),
        (
            "03_prompts",
            ["--- continuous ---", "what can I say?", "Reflection", "difference", "therapist"],
        ),
        (
            "04_dissonance_threshold",
            ["null_rate", "image/png", "invented votes", "in force", "Score(", "n_condition"],
        ),
    ],
)
def test_a_notebook_runs_from_top_to_bottom(executed, name, expected):
    shown = executed(name)
    assert '"output_type": "error"' not in shown
    for text in expected:
        assert text in shown
    assert "Warning" not in shown
