"""The manifest: which videos a run works on, checked line by line before anything runs.

Media files and folders of them make one too (`of_media`).

A manifest is a CSV file with a header. Every row needs an `id` and either a `url` or a `path`;
the other columns are optional. Rows that cannot be used are reported with line and column, all
at once, and the rows that can be used are not held up by them.

A manifest may be somebody else's. The files it names must lie in its own folder unless the user
allows others, its addresses must be http or https and carry no password,
and its ids can name a folder of the run and nothing else.
"""

from emodiss.arguments import explain
from emodiss.manifest.inputs import Inputs, media_id, of_media, opened, run_folder
from emodiss.manifest.rows import COLUMN_HELP, VideoRow
from emodiss.manifest.rules import check_id, check_url
from emodiss.manifest.table import Manifest, Problem, from_rows, read
from emodiss.vocabulary import ROLES, FaceChoice, Role, Side, parse_faces, parse_role, parse_roles

__all__ = [
    "COLUMN_HELP",
    "ROLES",
    "FaceChoice",
    "Inputs",
    "Manifest",
    "Problem",
    "Role",
    "Side",
    "VideoRow",
    "check_id",
    "check_url",
    "from_rows",
    "media_id",
    "of_media",
    "opened",
    "parse_faces",
    "parse_role",
    "parse_roles",
    "read",
    "run_folder",
]

explain(__name__)
