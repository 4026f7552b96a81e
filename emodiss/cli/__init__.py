"""The command line: one thin function per command; data on stdout, talk on stderr.

Exit status: 0 all done, 1 something failed (it is listed), 2 wrong use or nothing could start.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from emodiss.cli import (
    annotate,
    caption,
    collect,
    curate,
    demo,
    dissonance,
    doctor,
    evaluate,
    export,
    fetch,
    intervene,
    judge,
    label_roles,
    licenses,
    manifest as manifest_commands,
    mirror as mirror_commands,
    models as model_commands,
    output,
    people,
    plot,
    prompts,
    rate,
    report,
    resume,
    review as review_commands,
    serve,
    settings,
    status,
    study,
    table,
)

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


class _BySection(TyperGroup):
    """Lists its commands by what they are for."""

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

models = typer.Typer(
    cls=_Whole,
    help="Models: what there is, under which terms, and what is on this machine.",
    no_args_is_help=True,
)
app.add_typer(models, name="models")
manifest = typer.Typer(
    cls=_Whole,
    help="Manifests of public collections, and lists to share.",
    no_args_is_help=True,
)
app.add_typer(manifest, name="manifest")

review = typer.Typer(
    cls=_Whole,
    help="Reviews: what a person corrects, kept for good; the audit of a sample.",
    no_args_is_help=True,
)
app.add_typer(review, name="review")

app.add_typer(mirror_commands.group(_Whole), name="mirror")

app.command("annotate")(annotate.annotate)
app.command("resume")(resume.resume)
app.command("demo")(demo.demo)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("people")(people.people)
app.command("dissonance")(dissonance.dissonance)
app.command("caption")(caption.caption)
app.command("prompts")(prompts.prompts)
app.command("plot")(plot.plot)
app.command("table")(table.table)
app.command("report")(report.report)
app.command("collect")(collect.collect)
app.command("fetch")(fetch.fetch)
app.command("curate")(curate.curate)
app.command("intervene")(intervene.intervene)
app.command("judge")(judge.judge)
app.command("study")(study.study)
app.command("serve")(serve.serve)
app.command("rate")(rate.rate)
app.command("evaluate")(evaluate.evaluate)
app.command("settings")(settings.settings)
app.command("label-roles")(label_roles.label_roles)
app.command("export")(export.export)
models.command("list")(model_commands.list_models)
models.command("licenses")(licenses.licenses)
models.command("pull")(model_commands.pull_models)
review.command("set")(review_commands.set_review)
review.command("add")(review_commands.add)
review.command("undo")(review_commands.undo)
review.command("list")(review_commands.list_reviews)
review.command("roles")(review_commands.roles)
review.command("sample")(review_commands.sample)
review.command("score")(review_commands.score)
review.command("agreement")(review_commands.agreement)
review.command("import")(review_commands.import_file)
manifest.command("from-annomi")(manifest_commands.from_annomi)
manifest.command("from-hope")(manifest_commands.from_hope)
manifest.command("share")(manifest_commands.share)
manifest.command("licences")(manifest_commands.licences)


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
