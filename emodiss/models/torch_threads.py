"""How torch computes for the length of one call: on how many threads, and how exactly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def torch_threads(n: int) -> Generator[None]:
    """Limit torch's CPU threads inside a `with`, and put the caller's setting back after it.

    One thread per worker process and many workers is faster than the reverse for these networks,
    and a thread count left behind would slow down whatever the caller does next with torch.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def without_tf32() -> Generator[None]:
    """Compute in full float32 inside a `with`: TF32 would cost three digits without saying so.

    Torch convolves in TF32 unless told otherwise, and multiplies in it where other code in the
    process asked for that. `torch.backends.cudnn.flags` takes every flag it is not given for off,
    cuDNN itself among them, and convolutions on a GPU would leave it for much slower code. Hence
    all are given.
    """
    import torch
    from torch.backends import cudnn

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with cudnn.flags(
            enabled=cudnn.enabled,
            benchmark=cudnn.benchmark,
            benchmark_limit=cudnn.benchmark_limit,
            deterministic=cudnn.deterministic,
            allow_tf32=False,
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
