"""Load on the rating server: fifty raters at once on loopback, the server killed in between.

Every rater walks through a study over HTTP and notes each save that the server acknowledged. The
server process is killed (SIGKILL) and started again a number of times meanwhile. At the end the
file of answers must hold every acknowledged answer, each once. Printed: counts, and the time from
sending a save to its acknowledgement.

    python scripts/bench_rating_server.py [--raters 50] [--kills 20] [--pace 0.8]

With `--full`, nobody walks: every rater has answered all items but two, and what the server then
needs for each kind of request is printed, in CPU milliseconds of its process (user and system).

    python scripts/bench_rating_server.py --full --raters 20 --videos 1000   # 80,000 answers
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import psutil

from emodiss import ratings
from emodiss.ratings.instrument import shipped
from emodiss.study import answers
from emodiss.study.answers import Answer, browser_answers
from emodiss.web.database import Database

MODELS, CONDITIONS = ("m1", "m2"), ("c1", "c2")


def write_study(folder: Path, n_raters: int, n_videos: int) -> None:
    rows = [
        {
            "video": f"v{v}",
            "window": "w",
            "start": 0.0,
            "end": 9.0,
            "transcript": f"Patient: Sentence {v}.",
            "model": model,
            "condition": condition,
            "response": f"Reply {v} {model[1]} {condition[1]}",
        }
        for v in range(n_videos)
        for model in MODELS
        for condition in CONDITIONS
    ]
    study = ratings.build_study(
        pd.DataFrame(rows),
        models=MODELS,
        conditions=CONDITIONS,
        raters=[f"r{n}" for n in range(n_raters)],
        n_windows=n_videos,
        repeats=0.0,
        seed=0,
    )
    ratings.write_study(study, folder)
    text = shipped("instrument.toml")
    head, tail = text.index("# --- Practice"), text.index("# --- Attention")
    (folder / "instrument.toml").write_text(text[:head] + text[tail:], encoding="utf-8")


class Server:
    """The command itself, as a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.codes: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had before, and read the links it prints."""
        command = [sys.executable, "-m", "emodiss", "rate", str(self.folder), "--port"]
        self.process = subprocess.Popen(
            [*command, str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        found = re.match(
            r"researcher +http://127.0.0.1:(\d+)(/\S+)", self.process.stdout.readline()
        )
        if found is None:
            raise SystemExit("The server did not start.")
        self.port, self.researcher = int(found[1]), found[2]
        while len(self.codes) < len(self.raters()):
            rater, link = self.process.stdout.readline().split()
            self.codes[rater] = link.rpartition("/")[2]

    def raters(self) -> list[str]:
        """Name the raters of the study."""
        said = json.loads((self.folder / "hidden" / "design.json").read_text())
        return list(said["design"]["raters"])

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def cpu(self) -> float:
        """Return the CPU seconds that it has taken so far."""
        taken = psutil.Process(self.process.pid).cpu_times()
        return taken.user + taken.system


class Rater(threading.Thread):
    """One rater: answers every item, asks again after a lost connection, notes what was kept."""

    def __init__(self, server: Server, name: str, pace: float) -> None:
        super().__init__(daemon=True)
        self.server, self.name, self.pace = server, name, pace
        self.root = f"/r/{server.codes[name]}"
        self.kept: list[tuple[int, dict[str, str]]] = []
        self.times: list[float] = []
        self.n_lost, self.patience = 0, 30.0
        self.rng = random.Random(name)
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None):
        """Return status, place and text, however often the server goes away meanwhile."""
        body = None if fields is None else urlencode(fields)
        headers = {} if body is None else {"content-type": "application/x-www-form-urlencoded"}
        while True:
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(
                        "127.0.0.1", self.server.port, timeout=self.patience
                    )
                begun = time.perf_counter()
                self.connection.request(method, path, body, headers)
                answer = self.connection.getresponse()
                text = answer.read().decode()
                took = time.perf_counter() - begun
                return answer.status, answer.headers.get("location", ""), text, took
            except (OSError, http.client.HTTPException):
                self.n_lost += 1
                if self.connection is not None:
                    self.connection.close()
                self.connection = None
                time.sleep(0.1)

    def page(self, path: str) -> tuple[str, str]:
        """Follow where a page leads; address and text."""
        while True:
            status, place, text, _ = self.ask("GET", path)
            if status == 303:
                path = place
            elif status == 200:
                return path, text
            else:
                raise RuntimeError(f"{status} for a page")

    def token(self, text: str, name: str) -> str:
        """Read a hidden field of a page."""
        found = re.search(rf'name="{name}" value="(\w+)"', text)
        assert found is not None
        return found[1]

    def run(self) -> None:
        """Walk from the link to the last item."""
        time.sleep(self.rng.uniform(0, self.pace))
        path, text = self.page(self.root)
        while not path.endswith(("/done", "/about/after")):
            csrf = {"csrf": self.token(text, "csrf")}
            if not path.rpartition("/")[2].isdigit():
                agree = {"agree": "yes"} if path.endswith("/consent") else {}
                _, place, _, _ = self.ask("POST", path, {**csrf, **agree})
                path, text = self.page(place)
                continue
            n = int(path.rpartition("/")[2])
            chosen = {name: str(self.rng.randint(1, 5)) for name in ratings.CRITERIA}
            form = {"form": self.token(text, "form"), "seconds": "1.0", "comment": self.name}
            time.sleep(self.rng.uniform(0.5, 1.5) * self.pace)
            lost = self.n_lost
            status, place, _, took = self.ask("POST", path, {**csrf, **form, **chosen})
            if status != 303:
                raise RuntimeError(f"{status} for a save")
            self.kept.append((n, chosen))
            if self.n_lost == lost:
                self.times.append(took)
            path, text = self.page(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--videos", type=int, default=10, help="each makes four items")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pace", type=float, default=0.8, help="mean seconds on an item")
    parser.add_argument("--full", action="store_true", help="CPU per request, all but two answered")
    given = parser.parse_args()
    if given.full:
        full(given.raters, given.videos)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "study"
        write_study(folder, given.raters, given.videos)
        server = Server(folder)
        people = [Rater(server, name, given.pace) for name in server.raters()]
        begun = time.perf_counter()
        for person in people:
            person.start()
        for _ in range(given.kills):
            # The next kill waits until some were saved since the last.
            before = sum(len(person.kept) for person in people)
            until = time.monotonic() + 60
            while sum(len(person.kept) for person in people) < before + given.raters // 2:
                if time.monotonic() > until or not any(person.is_alive() for person in people):
                    break
                time.sleep(0.02)
            server.kill()
            server.start()
        for person in people:
            person.join()
        took = time.perf_counter() - begun
        server.process.terminate()
        if server.process.wait(10) != 0:
            raise SystemExit("The server did not end in order.")
        check(folder, people, took, given.kills)


def answer_all_but_two(folder: Path) -> int:
    """Put answers of every rater in, as if they had been saved; how many."""
    handout = ratings.open_study(folder)
    rng = random.Random(0)

    def put(connection: sqlite3.Connection) -> None:
        answers.prepare(connection, list(handout.raters))
        for rater, walk in handout.walks.items():
            answers.mark(connection, rater, "consented")
            answers.mark(connection, rater, "instructed")
            answers.save_about(connection, rater, "before", {})
            for step in walk[:-2]:
                answers.opened(connection, rater, step.name)
                chosen = {name: str(rng.randint(1, 5)) for name in ratings.CRITERIA}
                answers.save(connection, rater, step.name, step.name, Answer(chosen, seconds=0.5))

    database = Database(folder / answers.FILE, answers.SCHEMA)
    database.now(put)
    database.close()
    return sum(len(walk) - 2 for walk in handout.walks.values())


def full(n_raters: int, n_videos: int) -> None:
    """Print the CPU time of each kind of request where almost everything is answered."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "study"
        write_study(folder, n_raters, n_videos)
        n = answer_all_but_two(folder)
        server = Server(folder)
        print(f"raters {n_raters}, answers {n}; start, CPU s: {server.cpu():.1f}")
        person = Rater(server, server.raters()[0], 0.0)
        person.patience = 600.0  # a request that is sent twice would count twice
        walk = len(next(iter(ratings.open_study(folder).walks.values())))
        _, text = person.page(person.root)
        csrf = {"csrf": person.token(text, "csrf")}
        chosen = dict.fromkeys(ratings.CRITERIA, "5")
        _, _, text, _ = person.ask("GET", server.researcher)
        owner = {"csrf": person.token(text, "csrf")}

        def take_back() -> dict[str, str]:
            _, _, text, _ = person.ask("GET", f"{person.root}/history")
            return {**csrf, "latest": person.token(text, "latest")}

        for name, n_times, method, path, fields in (
            ("link", 20, "GET", person.root, None),
            ("first item", 20, "GET", f"{person.root}/1", None),
            ("open item", 20, "GET", f"{person.root}/{walk - 1}", None),
            ("draft", 20, "POST", f"{person.root}/{walk - 1}/draft", {**csrf, **chosen}),
            ("save", 20, "POST", f"{person.root}/{walk - 1}", {**csrf, **chosen}),
            ("take back", 1, "POST", f"{person.root}/undo", take_back),
            ("my answers", 3, "GET", f"{person.root}/history", None),
            ("progress", 3, "GET", server.researcher, None),
            ("agreement", 1, "POST", f"{server.researcher}/agreement", owner),
            ("ratings.csv", 1, "GET", f"{server.researcher}/ratings.csv", None),
            ("history.csv", 1, "GET", f"{server.researcher}/history.csv", None),
            ("attention.csv", 1, "GET", f"{server.researcher}/attention.csv", None),
        ):
            given = fields() if callable(fields) else fields
            before = server.cpu()
            for _ in range(n_times):
                status, _, text, _ = person.ask(method, path, given)
                if status not in (200, 204, 303):
                    raise SystemExit(f"{status} for {name}")
            took = 1000 * (server.cpu() - before) / n_times
            print(f"{name:14} {took:8.1f} ms of CPU, answer {len(text) / 1000:.0f} kB")
        owners = Rater(server, server.raters()[1], 0.0)
        owners.patience = 600.0
        exporting = threading.Thread(
            target=owners.ask, args=("GET", f"{server.researcher}/ratings.csv")
        )
        exporting.start()
        times: list[float] = []
        while exporting.is_alive():
            times.append(person.ask("POST", f"{person.root}/{walk - 1}", {**csrf, **chosen})[3])
            time.sleep(0.1)
        print(
            f"{len(times)} saves while ratings.csv was made, ms from sending to acknowledgement: "
            f"median {1000 * np.median(times):.0f}, most {1000 * max(times):.0f}"
        )
        server.kill()


