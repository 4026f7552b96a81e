"""One session of the utterance table, read once for many windows."""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import nearest
from emodiss.prompts.records import Channel, PromptError, Turn, Window
from emodiss.settings import PromptsSettings
from emodiss.vocabulary import IN_PROMPTS, ROLES

# Loaded where there is a table: settings name templates, and to plan a run needs no pandas.
if TYPE_CHECKING:
    import pandas as pd

_Value = TypeVar("_Value")


def clean(text: object) -> str:
    """Bring what a person said onto one line.

    Parameters
    ----------
    text
        Cell of the table; missing values give an empty text.

    Returns
    -------
    str
        White space of any kind, line and paragraph separators included, becomes one space;
        control characters and halves of broken characters are removed or replaced. Emoji and
        right-to-left text stay as they are.
    """
    import pandas as pd

    if text is None or text is pd.NA or (isinstance(text, float) and math.isnan(text)):
        return ""
    line = " ".join(str(text).split())
    if line.isprintable():
        return line
    line = "".join(char for char in line if unicodedata.category(char) != "Cc")
    # Lone surrogates cannot be written as UTF-8 and would break every file and request.
    return line.encode("utf-8", "surrogatepass").decode("utf-8", "replace").strip()


class Session:
    """One session's rows, in order of time, as plain lists; read once for many windows."""

    def __init__(self, table: pd.DataFrame, options: PromptsSettings) -> None:
        self.options = options
        self.table = self._checked(table)
        n = len(self.table)
        self.video_id = str(self._column("video_id", "")[0])
        self.starts = _floats(self.table, "start").tolist()
        self.ends = _floats(self.table, "end").tolist()
        self.ids: list[str | int] = [_plain_id(x) for x in self._column("utterance_id", None)]
        if "utterance_id" not in self.table.columns:
            self.ids = list(range(n))
        role = lru_cache(None)(lambda value: _role(value, self.video_id))
        self.roles: list[str | None] = [role(x) for x in self._column("role", None)]
        label = lru_cache(None)(_speaker_label)
        self.labels: list[str] = [label(x) for x in self._column("speaker", None)]
        self.texts = [clean(x) for x in self._column("text", "")]
        self.captions = self._column("face_caption", None)
        self.dissonant = [_flag(x, self.video_id) for x in self._column("dissonant", None)]

        known = "patient" in self.roles
        stand_in = options.unknown_roles == "speaker" and not known
        self.is_patient = [role == "patient" or (stand_in and role is None) for role in self.roles]
        self.speakers = self._names()
        self.turns: dict[tuple[int, bool], Turn] = {}
        if not any(self.texts) and options.untranscribed == "skip":
            raise PromptError(
                f"Video '{self.video_id}' has {n} utterances and none has text.",
                next_step="Give a transcript, or annotate with a preset that transcribes. "
                "With prompts.untranscribed=mark, prompts are made of emotion cues alone.",
                code="prompt_no_text",
            )
        self.rows = [
            row
            for row in range(n)
            if (self.texts[row] or options.untranscribed == "mark")
            and not (self.roles[row] is None and options.unknown_roles == "drop")
            and not (self.roles[row] == "other" and options.others == "drop")
        ]
        if not any(self.is_patient[row] for row in self.rows):
            self._refuse_without_patient()

    def _checked(self, table: pd.DataFrame) -> pd.DataFrame:
        if not len(table):
            raise PromptError(
                "The session has no utterances.",
                next_step="Check that the video has speech or that its transcript is not empty.",
                code="prompt_empty",
            )
        if "text" not in table.columns:
            raise PromptError(
                "The utterance table lacks the column text.",
                next_step="Prompts are made from the table that 'emodiss annotate' writes.",
                code="prompt_columns",
            )
        n_sessions = len(set(map(str, table["video_id"]))) if "video_id" in table.columns else 1
        if n_sessions > 1:
            raise PromptError(
                f"The table holds {n_sessions} sessions; a prompt is about one.",
                next_step="Take one, as run.session(ID) or the rows of one video_id; or use "
                "build_all.",
                code="prompt_columns",
            )
        starts = _floats(table, "start")
        if not np.isnan(starts).any():
            table = table.iloc[np.lexsort((_floats(table, "end"), starts))]
        return table.reset_index(drop=True)

    def _column(self, name: str, default: _Value) -> list[Any] | list[_Value]:
        if name in self.table.columns:
            return self.table[name].tolist()
        return [default] * len(self.table)

    @cached_property
    def affect(self) -> dict[str, list[Any]]:
        """Affect columns by name; a column that the table lacks is missing throughout."""
        columns: dict[str, list[Any]] = {}
        for channel in ("speech", "face"):
            for name in ("valence", "arousal"):
                columns[f"{channel}_{name}"] = _floats(self.table, f"{channel}_{name}").tolist()
            for name in ("label", "status"):
                columns[f"{channel}_{name}"] = self._column(f"{channel}_{name}", None)
        return columns

    def _names(self) -> list[str]:
        """Name to print for each row; speakers of one role are told apart over the session."""
        seen: dict[str, list[str]] = {role: [] for role in ROLES}
        for role, label in zip(self.roles, self.labels, strict=True):
            if role is not None and label and label not in seen[role]:
                seen[role].append(label)
        names = []
        for role, label in zip(self.roles, self.labels, strict=True):
            if role is None:
                names.append(f"Speaker {label}" if label else "Unknown speaker")
            elif label and len(seen[role]) > 1 and self.options.same_role == "number":
                names.append(f"{role.capitalize()} {seen[role].index(label) + 1}")
            else:
                names.append(role.capitalize())
        return names

    def _refuse_without_patient(self) -> None:
        if any(role is None for role in self.roles) and "patient" not in self.roles:
            unknown = sum(role is None for role in self.roles)
            raise PromptError(
                f"In video '{self.video_id}' nobody is known to be the patient: the role of "
                f"{unknown} of {len(self.roles)} utterances is unknown.",
                next_step="Say who the therapist is: emodiss review set RUN --video "
                f"{self.video_id} --voice LABEL --role therapist, then emodiss resume RUN; or "
                "state roles in the manifest (column roles, for example "
                "'A=therapist;B=patient'); or set prompts.unknown_roles=speaker to print "
                "speaker labels instead.",
                code="prompt_roles_unknown",
            )
        if self.options.end_on == "any" and self.rows:
            return
        if "patient" in self.roles:
            raise PromptError(
                f"In video '{self.video_id}' no utterance of the patient has text.",
                next_step="Give a transcript of the patient's words, or set "
                "prompts.untranscribed=mark.",
                code="prompt_no_text",
            )
        raise PromptError(
            f"In video '{self.video_id}' the patient never speaks.",
            next_step="Check the roles of this session; with prompts.end_on=any a window may end "
            "on anybody.",
            code="prompt_no_patient",
        )

    def may_end(self, row: int) -> bool:
        """Whether a window may end on this row."""
        return self.is_patient[row] or self.options.end_on == "any"

    def back(self, row: int, window: int | None) -> list[int]:
        """Rows of the window that ends on a row."""
        if window is not None and (isinstance(window, bool) or int(window) != window or window < 1):
            raise PromptError(
                f"A window needs a whole number of at least 1, got {window!r}.",
                next_step=f"Give how many {self.options.window_unit} the prompt may show, or None "
                "for all.",
            )
        at = bisect_left(self.rows, row)
        if window is None:
            return self.rows[: at + 1]
        if self.options.window_unit == "utterances":
            return self.rows[max(0, at + 1 - window) : at + 1]
        first, words = at, len(self.texts[row].split())
        while first > 0:
            words += len(self.texts[self.rows[first - 1]].split())
            if words > window:
                break
            first -= 1
        return self.rows[first : at + 1]

    def window(self, end: object, window: int | None) -> list[int]:
        """Rows of the window that `end` asks for."""
        if isinstance(end, Window):
            return [self._row_of_id(name) for name in end.utterance_ids]
        if isinstance(end, tuple | list):
            return self._span(end)
        if end is None:
            return self.back(self._last(self.rows, "the session"), window)
        if isinstance(end, float | np.floating):
            ended = [row for row in self.rows if self.ends[row] <= float(end) + 1e-9]
            return self.back(self._last(ended, f"what was said by {float(end):g} s"), window)
        row = self._row_of(end)
        if row not in self.rows or not self.may_end(row):
            why = "has no text" if not self.texts[row] else f"is by '{self.speakers[row]}'"
            raise PromptError(
                f"A window of video '{self.video_id}' cannot end on utterance {self.ids[row]!r}: "
                f"it {why}.",
                next_step="Choose a patient utterance (emodiss.prompts.windows lists them), or set "
                "end_on='any'.",
                code="prompt_end",
            )
        return self.back(row, window)

    def _last(self, rows: Sequence[int], where: str) -> int:
        for row in reversed(rows):
            if self.may_end(row):
                return row
        raise PromptError(
            f"In video '{self.video_id}' there is no patient utterance in {where}.",
            next_step="Choose another place; emodiss.prompts.windows lists the possible ones.",
            code="prompt_end",
        )

    def _span(self, span: Sequence[object]) -> list[int]:
        bounds = [float(x) if isinstance(x, int | float | np.number) else math.nan for x in span]
        if len(bounds) != 2 or not bounds[0] < bounds[1]:
            raise PromptError(
                f"A span needs two numbers of seconds, start before end, got {tuple(span)!r}.",
                code="prompt_end",
            )
        start, end = bounds
        rows = [row for row in self.rows if start <= self.starts[row] < end]
        last = self._last(rows, f"the span [{start:g}, {end:g}) s")
        return rows[: bisect_left(rows, last) + 1]

    def _row_of(self, end: object) -> int:
        if isinstance(end, str):
            return self._row_of_id(end)
        if isinstance(end, int | np.integer) and not isinstance(end, bool):
            if all(isinstance(name, int) for name in self.ids):
                return self._row_of_id(int(end))
            if -len(self.ids) <= end < len(self.ids):
                return int(end) % len(self.ids)
            raise PromptError(
                f"Video '{self.video_id}' has {len(self.ids)} utterances, so there is none at "
                f"position {int(end)}.",
                code="prompt_end",
            )
        raise PromptError(
            f"The end of a window cannot be a {type(end).__name__}.",
            next_step="Give an utterance id, a position, seconds as a float or a pair of seconds.",
            code="prompt_end",
        )

    def _row_of_id(self, name: str | int) -> int:
        rows = [row for row, have in enumerate(self.ids) if have == name]
        if len(rows) == 1:
            return rows[0]
        raise PromptError(
            f"Video '{self.video_id}' has {len(rows)} utterances with the id {name!r}.",
            next_step=nearest(str(name), [str(have) for have in self.ids[:20]])
            if not rows
            else "Ids must be unique within a session.",
            code="prompt_end",
        )

    def channel(self, row: int, name: str) -> Channel:
        """Read what `speech` or `face` showed during one utterance."""
        affect = self.affect
        label = clean(affect[f"{name}_label"][row]) or None
        numbers = [self._on_scale(affect[f"{name}_{axis}"][row]) for axis in ("valence", "arousal")]
        status = clean(affect[f"{name}_status"][row])
        words = ""
        if label is None and numbers == [None, None]:
            words = IN_PROMPTS.get(f"{name}:{status}", "not available")
        return Channel(label=label, valence=numbers[0], arousal=numbers[1], words=words)

    def _on_scale(self, value: float) -> float | None:
        if math.isnan(value):
            return None
        if abs(value) > 1 + 1e-6:
            raise PromptError(
                f"Video '{self.video_id}' holds an affect value of {value:g}; prompts show the "
                "scale [-1, 1].",
                next_step="Map the values with emodiss.affect.to_house_scale first.",
                code="prompt_scale",
            )
        return float(value)


