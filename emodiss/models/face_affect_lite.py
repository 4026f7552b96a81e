"""Another name of `emodiss.models.lite.face`, for those who import it from here."""

from emodiss.models.lite.face import LiteFace as LiteFace
