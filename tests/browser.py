"""Chromium without a window, driven over the pipe of its devtools protocol.

Needs nothing but a chromium on the path; a test that asks for one skips with a reason otherwise.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
_TIMEOUT_S = 30.0


class Page:
    """One tab.

    Parameters
    ----------
    browser
        Where messages go.
    session
        Id of the tab's session.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; events on the way are kept."""
        answer = self._browser.call(method, parameters, self._session)
        for event in self._browser.events:
            self._note(event)
        self._browser.events.clear()
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        detail = event.get("params", {})
        kind = event["method"]
        if kind == "Network.requestWillBeSent":
            self.requests.append(detail["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(detail["exceptionDetails"]))
        elif kind == "Runtime.consoleAPICalled" and detail["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(detail["args"]))
        elif kind == "Log.entryAdded" and detail["entry"]["level"] in ("error", "warning"):
            self.complaints.append(detail["entry"]["text"])

    def open(self, address: str) -> None:
        """Go to an address and wait until the page is there."""
        self.send("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({json.dumps(address.partition('#')[0])})")
        self.wait("document.readyState === 'complete'")

    def js(self, code: str) -> Any:
        """Evaluate an expression and return its value; a promise is waited for."""
        found = self.send(
            "Runtime.evaluate",
            expression=code,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, code: str, *, seconds: float = 30.0) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while not self.js(f"Boolean({code})"):
            assert time.monotonic() < until, f"waited {seconds} s for {code}"
            time.sleep(0.05)

    def click(self, selector: str, *, x: float = 0.5, y: float = 0.5) -> None:
        """Click with the mouse on a place of an element, given as shares of its size."""
        box = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] })()"
        )
        at = {"x": box[0] + x * box[2], "y": box[1] + y * box[3], "button": "left"}
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, clickCount=1, **at)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key by its DOM name."""
        codes = {"Enter": 13, "Tab": 9, " ": 32, "ArrowDown": 40, "ArrowUp": 38}
        codes |= {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        event = {"key": key, "modifiers": 8 if shift else 0}
        event["windowsVirtualKeyCode"] = codes.get(key, ord(key[0].upper()))
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def size(self, width: int, height: int) -> None:
        """Set the size of the window in pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str) -> None:
        """Pretend that the system asks for `light` or `dark` colours."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])

    def tree(self) -> list[tuple[str, str]]:
        """Role and name of everything a screen reader would come across."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            (n["role"]["value"], n.get("name", {}).get("value", ""))
            for n in nodes
            if not n.get("ignored")
        ]

    def picture(self, path: Path) -> Path:
        """Write what is on screen as PNG."""
        shot = self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


class Browser:
    """A chromium process.

    Parameters
    ----------
    program
        Its path.
    profile
        Folder of its own for its data.
    """

    def __init__(self, program: str, profile: Path) -> None:
        their_in, self._to = os.pipe()
        self._from, their_out = os.pipe()
        quiet = ("background-networking", "component-update", "sync", "gpu", "quic", "extensions")
        options = (
            *("--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-pipe"),
            *("--mute-audio", "--hide-scrollbars", f"--user-data-dir={profile}"),
            *(f"--disable-{name}" for name in quiet),
        )
        # The protocol wants descriptors 3 and 4; a shell puts them there.
        line = f'exec "$0" "$@" 3<&{their_in} 4>&{their_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", line, program, *options, "about:blank"],
            pass_fds=(their_in, their_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(their_in)
        os.close(their_out)
        self._rest = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def call(
        self, method: str, parameters: dict[str, Any], session: str | None = None
    ) -> dict[str, Any]:
        """Send one message and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], _TIMEOUT_S)
            assert ready, "chromium does not answer"
            part = os.read(self._from, 1 << 16)
            assert part, "chromium is gone"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def page(self) -> Page:
        """Open a tab."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        return Page(self, attached["sessionId"])

    def close(self) -> None:
        """End the process and wait for its end."""
        os.close(self._to)
        os.close(self._from)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start chromium, or skip the test with the reason."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None or shutil.which("bash") is None:
        pytest.skip("needs a chromium on the path, which is not here")
    browser = Browser(program, profile)
    try:
        yield browser
    finally:
        browser.close()
