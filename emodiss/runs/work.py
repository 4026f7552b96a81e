"""What a run has to do: the recipe of every artifact, and the jobs of those that are not there."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from emodiss.errors import RunError, SettingsError
from emodiss.models import catalog
from emodiss.runs import keys, tables
from emodiss.runs.perform import Job
from emodiss.runs.sources import Source
from emodiss.runs.store import Outcome, Store
from emodiss.settings import Settings
from emodiss.stages import Stage


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
