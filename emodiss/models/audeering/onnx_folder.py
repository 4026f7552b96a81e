"""audEERING's speech emotion model from its published ONNX folder (Wagner et al. 2023).

File: doi 10.5281/zenodo.6221127, version 1.1.0, read with audonnx. The paper, the licence of the
weights (CC BY-NC-SA 4.0) and what the values mean are in
:mod:`emodiss.models.audeering.windows`.

**Not run on the real weights** while this was written: they could not be obtained there. The code
is tested with small networks in folders of the same form, and the values their authors print for
the real file are kept as tests that run where the file is present.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import MissingExtra, ModelError
from emodiss.models.audeering import AUDEERING_ARCHIVE, AUDEERING_ONNX
from emodiss.models.audeering.windows import SAMPLE_RATE, Level, WindowedSpeech, label_order
from emodiss.models.weight_files import require

_MODEL_CLASS: Final = re.compile(r"\$audonnx[.:](core\.model\.)?Model(==|$)")
_LONGEST: Final = 20_000  # characters of a description; the published one has some hundred
_KNOWN_CLASS: Final = re.compile(rf"{_MODEL_CLASS.pattern}|\$audobject[.:]")


class AudonnxSpeech(WindowedSpeech):
    """The published ONNX folder (model.yaml, model.onnx) as a speech affect model.

    The archive is verified when it is fetched, and the folder is taken as its content: no source
    states the hash of the unpacked file.
    """

    name: ClassVar[str] = "audeering-w2v2"
    published_signal: ClassVar[Level] = "raw"

    max_batch_size: ClassVar[int | None] = 1

    def _weights(self) -> tuple[Path, str]:
        return self.folder / AUDEERING_ONNX[0].name, AUDEERING_ARCHIVE.digest

    def load(self) -> None:
        """Read the graph now rather than at the first measurement; see the base class."""
        if self._network is not None:
            return
        for file in AUDEERING_ONNX:
            require(self.folder / file.name, model=self.name)
        _check_description(self.folder / "model.yaml")
        try:
            import audonnx
        except ModuleNotFoundError as error:
            raise MissingExtra.of("audonnx", "models") from error
        try:
            model = audonnx.load(str(self.folder), device=self.device, num_workers=self.threads)
        except Exception as error:
            raise ModelError(
                f"{self.folder} cannot be read as an audonnx model ({type(error).__name__}).",
                next_step=f"Fetch it again with: emodiss models pull {self.name}.",
            ) from error
        if "logits" not in model.outputs or list(model.inputs) != ["signal"]:
            raise ModelError(
                f"{self.folder} has inputs {list(model.inputs)} and outputs "
                f"{list(model.outputs)}; expected input 'signal' and an output 'logits'.",
                next_step="Use the published model (doi 10.5281/zenodo.6221127).",
            )
        self._order = label_order(model.outputs["logits"].labels, source=str(self.folder))
        self._network = model

    def raw(self, signals: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Run the network on each signal in turn; see the base class."""
        self.load()
        rows: list[NDArray[np.float64]] = []
        for signal in signals:
            # One channel, one dimension: audonnx joins several into one long signal unasked.
            samples = np.ascontiguousarray(signal, dtype=np.float32)
            logits = self._network(samples, SAMPLE_RATE, outputs="logits")
            rows.append(np.asarray(logits, dtype=np.float64).reshape(-1)[self._order])
        return np.stack(rows)


def _check_description(path: Path) -> None:
    """Refuse a description that would make audonnx run anything but its own model class.

    audobject imports whatever class the file names, and audonnx's `Function` executes source text
    from it. The published file needs neither: it names audonnx's model and no transform. It is
    short and repeats no part by its name, of which a few lines can fill the memory.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        plain = len(text) <= _LONGEST and not any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)
        )
        classes = _classes(yaml.safe_load(text)) if plain else []
    except Exception:  # odd values raise KeyError, IndexError and others from inside yaml
        classes = []
    strange = [name for name in classes if not _KNOWN_CLASS.match(name)]
    if strange or not any(_MODEL_CLASS.match(name) for name in classes):
        raise ModelError(
            f"{path} describes {strange or 'no model'}; expected '$audonnx.core.model.Model' "
            "without a transform.",
            next_step="Use the published model (doi 10.5281/zenodo.6221127).",
        )


def _classes(content: Any) -> list[str]:
    """Names of classes."""
    if isinstance(content, list):
        return [name for value in content for name in _classes(value)]
    if not isinstance(content, Mapping):
        return []
    own = [key for key in content if isinstance(key, str) and key.startswith("$")]
    return own + [name for value in content.values() for name in _classes(value)]
