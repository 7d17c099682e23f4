"""docs/emulator/instructions.md: the instruction forms of PTX and what becomes of them.

The forms are data: a line of instructions/*.forms is the first target that has
it and a pattern of statements:

    sm_75 mad.<lo|hi>.<u32|s32> R, R, R, R

`<a|b>` stands for either, and may nest; P, H, R, D, Q for a predicate or a register
of 16, 32, 64, 128 bits, B of 8; R4 for a vector of four. The statements stand in
instructions/module.ptx. Whether a form is supported says the decoder, through
build/bin/tw-forms; which test file executes it say the test programs
(test/unit/runtime/Emulator/Executed.h). That ptxas takes all of them, and
refuses those of refused.forms as the decoder does, is tested by
test/python/tools/test_instruction_table.py.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import re
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "instructions"
FAMILIES = ["integer", "float", "convert", "move", "memory", "barrier", "matrix"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a .forms file."""

    section: str
    target: str
    pattern: str
    place: str  # file and line

    @property
    def shown(self) -> str:
        """The pattern as the page has it: (a|b), and (.sat)? for what may be left out."""
        text = self.pattern
        while found := re.search(r"<([^<>]*)>", text):
            choices = found[1].split("|")
            shown = "(" + "|".join(choice for choice in choices if choice) + ")"
            text = text[: found.start()] + shown + "?" * ("" in choices) + text[found.end() :]
        return text

    @property
    def forms(self) -> list[str]:
        """The statements that the pattern stands for."""
        return [name_registers(text) for text in expand(self.pattern)]


def expand(pattern: str) -> list[str]:
    """All choices of each <a|b>, which may nest."""
    start = pattern.find("<")
    if start < 0:
        return [pattern]
    depth, choices, end = 0, [start], start
    for end in range(start, len(pattern)):
        depth += {"<": 1, ">": -1}.get(pattern[end], 0)
        if depth == 1 and pattern[end] == "|":
            choices.append(end)
        if depth == 0:
            break
    texts = [pattern[a + 1 : b] for a, b in itertools.pairwise([*choices, end])]
    return [text for t in texts for text in expand(pattern[:start] + t + pattern[end + 1 :])]


def name_registers(text: str) -> str:
    """The statement with a register, or a vector of them, for each letter."""
    next_number = itertools.count(1)

    def name(found: re.Match[str]) -> str:
        kind, count = found[1].lower(), int(found[2] or 0)
        if not count:
            return f"%{kind}{next(next_number)}"
        return "{" + ", ".join(f"%{kind}{next(next_number)}" for _ in range(count)) + "}"

    named = re.sub(r"(?<![\w.%$])([PBHRDQ])(\d?)(?!\w)", name, text)
    return named if named.endswith("}") and named.startswith("{") else named + ";"


def read_rows(family: str) -> list[Row]:
    """The lines of a .forms file."""
    rows, section = [], ""
    path = FOLDER / f"{family}.forms"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            section = line[3:]
        elif line and not line.startswith("#"):
            target, _, pattern = line.partition(" ")
            rows.append(Row(section, target, pattern, f"{path.name}:{number}"))
    return rows


def ask_decoder(tool: Path, statements: list[str]) -> list[str]:
    """For each statement "ok" or the decoder's message."""
    command = [tool, FOLDER / "module.ptx"]
    done = subprocess.run(
        command, input="\n".join(statements) + "\n", capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def module_of(target: str, statements: list[str]) -> tuple[str, int]:
    """A module with all statements, one a line, and the line of the first, from 1."""
    text = (FOLDER / "module.ptx").read_text().replace(".target sm_90", f".target {target}")
    before, _, after = text.partition("\nFORM\n")
    return before + "\n" + "\n".join(statements) + "\n" + after, before.count("\n") + 2


#: Programs whose tests execute instructions.
TESTS = ["EmulatorInstructionsTests", "EmulatorRacesTests", "EmulatorTests"]


def read_executed(build: Path) -> dict[str, set[str]]:
    """The test files by the form (form_key) that they execute."""
    executed = collections.defaultdict(set)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "executed")
        for program in TESTS:
            environment = {**os.environ, "TILEWRIGHT_EXECUTED": str(path)}
            subprocess.run([build / "unit" / program], capture_output=True, env=environment)
        for line in path.read_text().splitlines():
            test, _, form = line.partition("\t")
            executed[form_key(form)].add(test.removesuffix(".cpp"))
    return executed


