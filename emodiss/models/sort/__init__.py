"""SORT: which boxes of successive frames are one face (Bewley et al. 2016)."""

from __future__ import annotations

from emodiss.models.card import Card

CARDS = (
    Card(
        name="sort",
        task="tracker",
        loader="emodiss.faces.association:Sort",
        place="package",
        package="filterpy",
        source="the published method, with filterpy's Kalman filter; no weights",
        revision="1.4.5",
        licence="MIT",
        noncommercial=False,
        size_mb=0.0,
        what="SORT: which boxes of successive frames are one face",
        options=lambda settings, _folder: settings.tracks.model_dump(
            include={"max_age", "iou_threshold"}
        ),
        distributions=("filterpy",),
        cite=("bewley2016",),
    ),
)
