//===- Passes.td - Phase Simplify: tile programs before layouts --------------===//
#ifndef TILEWRIGHT_PASSES_SIMPLIFY_PASSES
#define TILEWRIGHT_PASSES_SIMPLIFY_PASSES

include "mlir/Pass/PassBase.td"

def DeferDivision : Pass<"tw-defer-division", "::mlir::func::FuncOp"> {
  let summary = "divide a running mean once, after its loop";
  let description = [{
    Precondition: a tile program; the division of the loop carries
    `fastmath<reassoc>`, since the rewrite rounds elsewhere.

    A loop that carries a mean `o` and its weight `l`, and multiplies `o` by `l` in
    every turn only to divide the sum by the new weight, carries the sum itself:

      o' = (o * l * a + x) / l'     becomes     u' = u * a + x,  o = u / l at the end

    which is the form of the online softmax with one division. A loop without a
    turn still returns what it was given.

    Postcondition: the loop has no such division. Loops where `o` is used otherwise
    are left alone.

    From `test/passes/Simplify/defer-division.mlir`:

    ```mlir
    %r:2 = scf.for ... iter_args(%l = %l0, %o = %o0) {
      %weights = tile.broadcast %l
      %sum = arith.mulf %o, %weights
      %next = tile.dot %p, %v, %sum
      %lNext = arith.addf %l, %count
      %lNexts = tile.broadcast %lNext
      %oNext = arith.divf %next, %lNexts fastmath<reassoc>
      scf.yield %lNext, %oNext
    }
    ```

    becomes

    ```mlir
    %u0 = arith.mulf %o0, %weights0
    %r:2 = scf.for ... iter_args(%l = %l0, %u = %u0) {
      %next = tile.dot %p, %v, %u
      %lNext = arith.addf %l, %count
      scf.yield %lNext, %next
    }
    %weights = tile.broadcast %r#0
    %mean = arith.divf %r#1, %weights
    %o = arith.select %hasTurns, %mean, %o0
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::tilewright::tile::TileDialect"];
}

def SplitLoops : Pass<"tw-split-loops", "::mlir::func::FuncOp"> {
  let summary = "run the turns of a loop that need no mask without it";
  let description = [{
    Precondition: a tile program; a loop asks for it by `tile.split_masks`.

    Where a mask (the i1 tile of an `arith.select`, or the condition of an
    `scf.if`) compares positions that follow the induction variable with bounds
    that do not, the turns in which all of it holds form a range. The loop becomes
    up to three: the turns before that range, the range itself with the mask taken
    for true, and the turns after it. Of an `scf.if` the range is that in which its
    condition holds, or else that in which it does not, and where it is the only
    one, the other turns take the other branch. A
    loop that says `tile.hidden_turns_are_idle`, that a turn whose mask holds nowhere
    leaves what it carries unchanged, also loses such turns at either end through
    its bounds.

    Masks and conditions may be conjunctions (`arith.andi`) of `cmpi` of `tile.iota`, broadcasts,
    splats and sums of those. A part that is something else keeps its mask
    everywhere; a remark says so.

    Postcondition: the attributes are gone; the turns run in the same order.

    From `test/passes/Simplify/split-loops.mlir`:

    ```mlir
    scf.for %j = %c0 to %n step %c64 {
      %keys = tile.iota %j along 1 : tensor<64x64xi32>
      %visible = arith.cmpi sle, %keys, %queries
      %s = arith.select %visible, %scores, %hidden
      ...
    } {tile.split_masks}
    ```

    becomes

    ```mlir
    scf.for %j = %c0 to %split step %c64 {   // j + 63 <= first query
      ...                                    // %scores, no mask
    }
    scf.for %j = %split to %n step %c64 {
      %visible = arith.cmpi sle, %keys, %queries
      %s = arith.select %visible, %scores, %hidden
      ...
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

#endif