def form_key(text: str) -> str:
    """Opcode and modifiers, whatever their order and operands."""
    text = re.sub(r"^\{ \w+: \.\w+ .*?; |^@!?%p\d+ ", "", text)
    opcode, *modifiers = re.split(r"[ ;]", text)[0].split(".")
    return ".".join([opcode, *sorted(modifiers)])


def describe_tests(row: Row, executed: dict[str, set[str]]) -> tuple[str, int]:
    """The fewest files whose tests execute the row's forms, and how many of these they do."""
    rest = {form_key(form) for form in row.forms}
    total, parts = len(rest), []
    while rest:
        counts = collections.Counter(test for key in rest for test in executed.get(key, ()))
        if not counts:
            break
        # The most forms; among equals the file made for all forms, then by name.
        best = min(counts, key=lambda test: (-counts[test], "Forms" not in test, test))
        parts.append(best)
        rest = {key for key in rest if best not in executed[key]}
    share = f" ({total - len(rest)} of {total})" if rest and parts else ""
    return ", ".join(parts) + share, total - len(rest)


def describe_refusal(answers: list[str]) -> str:
    """Why the decoder refuses a row."""
    return sorted(answers)[0].partition(": ")[2] or sorted(answers)[0]


BANNER = "<!-- Written by tools/docs/generate.py from tools/docs/instructions; edit that. -->\n"
INTRODUCTION = """
# Instructions of the emulated device

Each line is a pattern of PTX statements: `(a|b)` is one of the two, `(.sat)?` may be left out;
`P` is a predicate, `H`, `R`, `D`, `Q` are registers of 16, 32, 64 and 128 bits, `R4` is a vector of
four. ptxas takes all of them for the target in the second column. "Supported" is what the decoder
answers; "tested by" names the files under `test/unit/runtime/Emulator` whose tests execute the
forms, as found by running them. {supported} of {forms} forms are supported and {executed} of these
are executed; forms that differ in nothing but their operands are one form here.
"""


def page(build: Path) -> str | None:
    """The page; None where the tools are not built."""
    tool = build / "bin" / "tw-forms"
    if not all(path.exists() for path in [tool, *(build / "unit" / test for test in TESTS)]):
        return None
    rows = [row for family in FAMILIES for row in read_rows(family)]
    answers = iter(ask_decoder(tool, [form for row in rows for form in row.forms]))
    executed = read_executed(build)
    lines: list[str] = []
    section, forms, supported, tested = "", 0, 0, 0
    for row in rows:
        if row.section != section:
            section = row.section
            lines += ["", f"## {section}", "", "| form | since | supported | tested by |"]
            lines += ["|---|---|---|---|"]
        said = [next(answers) for _ in row.forms]
        is_supported = said[0] == "ok"
        if any((answer == "ok") != is_supported for answer in said):
            raise SystemExit(f"{row.place}: only some of the forms are supported; split the line")
        tests, count = describe_tests(row, executed)
        distinct = len({form_key(form) for form in row.forms})
        forms += distinct
        supported += distinct if is_supported else 0
        tested += count if is_supported else 0
        shown = row.shown.replace("|", "\\|")
        status = "yes" if is_supported else f"no: {describe_refusal(said)}"
        lines.append(f"| `{shown}` | {row.target} | {status} | {tests if is_supported else ''} |")
    head = INTRODUCTION.format(forms=forms, supported=supported, executed=tested)
    return BANNER + head + "\n".join(lines) + "\n"
