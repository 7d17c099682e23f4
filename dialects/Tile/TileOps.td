//===- TileOps.td - Operations of tile programs -----------------------------===//
#ifndef TILEWRIGHT_DIALECTS_TILE_TILEOPS
#define TILEWRIGHT_DIALECTS_TILE_TILEOPS

include "dialects/Tile/TileAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

/// A block's tile: its extents are known, since threads share them out.
def Tile_Tensor : RankedTensorOf<[AnyType], [HasStaticShapePred], "static-shape tile">;

def Tile_ProgramIdOp : Tile_Op<"program_id", [Pure]> {
  let summary = "index of this block along a grid axis";
  let arguments = (ins ConfinedAttr<I32Attr, [IntNonNegative, IntMaxValue<2>]>:$axis);
  let results = (outs I32:$id);
  let assemblyFormat = "$axis attr-dict";
}

def Tile_ViewOp : Tile_Op<"view", [Pure, AttrSizedOperandSegments]> {
  let summary = "describe global memory as a strided tensor";
  let description = [{
    `sizes` and `strides` give the extents and strides that are `?` in the
    type, in order. Extents are i32, strides i64 (elements).

    ```mlir
    %v = tile.view %p sizes(%m) : !tile.view<?x4096xf16, strides = [4096, 1], align = 16>
    ```
  }];
  let arguments = (ins Tile_PtrType:$base, Variadic<I32>:$sizes, Variadic<I64>:$strides);
  let results = (outs Tile_ViewType:$view);
  let assemblyFormat = [{
    $base (`sizes` `(` $sizes^ `)`)? (`strides` `(` $strides^ `)`)? attr-dict `:` type($view)
  }];
  let hasVerifier = 1;
}

def Tile_AdvanceOp : Tile_Op<"advance", [Pure]> {
  let summary = "a pointer further on in the same memory";
  let description = [{
    The address `elements` elements of the given type after `base`: where a head
    of a batch starts, or one matrix of a stack. Offsets are 64 bits wide and may be
    negative. The result is as aligned as the base and what is known to divide
    `elements` make it (`analysis::getKnownAlign`); a view of it may not claim
    more, which `tw-verify-programs` checks.

    ```mlir
    %head = tile.advance %q by %elements of f16
    %v = tile.view %head sizes(%m) : !tile.view<?x128xf16, strides = [4096, 1], align = 16>
    ```
  }];
  let arguments = (ins Tile_PtrType:$base, I64:$elements, TypeAttr:$elementType);
  let results = (outs Tile_PtrType:$result);
  let assemblyFormat = "$base `by` $elements `of` $elementType attr-dict";
  let hasVerifier = 1;
}

def Tile_AssumeOp : Tile_Op<"assume", [Pure, SameOperandsAndResultType]> {
  let summary = "an integer that the launcher has checked";
  let description = [{
    `value`, of which the compiler may believe that `divisor`, a power of two,
    divides it. For what the launcher verifies before each launch, as the strides
    of an operand that 16-byte copies serve.

    ```mlir
    %stride = tile.assume %s divisible by 8 : i64
    ```
  }];
  let arguments = (ins AnyTypeOf<[I32, I64]>:$value, I64Attr:$divisor);
  let results = (outs AnyTypeOf<[I32, I64]>:$result);
  let assemblyFormat = "$value `divisible` `by` $divisor attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Tile_LoadOp : Tile_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "read a tile of a view";
  let description = [{
    Reads the tile whose first element is at `offsets`. Elements outside the
    view are zero and are not read.

    ```mlir
    %t = tile.load %v[%m0, %k0] : !tile.view<?x4096xf16, strides = [4096, 1], align = 16>
                               -> tensor<16x128xf16>
    ```
  }];
  let arguments = (ins Tile_ViewType:$view, Variadic<I32>:$offsets);
  let results = (outs Tile_Tensor:$tile);
  let assemblyFormat = "$view `[` $offsets `]` attr-dict `:` type($view) `->` type($tile)";
  let hasVerifier = 1;
}

