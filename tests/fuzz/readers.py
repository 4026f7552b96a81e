"""Every reader of what comes from outside, with sound inputs to begin from; see `rooms`, too."""

# ruff: noqa: E501 -- lists of odd text are read better in few lines
from __future__ import annotations

import contextlib
import functools
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import emodiss
from emodiss import interventions, judging, manifest, ratings, registry, transcript
from emodiss.chat import openai
from emodiss.chat.cache import Cached
from emodiss.chat.ledger import read_prices
from emodiss.chat.model import ChatParams, Message
from emodiss.chat.replay import Replay
from emodiss.corpus import curation
from emodiss.exports import FORMATS, Item, read_back
from emodiss.interventions import redaction
from emodiss.judging import scores
from emodiss.manifest import public
from emodiss.media import fetch
from emodiss.prompts.wording import load_template, render
from emodiss.runs import fetching, layout, sources
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.written import Written
from emodiss.settings import Settings, resolve
from emodiss.study import reviewing
from emodiss.study.evaluate import words_of
from emodiss.study.interventions import InterventionFile, totals
from emodiss.study.judgements import JudgementFile
from emodiss.study.label_roles import read_answer
from emodiss.transcript import Utterance
from tests.fuzz import files, rooms
from tests.fuzz.fuzzer import Fuzzer

SHOWN = (
    Item("u0001", 0.0, 1.2, "Ada B", "therapist", 'Well, "how" are <you> & yours?'),
    Item("u0002", 1.1, 3.456, "Bo", "patient", "I don't know."),
    Item("u0003", 2.0, 2.3, "Ada B", "therapist", "mm-hmm"),
)
TALK = (Utterance(0.0, 1.0, "A", "How was your week?"), Utterance(1.0, 3.0, "B", "It was hard."))

