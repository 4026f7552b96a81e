"""Any endpoint that speaks OpenAI's chat protocol: vendors, vLLM, llama.cpp, Ollama.

Nothing goes to another machine unless `allow_remote` says so, and no picture unless
`allow_remote_pictures` does too. A machine counts as this one by its
address alone: 127.0.0.0/8, ::1, or `localhost`. Any other name counts as remote, wherever it points
today, because a name can point elsewhere a moment later. What a local server or a tunnel does with
a request cannot be seen from here.

Retries are the caller's (`emodiss.chat.ask`), so that they are counted in one place; the
client's own are off. Redirects are never followed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import ipaddress
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from emodiss.chat.model import (
    ChatError,
    ChatParams,
    Completion,
    Content,
    Message,
    Text,
    TokenLogprob,
    Usage,
    pictures_of,
    stated_text,
)
from emodiss.errors import MissingExtra, ModelError, SettingsError
from emodiss.tabular import is_text, json_value

TokenField = Literal["max_tokens", "max_completion_tokens"]
"""What an endpoint calls the longest answer; OpenAI's newer models take only the second."""

PICTURE_POLICY = "as on disk or as upright RGB over white; then the endpoint's own"
"""What is done to pictures."""

_MAX_BYTES = 32 << 20
_PLAIN_CODE = re.compile(r"\A[A-Za-z0-9_.\-\[\]]{1,64}\Z")
_RETRYABLE = frozenset({408, 409, 425, 429})
_HOPELESS = {
    401: "Put a valid key into the environment variable named with --api-key-env.",
    402: "Check the account's billing.",
    403: "Check that the key may use this model, and that the region is served.",
    404: "Check --base-url (it usually ends in /v1) and --model.",
    405: "Check --base-url (it usually ends in /v1).",
}
_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b":")


def is_loopback(base_url: str) -> bool:
    """Tell whether an address is this machine."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        try:
            found = socket.getaddrinfo(host, None)
        except OSError:  # no hosts file: a name that leads nowhere leads to no other machine
            return True
        return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(base_url: str) -> str:
    """Return an endpoint's address in one spelling."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            "The base URL is no http or https address.",
            next_step="Write it as http://127.0.0.1:8000/v1.",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(
            "The base URL holds a user, a query or a fragment; a key there would be stored.",
            next_step="Put the key into an environment variable and name it with --api-key-env.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"


def request_body(
    model: str,
    messages: Sequence[Message],
    params: ChatParams,
    *,
    stream: bool = False,
    token_field: TokenField = "max_tokens",
    shown: bool = False,
) -> dict[str, Any]:
    """Write the body of a request: exactly what is sent, or with `shown` its pictures described."""
    written = [{**each, "content": _content(each["content"], shown)} for each in messages]
    named = {
        "temperature": params.temperature,
        "seed": params.seed,
        token_field: params.max_tokens,
        "top_p": params.top_p,
        "frequency_penalty": params.frequency_penalty,
        "presence_penalty": params.presence_penalty,
        "stop": list(params.stop) or None,
    }
    body: dict[str, Any] = {"model": model, "messages": written}
    body |= {name: value for name, value in named.items() if value is not None}
    if params.top_logprobs is not None:
        body["logprobs"] = True
        body["top_logprobs"] = params.top_logprobs
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _content(content: Content, shown: bool) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, Text)
        else {"type": "image_url", "image_url": {"url": str(part) if shown else part.data_url()}}
        for part in content
    ]


