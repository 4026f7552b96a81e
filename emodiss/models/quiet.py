"""Libraries that would log what people say, or report over the network, kept from it."""

from __future__ import annotations

import logging
import os


def quiet_libraries() -> None:
    """Quiet WhisperX and pyannote.audio; call before the first import of either."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    # "Failed to align segment ("<the words>")" is a warning there, printed to stdout by a handler
    # that WhisperX adds on import unless there is one already.
    logger = logging.getLogger("whisperx")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
