"""Models that play client and therapist by rules, and hear every prompt."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence

from emodiss.chat.model import ChatParams, Completion, Message
from emodiss.errors import ChatError

Says = Callable[[str, int], "str | Exception"]


class Actor:
    """Answers by a rule from the prompt and how many lines of its role stand in it."""

    def __init__(self, name: str, says: Says, label: str = "Client", finish: str = "stop") -> None:
        self.name, self.identity = name, f"actor {name}"
        self._says, self._label, self._finish = says, label, finish
        self.seen: list[Sequence[Message]] = []
        self._lock = threading.Lock()

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Answer by the rule."""
        with self._lock:
            self.seen.append(messages)
        content = messages[-1]["content"]
        text = content if isinstance(content, str) else content[-1].text
        n = len(re.findall(rf"^{self._label}: ", text, re.MULTILINE))
        said = self._says(text, n)
        if isinstance(said, Exception):
            raise said
        return Completion(said, self.name, finish_reason=self._finish)


def client(ends_at: Sequence[int] = (3, 4)) -> Actor:
    """A client that wants no more at these of its turns, counted from 1."""

    def says(text: str, n: int) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()[:4]
        end = " [/END]" if n + 1 in ends_at else ""
        return f"Client: [Looks away] I do not know {digest}. [shrugs] It ends.{end}"

    return Actor("client", says)


def therapist(name: str = "t", text: str = "Therapist: What is hard about it?") -> Actor:
    """A therapist of few words."""
    return Actor(name, lambda _text, n: f"{text} ({n})", "Therapist")


def broken(code: str = "refused", *, stops_all: bool = False) -> Actor:
    """A model that never answers."""
    return Actor("t", lambda *_: ChatError("no", code=code, stops_all=stops_all))
