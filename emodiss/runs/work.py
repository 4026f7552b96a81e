"""What a run has to do: the recipe of every artifact, and the jobs of those that are not there.

All videos go through one wave of stages before the next begins, so that a worker holds one heavy
model at a time and changes it rarely. A stage that fails blocks what depends on it for that video
and nothing else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from emodiss.errors import RunError, SettingsError
from emodiss.models import catalog
from emodiss.runs import engines, keys, pieces, tables
from emodiss.runs.perform import Job
from emodiss.runs.progress import Progress
from emodiss.runs.sources import Source
from emodiss.runs.store import Outcome, Store
from emodiss.settings import Settings
from emodiss.stages import Stage, waves


@dataclass(frozen=True, slots=True)
class Work:
    """Where and how the artifacts of a run are made."""

    store: Store
    settings: Settings
    device: str = "cpu"
    threads: int = 1

    @property
    def entries(self) -> dict[str, catalog.Card]:
        """Cards of the models that the settings choose, by task."""
        return catalog.chosen(self.settings)

    def recipes(self, found: Iterable[Source]) -> Iterator[tuple[Source, dict[str, keys.Recipe]]]:
        """Give the recipes of every source; what they share is made once."""
        identities = {e.name: e.identity_with(self.settings) for e in self.entries.values()}
        dumped = self.settings.model_dump(mode="json")
        for source in found:
            yield (
                source,
                keys.recipes(
                    source.row,
                    content=source.content,
                    transcript=source.transcript,
                    settings=dumped,
                    overlay=source.overlay,
                    voices=source.voices,
                    identities=identities,
                ),
            )

    def discard_damaged(self, found: Iterable[Source], say: Callable[[str], None]) -> None:
        """Give up damaged artifacts that will be read; they are made again.

        What nobody will read is not read here either: sound of a large corpus is hundreds of GB.
        """
        for source, recipes in self.recipes(found):
            video = source.row.id
            read = set(tables.GATHERED)
            # Backwards, since what is made again reads what comes before it.
            for name, recipe in reversed(recipes.items()):
                if recipe.skipped:
                    continue
                made = self.store.found(video, name, recipe.key)
                file = self.store.damaged(video, name, made) if made and name in read else None
                if made and file is None:
                    continue
                read.update(recipe.stage.reads)
                if file is not None:
                    what = f"{file} of '{name}' is damaged"
                    say(f"{video}: {what}; it is made again")
                    error = {
                        "code": "damaged",
                        "what": f"{what}.",
                        "next_step": "It is made again.",
                    }
                    self.store.append([Outcome(video, name, "failed", key=recipe.key, error=error)])
                    self.store.discard(video, name)

    def require_models(self, found: Iterable[Source], *, here: bool) -> None:
        """Check packages and weights of the models that some job will need, and of no others.

        Not `here`, on a cluster, the nodes have the GPUs; the engine sees whether they do.
        """
        needed: dict[str, catalog.Card] = {}
        for source, recipes in self.recipes(found):
            for name, recipe in recipes.items():
                if (
                    recipe.model
                    and not recipe.skipped
                    and not self.store.has(source.row.id, name, recipe.key)
                ):
                    needed[recipe.model] = catalog.entry_of(recipe.model)
        _require_device(self.device, needed=here and bool(needed))
        catalog.require_packages(needed.values(), self.settings, self.device)
        catalog.require(needed)

    def perform_all(
        self, found: Sequence[Source], pool: engines.Engine, progress: Progress | None
    ) -> dict[str, dict[str, str]]:
        """Bring every artifact up to date; return the keys of those that now stand, by video."""
        store = self.store
        plans = {s.row.id: recipes for s, recipes in self.recipes(found)}
        # What stands in the way of each video's later stages: the first stage that failed.
        failed: dict[tuple[str, str], str] = {}
        notes = {source.row.id: source.notes for source in found}
        for wave in waves():
            jobs: list[Job] = []
            had: dict[str, int] = {}
            for stage in wave:
                settled: list[Outcome] = []
                for source in found:
                    plan = plans[source.row.id]
                    outcome = _settled(source, plan[stage.name], store, failed)
                    if outcome is None:
                        jobs.append(self.job(source, stage, plan))
                    else:
                        settled.append(outcome)
                store.append([_noted(outcome, notes) for outcome in settled])
                had[stage.name] = len(settled)
                if progress is not None and len(settled) == len(found):
                    progress(stage.name, len(settled), len(found))

            def told(stage: str, done: int, total: int, had: Mapping[str, int] = had) -> None:
                if progress is not None:
                    progress(stage, had[stage] + done, had[stage] + total)

            for outcome in pieces.perform_all(jobs, pool, store, told):
                store.append([_noted(outcome, notes)])
                if outcome.status == "failed":
                    failed[outcome.video, outcome.stage] = outcome.stage
                    if outcome.error and outcome.error["code"] == "disk_full":
                        raise RunError(
                            outcome.error["what"], next_step=outcome.error["next_step"], code="disk"
                        )
        return {
            video: {n: r.key for n, r in plan.items() if r.key and (video, n) not in failed}
            for video, plan in plans.items()
        }

    def job(self, source: Source, stage: Stage, plan: Mapping[str, keys.Recipe]) -> Job:
        """Make the job of one stage of one video."""
        recipe = plan[stage.name]
        return Job(
            root=self.store.root.absolute(),
            row=source.row,
            source=source.media,
            stage=stage.name,
            key=recipe.key,
            inputs={name: plan[name].key for name in stage.reads},
            facts=recipe.facts,
            settings=self.settings,
            overlay=source.overlay,
            model=recipe.model,
            device=self.device,
            threads=self.threads,
        )


def _require_device(device: str, *, needed: bool) -> None:
    """Refuse a device that is not here before hours are spent on what needs none."""
    if device not in ("cpu", "cuda"):
        raise SettingsError(f"There is no device '{device}'.", next_step="Choices: cpu, cuda.")
    if device == "cpu" or not needed or importlib.util.find_spec("torch") is None:
        return
    import torch

    if not torch.cuda.is_available():
        raise RunError(
            "Device 'cuda' was asked for, and torch finds no CUDA GPU on this machine.",
            next_step="Run with --device cpu, or see what is found with: emodiss doctor.",
        )


def _settled(
    source: Source, recipe: keys.Recipe, store: Store, failed: dict[tuple[str, str], str]
) -> Outcome | None:
    """Say what is known of a stage of a video without doing it; None where there is work."""
    video, stage = source.row.id, recipe.stage
    blocker = next((failed[video, n] for n in stage.reads if (video, n) in failed), None)
    if stage.source and source.media is None:
        blocker = blocker or "fetch"
    if recipe.skipped:
        return Outcome(video, stage.name, "skipped", notes=(recipe.skipped,))
    if blocker:
        failed[video, stage.name] = blocker
        error = {"code": "blocked", "what": f"Stage {blocker} failed.", "next_step": ""}
        return Outcome(video, stage.name, "blocked", key=recipe.key, error=error)
    made = store.found(video, stage.name, recipe.key)
    if made is None:
        return None
    kept = tuple(made.get("notes", ()))
    return Outcome(video, stage.name, "cached", key=recipe.key, notes=kept)


def _noted(outcome: Outcome, notes: Mapping[str, tuple[str, ...]]) -> Outcome:
    """Add what is to be known of the choice of a transcript where the transcript is made."""
    if outcome.stage != "draft":
        return outcome
    return replace(outcome, notes=(*outcome.notes, *notes[outcome.video]))
