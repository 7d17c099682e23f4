//===- TileGPUOps.td - Operations per thread ---------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_TILEGPU_TILEGPUOPS
#define TILEWRIGHT_DIALECTS_TILEGPU_TILEGPUOPS

include "dialects/Tile/TileAttributes.td"
include "dialects/TileGPU/TileGPUDialect.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class TileGPU_Op<string mnemonic, list<Trait> traits = []> : Op<TileGPU_Dialect, mnemonic, traits>;

/// Shared memory as a side-effect resource, apart from global memory.
def TileGPU_SharedMemory : Resource<"::tilewright::tilegpu::SharedMemory">;

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

def TileGPU_ConvertLayoutOp : TileGPU_Op<"convert_layout", [Pure]> {
  let summary = "the same tile, held by other threads and registers";
  let arguments = (ins AnyRankedTensor:$source);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def TileGPU_MmaOp : TileGPU_Op<"mma", [Pure, AllTypesMatch<["c", "result"]>]> {
  let summary = "c + a * b by mma.sync m16n8kX";
  let description = [{
    Types as `tile.dot` has them. X is 256 bits of K: 16 for 16-bit elements, 32
    for 8-bit ones, 8 for f32 (tf32). The operands must hold the fragments of the instruction: `a` in
    `mma_operand 0`, `b` in `mma_operand 1`, `c` in `mma_accumulator`, all for
    the same warps. Operands of 16-bit elements may both lie as fragments of 8-bit ones
    do (they were widened in registers): each 32 rows of K are two instructions then, the
    first of which takes the lower two of every four rows.
  }];
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b, AnyRankedTensor:$c);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$a `,` $b `,` $c attr-dict `:` type($a) `,` type($b) `->` type($result)";
  let hasVerifier = 1;
}

