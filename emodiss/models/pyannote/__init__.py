"""pyannote community-1: speaker turns by the published pipeline."""

from __future__ import annotations

from typing import Final

from emodiss.models.card import Card, of_folder
from emodiss.models.weight_files import WeightFile

_COMMUNITY: Final = "https://huggingface.co/pyannote/speaker-diarization-community-1"

COMMUNITY_1_REVISION: Final = "3533c8cf8e369892e6b79ff1bf80f7b0286a54ee"
"""The commit that many public projects pin."""

COMMUNITY_1: Final = tuple(
    WeightFile(name, url=f"{_COMMUNITY}/resolve/{COMMUNITY_1_REVISION}/{name}")
    for name in (
        "config.yaml",
        "segmentation/pytorch_model.bin",
        "embedding/pytorch_model.bin",
        "plda/plda.npz",
        "plda/xvec_transform.npz",
    )
)
"""A gated repository: its page asks for a name and consent, and its files for a token. No source
that was at hand states hashes of the files; the commit in the address fixes them."""

CARDS = (
    Card(
        name="pyannote-community-1",
        task="diarizer",
        loader="emodiss.models.pyannote.diarizer:Community1",
        place="fetched",
        package="pyannote.audio",
        source=f"{_COMMUNITY} (gated)",
        revision=COMMUNITY_1_REVISION,
        licence="CC BY 4.0",
        noncommercial=False,
        size_mb=34.0,
        files=COMMUNITY_1,
        what="speaker turns by pyannote community-1",
        group="pyannote",
        options=of_folder,
        distributions=("torch", "pyannote.audio"),
        cite=("bredin2023",),
    ),
)
