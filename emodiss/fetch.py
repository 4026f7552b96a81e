"""Fetching videos from the web with yt-dlp, with an outcome that says what went wrong.

Files land in the run folder and nowhere else. A download that was cut goes on where it stopped.
Nothing is fetched twice: two rows with one address share one file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emodiss.errors import MediaError

_SOCKET_TIMEOUT_S = 20
_RETRIES = 3

# yt-dlp reports everything as one error class; what happened stands in its message only.
_REASONS: tuple[tuple[str, str, str], ...] = (
    (r"private video", "private", "Ask its owner, or drop the row."),
    (r"not a bot", "bot_check", "Wait, or hand yt-dlp cookies of a browser session."),
    (r"\bage\b", "age_restricted", "Hand yt-dlp cookies of a session that may watch it."),
    (r"your country|\bgeo", "geo_blocked", "Fetch it from a place where it may be watched."),
    (r"removed|unavailable|terminated|no longer|HTTP Error 4(04|10)\b", "removed", "Drop the row."),
    (r"HTTP Error 429\b|too many requests", "rate_limited", "Wait an hour and run again."),
    (r"unsupported url", "unsupported", "Give the address of the video itself."),
    (r"live event|is live|premieres", "live", "Wait until the broadcast has ended."),
    (
        r"timed? ?out|refused|resolve|unreachable|reset|connection|network|HTTP Error 50\d",
        "network",
        "Check the address and the network, then run again.",
    ),
)


def folder_of(url: str, downloads: Path) -> Path:
    """Return the folder that holds what was fetched from an address."""
    return downloads / hashlib.sha256(url.encode()).hexdigest()[:20]


def fetched(url: str, downloads: Path) -> Path | None:
    """Return the file fetched earlier from an address, or None."""
    marker = folder_of(url, downloads) / "fetched.txt"
    if not marker.is_file():
        return None
    path = marker.parent / marker.read_text(encoding="utf-8").strip()
    return path if path.is_file() else None


def fetch(
    url: str,
    downloads: Path,
    *,
    max_height: int,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Download a video, or return the file fetched earlier.

    Parameters
    ----------
    url
        An http or https address.
    downloads
        Folder for all downloads of a run.
    max_height
        Largest picture height in pixels.
    progress
        Called with bytes so far and bytes expected (0 when not known).

    Returns
    -------
    Path
        The media file.

    Raises
    ------
    MediaError
        With a code such as `private`, `removed`, `network` or `unsupported`.
    """
    earlier = fetched(url, downloads)
    if earlier is not None:
        return earlier
    import imageio_ffmpeg
    import yt_dlp

    folder = folder_of(url, downloads)
    folder.mkdir(parents=True, exist_ok=True)

    def report(state: dict[str, Any]) -> None:
        if progress is not None and state.get("status") == "downloading":
            total = state.get("total_bytes") or state.get("total_bytes_estimate") or 0
            progress(int(state.get("downloaded_bytes") or 0), int(total))

    options: dict[str, Any] = {
        "outtmpl": str(folder / "media.%(ext)s"),
        "format": f"bv*[height<={max_height}]+ba/b[height<={max_height}]/bv*+ba/b",
        "ffmpeg_location": imageio_ffmpeg.get_ffmpeg_exe(),
        "noplaylist": True,
        "continuedl": True,
        "retries": _RETRIES,
        "fragment_retries": _RETRIES,
        "socket_timeout": _SOCKET_TIMEOUT_S,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silence(),
        "progress_hooks": [report],
        "enable_file_urls": False,
        "cachedir": False,
    }
    try:
        with yt_dlp.YoutubeDL(options) as client:  # pyright: ignore[reportArgumentType]
            found = client.extract_info(url, download=True)
            path = Path(found["requested_downloads"][0]["filepath"])  # pyright: ignore
    except Exception as error:  # yt-dlp lets errors of its extractors through as they are
        raise _typed(error) from error
    # The marker appears whole, after the file it vouches for.
    marker = folder / "fetched.txt"
    unfinished = marker.with_suffix(".part")
    unfinished.write_text(path.name + "\n", encoding="utf-8")
    unfinished.replace(marker)
    return path


def _typed(error: Exception) -> MediaError:
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    for pattern, code, next_step in _REASONS:
        if re.search(pattern, message, flags=re.IGNORECASE):
            return MediaError(
                f"The video cannot be fetched ({code.replace('_', ' ')}).",
                next_step=next_step,
                code=code,
            )
    return MediaError(
        f"The video cannot be fetched ({type(error).__name__}).",
        next_step="Try the address in a browser; yt-dlp may need an update.",
        code="fetch",
    )


class _Silence:
    """Takes yt-dlp's messages and drops them; they carry titles."""

    def debug(self, msg: str) -> None:
        pass

    def warning(self, msg: str) -> None:
        pass

    def error(self, msg: str) -> None:
        pass
