"""Published tensors into a network that was written from its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from emodiss.errors import ModelError

Network = TypeVar("Network", bound=nn.Module)


def fitted(
    network: Network,
    read: Callable[[], Mapping[str, Tensor]],
    path: Path,
    *,
    of: str,
    next_step: str,
) -> Network:
    """Load all tensors that `read` gives into a network; a ModelError says what did not fit."""
    try:
        network.load_state_dict(read(), strict=True)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"{path.name} does not hold the tensors of {of}.", next_step=next_step
        ) from error
    return network.eval()