class OpenAICompatible:
    """A model behind an OpenAI-compatible endpoint; options as in `Endpoint`."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key_env: str = "OPENAI_API_KEY",
        allow_remote: bool = False,
        allow_remote_pictures: bool = False,
        timeout_s: float = 60.0,
        stream: bool = False,
        token_field: TokenField = "max_tokens",
    ) -> None:
        self._url = check_url(base_url)
        local = is_loopback(self._url)
        host = urlsplit(self._url).hostname
        if not local and not allow_remote:
            raise ModelError(
                f"The endpoint {host} is not this machine, and dialogue would be sent to it.",
                next_step="Look at it first with --preview; send it with --allow-remote, or use a "
                "local server such as http://127.0.0.1:8000/v1.",
                code="remote_refused",
            )
        key = os.environ.get(api_key_env, "")
        if not key and not local:
            raise ModelError(
                f"The environment variable {api_key_env} holds no key for {host}.",
                next_step="Set it, or name another one with --api-key-env.",
                code="api_key",
            )
        try:
            import openai
        except ImportError:
            raise MissingExtra.of("openai", "llm") from None
        self._openai = openai
        self._takes_pictures = local or allow_remote_pictures
        self._model = model
        self._stream = stream
        self._token_field: TokenField = token_field
        self._timeout_s = timeout_s
        # At debug level the client logs what it sends.
        logging.getLogger("openai").setLevel(logging.WARNING)
        make_http: Any = getattr(openai, "DefaultHttpx2Client", openai.DefaultHttpxClient)
        # A proxy from the environment would carry what is meant for this machine to another one.
        # Each request has a connection of its own, which a watch can end when it is too slow.
        limits = openai.DEFAULT_CONNECTION_LIMITS
        http = make_http(
            follow_redirects=False,
            trust_env=not local,
            timeout=timeout_s,
            limits=type(limits)(max_keepalive_connections=0),
            event_hooks={"request": [self._follow]},
        )
        self._here = threading.local()
        self._client = openai.OpenAI(
            api_key=key or "none",
            base_url=self._url,
            max_retries=0,
            timeout=timeout_s,
            http_client=http,
        )

    @property
    def identity(self) -> str:
        """Adapter, address and model id."""
        return f"openai-compatible {self._url} {self._model}"

    @property
    def name(self) -> str:
        """Model id as it was asked for."""
        return self._model

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Ask the endpoint once."""
        pictures = pictures_of(messages)
        if pictures and not self._takes_pictures:
            raise ModelError(
                f"The endpoint {urlsplit(self._url).hostname} is not this machine, and "
                f"{len(pictures)} pictures would be sent to it.",
                next_step="Look at it first with --preview; send them with "
                "--allow-remote-pictures, or use a local server such as http://127.0.0.1:8000/v1.",
                code="remote_pictures_refused",
            )
        body = request_body(
            self._model,
            messages,
            params,
            stream=self._stream,
            token_field=self._token_field,
        )
        start = time.monotonic()
        self._here.sockets = sockets = list[Any]()
        watch = threading.Timer(self._timeout_s, _end, (sockets,))
        watch.daemon = True
        watch.start()
        try:
            record = self._receive(body, start + self._timeout_s)
        except ChatError:
            raise
        except Exception as fault:
            if time.monotonic() >= start + self._timeout_s:
                raise self._too_slow() from None
            # Causes are cut off: their texts may repeat what was sent, or the key.
            raise self._typed(fault, pictures=bool(pictures)) from None
        finally:
            watch.cancel()
        answer = self._completion(record, time.monotonic() - start)
        return dataclasses.replace(answer, picture_policy=PICTURE_POLICY) if pictures else answer

    def _follow(self, request: Any) -> None:
        """Remember the sockets of a request: time-outs count between two bytes of its answer."""
        sockets = self._here.sockets

        def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
                sockets.append(info["return_value"].get_extra_info("socket"))

        request.extensions["trace"] = trace

    def _receive(self, asked: dict[str, Any], deadline: float) -> dict[str, Any]:
        # Read piece by piece, so that an answer without end is seen as such.
        content = bytearray()
        create = self._client.chat.completions.with_streaming_response.create
        with create(**asked) as response:
            for piece in response.iter_bytes():
                content += piece
                if time.monotonic() > deadline:
                    raise self._too_slow()
                if len(content) > _MAX_BYTES:
                    raise _malformed(f"is longer than {_MAX_BYTES} bytes")
        # Some gateways stream unasked, others do not when asked.
        body = bytes(content).lstrip()
        streamed = body.startswith(_EVENTS) or (self._stream and not body.startswith(b"{"))
        return joined(body) if streamed else parsed(body)

    def _completion(self, record: dict[str, Any], latency_s: float) -> Completion:
        try:
            choice = record["choices"][0]
            message = choice["message"]
            text = _said(message.get("content"))
            if text is None:
                text = message.get("refusal") or ""
            if not isinstance(text, str):
                raise _malformed("holds a message that is no text")
            found = Completion(
                text=_mended(text),
                model=stated_text(record.get("model")) or self._model,
                finish_reason=stated_text(choice.get("finish_reason")),
                usage=Usage.stated(record.get("usage")),
                latency_s=latency_s,
                answered_at=datetime.now(UTC).isoformat(timespec="seconds"),
                raw_id=stated_text(record.get("id")),
                logprobs=_logprobs(choice.get("logprobs")),
            )
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            raise _malformed("holds no choice with a message") from None
        return found

    def _too_slow(self) -> ChatError:
        return ChatError(
            f"The endpoint did not answer within {self._timeout_s:g} s.",
            next_step="Give it longer with --timeout, or fewer requests at once: --concurrency.",
            code="timeout",
            retryable=True,
            may_be_charged=True,
        )

    def _typed(self, fault: Exception, *, pictures: bool) -> Exception:
        openai = self._openai
        if isinstance(fault, openai.APIStatusError):
            status, headers = fault.status_code, fault.response.headers
            return _of_status(status, headers, fault.body, pictures=pictures)
        kind = type(fault)
        if isinstance(fault, openai.APITimeoutError) or (
            kind.__module__.startswith("httpx") and "Timeout" in kind.__name__
        ):
            return self._too_slow()
        if isinstance(fault, openai.APIConnectionError) or kind.__module__.startswith("httpx"):
            return ChatError(
                f"The connection to the endpoint failed ({kind.__name__}).",
                next_step="Check that the server runs and that --base-url names it.",
                code="connection",
                retryable=True,
                may_be_charged=True,
            )
        if isinstance(fault, openai.OpenAIError):
            return ChatError(f"The client failed: {kind.__name__}.")
        return fault


