"""AnnoMI and HOPE as manifests: counted on the real table where there is one, else invented."""

from __future__ import annotations

from pathlib import Path

import pytest

import emodiss
from emodiss import manifest
from emodiss.manifest import public
from emodiss.transcript import read

HEADER = (
    "transcript_id,mi_quality,video_title,video_url,topic,utterance_id,interlocutor,timestamp,"
    "utterance_text,main_therapist_behaviour,client_talk_type\n"
)


@pytest.fixture
def annomi(tmp_path) -> Path:
    """Three invented sessions on two videos; one start is no time."""
    rows = [
        "7,high,A talk,https://video.example/1,sleep ,0,therapist,00:01:05,Hello there.,other,n/a",
        "7,high,A talk,https://video.example/1,sleep ,1,client,00:01:025,Hi.,n/a,neutral",
        '7,high,A talk,https://video.example/1,sleep ,2,therapist,00:01:09,"Well, go on.",,n/a',
        "9,low,A talk,https://video.example/1,sleep,0,client,00:03:00,Yes.,n/a,change",
        "9,low,A talk,https://video.example/1,sleep,0,client,00:03:00,Yes.,n/a,change",
        "12,high,Other,https://video.example/2,diet,0,client,00:00:00,No.,n/a,sustain",
    ]
    path = tmp_path / "annomi.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_sessions_are_stretches_and_a_start_that_is_no_time_is_reported(annomi, tmp_path):
    found = public.read_annomi(annomi)
    stretches = [(r["id"], r["url"][-1], r["start"], r["end"]) for r in found.manifest]
    # Transcript 9 begins at 3:00 on the same video, where 7 must end.
    assert stretches == [
        ("annomi_007", "1", "65", "180"),
        ("annomi_009", "1", "180", ""),
        ("annomi_012", "2", "0", ""),
    ]
    assert (found.n_urls, found.n_utterances) == (2, 5)  # one row was there twice
    (problem,) = found.problems
    assert "line 3" in problem and "'00:01:025' is not HH:MM:SS" in problem and "65 s" in problem
    assert "Hi" not in problem
    path = found.write(tmp_path / "out")
    rows = manifest.read(path)
    assert rows.problems == ()
    assert rows.rows[0].roles == {"therapist": "therapist", "client": "patient"}
    assert rows.metadata["annomi_007"]["topic"] == "sleep"
    spoken = read(rows.resolve(rows.rows[0].transcript))
    assert [(u.speaker, u.text) for u in spoken] == [
        ("therapist", "Hello there."),
        ("client", "Hi."),
        ("therapist", "Well, go on."),
    ]


def test_words_where_a_time_belongs_are_not_repeated(tmp_path):
    path = tmp_path / "shifted.csv"
    row = "0,high,T,https://example.org/a,drink,0,therapist,I feel low today,00:00:13,,\n"
    path.write_text(HEADER + row)
    (problem,) = public.read_annomi(path).problems
    assert "line 2" in problem and "16 characters" in problem and "feel" not in problem


def test_addresses_alone_hold_no_words(annomi, tmp_path):
    path = public.read_annomi(annomi).write(tmp_path / "out", transcripts=False)
    assert [p.name for p in path.parent.iterdir()] == ["manifest.csv"]
    assert "Hello" not in path.read_text() and "A talk" not in path.read_text()
    assert len(manifest.read(path).rows) == 3


def test_the_real_table_gives_133_sessions_and_9699_utterances(shared_data, tmp_path):
    # research/papers_and_eval.md, section 2.1, and the issue: 133, 119 addresses, 9,699, one
    # malformed time in transcript 38, 110 of high and 23 of low quality.
    found = public.read_annomi(shared_data / "annomi" / "AnnoMI-simple.csv")
    assert (len(found.manifest), found.n_urls, found.n_utterances) == (133, 119, 9699)
    (problem,) = found.problems
    assert "transcript 38" in problem and "00:09:025" in problem
    qualities = [row["quality"] for row in found.manifest]
    assert (qualities.count("high"), qualities.count("low")) == (110, 23)
    path = found.write(tmp_path / "out")
    rows = manifest.read(path)
    assert rows.problems == () and len(rows.rows) == 133
    total = sum(len(read(rows.resolve(row.transcript))) for row in rows.rows)
    assert total == 9699


