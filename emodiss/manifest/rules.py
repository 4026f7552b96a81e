"""What a manifest from somebody else may not do: ids, addresses and files.

A manifest often comes with a study, or from the web. Whoever wrote it must not make this machine
open files of another study, or of its user, and carry what is in them into tables and pages that
are passed on. So an id names a folder of the run and nothing else, an address is a web address
without a password, and a path leads into the manifest's own folder and nowhere else, unless the
user, who knows where the manifest is from, allows it.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PureWindowsPath
from urllib.parse import urlsplit

from emodiss.errors import ArgumentError, ManifestError

# An id names a folder, so it can be neither a path nor a hidden file, on any file system. Windows
# drops a full stop at the end, and takes the names of its devices, whatever follows a full stop,
# for the device.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_id(text: str) -> str:
    """Return an id that can name one folder, and nothing but a folder, on any file system.

    Parameters
    ----------
    text
        ASCII letters, digits, `.`, `_` and `-`, at most 100; the first is a letter or digit, the
        last no full stop, and no two full stops follow each other. Not the name of a device of
        Windows (`con`, `nul`, `com1`, ...), with or without an ending.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not _ID.fullmatch(text) or ".." in text or text.endswith("."):
        shown = text if len(text) <= 100 else f"{text[:20]}..."
        raise ArgumentError(
            f"{shown!a} cannot name a folder; use letters, digits, '.', '_' and '-', starting "
            "with a letter or digit and not ending with a '.', at most 100 characters"
        )
    if _DEVICE.fullmatch(text):
        raise ArgumentError(f"'{text}' names a device on Windows, not a folder; use another id")
    return text


def check_url(text: str) -> str:
    """Return an address that can be fetched and passed on.

    Parameters
    ----------
    text
        Address with the scheme http or https, in capitals or not.

    Raises
    ------
    ValueError
        If it has another scheme, no host, a port that is none, or blanks; or if it carries a user
        or a password, which would come to stand in the run folder and in every list of addresses.
        The message does not repeat the address.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        scheme = f"'{parts.scheme}:'" if parts.scheme else "no scheme"
        raise ArgumentError(f"only http and https addresses are fetched, got {scheme}")
    if parts.username is not None or parts.password is not None:
        raise ArgumentError(
            "the address carries a user or a password, which would end up in every list of "
            "addresses; write it without, and give a cookie file to emodiss fetch --cookies"
        )
    try:
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or re.search(r"[\x00-\x20\x7f\\]", text):
        raise ArgumentError("the address is broken: expected https://host/..., without blanks")
    return text


def resolve_file(path: str, folder: Path, *, anywhere: bool = False) -> Path:
    """Return the file that a path in a manifest means, with links followed and `..` removed."""
    outside = ManifestError(
        f"'{path}' lies outside the manifest's folder.",
        next_step="Move the file into that folder, or allow it with --allow-local (in Python: "
        "allow_local=True) if you trust this manifest.",
    )
    # Another drive or a network share is never inside. It is not even looked at: on Windows, a
    # look at a share signs the user in there. On other systems no folder has a drive.
    drive = PureWindowsPath(path).drive.casefold()
    if drive and drive != folder.drive.casefold() and not anywhere:
        raise outside
    try:
        # A path would take `./~`, a file of that name, for the home.
        written = Path(path).expanduser() if path.startswith("~") else Path(path)
        found = _as_on_disk(folder, written).resolve()
        if not anywhere and not found.is_relative_to(folder.resolve()):
            raise outside
        readable = os.access(found, os.R_OK) or _is_missing(found)
    except (OSError, RuntimeError, ValueError) as error:
        # A name that is too long, links in a circle, a home of nobody, a character of no path.
        raise ManifestError(
            f"'{path}' cannot be followed ({type(error).__name__}).",
            next_step="Write it relative to the manifest's folder.",
        ) from error
    if not readable:
        raise ManifestError(
            f"'{path}' may not be read by this user.", next_step="Change the file's permissions."
        )
    return found


def _as_on_disk(folder: Path, written: Path) -> Path:
    """Return the path as the disk spells it, if that is another way than the manifest does.

    macOS takes accents apart (NFD) and most editors put them together (NFC); Windows writes
    backslashes between folders. What is there as written is taken so.
    """
    direct = folder / written
    if direct.exists():
        return direct
    turned = folder / str(written).replace("\\", "/")
    place = Path(turned.anchor)
    for part in turned.parts[len(place.parts) :]:
        # ASCII has one spelling: no large folder is listed for each file that it lacks.
        if not part.isascii() and not (place / part).exists() and place.is_dir():
            same = unicodedata.normalize("NFC", part)
            names = os.listdir(place)
            found = [name for name in names if unicodedata.normalize("NFC", name) == same]
            part = found[0] if len(found) == 1 else part
        place = place / part
    return place if place.exists() else direct


def _is_missing(path: Path) -> bool:
    """Whether there is no such file, as against one that cannot be looked at."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    return False
