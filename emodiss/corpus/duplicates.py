"""Duplicates among recordings, by their sound, their pictures and their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from emodiss.corpus import pictures as motions
from emodiss.corpus.fingerprints import DuplicatePair, Fingerprint, fingerprint, match


def find_duplicates(paths: Sequence[str | Path], *, pictures: bool = True) -> list[DuplicatePair]:
    """Find recordings with the same content: copies, re-encodings, cuts, with or without intro.

    Parameters
    ----------
    pictures
        Look at the pictures of all files, which finds a copy whose sound was taken out or replaced
        too, and decodes every video whole. Otherwise only files in which too little can be heard
        are compared by picture, and among themselves.

    Returns
    -------
    list of DuplicatePair
        In the order of the files given; each pair once, by the first that gives it away of bytes,
        sound and picture.

    Raises
    ------
    MediaError
        If a file cannot be read.
    """
    from emodiss.manifest import VideoRow
    from emodiss.media import decode_audio, probe
    from emodiss.settings import Settings

    settings = Settings().media
    sounds: dict[str, Fingerprint] = {}
    moving: dict[str, motions.Motion] = {}
    for path in dict.fromkeys(paths):
        source = Path(path)
        media = probe(source=source, row=VideoRow(id="x", path=str(path)), settings=settings)
        sound = fingerprint(decode_audio(source=source, media=media), sha256=media.sha256)
        sounds[str(path)] = sound
        if media.has_video and (pictures or not sound.usable):
            moving[str(path)] = motions.motion(source, media)
    return compare(sounds, moving)


def compare(
    sounds: Mapping[str, Fingerprint], moving: Mapping[str, motions.Motion]
) -> list[DuplicatePair]:
    """Find pairs by both fingerprints, each once: by sound, whose offset is finer, or picture."""
    position = {name: i for i, name in enumerate(sounds)}
    seen = {name: moving[name] for name in sounds if name in moving}
    pairs = {(position[p.a], position[p.b]): p for p in (*motions.match(seen), *match(sounds))}
    return [pairs[key] for key in sorted(pairs)]
