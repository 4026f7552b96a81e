"""Answers in the shape that YouTube gives, with invented content, for yt-dlp's real extractors.

Only the network call is replaced: what is asked, parsed and said about trouble is yt-dlp's own.
The shapes are those that `yt_dlp/extractor/youtube` reads.
"""

from __future__ import annotations

import io
import json
from typing import Any

HOST = "https://www.youtube.com"


def found(video: str, title: str, *, length: str = "6:42", channel: str = "A Clinic") -> dict:
    """Return one video of a search page."""
    return {
        "videoRenderer": {
            "videoId": video,
            "title": {"runs": [{"text": title}]},
            "lengthText": {"simpleText": length},
            "ownerText": {"runs": [{"text": channel}]},
            "publishedTimeText": {"simpleText": "2 years ago"},
            "viewCountText": {"simpleText": "1,234 views"},
        }
    }


def refusal(status: str, reason: str, detail: str = "", **more: Any) -> dict:
    """Return a player's answer that plays nothing."""
    state: dict[str, Any] = {"status": status, "reason": reason, **more}
    if detail:
        texts = {"reason": {"simpleText": reason}, "subreason": {"simpleText": detail}}
        state["errorScreen"] = {"playerErrorMessageRenderer": texts}
    return {"playabilityStatus": state}


def playable(title: str, *, seconds: int = 402, channel: str = "A Clinic", speech: str = "en"):
    """Return a player's answer with one picture, one sound and automatic captions."""
    formats = [
        {
            "itag": itag,
            "url": f"{HOST}/videoplayback?itag={itag}",
            "mimeType": f'{kind}/mp4; codecs="{codec}"',
            "bitrate": 100_000,
            "contentLength": "1000",
            **({"width": 640, "height": 360, "fps": 25} if kind == "video" else {}),
        }
        for itag, kind, codec in ((134, "video", "avc1.4d401e"), (140, "audio", "mp4a.40.2"))
    ]
    track = {
        "baseUrl": f"{HOST}/api/timedtext?lang={speech}",
        "name": {"simpleText": f"{speech} (auto-generated)"},
        "vssId": f"a.{speech}",
        "languageCode": speech,
        "kind": "asr",
        "isTranslatable": True,
    }
    return {
        "playabilityStatus": {"status": "OK"},
        "streamingData": {"adaptiveFormats": formats, "expiresInSeconds": "21540"},
        "videoDetails": {"title": title, "lengthSeconds": str(seconds), "author": channel},
        "captions": {"playerCaptionsTracklistRenderer": {"captionTracks": [track]}},
    }


def about(*, license: str | None = None, date: str = "Feb 29, 2024", channel: str = "A Clinic"):
    """Return what stands below a video."""
    rows = []
    if license is not None:
        texts = {"title": {"simpleText": "License"}, "contents": [{"runs": [{"text": license}]}]}
        rows = [{"metadataRowRenderer": texts}]
    below = {
        "owner": {"videoOwnerRenderer": {"title": {"runs": [{"text": channel}]}}},
        "metadataRowContainer": {"metadataRowContainerRenderer": {"rows": rows}},
    }
    contents = [
        {"videoPrimaryInfoRenderer": {"dateText": {"simpleText": date}}},
        {"videoSecondaryInfoRenderer": below},
    ]
    results = {"results": {"results": {"contents": contents}}}
    return {"contents": {"twoColumnWatchNextResults": results}}


class YouTube:
    """The site: what each search finds, page by page, and what each video answers.

    Parameters
    ----------
    searches
        Pages of `found` by query.
    videos
        Player's answer and what stands below, by id.
    """

    def __init__(
        self,
        *,
        searches: dict[str, list[list[dict]]] | None = None,
        videos: dict[str, tuple[dict, dict]] | None = None,
    ) -> None:
        self.searches = searches or {}
        self.videos = videos or {}
        self.asked: list[str] = []

    def urlopen(self, client: Any, request: Any) -> Any:
        """Stand in for `yt_dlp.YoutubeDL.urlopen`."""
        from yt_dlp.networking.common import Response
        from yt_dlp.networking.exceptions import HTTPError

        url = request if isinstance(request, str) else request.url
        path = url.removeprefix(HOST).partition("?")[0]
        self.asked.append(path)
        sent = {} if isinstance(request, str) or not request.data else json.loads(request.data)
        if path == "/youtubei/v1/search":
            body, kind = json.dumps(self._page(sent)), "application/json"
        elif path in ("/youtubei/v1/player", "/youtubei/v1/next"):
            player, below = self.videos[sent["videoId"]]
            answer = below if path.endswith("next") else _for(sent["videoId"], player)
            body, kind = json.dumps(answer), "application/json"
        elif path == "/watch" or path.startswith("/embed/"):
            context = {"INNERTUBE_CONTEXT": {"client": {"clientName": "WEB", "hl": "en"}}}
            body, kind = f"<script>ytcfg.set({json.dumps(context)});</script>", "text/html"
        else:
            raise HTTPError(Response(io.BytesIO(b""), url, {}, status=404))
        return Response(io.BytesIO(body.encode()), url, {"Content-Type": kind})

    def _page(self, sent: dict) -> dict:
        """Return a page of a search; the next one is asked for by its token."""
        query, _, number = sent.get("continuation", f"{sent['query']}#0").rpartition("#")
        pages, at = self.searches[query], int(number)
        section: list[dict] = [{"itemSectionRenderer": {"contents": pages[at] if pages else []}}]
        if at + 1 < len(pages):
            command = {"continuationCommand": {"token": f"{query}#{at + 1}"}}
            section.append({"continuationItemRenderer": {"continuationEndpoint": command}})
        if at:
            action = {"appendContinuationItemsAction": {"continuationItems": section}}
            return {"onResponseReceivedCommands": [action]}
        contents = {"primaryContents": {"sectionListRenderer": {"contents": section}}}
        return {"contents": {"twoColumnSearchResultsRenderer": contents}}


def _for(video: str, player: dict) -> dict:
    return {**player, "videoDetails": {"videoId": video, **player.get("videoDetails", {})}}
