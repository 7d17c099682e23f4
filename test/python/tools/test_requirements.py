"""The decoder refuses an instruction that the module's .target or .version does not have
exactly where ptxas does."""

import itertools
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
FORMS = [form for family in table.FAMILIES for row in table.read_rows(family) for form in row.forms]
NEWEST = ("sm_90a", "9.0")
#: Every target at the newest version, and every version at the newest target that it has.
TARGETS = ["sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90"]
VERSIONS = {
    "sm_75": ["6.3", "6.4", "6.5"],
    "sm_80": ["7.0"],
    "sm_86": ["7.1", "7.2", "7.3"],
    "sm_87": ["7.4", "7.5", "7.6", "7.7"],
    "sm_89": ["7.8", "8.0"],
    "sm_90": ["7.8"],
    "sm_90a": ["8.0", "8.1", "8.2", "8.3", "8.4", "8.5", "8.6", "8.7", "8.8"],
}
PAIRS = [(target, "9.0") for target in TARGETS] + [
    (target, version) for target, versions in VERSIONS.items() for version in versions
]
needs_ptxas = pytest.mark.skipif(
    not assembler.find_tool("ptxas"), reason=assembler.explain_missing("ptxas")
)


def header(text, target, version):
    return text.replace(".target sm_90\n", f".target {target}\n").replace(
        ".version 9.0\n", f".version {version}\n"
    )


def ask_decoder(target, version, forms):
    """The decoder's answers for a module of this target and version."""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(header((table.FOLDER / "module.ptx").read_text(), target, version))
        file.flush()
        done = subprocess.run(
            [DECODER, file.name],
            input="\n".join(forms) + "\n",
            capture_output=True,
            text=True,
            check=True,
        )
    return done.stdout.splitlines()


def ask_ptxas(target, version, forms):
    """What ptxas says of the forms that it refuses, by index; cached."""
    ptxas = get_tool("ptxas")
    refused = {}
    # An error that it calls fatal ends it: once more without that line.
    for _ in range(len(forms)):
        left = [index for index in range(len(forms)) if index not in refused]
        text, first = table.module_of(
            "sm_90", [*(forms[index] for index in left), "deliberately wrong;"]
        )
        text = header(text, target, version)

        def run(text=text):
            with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
                file.write(text)
                file.flush()
                command = [ptxas, f"-arch={target}", "-o", "/dev/null", file.name]
                done = subprocess.run(command, capture_output=True)
            return done.stdout + done.stderr

        key = ("requirements", get_version(ptxas), target, text)
        said = assembler.Cache().get(key, "said", run).decode()
        found = re.findall(r"line (\d+); (?:error|fatal)\s*: (.*)", said)
        places = {int(line) - first: message for line, message in found}
        finished = places.pop(len(left), None) is not None
        # What it says of the module's own declarations is no matter.
        refused |= {left[place]: said for place, said in places.items() if 0 <= place < len(left)}
        if finished:
            return refused
        assert "fatal" in said and places, said[-1000:]
    raise AssertionError("ptxas does not get to the end")


@needs_ptxas
@pytest.mark.parametrize(("target", "version"), PAIRS)
def test_the_decoder_agrees_with_ptxas(target, version):
    if not DECODER.exists():
        pytest.skip(f"{DECODER} is not built")
    newest = ask_decoder(*NEWEST, FORMS)
    forms = [form for form, answer in zip(FORMS, newest, strict=True) if answer == "ok"]
    refused = ask_ptxas(target, version, forms)
    answers = ask_decoder(target, version, forms)
    differences = [
        (form, refused.get(index, "ok"), answer)
        for index, (form, answer) in enumerate(zip(forms, answers, strict=True))
        if (index in refused) == (answer == "ok")
    ]
    assert not differences, differences[:10]


def test_messages_name_what_is_needed_and_what_there_is():
    if not DECODER.exists():
        pytest.skip(f"{DECODER} is not built")
    form = "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%d1], {%r2};"
    said = [
        ask_decoder(target, version, [form])[0]
        for target, version in itertools.product(["sm_80", "sm_90"], ["7.7", "9.0"])
    ]
    name = "'stmatrix.sync.aligned.m8n8.x1.shared.b16'"
    target = f"{name} needs .target sm_90 or newer, but the module has sm_80"
    assert said == [
        target,
        target,
        f"{name} needs .version 7.8 or newer, but the module has 7.7",
        "ok",
    ]
