"""Pictures in messages: known by their content, opened only where they are sent or read."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from emodiss.errors import ChatError

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 20_000_000
"""Of one picture; a larger one would fill the memory of whoever opens it."""

FORMATS = ("JPEG", "PNG", "WEBP")
_AS_ON_DISK = {"JPEG": "image/jpeg", "PNG": "image/png"}
_DEEP = ("I", "F")
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a message.

    Parameters
    ----------
    path
        Where it lies. Two pictures of the same content are equal, whatever they are called.
    sha256
        Hash of the file.
    width, height
        Of the upright picture, pixels.
    """

    path: Path = field(compare=False)
    sha256: str
    width: int
    height: int

    @classmethod
    def of(cls, path: str | Path) -> Picture:
        """Look at a file.

        Raises
        ------
        ModelError
            With code `picture` if there is no file, it is no picture that can be read whole (JPEG,
            PNG or WebP of 8 bits), or it has more than 20 megapixels.
        """
        path = Path(path)
        content = _read(path)
        width, height = _opened(content, path)[0].size
        return cls(path, hashlib.sha256(content).hexdigest(), width, height)

    def __str__(self) -> str:
        """Show size and the beginning of the hash."""
        return f"[picture {self.width}x{self.height} sha256 {self.sha256[:12]}...]"

    def pixels(self) -> Image.Image:
        """Read it: RGB, turned as its EXIF says, laid over white where it is transparent."""
        return _opened(self._content(), self.path)[0]

    def data_url(self) -> str:
        """Write it as a data URL: as on disk, or as a PNG of its pixels.

        On disk it may be turned, transparent or moving, which not everyone reads alike, or carry
        EXIF, which may tell where it was taken.
        """
        content = self._content()
        upright, kind = _opened(content, self.path)
        if kind is None:
            kind, buffer = "image/png", io.BytesIO()
            upright.save(buffer, "PNG")
            content = buffer.getvalue()
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"

    def _content(self) -> bytes:
        content = _read(self.path)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise _fault(self.path, "has changed since it was looked at")
        return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise _fault(path, f"cannot be read: {fault.strerror or type(fault).__name__}") from None


def _opened(content: bytes, path: Path) -> tuple[Image.Image, str | None]:
    """Upright RGB picture, and the media type under which the bytes mean just that, or None."""
    from PIL import Image, ImageOps

    try:
        found = Image.open(io.BytesIO(content), formats=FORMATS)
        width, height = found.size
        if width * height > MOST_PIXELS:
            raise _fault(path, f"has {width} x {height} pixels; at most 20 million were expected")
        if found.mode.startswith(_DEEP):
            raise _fault(path, f"has the mode {found.mode}; 8 bits were expected")
        exif = found.getexif()
        kind = _AS_ON_DISK.get(found.format or "")
        plain = found.mode in ("RGB", "L") and not exif and getattr(found, "n_frames", 1) == 1
        upright = ImageOps.exif_transpose(found)
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            white = Image.new("RGBA", upright.size, _WHITE)
            upright = Image.alpha_composite(white, upright)
            plain = False
        return upright.convert("RGB"), kind if plain else None
    except ChatError:
        raise
    # What its decoders raise on damaged files: OSError, SyntaxError, ValueError, struct.error ...
    except Exception as fault:
        raise _fault(path, f"is no picture that can be read ({type(fault).__name__})") from None


def _fault(path: Path, what: str) -> ChatError:
    return ChatError(
        f"The picture {path} {what}.",
        next_step=f"Give a file of one of the formats {', '.join(FORMATS)}.",
        code="picture",
    )
