"""Another name of `emodiss.models.emonet.adapter`, for those who import it from here."""

from emodiss.models.emonet.adapter import EmoNetFace as EmoNetFace
