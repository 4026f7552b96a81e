"""What the utterances of a run rest on: models that did their part, and what people stated.

Traced from the stored results themselves. The settings of a run name a model for every task; a
session with a given transcript was never diarized, whatever they say.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from emodiss.runs.reviews import ReviewFile
from emodiss.stages import BY_NAME

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.runs.run import Run
    from emodiss.runs.store import Store

ORDER = (
    *("asr", "aligner", "diarizer", "roles", "faces", "tracker", "active_speaker"),
    *("speech_affect", "face_affect", "sentiment"),
)
"""Tasks as the data flow."""

_Meta = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """A model that did its part, and where."""

    # One of `ORDER`.
    task: str
    # Name, version and, where weights are files of their own, their hash.
    identity: str
    # Sessions whose utterances rest on it, in the order of the manifest.
    videos: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the utterance table of a run rests on."""

    # Videos with utterances, in the order of the manifest; all counts are of these.
    sessions: tuple[str, ...]
    # Models, in the order of `ORDER`.
    uses: tuple[Use, ...]
    # Sessions whose stored results are not those that the table was made from, or are gone; their
    # models are not among `uses`.
    untraced: tuple[str, ...]
    # Session and kind of review (`emodiss.reviews.KINDS`) to how many are in force.
    corrections: Mapping[tuple[str, str], int]
    # Package to its versions that made the results, in the order met; more than one where the run
    # went on after an update.
    software: Mapping[str, tuple[str, ...]]

    @property
    def tasks(self) -> frozenset[str]:
        """Tasks that some model did."""
        return frozenset(use.task for use in self.uses)

    def of(self, *videos: str) -> Provenance:
        """Keep what concerns some sessions."""
        wanted = set(videos)

        def kept(of: Iterable[str]) -> tuple[str, ...]:
            return tuple(video for video in of if video in wanted)

        return Provenance(
            sessions=kept(self.sessions),
            uses=tuple(Use(u.task, u.identity, v) for u in self.uses if (v := kept(u.videos))),
            untraced=kept(self.untraced),
            corrections={k: n for k, n in self.corrections.items() if k[0] in wanted},
            software=self.software,
        )

    def by_session(self) -> dict[str, Provenance]:
        """Keep for each session what concerns it, as `of` does, in one walk over all."""
        uses: dict[str, list[Use]] = {video: [] for video in self.sessions}
        for use in self.uses:
            for video in use.videos:
                uses[video].append(Use(use.task, use.identity, (video,)))
        corrections: dict[str, dict[tuple[str, str], int]] = {}
        for (video, kind), n in self.corrections.items():
            corrections.setdefault(video, {})[video, kind] = n
        lost = set(self.untraced)
        return {
            video: Provenance(
                sessions=(video,),
                uses=tuple(own),
                untraced=(video,) if video in lost else (),
                corrections=corrections.get(video, {}),
                software=self.software,
            )
            for video, own in uses.items()
        }

    def extent(self, use: Use) -> str:
        """Say how many sessions a model was used in; empty when in all that could be traced."""
        n = len(self.sessions) - len(self.untraced)
        return "" if len(use.videos) == n else f"in {len(use.videos):,} of {n:,} sessions"


