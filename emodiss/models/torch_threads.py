"""How many threads torch may use, for the length of one call."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def torch_threads(n: int) -> Generator[None]:
    """Limit torch's CPU threads inside a `with`, and put the caller's setting back after it.

    One thread per worker process and many workers is faster than the reverse for these networks,
    and a thread count left behind would slow down whatever the caller does next with torch.

    Parameters
    ----------
    n
        Threads, at least 1.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
