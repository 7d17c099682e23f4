"""The table of docs/attention-variants.md: what variants cost in the main loop."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# The rest is measured by the tool alone: each takes half a second.
MEASURED = (
    "`softcap=20`",
    "`score * 2`",
    "mask `q_idx >= kv_idx`",
    "the variant above, partly visible blocks",
    "the variant above, full blocks",
)


@pytest.fixture(scope="module")
def tool():
    return runpy.run_path(str(ROOT / "tools/docs/attention_costs.py"))


@pytest.fixture(scope="module")
def table():
    """What the page says, by the variant: instructions of the loop, extra ones for a score."""
    page = (ROOT / "docs/attention-variants.md").read_text()
    rows = re.findall(r"^\| (.*) \| (\d+) \| (-?\d+\.\d) \|$", page, re.MULTILINE)
    return {title: (int(loop), float(extra)) for title, loop, extra in rows}


def test_the_table_has_every_variant(tool, table):
    assert list(table) == list(tool["VARIANTS"])


def test_the_table_is_true(nvdisasm, tool, table):
    """The loop within a tenth, the extra instructions within half of one, so that not every
    change of the loop is one of the page."""
    for title, (loop, extra) in tool["measure"](MEASURED).items():
        shown = table[title]
        assert abs(shown[0] - loop) <= loop / 10, f"{title}: run tools/docs/attention_costs.py"
        assert abs(shown[1] - extra) <= 0.5, f"{title}: run tools/docs/attention_costs.py"


def test_the_variant_is_that_of_the_page(tool):
    """Its expressions, with the names that the page uses."""
    page = (ROOT / "docs/attention-variants.md").read_text()
    names = {
        "s": "score",
        "q": "q_idx",
        "k": "kv_idx",
        "_SLOPES": "slopes",
        "_DOCUMENT": "document",
    }
    source = (ROOT / "tools/docs/attention_costs.py").read_text()
    for expression in (
        "20 * np.tanh(0.05 * s) - _SLOPES[h] * (q - k)",
        "_DOCUMENT[q] == _DOCUMENT[k]",
    ):
        assert expression in source
        wanted = re.sub(r"\b\w+\b", lambda word: names.get(word[0], word[0]), expression)
        assert wanted in page
