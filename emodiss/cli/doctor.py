"""What `emodiss doctor` looks at."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from emodiss import __version__, presets
from emodiss.cli import output
from emodiss.cli.options import AsJson, Preset

_HASHES = re.compile(r",?sha256[-:][0-9a-f]+")

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    # `ok`, `note` (works, but a person should know) or `missing`.
    state: State
    found: str
    # What to do; empty when nothing is.
    next_step: str = ""


def examine(*, preset: str, folder: Path) -> list[Finding]:
    """Look at everything a run with this preset needs."""
    return [
        _versions(),
        _ffmpeg(),
        _decoder(),
        opencv(),
        _memory(),
        graphics(),
        _disk(folder),
        javascript(),
        _token(preset),
        *weights(preset),
    ]


def _versions() -> Finding:
    found = f"{__version__}, Python {platform.python_version()}"
    if importlib.util.find_spec("torch") is not None:
        found += f", torch {importlib.metadata.version('torch')}"
    return Finding("emodiss", "ok", found)


def _ffmpeg() -> Finding:
    try:
        import imageio_ffmpeg

        path = imageio_ffmpeg.get_ffmpeg_exe()
        version = imageio_ffmpeg.get_ffmpeg_version()
    except (ImportError, RuntimeError):
        return Finding(
            "ffmpeg", "missing", "no ffmpeg program", 'Install it: pip install "emodiss[media]".'
        )
    bundled = "bundled" if "imageio_ffmpeg" in path else "of the system"
    return Finding("ffmpeg", "ok", f"{version}, {bundled}")


def _decoder() -> Finding:
    if importlib.util.find_spec("av") is None:
        return Finding("PyAV", "missing", "", 'Install it: pip install "emodiss[media]".')
    return Finding("PyAV", "ok", importlib.metadata.version("av"))


def opencv() -> Finding:
    """Look for OpenCV, and for a second build of it."""
    found = importlib.metadata.distributions()
    names = {str(one.metadata["Name"]).lower(): one.version for one in found}
    builds = sorted(name for name in names if name.startswith("opencv-"))
    if not builds:
        return Finding("OpenCV", "missing", "", 'Install it: pip install "emodiss[media]".')
    shown = ", ".join(f"{name} {names[name]}" for name in builds)
    # Builds write the same files, so removing one breaks the other; those with windows need
    # libraries of a desktop.
    step = f"Keep one: pip uninstall -y {' '.join(builds)}; pip install opencv-python-headless."
    try:
        importlib.import_module("cv2")
    except ImportError as error:
        return Finding("OpenCV", "missing", f"{shown}: {error}", step)
    if len(builds) > 1:
        return Finding("OpenCV", "note", shown, step)
    return Finding("OpenCV", "ok", shown)


def _memory() -> Finding:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return Finding("memory", "note", "cannot be read on this system")
    total = pages * size / 2**30
    if total < 4:
        return Finding("memory", "note", f"{total:.1f} GiB", "Use --workers 1 and short videos.")
    return Finding("memory", "ok", f"{total:.1f} GiB")


def graphics() -> Finding:
    """Look for a GPU."""
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", "note", "torch is not installed", "Runs on the CPU.")
    none = Finding("GPU", "note", "none", "Runs on the CPU; preset paper is slow there.")
    if not has_driver():
        return none
    import torch

    if not torch.cuda.is_available():
        return none
    name = torch.cuda.get_device_name(0)
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return Finding("GPU", "ok", f"{name}, {memory:.0f} GiB; use --device cuda")


def has_driver() -> bool:
    """Whether a driver of NVIDIA or AMD is here; torch takes seconds to load and finds no more."""
    if Path("/dev/kfd").exists() or Path("/dev/dxg").exists():
        return True
    for name in ("libcuda.so.1", "nvcuda.dll"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def _disk(folder: Path) -> Finding:
    here = folder.absolute()
    while not here.exists():
        here = here.parent
    free = shutil.disk_usage(here).free / 2**30
    if free < 2:
        return Finding("disk", "note", f"{free:.1f} GiB free", "Make room; an hour needs 0.3 GiB.")
    return Finding("disk", "ok", f"{free:.0f} GiB free")


def javascript() -> Finding:
    """Look for what downloads from YouTube need."""
    # yt-dlp needs a runtime and its own scripts for YouTube since 2025.11; other sites do without.
    from emodiss.media import fetch

    step = 'Only needed to download from YouTube: pip install "emodiss[youtube]".'
    if importlib.util.find_spec("yt_dlp") is None:
        return Finding("JavaScript", "note", "yt-dlp is not installed", step)
    found = fetch.runtimes()
    shown = ", ".join(f"{r.name} {r.version}{'' if r.supported else ' (too old)'}" for r in found)
    shown = shown or "no runtime"
    scripts, wanted = fetch.challenge_scripts()
    if scripts is None:
        return Finding("JavaScript", "note", f"{shown}; no package yt-dlp-ejs", step)
    if not fetch.scripts_fit(scripts, wanted):
        own = importlib.metadata.version("yt-dlp")
        trouble = f"{shown}; yt-dlp-ejs {scripts} does not fit yt-dlp {own}"
        step = f'For YouTube: pip install "yt-dlp-ejs=={wanted}".'
        return Finding("JavaScript", "note", trouble, step)
    shown += f"; yt-dlp-ejs {scripts}"
    if any(r.supported for r in found):
        return Finding("JavaScript", "ok", shown)
    return Finding("JavaScript", "note", shown, step)


def _token(preset: str) -> Finding:
    from emodiss import presets
    from emodiss.settings import resolve

    needed = resolve(presets.changes_of(preset)).models.diarizer == "pyannote-community-1"
    if os.environ.get("HF_TOKEN"):
        return Finding("HF_TOKEN", "ok", "set")
    if not needed:
        return Finding("HF_TOKEN", "ok", f"not set, and not needed by preset {preset}")
    return Finding(
        "HF_TOKEN",
        "note",
        "not set",
        "Needed once to fetch pyannote community-1: accept its terms, then export HF_TOKEN.",
    )


def weights(preset: str) -> list[Finding]:
    """Look for the models of a preset, and for packages whose models are left out."""
    from emodiss import presets
    from emodiss.models import catalog
    from emodiss.settings import resolve

    findings: list[Finding] = []
    for task, entry in catalog.chosen(resolve(presets.changes_of(preset))).items():
        name = f"{task}: {entry.name}"
        if not entry.installed:
            step = f'Install it: pip install "emodiss[{entry.extra}]".'
            findings.append(Finding(name, "missing", f"package {entry.package}", step))
        elif entry.missing():
            step = f"Fetch it with: emodiss models pull {entry.name}. Or use {entry.instead}."
            findings.append(Finding(name, "missing", "not fetched yet", step))
        elif entry.place != "package" and catalog.verify(entry):
            step = "Install emodiss again."
            if entry.place != "shipped":
                step = f"Delete {entry.fetched_folder}, then: emodiss models pull {entry.name}."
            findings.append(Finding(name, "missing", "weights are damaged", step))
        else:
            findings.append(Finding(name, "ok", entry.identity))
    for problem in catalog.problems():
        findings.append(Finding("other models", "note", problem.what, problem.next_step))
    return findings


def doctor(
    preset: Preset = presets.DEFAULT,
    out: Annotated[Path, typer.Option(help="Where runs will be written.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Check ffmpeg, memory, GPU, token, weights and disk before hours are spent.

    For the report of a fault, --json: versions, system and models, nothing of what was annotated.
    """
    findings = examine(preset=preset, folder=out)
    rows = [asdict(finding) for finding in findings]
    if not as_json:  # hashes are for the report of a fault
        rows = [row | {"found": _HASHES.sub("", row["found"]).rstrip("@")} for row in rows]
    output.show(rows, as_json=as_json)
    missing = [finding.what for finding in findings if finding.state == "missing"]
    if not as_json:
        output.say(f"Missing: {', '.join(missing)}." if missing else f"Ready for preset {preset}.")
    raise typer.Exit(1 if missing else 0)
