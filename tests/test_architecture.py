"""The rules of the house that code can check."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import pkgutil
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from emodiss import models
from emodiss.manifest import VideoRow
from emodiss.models import catalog
from emodiss.reviews import Review
from emodiss.reviews.role_labels import RoleLabel
from emodiss.runs.perform import result_type
from emodiss.settings import NAMES, Settings
from emodiss.stages import BY_NAME, STAGES

PACKAGE = Path(__file__).resolve().parents[1] / "emodiss"

LAYERS = (
    ("errors", "arguments", "vocabulary", "timebase", "series", "spelling"),
    ("settings", "presets", "tabular", "registry", "stages"),
    ("chat",),
    (
        *("affect", "clients", "dissonance", "encounters", "faces", "interventions", "judging"),
        *("manifest", "media", "people", "prompts", "ratings", "reviews", "screenplays"),
        *("screening", "statistics", "tracks"),
        *("transcript", "utterances"),
    ),
    ("models",),
    ("runs",),
    ("study", "mirror", "corpus", "exports", "plots", "web", "demo"),
    ("cli",),
)
"""Rooms from the floor up; none imports one of a later line, not even for a type."""

LAYER_OF = {room: i for i, rooms in enumerate(LAYERS) for room in rooms}

RUNS_UP: set[tuple[str, str]] = set()
"""Arrows that run up today; this list may only shrink."""

MOST_FLOORS = 13

OTHER_MEANING = {
    "label_roles.min_confidence",
    *("__init__.channels", "__init__.stride", "adapter.min_frames"),  # of networks
    "__init__.min_speakers",
    "simulate.missing",
    "dissonance_by.compare",
    *("curate.language", "screen.faces", "llava.window"),  # of a collection, of MIRROR
    *("requests.mode", "judge.mode", "score.mode"),  # of a judge
    *("read.strict", "read_annomi.strict"),  # one file read by a person, no run of a hundred
}
"""Parameters and constants that share their name with a setting and mean something else."""

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
    expected |= {dotted.partition(".")[2] for dotted in stage.also}
    expected |= {"row"} if stage.row else set()
    expected |= {"source"} if stage.source else set()
    expected |= {"reviews"} if stage.reviews else set()
    expected |= {"role_labels"} if stage.role_labels else set()
    expected |= {"earlier"} if stage.mends else set()
    assert set(parameters) == expected
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())
    assert result_type(stage.name) is not None


PROTOCOLS = {
    "asr": models.Transcriber,
    "aligner": models.Aligner,
    "diarizer": models.Diarizer,
    "faces": models.FaceDetector,
    "tracker": models.FaceTracker,
    "active_speaker": models.ActiveSpeaker,
    "speech_affect": models.SpeechAffectModel,
    "face_affect": models.FaceAffectModel,
}
"""What a stage asks of the model of each task."""


def without_none(hint: object) -> object:
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    return parts[0] if isinstance(hint, types.UnionType) and len(parts) == 1 else hint


@pytest.mark.parametrize("stage", STAGES, ids=lambda s: s.name)
def test_the_types_of_a_stage_fit_its_row(stage):
    hints = typing.get_type_hints(stage.load())
    for name in stage.reads:
        made = BY_NAME[name]
        skippable = made.model or made.unless or made.only_if or made.off
        # A stage that reads one that may be skipped gets None then.
        assert without_none(hints[name]) == result_type(name), name
        assert hints[name] == result_type(name) or skippable, name
    if stage.settings:
        assert hints["settings"] is Settings.model_fields[stage.settings].annotation
    for dotted in stage.also:
        group, _, name = dotted.partition(".")
        assert hints[name] == Settings.model_fields[group].annotation.model_fields[name].annotation
    if stage.model:
        assert hints["model"] is PROTOCOLS[stage.model]
    if stage.row:
        assert hints["row"] is VideoRow
        assert set(stage.row) <= set(VideoRow.model_fields)
    if stage.source:
        assert hints["source"] is Path
    if stage.reviews:
        assert hints["reviews"] == Sequence[Review]
    if stage.role_labels:
        assert hints["role_labels"] == Sequence[RoleLabel]


def test_stages_read_only_what_earlier_ones_make():
    made: set[str] = set()
    for stage in STAGES:
        assert set(stage.reads) <= made, stage.name
        made.add(stage.name)
    assert len(BY_NAME) == len(STAGES)


def test_stages_name_settings_and_tasks_that_exist():
    for stage in STAGES:
        assert stage.settings is None or stage.settings in Settings.model_fields, stage.name
        assert {*stage.also, *stage.apart} <= set(NAMES), stage.name
        if stage.model:
            assert stage.model in type(Settings().models).model_fields


def rooms_used(path: Path) -> set[str]:
    """Top-level rooms that a file imports: at the top, inside functions and for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found.update(n.split(".")[1] for n in names if n.startswith("emodiss."))
    return {
        room for room in found if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").exists()
    }


def graph() -> dict[str, set[str]]:
    """Which room imports which; the package's own lazy names do not count."""
    found: dict[str, set[str]] = {}
    for path in modules():
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in ("__init__", "__main__"):
            found.setdefault(room, set()).update(rooms_used(path) - {room})
    return found


