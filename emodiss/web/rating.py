"""Pages on which raters rate or compare: from their link to the last item."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.ratings.handout import Handout, Step
from emodiss.ratings.instrument import CONSENT, INSTRUCTIONS, shipped
from emodiss.study import answers
from emodiss.study.answers import Answer
from emodiss.web.database import Database
from emodiss.web.safety import csrf_token, form_of
from emodiss.web.site import media, render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

LONGEST_COMMENT = 4000
"""Characters."""

PER_PAGE = 200
"""Answers on a page of the history."""

_WORDS = ("transcript", "technique", "response", "dialogue_a", "dialogue_b")


def markdown(text: str) -> str:
    """Turn Markdown into HTML; HTML in it stays text."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of a recording, in seconds from its start."""

    address: str
    start: float
    end: float

    @property
    def there(self) -> bool:
        """Whether it can be played."""
        return bool(self.address)


class RatingSite:
    """The pages of one study, for its raters."""

    def __init__(
        self, handout: Handout, database: Database, clips: Mapping[str, Path | None]
    ) -> None:
        self.handout, self.database, self.clips = handout, database, clips
        database.now(lambda c: answers.prepare(c, list(handout.raters)))
        facts = database.now(answers.facts)
        self.secret, self.admin = facts["secret"], facts["admin"]
        self.codes = {
            rater: code
            for rater, code in database.now(answers.codes).items()
            if rater in handout.raters
        }
        self._raters = {code: rater for rater, code in self.codes.items()}
        # No step before it is open: nothing but taking back opens one again. Used in the thread of
        # the database alone, where one request is done with before the next.
        self._reached: dict[str, int] = {}
        # Recordings are asked for by number: no address says which one it is.
        self.videos = sorted(clips)

    def text(self, name: str) -> str:
        """Return the study's own text of this name, or the shipped one."""
        path = self.handout.folder / name
        if path.is_file():
            return path.read_text(encoding="utf-8-sig", errors="replace")
        return shipped(name, of_pairs=self.handout.kind == "pairs")

    def routes(self) -> list[Route]:
        """List the addresses."""
        from starlette.routing import Route

        both = ["GET", "POST"]
        return [
            Route("/r/{code}", self.enter),
            Route("/r/{code}/consent", self.consent, methods=both),
            Route("/r/{code}/about/{part}", self.about, methods=both),
            Route("/r/{code}/instructions", self.instructions, methods=both),
            Route("/r/{code}/history", self.history),
            Route("/r/{code}/undo", self.undo, methods=["POST"]),
            Route("/r/{code}/done", self.done),
            Route("/r/{code}/clip/{number:int}", self.clip),
            Route("/r/{code}/{n:int}", self.step, methods=both),
            Route("/r/{code}/{n:int}/draft", self.draft, methods=["POST"]),
        ]

    # --- who, and how far -------------------------------------------------------------------

    def rater(self, request: Request) -> tuple[str, str]:
        """Return who follows this link, and the address that all of theirs begin with."""
        from starlette.exceptions import HTTPException

        code = request.path_params["code"]
        if code not in self._raters:
            raise HTTPException(404)
        return self._raters[code], f"/r/{code}"

    async def form(self, request: Request, rater: str) -> dict[str, list[str]]:
        """Read a form that this rater's page sent."""
        return await form_of(request, self.secret, rater)

    def shared(self, rater: str, root: str) -> dict[str, Any]:
        """Return what every page of a rater needs."""
        what = "pair" if self.handout.kind == "pairs" else "item"
        return {"root": root, "csrf": csrf_token(self.secret, rater), "what": what, "step_n": None}

    def parts(self, part: str) -> list[Any]:
        """List the questions about the rater of one part."""
        return [q for q in self.handout.instrument.questions if q.when == part]

    async def place(self, rater: str, root: str) -> str:
        """Return the address at which a rater goes on."""
        consented, instructed, said = await self.database.do(lambda c: answers.stage(c, rater))
        if not consented:
            return f"{root}/consent"
        if self.parts("before") and "before" not in said:
            return f"{root}/about/before"
        if not instructed:
            return f"{root}/instructions"
        n = await self.first_open(rater)
        if n <= len(self.handout.walks[rater]):
            return f"{root}/{n}"
        if self.parts("after") and "after" not in said:
            return f"{root}/about/after"
        return f"{root}/done"

    async def first_open(self, rater: str) -> int:
        """Return the number of the first step without an answer; one beyond the last if none."""
        walk = self.handout.walks[rater]

        def look(connection: Any) -> int:
            found = answers.first_open(connection, rater, walk, self._reached.get(rater, 1))
            self._reached[rater] = found
            return found

        return await self.database.do(look)

    # --- pages ------------------------------------------------------------------------------

    async def enter(self, request: Request) -> Response:
        """Take a rater to where they stopped."""
        return _go(await self.place(*self.rater(request)))

    async def consent(self, request: Request) -> Response:
        """Show what raters agree to, and keep that they do."""
        rater, root = self.rater(request)
        if request.method == "POST":
            if (await self.form(request, rater)).get("agree") != ["yes"]:
                return self._consent_page(rater, root, 422)
            await self.database.do(lambda c: answers.mark(c, rater, "consented"))
            return _go(await self.place(rater, root))
        return self._consent_page(rater, root, 200)

    def _consent_page(self, rater: str, root: str, status: int) -> Response:
        shared = self.shared(rater, root)
        text = markdown(self.text(CONSENT))
        return render(
            "rate_consent.html.jinja", _status=status, text=text, wrong=status == 422, **shared
        )

    async def instructions(self, request: Request) -> Response:
        """Show how to rate."""
        rater, root = self.rater(request)
        if request.method == "POST":
            await self.form(request, rater)
            await self.database.do(lambda c: answers.mark(c, rater, "instructed"))
            return _go(await self.place(rater, root))
        text = markdown(self.text(INSTRUCTIONS))
        return render("rate_instructions.html.jinja", text=text, **self.shared(rater, root))

    async def about(self, request: Request) -> Response:
        """Ask about the rater, before the first item or after the last."""
        from starlette.exceptions import HTTPException

        rater, root = self.rater(request)
        part = request.path_params["part"]
        questions = self.parts(part)
        if not questions:
            raise HTTPException(404)
        if request.method == "GET":
            said = await self.database.do(lambda c: answers.about(c, rater))
            return self._about_page(rater, root, part, said, {})
        fields = await self.form(request, rater)
        if strange := set(fields) - {question.name for question in questions}:
            raise HTTPException(422, f"There is no question '{min(strange)[:50]}'.")
        found: dict[str, str] = {}
        wrong: dict[str, str] = {}
        for question in questions:
            taken = question.answer(fields.get(question.name, []))
            if taken is None:
                wrong[question.name] = (
                    f"a number from {question.low:g} to {question.high:g} is expected"
                    if question.kind == "number"
                    else "this is none of the answers"
                )
            found[question.name] = taken or ""
        if wrong:
            return self._about_page(rater, root, part, found, wrong)
        await self.database.do(lambda c: answers.save_about(c, rater, part, found))
        return _go(await self.place(rater, root))

    def _about_page(
        self, rater: str, root: str, part: str, said: Mapping[str, str], wrong: Mapping[str, str]
    ) -> Response:
        return render(
            "rate_about.html.jinja",
            _status=422 if wrong else 200,
            part=part,
            questions=self.parts(part),
            said=said,
            wrong=wrong,
            **self.shared(rater, root),
        )

    async def step(self, request: Request) -> Response:
        """Show one item, or keep what was answered to it."""
        rater, root = self.rater(request)
        n, walk = request.path_params["n"], self.handout.walks[rater]
        consented, instructed, _ = await self.database.do(lambda c: answers.stage(c, rater))
        first_open = await self.first_open(rater)
        if not consented or not instructed or not 1 <= n <= min(first_open, len(walk)):
            return _go(await self.place(rater, root))
        step = walk[n - 1]
        if request.method == "POST":
            return await self._keep(request, rater, root, n)

        def look(connection: Any) -> tuple[Answer | None, dict[str, str], str]:
            answers.opened(connection, rater, step.name)
            standing = answers.standing_of(connection, rater, step.name)
            draft = answers.draft(connection, rater, step.name)
            return standing, draft, answers.latest_form(connection, rater)

        standing, draft, latest = await self.database.do(look)
        return self.step_page(rater, root, n, standing, draft, latest=latest)

    async def _keep(self, request: Request, rater: str, root: str, n: int) -> Response:
        step = self.handout.walks[rater][n - 1]
        fields = await self.form(request, rater)
        answer, wrong = self.read_answer(fields)
        if wrong:
            sent = {name: values[0] for name, values in fields.items()}
            latest = await self.database.do(lambda c: answers.latest_form(c, rater))
            return self.step_page(rater, root, n, None, sent, wrong, latest=latest)
        form = fields.get("form", [""])[0][:64] or secrets.token_hex(8)
        await self.database.do(lambda c: answers.save(c, rater, step.name, form, answer))
        if step.kind == "practice":
            return _go(f"{root}/{n}")
        last = len(self.handout.walks[rater])
        return _go(f"{root}/{n + 1}" if n < last else await self.place(rater, root))

    def read_answer(self, fields: Mapping[str, Sequence[str]]) -> tuple[Answer, dict[str, str]]:
        """Read a form of an item: what is wrong by field, or 422 for what no page of ours sends."""
        from starlette.exceptions import HTTPException

        options = {ask.name: [value for value, _ in ask.options] for ask in self.handout.asks}
        known = {*options, "reason", "comment", "seconds", "form"}
        if not set(fields) <= known or any(len(values) > 1 for values in fields.values()):
            raise HTTPException(422)
        given = {name: values[0] for name, values in fields.items()}
        choices = {name: given[name] for name in options if given.get(name)}
        reason, comment = given.get("reason", ""), given.get("comment", "").strip()
        if any(choice not in options[name] for name, choice in choices.items()):
            raise HTTPException(422)
        if reason and reason not in self.handout.instrument.reasons:
            raise HTTPException(422)
        wrong: dict[str, str] = {}
        if len(comment) > LONGEST_COMMENT:
            wrong["comment"] = f"at most {LONGEST_COMMENT} characters can be kept"
        if reason:
            choices = {}
        else:
            wrong |= {name: "choose one" for name in options if name not in choices}
        try:
            seconds = float(given.get("seconds", ""))
        except ValueError:
            seconds = math.nan
        return Answer(choices, reason, comment, seconds), wrong

    def step_page(
        self,
        rater: str,
        root: str,
        n: int,
        standing: Answer | None,
        draft: Mapping[str, str],
        wrong: Mapping[str, str] | None = None,
        *,
        latest: str = "",
        preview: bool = False,
    ) -> Response:
        """Show one step, with what is chosen so far, and the form of the latest answer."""
        walk = self.handout.walks[rater]
        step = walk[n - 1]
        chosen: dict[str, str] = dict(draft)
        if not chosen and standing is not None:
            chosen = {**standing.choices, "reason": standing.reason, "comment": standing.comment}
        return render(
            "rate_step.html.jinja",
            _status=422 if wrong else 200,
            **{
                **self.shared(rater, root),
                "step": step,
                "step_n": n,
                "n_steps": len(walk),
                "shown": self.words_of(step),
                "note": self._note(step) if standing is not None else "",
                "clip": self.clip_of(step, root),
                "asks": self.handout.asks,
                "source": self.handout.source,
                "reasons": self.handout.instrument.reasons,
                "chosen": chosen,
                "wrong": wrong or {},
                "answered_at": standing.saved_at if standing is not None else "",
                "form": secrets.token_hex(8),
                "longest": LONGEST_COMMENT,
                "latest": latest,
                "preview": preview,
            },
        )

    def words_of(self, step: Step) -> dict[str, str]:
        """Return the words of a step by what they are; empty where it has none."""
        found = dict.fromkeys(_WORDS, "")
        own = self.handout.instrument
        if step.kind == "practice":
            item = own.practice[_number(step)]
            return found | {
                "transcript": item.transcript,
                "technique": item.technique,
                "response": item.response,
            }
        if step.kind == "attention":
            return found | {"response": own.attention[_number(step)].response}
        row = self.handout.shown[step.name]
        return found | {name: row[name] for name in _WORDS if name in row}

    def _note(self, step: Step) -> str:
        if step.kind != "practice":
            return ""
        return self.handout.instrument.practice[_number(step)].note

    def clip_of(self, step: Step, root: str) -> Clip | None:
        """Return the clip of a step; without an address where the recording is not here."""
        row = self.handout.shown.get(step.name, {})
        try:
            start, end = float(row.get("start", "")), float(row.get("end", ""))
        except ValueError:
            return None
        if not (0 <= start < end < math.inf):
            return None
        video = row.get("video", "")
        if self.clips.get(video) is None:
            return Clip("", start, end)
        return Clip(f"{root}/clip/{self.videos.index(video)}", start, end)

    async def draft(self, request: Request) -> Response:
        """Keep what is chosen on a page that is still open."""
        from starlette.exceptions import HTTPException
        from starlette.responses import Response

        rater, _ = self.rater(request)
        n, walk = request.path_params["n"], self.handout.walks[rater]
        fields = await self.form(request, rater)
        if not 1 <= n <= min(await self.first_open(rater), len(walk)):
            raise HTTPException(409)
        answer, _ = self.read_answer(fields)
        kept = {**answer.choices, "reason": answer.reason}
        kept["comment"] = answer.comment[:LONGEST_COMMENT]
        form, step = fields.get("form", [""])[0][:64], walk[n - 1]
        await self.database.do(lambda c: answers.save_draft(c, rater, step.name, form, kept))
        return Response(status_code=204)

    async def undo(self, request: Request) -> Response:
        """Take back the answer that was the latest when the page was made, and show its item."""
        rater, root = self.rater(request)
        form = (await self.form(request, rater)).get("latest", [""])[0]
        walk = self.handout.walks[rater]

        def take_back(connection: Any) -> int | None:
            name = answers.undo(connection, rater, form)
            place = next((n for n, s in enumerate(walk, start=1) if s.name == name), None)
            self._reached[rater] = min(place or 1, self._reached.get(rater, 1))
            return place

        place = await self.database.do(take_back)
        return _go(f"{root}/{place}" if place else await self.place(rater, root))

    async def history(self, request: Request) -> Response:
        """List what a rater answered, a page of it, the latest first."""
        rater, root = self.rater(request)
        said = request.query_params.get("page", "1")
        page = int(said) if re.fullmatch("[1-9][0-9]{0,5}", said) else 1
        number = {
            step.name: (n, step.kind) for n, step in enumerate(self.handout.walks[rater], start=1)
        }
        past = await self.database.do(
            lambda c: answers.latest(c, rater, PER_PAGE + 1, PER_PAGE * (page - 1))
        )
        latest = await self.database.do(lambda c: answers.latest_form(c, rater))
        rows = [
            (*number[name], answer, stands)
            for name, answer, stands in past[:PER_PAGE]
            if name in number
        ]
        return render(
            "rate_history.html.jinja",
            rows=rows,
            asks=self.handout.asks,
            page=page,
            more=len(past) > PER_PAGE,
            latest=latest,
            **self.shared(rater, root),
        )

    async def done(self, request: Request) -> Response:
        """Thank, once everything is answered."""
        rater, root = self.rater(request)
        place = await self.place(rater, root)
        if place != f"{root}/done":
            return _go(place)
        n = len(self.handout.walks[rater])
        return render("rate_done.html.jinja", n=n, **self.shared(rater, root))

    async def clip(self, request: Request) -> Response:
        """Answer with a recording of the study, in the ranges that were asked for."""
        from starlette.exceptions import HTTPException

        self.rater(request)
        return self.recording(request.path_params["number"], HTTPException)

    def recording(self, number: int, error: Any) -> Response:
        """Answer with the recording of this number."""
        if not 0 <= number < len(self.videos):
            raise error(404)
        return media(self.clips[self.videos[number]])


def _number(step: Step) -> int:
    """Place of a practice or attention item in the instrument, from 0."""
    return int(step.name.rpartition("-")[2]) - 1


def _go(address: str) -> Response:
    from starlette.responses import RedirectResponse

    return RedirectResponse(address, status_code=303)
