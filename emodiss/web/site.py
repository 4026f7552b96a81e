"""The application that serves pages: templates, style, errors as plain pages."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.errors import RunError
from emodiss.web.pages import environment, resource
from emodiss.web.safety import Guard, Limits, log

if TYPE_CHECKING:
    import jinja2
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

STATIC = {
    **dict.fromkeys(("page.css", "site.css", "review.css"), "text/css"),
    **dict.fromkeys(("page.js", "rate.js", "review.js"), "text/javascript"),
}
"""Files beside the pages, by name; no other can be asked for."""

_SAYS = {
    400: "This request cannot be read.",
    403: "This form is out of date, or was not sent from this page. Open your link again.",
    404: "There is no such page. Check that the link was copied whole.",
    405: "This page cannot be asked for in this way.",
    409: "This has changed meanwhile. Open your link again to see how it stands.",
    413: "This is longer than can be kept here.",
    415: "Only forms are read here.",
    422: "The form holds something that is no answer to it. Go back and choose again.",
    429: "Too many requests in a short time. Wait a moment and try again.",
    500: "Something went wrong here; what was saved before is kept. Try again.",
}


@functools.cache
def _static(name: str) -> tuple[bytes, str]:
    content = resource(name).encode()
    return content, hashlib.sha256(content).hexdigest()[:16]


def static_address(name: str) -> str:
    """Return the address of a file beside the pages; it changes with its content."""
    return f"/static/{name}?{_static(name)[1]}"


@functools.cache
def _environment() -> jinja2.Environment:
    made = environment()
    made.globals.update({"static": static_address})  # type: ignore[dict-item]
    return made


def render(template: str, *, _status: int = 200, **values: Any) -> Response:
    """Fill a template in and answer with it."""
    from starlette.responses import HTMLResponse

    page = _environment().get_template(template).render(**values)
    return HTMLResponse(page.encode("utf-8", "replace"), _status)


def error_page(status: int, said: str = "") -> Response:
    """Answer with a plain page that says what is wrong."""
    known = _SAYS.get(status, _SAYS[400 if status < 500 else 500])
    title = HTTPStatus(status).phrase
    return render(
        "error.html.jinja", _status=status, status=status, title=title, said=said or known
    )


def media(path: Path | None) -> Response:
    """Answer with a video or sound, whole or in the ranges that were asked for."""
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse

    try:
        found = path.stat() if path is not None and path.is_file() else None
    except OSError:
        found = None
    if path is None or found is None:
        raise HTTPException(404, "The recording is not on this machine now.")
    # The name of a file may tell who is in it.
    headers = {"cache-control": "private, max-age=3600", "content-disposition": "inline"}
    return FileResponse(path, headers=headers, stat_result=found)


async def _answer_static(request: Request) -> Response:
    from starlette.exceptions import HTTPException
    from starlette.responses import Response

    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    headers = {"cache-control": "max-age=86400"}
    return Response(_static(name)[0], media_type=STATIC[name], headers=headers)


async def _answer_error(_: Request, error: Any) -> Response:
    own = error.detail != HTTPStatus(error.status_code).phrase
    answer = error_page(error.status_code, error.detail if own else "")
    answer.headers.update(error.headers or {})
    return answer


async def _answer_run_error(_: Request, error: Any) -> Response:
    log.error("RunError [%s]", error.code)
    return error_page(500, str(error))


async def _answer_fault(_: Request, _error: Exception) -> Response:
    return error_page(500)


async def _health(_: Request) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("ok\n")


def build_app(
    routes: Sequence[BaseRoute],
    *,
    hosts: Collection[str] = ("127.0.0.1",),
    limits: Limits | None = None,
) -> Guard:
    """Build the application around its routes; no `hosts` means any name may reach it."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    own = [Route("/static/{name}", _answer_static), Route("/health", _health)]
    handlers = {
        HTTPException: _answer_error,
        RunError: _answer_run_error,
        Exception: _answer_fault,
    }
    app = Starlette(routes=[*routes, *own], exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, hosts=hosts, limits=limits or Limits(), plain=error_page)
