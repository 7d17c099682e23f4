"""Who is timed: our kernel, torch in float16, torch's 4-bit product, a Triton kernel.

Each maker returns the calls of `timing.GraphTimer`, one for each copy of the weights, or
raises `Absent` with the reason: what is missing is recorded, not passed over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tilewright as tw

from .driver import Driver
from .launch_plan import LaunchPlan, operands_of
from .shapes import GROUP, Problem
from .timing import count_copies

ROOT = Path(__file__).resolve().parents[2]
#: Rows, columns, depth, warps and stages that the Triton kernel may have.
TRITON_BLOCKS = [
    (16, 64, 128, 4, 4),
    (16, 128, 128, 4, 3),
    (64, 128, 64, 4, 3),
    (128, 128, 64, 8, 3),
]
#: How far a contender may be from float16 weights in float32 arithmetic, as norms.
TOLERANCE = 3e-3

Calls = list[Callable[[], object]]


class Absent(Exception):
    """A contender that cannot take part."""


class Bench:
    """The operands of one problem on the GPU, and contenders for it."""

    def __init__(self, torch: Any, problem: Problem, weights: tw.QuantizedTensor, x: np.ndarray):
        self.torch, self.problem, self.weights = torch, problem, weights
        self.x = torch.from_numpy(x).cuda()
        self.dense = torch.from_numpy(weights.dequantize(np.float16)).cuda()  # [N, K]
        self.expected = self.x.float() @ self.dense.float().T
        self.cache_bytes = torch.cuda.get_device_properties(0).L2_cache_size

    def copies(self, *tensors: Any) -> list[tuple[Any, ...]]:
        """Copies of tensors that together do not fit the cache."""
        nbytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        count = count_copies(nbytes, self.cache_bytes)
        return [tensors, *(tuple(t.clone() for t in tensors) for _ in range(count - 1))]

    def check(self, name: str, y: Any) -> None:
        """Raises AssertionError where `y` is not the product."""
        self.torch.cuda.synchronize()
        error = (y.float() - self.expected).norm() / self.expected.norm()
        if not error <= TOLERANCE:
            raise AssertionError(
                f"{name}, {self.problem}: error {error:.2g}, expects at most {TOLERANCE}"
            )

    def ours(self, target: str) -> Calls:
        """Our kernel by its default schedule, launched by the driver."""
        problem, torch = self.problem, self.torch
        kernel = tw.compile("linear", self.weights, m=problem.m, target=target)
        plan = LaunchPlan.of(kernel.metadata, {"M": problem.m})
        loaded = Driver().load(kernel.ptx, plan)
        arrays = operands_of(self.weights)
        parts = [
            torch.from_numpy(a.view(np.uint8).reshape(-1).copy()).cuda() for a in arrays.values()
        ]
        y = torch.full((problem.m, problem.n), float("nan"), dtype=torch.float16, device="cuda")
        spaces = {
            w.name: torch.zeros(w.nbytes, dtype=torch.uint8, device="cuda") for w in plan.workspaces
        }
        fixed = {"x": self.x, "y": y, **spaces}

        def make(copy: tuple[Any, ...]) -> Callable[[], object]:
            tensors = {**fixed, **dict(zip(arrays, copy, strict=True))}
            addresses = {name: tensor.data_ptr() for name, tensor in tensors.items()}

            def call() -> object:
                loaded.launch(plan, addresses, torch.cuda.current_stream().cuda_stream)
                return tensors  # alive as long as the call

            return call

        calls = [make(copy) for copy in self.copies(*parts)]
        calls[0]()
        self.check("tilewright", y)
        return calls

    def fp16(self) -> Calls:
        """torch's product with float16 weights: what quantising is to beat."""
        y = self.torch.empty_like(self.expected, dtype=self.torch.float16)

        def make(w: Any) -> Callable[[], object]:
            return lambda: self.torch.mm(self.x, w.T, out=y)

        calls = [make(w) for (w,) in self.copies(self.dense)]
        calls[0]()
        self.check("torch float16", y)
        return calls

    def int4pack(self) -> Calls:
        """torch._weight_int4pack_mm: bfloat16 activations, (q - 8) * scale + zero."""
        torch, problem = self.torch, self.problem
        if problem.format != "u4":
            raise Absent("torch packs u4 only")
        codes = torch.from_numpy(self.weights.codes().astype(np.int32)).cuda()
        nibbles = (codes[:, ::2] << 4 | codes[:, 1::2]).to(torch.uint8)
        try:
            packed = torch._convert_weight_to_int4pack(nibbles, 8)
        except (AttributeError, RuntimeError) as error:
            raise Absent(f"torch: {str(error).splitlines()[0]}") from None
        scales, zeros = (
            torch.from_numpy(a.astype(np.float32)).cuda()
            for a in (self.weights.scales(), self.weights.zeros())
        )
        pairs = torch.stack([scales, (8 - zeros) * scales], dim=-1).to(torch.bfloat16)
        pairs = pairs.transpose(0, 1).contiguous()  # [groups, N, 2]
        x = self.x.to(torch.bfloat16)

        def make(copy: tuple[Any, ...]) -> Callable[[], object]:
            return lambda: torch._weight_int4pack_mm(x, copy[0], GROUP, copy[1])

        calls = [make(copy) for copy in self.copies(packed, pairs)]
        y = calls[0]()
        # bfloat16 scales and results are eight times as coarse.
        self.check("torch int4pack", self.expected + (y.float() - self.expected) / 8)
        return calls

    def triton(self, blocks: tuple[int, int, int, int, int]) -> Calls:
        """A straightforward Triton kernel (test/triton/kernels.py), for one choice of blocks."""
        torch, problem = self.torch, self.problem
        if problem.format != "u4":
            raise Absent("the kernel is for u4")
        sys.path.insert(0, str(ROOT / "test" / "triton"))
        try:
            from kernels import matmul_u4
        except ImportError as error:
            raise Absent(f"no Triton: {error}") from None
        m, n, k = problem.m, problem.n, problem.k
        rows, columns, depth, warps, stages = blocks
        codes = torch.from_numpy(self.weights.codes().astype(np.int32)).cuda().T  # [K, N]
        words = torch.zeros((k // 8, n), dtype=torch.int32, device="cuda")
        for i in range(8):
            words |= codes[i::8] << (4 * i)
        scales, zeros = (
            torch.from_numpy(np.ascontiguousarray(a.T)).cuda()
            for a in (self.weights.scales(), self.weights.zeros().astype(np.uint8))
        )
        y = torch.empty((m, n), dtype=torch.float16, device="cuda")

        def make(copy: tuple[Any, ...]) -> Callable[[], object]:
            grid = (-(-n // columns), -(-m // rows))
            return lambda: matmul_u4[grid](
                self.x, *copy, y, m, n, k, BLOCK_M=rows, BLOCK_N=columns, BLOCK_K=depth,
                GROUP=GROUP, num_warps=warps, num_stages=stages,
            )  # fmt: skip

        calls = [make(copy) for copy in self.copies(words, scales, zeros)]
        try:
            calls[0]()
        except Exception as error:  # Triton's own errors have no common base
            raise Absent(f"Triton: {type(error).__name__}") from None
        self.check("Triton", y)
        return calls
