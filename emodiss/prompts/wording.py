"""Templates: find one by name or path, compile it in a sandbox, fill it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from emodiss.errors import SettingsError, nearest
from emodiss.prompts.records import Channel, PromptError, Turn
from emodiss.registry import CONDITIONS, KINDS
from emodiss.settings import assigned

TEMPLATE_SUFFIXES = (".jinja", ".jinja2", ".j2", ".txt")
_MAX_TEMPLATE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Template:
    """A template and where it came from.

    Parameters
    ----------
    source
        Jinja2 text.
    own
        Whether it is a researcher's own, and says itself what it shows.
    """

    condition: str
    name: str
    source: str
    own: bool = True

    @property
    def sha256(self) -> str:
        """Hash of the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()


def read_templates(folder: str | Path) -> dict[str, str]:
    """Read a researcher's own templates: file name to text, sorted by name.

    Parameters
    ----------
    folder
        Every file in it that ends in `.jinja`, `.jinja2` or `.j2` is a template.

    Raises
    ------
    PromptError
        If the folder holds none, one cannot be read or parsed, or two are for one condition.
    """
    paths = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
    found = [_read_template(path) for path in paths if path.suffix in TEMPLATE_SUFFIXES[:-1]]
    if not found:
        raise PromptError(
            f"The folder '{Path(folder).name}' holds no template.",
            next_step=f"Put files into it that end in {', '.join(TEMPLATE_SUFFIXES[:-1])}.",
            code="prompt_template",
        )
    conditions = [template.condition for template in found]
    for template in found:
        _compiled(template.name, template.source)
        if conditions.count(template.condition) > 1:
            raise PromptError(
                f"The folder '{Path(folder).name}' holds two templates for the condition "
                f"'{template.condition}'.",
                next_step="Keep one of them; the condition is the file name up to its first dot.",
                code="prompt_template",
            )
    return {template.name: template.source for template in found}


def with_templates(assignments: Iterable[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Read the folder that settings may name in `prompts.templates`; the rest stays as it is.

    Raises
    ------
    SettingsError
        If a text has no `=`, or the folder is at fault (see `read_templates`).
    """
    found = assigned(assignments)
    folder = found.get("prompts.templates")
    if isinstance(folder, str | Path):
        try:
            found["prompts.templates"] = read_templates(folder)
        except PromptError as fault:
            raise SettingsError(fault.what, next_step=fault.next_step) from None
    return found


def load_template(kind: str | Path, templates: Mapping[str, str] | None = None) -> Template:
    """Find a template by name or path; its condition is the file name up to its first dot.

    Parameters
    ----------
    kind
        One of `CONDITIONS`, a path, or the name of a file in `templates` with or without suffix.
    templates
        Texts of further templates, by file name.

    Raises
    ------
    PromptError
        If there is none, it cannot be read, or it takes the name of a built-in condition.
    """
    name = str(kind)
    if name in KINDS:
        return built_in(name)
    found = templates or {}
    for candidate in (name, *(name + suffix for suffix in TEMPLATE_SUFFIXES)):
        if candidate in found:
            return Template(candidate.split(".")[0], candidate, found[candidate])
    if name in CONDITIONS:  # not the paper's: a file of this name, which older projects may have,
        return built_in(name)  # goes before
    if (
        isinstance(kind, Path)
        or Path(name).suffix in TEMPLATE_SUFFIXES
        or len(Path(name).parts) > 1
    ):
        if Path(name).is_file():
            return _read_template(Path(name))
        raise PromptError(
            f"There is no template file '{name}'.",
            next_step="Give the path of an existing file or a condition. "
            + nearest(Path(name).stem, (*CONDITIONS, *(entry.split(".")[0] for entry in found))),
            code="prompt_condition",
        )
    raise PromptError(
        f"Unknown condition '{name}'.",
        next_step=nearest(name, (*CONDITIONS, *(entry.split(".")[0] for entry in found)))
        + " A further condition is a template file: give its path.",
        code="prompt_condition",
    )


@lru_cache(maxsize=64)
def built_in(name: str) -> Template:
    """Read a template that comes with the package."""
    source = (resources.files("emodiss") / "templates" / f"{name}.jinja").read_text("utf-8")
    return Template(condition=name, name=f"{name}.jinja", source=source, own=False)


def _read_template(path: Path) -> Template:
    condition = path.name.split(".")[0]
    if condition in KINDS or not condition:
        raise PromptError(
            f"The template file '{path.name}' takes the name of the built-in condition "
            f"'{condition}', whose results must stay comparable.",
            next_step="Give the file another name, for example 'my_"
            + (condition or "own")
            + ".jinja'.",
            code="prompt_condition",
        )
    try:
        if path.stat().st_size > _MAX_TEMPLATE_BYTES:
            raise PromptError(
                f"The template file '{path.name}' is larger than {_MAX_TEMPLATE_BYTES} bytes.",
                next_step="Check that it is a template and not a transcript.",
                code="prompt_template",
            )
        source = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise PromptError(
            f"The template file '{path.name}' cannot be read: {type(fault).__name__}.",
            next_step="It must be a readable text file in UTF-8.",
            code="prompt_template",
        ) from None
    return Template(condition=condition, name=path.name, source=source)


@lru_cache(maxsize=64)
def _compiled(name: str, source: str) -> Any:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Plain text, so nothing is escaped. No loader: the hash of one file then covers the wording.
    environment = ImmutableSandboxedEnvironment(
        autoescape=False, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as fault:
        raise PromptError(
            f"The template '{name}' has a fault in line {fault.lineno}: {fault.message}",
            next_step="Correct that line; the syntax is that of Jinja2.",
            code="prompt_template",
        ) from None
    except Exception as fault:  # a number of thousands of digits, or blocks in blocks in blocks
        raise PromptError(
            f"The template '{name}' cannot be read: {type(fault).__name__}.",
            next_step="Make it shorter and simpler.",
            code="prompt_template",
        ) from None


def render(template: Template, values: dict[str, Any]) -> str:
    """Fill a template."""
    import jinja2

    compiled = _compiled(template.name, template.source)
    try:
        text = compiled.render(values).strip()
    except jinja2.UndefinedError as fault:
        names = [*values, *(field.name for field in fields(Turn))]
        names += [field.name for field in fields(Channel)]
        quoted = re.findall(r"'([^']*)'", str(fault))
        raise PromptError(
            f"The template '{template.name}' asks for something that does not exist: {fault}.",
            next_step=nearest(quoted[-1] if quoted else "", names),
            code="prompt_template",
        ) from None
    except Exception as fault:  # whatever a user's template does, the user hears which template
        reason = str(fault) if isinstance(fault, jinja2.TemplateError) else ""
        raise PromptError(
            f"The template '{template.name}' failed: {type(fault).__name__} {reason}".strip() + ".",
            next_step="Correct the template; it may only read the values that it is given.",
            code="prompt_template",
        ) from None
    if not text:
        raise PromptError(
            f"The template '{template.name}' gave an empty prompt.",
            next_step="It must print the dialogue: {% for turn in turns %} ... {% endfor %}.",
            code="prompt_template",
        )
    return text
