"""What `bench_gpu.py` runs: each model, its inputs, the ways to run it, and how results differ."""

from __future__ import annotations

import argparse
import gc
import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from bench_clip import FPS, write_clip
from bench_video import Clip, make_weights

RATE = 16_000
TOKENS = 100
"""Tokens that Whisper writes per 30 s here: English at 2.5 words a second."""

SPEECH = {
    "model_type": "wav2vec2",
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "pad_token_id": 0,
    "vocab_size": None,
    "conv_dim": [512] * 7,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 12,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "id2label": {"0": "arousal", "1": "dominance", "2": "valence"},
    "label2id": {"arousal": 0, "dominance": 1, "valence": 2},
}
"""The published configuration of audEERING's checkpoint, as far as it sets the network's size."""

Run = Callable[[Any], Any]


@dataclass
class Way:
    """One way to run a model: how to load it, and which bounds hold."""

    precision: str
    batch: int | None
    load: Callable[[], Run]


@dataclass
class Part:
    """A model, what it works on, and how two of its results differ."""

    name: str
    unit: str
    weights: str
    ways: dict[str, Way]
    reference: Way
    few: Any
    many: Any
    many_s: float
    differ: Callable[[Any, Any], dict[str, float]]
    few_s: float


class Bench:
    """What all parts share: the device, sizes, and the inputs."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.device: str = options.device
        self.quick: bool = options.quick
        self.folder = folder
        self.threads = 1 if self.quick else max(1, (os.cpu_count() or 2) // 2)
        self.sound: Path | None = options.sound
        n = 12 if self.quick else 128
        size = {"height": 360, "width": 640} if self.quick else {}
        path = options.clip or write_clip(folder / "clip.mp4", n, **size)
        self.clip = Clip(path, (n / 2 / FPS, n / 2 / FPS))
        self.home = folder / "models"

    def frames(self, n: int) -> list[Any]:
        """Decode the first n frames."""
        from emodiss.media import iterate_frames

        n = min(n, len(self.clip.media.frame_times))
        return [
            frame.image for frame in iterate_frames(self.clip.path, self.clip.media, np.arange(n))
        ]

    def model(self, name: str, device: str, **changes: Any) -> Any:
        """Load a model as a run does."""
        from emodiss.models import catalog
        from emodiss.settings import resolve

        settings = resolve({key.replace("__", "."): value for key, value in changes.items()})
        return catalog.load(name, settings, device=device, threads=self.threads)

    def empty(self) -> None:
        """Give memory of models that went away back to the device."""
        import torch

        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()


@contextmanager
def tf32() -> Generator[None]:
    """Multiply float32 in TF32 on a GPU, against what the models ask for."""
    import torch
    from torch.backends import cuda, cudnn

    before = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    cudnn.allow_tf32 = True
    cuda.matmul.allow_tf32 = True
    try:
        with mock.patch.object(cudnn, "flags", lambda **_: nullcontext()):
            yield
    finally:
        cudnn.allow_tf32 = before[0]
        cuda.matmul.allow_tf32 = before[1] != "highest"


def in_tf32(load: Callable[[], Run]) -> Callable[[], Run]:
    """Load and run under `tf32`."""

    def loaded() -> Run:
        run = load()

        def inside(given: Any) -> Any:
            with tf32():
                return run(given)

        return inside

    return loaded


def detection(bench: Bench) -> Part:
    """MTCNN on every frame."""

    def way(precision: str, device: str, name: str = "mtcnn", **changes: Any) -> Way:
        def load() -> Run:
            return bench.model(name, device, **changes).detect

        on_gpu = in_tf32(load) if precision == "tf32" else load
        return Way(precision, 16 if name == "mtcnn" and device != "cpu" else 1, on_gpu)

    frames = bench.frames(4 if bench.quick else 64)
    ways = {
        "exact": way("float32", bench.device),
        "exact, TF32": way("tf32", bench.device),
        "half size": way("half", bench.device, faces__half_size=True, faces__min_face=40),
        "smallest face 40": way("40 px", bench.device, faces__min_face=40),
        "facenet-pytorch itself": way("package", bench.device, name="mtcnn-reference"),
    }
    many = frames * (1 if bench.quick else 2)
    return Part(
        "face detection (MTCNN)",
        "video",
        "real",
        ways,
        way("float32", "cpu"),
        frames[:16],
        many,
        len(many) / FPS,
        faces_differ,
        len(frames[:16]) / FPS,
    )


def faces_differ(a: list[Any], b: list[Any]) -> dict[str, float]:
    """Faces of one result without a partner in the other, and edges and scores of partners."""
    alone, edges, scores = 0, [0.0], [0.0]
    for one, other in zip(a, b, strict=True):
        left = list(range(len(other.boxes)))
        for box, score in zip(one.boxes, one.scores, strict=True):
            gaps = [float(np.abs(other.boxes[k] - box).max()) for k in left]
            if not gaps or min(gaps) > 0.5 * (box[2] - box[0]):
                alone += 1
                continue
            k = left.pop(int(np.argmin(gaps)))
            edges.append(min(gaps))
            scores.append(float(abs(other.scores[k] - score)))
        alone += len(left)
    return {"faces": alone, "box_px": max(edges), "score": max(scores)}


def emonet(bench: Bench) -> Part:
    """EmoNet on one face per frame of video."""
    from emodiss.faces import crop

    path = bench.home / "emonet-8" / "emonet_8.pth"
    path.parent.mkdir(parents=True)
    make_weights(path, bench.clip)
    frames = bench.frames(2 if bench.quick else 64)
    found = bench.model("mtcnn", "cpu", faces__min_face=40).detect(frames)
    crops = [
        crop(frame, box)
        for frame, faces in zip(frames, found, strict=True)
        for box in faces.boxes[faces.scores > 0.9]
    ]
    if bench.quick:
        crops = crops[:2]

    def way(precision: str, device: str, batch: int) -> Way:
        def load() -> Run:
            model = bench.model(
                "emonet-8",
                device,
                emonet__allow_unverified=True,
                emonet__backend="torch",
                emonet__precision="bfloat16" if precision == "bfloat16" else "float32",
            )
            model.batch_size = batch
            return model.predict

        return Way(precision, batch, in_tf32(load) if precision == "tf32" else load)

    batches = (2,) if bench.quick else (16, 64, 256)
    middle = batches[len(batches) // 2]
    ways = {f"float32, batch {n}": way("float32", bench.device, n) for n in batches}
    ways[f"TF32, batch {middle}"] = way("tf32", bench.device, middle)
    ways |= {f"bfloat16, batch {n}": way("bfloat16", bench.device, n) for n in batches[-2:]}
    many = crops * (1 if bench.quick else -(-512 // len(crops)))
    few = crops[:64]
    return Part(
        "EmoNet, one face per frame",
        "video",
        "random weights of the published size",
        ways,
        way("float32", "cpu", 1),
        few,
        many,
        len(many) / FPS,
        affect_differs,
        len(few) / FPS,
    )


def affect_differs(a: Any, b: Any) -> dict[str, float]:
    """Largest difference of valence and arousal on [-1, 1], before clamping."""
    return {
        name: float(np.abs(_column(a, name) - _column(b, name)).max())
        for name in ("valence", "arousal")
    }


def _column(result: Any, name: str) -> Any:
    if isinstance(result, list):  # of speech: raw values are on [0, 1]
        return 2.0 * np.array([getattr(row, f"{name}_raw") for row in result]) - 1.0
    return getattr(result, f"{name}_raw")


def wav2vec2(bench: Bench) -> Part:
    """Run audEERING's model on utterances of 1 to 15 s."""
    import torch
    from safetensors.torch import save_file
    from transformers import Wav2Vec2Config

    entry = _network_of("audeering-w2v2-hf")
    small = {
        "conv_dim": [16] * 7,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    }
    config = SPEECH | (small if bench.quick else {})
    generator = np.random.default_rng(0)

    def utterance(seconds: float) -> Any:
        """Noise in syllables, at a pitch of its own."""
        at = np.arange(round(seconds * RATE)) / RATE
        tone = np.sign(np.sin(2 * np.pi * generator.uniform(90, 250) * at))
        loud = np.clip(np.sin(2 * np.pi * generator.uniform(2, 5) * at), 0, 1)
        noise = generator.normal(size=len(at))
        return (0.1 * loud * (tone + generator.uniform(0.1, 1) * noise)).clip(-1, 1)

    lengths = generator.uniform(1, 15, 3 if bench.quick else 128)
    sounds = [utterance(s).astype(np.float32) for s in lengths]
    torch.manual_seed(0)
    network = entry.SpeechRegressor(Wav2Vec2Config.from_dict(config))
    with torch.inference_mode():
        out = np.concatenate(
            [network(torch.from_numpy(s[None]))["logits"].numpy() for s in sounds[:12]]
        )
        # Values about 0.5 that move from utterance to utterance as those of real speech do.
        layer = network.classifier.out_proj
        scale = torch.from_numpy(0.1 / out.std(axis=0))
        layer.bias.copy_(0.5 + (layer.bias - torch.from_numpy(out.mean(axis=0))) * scale)
        layer.weight.mul_(scale[:, None])
    folder = bench.home / "audeering-w2v2-hf"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    state = {name: tensor.clone().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / "model.safetensors")

    def way(precision: str, device: str, batch: int) -> Way:
        def load() -> Run:
            model = bench.model(
                "audeering-w2v2-hf",
                device,
                audeering__allow_unverified=True,
                audeering__batch_size=batch,
            )

            def run(signals: Any) -> Any:
                reduced = precision == "bfloat16"
                with torch.autocast(device, torch.bfloat16) if reduced else nullcontext():
                    return model.predict_many(signals, RATE)

            return run

        return Way(precision, batch, in_tf32(load) if precision == "tf32" else load)

    batches = (2,) if bench.quick else (1, 16, 64)
    ways = {f"float32, batch {n}": way("float32", bench.device, n) for n in batches}
    middle = batches[len(batches) // 2]
    ways[f"TF32, batch {middle}"] = way("tf32", bench.device, middle)
    ways[f"bfloat16 by autocast, batch {middle}"] = way("bfloat16", bench.device, middle)
    return Part(
        "audEERING's wav2vec2",
        "sound",
        "random weights of the published size",
        ways,
        way("float32", "cpu", 1),
        sounds[:24],
        sounds,
        float(lengths.sum()),
        affect_differs,
        float(lengths[:24].sum()),
    )


def _network_of(name: str) -> Any:
    """Import the module of a model's adapter."""
    import importlib

    from emodiss.models import catalog

    return importlib.import_module(catalog.entry_of(name).loader.partition(":")[0])


def large_v3(bench: Bench) -> Part:
    """Whisper large-v3's network alone: the encoder, then so many tokens one by one, greedily."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    size = (
        {"d_model": 32, "layers": 2, "heads": 2, "ffn": 64}
        if bench.quick
        else {"d_model": 1280, "layers": 32, "heads": 20, "ffn": 5120}
    )
    config = WhisperConfig(
        vocab_size=51_866,
        num_mel_bins=128,
        d_model=size["d_model"],
        encoder_layers=size["layers"],
        decoder_layers=size["layers"],
        encoder_attention_heads=size["heads"],
        decoder_attention_heads=size["heads"],
        encoder_ffn_dim=size["ffn"],
        decoder_ffn_dim=size["ffn"],
    )
    torch.manual_seed(0)
    with torch.device(bench.device):
        network = WhisperForConditionalGeneration(config).eval().requires_grad_(False)
    tokens = 4 if bench.quick else TOKENS
    prompt = [50_258, 50_259, 50_360, 50_364]  # start, English, transcribe, no times

    def way(precision: str, device: str) -> Way:
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

        def load() -> Run:
            from copy import deepcopy

            own: Any = deepcopy(network)
            own = own.to(device, dtype[precision])

            def run(features: Any) -> Any:
                with torch.inference_mode():
                    given = torch.from_numpy(features).to(device, dtype[precision])
                    state = own.get_encoder()(given)
                    written = torch.tensor([prompt] * len(given), device=device)
                    out, past, first = written, None, None
                    for _ in range(tokens if len(given) > 1 else 1):
                        said = own(
                            decoder_input_ids=written,
                            encoder_outputs=state,
                            past_key_values=past,
                            use_cache=True,
                        )
                        past = said.past_key_values
                        first = said.logits if first is None else first
                        written = said.logits[:, -1:].argmax(-1)
                        out = torch.cat([out, written], 1)
                    assert first is not None
                    out.cpu()
                    return first.float().cpu().numpy()

            return run

        return Way(precision, None, load)

    n = 2 if bench.quick else 32
    many = np.random.default_rng(1).normal(size=(n, 128, 3000)).astype(np.float32)
    ways = {f"float32, batch {n}": way("float32", bench.device)}
    if not bench.quick:
        ways[f"bfloat16, batch {n}"] = way("bfloat16", bench.device)
        ways[f"float16, batch {n}"] = way("float16", bench.device)
    for one in ways.values():
        one.batch = n
    return Part(
        f"Whisper large-v3, network alone, {tokens} tokens per 30 s",
        "sound",
        "random weights of the published size",
        ways,
        way("float32", "cpu"),
        many[:1],
        many,
        30.0 * n,
        lambda a, b: {"logits": float(np.linalg.norm(a - b) / np.linalg.norm(a))},
        30.0,
    )


def tiny_en(bench: Bench) -> Part | None:
    """Whisper tiny.en by faster-whisper, on real speech."""
    if bench.sound is None:
        return None
    import wave

    with wave.open(str(bench.sound)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit(f"{bench.sound} must be mono, 16 bits, {RATE} Hz.")
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768.0
    many = np.tile(samples, 1 if bench.quick else 12)

    def way(compute: str, device: str) -> Way:
        def load() -> Run:
            model = bench.model("whisper-tiny-en", device, whisper__compute_type=compute)
            return lambda signal: model.transcribe(signal, RATE, language="en").words

        return Way("ct2", 1, load)

    computes = ("float32",) if bench.quick else ("float32", "float16")
    return Part(
        "Whisper tiny.en by faster-whisper, with word times",
        "sound",
        "real",
        {name: way(name, bench.device) for name in computes},
        way("float32", "cpu"),
        samples,
        many,
        len(many) / RATE,
        words_differ,
        len(samples) / RATE,
    )


def words_differ(a: tuple[Any, ...], b: tuple[Any, ...]) -> dict[str, float]:
    """Words that differ, and the largest shift of one that does not, in seconds."""
    from difflib import SequenceMatcher

    one, other = ([word.text for word in words] for words in (a, b))
    same, shift = 0, 0.0
    for i, j, n in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks():
        same += n
        for k in range(n):
            shift = max(shift, abs(a[i + k].start - b[j + k].start))
    return {"words": max(len(one), len(other)) - same, "of": len(one), "shift_s": shift}


PARTS = {
    "detection": detection,
    "emonet": emonet,
    "wav2vec2": wav2vec2,
    "large-v3": large_v3,
    "tiny.en": tiny_en,
}