def _floats(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a numeric column, NaN where a value or the column is missing."""
    import pandas as pd

    if name not in table.columns:
        return np.full(len(table), math.nan)
    column = pd.Series(pd.to_numeric(table[name], errors="coerce"))
    return column.to_numpy(dtype=np.float64, na_value=math.nan)


def all_windows(session: Session, window: int | None) -> Iterator[list[int]]:
    """Rows of every window of a session, in order of time."""
    return (session.back(row, window) for row in session.rows if session.may_end(row))


def _plain_id(value: object) -> str | int:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    return str(value)


def _role(value: object, video_id: str) -> str | None:
    role = clean(getattr(value, "value", value)).lower()
    if role in ("", "unknown", "none", "nan"):
        return None
    if role not in ROLES:
        raise PromptError(
            f"Video '{video_id}' has the role '{role}'.",
            next_step=nearest(role, ROLES) + " A client is a patient, a counsellor a therapist.",
            code="prompt_role",
        )
    return role


def _speaker_label(value: object) -> str:
    """Make a label that can neither break a line nor look like the end of a speaker's name."""
    label = re.sub(r"[\s():]+", " ", clean(value)).strip()
    return re.sub(r"^speaker[ _-]*(?=\w)", "", label, flags=re.IGNORECASE)


def _flag(value: object, video_id: str) -> bool | None:
    import pandas as pd

    if isinstance(value, bool):
        return value
    if value is pd.NA or value is None:
        return None
    text = clean(value).lower()
    if text in ("true", "1", "1.0"):
        return True
    if text in ("false", "0", "0.0"):
        return False
    if text in ("", "none", "nan", "<na>"):
        return None
    raise PromptError(
        f"Video '{video_id}' has '{text[:20]}' in the column dissonant.",
        next_step="It holds true, false or nothing.",
        code="prompt_columns",
    )
