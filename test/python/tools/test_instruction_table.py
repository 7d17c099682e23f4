"""The forms of docs/emulator/instructions.md are PTX: ptxas takes what the table lists
and refuses what the emulated device must refuse too."""

import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import assembler
import pytest
import tilewright
from assembler.locate import get_tool, get_version

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools" / "docs"))

import instruction_table as table  # noqa: E402

DECODER = Path(tilewright.__file__).absolute().parents[2] / "bin" / "tw-forms"
ROWS = [row for family in table.FAMILIES for row in table.read_rows(family)]
TARGETS = sorted({row.target for row in ROWS})
needs_ptxas = pytest.mark.skipif(
    not assembler.find_tool("ptxas"), reason=assembler.explain_missing("ptxas")
)


def refused_by_ptxas(target, statements):
    """What ptxas says of each statement that it refuses, by index; cached."""
    # With one line that is always wrong nothing is compiled.
    text, first = table.module_of(target, [*statements, "deliberately wrong;"])
    ptxas = get_tool("ptxas")

    def run():
        with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
            file.write(text)
            file.flush()
            command = [ptxas, f"-arch={target}", "-o", "/dev/null", file.name]
            done = subprocess.run(command, capture_output=True)
        return done.stdout + done.stderr

    said = assembler.Cache().get(("forms", get_version(ptxas), target, text), "said", run)
    refused = {
        int(line) - first: message
        for line, message in re.findall(r"line (\d+); error\s*: (.*)", said.decode())
    }
    assert refused.pop(len(statements), None), said.decode()[-1000:]
    assert all(0 <= index < len(statements) for index in refused), said.decode()[-1000:]
    return refused


@needs_ptxas
@pytest.mark.parametrize("target", TARGETS)
def test_ptxas_takes_every_form(target):
    forms = [form for row in ROWS if row.target == target for form in row.forms]
    refused = refused_by_ptxas(target, forms)
    assert not refused, {forms[index]: message for index, message in refused.items()}


REFUSED = table.read_rows("refused")


@needs_ptxas
def test_ptxas_refuses_what_is_refused():
    by_target = collections.defaultdict(list)
    for row in REFUSED:
        by_target[row.target] += row.forms
    for target, forms in by_target.items():
        refused = refused_by_ptxas(target, forms)
        assert [form for index, form in enumerate(forms) if index not in refused] == []


def test_the_decoder_refuses_what_is_refused():
    if not DECODER.exists():
        pytest.skip(f"{DECODER} is not built")
    forms = [form for row in REFUSED for form in row.forms]
    answers = table.ask_decoder(DECODER, forms)
    assert [form for form, answer in zip(forms, answers, strict=True) if answer == "ok"] == []


def test_patterns():
    assert table.expand("a.<b|c<|.d>> R") == ["a.b R", "a.c R", "a.c.d R"]
    assert table.name_registers("add.s32 R, R2, !P") == "add.s32 %r1, {%r2, %r3}, !%p4;"
    row = table.Row("", "sm_75", "add<|.sat>.<u32|s32> R", "")
    assert row.shown == "add(.sat)?.(u32|s32) R"
    assert table.form_key("@!%p1 bra END;") == "bra"
    assert table.form_key("add.sat.s32 %r1;") == table.form_key("add.s32.sat")
