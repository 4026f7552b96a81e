"""Annotate the videos of a manifest: find them, do what is to be done, gather the tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emodiss import manifest as manifests
from emodiss.errors import ManifestError, RunError, as_path
from emodiss.manifest import Manifest, VideoRow
from emodiss.media import fetch
from emodiss.runs import agenda, engines, fetching, layout, memory, seals, sources, tables
from emodiss.runs.files import room_needed
from emodiss.runs.progress import Progress, in_notebook, shown
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.run import Run, problem_outcome
from emodiss.runs.sources import Source
from emodiss.runs.store import Outcome, Store
from emodiss.runs.versions import installed
from emodiss.runs.work import Work
from emodiss.settings import Settings
from emodiss.stages import Stage

_NAMED = 5
"""How many videos are named in a line about more of them."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """What is to be done about one stage of one video."""

    video: str
    stage: str
    # `cached`, `skipped`, `to do`, or `missing file` where it would fail or be blocked for want of
    # a file that the manifest names.
    status: str
    # Why it is skipped; which file is missing.
    reason: str = ""


def annotate(
    manifest: manifests.Inputs,
    *,
    out: str | Path | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    workers: int | None = None,
    engine: str = "local",
    address: str | None = None,
    device: str = "cpu",
    threads: int = 1,
    offline: bool = False,
    allow_local: bool = False,
    absent: memory.Absent = "stop",
    progress: Progress | bool | None = None,
    announce: Callable[[str], None] | None = None,
) -> Run:
    """Annotate every usable row of a manifest, or media files.

    Parameters
    ----------
    manifest
        Path of a CSV, or a manifest already read; a media file, a folder of them, or several.
    out
        Run folder; made when it does not exist, continued when it does. By default it lies beside
        what is handed in (`emodiss.manifest.run_folder`).
    preset
        `lite`, `paper`, `paper-raw` or `fast`. By default a run that exists goes on with its own
        preset and settings, and a new one takes `lite`.
    settings
        Changes on top of the preset, or on top of the settings of the run that goes on:
        `{"dissonance.threshold": 0.4}` or `["name=value", ...]`.
    workers
        Worker processes; default is one per core where there is work for it, and on Ray as many
        as the cluster's cores or GPUs allow. 0 works in this process (not on Ray).
    engine
        `local` or `ray`.
    address
        Of a Ray cluster, such as `auto` or `ray://head:10001`; by default `RAY_ADDRESS`, or else
        Ray is started on this machine.
    device
        `cpu` or `cuda`.
    threads
        CPU threads per model. Another number may change the last bits of a result.
    offline
        Fetch no video either; a row whose address was never fetched fails with code `offline`.
        Weights are never fetched here, only by `emodiss models pull`.
    allow_local
        Open files outside the manifest's folder too. Without it, a row that names one fails and
        the others do not, since a manifest from somebody else must not make this machine read or
        copy files elsewhere on it. A run that goes on needs it again. It changes no result.
    absent
        What becomes of videos of the run that are not handed in: `stop` does nothing and says so,
        `keep` leaves their rows in the tables as they were measured, `drop` takes them out; their
        artifacts stay in any case.
    progress
        Called after each job. If not given, a notebook shows bars; True shows progress on stderr
        elsewhere too, False shows none.
    announce
        Called with each line a person should see before work starts, such as manifest problems.
        If not given, a notebook prints them.

    Returns
    -------
    Run
        The run folder, ready to read. `run.failures` lists what went wrong. The figures that the
        command draws besides: `emodiss.plots.draw_all(run)`.

    Raises
    ------
    ManifestError, SettingsError, ModelMissing
        Before any work, when it cannot start.
    RunError
        If another process works on the folder, the disk is full, or videos of the run are not
        handed in and `absent` does not say what is meant.
    """
    say = announce or (print if in_notebook() else lambda _line: None)
    read = manifests.opened(manifest, allow_local=allow_local)
    choice = memory.choose(read, out, preset, settings, absent=absent)
    store, chosen = Store(choice.root), choice.settings
    work = Work(store, chosen, device, max(1, threads))
    for problem in read.problems:
        say(str(problem))
    if not read.rows:
        read.raise_problems()
        raise ManifestError(
            "The manifest has no rows.", next_step="Add one line per video: id,path."
        )
    _check_folder(store.root)
    for line in choice.said:
        say(line)
    with room_needed(), store.lock():
        # One for both: no media file is read twice to know its content.
        hashes = sources.Hashes(store)
        found = _known_sources(read, store, chosen, hashes)
        for line in _beside(read, found):
            say(line)
        work.discard_damaged(found, say)
        if store.renew_outcomes([*choice.kept, *(source.row.id for source in found)]):
            say(f"{layout.OUTCOMES} is damaged and is made anew; how long stages took is lost")
        work.require_models(found, here=engine != "ray")
        _record(work, read, choice)
        found = _fetched(found, read, store, chosen, hashes, offline=offline)
        pool = engines.create(
            engine,
            workers=workers,
            threads=work.threads,
            device=device,
            address=address,
        )
        try:
            with shown(progress) as told:
                current = agenda.perform_all(work, found, pool, told)
        except KeyboardInterrupt:
            pool.stop()
            raise
        finally:
            pool.close()
        away = [s.row.id for s in found if s.media is None or s.content == sources.MISSING]
        stay = {video: store.standing(video) for video in (*choice.kept, *away)}
        stay = {video: keys for video, keys in stay.items() if "utterances" in keys}
        if unseen := [video for video in away if video in stay]:
            more = ", ..." if len(unseen) > _NAMED else ""
            say(
                f"the media of {', '.join(unseen[:_NAMED])}{more} is not there now; its rows stay "
                "as they were measured"
            )
        added = {video: keys for video, keys in stay.items() if video not in current}
        current = {**added, **current, **{v: k for v, k in stay.items() if v in current}}
        tables.gather(store, current, chosen.face_affect)
    return Run(store.root)


def plan(
    manifest: manifests.Inputs,
    *,
    out: str | Path | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    allow_local: bool = False,
    absent: memory.Absent = "stop",
) -> list[PlannedJob]:
    """Say what `annotate` would do, without doing it.

    Returns
    -------
    list of PlannedJob
        By video and stage. A video that is still to be fetched is `to do` throughout.

    Raises
    ------
    ManifestError, SettingsError
        If the manifest cannot be read, or a setting is wrong.
    """
    read = manifests.opened(manifest, allow_local=allow_local)
    choice = memory.choose(read, out, preset, settings, absent=absent)
    store, chosen = Store(choice.root), choice.settings
    planned: list[PlannedJob] = []
    found = _known_sources(read, store, chosen, sources.Hashes(store))
    for source, recipes in Work(store, chosen).recipes(found):
        missing: dict[str, str] = {}
        for name, recipe in recipes.items():
            if recipe.skipped:
                planned.append(PlannedJob(source.row.id, name, "skipped", recipe.skipped))
            elif store.has(source.row.id, name, recipe.key):
                planned.append(PlannedJob(source.row.id, name, "cached"))
            elif lacking := _missing_file(source, recipe.stage, missing):
                missing[name] = lacking
                planned.append(PlannedJob(source.row.id, name, "missing file", lacking))
            else:
                planned.append(PlannedJob(source.row.id, name, "to do"))
    return planned


def resume(
    run: str | Path | Run,
    *,
    settings: Mapping[str, Any] | Iterable[str] = (),
    allow_local: bool = False,
    announce: Callable[[str], None] | None = None,
    **options: Any,
) -> Run:
    """Go on with a run: its manifest or media, preset and settings.

    Parameters
    ----------
    run
        Run folder, or a run that is open.
    settings
        Changes on top of the run's own settings, as in `annotate`.
    allow_local
        As in `annotate`; a run does not remember it.
    announce, options
        As in `annotate`: workers, engine, address, device, threads, offline, progress.

    Raises
    ------
    RunError
        If it is no run folder, or what it was made from is not where it was.
    """
    folder = run.root if isinstance(run, Run) else as_path(run, "a run folder")
    read = memory.reopened(folder, allow_local=allow_local)
    return annotate(
        read,
        out=folder,
        settings=settings,
        allow_local=allow_local,
        absent="keep",
        announce=announce,
        **options,
    )


def _missing_file(source: Source, stage: Stage, missing: Mapping[str, str]) -> str:
    """Say which file a stage lacks, itself or through what it reads; empty when none is lacking."""
    if stage.source and source.media is not None and source.content == sources.MISSING:
        return f"no media file: {source.row.path}"
    if "transcript" in stage.row and source.transcript == sources.MISSING:
        return f"no transcript file: {Path(str(source.row.transcript)).name}"
    return next((missing[name] for name in stage.reads if name in missing), "")


def _check_folder(root: Path) -> None:
    """Refuse to write into a folder that holds something else."""
    if root.exists() and not root.is_dir():
        raise RunError(f"'{root.name}' is a file, not a folder.", next_step="Choose another --out.")
    if root.is_dir() and any(root.iterdir()) and not (root / layout.RUN).exists():
        stray = [p for p in root.iterdir() if not p.name.startswith(".")]
        if stray:
            raise RunError(
                f"The folder '{root.name}' holds other things and is no run folder.",
                next_step="Choose an empty or a new folder with --out.",
            )


def _known_sources(
    read: Manifest,
    store: Store,
    settings: Settings,
    hashes: sources.Hashes,
    rows: Iterable[VideoRow] | None = None,
) -> list[Source]:
    """Find the sources, of all rows if none are given, as far as they are known now."""
    overlays = ReviewFile(store.root).overlays()
    found: list[Source] = []
    for row in read.rows if rows is None else rows:
        media = (
            read.resolve(row.path)
            if row.path is not None
            else fetch.fetched(str(row.url), store.root / layout.DOWNLOADS)
        )
        captions = settings.transcript.captions
        found.append(sources.local_source(row, read, media, hashes, overlays, captions=captions))
    return found


def _beside(read: Manifest, found: Sequence[Source]) -> Iterator[str]:
    """Say which files beside the media were taken for transcripts without a manifest, or not."""
    given = [(s.row.id, s.row.transcript) for s in found if read.path is None and read.sources]
    taken = [f"{video} ({Path(path).name})" for video, path in given if path is not None]
    aside = [source.row.id for source in found if source.left_aside]
    for what, names in (
        ("words from the transcript beside the media", taken),
        ("a file of the same name beside the media is no transcript and left aside", aside),
    ):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        if names:
            yield f"{what}: {', '.join(names[:_NAMED])}{more}"


def _fetched(
    known: list[Source],
    read: Manifest,
    store: Store,
    settings: Settings,
    hashes: sources.Hashes,
    *,
    offline: bool,
) -> list[Source]:
    """Download what is not here yet; return the sources of all rows."""
    addressed = [row for row in read.rows if row.url]
    if addressed:
        captions = (f"{settings.transcript.language or 'en'}.*",)
        outcomes = fetching.fetch_rows(
            addressed,
            store.root,
            max_height=settings.media.max_height,
            options=fetch.Options(captions=captions if settings.transcript.captions else ()),
            offline=offline,
        )
        store.append([_outcome(one) for one in outcomes])
        now = {s.row.id: s for s in _known_sources(read, store, settings, hashes, addressed)}
        known = [now.get(source.row.id, source) for source in known]
    hashes.save()
    videos = {row.id for row in read.rows}
    store.append([problem_outcome(problem, videos) for problem in read.problems])
    return known


def _outcome(fetched: fetching.Fetched) -> Outcome:
    if fetched.here:
        return Outcome(fetched.id, "fetch", "cached" if fetched.state == "cached" else "done")
    error = {"code": fetched.state, "what": fetched.what, "next_step": fetched.next_step}
    return Outcome(fetched.id, "fetch", "failed", error=error)


def _record(work: Work, read: Manifest, choice: memory.Choice) -> None:
    """Write what this run was asked to do and with which versions."""
    store, settings = work.store, work.settings
    described = {
        "preset": choice.preset,
        "inputs": memory.inputs_of(read, store.root),
        "problems": [asdict(problem) for problem in read.problems],
        "settings": settings.model_dump(mode="json"),
        "models": {task: e.identity_with(settings) for task, e in work.entries.items()},
        "licences": {e.name: e.licence for e in work.entries.values()},
        "versions": installed(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
    text = json.dumps(described, indent=2, sort_keys=True) + "\n"
    seals.write(store.root / layout.RUN, text.encode())
    before = Run(store.root).manifest if choice.kept else []
    rows = [values for values in before if values["id"] in choice.kept]
    for row in read.rows:
        rows.append({**row.model_dump(mode="json"), "metadata": read.metadata.get(row.id, {})})
    lines = [json.dumps(values, ensure_ascii=False, sort_keys=True) + "\n" for values in rows]
    seals.write(store.root / layout.MANIFEST, "".join(lines).encode())
