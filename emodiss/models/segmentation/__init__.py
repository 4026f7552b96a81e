"""pyannote's segmentation network of 2021 (Bredin and Laurent), and the turns made of it."""

from __future__ import annotations

from typing import Final

from emodiss.models.card import Card
from emodiss.models.weight_files import WeightFile

SEGMENTATION_2021: Final = WeightFile(
    "pytorch_model.bin",
    size=17_719_103,
    sha256="0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea",
)
"""pyannote's segmentation network of 2021, as whisperx 3.3 to 3.8 ships it in its `assets`."""

CARDS = (
    Card(
        name="pyannote-segmentation",
        task="diarizer",
        loader="emodiss.models.segmentation.diarizer:SegmentationDiarizer",
        place="package",
        package="whisperx",
        packaged=("assets/pytorch_model.bin",),
        source="weights inside whisperx (Bredin and Laurent 2021)",
        revision="3.8.6",
        licence="MIT",
        noncommercial=False,
        size_mb=17.7,
        what="speaker turns of two to three people, without a token",
        distributions=("torch", "whisperx"),
        cite=("bredin2021",),
    ),
)