def Tile_GatherOp : Tile_Op<"gather", [MemoryEffects<[MemRead]>]> {
  let summary = "read a tile whose rows are named by a tile";
  let description = [{
    Row i of the result is row `rows[i, 0]` of the view, from `column` on. Rows
    that the view does not have, negative ones among them, are zero and are not
    read; neither are columns beyond its edge. What pages of a cache need: the
    index tile may come from a gather itself, with -1 selected where an entry
    means nothing.

    ```mlir
    %k = tile.gather %cache[%rows, %c0]
        : !tile.view<?x128xf16, strides = [1024, 1], align = 16>, tensor<64x1xi32>
       -> tensor<64x128xf16>
    ```
  }];
  let arguments = (ins Tile_ViewType:$view, Tile_Tensor:$rows, I32:$column);
  let results = (outs Tile_Tensor:$tile);
  let assemblyFormat = [{
    $view `[` $rows `,` $column `]` attr-dict `:` type($view) `,` type($rows) `->` type($tile)
  }];
  let hasVerifier = 1;
}

def Tile_ReadOp : Tile_Op<"read", [MemoryEffects<[MemRead]>]> {
  let summary = "one element of a view, the same for the whole block";
  let description = [{
    The element at `offsets`; zero outside the view, where nothing is read. For
    what a block looks up once: the length of a sequence, the page of a tile.

    ```mlir
    %length = tile.read %lengths[%batch] : !tile.view<?xi32, strides = [1], align = 4> -> i32
    ```
  }];
  let arguments = (ins Tile_ViewType:$view, Variadic<I32>:$offsets);
  let results = (outs AnyTypeOf<[AnySignlessInteger, AnyFloat]>:$element);
  let assemblyFormat = "$view `[` $offsets `]` attr-dict `:` type($view) `->` type($element)";
  let hasVerifier = 1;
}

def Tile_StoreOp : Tile_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "write a tile of a view";
  let description = [{
    Writes the tile at `offsets`; elements outside the view are not written.
  }];
  let arguments = (ins Tile_Tensor:$tile, Tile_ViewType:$view, Variadic<I32>:$offsets);
  let assemblyFormat = "$tile `,` $view `[` $offsets `]` attr-dict `:` type($tile) `,` type($view)";
  let hasVerifier = 1;
}

def Tile_ScatterOp : Tile_Op<"scatter", [MemoryEffects<[MemWrite]>]> {
  let summary = "write a tile whose rows are named by a tile";
  let description = [{
    Row i of the tile goes to row `rows[i, 0]` of the view, from `column` on. Rows that
    the view does not have, negative ones among them, are not written; neither are
    columns beyond its edge. No two rows that are written may have one name.

    ```mlir
    tile.scatter %o, %heads[%rows, %c0]
        : tensor<16x128xf16>, !tile.view<?x128xf16, strides = [128, 1], align = 16>,
          tensor<16x1xi32>
    ```
  }];
  let arguments = (ins Tile_Tensor:$tile, Tile_ViewType:$view, Tile_Tensor:$rows, I32:$column);
  let assemblyFormat = [{
    $tile `,` $view `[` $rows `,` $column `]` attr-dict
    `:` type($tile) `,` type($view) `,` type($rows)
  }];
  let hasVerifier = 1;
}

def Tile_ArriveOp : Tile_Op<"arrive", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "count blocks in; true for the last of them";
  let description = [{
    Adds one to the i32 counter `counters[index]` on behalf of the whole block.
    Everything the block wrote before is visible to the block that gets true,
    which is the one that finds the counter at `expected - 1`; that block sets
    the counter back to zero. `expected` is at least 1 and the same in all blocks
    that count themselves in at one index.

    ```mlir
    %last = tile.arrive %counters[%tile] of %blocks
    scf.if %last { ... }
    ```
  }];
  let arguments = (ins Tile_PtrType:$counters, I32:$index, I32:$expected);
  let results = (outs I1:$last);
  let assemblyFormat = "$counters `[` $index `]` `of` $expected attr-dict";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Shape
//===----------------------------------------------------------------------===//

