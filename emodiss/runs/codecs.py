"""Records to files and back: JSON for what is small, NumPy arrays, WAV and Parquet for the rest.

One rule serves every record type: a tree of frozen dataclasses, tuples, lists and mappings goes
to `data.json`, the arrays in it to `data.npz` (never pickled), a data frame to `data.parquet`
and sound to `data.wav`. Reading back follows the type annotations, so a record that has changed
its fields fails loudly here and not three stages later.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import math
import sys
import types
import typing
import wave
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import RunError
from emodiss.media import Audio
from emodiss.media.records import DecodedSignal, StoredSignal
from emodiss.tabular import json_value

if TYPE_CHECKING:
    import pandas as pd

Files = dict[str, Iterable[bytes | memoryview]]
"""File names to contents, in pieces to be written one after the other."""

_SAID_OF_SOUND = ("offset", "heard", "other_track")
"""What of `Audio` is neither samples nor in the header of a WAV file."""
_AT_ONCE = 1 << 19
"""Samples written at a time."""
_PLAIN = frozenset((bool, int, float, str))


def encode(value: Any) -> Files:
    """Turn a stage's result into files."""
    if isinstance(value, Audio):
        said = {name: getattr(value, name) for name in _SAID_OF_SOUND}
        if value.mended:  # hardly ever, so that other sound is written as before
            said["mended"] = True
        return {"data.wav": _Wav(value), "data.json": (to_json(said),)}
    if isinstance(value, _frame_type()):
        return {"data.parquet": (to_parquet(value),)}
    arrays: list[NDArray[Any]] = []
    files: Files = {"data.json": (to_json(_to_tree(value, arrays)),)}
    if arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{f"a{i}": a for i, a in enumerate(arrays)})  # pyright: ignore[reportArgumentType]
        files["data.npz"] = (buffer.getbuffer(),)
    return files


def decode(kind: Any, folder: Path) -> Any:
    """Read a stage's result back."""
    if kind is Audio:
        return _from_wav(folder)
    if kind in _frame_type():
        import pandas as pd

        return pd.read_parquet(folder / "data.parquet")
    tree = json_value((folder / "data.json").read_bytes())
    path = folder / "data.npz"
    if not path.exists():
        return _from_tree(kind, tree, {})
    with np.load(path, allow_pickle=False) as arrays:
        return _from_tree(kind, tree, dict(arrays))


def _frame_type() -> tuple[type, ...]:
    """Type of data frames; none before somebody makes one, since pandas takes long to import."""
    pandas = sys.modules.get("pandas")
    return () if pandas is None else (pandas.DataFrame,)


def to_json(value: Any) -> bytes:
    """Return canonical JSON: sorted keys, no NaN, one line."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def to_parquet(table: pd.DataFrame) -> bytes:
    """Return a data frame as Parquet, without anything that changes from write to write."""
    buffer = io.BytesIO()
    write_parquet(table, buffer)
    return buffer.getvalue()


def write_parquet(table: pd.DataFrame, file: IO[bytes]) -> None:
    """Write a table's bytes without holding them."""
    # Numbers hardly repeat: their dictionaries cost memory and made files larger by a third.
    texts = [name for name in table if table[name].dtype.kind not in "biufM"]
    table.to_parquet(file, index=False, engine="pyarrow", compression="zstd", use_dictionary=texts)


class _Wav:
    """The pieces of a WAV file, made each time they are taken; an hour of sound is 115 MB."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio

    def __iter__(self) -> Iterator[bytes | memoryview]:
        signal = self._audio.signal
        yield _wav_header(len(signal), self._audio.sample_rate)
        if isinstance(signal, DecodedSignal):
            yield from signal.pieces()
            return
        for start in range(0, len(signal), _AT_ONCE):
            part = np.ascontiguousarray(signal[start : start + _AT_ONCE], "<i2")
            yield part.data.cast("B")


def _wav_header(n: int, sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.setnframes(n)
        file.writeframesraw(b"")
        header = buffer.getvalue()  # when it is closed, it corrects the number
    return header


def _from_wav(folder: Path) -> Audio:
    said = json_value((folder / "data.json").read_bytes())
    with wave.open(str(folder / "data.wav"), "rb") as file:
        n, rate = file.getnframes(), file.getframerate()
        header = (folder / "data.wav").stat().st_size - 2 * n
        if file.getparams()[:2] != (1, 2) or rate < 1 or header < len(_wav_header(0, rate)):
            raise ValueError  # samples are read later, where no error would name the file
        return Audio(StoredSignal(folder / "data.wav", n), rate, **said)


def _to_tree(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: _to_tree(getattr(value, f.name), arrays) for f in fields if f.init}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"$array": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {str(k): _to_tree(v, arrays) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_to_tree(item, arrays) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return {"$nan": 1}
        raise RunError(f"A result holds {value}, which is no measurement.")
    return value


@functools.cache
def _stored(record: type) -> dict[str, Any]:
    """Fields of a record that are stored, and their types; finding types takes a millisecond."""
    hints = typing.get_type_hints(record)
    return {f.name: hints[f.name] for f in dataclasses.fields(record) if f.init}


def _from_tree(kind: Any, tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(tree, dict):
        if "$array" in tree:
            return arrays[f"a{tree['$array']}"]
        if "$nan" in tree:
            return math.nan
    elif kind in _PLAIN:  # most values by far
        return tree
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _from_tree(args[0], tree, arrays)
    if origin in (typing.Union, types.UnionType):
        if tree is None:
            return None
        return _from_tree(next(a for a in args if a is not type(None)), tree, arrays)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        known = _stored(kind)
        if not isinstance(tree, dict) or tree.keys() != known.keys():
            raise RunError(
                f"A stored result does not fit the record {kind.__name__}.",
                next_step="Another version wrote it: measure it anew with emodiss resume RUN.",
            )
        return kind(**{n: _from_tree(inner, tree[n], arrays) for n, inner in known.items()})
    if origin is tuple:
        inner = args[0] if len(args) == 2 and args[1] is Ellipsis else None
        kinds = [inner] * len(tree) if inner is not None else list(args)
        return tuple(_from_tree(k, item, arrays) for k, item in zip(kinds, tree, strict=True))
    if origin is list:
        return [_from_tree(args[0], item, arrays) for item in tree]
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {k: _from_tree(args[1], v, arrays) for k, v in tree.items()}
    return tree
