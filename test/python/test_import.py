"""What importing the package costs, and that it names what it exports."""

import subprocess
import sys

import pytest

# Whatever is slow to load or belongs to somebody else.
HEAVY = ["torch", "safetensors", "tilewright._native", "matplotlib", "numpy.testing", "asyncio"]


def loaded_after(statement):
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_import_loads_nothing_heavy():
    loaded = loaded_after("import tilewright")
    assert "tilewright.quantization" in loaded
    assert not loaded & set(HEAVY)


def test_import_adds_little_to_numpy():
    base = loaded_after("import numpy, ml_dtypes")
    added = loaded_after("import tilewright") - base
    ours = {name for name in added if name.split(".")[0] == "tilewright"}
    assert len(added - ours) <= 30, sorted(added - ours)


def test_everything_exported_exists_and_is_documented():
    import tilewright

    for name in tilewright.__all__:
        assert getattr(tilewright, name).__doc__, name


@pytest.mark.parametrize("name", ["ArgumentError", "ShapeError", "UnsupportedError"])
def test_argument_errors_are_value_errors(name):
    import tilewright

    assert issubclass(getattr(tilewright, name), (tilewright.Error, ValueError))
    assert issubclass(getattr(tilewright, name), ValueError)