def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "repeat a tile along its dimensions of extent 1";
  let arguments = (ins Tile_Tensor:$source);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ReshapeOp : Tile_Op<"reshape", [Pure]> {
  let summary = "the same elements in row-major order under another shape";
  let arguments = (ins Tile_Tensor:$source);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_TransposeOp : Tile_Op<"transpose", [Pure]> {
  let summary = "reorder dimensions: result dimension i is source dimension order[i]";
  let arguments = (ins Tile_Tensor:$source, DenseI64ArrayAttr:$order);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$source `order` `=` $order attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_SliceOp : Tile_Op<"slice", [Pure]> {
  let summary = "a static part of a tile";
  let description = [{
    The sub-tile of the result's shape that starts at `offsets`.
  }];
  let arguments = (ins Tile_Tensor:$source, DenseI64ArrayAttr:$offsets);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$source $offsets attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_SaturateOp : Tile_Op<"saturate", [Pure, Elementwise]> {
  let summary = "f32 numbers as 8-bit floats, the largest for those beyond";
  let description = [{
    To f8E4M3FN or f8E5M2, to nearest, ties to even. What rounds beyond the largest
    finite number becomes that number, infinities too; any NaN is 0x7f (PTX ISA, "cvt",
    .satfinite). Subnormals are exact. `arith.truncf` has no saturation.

    ```mlir
    %y = tile.saturate %v : tensor<16x64xf32> -> tensor<16x64xf8E4M3FN>
    ```
  }];
  let arguments = (ins Tile_Tensor:$source);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Numbers from nothing, and from many
//===----------------------------------------------------------------------===//

def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "positions along a dimension";
  let description = [{
    Element i along dimension `dim` is `start + i`, whatever the other
    coordinates. What masks compare.

    ```mlir
    %keys = tile.iota %j0 along 1 : tensor<1x64xi32>
    ```
  }];
  let arguments = (ins I32:$start, ConfinedAttr<I64Attr, [IntNonNegative]>:$dim);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$start `along` $dim attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Tile_SplatOp : Tile_Op<"splat", [Pure]> {
  let summary = "a tile of one number";
  let arguments = (ins AnyTypeOf<[AnySignlessInteger, AnyFloat]>:$scalar);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$scalar attr-dict `:` type($scalar) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "sum or extremum along a dimension, whose extent becomes 1";
  let description = [{
    Elements are f32 or i32 (signed; sums are modulo 2^32). `max` and `min` of
    floats are those of `arith.maximumf` and `arith.minimumf`: NaN where any element
    is NaN, -0 below +0. The maximum of infinities is an infinity; a row of -inf
    has the maximum -inf.

    The order of a sum is fixed by the layout of the source, so that results do not
    differ from launch to launch: a thread adds its own elements pairwise
    (neighbours first, then pairs of pairs, in order of their coordinate), then
    lanes are added in a butterfly from the lowest lane bit to the highest, then
    warps pairwise in order. Every thread that holds a result holds the same bits.

    ```mlir
    %m = tile.reduce max %s along 1 : tensor<64x64xf32> -> tensor<64x1xf32>
    ```
  }];
  let arguments = (ins Tile_ReduceKind:$kind, Tile_Tensor:$source,
                       ConfinedAttr<I64Attr, [IntNonNegative]>:$dim);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = [{
    $kind $source `along` $dim attr-dict `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Products and packed weights
//===----------------------------------------------------------------------===//

def Tile_DotOp : Tile_Op<"dot", [Pure, AllTypesMatch<["c", "result"]>]> {
  let summary = "c + a * b";
  let description = [{
    `a` is MxK, `b` KxN, of one type: f16, bf16, f32, f8E4M3FN or f8E5M2; or each of
    i8 (two's complement) or ui8 (unsigned). `c` and the result are MxN of f32, of
    i32 beside i8 and ui8. Products are
    exact and summed in the tensor core's f32 arithmetic, integers modulo 2^32.
    f32 operands are first rounded to tf32 (10 bits of mantissa, to nearest, ties
    away from zero).
  }];
  let arguments = (ins Tile_Tensor:$a, Tile_Tensor:$b, Tile_Tensor:$c);
  let results = (outs Tile_Tensor:$result);
  let assemblyFormat = "$a `,` $b `,` $c attr-dict `:` type($a) `,` type($b) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_FieldsOp : Tile_Op<"fields", [Pure]> {
  let summary = "the unsigned numbers that share each word";
  let description = [{
    Words of `W` bits (8, 16 or 32) hold `F` numbers of `W / F` bits each, the first
    in the lowest bits. The result has one dimension more, the last, of extent `F`,
    and elements of at least `W / F` bits.

    ```mlir
    %z = tile.fields %words : tensor<1x2x8xi16> -> tensor<1x2x8x4xi8>
    ```
  }];
  let arguments = (ins Tile_Tensor:$words);
  let results = (outs Tile_Tensor:$numbers);
  let assemblyFormat = "$words attr-dict `:` type($words) `->` type($numbers)";
  let hasVerifier = 1;
}

def Tile_UnpackOp : Tile_Op<"unpack", [Pure]> {
  let summary = "the codes in packed words";
  let description = [{
    `words` is a tile of the packed storage layout: strips of 32 columns,
    blocks of 128 rows, 128*b words of 32 bits a block. The result holds the
    (128 * blocks) x (32 * strips) codes as b-bit integers, in matrix order.
    Codes in planes of one bit come as strips, blocks, b planes, the top bits
    first, and 128 words.

    ```mlir
    %q = tile.unpack %words : tensor<2x1x512xi32> -> tensor<128x64xi4>
    %p = tile.unpack %planes : tensor<2x1x4x128xi32> -> tensor<128x64xi4>
    ```
  }];
  let arguments = (ins Tile_Tensor:$words);
  let results = (outs Tile_Tensor:$codes);
  let assemblyFormat = "$words attr-dict `:` type($words) `->` type($codes)";
  let hasVerifier = 1;
}

def Tile_PackOp : Tile_Op<"pack", [Pure]> {
  let summary = "codes as packed words";
  let description = [{
    The inverse of `tile.unpack`: words of the packed storage layout, strips x blocks x
    words, or strips x blocks x planes x words, that hold the lower `bits` of the codes.
    `storage` is "words", "nested" or "stack"; `activations`, "16-bit" or "8-bit", is what
    the words are to be multiplied with.

    ```mlir
    %w = tile.pack %codes bits 4 : tensor<128x64xi8> -> tensor<2x1x512xi32>
    %p = tile.pack %codes bits 3 as "nested" for "16-bit"
        : tensor<128x64xi8> -> tensor<2x1x3x128xi32>
    ```
  }];
  let arguments = (ins Tile_Tensor:$codes, I64Attr:$bits,
    DefaultValuedAttr<StrAttr, "\"words\"">:$storage,
    DefaultValuedAttr<StrAttr, "\"16-bit\"">:$activations);
  let results = (outs Tile_Tensor:$words);
  let assemblyFormat = [{
    $codes `bits` $bits (`as` $storage^)? (`for` $activations^)? attr-dict
    `:` type($codes) `->` type($words)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Width, storage and class; the op is verified.
    ::tilewright::layout::PackedForm getForm();
  }];
}

def Tile_DequantOp : Tile_Op<"dequant", [Pure, AttrSizedOperandSegments]> {
  let summary = "codes as exact floating-point numbers";
  let description = [{
    `float(code) - bias - zero[k * G / K, n]`, exact in f16 and bf16. Codes are
    unsigned; `bias` is 2^(b-1) for signed formats, whose codes are stored
    biased. `zero` is a GxN tile of unsigned 8-bit integers.

    With `as` a float format of the codes' width, the codes' numbers in that
    format times 2^-e, `e` from `layout::getSumExponent`: 0 for bf16; for f16
    the power of two that makes the code's bits those of the result.

    With `as` a nested format of the codes' width `2 * code + 1 - 2^b`, which
    is the number times 2^-e for the bits that are left out.

    Values of i8 or ui8 are `code * 2^(8-b)` as a byte: of two's complement codes
    signed bytes, of unsigned codes unsigned ones. The words are those packed for
    activations of 8 bits; there is nothing but the codes.

    With `as` a format of indices, entries of `table`: the low bytes of all
    2^b entries of the result's type in 2^b / 4 words, then the high bytes.

    ```mlir
    %w = tile.dequant %q bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
    %w = tile.dequant %q zero %z bias 0 : tensor<64x64xi4>, tensor<1x64xi8> -> tensor<64x64xf16>
    %w = tile.dequant %q as "f4e2m1" bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
    %w = tile.dequant %p as "nested8.4" bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
    %w = tile.dequant %q as "lut4" table %t bias 0
        : tensor<64x64xi4> table tensor<8xi32> -> tensor<64x64xf16>
    %w = tile.dequant %q bias 0 : tensor<64x64xi4> -> tensor<64x64xi8>
    ```
  }];
  let arguments = (ins Tile_Tensor:$codes, Optional<Tile_Tensor>:$zero,
                       Optional<Tile_Tensor>:$table, I32Attr:$bias,
                       OptionalAttr<StrAttr>:$format);
  let results = (outs Tile_Tensor:$values);
  let assemblyFormat = [{
    $codes (`as` $format^)? (`zero` $zero^)? (`table` $table^)? `bias` $bias attr-dict `:`
    type($codes) (`,` type($zero)^)? (`table` type($table)^)?
    `->` type($values)
  }];
  let hasVerifier = 1;
}

#endif