def test_the_shipped_list_is_the_one_the_table_gives(shared_data, tmp_path):
    shipped = Path(__file__).resolve().parents[1] / "manifests" / "annomi.csv"
    found = public.read_annomi(shared_data / "annomi" / "AnnoMI-simple.csv")
    made = found.write(tmp_path / "out", transcripts=False)
    assert shipped.read_text(encoding="utf-8") == made.read_text(encoding="utf-8")


def test_shipped_manifests_can_be_read():
    folder = Path(__file__).resolve().parents[1] / "manifests"
    for path in folder.glob("*.csv"):
        # The demo's files are built beside this folder, not in it.
        assert manifest.read(path, allow_local=True).problems == (), path.name
    rows = manifest.read(folder / "annomi.csv").rows
    assert (len(rows), len({row.url for row in rows})) == (133, 119)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "lacks the columns transcript_id, "),
        (HEADER + "1,2\n", "line 2: the cells do not fit the header"),
    ],
)
def test_another_table_is_refused(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(emodiss.EmodissError, match=message):
        public.read_annomi(path)


def test_hope_gives_addresses_once_each_and_transcripts_with_roles(tmp_path):
    urls = tmp_path / "URL_sources.txt"
    urls.write_text(
        "https://video.example/a\n\nfile:///etc/passwd\nhttps://video.example/b\n"
        "https://video.example/a\n"
    )
    found = public.read_hope_urls(urls)
    assert [(r["id"], r["url"][-1]) for r in found.manifest] == [("hope_1", "a"), ("hope_4", "b")]
    assert found.problems == (
        "line 3: no http or https address",
        "line 5: the address of line 1 again",
    )
    talk = tmp_path / "27.csv"
    talk.write_text('ID,Type,Utterance,Dialog_Act\n27_0,T,"So,  how?",irq\n27_1,P,Fine.,id\n')
    table = public.read_hope(talk)
    assert table["role"].tolist() == ["therapist", "patient"]
    assert table["text"].tolist() == ["So, how?", "Fine."]
    assert table["start"].isna().all()
    talk.write_text("ID,Type,Utterance,Dialog_Act\n27_0,X,So?,irq\n")
    with pytest.raises(emodiss.EmodissError, match="neither T nor P"):
        public.read_hope(talk)


def test_hope_transcripts_become_one_table_and_are_matched_as_a_person_says(tmp_path):
    urls = tmp_path / "URL_sources.txt"
    urls.write_text("https://video.example/a\nhttps://video.example/b\n")
    folder = tmp_path / "transcripts"
    folder.mkdir()
    for name, said in (("163", "Fine."), ("27", "So?"), ("48", "Well.")):
        (folder / f"{name}.csv").write_text(
            f"ID,Type,Utterance,Dialog_Act\n{name}_0,T,{said},irq\n{name}_1,P,Yes.,id\n"
        )
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    talk, problems = public.read_hope_folder([folder])
    assert list(dict.fromkeys(talk["transcript"])) == ["27", "48", "163"]
    assert problems == ("'notes.csv' lacks the columns ID, Type, Utterance, Dialog_Act.",)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "transcript,url\n163,https://video.example/b\n27.csv,https://elsewhere.example/\n"
        "99,https://video.example/a\n48,https://video.example/b\n"
    )
    found, placed = public.match_hope(public.read_hope_urls(urls), talk, pairs)
    assert [row.get("x_hope_transcript") for row in found.manifest] == [None, "163"]
    assert placed.groupby("transcript")["video_id"].first().to_dict() == {
        "163": "hope_2", "27": "", "48": "",
    }  # fmt: skip
    assert [p.partition("line ")[2][0] for p in found.problems] == ["3", "4", "5"]
    with pytest.raises(emodiss.EmodissError, match="There is no 'nowhere'"):
        public.read_hope_folder([tmp_path / "nowhere"])
