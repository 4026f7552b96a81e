"""Collecting candidates, from answers in the shape that yt-dlp gives; nothing is asked for real."""

from __future__ import annotations

import csv
import io

from emodiss import manifest
from emodiss.corpus import collection

PAGES = {
    "aaa": {"license": "Creative Commons Attribution license (reuse allowed)", "language": "en",
            "upload_date": "20240229", "subtitles": {"en": [], "de": [], "live_chat": []},
            "automatic_captions": {"fr": []}, "duration": 402.0, "channel": "A  Clinic"},
    "AAA": {"duration": 61, "uploader": "Someone"},
    "ccc": {},
}  # fmt: skip
FOUND = {
    "cbt roleplay": ["aaa", None, "AAA"],
    "dbt example": ["ccc", "aaa"],
    "nothing": [],
}


def look(address: str, flat: bool) -> dict:
    if flat:
        search, _, query = address.partition(":")
        assert search == "ytsearch5"
        if query == "blocked":
            raise RuntimeError("ERROR: Sign in to confirm you're not a bot")
        return {"entries": [i and {"id": i, "url": f"https://video.example/{i}", "title": f"T {i}"}
                            for i in FOUND[query]]}  # fmt: skip
    name = address.rsplit("/", 1)[1]
    if name == "ccc":
        raise RuntimeError("ERROR: Private video")
    return {"title": f"T {name}", **PAGES[name]}


def test_queries_are_merged_and_each_find_keeps_where_it_came_from():
    queries = ["cbt roleplay", " dbt  example", "nothing", "blocked", "cbt roleplay"]
    found = collection.collect(queries, limit=5, look=look)
    rows = {row["id"]: row for row in found.rows}
    # Ids name folders, and on some systems aaa and AAA are one folder.
    assert list(rows) == ["yt_aaa", "yt_AAA.2", "yt_ccc"]
    first = rows["yt_aaa"]
    assert (first["query"], first["rank"]) == ("cbt roleplay | dbt example", "1 | 2")
    assert first["license"].startswith("Creative Commons")
    assert (first["duration_s"], first["upload_date"]) == ("402", "2024-02-29")
    assert (first["language"], first["captions"]) == ("en", "en;de;automatic")
    assert first["uploader"] == "A Clinic"
    assert (rows["yt_AAA.2"]["license"], rows["yt_AAA.2"]["rank"]) == ("", "2")
    assert rows["yt_ccc"]["title"] == "T ccc"  # its page is private, the list still named it
    assert [line.partition(":")[0] for line in found.troubles] == ["query 'blocked'", "yt_ccc"]
    assert "bot check" in found.troubles[0] and "private" in found.troubles[1]


def test_the_candidates_are_a_manifest(tmp_path):
    found = collection.collect(["cbt roleplay"], limit=5, look=look)
    path = tmp_path / "candidates.csv"
    path.write_text(found.to_csv(), encoding="utf-8")
    read = manifest.read(path)
    assert read.problems == ()
    assert [row.url for row in read.rows] == [
        "https://video.example/aaa",
        "https://video.example/AAA",
    ]
    assert read.metadata["yt_aaa"]["query"] == "cbt roleplay"
    assert next(csv.reader(io.StringIO(found.to_csv()))) == list(collection.COLUMNS)


def test_without_details_no_page_is_opened():
    asked: list[bool] = []

    def watch(address: str, flat: bool) -> dict:
        asked.append(flat)
        return look(address, flat)

    found = collection.collect(["cbt roleplay"], limit=5, details=False, look=watch)
    assert asked == [True] and len(found.rows) == 2
