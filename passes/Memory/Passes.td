//===- Passes.td - Phase Memory: shared memory and asynchrony ---------------===//
#ifndef TILEWRIGHT_PASSES_MEMORY_PASSES
#define TILEWRIGHT_PASSES_MEMORY_PASSES

include "mlir/Pass/PassBase.td"

def PipelineLoops : Pass<"tw-pipeline-loops", "::mlir::func::FuncOp"> {
  let summary = "overlap a loop's loads with its work through shared memory";
  let description = [{
    Precondition: layouts are assigned; a loop asks for `tile.stages` = s > 1, or for
    any number of stages and `tile.staggered`.

    Every load of the loop that 16-byte copies can serve gets s slots of shared
    memory. The copies of the first s - 1 iterations start before the loop;
    iteration i waits for its own copies, starts those of iteration i + s - 1
    into the slot that iteration i - 1 has left, and reads its tiles from
    shared memory in the layouts their uses want. So s - 1 tiles are in flight
    at each wait. A load that 16-byte copies cannot serve stays where it is, and
    a remark says why.

    A gather is copied like a load; the indices of its rows are computed anew for
    the iteration that is copied, in the layout that copies need
    (`layout::copiedRows`), page tables read again included.

    In a loop that is also `tile.staggered` every load has a group of copies of its
    own and is read, after a wait for that group only, where it is first used. With
    one slot (s = 1) the copy for the next iteration starts where the last use of
    the tile ends: the copy of the next keys runs during softmax and the second
    product, that of the next values during the first one.

    Postcondition: the attributes are gone. Barriers are not placed here; that is
    `tw-insert-barriers`.

    From `test/passes/Memory/pipeline-loops.mlir`:

    ```mlir
    %sum = scf.for %i = %c0 to %count step %c1 iter_args(%acc = %zero) {
      %a = tile.load %view[%c0, %column] -> tensor<16x64xf16, #a>
      %next = tilegpu.mma %a, %b, %acc
      scf.yield %next
    } {tile.stages = 3}
    ```

    becomes

    ```mlir
    %buffer = tilegpu.alloc : <slots = 3, 16x64xf16, #tilegpu.shared<swizzle = 128>>
    tilegpu.async_copy %view[...] to %slot_0 if %exists_0     // iteration 0
    tilegpu.async_commit
    tilegpu.async_copy %view[...] to %slot_1 if %exists_1     // iteration 1
    tilegpu.async_commit
    scf.for ... iter_args(%acc = %zero, %read = %c0, %fill = %c2) {
      tilegpu.async_wait 1
      %filled = tilegpu.slot %buffer[%fill]
      tilegpu.async_copy %view[...] to %filled if %exists     // iteration i + 2
      tilegpu.async_commit
      %ready = tilegpu.slot %buffer[%read]
      %a = tilegpu.local_load %ready [0, 0] -> tensor<16x64xf16, #a>
      %next = tilegpu.mma %a, %b, %acc
      scf.yield %next, %read_next, %fill_next                 // round the buffer
    }
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect", "::mlir::scf::SCFDialect",
                           "::mlir::arith::ArithDialect"];
}

def ShareLoads : Pass<"tw-share-loads", "::mlir::func::FuncOp"> {
  let summary = "keep tiles in shared memory that many products read";
  let description = [{
    Precondition: layouts are assigned, loops are pipelined; a `tile.load` or
    `tile.gather` outside of loops has `tile.shared`.

    The tile is copied to shared memory, a load asynchronously where 16-byte copies can
    serve it, and every op that works on it, or on a slice of it, reads what it needs there, in
    its own layout and right before it: no register holds the tile between uses. The
    wait stands before the first op of the block that uses the tile; the copies that
    loops start before it go on.

    Postcondition: no load has the attribute. Barriers are not placed here; that is
    `tw-insert-barriers`.

    From `test/passes/Memory/share-loads.mlir`:

    ```mlir
    %q = tile.load %view[%c0, %c0] {tile.shared} -> tensor<16x128xf16, #q>
    %part = tile.slice %q [0, 64] -> tensor<16x64xf16, #a>
    %sum = scf.for ... {
      %next = tilegpu.mma %part, %b, %acc
      scf.yield %next
    }
    ```

    becomes

    ```mlir
    %memory = tilegpu.alloc : <16x128xf16, #tilegpu.shared<swizzle = 128>>
    tilegpu.async_copy %view[%c0, %c0] to %memory
    tilegpu.async_commit
    tilegpu.async_wait 0
    %sum = scf.for ... {
      %part = tilegpu.local_load %memory [0, 64] -> tensor<16x64xf16, #a>
      %next = tilegpu.mma %part, %b, %acc
      scf.yield %next
    }
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect"];
}

def RouteConversions : Pass<"tw-route-conversions", "::mlir::func::FuncOp"> {
  let summary = "choose moves, shuffles or shared memory for each layout conversion";
  let description = [{
    Precondition: layouts are assigned.

    A conversion that only renames registers stays and costs nothing; one within
    warps stays too where rounds of shuffles are fewer instructions. Any other
    becomes a store to a tile in shared memory and a load in the new layout;
    slices of the result load their part where they take it. The swizzle is the
    one with the fewest wavefronts for the pair of accesses, or the one that
    ldmatrix wants where the tile feeds mma operand A.

    Postcondition: every `tilegpu.convert_layout` left stays within a warp.

    From `test/passes/Memory/route-conversions.mlir`:

    ```mlir
    %0 = tilegpu.convert_layout %t : tensor<16x64xf32, #acc> -> tensor<16x64xf32, #rows>
    ```

    becomes, since values cross warps,

    ```mlir
    %memory = tilegpu.alloc : <16x64xf32, #tilegpu.shared<...>>
    tilegpu.local_store %t, %memory : tensor<16x64xf32, #acc>, ...
    %0 = tilegpu.local_load %memory [0, 0] : ... -> tensor<16x64xf32, #rows>
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect"];
}

def AllocateShared : Pass<"tw-allocate-shared", "::mlir::func::FuncOp"> {
  let summary = "give every tile in shared memory its offset";
  let description = [{
    Tiles whose lifetimes do not overlap share bytes. Offsets are multiples of
    128 bytes, one pass over all banks. More bytes than a block of the module's `tile.target`
    may have is an error at the largest tile, with the number of bytes over.

    Postcondition: every `tilegpu.alloc` has an offset; the function carries
    `tilegpu.shared_bytes`.

    From `test/passes/Memory/allocate-shared.mlir`:

    ```mlir
    %first = tilegpu.alloc : <16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %first
    %second = tilegpu.alloc : <16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %second
    ```

    becomes, with `tilegpu.shared_bytes = 2048` on the kernel,

    ```mlir
    %first = tilegpu.alloc at 0 : <16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %first
    %second = tilegpu.alloc at 0 : <16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %second
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect"];
}

def InsertBarriers : Pass<"tw-insert-barriers", "::mlir::func::FuncOp"> {
  let summary = "order shared-memory accesses of different threads";
  let description = [{
    A forward analysis over the program: which tiles have been read, written,
    or have landed (an `async_wait` publishes copies to the waiting thread
    only) since the last barrier. An access that conflicts gets a barrier in
    front of it. Loops are analysed until their entry state is stable. A copy
    in flight conflicts with earlier reads of its tile, not with later reads
    of other slots.

    Leaves alone what no other thread can see.

    From `test/passes/Memory/insert-barriers.mlir`:

    ```mlir
    scf.for %i = %c0 to %c3 step %c1 {
      tilegpu.local_store %t, %m
      %0 = tilegpu.local_load %m [0, 0]
    }
    ```

    becomes

    ```mlir
    scf.for %i = %c0 to %c3 step %c1 {
      tilegpu.barrier                      // after the load of the iteration before
      tilegpu.local_store %t, %m
      tilegpu.barrier
      %0 = tilegpu.local_load %m [0, 0]
    }
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect"];
}

def VerifyMemory : Pass<"tw-verify-memory", "::mlir::func::FuncOp"> {
  let summary = "check that shared memory is planned";
  let description = [{
    States what holds after Memory: every `tilegpu.alloc` has an offset within
    `tilegpu.shared_bytes`; every `tilegpu.convert_layout` stays within a warp; no loop asks for stages any
    more. Changes nothing.
  }];
}

#endif