def TileGPU_WarpReduceOp : TileGPU_Op<"warp_reduce", [Pure]> {
  let summary = "sums or extrema of what each warp holds of a dimension";
  let description = [{
    As `tile.reduce`, but stops where other warps' elements begin: the result has an
    element along `dim` for each of the warps that share it, and that warp holds it.

    ```mlir
    %parts = tilegpu.warp_reduce add %t along 1
        : tensor<16x64xf32, #acc> -> tensor<16x4xf32, #parts>
    ```
  }];
  let arguments = (ins Tile_ReduceKind:$kind, AnyRankedTensor:$source, I64Attr:$dim);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $kind $source `along` $dim attr-dict `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def TileGPU_DequantOp : TileGPU_Op<"dequant", [Pure, AttrSizedOperandSegments]> {
  let summary = "unpack a part of packed words into mma operand registers";
  let description = [{
    Rows `row` .. `row + K` of the codes in `words`, minus the bias and the zero
    points, as 16-bit floats in the registers of mma operand 1; or what
    `tile.dequant` makes of floats, indices, nested codes and codes beside i8
    activations. Words of nested codes are planes, strips x blocks x planes x 128.
    Every thread holds all of
    `table`. Unpacking is
    thread-local: the verifier expands the layouts of both sides and proves,
    bit by bit, that every thread holds the words its registers need.

    ```mlir
    %w = tilegpu.dequant %words row 64 #tilegpu.packed<bits = 4, bias = 0>
        : tensor<2x1x512xi32, #words> -> tensor<64x64xf16, #operand>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$words, Optional<AnyRankedTensor>:$zero,
                       Optional<AnyRankedTensor>:$table, I64Attr:$row,
                       TileGPU_PackedAttr:$packed);
  let results = (outs AnyRankedTensor:$values);
  let assemblyFormat = [{
    $words (`zero` $zero^)? (`table` $table^)? `row` $row $packed attr-dict `:` type($words)
    (`,` type($zero)^)? (`table` type($table)^)? `->` type($values)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

def TileGPU_AllocOp : TileGPU_Op<"alloc", [
    MemoryEffects<[MemAlloc<TileGPU_SharedMemory>]>]> {
  let summary = "shared memory for a tile";
  let description = [{
    `offset` is the byte offset in the block's shared memory, set by
    `allocate-shared`.
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$offset);
  let results = (outs TileGPU_MemDescType:$memory);
  let assemblyFormat = "(`at` $offset^)? attr-dict `:` type($memory)";
}

def TileGPU_SlotOp : TileGPU_Op<"slot", [Pure]> {
  let summary = "one slot of a multi-buffer";
  let arguments = (ins TileGPU_MemDescType:$memory, I32:$index);
  let results = (outs TileGPU_MemDescType:$slot);
  let assemblyFormat = "$memory `[` $index `]` attr-dict `:` type($memory) `->` type($slot)";
  let hasVerifier = 1;
}

def TileGPU_LocalLoadOp : TileGPU_Op<"local_load", [
    MemoryEffects<[MemRead<TileGPU_SharedMemory>]>]> {
  let summary = "read a tile, or a part of it, from shared memory";
  let description = [{
    Reads the part of the tile that starts at the static `offsets` and has the
    result's shape.
  }];
  let arguments = (ins TileGPU_MemDescType:$memory, DenseI64ArrayAttr:$offsets);
  let results = (outs AnyRankedTensor:$tile);
  let assemblyFormat = "$memory $offsets attr-dict `:` type($memory) `->` type($tile)";
  let hasVerifier = 1;
}

def TileGPU_LocalStoreOp : TileGPU_Op<"local_store", [
    MemoryEffects<[MemWrite<TileGPU_SharedMemory>]>]> {
  let summary = "write a tile to shared memory";
  let arguments = (ins AnyRankedTensor:$tile, TileGPU_MemDescType:$memory);
  let assemblyFormat = "$tile `,` $memory attr-dict `:` type($tile) `,` type($memory)";
  let hasVerifier = 1;
}

def TileGPU_AsyncCopyOp : TileGPU_Op<"async_copy", [
    AttrSizedOperandSegments, MemoryEffects<[MemRead, MemWrite<TileGPU_SharedMemory>]>]> {
  let summary = "start copying a tile of a view to shared memory";
  let description = [{
    16 bytes a thread and step (cp.async). Elements outside the view arrive as
    zeros. Where `predicate` is given and false, nothing is copied. The tile may
    be read after an `async_wait` that covers the copy's group and a barrier.
  }];
  let arguments = (ins Tile_ViewType:$view, Variadic<I32>:$offsets, TileGPU_MemDescType:$memory,
                       Optional<I1>:$predicate);
  let assemblyFormat = [{
    $view `[` $offsets `]` `to` $memory (`if` $predicate^)? attr-dict
    `:` type($view) `->` type($memory)
  }];
  let hasVerifier = 1;
}

def TileGPU_AsyncGatherOp : TileGPU_Op<"async_gather", [
    MemoryEffects<[MemRead, MemWrite<TileGPU_SharedMemory>]>]> {
  let summary = "start copying rows of a view to shared memory";
  let description = [{
    As `async_copy`, but row i of the tile is row `rows[i, 0]` of the view; rows it does
    not have arrive as zeros. A thread copies parts of the rows whose indices it
    holds: `rows` has the layout `layout::copiedRows` for the memory.
  }];
  let arguments = (ins Tile_ViewType:$view, AnyRankedTensor:$rows, I32:$column,
                       TileGPU_MemDescType:$memory, Optional<I1>:$predicate);
  let assemblyFormat = [{
    $view `[` $rows `,` $column `]` `to` $memory (`if` $predicate^)? attr-dict
    `:` type($view) `,` type($rows) `->` type($memory)
  }];
  let hasVerifier = 1;
}

def TileGPU_AsyncCommitOp : TileGPU_Op<"async_commit", [
    MemoryEffects<[MemWrite<TileGPU_SharedMemory>]>]> {
  let summary = "close a group of asynchronous copies";
  let assemblyFormat = "attr-dict";
}

def TileGPU_AsyncWaitOp : TileGPU_Op<"async_wait", [
    MemoryEffects<[MemRead<TileGPU_SharedMemory>, MemWrite<TileGPU_SharedMemory>]>]> {
  let summary = "wait until at most `pending` groups are in flight";
  let arguments = (ins ConfinedAttr<I32Attr, [IntNonNegative]>:$pending);
  let assemblyFormat = "$pending attr-dict";
}

def TileGPU_BarrierOp : TileGPU_Op<"barrier", [
    MemoryEffects<[MemRead<TileGPU_SharedMemory>, MemWrite<TileGPU_SharedMemory>]>]> {
  let summary = "all threads of the block meet";
  let assemblyFormat = "attr-dict";
}

#endif
