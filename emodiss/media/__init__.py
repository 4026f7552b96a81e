"""Media: fetching files, their sound at 16 kHz, their frames on true times, and cuts between shots.

Time zero is the container's own start, the same for sound and picture, and frame times are
presentation timestamps.
"""

from emodiss.arguments import explain
from emodiss.media.decoding import decode_audio, hash_file, iterate_frames, probe, stream_audio
from emodiss.media.records import SAMPLE_RATE, Audio, Frame, Media, Piece, in_pieces

__all__ = [
    "SAMPLE_RATE",
    "Audio",
    "Frame",
    "Media",
    "Piece",
    "decode_audio",
    "hash_file",
    "in_pieces",
    "iterate_frames",
    "probe",
    "stream_audio",
]

explain(__name__)
