//===- NNOps.td - Operations on whole tensors -------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_NN_NNOPS
#define TILEWRIGHT_DIALECTS_NN_NNOPS

include "dialects/NN/NNDialect.td"
include "dialects/Tile/TileAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

/// What every matrix product has beside its weights. The order of operands is
/// x, w, then these.
defvar NN_EpilogueArguments = (ins
    Optional<AnyRankedTensor>:$bias,
    Optional<AnyRankedTensor>:$row_scale,
    Optional<AnyRankedTensor>:$column_scale,
    Optional<AnyRankedTensor>:$residual,
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
        y[m, n] = v[m, n] + residual[m, n]

    Products are of exact values `q - z` in the activation dtype (`q` where `z` is
    floating point: then z multiplies the sum of x), sums, scales and the rest in
    f32, one rounding to the result dtype at the end. The activation
    `swiglu` takes pairs of columns, gate and up: `v[m, j] = silu(a[m, 2j]) *
    a[m, 2j + 1]`, so that y has N / 2 columns.

    Constraints:
    - (C1) `x` is a rank-2 tensor of f16 or bf16.
    - (C2) the columns of `x` are the rows of `w` (K), and K is static.
    - (C3) `y` is rank 2 of f16, bf16 or f32, with the rows of `x` and the
      columns of `w`, half of them with `swiglu`, which needs an even N.
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
    - (C2) `w` is a static rank-2 tensor of the dtype of `x`, K x N, or N x K
      with `transpose_w`, which 8-bit types need; K is the columns of `x`.
    - (C3) to (C9) as for `nn.quant_matmul`, with the family "matmul"; C6 also
      for `w`.

    ```mlir
    %y = nn.matmul %x, %w bias %b {transpose_w}
        : tensor<?x384xf16>, tensor<1536x384xf16>, tensor<1536xf16> -> tensor<?x1536xf16>
    ```
  }];
  let extraClassDeclaration = [{
    int64_t getK();
    int64_t getN();
  }];
}

#endif
