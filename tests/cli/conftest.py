"""What the tests of the commands share."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def run_cli(capfd):
    """Call the command line as its `main` does, errors turned into messages."""
    from emodiss import cli

    def call(*arguments: object):
        sys.argv = ["emodiss", *map(str, arguments)]
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capfd.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return call
