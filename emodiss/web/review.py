"""A run in the browser: its sessions with video, curves and transcript, to look at and to correct.

Each reviewer has a link with a code. Everything that is saved is a line of `reviews.jsonl`, on disk
before the page answers; tables follow when the reviews are applied, which is `emodiss resume`.
"""

from __future__ import annotations

import hmac
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emodiss import study
from emodiss.errors import EmodissError, RunError
from emodiss.reviews import Review, audits
from emodiss.reviews.records import REASONS
from emodiss.runs.annotate import resume
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.run import load
from emodiss.study.double_coding import reviewers
from emodiss.study.review_session import Session
from emodiss.timebase import parse_time
from emodiss.vocabulary import ROLES, doubt_words, looks_of
from emodiss.web import curves
from emodiss.web.report import clock, line_of
from emodiss.web.safety import csrf_token, form_of, new_code
from emodiss.web.server import LOOPBACK, address_of, bind, hosts_of, serve
from emodiss.web.site import build_app, media, render

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from emodiss.runs.run import Run

Fields = Mapping[str, str]

FACES_PER_SECOND = 3
"""Boxes of a face that a page is told; more would only make it heavy."""


_TYPED = ("do", "text", "speaker", "start", "end", "cut")
"""Fields that are shown again when they could not be saved."""