def check(folder: Path, people: list[Rater], took: float, kills: int) -> None:
    handout = ratings.open_study(folder)
    found = browser_answers(handout)
    table = found.ratings.set_index(["rater", "item", "criterion"])["value"]
    per_answer = found.history.groupby(["rater", "step"]).size()
    lost = wrong = 0
    for person in people:
        walk = handout.walks[person.name]
        for n, chosen in person.kept:
            for name, value in chosen.items():
                key = (person.name, walk[n - 1].name, name)
                if key not in table.index:
                    lost += 1
                elif table[key] != float(value):
                    wrong += 1
    twice = int((per_answer != len(ratings.CRITERIA)).sum())
    n = sum(len(person.kept) for person in people)
    ms = 1000 * np.array([t for person in people for t in person.times])
    print(f"raters {len(people)}, saves acknowledged {n}, seconds {took:.0f}, kills {kills}")
    print(f"connections lost {sum(person.n_lost for person in people)}")
    print(f"acknowledged and not there {lost}, there with another value {wrong}, twice {twice}")
    print(f"save, ms: median {np.median(ms):.1f}, 99th percentile {np.percentile(ms, 99):.1f}")
    if lost or wrong or twice or n != len(people) * len(next(iter(handout.walks.values()))):
        raise SystemExit("The answers are not what was acknowledged.")


if __name__ == "__main__":
    main()
