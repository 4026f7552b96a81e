"""Another name of `emodiss.models.lite.speech`, for those who import it from here."""

from emodiss.models.lite.speech import LiteSpeech as LiteSpeech
