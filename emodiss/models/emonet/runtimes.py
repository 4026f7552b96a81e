"""What runs EmoNet's arithmetic: torch, ONNX Runtime or OpenVINO.

All three take a network whose weights are in place and give a function from a batch of images,
(n, 3, 256, 256) float32 in [0, 1], to the four outputs as float32 arrays. For ONNX Runtime and
OpenVINO the graph is converted in memory and never written: the weights' licence forbids passing
on anything made from them.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from emodiss.errors import MissingExtra, ModelError
from emodiss.models.emonet.network import SIDE, EmoNet
from emodiss.models.onnx_session import cpu_session
from emodiss.models.torch_threads import torch_threads, without_tf32

Run = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]

OUTPUTS: Final = ("expression", "valence", "arousal", "heatmap")


def in_torch(network: EmoNet, *, device: str, precision: str, threads: int) -> Run:
    """Run in torch; channels last, which is the faster layout on a CPU."""
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    network = network.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def run(batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        image = torch.from_numpy(batch).to(device, dtype)
        image = image.contiguous(memory_format=torch.channels_last)
        with torch_threads(threads), torch.inference_mode(), without_tf32():
            return {k: v.float().cpu().numpy() for k, v in network(image).items()}

    return run


def in_onnxruntime(network: EmoNet, *, threads: int) -> Run:
    """Run in ONNX Runtime on the CPU, in float32."""
    session: Any = cpu_session(_graph(network), threads)

    def run(batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        values = session.run(OUTPUTS, {"image": batch})
        return {name: np.asarray(value) for name, value in zip(OUTPUTS, values, strict=True)}

    return run


def in_openvino(network: EmoNet, *, precision: str, threads: int) -> Run:
    """Run in OpenVINO on the CPU, one face at a time: its batches are no faster."""
    openvino = import_openvino()
    core = openvino.Core()
    model = core.read_model(_graph(network))
    model.reshape([1, 3, SIDE, SIDE])
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if hint == "bf16" and "BF16" not in able:
        raise ModelError(
            f"This processor does not compute in bfloat16; OpenVINO offers {', '.join(able)}.",
            next_step="Use emonet.precision=float32, or emonet.backend=torch, which emulates "
            "bfloat16 slowly.",
        )
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Pinned, the threads of two workers would share a core while others idle.
            "ENABLE_CPU_PINNING": False,
        },
    )
    request = compiled.create_infer_request()

    def run(batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        rows = [request.infer({"image": image[None]}) for image in batch]
        return {name: np.concatenate([row[name] for row in rows]) for name in OUTPUTS}

    return run


def import_openvino() -> Any:
    """Import OpenVINO, whose telemetry stays off."""
    # On import OpenVINO's telemetry writes an identifier into the home folder and may call home.
    # Without its package OpenVINO takes an empty stand-in of its own.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra.of("openvino", "openvino") from error
    return openvino


def _graph(network: EmoNet) -> bytes:
    """Convert the network to ONNX."""
    graph = BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is the one that needs no further package; torch says it will go.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, SIDE, SIDE),),
            graph,  # pyright: ignore[reportArgumentType]
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "n"} for name in ("image", *OUTPUTS)},
            opset_version=17,
            dynamo=False,
        )
    return graph.getvalue()
