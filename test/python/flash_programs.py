"""Attention for one batch as a hand-written tile program, and its reference.

A block takes `tile_m` queries of a head and goes over keys `tile_n` at a time with the
online softmax, in base 2: p = 2^(s c - m c), c the scale times log2 e, m the largest
score so far.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from tile_programs import Program, compile_program, dimension, kernel, pointer, tensor, view


@dataclasses.dataclass(frozen=True)
class Flash:
    d: int = 64
    dv: int | None = None
    tile_m: int = 64
    tile_n: int = 64
    warps: tuple[int, int] = (4, 1)
    stages: int = 2
    staggered: bool = False
    causal: bool = False
    dtype: str = "f16"
    #: "select": every tile is masked; "split": full tiles are not; "pass": tw-split-loops
    #: finds out which.
    mask: str = "select"
    #: Divide in every turn, for tw-defer-division to take out.
    naive: bool = False
    #: Keys and values through a table of rows.
    paged: bool = False

    @property
    def values(self) -> int:
        return self.dv or self.d

    @property
    def scale(self) -> float:
        return self.d**-0.5

    def compile(self, target: str = "a100") -> Program:
        return compile_program(self.source(), target)

    def source(self) -> str:
        return kernel(
            "flash",
            [
                pointer("q", self.dtype),
                pointer("k", self.dtype),
                pointer("v", self.dtype),
                *([pointer("table", "i32"), dimension("P")] if self.paged else []),
                pointer("o", self.dtype, written=True),
                dimension("M"),
                dimension("N"),
                dimension("H"),
            ],
            self.prologue() + self.loop() + self.epilogue(),
            warps=self.warps,
            grid=(f"ceildiv(M, {self.tile_m})", "H", "1"),
        )

    # -- Parts -------------------------------------------------------------------

    def head(self, name: str, rows: str, columns: int) -> str:
        """The rows of this block's head of `name`."""
        return f"""
  %{name}_rows = arith.extsi %{rows} : i32 to i64
  %{name}_row = arith.constant {columns} : i64
  %{name}_size = arith.muli %{name}_rows, %{name}_row : i64
  %{name}_start = arith.muli %{name}_size, %head64 : i64
  %{name}_head = tile.advance %{name} by %{name}_start of {self.dtype}
  %{name}v = tile.view %{name}_head sizes(%{rows}) : {view(("?", columns), self.dtype)}"""

    def prologue(self) -> str:
        q = tensor((self.tile_m, self.d), self.dtype)
        rows = tensor((self.tile_m, 1), "f32")
        acc = tensor((self.tile_m, self.values), "f32")
        kv = "P" if self.paged else "N"
        table = ""
        if self.paged:
            table = f"""
  %tablev = tile.view %table sizes(%N) : {view(("?", 1), "i32", (1, 1), 4)}"""
        return f"""
  %block = tile.program_id 0
  %h = tile.program_id 1
  %head64 = arith.extsi %h : i32 to i64
  %cm = arith.constant {self.tile_m} : i32
  %cn = arith.constant {self.tile_n} : i32
  %c1 = arith.constant 1 : i32
  %m0 = arith.muli %block, %cm : i32{table}{self.head("q", "M", self.d)}{
            self.head("k", kv, self.d)
        }{self.head("v", kv, self.values)}{self.head("o", "M", self.values)}
  %q_tile = tile.load %qv[%m0, %c0] : {view(("?", self.d), self.dtype)} -> {q}
  %inf = arith.constant dense<0xFF800000> : {rows}
  %none = arith.constant dense<0.0> : {rows}
  %c = arith.constant dense<{self.scale * math.log2(math.e):.17g}> : {rows}
  %acc0 = arith.constant dense<0.0> : {acc}
  %shift = arith.subi %N, %M : i32
  %first = arith.addi %m0, %shift : i32
  %after = arith.addi %first, %cm : i32
  %last = {"arith.minsi %after, %N : i32" if self.causal else "arith.addi %N, %c0 : i32"}
  %full = {"arith.addi %first, %c1 : i32" if self.causal else "arith.addi %N, %c0 : i32"}
  %full0 = arith.maxsi %full, %c0 : i32
  %full1 = arith.minsi %full0, %last : i32
  %full2 = arith.divsi %full1, %cn : i32
  %split = arith.muli %full2, %cn : i32"""

    def loop(self) -> str:
        if self.mask == "split":
            return self.one_loop("a", "%c0", "%split", "%inf, %none, %acc0", False) + self.one_loop(
                "b", "%split", "%last", "%ra#0, %ra#1, %ra#2", True
            )
        return self.one_loop("b", "%c0", "%last", "%inf, %none, %acc0", True)

    def masked(self) -> str:
        """Keys past the end and, where causal, past the query."""
        s, rows = tensor((self.tile_m, self.tile_n), "f32"), tensor((self.tile_m, 1), "i32")
        integers, mask = s.replace("f32", "i32"), s.replace("f32", "i1")
        causal = f"""
    %queries0 = tile.iota %first along 0 : {rows}
    %queries = tile.broadcast %queries0 : {rows} -> {integers}
    %past = arith.cmpi sle, %keys, %queries : {integers}
    %isKey = arith.andi %exists, %past : {mask}"""
        return f"""
    %keys = tile.iota %j along 1 : {integers}
    %ends = tile.splat %N : i32 -> {integers}
    %exists = arith.cmpi slt, %keys, %ends : {integers}{causal if self.causal else ""}
    %hidden = arith.constant dense<0xFF800000> : {s}
    %s = arith.select {"%isKey" if self.causal else "%exists"}, %raw, %hidden : {mask}, {s}"""

    def load(self, name: str, columns: int) -> str:
        result = tensor((self.tile_n, columns), self.dtype)
        if self.paged:
            rows = tensor((self.tile_n, 1), "i32")
            return f"""
    %{name}_at0 = tile.iota %j along 0 : {rows}
    %{name}_at = tile.gather %tablev[%{name}_at0, %c0] : {view(("?", 1), "i32", (1, 1), 4)}, {
                rows
            } -> {rows}
    %{name}_end = tile.splat %N : i32 -> {rows}
    %{name}_is = arith.cmpi slt, %{name}_at0, %{name}_end : {rows}
    %{name}_no = arith.constant dense<-1> : {rows}
    %{name}_row_of = arith.select %{name}_is, %{name}_at, %{name}_no : {
                tensor((self.tile_n, 1), "i1")
            }, {rows}
    %{name}_tile = tile.gather %{name}v[%{name}_row_of, %c0] : {view(("?", columns), self.dtype)}, {
                rows
            } -> {result}"""
        return f"""
    %{name}_tile = tile.load %{name}v[%j, %c0] : {view(("?", columns), self.dtype)} -> {result}"""

    def one_loop(self, tag: str, low: str, high: str, inits: str, masks: bool) -> str:
        s = tensor((self.tile_m, self.tile_n), "f32")
        p = s.replace("f32", self.dtype)
        rows = tensor((self.tile_m, 1), "f32")
        acc = tensor((self.tile_m, self.values), "f32")
        kt = tensor((self.d, self.tile_n), self.dtype)
        k = tensor((self.tile_n, self.d), self.dtype)
        v = tensor((self.tile_n, self.values), self.dtype)
        q = tensor((self.tile_m, self.d), self.dtype)
        init = dict(zip(("m", "l", "acc"), inits.split(", "), strict=True))
        staggered = ", tile.staggered" if self.staggered else ""
        if self.mask == "pass":
            staggered += ", tile.split_masks, tile.hidden_turns_are_idle"
        carried, division, result = "%acc", "", "%acc2"
        if self.naive:
            carried, result = "%sum_so_far", "%mean"
            division = f"""
    %l1s = tile.broadcast %l1 : {rows} -> {acc}
    %mean = arith.divf %acc2, %l1s fastmath<reassoc> : {acc}"""
        mask = self.masked() if masks else ""
        score = "%s" if masks else "%raw"
        return f"""
  %r{tag}:3 = scf.for %j = {low} to {high} step %cn iter_args(%m = {init["m"]}, %l = {
            init["l"]
        }, %acc = {init["acc"]}) -> ({rows}, {rows}, {acc}) : i32 {{{self.load("k", self.d)}
    %kt = tile.transpose %k_tile order = [1, 0] : {k} -> {kt}
    %raw0 = arith.constant dense<0.0> : {s}
    %raw = tile.dot %q_tile, %kt, %raw0 : {q}, {kt} -> {s}{mask}
    %top = tile.reduce max {score} along 1 : {s} -> {rows}
    %m1 = arith.maximumf %m, %top : {rows}
    %isNone = arith.cmpf oeq, %m1, %inf : {rows}
    %m2 = arith.select %isNone, %none, %m1 : {tensor((self.tile_m, 1), "i1")}, {rows}
    %mc = arith.mulf %m2, %c : {rows}
    %neg = arith.negf %mc : {rows}
    %negs = tile.broadcast %neg : {rows} -> {s}
    %cs = tile.broadcast %c : {rows} -> {s}
    %e = math.fma {score}, %cs, %negs : {s}
    %p = math.exp2 %e fastmath<afn> : {s}
    %ea = math.fma %m, %c, %neg : {rows}
    %alpha = math.exp2 %ea fastmath<afn> : {rows}
    %sum = tile.reduce add %p along 1 : {s} -> {rows}
    %l1 = math.fma %l, %alpha, %sum : {rows}
    %alphas = tile.broadcast %alpha : {rows} -> {acc}
    %ls = tile.broadcast %l : {rows} -> {acc}
    %sum_so_far = arith.mulf %acc, %ls : {acc}
    %acc1 = arith.mulf {carried}, %alphas : {acc}
    %p16 = arith.truncf %p : {s} to {p}{self.load("v", self.values)}
    %acc2 = tile.dot %p16, %v_tile, %acc1 : {p}, {v} -> {acc}{division}
    scf.yield %m1, %l1, {result} : {rows}, {rows}, {acc}
  }} {{tile.stages = {self.stages} : i32{staggered}}}"""

    def epilogue(self) -> str:
        rows = tensor((self.tile_m, 1), "f32")
        acc = tensor((self.tile_m, self.values), "f32")
        out = tensor((self.tile_m, self.values), self.dtype)
        return f"""
  %one = arith.constant dense<1.0> : {rows}
  %empty = arith.cmpf oeq, %rb#1, %none : {rows}
  %l2 = arith.select %empty, %one, %rb#1 : {tensor((self.tile_m, 1), "i1")}, {rows}
  %inverse = arith.divf %one, %l2 : {rows}
  %inverses = tile.broadcast {"%one" if self.naive else "%inverse"} : {rows} -> {acc}
  %result = arith.mulf %rb#2, %inverses : {acc}
  %o_tile = arith.truncf %result : {acc} to {out}
  tile.store %o_tile, %ov[%m0, %c0] : {out}, {view(("?", self.values), self.dtype)}"""


def visible(flash: Flash, queries: int, keys: int) -> np.ndarray:
    """Which key each query sees; causal is aligned at the bottom right."""
    if not flash.causal:
        return np.ones((queries, keys), bool)
    return np.arange(keys)[None] <= np.arange(queries)[:, None] + keys - queries


def attention(flash: Flash, q, k, v, dtype, rounded=None) -> np.ndarray:
    """Softmax attention in `dtype`; `rounded` is what probabilities are rounded to."""
    q, k, v = (x.astype(dtype) for x in (q, k, v))
    mask = visible(flash, q.shape[1], k.shape[1])
    s = np.where(mask, (q @ k.transpose(0, 2, 1)) * dtype(flash.scale), -np.inf)
    top = s.max(axis=-1, keepdims=True, initial=-np.inf)
    p = np.exp(s - np.where(np.isneginf(top), 0, top))
    total = p.sum(axis=-1, keepdims=True)
    if rounded is not None:
        p = p.astype(rounded).astype(dtype)
    return (p @ v) / np.where(total == 0, 1, total)
