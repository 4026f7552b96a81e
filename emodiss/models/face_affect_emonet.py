"""Other names of `emodiss.models.emonet`, for those who import them from here."""

from emodiss.models.emonet.adapter import EmoNetFace as EmoNetFace
from emodiss.models.emonet.network import EmoNet as EmoNet
