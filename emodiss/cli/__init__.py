"""The command line: one thin function per command; data on stdout, talk on stderr.

Exit status: 0 all done, 1 something failed (it is listed), 2 wrong use or nothing could start.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

from emodiss.cli import help_types, output

# Set before anything can import pyannote: its telemetry is on by default.
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
# Commands write figures and open no window. The library leaves the backend to its user.
os.environ["MPLBACKEND"] = "Agg"

SECTIONS = {
    "Annotate": ("annotate", "resume", "demo", "status"),
    "Look": ("people", "dissonance", "table", "plot", "report", "export"),
    "Correct": ("serve", "review", "label-roles"),
    "Ask and rate": ("caption", "prompts", "intervene", "judge", "study", "rate", "evaluate"),
    "Simulate": ("mirror",),
    "Collect": ("collect", "fetch", "curate", "manifest"),
    "Set up": ("settings", "models", "doctor"),
}
"""Commands by what they are for, as `--help` lists them."""


GROUPS: dict[str, tuple[str, dict[str, str]]] = {
    "models": (
        "Models: what there is, under which terms, and what is on this machine.",
        {
            "list": "models:list_models",
            "licenses": "licenses:licenses",
            "pull": "models:pull_models",
        },
    ),
    "manifest": (
        "Manifests of public collections, and lists to share.",
        {
            "from-annomi": "manifest:from_annomi",
            "from-hope": "manifest:from_hope",
            "share": "manifest:share",
            "licences": "manifest:licences",
        },
    ),
    "review": (
        "Reviews: what a person corrects, kept for good; the audit of a sample.",
        {
            "set": "review:set_review",
            "add": "review:add",
            "undo": "review:undo",
            "list": "review:list_reviews",
            "roles": "review:roles",
            "sample": "review:sample",
            "score": "review:score",
            "agreement": "review:agreement",
            "import": "review:import_file",
        },
    ),
    "mirror": (
        "Simulated sessions with resistant clients, after Kim et al. (2025): one experiment in one "
        "folder. For research; no simulated therapist is fit to treat anyone.",
        # In the order of an experiment.
        {
            name: f"mirror.{name.replace('-', '_')}:{name.replace('-', '_')}"
            for name in (
                *("profiles", "screenplays", "expressions", "faces", "screen", "simulate"),
                *("judge", "pairs", "evaluate", "pages", "annomi", "training-data", "demo"),
            )
        },
    ),
}
"""Commands that hold others: what they are for, and where each of these is, as `FILE:FUNCTION`."""


class _Commands(Mapping[str, Any]):
    """Commands by name; the file of one is read when somebody asks for it.

    All of them take a third of the time in which a short command is done.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._read: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = _group(name) if name in GROUPS else _command(self._places[name])
        return self._read[name]


def _group(name: str) -> TyperGroup:
    about, places = GROUPS[name]
    group = _Whole(name=name, help=about, no_args_is_help=True, rich_markup_mode=None)
    group.commands = _Commands(places)  # pyright: ignore[reportAttributeAccessIssue]
    return group


def _command(place: str) -> Any:
    file, _, function = place.partition(":")
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command()(getattr(importlib.import_module(f"emodiss.cli.{file}"), function))
    return help_types.spoken(typer.main.get_command(alone))


class _BySection(TyperGroup):
    """Lists its commands by what they are for."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        names = [name for section in SECTIONS.values() for name in section]
        places = {name: f"{name.replace('-', '_')}:{name.replace('-', '_')}" for name in names}
        self.commands = _Commands(places)  # pyright: ignore[reportAttributeAccessIssue]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section of `--help` for each of `SECTIONS`, first sentences in full."""
        for section, names in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, _first(self.commands[name])) for name in names])


class _Whole(TyperGroup):
    """Lists its commands with their first sentences in full."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands of the group."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first(each)) for name, each in self.commands.items()])


def _first(command: Any) -> str:
    """Return the first sentence of a command's help; cut at the width, it says too little."""
    return command.get_short_help_str(limit=1000)


# What a write says without naming its file.
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE)

app = typer.Typer(
    name="emodiss",
    cls=_BySection,
    help="Measure emotional dissonance between voice and face in conversations. Research only; "
    "not a medical device.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        from emodiss import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; every foreseen error becomes one message and an exit status."""
    from emodiss.errors import (
        DiskError,
        EmodissError,
        MissingExtra,
        OutOfMemory,
        is_out_of_memory,
    )

    output.write_every_letter()
    try:
        app()
    except EmodissError as error:
        sys.exit(output.explain(error))
    except ModuleNotFoundError as error:
        package = (error.name or "emodiss").partition(".")[0]
        if package == "emodiss" or package in sys.stdlib_module_names:
            raise
        sys.exit(output.explain(MissingExtra.of(package, extra_of(package))))
    except SystemExit as ended:
        # Typer makes an exit of Ctrl-C without a word; what said how to go on has no such cause.
        if isinstance(getattr(ended.__context__, "__cause__", None), KeyboardInterrupt):
            output.say("emodiss: stopped; run the same command again to go on.")
        raise
    except KeyboardInterrupt:
        output.say("emodiss: stopped; run the same command again to go on.")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe, such as head, has seen enough.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.exit(0)
    except OSError as error:
        if error.filename is None and error.errno not in _OF_DISKS:
            if is_out_of_memory(error):
                sys.exit(output.explain(OutOfMemory.of_this_process()))
            raise
        sys.exit(output.explain(DiskError.of(error)))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sys.exit(output.explain(OutOfMemory.of_this_process()))


_BROUGHT_BY = {
    "cv2": "opencv-python-headless",
    "ffmpeg": "ffmpeg-python",
    "markdown_it": "markdown-it-py",
    "multipart": "python-multipart",
    "scenedetect": "scenedetect-headless",
    "skimage": "scikit-image",
    # What comes with a package that an extra names.
    **dict.fromkeys(("asteroid_filterbanks", "faster_whisper", "nltk", "pyannote"), "whisperx"),
    **dict.fromkeys(("safetensors", "tokenizers", "yaml"), "transformers"),
}
"""Packages by the name they are imported by, where another is installed for them."""


def extra_of(package: str) -> str:
    """Name the extra that brings a package, from what the installed metadata say.

    Of several that do, the one that `annotate` needs anyway, else the smallest.
    """
    import importlib.metadata
    import re

    name = _BROUGHT_BY.get(package, package).replace("_", "-")
    brings: dict[str, list[str]] = {"all": []}
    for line in importlib.metadata.requires("emodiss") or ():
        if found := re.match(r"([\w.-]{1,100}).*extra == ['\"]([\w-]+)['\"]", line):
            brings.setdefault(found[2], []).append(found[1])
    able = [extra for extra, names in brings.items() if name in names]
    usual = ("media", "models")
    return min(able, key=lambda extra: (extra not in usual, len(brings[extra])), default="all")
