"""Asking a model many questions: patience with limits, nothing asked twice, answers unread.

The model is an argument; which one it is, where answers are kept and what they cost is the
business of `endpoint`.
"""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from emodiss.chat.model import Answered, ChatModel, ChatParams, Question, Unanswered
from emodiss.errors import ChatError, EmodissError, SettingsError
from emodiss.vocabulary import counted


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try.

    Parameters
    ----------
    tries
        Requests per answer, the first included.
    first_wait_s, longest_wait_s
        Back-off: doubles from the first to the longest, times a random number in [0.5, 1]. A wait
        that the endpoint asks for counts instead, however long, if the budget has it.
    budget_s
        Seconds of waiting in all, over all questions; when they are spent, nothing more is asked.
    """

    tries: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    budget_s: float = 600.0

    def wait_s(self, tries_done: int, asked_s: float | None) -> float:
        """Seconds before the next request.

        Parameters
        ----------
        tries_done
            Requests made for this answer, at least 1.
        asked_s
            What the endpoint asks for.
        """
        if asked_s is not None:
            return max(0.0, asked_s)
        longest = min(self.longest_wait_s, self.first_wait_s * 2 ** min(tries_done - 1, 30))
        return longest * random.uniform(0.5, 1.0)


def ask(
    questions: Iterable[Question],
    model: ChatModel,
    *,
    params: ChatParams,
    samples: int = 1,
    concurrency: int = 1,
    patience: Patience | None = None,
    done: Collection[tuple[str, int]] = frozenset(),
    sleep: Callable[[float], object] | None = None,
) -> Iterator[Answered | Unanswered]:
    """Ask a model questions.

    Parameters
    ----------
    model
        Whom to ask; called from `concurrency` threads.
    params
        Decoding parameters. Sample k is asked with seed + k, so that samples can differ.
    done
        Id and sample of what is answered already; these are not asked.
    sleep
        Waits so many seconds; for tests.

    Yields
    ------
    Answered or Unanswered
        In the order of arrival. An error that no other question can escape (wrong key, unknown
        model, cost limit, spent waiting budget) comes as `Unanswered`; what is under way then
        still arrives, and nothing new is begun.

    Raises
    ------
    SettingsError
        If `samples` or `concurrency` is below 1.
    """
    if samples < 1 or concurrency < 1:
        raise SettingsError(
            f"samples and concurrency must be at least 1, got {samples} and {concurrency}."
        )
    asker = Asker(model, params, patience or Patience(), sleep)
    return _ask(questions, asker, samples, concurrency, done)


def _ask(
    questions: Iterable[Question],
    asker: Asker,
    samples: int,
    concurrency: int,
    done: Collection[tuple[str, int]],
) -> Iterator[Answered | Unanswered]:
    jobs = (
        (question, sample)
        for question in questions
        for sample in range(samples)
        if (question.id, sample) not in done
    )
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="ask")
    running: set[Future[Answered | Unanswered]] = set()
    ready: deque[Future[Answered | Unanswered]] = deque()
    try:
        more = True
        while more or running or ready:
            # No more is begun than can run, so that a stop leaves nothing waiting in a queue.
            while more and len(running) < concurrency and not asker.stopped:
                job = next(jobs, None)
                if job is None:
                    more = False
                else:
                    running.add(pool.submit(asker.answer, *job))
            more = more and not asker.stopped
            if not ready and running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                ready.extend(finished)
            while ready:
                yield ready.popleft().result()
    finally:
        asker.interrupt()
        pool.shutdown(wait=False, cancel_futures=True)


class Asker:
    """Asks for one answer at a time per thread; waiting budget and stop are shared."""

    def __init__(
        self,
        model: ChatModel,
        params: ChatParams,
        patience: Patience,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.model = model
        self.params = params
        self.stopped = False
        self._patience = patience
        self._left_s = patience.budget_s
        self._not_before = 0.0
        self._lock = threading.Lock()
        self._interrupted = threading.Event()
        self._sleep = sleep or self._interrupted.wait

    def interrupt(self) -> None:
        """End all waiting; nothing more is asked."""
        self.stopped = True
        self._interrupted.set()

    def answer(self, question: Question, sample: int = 0) -> Answered | Unanswered:
        """Ask until there is an answer or no hope of one."""
        model, params = self.model, self.params
        if params.seed is not None and sample:
            params = dataclasses.replace(params, seed=params.seed + sample)
        requests = 0
        while True:
            pause = self._not_before - time.monotonic()
            if pause > 0:  # another thread was told to wait; its reason holds here too
                self._sleep(pause)
            if self._interrupted.is_set():
                ended = ChatError("Asking has ended.", code="stopped")
                return Unanswered(question, sample, model.name, ended)
            requests += 1
            try:
                said = model.generate(question.messages, params, sample=sample)
            except ChatError as error:
                fault = self._wait(error, requests)
                if fault is None:
                    continue
                return Unanswered(question, sample, model.name, fault)
            except EmodissError as error:
                self.stopped = True  # cache or weights fail: so will the next question
                return Unanswered(question, sample, model.name, error)
            return Answered(question, sample, said, model.name, model.identity, params, requests)

    def _wait(self, error: ChatError, requests: int) -> ChatError | None:
        """Wait before the next request, or say why there is none."""
        if error.stops_all:
            self.stopped = True
        if not error.retryable or self._interrupted.is_set():
            return error
        if requests >= self._patience.tries:
            return ChatError(
                f"{error.what} Gave up after {counted(requests, 'request')}.",
                next_step=error.next_step or "Run the same command again later.",
                code=error.code,
            )
        seconds = self._patience.wait_s(requests, error.retry_after_s)
        with self._lock:
            if seconds > self._left_s:
                self.stopped = True
                return ChatError(
                    f"{error.what} The next request would have to wait {seconds:.1f} s, and "
                    f"{self._left_s:.1f} s of waiting are left of {self._patience.budget_s:g}.",
                    next_step="Run the same command again later; nothing is asked twice.",
                    code="retry_budget",
                )
            self._left_s -= seconds
            if error.retry_after_s is not None:
                self._not_before = max(self._not_before, time.monotonic() + seconds)
        self._sleep(seconds)
        return None
