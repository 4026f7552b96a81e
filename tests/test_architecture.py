"""The rules of the house that code can check."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from emodiss.runs.perform import result_type
from emodiss.settings import Settings
from emodiss.stages import BY_NAME, STAGES

PACKAGE = Path(__file__).resolve().parents[1] / "emodiss"

SERVICES = ("chat", "models", "runs", "study", "corpus", "plots", "web", "cli", "exports", "demo")
"""Packages with state, weights or pictures; no noun may import them."""

RECORDS = ("emodiss.chat.model", "emodiss.chat.answers")
"""What nouns may import of them: questions, answers, and how an answer is read."""

HEAVY = ("torch", "cv2", "av", "matplotlib", "ray", "whisperx", "onnxruntime", "sklearn", "openai")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path, *, top_level_only: bool) -> set[str]:
    """Names of the modules a file imports; those under TYPE_CHECKING do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()

    def visit(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                found.add(node.module or "")
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                visit(node.orelse)
            elif isinstance(node, ast.If | ast.Try | ast.With):
                for part in ("body", "orelse", "finalbody"):
                    visit(getattr(node, part, []))
                for handler in getattr(node, "handlers", []):
                    visit(handler.body)
            elif not top_level_only and hasattr(node, "body"):
                visit(node.body)

    visit(tree.body)
    return found


@pytest.mark.parametrize("stage", STAGES, ids=lambda s: s.name)
def test_a_stages_function_takes_what_its_row_names_and_nothing_else(stage):
    parameters = inspect.signature(stage.load()).parameters
    expected = set(stage.reads)
    expected |= {"model"} if stage.model else set()
    expected |= {"settings"} if stage.settings else set()
    expected |= {"row"} if stage.row else set()
    expected |= {"source"} if stage.source else set()
    expected |= {"reviews"} if stage.reviews else set()
    expected |= {"role_labels"} if stage.role_labels else set()
    assert set(parameters) == expected
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())
    assert result_type(stage.name) is not None


def test_stages_read_only_what_earlier_ones_make():
    made: set[str] = set()
    for stage in STAGES:
        assert set(stage.reads) <= made, stage.name
        made.add(stage.name)
    assert len(BY_NAME) == len(STAGES)


def test_stages_name_settings_and_tasks_that_exist():
    for stage in STAGES:
        assert set(stage.settings) <= set(Settings.model_fields), stage.name
        if stage.model:
            assert stage.model in type(Settings().models).model_fields


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nouns_import_no_services(path):
    room = path.relative_to(PACKAGE).parts[0]
    if room in (*SERVICES, "__init__.py", "__main__.py"):
        return
    for name in imports(path, top_level_only=False):
        if not name.startswith(RECORDS):
            assert not any(name.startswith(f"emodiss.{s}") for s in SERVICES), name


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_where_they_are_used(path):
    if path.relative_to(PACKAGE).parts[0] == "models" and path.name != "__init__.py":
        return  # adapters are loaded by name, when their model is
    tops = {name.partition(".")[0] for name in imports(path, top_level_only=True)}
    assert not tops & set(HEAVY)


def test_only_one_file_imports_ray():
    users = [p for p in modules() if "ray" in {i.partition(".")[0] for i in everything(p)}]
    assert [p.name for p in users] == ["ray_actors.py"]


def everything(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_nothing_is_pickled_and_no_remote_code_is_trusted():
    for path in modules():
        assert "pickle" not in everything(path), path
        text = path.read_text(encoding="utf-8")
        assert "trust_remote_code=True" not in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert keywords.get("weights_only") == "True", path


@pytest.mark.parametrize(
    "code", ["import emodiss", "import emodiss.cli", "from emodiss import stages"]
)
def test_importing_loads_nothing_heavy(code):
    check = f"{code}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_had():
    import emodiss

    for name in emodiss.__all__:
        assert getattr(emodiss, name) is not None, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = emodiss.nonsense


def test_modules_have_one_room():
    names = {path.stem for path in modules()}
    assert not names & {"utils", "helpers", "common", "misc", "manager"}
    long = {
        str(p.relative_to(PACKAGE)): n
        for p in modules()
        if (n := len(p.read_text().splitlines())) > 720
    }
    assert long == {}
