"""Compiles the Triton kernels, where the `triton` package is installed.

`python test/triton/triton_compile.py` writes `ptx/` anew.
"""

from __future__ import annotations

import importlib.util
import re
import sys

from triton_cases import HERE, TRITON_CASES, TritonCase


def has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def compile_kernel(case: TritonCase) -> str:
    """Triton's PTX; its first line says who made it from what, and the shared memory."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    sys.path.insert(0, str(HERE))
    import kernels

    jitted = getattr(kernels, case.kernel)
    names = jitted.arg_names
    attributes = {
        (names.index(name),): [["tt.divisibility", 16]]
        for name, type_ in case.types.items()
        if type_.endswith(":16")
    }
    signature = {
        name: case.types[name].removesuffix(":16") if name in case.types else "constexpr"
        for name in names
    }
    source = ASTSource(jitted, signature, case.constants, attributes)
    options = {"num_warps": case.warps, "num_stages": case.stages, "enable_fp_fusion": True}
    compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32), options=options)
    # Triton's own cache may know the file by a path of another checkout.
    text = re.sub(r'"[^"]*/(test/triton/[^"]*)"', r'"\1"', compiled.asm["ptx"])
    text = re.sub(r'"[^"]*/(triton/language/[^"]*)"', r'"\1"', text)
    # The debug sections hold paths as bytes, and names of inlined functions; nothing reads them.
    text = re.sub(r"(\.loc\s[^,\n]*), function_name .*", r"\1", text)
    text = text.split("\t.section\t.debug_abbrev")[0]
    text = re.sub(r"[ \t]*//.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\n{2,}", "\n", text).lstrip("\n")
    head = (
        f"// {case.fingerprint()} by triton {triton.__version__}, shared {compiled.metadata.shared}"
    )
    return f"{head}\n{text}"


def main() -> None:
    (HERE / "ptx").mkdir(exist_ok=True)
    for case in TRITON_CASES.values():
        text = compile_kernel(case)
        (HERE / "ptx" / f"{case.name}.ptx").write_text(text)
        print(f"{case.name}: {len(text)} bytes, {text.splitlines()[0]}", flush=True)


if __name__ == "__main__":
    main()
