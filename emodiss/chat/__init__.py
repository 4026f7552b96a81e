"""Language models that answer questions; what is asked and what an answer means is not known here.

`ask` puts questions (`Question`) to a model and yields answers unread (`Answered`, `Unanswered`).
`Endpoint` says who answers, with what patience and money. Answers are cached, booked, and can be
replayed.
"""

from emodiss.arguments import explain
from emodiss.chat.ask import Patience, ask
from emodiss.chat.endpoint import Endpoint, Ready
from emodiss.chat.model import (
    Answered,
    ChatError,
    ChatModel,
    ChatParams,
    Completion,
    Picture,
    Question,
    Unanswered,
)

__all__ = [
    "Answered",
    "ChatError",
    "ChatModel",
    "ChatParams",
    "Completion",
    "Endpoint",
    "Patience",
    "Picture",
    "Question",
    "Ready",
    "Unanswered",
    "ask",
]

explain(__name__)