VTT = (
    "WEBVTT\n\nNOTE made by hand\n\n1\n00:00:01.000 --> 00:00:02.500 align:start\n"
    "<v.loud Ana Ruiz>Tell me <i>more</i>.</v>\n\n00:02.500 --> 00:04.000\n"
    "<v Bo>I <00:02.700>hate <00:03.100>it &amp; him\n- [Ana]: Oh.\n",
    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\none two\n\n00:00:02.000 --> 00:00:03.000\none two\n"
    "three four\n\n00:00:03.000 --> 00:00:04.000\nthree four\nfive\n",
)
SRT = (
    "1\n00:00:01,000 --> 00:00:02,000\nMax Muster, LMFT: Tell me.\n\n2\n00:00:03,000 --> "
    "00:00:04,000\nKim: I hate him.\n\n3\n00:00:05,000 --> 00:00:06,000\n[Max] I (laughs) hear.\n",
    "1\n0:00:01.5 --> 0:00:02,000\n李医生：你好。\n2\n00:00:02,500 --> 00:00:03,000\n<Ana> Yes\n",
)
STM = ("s01 1 Ana 0.5 1.5 <o,f0,male> how are you\ns01 1 Bo 1.5 3.25 <NA> {fine / well} thanks\n",)
TABLE = (
    "Speaker,Start Time,End Time,Utterance\nAna,0.5,1.5,How are you?\nBo,0:02,00:00:03.5,"
    '"Well, ""fine"""\n',
    "sep=;\nSpeaker;Start;Text\nT;0,5;Hello\nP;1,75;Bye\n",
    "start\tend\ttext\n1200\t3400\tHello\n3400\t5000\tBye\n",
)
WHISPERX = (
    json.dumps(
        {
            "segments": [
                {
                    "start": 0.5,
                    "end": 2.0,
                    "text": "How are you",
                    "speaker": "A",
                    "words": [
                        {"word": "How", "start": 0.5, "end": 0.9, "score": 0.9, "speaker": "A"},
                        {"word": "are", "speaker": "B"},
                        {"word": "you", "start": 1.2, "end": 2.0, "score": 0.8, "speaker": "A"},
                    ],
                },
                {"start": 2.5, "end": 3.0, "text": "Fine."},
            ],
            "language": "en",
        }
    ),
    '[{"start": 0, "end": 1.5, "text": "one", "words": []}]',
)
JSON3 = (
    json.dumps(
        {
            "wireMagic": "pb3",
            "events": [
                {"tStartMs": 0, "dDurationMs": 100, "id": 1},
                {
                    "tStartMs": 500,
                    "dDurationMs": 2500,
                    "segs": [{"utf8": ">> how"}, {"utf8": " are", "tOffsetMs": 400}],
                },
                {"tStartMs": 900, "dDurationMs": 10, "segs": [{"utf8": "\n"}]},
                {"tStartMs": 3000, "dDurationMs": 900, "segs": [{"utf8": "fine &gt;&gt; good"}]},
            ],
        }
    ),
)
ANNOMI = (
    "transcript_id,utterance_id,interlocutor,timestamp,utterance_text,mi_quality,video_title,"
    "video_url,topic\n0,0,therapist,00:00:13,Thanks for coming.,high,Talk,https://example.org/a,x\n"
    '0,1,client,00:00:20,"Yes, sure.",high,Talk,https://example.org/a,x\n'
    "1,0,therapist,00:00:01,Hello.,low,Other,https://example.org/b,y\n",
)
MANIFEST = (
    "id,path,transcript,start,end,roles,license,title,x_mine\ns01,s01.mp4,s01.vtt,0:10,1:30.5,"
    '"A=therapist;B=patient",CC BY,Part one,1\ns02,sub/two.mp4,,,,,,,\n',
    "id;url;path\ns1;https://example.org/v.mp4;\ns2;;v.mp4\n",
)
RATINGS = (
    "rater,item,video,model,condition,criterion,value,repeat\nr1,i1,v1,m,base,empathy,4,0\n"
    "r1,i2,v1,m,dissonance,empathy,NA,0\nr2,i1,v1,m,base,applicability,5,0\n",
)
KEY = (
    "item,video,window,model,condition,repeat_of,repeat\nA1,v1,w1,m,base,A1,0\nA2,v1,w1,m,x,A2,0\n"
)
SHEET = (
    "study,rater,rater_group,position,item,video,response,comprehensiveness,"
    "applicability,empathy\ns,r1,g,1,A1,v1,'=Hello,4,3,5\ns,r1,g,2,A2,v1,Bye,,2,1\n",
)
SCORES = (
    "item,criterion,judge,score,scale_order,raw\ni1,empathy,j,4,ascending,[]\n"
    "i2,empathy,j,,descending,\n",
)
AUDIT = (
    "unit,video_id,utterance_id,speaker,start,end,role,role_source,text,verdict,correct_role,note\n"
    "session,v,,A,,,therapist,words,,right,,\nutterance,v,u0001,A,0,1.5,,,Hello,wrong,patient,x\n",
)
EAF = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT FORMAT="3.0"><HEADER '
    'TIME_UNITS="milliseconds"><PROPERTY NAME="emodiss">x</PROPERTY></HEADER><TIME_ORDER>'
    '<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2" '
    'TIME_VALUE="1200"/><TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3456"/></TIME_ORDER>'
    '<TIER TIER_ID="therapist Ada B" PARTICIPANT="Ada B"><ANNOTATION><ALIGNABLE_ANNOTATION '
    'ANNOTATION_ID="u0001" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>Well'
    "</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
    '<TIER TIER_ID="id: x" PARENT_REF="x"><ANNOTATION><REF_ANNOTATION ANNOTATION_REF="u0001">'
    "<ANNOTATION_VALUE>u0001</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>"
    "</ANNOTATION_DOCUMENT>",
)
SET = (
    "dissonance.threshold=0.4\nfaces.stride=6\nmodels.asr=none\nmedia.max_height=480\n",
    "speech_affect.window_s=3\nprompts.window=5\noptions.silero-vad.threshold=0.5\n",
)
PRICES = (
    '{"as_of": "2026-11-21", "source": "x", "models": {"a": {"input": 1.0, "output": 2.0}, '
    '"b": {"input": 0, "output": 10, "as_of": "2026-01-01"}}}',
)
_ASKED = "15271c4d657b2ae261caf744ae5c9facc06bad192771022df6f11acb04822790"  # of "superdupertest"
REPLAY = (
    f'{{"prompt_sha256": "{_ASKED}", "raw": "[Validation] I hear you.", "model": "m", "sample": 0, '
    '"finish_reason": "stop", "prompt_tokens": 10, "completion_tokens": 5, "parameters": {}, '
    '"served_model": "m-1", "answered_at": "2026-01-01"}\n'
    f'{{"prompt_sha256": "{_ASKED}", "raw": "no", "model": "m", "sample": 1}}\n',
)
COMPLETION = (
    json.dumps(
        {
            "id": "c1",
            "model": "m",
            "choices": [
                {
                    "message": {"content": "4"},
                    "finish_reason": "stop",
                    "logprobs": {
                        "content": [
                            {
                                "token": "4",
                                "logprob": -0.1,
                                "top_logprobs": [{"token": "5", "logprob": -2.5}],
                            }
                        ]
                    },
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        }
    ),
)
STREAM = (
    'data: {"id": "c1", "choices": [{"delta": {"content": "Score: "}}]}\n\n'
    'data: {"choices": [{"delta": {"content": "4"}, "finish_reason": "stop", '
    '"logprobs": {"content": [{"token": "4", "logprob": -0.1}]}}]}\n\n'
    'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'
    "data: [DONE]\n",
)
REPLIES = (
    "[Validation] You sound hurt. What happened?",
    "<think>Let me see</think>\n**Technique:** Reflection\n**Response:** You miss him.",
    'Sure!\n```json\n{"technique": "Validation", "response": "I hear you.",}\n```\nHope it helps.',
    "<technique>Reframing</technique>\n<response>Perhaps he was afraid.</response>",
    "Therapist: I am here.\nPatient: It was hard.",
)
JUDGED = (
    "Score: 4",
    "1. Empathy (1-5): 3\nApplicability: 4/5",
    "<think>3 seems harsh</think>\n[[4]]",
    "I would say 2 out of 5.",
)
ROLES = (
    '{"speakers": [{"speaker": "A", "role": "therapist", "confidence": 0.9, "quotes": '
    '["How was your week?"]}, {"speaker": "B", "role": "patient", "confidence": 1, "quotes": '
    '["It was hard."]}]}',
)
STEPS = (
    '[{"criterion": "empathy", "text": "Read it, then judge how warm it is.", "model": "m", '
    '"prompt_sha256": "x"}]',
)
REVIEWS = (
    '{"by": "R", "at": "2026-05-01T00:00:00Z", "video_id": "v", "kind": "text", "of": [{"start": 0, '
    '"end": 1.5, "speaker": "A"}], "text": "Hello"}\n'
    '{"by": "R", "at": "2026-05-01T00:00:00Z", "video_id": "v", "kind": "role", "of": [{"start": 0, '
    '"end": 1.5, "speaker": "A"}], "role": "therapist"}\n',
)
LABELS = (
    '{"video_id": "v", "identity": "m", "labels": [{"speaker": "A", "role": "therapist", '
    '"confidence": 0.9, "quotes": ["Hello"], "reason": ""}]}\n',
)
FACTS = json.dumps(
    {
        "preset": "lite",
        "settings": Settings().model_dump(mode="json"),
        "problems": [{"line": 2, "column": "path", "id": "x", "message": "no file"}],
        "models": {},
        "versions": {},
        "inputs": {"folder": "..", "sources": [{"path": "m.csv", "sha256": "x"}]},
        "command": ["annotate"],
    }
)
ROWS = '{"id": "v", "path": "v.mp4", "url": null, "transcript": null, "metadata": {"title": "x"}}\n'
OUTCOMES = (
    '{"video": "v", "stage": "draft", "status": "done", "seconds": 1.5, "device": "cpu", "key": '
    '"k", "error": null, "notes": ["no_audio"]}\n{"video": "v", "stage": "faces", "status": '
    '"failed", "error": {"code": "x", "what": "y", "next_step": "z"}}\n',
)
META = (
    '{"key": "k", "stage": "draft", "video": "v", "files": {"data.json": {"bytes": 2}}, "notes": '
    '[], "version": 1}',
)
ANSWERS = (
    json.dumps(
        {
            **{"model": "m", "identity": "i", "video_id": "v", "condition": "base"},
            **{"request_sha256": "x", "prompt_sha256": "x", "window": ["u1", "u2"], "sample": 0},
            **{"finish_reason": "stop", "failures": ["empty"], "from_cache": False},
            **{"prompt_tokens": 1, "completion_tokens": None, "cost_usd": 0.5, "raw": "x"},
        }
    )
    + "\n",
)
PROMPTS = ('{"video_id": "v", "condition": "base", "text": "Say.", "window": ["u1"]}\n',)
COOKIES = (
    "# Netscape HTTP Cookie File\n.example.org\tTRUE\t/\tFALSE\t0\tname\tvalue\n"
    "#HttpOnly_example.org\tFALSE\t/\tTRUE\t12.5\ta\tb\n",
)
NAMES = ("Ana Ruiz, Ana\n# nobody\nBo\n",)
DECISIONS = ("id,verdict,why\ns1,keep,it is fine\ns2,exclude,no talk\n",)


def _text(path: Path) -> str:
    """What a network or a person hands over as text, whatever its bytes."""
    return path.read_bytes().decode("utf-8", "replace")


@functools.cache
def _endpoint() -> openai.OpenAICompatible:
    return openai.OpenAICompatible("m", base_url="http://127.0.0.1:1/v1")


def _completion(record: dict[str, Any]) -> object:
    found = _endpoint()._completion(record, 0.1)
    # What callers do next: keep it, weigh it, count it.
    json.dumps(found.to_dict(), ensure_ascii=False).encode()
    return scores.weigh(found.logprobs), interventions.parse(found.text)


def _set(path: Path) -> object:
    content = path.read_bytes().decode("utf-8", "surrogateescape")
    return [_kept(resolve({}, [line])) for line in content.split("\n") if line]


def _kept(settings: Settings) -> str:
    return settings.model_dump_json()


def _replayed(path: Path) -> object:
    said: Message = {"role": "user", "content": "superdupertest"}
    found = Replay(path).generate([said], ChatParams())
    return json.dumps(found.to_dict(), ensure_ascii=False).encode()


def _answered(path: Path) -> object:
    text = _text(path)
    reply = interventions.parse(text, context=("It was hard.",))
    return interventions.normalise_technique(reply.technique or ""), reply


def _waited(path: Path) -> object:
    return [openai.retry_after({"retry-after": line}) for line in _text(path).split("\n")]


def _merged(path: Path) -> object:
    return ratings.merge({str(path): words_of(path)}, _key(path.parent / "key"))


_key = functools.cache(words_of)  # it stays as it is


_PAGE = "https://example.org/watch"


def _kept_answer(path: Path) -> object:
    """Lay an answer into a cache as another program might, and look it up."""
    file = path.parent / "cache.sqlite"
    with contextlib.closing(Cached(_endpoint(), file)) as cached:
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            row = ("k", _text(path))
            database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", row)
        return cached.get("k")


def _roles(path: Path) -> object:
    return read_answer(_text(path), TALK)


def _run(read: Callable[[Any], object]) -> Callable[[Path], object]:
    """Read a file of a run folder as commands do."""
    return lambda path: read(emodiss.load(path.parent))


_FOLDER = {"run.json": FACTS, "manifest.jsonl": ROWS, "outcomes.jsonl": OUTCOMES[0]}


def fuzzers() -> dict[str, Fuzzer]:
    """Readers by name."""
    return {
        "manifest": Fuzzer("m.csv", MANIFEST, manifest.read),
        "stm": Fuzzer("t.stm", STM, transcript.read_report),
        "vtt": Fuzzer("t.vtt", VTT, transcript.read_report),
        "srt": Fuzzer("t.srt", SRT, transcript.read_report),
        "csv": Fuzzer("t.csv", TABLE, transcript.read_report),
        "whisperx": Fuzzer("t.json", WHISPERX, transcript.read_report),
        "json3": Fuzzer("t.json3", JSON3, transcript.read_report),
        "annomi": Fuzzer("a.csv", ANNOMI, functools.partial(transcript.read_annomi, strict=False)),
        "annomi_table": Fuzzer("a.csv", ANNOMI, public.read_annomi),
        "eaf": Fuzzer("s.eaf", EAF, lambda path: read_back(path, SHOWN)),
        "eaf_exported": Fuzzer("s.eaf", (_exported("eaf"),), lambda p: read_back(p, SHOWN)),
        "vtt_exported": Fuzzer("s.vtt", (_exported("webvtt"),), lambda p: read_back(p, SHOWN)),
        "settings": Fuzzer("set.txt", SET, _set),
        "ratings": Fuzzer("r.csv", RATINGS, ratings.read),
        "sheet": Fuzzer("sheet.csv", SHEET, _merged, beside={"key": KEY}),
        "audit": Fuzzer("audit.csv", AUDIT, reviewing.read_sheet),
        "audit_json": Fuzzer(
            "a.json",
            (
                '[{"unit": "voice", "video_id": "v", "speaker": "A", '
                '"verdict": "wrong", "correct_role": "patient"}]',
            ),
            reviewing.read_sheet,
        ),
        "scores": Fuzzer("s.csv", SCORES, judging.read_scores),
        "decisions": Fuzzer("d.csv", DECISIONS, curation.read_overrules),
        "names": Fuzzer("n.txt", NAMES, lambda path: redaction.read_names(_text(path)), never=True),
        "prices": Fuzzer("p.json", PRICES, read_prices),
        "replay": Fuzzer("i.jsonl", REPLAY, _replayed),
        "completion": Fuzzer(
            "body", COMPLETION, lambda path: _completion(openai.parsed(path.read_bytes()))
        ),
        "stream": Fuzzer(
            "body", STREAM, lambda path: _completion(openai.joined(path.read_bytes()))
        ),
        "retry_after": Fuzzer("header", ("120\nWed, 21 Oct 2026 07:28:00 GMT\n",), _waited, True),
        "reply": Fuzzer("answer.txt", REPLIES, _answered, never=True),
        "judgement": Fuzzer(
            "answer.txt", JUDGED, lambda path: scores.find_score(_text(path)), never=True
        ),
        "roles": Fuzzer("answer.txt", ROLES, _roles, never=True),
        "steps": Fuzzer("steps.json", STEPS, judging.read_steps),
        "cookies": Fuzzer("cookies.txt", COOKIES, fetch.read_cookies),
        "reviews": Fuzzer(
            "reviews.jsonl", REVIEWS, lambda path: ReviewFile(path.parent).overlays()
        ),
        "labels": Fuzzer("role_labels.jsonl", LABELS, lambda p: ReviewFile(p.parent).overlays()),
        "run": Fuzzer(
            "run.json",
            (FACTS,),
            _run(lambda run: (run.facts, run.settings, run.failures)),
            beside=_FOLDER,
        ),
        "rows": Fuzzer(
            "manifest.jsonl", (ROWS,), _run(lambda run: (run.videos, run.failures)), beside=_FOLDER
        ),
        "outcomes": Fuzzer(
            "outcomes.jsonl",
            OUTCOMES,
            _run(lambda run: (run.outcomes, run.failures)),
            True,
            _FOLDER,
        ),
        "meta": Fuzzer(
            "videos/v/draft/meta.json",
            META,
            lambda path: emodiss.load(path.parents[3]).store.meta("v", "draft"),
            True,
            {**_FOLDER, "videos/v/draft/data.json": "{}"},
        ),
        "answers": Fuzzer(
            "interventions.jsonl", ANSWERS, lambda p: totals(InterventionFile(p.parent).read())
        ),
        "prompts": Fuzzer("prompts.jsonl", PROMPTS, _run(lambda run: run.prompts), beside=_FOLDER),
        "judgements": Fuzzer(
            "judgements.csv", (judgements(),), lambda p: JudgementFile(p.parent).read()
        ),
        "hashes": Fuzzer(
            ".hashes.json",
            ('{"/a/v.mp4": [1, 2, 3, "' + "0" * 64 + '"]}',),
            _run(lambda run: sources.Hashes(run.store).path_of("0" * 64)),
            True,
            _FOLDER,
        ),
        "written": Fuzzer(
            layout.WRITTEN, ('{"/a/b.eaf": "x"}',), lambda path: Written(path.parent), never=True
        ),
        "cache": Fuzzer("answer.txt", (COMPLETION[0],), _kept_answer),
        "criterion": Fuzzer(
            "warmth.txt",
            ("How warm is the reply? 1 is cold, 5 is warm.\n",),
            lambda path: judging.criterion(path).definition,
        ),
        "template": Fuzzer(
            "mine.jinja",
            (
                "Say what {{ patient }} feels.\n{% for turn in turns %}{{ turn.text }}\n{% endfor %}",
            ),
            lambda path: render(load_template(path), {"patient": "Bo", "turns": TALK}),
        ),
        "about": Fuzzer(
            f"{fetch.folder_of(_PAGE, Path()).name}/about.json",
            ('{"title": "Talk", "license": "CC BY", "duration": 12.5}',),
            lambda path: fetch.about(_PAGE, path.parents[1]),
            never=True,
        ),
        "decay": Fuzzer(
            "decay.csv",
            ("id,url,code,since\na,https://example.org,gone,2026-01-01T00:00:00+00:00\n",),
            lambda path: fetching.decay(path.parent).read(),
        ),
        **rooms.fuzzers(),
        **files.fuzzers(),
    }


def line(sample: str | bytes) -> dict[str, Any]:
    """First line of a sample as plain values."""
    return json.loads(sample.splitlines()[0])


def judgements() -> str:
    """A table of one score."""
    row = dict.fromkeys(judging.COLUMNS, "x") | {"score": "4", "n_answers": "1", "mass": "0.9"}
    return f"{','.join(row)}\n{','.join(row.values())}\n"


def _exported(kind: str) -> str:
    return registry.function(FORMATS[kind].of_video)("s", SHOWN, None)
