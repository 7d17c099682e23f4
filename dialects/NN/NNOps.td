//===- NNOps.td - Operations on whole tensors -------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_NN_NNOPS
#define TILEWRIGHT_DIALECTS_NN_NNOPS

include "dialects/NN/NNDialect.td"
include "dialects/Tile/TileAttributes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

/// What every matrix product has beside its weights. The order of operands is
/// x, w, then these.
defvar NN_EpilogueArguments = (ins
    Optional<AnyRankedTensor>:$bias,
    Optional<AnyRankedTensor>:$row_scale,
    Optional<AnyRankedTensor>:$column_scale,
    Optional<AnyRankedTensor>:$residual,
    Optional<AnyRankedTensor>:$out_scale,
    DefaultValuedAttr<NN_ActivationAttr, "::tilewright::nn::Activation::None">:$activation,
    OptionalAttr<NN_ProblemAttr>:$problem,
    OptionalAttr<Tile_ScheduleAttr>:$schedule);

class NN_ProductOp<string mnemonic, dag weights>
    : NN_Op<mnemonic, [Pure, AttrSizedOperandSegments]> {
  let arguments = !con((ins AnyRankedTensor:$x), weights, NN_EpilogueArguments);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = [{
    $x `,` $w (`bias` $bias^)? (`row_scale` $row_scale^ `:` type($row_scale))?
    (`column_scale` $column_scale^ `:` type($column_scale))?
    (`residual` $residual^ `:` type($residual))?
    (`out_scale` $out_scale^ `:` type($out_scale))?
    attr-dict `:` type($x) `,` type($w) (`,` type($bias)^)? `->` type($y)
  }];
  let hasVerifier = 1;
}

