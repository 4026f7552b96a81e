"""ONNX Runtime on the CPU, set up alike for every network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emodiss.errors import MissingExtra

if TYPE_CHECKING:
    import onnxruntime


def cpu_session(
    graph: bytes, threads: int, *, spinning: bool = True
) -> onnxruntime.InferenceSession:
    """Open a network; a waiting thread that spins takes the core from the other workers."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra.of("onnxruntime", "models") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