class ReviewSite:
    """Pages of one run for its reviewers; blind, nobody sees what the others say."""

    def __init__(self, root: str | Path, names: Sequence[str], *, blind: bool = False) -> None:
        self.root, self.blind = root, blind
        self.codes = {name: new_code() for name in names}
        self._secret = new_code()
        self._saving, self._applying = threading.Lock(), threading.Lock()
        self.applied = ""
        load(root).videos  # noqa: B018 - a folder that is no run is told before anything is served

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the pages."""
        from starlette.routing import Route

        here = "/v/{code}"
        return [
            Route(here + "/", self._get(self._index)),
            Route(here + "/queue", self._get(self._queue)),
            Route(here + "/queue", self._post(self._judge), methods=["POST"]),
            Route(here + "/conflicts", self._get(self._conflicts)),
            Route(here + "/agreement", self._get(self._agreement)),
            Route(here + "/apply", self._post(self._apply), methods=["POST"]),
            Route(here + "/s/{n:int}", self._get(self._session_page)),
            Route(here + "/s/{n:int}", self._post(self._save), methods=["POST"]),
            Route(here + "/s/{n:int}/media", self._get(self._media)),
            Route(here + "/s/{n:int}/faces", self._get(self._faces)),
        ]

    # --- who asks for what ---

    def _who(self, request: Request) -> str:
        from starlette.exceptions import HTTPException

        given = request.path_params["code"].encode()
        for name, code in self.codes.items():
            if hmac.compare_digest(given, code.encode()):
                return name
        raise HTTPException(404)

    def _get(self, answer: Callable[..., Response]) -> Any:
        from starlette.concurrency import run_in_threadpool

        async def endpoint(request: Request) -> Response:
            who = self._who(request)
            return await run_in_threadpool(answer, request, who, dict(request.query_params))

        return endpoint

    def _post(self, answer: Callable[..., Response]) -> Any:
        from starlette.concurrency import run_in_threadpool

        async def endpoint(request: Request) -> Response:
            who = self._who(request)
            fields = await form_of(request, self._secret, who)
            plain = {name: values[-1] for name, values in fields.items()}
            plain["tracks"] = ",".join(fields.get("tracks", []))
            return await run_in_threadpool(answer, request, who, plain)

        return endpoint

    def _session(self, request: Request, who: str, run: Run | None = None) -> tuple[Session, int]:
        from starlette.exceptions import HTTPException

        run, n = run or load(self.root), request.path_params["n"]
        if not 1 <= n <= len(run.videos):
            raise HTTPException(404)
        session = Session(run, run.videos[n - 1])
        return (session.of_people([who]) if self.blind else session), n

    def _page(self, template: str, who: str, *, _status: int = 200, **values: Any) -> Response:
        shared = {
            "here": f"/v/{self.codes[who]}",
            "csrf": csrf_token(self._secret, who),
            "me": who,
            "blind": self.blind,
            "run_name": load(self.root).root.resolve().name,
        }
        return render(template, _status=_status, **shared, **values)

    def _to(self, who: str, path: str) -> Response:
        from starlette.responses import RedirectResponse

        return RedirectResponse(f"/v/{self.codes[who]}{path}", 303)

    # --- the run ---

    def _index(self, _: Request, who: str, _query: Fields) -> Response:
        run = load(self.root)
        known = tuple(ReviewFile(run.root).read())
        rows: list[dict[str, Any]] = []
        n_conflicts = n_pending = 0
        for n, video in enumerate(run.videos, start=1):
            session = Session(run, video, known)
            if self.blind:
                session = session.of_people([who])
            own = [r for r in session.standing.held if r.by == who]
            conflicts, pending = len(session.standing.conflicts), 0
            row: dict[str, Any] = {"n": n, "video": video, "n_reviews": len(own)}
            try:
                row |= {"n_utterances": len(session.talk.units)}
                pending = 0 if self.blind else session.n_pending
            except RunError as error:
                row |= {"n_utterances": None, "trouble": error.what}
            n_conflicts += conflicts
            n_pending += pending
            rows.append({**row, "pending": pending, "conflicts": conflicts})
        return self._page(
            "review_index.html.jinja",
            who,
            rows=rows,
            n_conflicts=n_conflicts,
            n_pending=n_pending,
            applying=self._applying.locked(),
            applied=self.applied,
        )

    def _refuse_blind(self) -> None:
        """Refuse what would show a reviewer what the others say, be it by tables or by shares."""
        from starlette.exceptions import HTTPException

        if self.blind:
            raise HTTPException(403, "Nobody sees what the others say before all have judged.")

    def _apply(self, _: Request, who: str, _fields: Fields) -> Response:
        self._refuse_blind()
        if self._applying.acquire(blocking=False):
            self.applied = ""
            threading.Thread(target=self._resume, daemon=True).start()
        return self._to(who, "/")

    def _resume(self) -> None:
        try:
            found = resume(self.root, workers=0)
            failed = len(found.failures)
            self.applied = f"{failed} failed: see emodiss status." if failed else "Applied."
        except EmodissError as error:
            self.applied = f"Not applied. {error.what} {error.next_step or ''}"
        except Exception as error:
            self.applied = f"Not applied: {type(error).__name__}. Try emodiss resume."
        finally:
            self._applying.release()

    def _conflicts(self, _: Request, who: str, _query: Fields) -> Response:
        self._refuse_blind()
        run = load(self.root)
        known = tuple(ReviewFile(run.root).read())
        rows: list[dict[str, Any]] = []
        for n, video in enumerate(run.videos, start=1):
            session = Session(run, video, known)
            if session.standing.conflicts:
                told = {row["id"]: row for row in session.listing()}
                rows += [
                    {"n": n, "video": video, "pair": [told[a.ref], told[b.ref]]}
                    for a, b in session.standing.conflicts
                ]
        return self._page("review_conflicts.html.jinja", who, rows=rows)

    def _agreement(self, _: Request, who: str, query: Fields) -> Response:
        self._refuse_blind()
        run = load(self.root)
        names = reviewers(run)
        rows: list[dict[str, Any]] = []
        problem = ""
        first, second = query.get("first", ""), query.get("second", "")
        if first and second:
            try:
                rows = study.agreement(run, first, second).to_dict("records")  # type: ignore[assignment]
            except EmodissError as error:
                problem = error.what
        return self._page(
            "review_agreement.html.jinja",
            who,
            names=names,
            first=first,
            second=second,
            rows=rows,
            problem=problem,
        )

    # --- the audit ---

    def _sample(self, run: Run, query: Fields) -> tuple[list[dict[str, Any]], dict[str, str]]:
        from starlette.exceptions import HTTPException

        asked = {
            "share": query.get("share", "0.1"),
            "seed": query.get("seed", "0"),
            "unit": query.get("unit", "session"),
        }
        try:
            share, seed = float(asked["share"]), int(asked["seed"])
            if seed < 0 or asked["unit"] not in audits.UNITS:
                raise ValueError
            unit = "session" if asked["unit"] == "session" else "utterance"
            drawn = audits.sample(run.utterances, share=share, seed=seed, unit=unit)
        except (ValueError, OverflowError) as error:
            said = error.what if isinstance(error, EmodissError) else "This is no sample."
            raise HTTPException(422, said) from None
        table = drawn.astype(object).where(drawn.notna(), None)
        return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")], asked

    def _queue(self, _: Request, who: str, query: Fields) -> Response:
        run = load(self.root)
        items, asked = self._sample(run, query)
        own: dict[str, dict[tuple[str, str], bool | None]] = {}
        for item in items:
            video = item["video_id"]
            if video not in own:
                judged = Session(run, video).of_people([who]).verdicts()
                own[video] = {(j.utterance_id or "", j.speaker): j.right for j in judged}
            key = (item["utterance_id"] or "", item["speaker"])
            by_id = {u: right for (u, _), right in own[video].items() if u}
            item["right"] = by_id.get(key[0]) if key[0] else own[video].get(key)
            item["n"] = run.videos.index(video) + 1
        open_ = [k for k, item in enumerate(items) if item["right"] is None]
        try:
            at = int(query.get("item", ""))
        except ValueError:
            at = open_[0] + 1 if open_ else 1
        at = min(max(at, 1), len(items))
        return self._page(
            "review_queue.html.jinja",
            who,
            items=items,
            at=at,
            item=items[at - 1],
            asked=asked,
            n_open=len(open_),
            roles=ROLES,
            clock=clock,
        )

    def _judge(self, _: Request, who: str, fields: Fields) -> Response:
        from urllib.parse import urlencode

        from starlette.exceptions import HTTPException

        run = load(self.root)
        items, asked = self._sample(run, fields)
        try:
            item = items[int(fields.get("item", "")) - 1]
        except (ValueError, IndexError):
            raise HTTPException(422) from None
        if fields.get("verdict") not in ("right", "wrong"):
            raise HTTPException(422)
        right, better = fields["verdict"] == "right", fields.get("correct_role", "")
        target, of_voice = item["utterance_id"] or item["speaker"], not item["utterance_id"]
        if better and (right or better not in ROLES):
            raise HTTPException(422, "A verdict that is right needs no other role.")
        with self._saving:
            session = Session(run, item["video_id"])
            session = session.of_people([who]) if self.blind else session
            values: dict[str, Any] = {
                "right": right,
                "judged": "role" if of_voice else "utterance",
                "shown": item["role"],
            }
            made = self._made_or_409(session, "verdict", target, who, values)
            if of_voice and (better or right):
                # A verdict that was wrong before may have left another role.
                stated = [r for r in session.reviews if r.kind == "role" and r.by == who]
                if better or any(r in session.standing.held for r in stated):
                    role = {"role": better or None}
                    made += self._made_or_409(session.after(made), "role", target, who, role)
            study.take_over(run, made)
        return self._to(who, "/queue?" + urlencode(asked))

    def _made_or_409(
        self, session: Session, kind: str, target: str, who: str, values: dict[str, Any]
    ) -> list[Review]:
        from starlette.exceptions import HTTPException

        try:
            return [session.review(kind, target, by=who, **values)]
        except EmodissError as error:
            raise HTTPException(409, error.what) from None

    # --- one session ---

    def _media(self, request: Request, who: str, _: Fields) -> Response:
        session, _n = self._session(request, who)
        return media(session.run.media(session.video))

    def _faces(self, request: Request, who: str, _query: Fields) -> Response:
        """Tell where faces are in the picture, as shares of it."""
        from starlette.responses import JSONResponse

        session, _n = self._session(request, who)
        try:
            tracks = session.run.artifact(session.video, "tracks").tracks
            facts = session.run.artifact(session.video, "media")
        except RunError:
            return JSONResponse([])
        size = np.array([facts.width, facts.height] * 2, float)
        found: list[dict[str, Any]] = []
        for track in tracks:
            times = facts.clock().time_of(track.ticks)
            _, firsts = np.unique((times * FACES_PER_SECOND).astype(int), return_index=True)
            seen = np.column_stack([times[firsts], track.boxes[firsts] / size])
            found.append({"id": track.id, "seen": np.round(seen, 4).tolist()})
        return JSONResponse(found)

    def _session_page(self, request: Request, who: str, query: Fields) -> Response:
        session, n = self._session(request, who)
        return self._shown(session, n, who, query)

    def _shown(
        self,
        session: Session,
        n: int,
        who: str,
        query: Fields,
        problem: str = "",
    ) -> Response:
        from starlette.exceptions import HTTPException

        run, video = session.run, session.video
        try:
            units, table = session.talk.units, run.session(video)
            facts = run.artifact(video, "media")
            roles = session.roles()
        except RunError as error:
            raise HTTPException(409, f"{error.what} {error.next_step or ''}") from None
        measured = {str(row.utterance_id): line_of(row) for row in table.itertuples()}
        notes: dict[str, list[str]] = {}
        listing = session.listing()
        for row in listing:
            if row["kind"] == "note" and row["state"] == "in force":
                notes.setdefault(row["target"], []).append(f"{row['by']}: {row['value']}")
        disputed = {row["target"] for row in listing if row["conflict"]}
        lines = [
            self._line(unit, measured.get(unit.id), roles, notes.get(unit.id, ()), disputed)
            for unit in units
        ]
        start = float(facts.start)
        end = max(float(facts.end), max((u.utterance.end for u in units), default=0.0))
        ids = [unit.id for unit in units]
        chosen = query.get("u", "")
        at = ids.index(chosen) if chosen in ids else None
        looks = looks_of((u.utterance.speaker, roles.get(u.utterance.speaker)) for u in units)
        own_lanes = [
            (label, [(u.id, u.utterance, looks[label]) for u in units
                     if u.utterance.speaker == label])
            for label in dict.fromkeys(u.utterance.speaker for u in units)
        ]  # fmt: skip
        return self._page(
            "review_session.html.jinja",
            who,
            _status=422 if problem else 200,
            n=n,
            video=video,
            lines=lines,
            looks=looks,
            chosen=lines[at] if at is not None else None,
            unit=units[at] if at is not None else None,
            following=self._following(units, at),
            typed={name: query.get(name, "") if problem else "" for name in _TYPED},
            problem=problem,
            start=start,
            end=end,
            media=f"/v/{self.codes[who]}/s/{n}/media" if run.media(video) else "",
            lanes=[
                (label, tuple(self._bar(*each, start, end) for each in own))
                for label, own in own_lanes
            ],
            panels=[
                curves.panel(axis, table, run.session_frames(video, part="speaker"), start, end)
                for axis in ("valence", "arousal")
            ],
            counts=Counter(line["state"] for line in lines),
            role_counts=Counter(line["role"] for line in lines),
            voices=[
                {"label": label, "role": role, "tracks": session.tracks_of(label)}
                for label, role in roles.items()
            ],
            tracks=self._tracks(session, facts),
            removed=session.talk.removed,
            history=listing[::-1],
            n_pending=session.n_pending if not self.blind else 0,
            roles=ROLES,
            reasons=REASONS,
            clock=clock,
        )

    @staticmethod
    def _line(
        unit: Any, row: Any, roles: Mapping[str, Any], notes: Sequence[str], disputed: set[str]
    ) -> dict[str, Any]:
        u = unit.utterance
        if row is not None and (row.start, row.end, row.speaker) != (u.start, u.end, u.speaker):
            row = None
        return {
            "id": unit.id,
            "start": u.start,
            "end": u.end,
            "clock": clock(u.start),
            "speaker": u.speaker,
            "role": roles.get(u.speaker) or "unknown",
            "text": " ".join(u.text.split()) or "(not transcribed)",
            "words": u.text,
            "state": row.state if row else "undetermined",
            "note": row.note if row else "changed, not measured yet",
            "reason": row.reason if row else "",
            "numbers": row.numbers if row else (),
            "doubt": doubt_words(u.flags),
            "notes": list(notes),
            "disputed": unit.id in disputed,
            "reviewed": any(flag.startswith("reviewed_") for flag in u.flags),
        }

    @staticmethod
    def _bar(id_: str, u: Any, role: str, start: float, end: float) -> dict[str, Any]:
        scale = curves.WIDTH / max(end - start, 1e-9)
        x, width = (u.start - start) * scale, (u.end - u.start) * scale
        return {"id": id_, "kind": role, "x": round(x, 1), "width": round(width, 1)}

    @staticmethod
    def _following(units: Sequence[Any], at: int | None) -> str:
        """Id of the next utterance of the same voice, which a merge would take in."""
        if at is None:
            return ""
        mine = units[at].utterance.speaker
        return next((u.id for u in units[at + 1 :] if u.utterance.speaker == mine), "")

    @staticmethod
    def _tracks(session: Session, facts: Any) -> list[dict[str, Any]]:
        try:
            tracks = session.run.artifact(session.video, "tracks").tracks
        except RunError:
            return []
        found: list[dict[str, Any]] = []
        for track in tracks:
            times = facts.clock().time_of(track.ticks)
            x = float(np.median(track.boxes[:, [0, 2]].mean(axis=1))) / max(facts.width, 1)
            side = "left" if x < 0.4 else "right" if x > 0.6 else "middle"
            words = f"face {track.id}: {side}, {clock(times[0])} to {clock(times[-1])}"
            found.append({"id": track.id, "words": words})
        return found

    def _save(self, request: Request, who: str, fields: Fields) -> Response:
        from urllib.parse import urlencode

        session, n = self._session(request, who)
        try:
            with self._saving:
                # Read again: another reviewer may have saved meanwhile.
                session, n = self._session(request, who, session.run)
                made = self._changes(session, who, fields)
                study.take_over(session.run, made)
        except EmodissError as error:
            return self._shown(session, n, who, fields, f"Not saved. {error.what}")
        query = {name: fields[name] for name in ("u", "t") if fields.get(name)}
        anchor = f"#{fields['u']}" if fields.get("u") in {u.id for u in session.talk.units} else ""
        return self._to(who, f"/s/{n}?{urlencode(query)}{anchor}")

    def _changes(self, session: Session, who: str, fields: Fields) -> list[Review]:
        """Turn a form into reviews."""
        said, target = fields.get("do", ""), fields.get("u", "")
        note, settle = fields.get("note", "")[:2000], fields.get("settle") == "yes"
        if said == "undo":
            return [session.undo(by=who, to=fields.get("to"))]
        if said == "settle":
            return [session.settle(fields.get("ref", ""), by=who)]
        if said == "add":
            edges = (_time(fields.get("start", "")), _time(fields.get("end", "")))
            speaker, text = fields.get("speaker", "").strip(), fields.get("text", "")
            return [session.addition(*edges, speaker, text, by=who, note=note)]
        if said == "role":
            role = fields.get("role", "")
            return [session.review("role", fields.get("voice", ""), by=who, role=role or None)]
        if said == "face":
            voice = fields.get("voice", "")
            numbers = [int(x) for x in fields["tracks"].split(",") if x.isdecimal() and len(x) < 9]
            if fields.get("more") == "yes" and numbers:
                faces = session.with_face(voice, numbers[0])
            else:
                faces = session.faces(numbers)
            return [session.review("face", voice, by=who, faces=faces)]
        values = self._values(session, said, target, fields)
        made: list[Review] = []
        for kind, value in values.items():
            one = session.review(kind, target, by=who, note=note, settles=settle, **value)
            made.append(one)
            session = session.after([one])
        return made

    @staticmethod
    def _values(
        session: Session, said: str, target: str, fields: Fields
    ) -> dict[str, dict[str, Any]]:
        if said == "restore":
            return {"remove": {}}
        u = session.unit(target).utterance
        if said == "words":
            # One form for what is said and by whom; what was left alone is no correction.
            text, speaker = " ".join(fields.get("text", "").split()), fields.get("speaker", "")
            speaker = speaker.strip()
            found: dict[str, dict[str, Any]] = {}
            if text != " ".join(u.text.split()):
                found["text"] = {"text": text}
            if speaker and speaker != u.speaker:
                found["speaker"] = {"speaker": speaker}
            return found
        if said == "times":
            edges = {n: _time(fields.get(n, "")) for n in ("start", "end")}
            # Fields show milliseconds; an edge that was left alone keeps all its digits.
            was = {"start": u.start, "end": u.end}
            kept = {n: was[n] if abs(was[n] - edges[n]) < 0.0006 else edges[n] for n in was}
            return {} if kept == was else {"times": kept}
        if said == "split":
            words = fields.get("n_words", "")
            n = int(words) if words.isdecimal() and len(words) < 6 else None
            return {"split": {"cut": _time(fields.get("cut", "")), "n_words": n}}
        if said == "merge":
            return {"merge": {"other": fields.get("other", "")}}
        if said in REASONS:
            return {"remove": {"why": said}}
        if said == "note":
            return {"note": {}}
        if said in ("right", "wrong"):
            return {"verdict": {"right": said == "right", "judged": "utterance"}}
        raise RunError("This form says nothing that can be saved.", code="review")


def _time(text: str) -> float:
    try:
        return parse_time(text)
    except ValueError:
        raise RunError(
            "A time is a number of seconds, such as 83.25, or a clock time, such as 1:23.25.",
            code="review",
        ) from None


def review_app(site: ReviewSite, *, host: str = LOOPBACK) -> Any:
    """Build the application (ASGI) of a run's reviewers."""
    return build_app(site.routes(), hosts=hosts_of(host))


def serve_run(
    run: str | Path,
    *,
    names: Sequence[str],
    blind: bool = False,
    host: str = LOOPBACK,
    port: int = 0,
    announce: Callable[[Mapping[str, str]], None] = lambda _: None,
) -> None:
    """Serve a run to its reviewers until Ctrl-C; `announce` is told the link of each."""
    site = ReviewSite(run, names, blind=blind)
    taken = bind(host, port)
    links = {name: f"{address_of(taken)}/v/{code}/" for name, code in site.codes.items()}
    serve(review_app(site, host=host), taken, started=lambda: announce(links))
