"""How long therapists' replies are: the last columns of MIRROR's Table 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from emodiss.encounters.records import Encounter
from emodiss.errors import SettingsError
from emodiss.interventions.techniques import count_words

WORDS = "words"
"""The measure that needs no tokenizer."""


def counter(tokenizer: str | Path = WORDS) -> Callable[[str], int]:
    """Return what counts tokens: `words`, a `tokenizer.json`, or as tiktoken names it."""
    if str(tokenizer) == WORDS:
        return count_words
    path = Path(tokenizer)
    if path.is_file():
        try:
            from tokenizers import Tokenizer

            read = Tokenizer.from_file(str(path))
        except ImportError:
            raise SettingsError(
                "A tokenizer.json needs the package tokenizers.", next_step="Count words instead."
            ) from None
        except Exception as fault:  # the library raises bare exceptions
            raise SettingsError(
                f"'{path.name}' is no tokenizer ({type(fault).__name__})."
            ) from None
        return lambda text: len(read.encode(text, add_special_tokens=False).ids)
    try:
        import tiktoken  # pyright: ignore[reportMissingImports]

        encoding = tiktoken.get_encoding(str(tokenizer))
    except (ImportError, ValueError):
        raise SettingsError(
            f"There is no tokenizer '{path.name}'.",
            next_step="Give words, the path of a tokenizer.json, or with tiktoken installed "
            "o200k_base.",
        ) from None
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def reply_lengths(encounters: Iterable[Encounter], tokenizer: str | Path = WORDS) -> pd.DataFrame:
    """Measure the replies of each session.

    The opening, which is the same whoever is the therapist, does not count.

    Parameters
    ----------
    encounters
        Simulated sessions; failed ones are passed over.

    Returns
    -------
    DataFrame
        One row per session: item, case, model (the therapist), arm, n_replies, total, length
        (mean per reply; NaN without one), longest, n_truncated (replies that were cut off).
    """
    count = counter(tokenizer)
    rows: list[dict[str, Any]] = []
    for each in encounters:
        if each.status != "complete":
            continue
        sizes = [
            count(line.words) for line in each.lines if line.role == "therapist" and line.index > 0
        ]
        row: dict[str, Any] = {"item": each.id, "case": each.case.id, "model": each.therapist}
        row |= {"arm": each.arm, "n_replies": len(sizes), "total": sum(sizes)}
        row["length"] = sum(sizes) / len(sizes) if sizes else float("nan")
        row["longest"] = float(max(sizes)) if sizes else float("nan")
        row["n_truncated"] = sum(
            "truncated" in reply.flags
            for reply in each.replies
            if each.lines[reply.line].role == "therapist"
        )
        rows.append(row)
    columns = ["item", "case", "model", "arm", "n_replies", "total", "length", "longest"]
    return pd.DataFrame(rows, columns=pd.Index([*columns, "n_truncated"]))


def lengths(encounters: Iterable[Encounter], tokenizer: str | Path = WORDS) -> pd.DataFrame:
    """Average the replies of each therapist.

    Returns
    -------
    DataFrame
        One row per therapist: model, arm, mean (tokens per reply), max (mean over sessions of the
        longest reply, decision B8), longest (of all), n_sessions, n_replies, n_truncated,
        tokenizer.
    """
    table = reply_lengths(encounters, tokenizer)
    grouped = table.groupby(["model", "arm"], sort=True)
    out = grouped.agg(
        total=("total", "sum"),
        max=("longest", "mean"),
        longest=("longest", "max"),
        n_sessions=("item", "size"),
        n_replies=("n_replies", "sum"),
        n_truncated=("n_truncated", "sum"),
    ).reset_index()
    replies = out["n_replies"].where(out["n_replies"] > 0)
    out.insert(2, "mean", out.pop("total") / replies)
    name = Path(tokenizer).name
    return out.assign(tokenizer=name)