def floors(arrows: dict[str, set[str]]) -> int:
    """Longest chain of rooms; rooms that import each other in a circle are one floor."""
    reach = {room: set(targets) for room, targets in arrows.items()}
    for via in reach:
        for room in reach:
            if via in reach[room]:
                reach[room] |= reach[via]

    @functools.cache
    def height(room: str) -> int:
        below = [r for r in reach[room] if room not in reach[r]]
        return 1 + max((height(r) for r in below), default=0)

    return max(height(room) for room in reach)


def test_every_room_has_its_layer():
    assert set(graph()) - {"data"} <= set(LAYER_OF)


def test_floors():
    assert floors({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == 3
    assert floors(graph()) <= MOST_FLOORS


def test_no_arrow_runs_up():
    arrows = {(a, b) for a, targets in graph().items() for b in targets}
    up = {(a, b) for a, b in arrows if LAYER_OF[a] < LAYER_OF[b]}
    assert up <= RUNS_UP, "an import from a lower layer to a higher one"
    assert up >= RUNS_UP, "strike these from RUNS_UP: they are mended"


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


def test_stages_that_measure_load_no_pandas():
    check = (
        "import sys\nfrom emodiss.runs.engines import local\nfrom emodiss.stages import STAGES\n"
        "for s in STAGES[:-2]: [s.load(f) for f in (s.function, s.piece, s.join) if f]\n"
        "print([s.name for s in STAGES[-2:]], 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "['utterances', 'prompts'] False"


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


def defaults_of(path: Path) -> Iterator[tuple[bool, str, str, object]]:
    """Whether it is a parameter, place, name and literal value: of parameters and constants."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.FunctionDef):
            given, named = node.args, [*node.args.posonlyargs, *node.args.args]
            last = named[len(named) - len(given.defaults) :]
            pairs += [(a.arg, d) for a, d in zip(last, given.defaults, strict=True)]
            pairs += [(a.arg, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        elif isinstance(node, ast.ClassDef | ast.Module):
            for line in node.body:
                if isinstance(line, ast.AnnAssign | ast.Assign):
                    target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0]
                    pairs.append((ast.unparse(target).lower().removeprefix("_"), line.value))
        for name, default in pairs:
            with contextlib.suppress(ValueError):
                if default is not None:
                    place = getattr(node, "name", path.stem)
                    yield isinstance(node, ast.FunctionDef), place, name, ast.literal_eval(default)


def test_a_setting_has_its_default_in_the_settings_alone():
    """Parameters, fields and constants of its name; None and False say that none is asked for."""
    of_settings: dict[str, list[object]] = {}
    for group in Settings.model_fields.values():
        # `options` are those of other packages' models.
        for name, field in getattr(group.annotation, "model_fields", {}).items():
            of_settings.setdefault(name, []).append(field.default)
    written = {
        f"{place}.{name}"
        for path in modules()
        if path.name != "settings.py"
        for is_parameter, place, name, default in defaults_of(path)
        if default not in (None, False)
        if (name in of_settings if is_parameter else default in of_settings.get(name, ()))
    }
    assert written - OTHER_MEANING == set()
    assert OTHER_MEANING - written == set(), "strike these from OTHER_MEANING"


def test_adapters_take_their_options_as_the_group_that_declares_them():
    taken: list[tuple[str, str]] = []
    for card in catalog.CATALOG.values():
        if card.group:
            own = set(Settings.model_fields[card.group].annotation.model_fields)
            family = PACKAGE.parent / Path(*card.loader.partition(":")[0].split(".")).parent
            for path in family.glob("*.py"):
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                        given = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
                        taken.append((card.name, path.name))
                        assert not own & given, (card.name, path.name)
    assert len(taken) > 10


GUIDES = PACKAGE / "guides"


def test_the_guide_draws_the_layers_and_names_files_that_exist():
    guide = (GUIDES / "architecture.md").read_text(encoding="utf-8")
    picture, rest = guide.split("```")[1:]
    drawn = [room for room in re.findall(r"(\w+)(?:/|\.py)", picture) if room in LAYER_OF]
    assert set(drawn) == set(LAYER_OF) - {"tracks"}  # an older name of a part of faces
    floors = [LAYER_OF[room] for room in drawn]
    assert floors == sorted(floors, reverse=True)
    paths = re.findall(r"`([\w/]+(?:/|\.py|\.jinja))`", rest)
    assert len(paths) > 40
    assert [path for path in paths if not (PACKAGE / path).exists()] == []


def test_guides_and_notebooks_name_only_what_can_be_imported():
    root = PACKAGE.parent
    texts = [root / "README.md", *GUIDES.glob("*.md"), *(root / "notebooks").glob("*.ipynb")]
    texts += (PACKAGE / "models" / "weights").glob("*.md")
    named = {
        name
        for path in texts
        for name in re.findall(r"\bemodiss(?:\.[A-Za-z_]\w*)+", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 25
    for name in sorted(named):
        pkgutil.resolve_name(name)


def test_tests_call_no_private_function_of_a_module():
    found: set[str] = set()
    for path in Path(__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules_by_name: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emodiss"):
                for alias in node.names:
                    modules_by_name[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                    if re.match("_[a-z]", alias.name):
                        found.add(f"{node.module}.{alias.name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = modules_by_name.get(node.value.id, "")
                is_module = (PACKAGE.parent / name.replace(".", "/")).with_suffix(".py").is_file()
                if is_module and re.match("_[a-z]", node.attr):
                    found.add(f"{name}.{node.attr}")
    assert found == set()
