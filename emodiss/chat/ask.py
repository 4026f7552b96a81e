"""Asking a model for interventions: many prompts, patience with limits, nothing asked twice.

The model is an argument; which one it is, where answers are kept and what they cost are put
together by the caller. Answers come as they arrive.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emodiss.errors import ChatError, EmodissError, SettingsError
from emodiss.interventions.parsing import parse
from emodiss.interventions.records import Intervention

if TYPE_CHECKING:
    from emodiss.chat.model import ChatModel, ChatParams, Completion
    from emodiss.prompts import Prompt


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
        Seconds of waiting in all, over all prompts; when they are spent, nothing more is asked.
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


@dataclass(frozen=True, slots=True)
class Answer:
    """An intervention, and where it comes from.

    Parameters
    ----------
    intervention
        What was answered.
    request_sha256
        Hash of what was asked: prompt, model, place, parameters, sample.
    identity
        Of the model: adapter, place and model.
    completion
        The answer as the adapter gave it.
    requests
        Requests that were needed.
    """

    intervention: Intervention
    request_sha256: str
    identity: str
    completion: Completion
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the intervention's fields and, beside them, its origin."""
        return {
            **self.intervention.to_dict(),
            "request_sha256": self.request_sha256,
            "identity": self.identity,
            "served_model": self.completion.model,
            "raw_id": self.completion.raw_id,
            "answered_at": self.completion.answered_at,
            "from_cache": self.completion.from_cache,
            "cost_usd": self.completion.cost_usd,
            "requests": self.requests,
            "same_answer_as": None,
        }


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A prompt that got no answer.

    Parameters
    ----------
    video_id, condition, window, prompt_sha256, model, sample
        As in `Intervention`.
    error
        Why; an `EmodissError`.
    """

    video_id: str
    condition: str
    window: tuple[str | int, ...]
    prompt_sha256: str
    model: str
    sample: int
    error: EmodissError

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = [f.name for f in dataclasses.fields(self) if f.name != "error"]
        return {
            **{name: getattr(self, name) for name in names},
            "window": list(self.window),
            "code": self.error.code,
            "what": self.error.what,
            "next_step": self.error.next_step,
        }


def request_hash(prompt: Prompt, model: ChatModel, params: ChatParams, sample: int) -> str:
    """Hash what is asked, so that a recorded answer can be recognised.

    Parameters
    ----------
    prompt, model, params, sample
        As they go to `ask`; `params` before the sample is added to the seed.

    Returns
    -------
    str
        SHA-256, hexadecimal. Two windows that read alike have different hashes.
    """
    content = {
        "video_id": prompt.video_id,
        "condition": prompt.condition,
        "window": list(prompt.window),
        "prompt_sha256": prompt.sha256,
        "identity": model.identity,
        "model": model.name,
        "params": params.to_dict(),
        "sample": sample,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def ask(
    prompts: Iterable[Prompt],
    model: ChatModel,
    *,
    params: ChatParams,
    samples: int = 1,
    concurrency: int = 1,
    patience: Patience | None = None,
    done: Collection[str] = frozenset(),
    sleep: Callable[[float], object] | None = None,
) -> Iterator[Answer | Unanswered]:
    """Ask a model for an intervention to each prompt.

    Parameters
    ----------
    prompts
        What to ask.
    model
        Whom to ask; called from `concurrency` threads.
    params
        Decoding parameters. Sample k is asked with seed + k, so that samples can differ.
    samples
        Answers per prompt.
    concurrency
        Requests under way at once.
    patience
        How often and how long to try; `Patience()` by default.
    done
        Hashes (`request_hash`) of what is answered already; these are not asked.
    sleep
        Waits so many seconds; for tests.

    Yields
    ------
    Answer or Unanswered
        In the order of arrival. An error that no other prompt can escape (wrong key, unknown
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
    asker = _Asker(model, params, patience or Patience(), sleep)
    return _ask(prompts, asker, samples, concurrency, done)


def _ask(
    prompts: Iterable[Prompt],
    asker: _Asker,
    samples: int,
    concurrency: int,
    done: Collection[str],
) -> Iterator[Answer | Unanswered]:
    jobs = (
        (prompt, sample, key)
        for prompt in prompts
        for sample in range(samples)
        if (key := request_hash(prompt, asker.model, asker.params, sample)) not in done
    )
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="ask")
    running: set[Future[Answer | Unanswered]] = set()
    ready: deque[Future[Answer | Unanswered]] = deque()
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


class _Asker:
    """Asks for one answer at a time per thread; waiting budget and stop are shared."""

    def __init__(
        self,
        model: ChatModel,
        params: ChatParams,
        patience: Patience,
        sleep: Callable[[float], object] | None,
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
        """End all waiting."""
        self.stopped = True
        self._interrupted.set()

    def answer(self, prompt: Prompt, sample: int, key: str) -> Answer | Unanswered:
        """Ask until there is an answer or no hope of one."""
        seed = self.params.seed
        params = self.params
        if seed is not None and sample:
            params = dataclasses.replace(params, seed=seed + sample)
        requests = 0
        while True:
            pause = self._not_before - time.monotonic()
            if pause > 0:  # another thread was told to wait; its reason holds here too
                self._sleep(pause)
            requests += 1
            try:
                completion = self.model.generate(
                    [{"role": "user", "content": prompt.text}], params, sample=sample
                )
            except ChatError as error:
                fault = self._wait(error, requests)
                if fault is None:
                    continue
                return self._unanswered(prompt, sample, fault)
            except EmodissError as error:
                self.stopped = True  # cache or weights fail: so will the next prompt
                return self._unanswered(prompt, sample, error)
            return self._answered(prompt, sample, key, params, completion, requests)

    def _wait(self, error: ChatError, requests: int) -> ChatError | None:
        """Wait before the next request, or say why there is none."""
        if error.stops_all:
            self.stopped = True
        if not error.retryable or self._interrupted.is_set():
            return error
        if requests >= self._patience.tries:
            return ChatError(
                f"{error.what} Gave up after {requests} requests.",
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

    def _unanswered(self, prompt: Prompt, sample: int, error: EmodissError) -> Unanswered:
        return Unanswered(
            prompt.video_id,
            prompt.condition,
            prompt.window,
            prompt.sha256,
            self.model.name,
            sample,
            error,
        )

    def _answered(
        self,
        prompt: Prompt,
        sample: int,
        key: str,
        params: ChatParams,
        completion: Completion,
        requests: int,
    ) -> Answer:
        recorded = completion.recorded_params
        intervention = Intervention(
            video_id=prompt.video_id,
            condition=prompt.condition,
            window=prompt.window,
            prompt_sha256=prompt.sha256,
            model=self.model.name,
            sample=sample,
            # The words of the dialogue, for the detection of echoes.
            reply=parse(
                completion.text,
                context=[line.partition(": ")[2] for line in prompt.dialogue.splitlines()],
            ),
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.usage.prompt_tokens,
            completion_tokens=completion.usage.completion_tokens,
            latency_s=completion.latency_s,
            parameters=params.to_dict() if recorded is None else dict(recorded),
        )
        return Answer(intervention, key, self.model.identity, completion, requests)
