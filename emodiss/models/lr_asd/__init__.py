"""LR-ASD: which faces talk while speech is heard (Liao et al. 2023)."""

from __future__ import annotations

from typing import Final

from emodiss.models.card import Card
from emodiss.models.weight_files import WeightFile

LR_ASD: Final = WeightFile(
    name="finetuning_TalkSet.model",
    size=3_426_337,
    sha256="6b4ef53694e874e96cf630198dc479c78aebb3993bbf166aee3d926dfe7d9342",
    git_blob="04d79d90609d9168aa5ee1f8ca3f810dbdb734bc",
    url="https://github.com/Junhua-Liao/LR-ASD/raw/1b6dcd2d8fc2895683de6508ec6294ec47d388ca"
    "/weight/finetuning_TalkSet.model",
)
"""Git's id is that of the authors' commit; size and sha256 are of the same file."""

CARDS = (
    Card(
        name="lr-asd",
        task="active_speaker",
        loader="emodiss.models.lr_asd.adapter:LrAsd",
        place="fetched",
        package="onnxruntime",
        source="https://github.com/Junhua-Liao/LR-ASD (weight/finetuning_TalkSet.model)",
        revision="1b6dcd2",
        licence="MIT",
        noncommercial=False,
        size_mb=3.4,
        files=(LR_ASD,),
        what="which faces talk while speech is heard; one term of the binding",
        options=lambda _settings, folder: {"weights": folder / LR_ASD.name},
    ),
)
