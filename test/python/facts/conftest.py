"""What the tests of machine code share: where the compiler and the CUDA tools are."""

import assembler
import pytest


def pytest_report_header():
    """Which of the CUDA tools these tests can use."""
    tools = {name: assembler.find_tool(name) for name in ("ptxas", "nvdisasm")}
    return [f"{name}: {tool or assembler.explain_missing(name)}" for name, tool in tools.items()]


@pytest.fixture
def ptxas():
    """Skips, and says why, where there is no ptxas."""
    if assembler.find_tool("ptxas") is None:
        pytest.skip(assembler.explain_missing("ptxas"))


@pytest.fixture
def nvdisasm(ptxas):
    """Skips, and says why, where there is no ptxas or no nvdisasm."""
    if assembler.find_tool("nvdisasm") is None:
        pytest.skip(assembler.explain_missing("nvdisasm"))