def NN_QuantMatmulOp : NN_ProductOp<"quant_matmul", (ins NN_QuantizedType:$w)> {
  let summary = "matrix product with packed low-bit weights";
  let description = [{
    With `p[m, n] = sum_g s[g, n] * sum_{k in g} x[m, k] * (q[k, n] - z[g, n])`, or
    what else the format of `w` says that codes, scales and zero points mean:

        v[m, n] = activation(p[m, n] * row_scale[m] * column_scale[n] + bias[n])
        y[m, n] = (v[m, n] + residual[m, n]) * out_scale

    Products are of exact values `q - z` in the activation dtype (`q` where `z` is
    floating point: then z multiplies the sum of x), sums, scales and the rest in
    f32, one rounding to the result dtype at the end; numbers beyond those of
    f8E4M3FN and f8E5M2 become the largest of them. With x of i8 the sums of a
    group, or of all of K where that is one group, are exact integers. The activation
    `swiglu` takes pairs of columns, gate and up: `v[m, j] = silu(a[m, 2j]) *
    a[m, 2j + 1]`, so that y has N / 2 columns.

    Constraints:
    - (C1) `x` is a rank-2 tensor of f16, bf16, i8 (two's complement), f8E4M3FN or
      f8E5M2. The last two are multiplied as f16, exactly.
    - (C2) the columns of `x` are the rows of `w` (K), and K is static.
    - (C3) `y` is rank 2 of f16, bf16, f32, f8E4M3FN or f8E5M2, with the rows of
      `x` and the columns of `w`, half of them with `swiglu`, which needs an even N.
    - (C4) `bias`, when given, is a rank-1 tensor of N elements of f16, bf16 or
      f32.
    - (C5) an attached schedule belongs to the family "quant_matmul".
    - (C6) where an attached problem gives strides of `x`, `y` or `residual`,
      they are one of rows and one of columns; columns are contiguous (1), rows
      of `y` do not overlap.
    - (C7) where an attached problem names "M", that is the rows of `x`.
    - (C8) `row_scale` and `column_scale`, when given, are rank-1 tensors of f32,
      one element for a row of `x` and for a column of `w`.
    - (C9) `residual`, when given, has the shape of `y`, of f16, bf16 or f32.
    - (C10) `out_scale`, when given, is one f32.
    - (C11) where `w` is a batch of B matrices, `x` and `y` are batches of B
      matrices too, with B as the first of three extents, and so is `residual`; of
      `bias`, `row_scale` and `column_scale` there is one for each, with B as the
      first of two extents. Strides of a problem then begin with that of the batch.
    - (C12) with `x` of i8 the codes of `w` are integers, and groups that are not
      all of K have a multiple of 32 rows, the depth of an mma on bytes. The words
      of `w` are those packed for activations of 8 bits.

    ```mlir
    %y = nn.quant_matmul %x, %w bias %b {activation = #nn.activation<gelu>}
        : tensor<?x384xf16>, !nn.quantized<384x1536, #nn.qformat<u4, group = 128, scale = f16>>,
          tensor<1536xf16> -> tensor<?x1536xf16>
    %z = nn.quant_matmul %x, %w residual %r : tensor<?x1536xf16>
        : tensor<?x384xf16>, !nn.quantized<384x1536, #nn.qformat<u4, group = 128, scale = f16>>
        -> tensor<?x1536xf16>
    ```
  }];
}

def NN_MatmulOp : NN_ProductOp<"matmul", (ins AnyRankedTensor:$w, UnitAttr:$transpose_w)> {
  let summary = "matrix product with weights of the activations' dtype";
  let description = [{
    With `p[m, n] = sum_k x[m, k] * w[k, n]`, ends as `nn.quant_matmul` does.
    Products are exact, sums are those of the tensor cores in f32, the rest is
    f32 with one rounding to the result dtype. f32 operands are rounded to tf32
    (to nearest, ties away from zero) first. i8 is two's complement; its sums are
    i32, modulo 2^32, and rounded to f32 once. Products of f8 need a target whose
    tensor cores have them (sm_89).

    Constraints:
    - (C1) `x` is a rank-2 tensor of f16, bf16, f32, i8, f8E4M3FN or f8E5M2.
    - (C2) `w` is a static rank-2 tensor, or a batch of rank 3, of the dtype of
      `x`, K x N, or N x K with `transpose_w`, which 8-bit types need; K is the
      columns of `x`.
    - (C3) to (C11) as for `nn.quant_matmul`, with the family "matmul"; C6 also
      for `w`.

    ```mlir
    %y = nn.matmul %x, %w bias %b {transpose_w}
        : tensor<?x384xf16>, tensor<1536x384xf16>, tensor<1536xf16> -> tensor<?x1536xf16>
    ```
  }];
  let extraClassDeclaration = [{
    int64_t getK();
    int64_t getN();
    /// Matrices of w; 0 where it is no batch.
    int64_t getBatch();
  }];
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def NN_AttentionOp : NN_Op<"attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "softmax(q * k^T) * v, a row and head at a time";
  let description = [{
    For batch b, query head h and row i of q, with the absolute position
    `p = i + Sk - Sq + q_offset[b]` of the row and `g = h / (Hq / Hkv)`:

        x[j] = scale * sum_d q[b, i, h, d] * k[b, j, g, d]
        y[j] = softcap * tanh(x[j] / softcap), or x[j] where softcap is 0
        s[j] = score(y[j] - alibi_slopes[h] * |p - j|, b, h, p, j)
        visible(j) = (not causal or j <= p) and (left < 0 or j >= p - left)
                     and (right < 0 or j <= p + right) and mask(b, h, p, j)
        e[j] = exp(s[j]) where visible(j), else 0
        o[b, i, h, :] = sum_j e[j] * v[b, j, g, :] / (exp(sinks[h]) + sum_j e[j])
        lse[b, h, i] = log(sum_j e[j])

    Absent regions leave the score as it is and show every key; without
    `alibi_slopes` and `sinks` their terms are 0. A row that sees no key has o = 0 and
    lse = -inf. The score of a key that is not visible has no effect, NaN or not.

    With `sequences` b is one of several that lie behind each other in the only batch:
    rows q_starts[b] .. q_starts[b + 1] of q and o, k_starts[b] .. k_starts[b + 1] of k
    and v; i, j, Sq and Sk count within it. `q_offset` and `alibi_slopes` have one entry a
    sequence. Rows of no sequence are not written.

    With `lengths` k and v are caches with room for more: Sk is min(k_lengths[b], room).
    With `pages` the room is cut into pages, of `page size` keys each, that lie anywhere:
    key j of batch b is row j % size of page page_table[b, j / size] of k and v. What is
    not among the Sk keys has no effect and is not read, entries of the table
    included. A key of a page that does not exist has zeros in k and v. Of sequences of
    queries k has then a batch each, or pages, and there are no `k_starts`.

    With `blocks` of BQ rows x BK keys, row i of head h sees key j only where j / BK is among
    the first n + m entries of blocks[b, h, i / BQ], (n, m) = block_counts[b, h, i / BQ]; and
    `mask` is asked in the first n of them alone. No block is named twice. The lists are
    those of heads of q, or of k for all heads that read it.

    With `factors` k and v are those of a tensor product: in place of k[b, j, g, :] stands

        sum_r k_factors[b, j, g, r] * k[b, j, r, :]

    summed in f32 and rounded once to the dtype, and so for v. Axis 2 of k and v are ranks.

    k and v may be codes, as `nn.append_cache` leaves them: f8E4M3FN, f8E5M2, i8, or ui8
    with two integers of 4 bits. They stand for code * scale, with the scales `k_scales`
    and `v_scales` of each row and head, or for themselves without. Codes are exact in the
    dtype of q, which they are multiplied in; the scale of a key multiplies the f32 sum of
    its products, the scale of a value its e[j], times a power of two that is taken off o:
    `round(e[j] * v_scales[j] * F)` with F = 256, 32768, 64 and 4 for f8E4M3FN,
    f8E5M2, i8 and ui8.

    Products of q and k are exact and summed in the tensor cores' f32; scores,
    maxima and sums are f32. The e[j] are taken relative to the running maximum, so
    that they are at most 1, and rounded to the dtype of v before the second product,
    whose sums are f32; one division and one rounding end a row.

    The regions are scalar code over f32, i32 and i1. `score` takes (score, batch,
    head, position of the query, position of the key), `mask` all but the first. They
    read the tensors `captures` by `nn.element`.

    Constraints:
    - (C1) `q`, `k` and `v` are rank-4 tensors of one dtype, f16 or bf16, with
      extents batch, length, heads, head size, of which the last two are static; `k` and
      `v` may also be of codes (C17).
    - (C2) `k` has the head size of `q`, and its batch but for C14 to C16; `v` has the
      batch, length and heads of `k`; heads of `q` are a multiple of those of `k`.
    - (C3) head sizes of `q` and `v` are multiples of 8, from 8 to 576 of `q` and to 512
      of `v`.
    - (C4) `o` has the dtype, batch, length and heads of `q` and the head size of `v`. Where
      `v` is the value `k`, whose head C3 bounds as a key's, `o` may have a smaller one, by
      the rules for `v`: then the values are the first columns of `k`.
    - (C5) `lse`, when there, is f32: batch x heads x length of `q`.
    - (C6) `scale` is finite and greater than zero, `softcap` finite and at least zero.
    - (C7) `window` is two numbers, left and right, -1 (unbounded) to 2^30.
    - (C8) `q_offset`, when given, is one i32 a batch; `alibi_slopes` one f32 a head of
      `q`, or a batch and head; `sinks` one f32 a head of `q`.
    - (C9) `score` has arguments (f32, i32, i32, i32, i32) and yields f32; `mask`
      has (i32, i32, i32, i32) and yields i1.
    - (C10) the regions hold elementwise `arith` and `math` operations on scalars of
      f32, i32 and i1, constants, and `nn.element`, on values of the region itself.
    - (C11) `captures` have a rank of 1 to 4 and elements of f16, bf16, f32 or i32.
    - (C12) an attached schedule belongs to the family "attention".
    - (C13) where an attached problem gives strides of `q`, `k`, `v` or `o`, they are
      four, the last of them 1.
    - (C14) `q_starts` and `k_starts` come together but for C15, are i32 of one length, and
      the batch of `q` is 1.
    - (C15) `k_lengths`, when given, is one i32 a batch, of sequences one a sequence;
      `k` has as many batches, and there are no `k_starts`.
    - (C16) `page_table`, when given, is i32, batches x pages a batch, and comes with
      `k_lengths`; `k` is pages x page size x heads x head size with a static page size.
    - (C17) `block_counts` and `blocks` come together, with `block_size`, two numbers of at
      least 1, and without sequences; they are i32, batch x heads of q or k x blocks of
      rows x 2 and x entries.
    - (C18) `k_factors` and `v_factors` come together and without `page_table`; they have the
      dtype, batch and length of `k`, one number of heads, which divides that of `q`, and
      the ranks of `k` and `v`, 1 to 16 each.
    - (C19) codes are f8E4M3FN, f8E5M2, i8 or ui8, which has half the columns. Scales are
      f32 or f16 with the first three extents of their cache: of integers always, of 8-bit
      floats where there are any, of other caches none.

    ```mlir
    %o, %lse = nn.attention %q, %k, %v scale 0.125 causal
        : tensor<?x?x32x64xf16>, tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16>
        -> tensor<?x?x32x64xf16>, tensor<?x32x?xf32>
    %p = nn.attention %q, %pages, %pages lengths %n : tensor<?xi32> pages %t : tensor<?x?xi32>
        scale 0.125 causal
        : tensor<?x?x32x64xf16>, tensor<?x16x8x64xf16>, tensor<?x16x8x64xf16>
        -> tensor<?x?x32x64xf16>
    %b = nn.attention %q, %k, %v reads %documents : tensor<?x?xi32> scale 0.125
        : tensor<?x?x32x64xf16>, tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16>
        -> tensor<?x?x32x64xf16> mask {
      ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
        %0 = nn.element 0[%b, %i] : i32
        %1 = nn.element 0[%b, %j] : i32
        %2 = arith.cmpi eq, %0, %1 : i32
        nn.yield %2 : i1
    }
    ```
  }];
  let arguments = (ins
    AnyRankedTensor:$q, AnyRankedTensor:$k, AnyRankedTensor:$v,
    Optional<AnyRankedTensor>:$q_starts,
    Optional<AnyRankedTensor>:$k_starts,
    Optional<AnyRankedTensor>:$k_lengths,
    Optional<AnyRankedTensor>:$page_table,
    Optional<AnyRankedTensor>:$block_counts,
    Optional<AnyRankedTensor>:$blocks,
    Optional<AnyRankedTensor>:$k_factors,
    Optional<AnyRankedTensor>:$v_factors,
    Optional<AnyRankedTensor>:$k_scales, Optional<AnyRankedTensor>:$v_scales,
    Optional<AnyRankedTensor>:$q_offset,
    Optional<AnyRankedTensor>:$alibi_slopes,
    Optional<AnyRankedTensor>:$sinks,
    Variadic<AnyRankedTensor>:$captures,
    F32Attr:$scale,
    DefaultValuedAttr<F32Attr, "0.0f">:$softcap,
    UnitAttr:$causal,
    DefaultValuedAttr<DenseI64ArrayAttr, "{-1, -1}">:$window,
    OptionalAttr<DenseI64ArrayAttr>:$block_size,
    OptionalAttr<NN_ProblemAttr>:$problem,
    OptionalAttr<Tile_ScheduleAttr>:$schedule);
  let results = (outs AnyRankedTensor:$o, Optional<AnyRankedTensor>:$lse);
  let regions = (region AnyRegion:$score, AnyRegion:$mask);
  let assemblyFormat = [{
    $q `,` $k `,` $v
    (`sequences` $q_starts^ (`,` $k_starts^)? `:` type($q_starts) (`,` type($k_starts)^)?)?
    (`lengths` $k_lengths^ `:` type($k_lengths))? (`pages` $page_table^ `:` type($page_table))?
    (`blocks` $block_counts^ `,` $blocks `of` $block_size `:` type($block_counts) `,` type($blocks))?
    (`factors` $k_factors^ `,` $v_factors `:` type($k_factors) `,` type($v_factors))?
    (`key_scales` $k_scales^ `:` type($k_scales))?
    (`value_scales` $v_scales^ `:` type($v_scales))?
    (`offset` $q_offset^ `:` type($q_offset))?
    (`alibi` $alibi_slopes^ `:` type($alibi_slopes))? (`sinks` $sinks^ `:` type($sinks))?
    (`reads` $captures^ `:` type($captures))? `scale` $scale (`softcap` $softcap^)?
    (`causal` $causal^)? (`window` $window^)? attr-dict
    `:` type($q) `,` type($k) `,` type($v) `->` type($o) (`,` type($lse)^)?
    (`score` $score^)? (`mask` $mask^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTypeOf(::mlir::Value value) {
      return ::mlir::cast<::mlir::RankedTensorType>(value.getType());
    }
    int64_t getQueryHeads() { return getTypeOf(getQ()).getDimSize(2); }
    int64_t getKeyHeads() {
      return getTypeOf(getKFactors() ? getKFactors() : getK()).getDimSize(2);
    }
    /// Whether q is several sequences behind each other.
    bool hasSequences() { return bool(getQStarts()); }
    /// Batches, or sequences; dynamic where a launch knows.
    int64_t getBatches();
    /// Head size of q and k, and that of v and o.
    int64_t getHeadSize() { return getTypeOf(getQ()).getDimSize(3); }
    int64_t getValueSize() { return getTypeOf(getO()).getDimSize(3); }
    /// Whether the values are columns of k, its first: v is k, and neither codes nor factored.
    bool hasValuesInKeys();
  }];
}

def NN_ElementOp : NN_Op<"element", [Pure, HasParent<"AttentionOp">]> {
  let summary = "an element of a tensor that a region reads";
  let description = [{
    Reads the tensor number `capture` of the op's `captures` at arguments of the
    region: batch, head, positions of the query and of the key. Outside of the tensor
    elements are zero. Floats are extended to f32.

    Constraints:
    - (C1) there is a tensor of that number, and the result is i32 for a tensor of
      i32, else f32.
    - (C2) there is an index for each of its dimensions: arguments of the region, of
      the four that are indices, in their order.

    ```mlir
    %bias = nn.element 0[%h, %i, %j] : f32
    ```
  }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$capture, Variadic<I32>:$indices);
  let results = (outs AnyTypeOf<[F32, I32]>:$result);
  let assemblyFormat = "$capture `[` $indices `]` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def NN_YieldOp : NN_Op<"yield", [Pure, Terminator, ReturnLike, HasParent<"AttentionOp">]> {
  let summary = "the result of a region of nn.attention";
  let arguments = (ins AnyTypeOf<[F32, I1]>:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

def NN_MergeAttentionOp
    : NN_Op<"merge_attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "attention over parts of the keys, put together";
  let description = [{
    Part i is attention of the same queries over some of the keys, with its
    log-sum-exp. For each batch b, row s and head h:

        m = max_i lses[i][b, h, s]
        weight[i] = exp(lses[i][b, h, s] - m)
        o[b, s, h, :] = sum_i weight[i] * parts[i][b, s, h, :] / sum_i weight[i]
        lse[b, h, s] = m + log(sum_i weight[i])

    A part whose log-sum-exp is -inf saw no key: it has no effect, whatever its o
    holds. Where no part saw one, o = 0 and lse = -inf. So merging is associative
    and such a part is its identity. Sums are f32, in the order of the parts, with
    one division and one rounding.

    Constraints:
    - (C1) there are 1 to 16 parts, and as many log-sum-exps.
    - (C2) parts have one type: rank 4 of f16, bf16 or f32, batch x length x heads x
      head size, of which the last two are static.
    - (C3) log-sum-exps are f32: batch x heads x length.
    - (C4) `o` has the shape of a part, of f16, bf16 or f32; `lse`, when there, the
      type of the log-sum-exps.
    - (C5) an attached schedule belongs to the family "merge_attention".

    ```mlir
    %o, %lse = nn.merge_attention %o0, %o1 : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16>
        lse %l0, %l1 : tensor<?x8x?xf32>, tensor<?x8x?xf32>
        -> tensor<?x?x8x64xf16>, tensor<?x8x?xf32>
    ```
  }];
  let arguments = (ins
    Variadic<AnyRankedTensor>:$parts, Variadic<AnyRankedTensor>:$lses,
    OptionalAttr<NN_ProblemAttr>:$problem,
    OptionalAttr<Tile_ScheduleAttr>:$schedule);
  let results = (outs AnyRankedTensor:$o, Optional<AnyRankedTensor>:$lse);
  let assemblyFormat = [{
    $parts `:` type($parts) `lse` $lses `:` type($lses) attr-dict
    `->` type($o) (`,` type($lse)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    static constexpr size_t maxParts = 16;
  }];
}

//===----------------------------------------------------------------------===//
// Caches of keys and values
//===----------------------------------------------------------------------===//

def NN_AppendCacheOp : NN_Op<"append_cache", [Pure, AttrSizedOperandSegments]> {
  let summary = "new keys and values behind those of a cache";
  let description = [{
    Token i of batch b has the position `p = lengths[b] + i`. With the rotated part
    `c = rotary_start + d`, 0 <= d < R, of a head x at that position

        halves:       r[c] = x[c] * cos[p, d] - x[c + R / 2] * sin[p, d]
                      r[c + R / 2] = x[c + R / 2] * cos[p, d] + x[c] * sin[p, d]
        interleaved:  r[2d] = x[2d] * cos[p, d] - x[2d + 1] * sin[p, d]
                      r[2d + 1] = x[2d + 1] * cos[p, d] + x[2d] * sin[p, d]

    (d up to R / 2; interleaved columns count from `rotary_start`), other columns as
    they are, the results are

        k_cache, row of p in b: the rotated k[b, i, h, :]
        v_cache, row of p in b: v[b, i, h, :]
        rotated[b, i, h, :]: the rotated q[b, i, h, :]

    and the caches' other rows as they were; kernels write the rows in place. The row
    of p is k_cache[b, p], with `page_table` k_cache[page_table[b, p / page],
    p % page]. Without `rotary` k is taken as it is. A position that is negative or beyond the capacity, or
    whose page is none of the cache, is not written; beyond the tables cos and sin are 0.
    Two tokens of one row leave either. Products and their sum are f32, each rounded,
    with one rounding to the dtype of the result.

    A cache of 8-bit floats, i8 or ui8 holds codes: i8 integers from -127 to 127, ui8 two
    integers from -7 to 7 in a byte, the even column in the low half, two's complement. With
    scales, one a row and head, each row x of a head, rotated in f32, leaves

        scale = max |x| / largest, rounded to the dtype of the scales
        code = x / scale to nearest, ties to even, within -largest and largest

    with the largest code 448 (f8E4M3FN), 57344 (f8E5M2), 127 or 7; codes of a row whose
    scale is 0 are 0. Divisions are f32, correctly rounded. The scale of a row
    that holds NaN or infinity is one too, and its codes say nothing. 8-bit floats
    without scales are x itself, the largest number for those beyond.

    Constraints:
    - (C1) there are `k` with its cache, `q`, or both; `v` with its cache comes beside `k`.
    - (C2) `k`, `v` and `q` are rank-4 tensors of one dtype, f16 or bf16, with extents
      batch, tokens, heads, head size, of which the last two are static; `v` has the
      heads of `k`, all have one batch and number of tokens.
    - (C3) head sizes are multiples of 8, from 8 to 1024.
    - (C4) a cache is a rank-4 tensor of the dtype of its rows, f8E4M3FN, f8E5M2, i8 or
      ui8, which has half the columns: batch, capacity, heads, head size; with `page_table` number of pages, page size, heads, head size. Both
      caches agree in the first three.
    - (C5) `lengths` is one i32 a batch; `page_table` i32, a row a batch.
    - (C6) `cos` and `sin` come together, of one type, f32 or the dtype of what they
      rotate: positions x R / 2. R is a multiple of 16; `rotary_start` a multiple of 8;
      the part they describe lies in the heads of `k` and `q`. `q` needs them.
    - (C7) the results are the caches, their scales, and the rotated q, each of its type,
      in that order, those that there are.
    - (C8) an attached schedule belongs to the family "append_cache".
    - (C9) where an attached problem gives strides of an operand, there is one for
      each axis, the last of them 1.
    - (C10) scales are f32 or f16 with the first three extents of their cache: of
      integers always, of 8-bit floats where there are any, of other caches none.

    ```mlir
    %kc, %vc = nn.append_cache lengths %n : tensor<?xi32>
        keys %k into %k_cache : tensor<?x?x8x128xf16>, tensor<?x?x8x128xf16>
        values %v into %v_cache : tensor<?x?x8x128xf16>, tensor<?x?x8x128xf16>
        pages %table : tensor<?x?xi32>
        rotary %cos, %sin : tensor<?x64xf32>, tensor<?x64xf32>
        -> tensor<?x?x8x128xf16>, tensor<?x?x8x128xf16>
    ```
  }];
  let arguments = (ins
    AnyRankedTensor:$lengths,
    Optional<AnyRankedTensor>:$k, Optional<AnyRankedTensor>:$k_cache,
    Optional<AnyRankedTensor>:$v, Optional<AnyRankedTensor>:$v_cache,
    Optional<AnyRankedTensor>:$k_scales, Optional<AnyRankedTensor>:$v_scales,
    Optional<AnyRankedTensor>:$q,
    Optional<AnyRankedTensor>:$page_table,
    Optional<AnyRankedTensor>:$cos, Optional<AnyRankedTensor>:$sin,
    UnitAttr:$interleaved,
    DefaultValuedAttr<I64Attr, "0">:$rotary_start,
    OptionalAttr<NN_ProblemAttr>:$problem,
    OptionalAttr<Tile_ScheduleAttr>:$schedule);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `lengths` $lengths `:` type($lengths)
    (`keys` $k^ `into` $k_cache `:` type($k) `,` type($k_cache))?
    (`values` $v^ `into` $v_cache `:` type($v) `,` type($v_cache))?
    (`key_scales` $k_scales^ `:` type($k_scales))?
    (`value_scales` $v_scales^ `:` type($v_scales))?
    (`queries` $q^ `:` type($q))? (`pages` $page_table^ `:` type($page_table))?
    (`rotary` $cos^ `,` $sin `:` type($cos) `,` type($sin))?
    (`interleaved` $interleaved^)? (`from` $rotary_start^)? attr-dict `->` type($results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    static constexpr int64_t headStep = 8, largestHead = 1024, rotaryStep = 16;
    /// Columns that are rotated; 0 without `rotary`.
    int64_t getRotarySize() {
      return getCos() ? 2 * ::mlir::cast<::mlir::RankedTensorType>(getCos().getType()).getDimSize(1)
                      : 0;
    }
  }];
}

def NN_PackOp : NN_Op<"pack", [Pure]> {
  let summary = "codes of weights as packed words";
  let description = [{
    The words of the storage layout (`dialects/Support/Layout/Packing.h`) that hold the
    lower `bits` of the codes, N x K of them, K x N with `along_n`. Padding holds code 0. The
    host's packer makes the same bytes.

    Constraints:
    - (C1) `codes` is a static rank-2 tensor of i8 with elements.
    - (C2) `bits` is 1 to 8; `storage` is "words", "nested" or "stack", and
      `activations` "16-bit" or, with "words", "8-bit".
    - (C3) `words` is i32: ceil(N / 32) x ceil(K / 128) x 128 * bits, for storage in
      planes bits x ceil(N / 32) x ceil(K / 128) x 128.
    - (C4) an attached schedule belongs to the family "pack".

    ```mlir
    %w = nn.pack %codes bits 4 : tensor<64x256xi8> -> tensor<2x2x512xi32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$codes, I64Attr:$bits,
    DefaultValuedAttr<StrAttr, "\"words\"">:$storage,
    DefaultValuedAttr<StrAttr, "\"16-bit\"">:$activations,
    UnitAttr:$along_n,
    OptionalAttr<NN_ProblemAttr>:$problem,
    OptionalAttr<Tile_ScheduleAttr>:$schedule);
  let results = (outs AnyRankedTensor:$words);
  let assemblyFormat = [{
    $codes `bits` $bits (`as` $storage^)? (`for` $activations^)? attr-dict
    `:` type($codes) `->` type($words)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getK();
    int64_t getN();
  }];
}

#endif
