"""The command as a user runs it, in this process."""

import shlex

import pytest

from refimpl import cli


@pytest.fixture
def refimpl(capsys):
    """Run a line of ``refimpl``; return exit code, what it printed, and what it complained of."""

    def command(line):
        with pytest.raises(SystemExit) as leaving:
            cli.app(shlex.split(line), standalone_mode=True)
        return leaving.value.code, *capsys.readouterr()

    return command