def trace(run: Run) -> Provenance:
    """Find what the utterances of a run rest on."""
    columns = ["video_id", "timing", "text", "role_source", "speech_status"]
    table = run.columns("utterances", [*columns, "n_face_frames", "n_listener_frames"])
    said = {str(video): part for video, part in table.groupby("video_id")}
    facts = run.videos_table.set_index("video_id")
    labels = _LabelModels(run)
    found: dict[tuple[str, str], list[str]] = {}
    untraced: list[str] = []
    corrections: Counter[tuple[str, str]] = Counter()
    software: dict[str, dict[str, None]] = {}
    sessions = [video for video in run.videos if video in said]
    for video in sessions:
        results = _results(run.store, video)
        if results is None:
            untraced.append(video)
            continue
        held: list[Any] = []
        for meta in results.values():
            # Two stages take in what changes who speaks when.
            held += [review for review in meta.get("reviews", ()) if review not in held]
            for package, version in meta.get("software", {}).items():
                software.setdefault(package, {})[version] = None
        corrections.update((video, review["kind"]) for review in held)
        uses = [
            *_of_stages(run, video, results, said[video], facts.loc[video]),
            *_of_roles(results["roles"], said[video], labels.of(video)),
        ]
        if (said[video]["text"].fillna("").str.strip() != "").any():
            made_with = results["utterances"].get("software", {})
            version = made_with.get("vaderSentiment", "version not recorded")
            uses.append(("sentiment", f"vader@vaderSentiment {version}"))
        for use in dict.fromkeys(uses):
            found.setdefault(use, []).append(video)
    ordered = sorted(found, key=lambda use: (ORDER.index(use[0]), -len(found[use]), use[1]))
    return Provenance(
        sessions=tuple(sessions),
        uses=tuple(Use(*use, tuple(found[use])) for use in ordered),
        untraced=tuple(untraced),
        corrections=dict(corrections),
        software={package: tuple(versions) for package, versions in software.items()},
    )


def _results(store: Store, video: str) -> dict[str, _Meta] | None:
    """Read what made every result behind the utterances; None where the chain is broken."""
    found: dict[str, _Meta] = {}
    wanted = [("utterances", "")]
    while wanted:
        name, key = wanted.pop()
        if name in found:
            continue
        meta = store.meta(video, name)
        if meta is None or (key and meta.get("key") != key):
            return None
        found[name] = meta
        # A stage that was not needed has no key.
        wanted += [(n, k) for n, k in meta["inputs"].items() if k]
    return found


def _of_stages(
    run: Run, video: str, results: Mapping[str, _Meta], said: pd.DataFrame, facts: pd.Series
) -> Iterable[tuple[str, str]]:
    """Task and identity of each model whose result holds something."""
    for name, meta in results.items():
        task = BY_NAME[name].model
        # SORT is a method without weights or terms; a tracker of another package may have both.
        # Runs from before SORT had a card name no tracker.
        if task == "tracker" and str(meta.get("model", "sort@")).startswith("sort@"):
            continue
        if task is not None and _holds_something(name, run, video, said, facts):
            yield task, str(meta["model"])


def _holds_something(name: str, run: Run, video: str, said: pd.DataFrame, facts: pd.Series) -> bool:
    if name == "recognition":
        return bool(run.artifact(video, name).segments)
    if name == "turns":
        return bool(run.artifact(video, name))
    if name in ("words", "alignment"):
        return bool(said["timing"].isin(("aligned", "attention")).any())
    if name in ("faces", "tracks"):
        return bool(facts["has_video"])
    if name == "speech_affect":
        return bool((said["speech_status"] == "ok").any())
    frames = "n_listener_frames" if name == "listener_affect" else "n_face_frames"
    return bool((said[frames] > 0).any())


def _of_roles(
    meta: _Meta, said: pd.DataFrame, models: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    """Who said which part a voice plays, as far as no person did."""
    sources = set(said["role_source"].dropna())
    if "classifier" in sources:
        yield "roles", classifier_identity()
    if "language_model" in sources:
        used = json.dumps(meta.get("role_labels", []), sort_keys=True)
        yield "roles", models.get(used, "a language model whose answer is not on record")


def classifier_identity() -> str:
    """Name and hash of the shipped role classifier (`emodiss.people.roles`)."""
    content = resources.files("emodiss").joinpath("data/role_classifier.json").read_bytes()
    return f"role-classifier@sha256:{hashlib.sha256(content).hexdigest()[:16]}"


class _LabelModels:
    """Which language model said what about the voices."""

    def __init__(self, run: Run) -> None:
        self._lines = ReviewFile(run.root).role_labels.read()

    def of(self, video: str) -> dict[str, str]:
        """Labels, as canonical JSON, to the identity of the model that gave them last."""
        return {
            json.dumps(line["labels"], sort_keys=True): str(line.get("identity", ""))
            for line in self._lines
            if line["video_id"] == video
        }