def _end(sockets: Sequence[Any]) -> None:
    for each in sockets:
        with contextlib.suppress(OSError, AttributeError):
            each.shutdown(socket.SHUT_RDWR)


def _of_status(
    status: int, headers: Mapping[str, str], body: object, *, pictures: bool
) -> ChatError:
    """Turn a status into an error that repeats no words of the endpoint but short codes."""
    fault: Mapping[str, Any] = body if isinstance(body, dict) else {}
    if isinstance(fault.get("error"), dict):
        fault = fault["error"]
    codes = {
        name: str(fault[name])
        for name in ("code", "type", "param")
        if fault.get(name) is not None and _PLAIN_CODE.match(str(fault[name]))
    }
    said = "".join(f", {name} {value}" for name, value in codes.items())
    what = f"The endpoint answered with status {status}{said}."
    code = f"http_{status}"
    if codes.get("code") == "insufficient_quota":
        return ChatError(what, next_step=_HOPELESS[402], code=code, stops_all=True)
    if status in _HOPELESS:
        return ChatError(what, next_step=_HOPELESS[status], code=code, stops_all=True)
    if 300 <= status < 400:
        return ChatError(
            f"{what} Redirects are not followed.",
            next_step="Give the final address with --base-url.",
            code=code,
            stops_all=True,
        )
    if status in _RETRYABLE or status >= 500:
        return ChatError(
            what,
            next_step="Run the same command again later.",
            code=code,
            retryable=True,
            retry_after_s=retry_after(headers),
            may_be_charged=status >= 500,
        )
    hint = "Shorten the prompt with --window, or leave a parameter out that the endpoint does not "
    sees = "Check that this model takes pictures, and so many. " if pictures else ""
    return ChatError(what, next_step=f"{sees}{hint}know with --omit.", code=code)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks to wait (RFC 9110, section 10.2.3), or None."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(text)
            if date.tzinfo is None:
                date = date.replace(tzinfo=UTC)
            seconds = (date - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    # NaN fails both comparisons.
    return max(0.0, seconds) if seconds < float("inf") else None


def _malformed(what: str) -> ChatError:
    return ChatError(
        f"The endpoint's answer {what}.",
        next_step="Check that --base-url names an OpenAI-compatible endpoint.",
        code="malformed",
        retryable=True,
        may_be_charged=True,
    )


def parsed(content: bytes) -> dict[str, Any]:
    """Read the body of an answer."""
    try:
        record = json_value(content, halves=True)
    except ValueError:
        raise _malformed("is no JSON") from None
    if not isinstance(record, dict):
        raise _malformed("is no JSON object")
    if "error" in record and not record.get("choices"):
        raise _malformed("is an error under a status of success")
    return record


def _said(content: Any) -> Any:
    """Take the words out of a content that is given in parts, of which some are thoughts."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _mended(text: str) -> str:
    """Join characters that pieces of a stream cut in half; a half alone becomes U+FFFD."""
    if is_text(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def joined(content: bytes) -> dict[str, Any]:
    """Put a stream of server-sent events together as one answer."""
    record: dict[str, Any] = {}
    text: list[str] = []
    tokens: list[Any] = []
    finish: str | None = None
    ended = seen = False
    for line in content.split(b"\n"):
        if not line.startswith(b"data:"):
            continue
        data = line[len(b"data:") :].strip()
        if data == b"[DONE]":
            ended = True
            break
        chunk = parsed(data)
        try:
            record.update({k: chunk[k] for k in ("id", "model", "usage") if chunk.get(k)})
            for choice in chunk.get("choices") or ():
                seen = True
                delta = choice.get("delta") or {}
                text.append(_said(delta.get("content")) or delta.get("refusal") or "")
                finish = choice.get("finish_reason") or finish
                tokens += (choice.get("logprobs") or {}).get("content") or ()
        except (TypeError, AttributeError):
            raise _malformed("holds a piece of unknown form") from None
    if not seen:
        raise _malformed("is a stream without a choice")
    if not ended and finish is None:
        raise _malformed("is a stream that was cut off")
    try:
        message = {"content": "".join(text)}
    except TypeError:
        raise _malformed("holds a piece that is no text") from None
    choice = {"message": message, "finish_reason": finish, "logprobs": {"content": tokens}}
    return {**record, "choices": [choice]}


def _logprobs(record: Any) -> tuple[TokenLogprob, ...]:
    entries = (record or {}).get("content") or ()
    return tuple(
        TokenLogprob(*_token(entry), tuple(_token(top) for top in entry.get("top_logprobs") or ()))
        for entry in entries
    )


def _token(record: Any) -> tuple[str, float]:
    if not isinstance(record["token"], str):
        raise TypeError
    return _mended(record["token"]), float(record["logprob"])
