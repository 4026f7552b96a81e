"""Pages for the researcher of a rating study: progress, agreement on request, exports."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from emodiss.ratings import shown_once, usable, wide
from emodiss.ratings.instrument import INSTRUCTIONS
from emodiss.ratings.other_tools import zipped
from emodiss.runs.files import write_atomically
from emodiss.study import answers
from emodiss.tabular import for_spreadsheets
from emodiss.web.rating import RatingSite, markdown
from emodiss.web.safety import csrf_token, form_of
from emodiss.web.site import render

if TYPE_CHECKING:
    import sqlite3

    import pandas as pd
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from emodiss.ratings.handout import Handout

T = TypeVar("T")

LONGEST_INSTRUCTIONS = 20_000
"""Characters."""


class ResearcherSite:
    """The researcher's pages of one study, below a token of their own."""

    def __init__(self, site: RatingSite) -> None:
        self.site = site
        self._one = asyncio.Lock()

    def routes(self) -> list[Route]:
        """List the addresses."""
        from starlette.routing import Route

        return [
            Route("/a/{token}", self.overview),
            Route("/a/{token}/agreement", self.agreement, methods=["POST"]),
            Route("/a/{token}/instructions", self.instructions, methods=["GET", "POST"]),
            Route("/a/{token}/preview/{n:int}", self.preview),
            Route("/a/{token}/preview/clip/{number:int}", self.clip),
            Route("/a/{token}/ratings.csv", self.csv("ratings")),
            Route("/a/{token}/questionnaire.csv", self.csv("questionnaire")),
            Route("/a/{token}/history.csv", self.csv("history")),
            Route("/a/{token}/attention.csv", self.csv("attention")),
            Route("/a/{token}/label-studio.zip", self.zip("label-studio")),
            Route("/a/{token}/potato.zip", self.zip("potato")),
        ]

    def root(self, request: Request) -> str:
        """Check the token; return the address that all pages begin with."""
        from starlette.exceptions import HTTPException

        token = request.path_params["token"]
        if not hmac.compare_digest(token.encode(), self.site.admin.encode()):
            raise HTTPException(404)
        return f"/a/{token}"

    async def form(self, request: Request) -> dict[str, list[str]]:
        """Read a form of one of these pages."""
        return await form_of(request, self.site.secret, "researcher")

    async def read(self, work: Callable[[sqlite3.Connection, Handout], T]) -> T:
        """Read what is answered so far: one reader at a time, while raters go on saving."""
        handout = self.site.handout

        def done() -> T:
            with answers.reading(handout) as connection:
                return work(connection, handout)

        async with self._one:
            return await asyncio.to_thread(done)

    async def overview(self, request: Request) -> Response:
        """Show how far each rater is; nothing of what they answered."""
        return await self._overview(request, None)

    async def _overview(self, request: Request, agreement: Any) -> Response:
        root = self.root(request)
        progress = await self.read(answers.progress)
        base = str(request.base_url).rstrip("/")
        links = {rater: f"{base}/r/{code}" for rater, code in self.site.codes.items()}
        return render(
            "rate_researcher.html.jinja",
            root=root,
            csrf=csrf_token(self.site.secret, "researcher"),
            name=self.site.handout.name,
            kind=self.site.handout.kind,
            progress=progress.to_dict("records"),
            links=links,
            agreement=agreement,
        )

    async def agreement(self, request: Request) -> Response:
        """Show agreement, because it was asked for, and keep that it was."""
        self.root(request)
        await self.form(request)
        await self.site.database.do(lambda c: answers.note(c, "researcher", "looked at agreement"))
        rows = await self.read(lambda c, study: _agreement(answers.rated(c, study), study.kind))
        return await self._overview(request, rows)

    async def instructions(self, request: Request) -> Response:
        """Show and change what raters are told."""
        root = self.root(request)
        said = ""
        path = self.site.handout.folder / INSTRUCTIONS
        if request.method == "POST":
            text = (await self.form(request)).get("text", [""])[0].strip() + "\n"
            if len(text) > LONGEST_INSTRUCTIONS:
                said = f"Not saved: at most {LONGEST_INSTRUCTIONS} characters can be kept."
            else:
                write_atomically(path, text.encode())
                await self.site.database.do(
                    lambda c: answers.note(c, "researcher", "changed the instructions")
                )
                said = "Saved; raters see it from now on."
        else:
            text = self.site.text(INSTRUCTIONS)
        return render(
            "rate_edit.html.jinja",
            _status=422 if said.startswith("Not") else 200,
            root=root,
            csrf=csrf_token(self.site.secret, "researcher"),
            text=text,
            shown=markdown(text),
            said=said,
        )

    async def preview(self, request: Request) -> Response:
        """Show a step of the first rater as raters see it; nothing is kept."""
        from starlette.exceptions import HTTPException

        root = self.root(request)
        rater = next(iter(self.site.handout.raters))
        n = request.path_params["n"]
        if not 1 <= n <= len(self.site.handout.walks[rater]):
            raise HTTPException(404)
        return self.site.step_page(rater, f"{root}/preview", n, None, {}, preview=True)

    async def clip(self, request: Request) -> Response:
        """Answer with a recording, for the preview."""
        from starlette.exceptions import HTTPException

        self.root(request)
        return self.site.recording(request.path_params["number"], HTTPException)

    def csv(self, name: str) -> Any:
        """Make an endpoint that answers with a table."""

        async def endpoint(request: Request) -> Response:
            self.root(request)
            text = await self.read(lambda c, study: _csv(answers.TABLES[name](c, study)))
            return _file(text.encode(), f"{name}.csv", "text/csv")

        return endpoint

    def zip(self, tool: str) -> Any:
        """Make an endpoint that answers with the study for another tool."""

        async def endpoint(request: Request) -> Response:
            self.root(request)
            return _file(zipped(self.site.handout, tool), f"{tool}.zip", "application/zip")

        return endpoint


def _csv(table: pd.DataFrame) -> str:
    """Write a table as CSV that a spreadsheet does not run."""
    return for_spreadsheets(table).to_csv(index=False, lineterminator="\n")


def _file(content: bytes, name: str, kind: str) -> Response:
    from starlette.responses import Response

    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


def _agreement(table: pd.DataFrame, kind: str) -> list[dict[str, Any]]:
    """Say per criterion how far raters agree, without intervals: a look, not a result."""
    from emodiss.statistics import Bootstrap, krippendorff_alpha

    if table.empty:
        return []
    if kind == "pairs":
        # Sides differ between raters, so that A of one is B of another: from the side of one model.
        first = table[["model_a", "model_b"]].min(axis=1)
        signs = table["choice"].map({"A": 1.0, "Tie": 0.0, "B": -1.0})
        turned = table["model_a"].eq(first).map({True: 1.0, False: -1.0})
        names = table["case"] + "|" + first + "|" + table[["model_a", "model_b"]].max(axis=1)
        table = table.assign(value=signs * turned, item=names, video=table["case"])
    rows: list[dict[str, Any]] = []
    counted = shown_once(table)
    for criterion in dict.fromkeys(counted["criterion"]):
        part = counted[counted["criterion"] == criterion]
        if not part["value"].notna().any():
            continue
        spread = wide(part, criterion)
        shared = int((spread.notna().sum(axis=1) > 1).sum())
        alpha = None
        if shared:
            found = krippendorff_alpha(spread, "ordinal", bootstrap=Bootstrap(resamples=0))
            alpha = found.to_frame()["statistic"].iloc[0]
        n = len(usable(part, criterion=criterion))
        rows.append({"criterion": criterion, "n": n, "shared": shared, "alpha": alpha})
    return rows
