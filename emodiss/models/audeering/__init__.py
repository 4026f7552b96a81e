"""audEERING's wav2vec2 model of arousal, dominance and valence (Wagner et al. 2023)."""

from __future__ import annotations

from typing import Final

from emodiss.affect import StatedError
from emodiss.models.card import Card, of_folder
from emodiss.models.weight_files import WeightFile

AUDEERING_ARCHIVE: Final = WeightFile(
    name="w2v2-L-robust-12.6bc4a7fd-1.1.0.zip",
    size=609_889_780,
    sha256="01813761eff4a74f9b809ca966224d26b3bd6064878bf4f6ade4918177b5e777",
    url="https://zenodo.org/record/6221127/files/w2v2-L-robust-12.6bc4a7fd-1.1.0.zip",
)
"""The archive that holds `AUDEERING_ONNX`. Size and sha256 are stated by one third party that
downloads it; another states md5 76fef8c090addd7fcee60c64e9536ced."""

AUDEERING_ONNX: Final = (WeightFile("model.onnx"), WeightFile("model.yaml"))
"""What the archive holds. No source states hashes of the unpacked files, so the archive is
checked when it is fetched."""

AUDEERING_REPOSITORY: Final = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
AUDEERING_REVISION: Final = "6eba34a2485ea31cb03600241787c3a5edab8626"
"""The hub commit that several public projects pin; its files are `AUDEERING_HUB`."""

_HUB: Final = f"https://huggingface.co/{AUDEERING_REPOSITORY}/resolve/{AUDEERING_REVISION}"

AUDEERING_HUB: Final = (
    WeightFile(
        name="config.json",
        size=2_344,
        sha256="c0962c3d1f065972bbebbba0bbffb8016ef4e9aae4a9b07e5fec22f770d2cddb",
        url=f"{_HUB}/config.json",
    ),
    WeightFile(
        name="model.safetensors",
        size=661_375_508,
        sha256="efa5ac1a13b2d2f42182738e44794b1eb4c0cdd221a8b4ae11304c3a5f5fae95",
        url=f"{_HUB}/model.safetensors",
    ),
)
"""What the checkpoint's folder holds. Sizes and hashes as a public project recorded them at that
commit; the length of its config.json agrees with a copy in another repository."""

AUDEERING_HUB_OLDER: Final = WeightFile(
    name="pytorch_model.bin",
    sha256="176d9d1ce29a8bddbab44068b9c1c194c51624c7f1812905e01355da58b18816",
)
"""The pickled form of the weights, taken when there is no safetensors file."""

_NO_ERROR: Final = StatedError(
    None,
    None,
    "none: Wagner et al. 2023 publish concordance coefficients, which need the spread of the "
    "labels to give an error",
)

CARDS = (
    Card(
        name="audeering-w2v2",
        task="speech_affect",
        loader="emodiss.models.audeering.onnx_folder:AudonnxSpeech",
        place="fetched",
        package="audonnx",
        source="https://zenodo.org/record/6221127 (doi 10.5281/zenodo.6221127)",
        revision="w2v2-L-robust-12.6bc4a7fd-1.1.0",
        licence="CC BY-NC-SA 4.0",
        noncommercial=True,
        size_mb=610.0,
        scale="unit",
        error=_NO_ERROR,
        files=AUDEERING_ONNX,
        archive=AUDEERING_ARCHIVE,
        what="arousal, dominance and valence from voice (Wagner et al. 2023)",
        group="audeering",
        options=of_folder,
        distributions=("audonnx", "onnxruntime"),
        cite=("wagner2023",),
    ),
    Card(
        name="audeering-w2v2-hf",
        task="speech_affect",
        loader="emodiss.models.audeering.checkpoint:Wav2Vec2Speech",
        place="fetched",
        package="transformers",
        source=f"https://huggingface.co/{AUDEERING_REPOSITORY}",
        revision=AUDEERING_REVISION,
        licence="CC BY-NC-SA 4.0",
        noncommercial=True,
        size_mb=661.4,
        scale="unit",
        error=_NO_ERROR,
        files=AUDEERING_HUB,
        what="the same model as audeering-w2v2, run by torch; for a GPU and for batches",
        group="audeering",
        options=of_folder,
        distributions=("torch", "transformers"),
        cite=("wagner2023",),
    ),
)
