"""Runs `tw` in this process and hands back what a person or a program sees."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from tilewright import cli

DOCS = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


@dataclasses.dataclass
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def tw(capsys):
    """tw("compile", ...) -> Outcome."""

    def run(*arguments):
        status = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run


@pytest.fixture
def docs():
    """The text of docs/cli.md."""
    return DOCS.read_text()


@pytest.fixture
def documented_keys(docs):
    """documented_keys(heading): those in the first table of docs/cli.md below that line."""
    return lambda heading: _read_keys(docs, heading)


def _read_keys(text, heading):
    lines = iter(text.splitlines())
    assert any(line.startswith(heading) for line in lines), heading
    keys, in_table = set(), False
    for line in lines:
        if line.startswith("| `"):
            in_table = True
            keys |= set(re.findall(r"`(\w+)`", line.split("|")[1]))
        elif in_table:
            break
    return keys
