"""Commands that the README and the guides show: each exists, with the options it is shown with."""

import ast
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
import typer

from emodiss.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "emodiss" / "guides").glob("*.md"))]
COMMAND = typer.main.get_command(app)


def shown(text: str) -> list[str]:
    """Command lines in blocks of code, and whole ones in code within a sentence."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.M | re.S)
    blocks += re.findall(r"(?:^    .*\n)+", text, re.M)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    return [line.strip() for line in lines if re.match(r"\s*(\w+=\S+ )*emodiss [a-z]", line)]


def parse(line: str) -> None:
    """Parse as the shell and the program would; raises what the program would say."""
    words = shlex.split(line.split(" > ")[0].split(" | ")[0], comments=True)
    words = words[words.index("emodiss") + 1 :]
    command, context = COMMAND, typer.Context(COMMAND, info_name="emodiss")
    while isinstance(command, typer.core.TyperGroup) and words:
        name, *rest = words
        found = command.get_command(context, name)
        if found is None:
            raise ValueError(f"no command {name}")
        words, command = rest, found
        context = typer.Context(command, info_name=name, parent=context)
    words = [word.strip("[]") for word in words if word not in ("...", "…", "[", "]")]
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_shown_are_understood(page):
    wrong = {}
    for line in shown(page.read_text(encoding="utf-8")):
        try:
            parse(line)
        except Exception as fault:
            # A command and an option are named together where the text is about that option.
            if not re.fullmatch(r"Option '(\S+)' requires an argument\.", str(fault)):
                wrong[line] = str(fault)
    assert not wrong


def named(snippet: str) -> set[str]:
    """Names of emodiss that a snippet uses, each from its package down."""
    tree = ast.parse(snippet)
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("emodiss")
        for alias in node.names
    }
    used = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    found = {
        imported[head] + dot + rest
        for head, dot, rest in (name.partition(".") for name in used)
        if head in imported and re.fullmatch(r"[\w.]+", rest)
    }
    found |= {name for name in used if re.fullmatch(r"emodiss(\.\w+)+", name)}
    return found | set(imported.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_shown_compiles_and_names_what_there_is(page):
    for snippet in re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        for name in named(snippet):
            pkgutil.resolve_name(name)


def test_a_wrong_name_in_python_is_found():
    (name,) = named("from emodiss import study\nstudy.no_such(run)") - {"emodiss.study"}
    with pytest.raises(AttributeError):
        pkgutil.resolve_name(name)


def test_a_wrong_command_and_a_wrong_option_are_found():
    for line in ("emodiss annotates a.csv", "emodiss annotate a.csv --presets lite"):
        with pytest.raises(Exception, match=r"annotates|presets"):
            parse(line)
    assert len(shown((ROOT / "README.md").read_text(encoding="utf-8"))) > 15
