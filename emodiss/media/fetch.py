"""Fetching videos from the web with yt-dlp, with an outcome that says what went wrong.

Files land in the run folder and nowhere else. A download that was cut goes on where it stopped.
Nothing is fetched twice: two rows with one address share one file. Beside the media lies
`about.json` with the licence and what else its page states, and captions when asked for.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss.errors import MediaError, SettingsError
from emodiss.media import network
from emodiss.tabular import json_value

_SOCKET_TIMEOUT_S = 20

# What is kept of a page; the rest is for players.
_ABOUT = (
    *("id", "webpage_url", "title", "license", "channel", "uploader", "upload_date", "duration"),
    *("language", "ext", "width", "height", "fps"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """How to fetch; nothing here can change a result, and none of it is kept in the run."""

    # Cookie file of a browser session (Netscape format), for what only some may watch.
    cookies: Path | None = None
    # Address of a proxy; by default what the environment says.
    proxy: str | None = None
    # Most bytes per second; None for no limit.
    rate_limit: int | None = None
    retries: int = 3
    # Seconds before the first repetition; doubles each time, up to a minute.
    backoff_s: float = 1.0
    # Languages of captions to keep beside the media, such as `en.*`; automatic ones where no others
    # are, since only those carry word times (format json3).
    captions: tuple[str, ...] = ()
    # Largest file; an endless answer stops there.
    max_bytes: int = 20 * 2**30
    # Longest video, where its page states a length.
    max_hours: float = 6.0
    # Least bytes per second over `patience_s` seconds, from the first header on.
    least_speed: float = 1000.0
    patience_s: float = 60.0
    longest_s: float = 12 * 3600.0
    # Whether addresses of this machine and its own link may be asked, also after redirects.
    local_network: bool = False


class _Refused(Exception):
    """What emodiss itself will not fetch; the argument is its code."""


_COOKIES = "Export cookies of a browser session that may watch it: emodiss fetch --cookies FILE."

# yt-dlp reports everything as one error class; what happened stands in its message only. The first
# that fits counts: a bot check asks to sign in too, and what is blocked is called unavailable.
_REASONS: tuple[tuple[str, str, str], ...] = (
    (r"_Refused: too_large", "too_large", "Fetch a lower picture, or raise --max-gb."),
    (r"_Refused: too_long", "too_long", "Raise emodiss fetch --max-hours, or drop the row."),
    (r"private video", "private", "Ask its owner, or drop the row."),
    (
        r"not a bot|captcha",
        "bot_check",
        "Wait some hours, or pass cookies of a browser session: emodiss fetch --cookies FILE.",
    ),
    (r"confirm your age|\bage[- ]", "age_restricted", _COOKIES),
    (r"your (country|location)|\bgeo", "geo_blocked", "Fetch it where it may be watched."),
    (
        r"HTTP Error 429\b|too many requests|rate-limited|try again later",
        "rate_limited",
        "Wait an hour and run again.",
    ),
    (
        r"_Refused: local_address",
        "local_address",
        "It leads to this machine or its own link. If that is meant: emodiss fetch "
        "--local-network.",
    ),
    (
        r"_Refused: too_slow",
        "too_slow",
        "The server sends too little, or takes too long; try again later or at another address.",
    ),
    (
        r"_Refused: live|live event|\bis live|premieres|not currently live|stream recording",
        "live",
        "Wait until the broadcast has ended and its recording is up.",
    ),
    (r"members-only|registered users|\b(sign|log) in\b", "login_required", _COOKIES),
    (r"unsupported url|\bDRM\b", "unsupported", "Give another address of the video itself."),
    (
        r"requested format is not available|no video formats",
        "no_format",
        "For YouTube run emodiss doctor: without a JavaScript runtime it gives few formats.",
    ),
    (
        r"removed|unavailable|terminated|no longer|does not exist|"
        r"(?<!API page: )HTTP Error 4(04|10)\b",
        "removed",
        "Drop the row.",
    ),
    (
        r"timed? ?out|refused|resolve|unreachable|reset|connection|network|more expected|"
        r"HTTP Error 50\d",
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
    try:
        path = marker.parent / marker.read_text(encoding="utf-8").strip()
        return path if path.is_file() else None
    except ValueError:  # damaged: no text, or no name of a file; it is fetched again
        return None


def fetch(
    url: str,
    downloads: Path,
    *,
    max_height: int,
    options: Options | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Download a video, or return the file fetched earlier."""
    earlier = fetched(url, downloads)
    if earlier is not None:
        return earlier
    import imageio_ffmpeg
    import yt_dlp

    folder = folder_of(url, downloads)
    folder.mkdir(parents=True, exist_ok=True)

    chosen = options or Options()

    def report(state: dict[str, Any]) -> None:
        done = int(state.get("downloaded_bytes") or 0)
        watch.received = max(watch.received, done)
        total = int(state.get("total_bytes") or state.get("total_bytes_estimate") or 0)
        if max(done, total) > chosen.max_bytes:
            raise _Refused("too_large")
        if progress is not None and state.get("status") == "downloading":
            progress(done, total)

    def refuse(info: dict[str, Any], *, incomplete: bool = False) -> None:
        # Of a broadcast yt-dlp would record what comes from now on, which is not the video.
        if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
            raise _Refused("live")
        if not incomplete and float(info.get("duration") or 0) > 3600 * chosen.max_hours:
            raise _Refused("too_long")

    def wait(n: int) -> float:
        return min(60.0, chosen.backoff_s * 2**n)

    settings: dict[str, Any] = {
        **quiet_options(),
        "outtmpl": str(folder / "media.%(ext)s"),
        "format": f"bv*[height<={max_height}]+ba/b[height<={max_height}]/bv*+ba/b",
        "ffmpeg_location": imageio_ffmpeg.get_ffmpeg_exe(),
        "noplaylist": True,
        "continuedl": True,
        "retries": chosen.retries,
        "fragment_retries": chosen.retries,
        "extractor_retries": chosen.retries,
        "retry_sleep_functions": dict.fromkeys(("http", "fragment", "extractor"), wait),
        "ratelimit": chosen.rate_limit,
        # As text: yt-dlp writes what sites set back into a file, and downloads run side by side.
        "cookiefile": io.StringIO(read_cookies(chosen.cookies)) if chosen.cookies else None,
        "writesubtitles": bool(chosen.captions),
        "writeautomaticsub": bool(chosen.captions),
        "subtitleslangs": list(chosen.captions),
        "subtitlesformat": "json3/vtt/srt/best",
        "match_filter": refuse,
        "progress_hooks": [report],
    }
    if chosen.proxy is not None:
        settings["proxy"] = chosen.proxy
    proxies = urllib.request.getproxies().values() if chosen.proxy is None else [chosen.proxy]
    watching = network.watched(
        local=chosen.local_network,
        but=network.places(proxies),  # a proxy may well run here
        least_speed=chosen.least_speed,
        patience_s=chosen.patience_s,
        longest_s=chosen.longest_s,
    )
    with watching as watch:
        try:
            with yt_dlp.YoutubeDL(settings) as client:  # pyright: ignore[reportArgumentType]
                found = client.extract_info(url, download=True)
                path = Path(found["requested_downloads"][0]["filepath"])  # pyright: ignore
        except Exception as error:  # yt-dlp lets errors of its extractors through as they are
            raise typed(_Refused(watch.refused) if watch.refused else error) from error
    facts = {name: found.get(name) for name in _ABOUT if found.get(name) is not None}
    text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True, default=str)
    (folder / "about.json").write_text(text + "\n", encoding="utf-8")
    # The marker appears whole, after the file it vouches for.
    marker = folder / "fetched.txt"
    unfinished = marker.with_suffix(".part")
    unfinished.write_text(path.name + "\n", encoding="utf-8")
    unfinished.replace(marker)
    return path


