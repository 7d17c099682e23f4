"""ptxas on kernels that pack: no spills, no stack, no warnings."""

import json
import subprocess

import assembler
import pytest
from linear_programs import TARGETS, find_compiler

#: bits, storage, activations, whether rows run along N.
FORMS = [
    (1, "words", "16-bit", False),
    (3, "words", "8-bit", True),
    (4, "words", "16-bit", True),
    (5, "stack", "16-bit", False),
    (7, "words", "16-bit", False),
    (8, "nested", "16-bit", True),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form)))
def test_packing_fits_the_registers(ptxas, form):
    tool = find_compiler()
    if tool is None:
        pytest.skip("no tw-compile: the compiler is not part of this build")
    bits, storage, activations, along_n = form
    codes = f"tensor<{'1000x300' if along_n else '300x1000'}xi8>"
    words = f"tensor<10x8x{128 * bits}xi32>"
    if storage != "words":
        words = f"tensor<{bits}x10x8x128xi32>"
    program = (
        f"func.func @pack(%c: {codes}) -> {words} {{\n"
        f'  %w = nn.pack %c bits {bits} as "{storage}" for "{activations}"'
        f"{' {along_n}' * along_n} : {codes} -> {words}\n  return %w : {words}\n}}\n"
    )
    target = TARGETS[FORMS.index(form) % len(TARGETS)]
    for schedule in ([], ["--schedule", "pack{tile_k=256, tile_n=128, warps=4}"]):
        command = [tool, "-", "--target", target, "--emit", "artifact", *schedule]
        run = subprocess.run(command, input=program, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        artifact = json.loads(run.stdout)
        assert assembler.assemble(artifact["ptx"]).defects == []
        assert "shfl" not in artifact["ptx"]
