"""EmoNet: expression, valence and arousal of faces (Toisoul et al. 2021)."""

from __future__ import annotations

from typing import Final

from emodiss.affect import StatedError
from emodiss.models.card import Card
from emodiss.models.weight_files import WeightFile
from emodiss.settings import Settings

_EMONET: Final = "https://github.com/face-analysis/emonet/raw/49eef30/pretrained"

EMONET_8: Final = WeightFile(
    name="emonet_8.pth",
    size=56_087_163,
    sha256="52918cffba56f31886e6959f6837266a5f7ef5c0a552baf4c6dabe1e8fa9bc97",
    git_blob="6833bfdcf8fc761deb7630256a750cf1f7c850c1",
    url=f"{_EMONET}/emonet_8.pth",
)
"""The git id is that of the authors' commit. Size and sha256 are given alike by two third parties,
one of which took the file from the authors' repository."""

EMONET_5: Final = WeightFile(
    name="emonet_5.pth",
    git_blob="61358cb3ea0fe410c01ee4ffff5ed1b49713af98",
    url=f"{_EMONET}/emonet_5.pth",
)
"""The git id alone: two third parties state different sha256 values for this file (dd2ba75e...
with 56,203,787 bytes, and 1d8fac68...)."""


def emonet_backend(backend: str, precision: str, device: str) -> str:
    """Return what runs EmoNet: as named, or for `auto` the fastest that was measured."""
    if backend != "auto":
        return backend
    if device != "cpu":
        return "torch"
    return "onnxruntime" if precision == "float32" else "openvino"


def _runtime(settings: Settings, device: str) -> str | None:
    chosen = settings.emonet
    backend = emonet_backend(chosen.backend, chosen.precision, device)
    return backend if backend == "openvino" else None


def _card(n_classes: int, file: WeightFile, what: str, *, off: tuple[float, float]) -> Card:
    return Card(
        name=f"emonet-{n_classes}",
        task="face_affect",
        loader="emodiss.models.emonet.adapter:EmoNetFace",
        place="fetched",
        package="torch",
        source=f"https://github.com/face-analysis/emonet (pretrained/{file.name})",
        revision="49eef30",
        licence="CC BY-NC-ND 4.0",
        noncommercial=True,
        size_mb=56.1,
        scale="signed",
        error=StatedError(*off, "Toisoul et al. 2021, cleaned AffectNet test set, single pictures"),
        files=(file,),
        what=f"{what} (Toisoul et al. 2021)",
        group="emonet",
        options=lambda _settings, folder: {"weights": folder / file.name, "n_classes": n_classes},
        runtime=_runtime,
        distributions=("torch", "onnxruntime", "openvino"),
        cite=("toisoul2021",),
    )


CARDS = (
    _card(8, EMONET_8, "eight expressions, valence and arousal", off=(0.29, 0.27)),
    _card(5, EMONET_5, "five expressions, valence and arousal", off=(0.24, 0.24)),
)