def read_cookies(path: Path) -> str:
    """Read a cookie file of a browser session."""
    step = "Export the cookies of one site in Netscape format (cookies.txt) from your browser."
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows programs put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The cookie file '{path.name}' cannot be read ({type(error).__name__}).",
            next_step=step,
        ) from None
    n_cookies = 0
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.removeprefix("#HttpOnly_")
        if not line.strip() or line.startswith("#"):
            continue
        columns = line.split("\t")
        if (
            len(columns) != 7
            or (columns[1] == "TRUE") != columns[0].startswith(".")
            or not re.fullmatch(r"(\d+(\.\d+)?)?", columns[4])
        ):
            raise SettingsError(
                f"Line {number} of the cookie file '{path.name}' is not in Netscape format.",
                next_step=step,
            )
        n_cookies += 1
    if not n_cookies:
        raise SettingsError(f"The cookie file '{path.name}' holds no cookie.", next_step=step)
    # yt-dlp and the standard library look for this first line.
    header = re.match(r"#( Netscape)? HTTP Cookie File", text)
    return text if header else f"# Netscape HTTP Cookie File\n{text}"


def about(url: str, downloads: Path) -> dict[str, Any]:
    """Return what a fetched video's page stated: licence, length, language, ...; {} if nothing."""
    path = folder_of(url, downloads) / "about.json"
    try:
        stated = json_value(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return stated if isinstance(stated, dict) else {}


@dataclass(frozen=True, slots=True)
class Runtime:
    """A JavaScript runtime that yt-dlp found; it needs one, and its package `yt-dlp-ejs`."""

    # `deno`, `node`, `bun` or `quickjs`.
    name: str
    version: str
    supported: bool


def runtimes() -> list[Runtime]:
    """List the JavaScript runtimes on this machine, in yt-dlp's order of preference.

    Without one, YouTube gives few formats or none. Looked for on the path and, for the package
    `deno`, beside this Python.
    """
    from yt_dlp.globals import supported_js_runtimes

    known: Any = supported_js_runtimes.value
    found: list[Runtime] = []
    for name, settings in _runtime_paths().items():
        info = known[name](path=settings["path"]).info if name in known else None
        if info is not None:
            found.append(Runtime(name, str(info.version), bool(info.supported)))
    return found


def challenge_scripts() -> tuple[str | None, str | None]:
    """Return the version of the package `yt-dlp-ejs`, and the one that this yt-dlp asks for."""
    try:
        installed = importlib.metadata.version("yt-dlp-ejs")
    except importlib.metadata.PackageNotFoundError:
        installed = None
    stated = "\n".join(importlib.metadata.requires("yt-dlp") or ())
    wanted = re.search(r"^yt-dlp-ejs==([\d.]+)", stated, flags=re.MULTILINE)
    return installed, wanted[1] if wanted else None


def scripts_fit(installed: str, wanted: str | None) -> bool:
    """Tell whether yt-dlp takes scripts of a version: all but the last number must agree."""
    return wanted is None or installed.split(".")[:2] == wanted.split(".")[:2]


def _runtime_paths() -> dict[str, dict[str, str]]:
    programs = {"deno": "deno", "node": "node", "bun": "bun", "quickjs": "qjs"}
    places = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    paths = {name: shutil.which(program, path=places) for name, program in programs.items()}
    return {name: {"path": path} for name, path in paths.items() if path is not None}


def quiet_options() -> dict[str, Any]:
    """Return yt-dlp's options for keeping to itself: no output, no cache, no local files."""
    return {
        "socket_timeout": _SOCKET_TIMEOUT_S,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silence(),
        "enable_file_urls": False,
        "cachedir": False,
        # By itself yt-dlp looks for deno only.
        "js_runtimes": _runtime_paths(),
    }


def typed(error: Exception) -> MediaError:
    """Turn whatever yt-dlp raised into an error with a code and a way out."""
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _Refused):
            message = f"_Refused: {cause}"
        cause = cause.__cause__ or cause.__context__
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
