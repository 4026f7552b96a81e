"""A finished or unfinished run, ready to read."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.errors import ArgumentError, RunError, nearest
from emodiss.manifest import Problem
from emodiss.runs import layout, seals
from emodiss.runs.files import named, sound
from emodiss.runs.journal import Journal, Line
from emodiss.runs.session import Session, card, counts
from emodiss.runs.store import Outcome, Store, video_folder
from emodiss.settings import Settings
from emodiss.stages import BY_NAME

if TYPE_CHECKING:
    import pandas as pd

_RESUME = "Write it anew: emodiss resume on this run folder."
_AGAIN = "Write it anew: emodiss annotate MANIFEST --preset PRESET --out with this run folder."
_ANEW = "Write it anew: emodiss annotate MANIFEST --replace --out with this run folder."


def _checked_facts(facts: Any) -> dict[str, Any]:
    """Refuse a `run.json` whose parts are of other kinds than they were written as."""
    kinds = {"settings": dict, "problems": list, "models": dict, "versions": dict}
    wrong = [name for name, kind in kinds.items() if not isinstance(facts.get(name, kind()), kind)]
    groups = facts.get("settings", {}).values()
    inputs: dict[str, Any] = facts.get("inputs") or {"folder": "", "sources": []}
    texts = [facts.get("preset", ""), inputs["folder"], *(s["path"] for s in inputs["sources"])]
    for problem in facts.get("problems", []):
        made = Problem(**problem)
        wrong += [made] * (not isinstance(made.line, int))
        texts += [made.column, made.id, made.message]
    if wrong or not all(isinstance(g, dict) for g in groups):
        raise TypeError
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    return facts


def _row(line: Line) -> Line:
    """Refuse a row of the manifest whose parts are of other kinds than they were written as."""
    texts = ("path", "url", "transcript", "language", "license", "notes")
    if not isinstance(line["id"], str) or not isinstance(line.get("metadata", {}), dict):
        raise TypeError
    if not all(isinstance(line.get(name) or "", str) for name in texts):
        raise TypeError
    return line


def _prompt(line: Line) -> Line:
    """Refuse a line that is no prompt."""
    if not all(isinstance(line[name], str) for name in ("video_id", "condition", "text")):
        raise TypeError
    return line


def problem_outcome(problem: Problem, videos: Collection[str]) -> Outcome:
    """Return what became of a manifest row that cannot be used."""
    return Outcome(
        problem.listed_under(videos),
        "manifest",
        "failed",
        error={"code": "manifest", "what": str(problem), "next_step": "Correct the line."},
    )


def latest(told: Sequence[Outcome], videos: Sequence[str]) -> dict[tuple[str, str], Outcome]:
    """Return the last outcome of every stage, in the order of videos and stages.

    That in which they were told is a matter of chance where several workers were at work.
    """
    video_place = {video: place for place, video in enumerate(videos)}
    stage_place = {name: place for place, name in enumerate(BY_NAME)}
    last = {(outcome.video, outcome.stage): outcome for outcome in told}
    places = {
        key: (video_place.get(key[0], len(videos)), stage_place.get(key[1], -1)) for key in last
    }
    return {key: last[key] for key in sorted(last, key=places.__getitem__)}


def standing_failures(run: Run, last: Mapping[tuple[str, str], Outcome]) -> list[Outcome]:
    """Return what stands in the way, told by the latest outcomes: `Run.failures`, read no more."""
    videos = set(run.videos)
    # What failed may have been an address in whose place the row now names a file.
    files = {(row["id"], "fetch") for row in run.manifest if not row.get("url")}
    problems = [Problem(**problem) for problem in run.facts.get("problems", [])]
    found = [problem_outcome(problem, videos) for problem in problems]
    found += [
        outcome
        for (video, stage), outcome in last.items()
        if outcome.status == "failed"
        and video in videos
        and stage != "manifest"
        and (video, stage) not in files
    ]
    return found


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder.

    `run["s01"]` is one session; a run iterates over its sessions, and `len` counts them. A notebook
    shows what the run holds.
    """

    root: Path

    def __getitem__(self, video: str) -> Session:
        return Session(self, video)

    def __iter__(self) -> Iterator[Session]:
        return (Session(self, video) for video in self.videos)

    def __len__(self) -> int:
        return len(self.videos)

    def __bool__(self) -> bool:
        return True

    def _repr_html_(self) -> str:
        from emodiss.runs.summary import noted
        from emodiss.vocabulary import meaning

        title, facts = f"Run {self.root.name}", self.facts
        if not (self.root / "utterances.parquet").is_file():
            return card(title, {"videos": len(self), "tables": "none yet: emodiss resume"})
        table = self.utterances
        told = {"preset": facts.get("preset", ""), "videos": len(self), **counts(table)}
        last = self.outcomes
        told["failed"] = len({failure.video for failure in standing_failures(self, last)})
        told["threshold"] = self.settings.dissonance.threshold_words
        if (page := self.root / layout.REPORT / "index.html").is_file():
            told["report"] = page
        rows = {video: counts(part) for video, part in table.groupby("video_id", sort=False)}
        import pandas as pd

        sessions = pd.DataFrame.from_dict(rows, orient="index").to_html(max_rows=12, border=0)
        return card(title, told, sessions, {code: meaning(code) for code in noted(last)})

    @property
    def downloads(self) -> Path:
        """Where fetched videos lie."""
        return self.root / layout.DOWNLOADS

    @property
    def figures(self) -> Path:
        """Where figures are drawn to."""
        return self.root / layout.FIGURES

    @property
    def store(self) -> Store:
        """Paths and artifacts of the folder."""
        return Store(self.root)

    @property
    def facts(self) -> dict[str, Any]:
        """What `run.json` holds: preset, settings, model identities, versions, command."""
        path = self.root / layout.RUN
        facts = seals.read_json(path, _AGAIN)
        with sound(path, _AGAIN):
            return _checked_facts(facts)

    @property
    def settings(self) -> Settings:
        """Settings of the run; one that exists no longer is left out."""
        facts = self.facts
        with sound(self.root / layout.RUN, _AGAIN):
            stored = facts["settings"]
            stored.get("dissonance", {}).pop("neutral_radius", None)
            return Settings.model_validate(stored)

    @property
    def videos(self) -> list[str]:
        """Ids of the videos, in manifest order."""
        path = self.root / layout.MANIFEST
        try:
            status = path.stat()
        except FileNotFoundError:
            return []
        # Whoever goes through a thousand sessions asks for it at each.
        return list(_ids(self, (status.st_size, status.st_mtime_ns, status.st_ino)))

    @property
    def manifest(self) -> list[Line]:
        """Rows of the manifest this run used.

        Raises
        ------
        RunError
            If an id is none. Files that are written for people are named by it.
        """
        rows = Journal[Line](self.root / layout.MANIFEST, next_step=_ANEW, decode=_row).read()
        for row in rows:
            video_folder(row["id"])
        return rows

    @property
    def utterances(self) -> pd.DataFrame:
        """The utterance table of all videos; columns in `emodiss.utterances.SCHEMA`."""
        return self._table("utterances")

    @property
    def words(self) -> pd.DataFrame:
        """Words with times, where they are known."""
        return self._table("words")

    @property
    def face_frames(self) -> pd.DataFrame:
        """Every measured face frame; columns in `emodiss.utterances.FRAME_SCHEMA`.

        The column `part` tells speakers from listeners and from faces while nobody speaks.
        """
        return self._table("face_frames")

    @property
    def face_summary(self) -> pd.DataFrame:
        """How each face looks while speaking, listening and in silence, per session.

        Columns in `emodiss.utterances.FACE_SUMMARY_SCHEMA`.
        """
        return self._table("face_summary")

    @property
    def voice_windows(self) -> pd.DataFrame:
        """The voice over time; columns in `emodiss.utterances.WINDOW_SCHEMA`."""
        return self._table("voice_windows")

    @property
    def videos_table(self) -> pd.DataFrame:
        """One row per video: duration in seconds, what it holds, utterances and tracks."""
        return self._table("videos")

    @property
    def prompts(self) -> list[Line]:
        """Rendered prompts, as in `prompts.jsonl`."""
        path = self.root / layout.PROMPTS
        return Journal[Line](path, next_step=_RESUME, decode=_prompt).read()

    def session(self, video: str) -> pd.DataFrame:
        """Return the utterances of one video.

        Raises
        ------
        RunError
            If there is no such video.
        """
        return self._table("utterances", video=self._known(video))

    def session_frames(self, video: str, *, part: str | None = None) -> pd.DataFrame:
        """Return the measured face frames of one video, as in `face_frames`.

        Parameters
        ----------
        part
            Only those of a part (`emodiss.utterances.PARTS`): `listener` gives the reactions of
            those who listen, with the utterance they listen to.

        Raises
        ------
        RunError
            If there is no such part.
        """
        frames = self._table("face_frames", video=video)
        if part is None:
            return frames
        from emodiss.utterances import PARTS

        if part not in PARTS:
            raise RunError(f"There is no part '{part}'.", next_step=nearest(part, PARTS))
        return frames[frames["part"] == part].reset_index(drop=True)

    def session_windows(self, video: str) -> pd.DataFrame:
        """Return the voice windows of one video, as in `voice_windows`."""
        return self._table("voice_windows", video=video)

    def session_words(self, video: str) -> pd.DataFrame:
        """Return the words of one video, as in `words`."""
        return self._table("words", video=video)

    def artifact(self, video: str, name: str) -> Any:
        """Return the record a stage made for one video.

        Parameters
        ----------
        name
            Of the stage, as in `emodiss.stages.STAGES`.

        Raises
        ------
        RunError
            If it is not there.
        """
        from emodiss.runs.perform import result_type

        return self.store.read(video, name, result_type(name))

    @property
    def outcomes(self) -> dict[tuple[str, str], Outcome]:
        """Latest outcome of every stage of every video, by video and stage."""
        return latest(self.store.outcomes(), self.videos)

    @property
    def failures(self) -> list[Outcome]:
        """What stands in the way now: problems of the manifest and failed stages, by video.

        An older failure that a later run has mended, or whose row has left the manifest or has no
        address any more, is not among them.
        """
        return standing_failures(self, self.outcomes)

    def columns(
        self, name: str, columns: Sequence[str], *, videos: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Return some columns of a table; reading few of a large corpus is much faster than all.

        Parameters
        ----------
        name
            `utterances`, `face_frames`, `face_summary`, `voice_windows`, `words` or `videos`.
        videos
            Only the rows of these; all by default.
        """
        return self._table(name, columns, video=videos)

    def lists(
        self, name: str, columns: Sequence[str], *, video: str | None = None
    ) -> dict[str, list[Any]]:
        """Return some columns of a table as plain lists; what is missing is None or NaN.

        Those that the table lacks are left out. A command that needs no more than this starts in
        half the time, without pandas.

        Raises
        ------
        RunError
            If there is no such video.
        """
        import pyarrow.parquet as pq

        path = self._table_path(name)
        with sound(path, _RESUME):
            file = pq.ParquetFile(path)
            there = [column for column in columns if column in file.schema_arrow.names]
            read = file.read(columns=[*there, "video_id"])
        if video is not None:
            whose = read["video_id"].to_pylist()
            self._known(video)
            read = read.take([place for place, found in enumerate(whose) if found == video])
        return {column: read[column].to_pylist() for column in there}

    def media(self, video: str) -> Path | None:
        """Return the media file that a video was measured on, or None when it is not there now.

        The file is known by its content: a file that has changed since is not the one.
        """
        return self.media_files([video]).get(video)

    def media_files(self, videos: Collection[str] | None = None) -> dict[str, Path]:
        """Return the media files that are there now, as in `media`, by video id.

        Parameters
        ----------
        videos
            Which; all by default. For many it is much faster than `media` for each.
        """
        from emodiss.media import fetch
        from emodiss.runs.sources import Hashes

        rows = [row for row in self.manifest if videos is None or row["id"] in videos]
        found = {r["id"]: fetch.fetched(r["url"], self.downloads) for r in rows if r["url"]}
        if here := {row["id"] for row in rows if not row["url"]}:
            hashes = Hashes(self.store)
            table = self.columns("videos", ["video_id", "sha256"])
            for name, digest in zip(table["video_id"], table["sha256"], strict=True):
                if name in here:
                    found[name] = hashes.path_of(digest)
        return {name: path for name, path in found.items() if path is not None}

    def _table(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        *,
        video: str | Collection[str] | None = None,
    ) -> pd.DataFrame:
        import pandas as pd

        path = self._table_path(name)
        videos = [video] if isinstance(video, str) else video
        with sound(path, _RESUME):
            table = pd.read_parquet(
                path,
                columns=list(columns) if columns is not None else None,
                filters=[("video_id", "in", list(videos))] if videos is not None else None,
            )
        for column in columns or ():
            if column not in table:  # Arrow passes over it
                raise RunError(
                    f"{path.name} has no column '{column}': another version of emodiss made it.",
                    next_step=_RESUME,
                )
        return table

    def _known(self, video: str) -> str:
        if video not in self.videos:
            raise RunError(f"There is no video '{video}'.", next_step=nearest(video, self.videos))
        return video

    def _table_path(self, name: str) -> Path:
        path = self.root / f"{name}.parquet"
        if not path.is_file():
            raise RunError(
                f"The run '{self.root.name}' has no {name} table yet.",
                next_step="Finish it with emodiss annotate.",
            )
        seals.require_whole(path, _RESUME)
        return path


@functools.lru_cache(maxsize=16)
def _ids(run: Run, _stamp: tuple[int, ...]) -> tuple[str, ...]:
    """Ids in the manifest of a run; one that has not changed is not read again."""
    return tuple(row["id"] for row in run.manifest)


AnyRun = Run | str | Path
"""A run, or its folder."""


def load(root: AnyRun) -> Run:
    """Open a run folder.

    Parameters
    ----------
    root
        The folder that `emodiss annotate --out` wrote; a run that is open is returned as it is.

    Raises
    ------
    RunError
        If it is no run folder.
    """
    if isinstance(root, Run):
        return root
    if not isinstance(root, str | os.PathLike):
        raise ArgumentError.of(root, "a run", "Open one: emodiss.load(FOLDER).")
    root = Path(root)
    with named(root):
        is_run = (root / layout.RUN).is_file()
    if not is_run:
        inside = [path.parent for path in sorted(root.glob(f"*/{layout.RUN}"))]
        raise RunError(
            f"'{root}' is no run folder: it has no run.json.",
            next_step=f"Did you mean '{inside[0]}'?"
            if inside
            else "Give the folder that was named with --out.",
        )
    return Run(root)
