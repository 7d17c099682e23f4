//===- NNOps.td - Operations on whole tensors -------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_NN_NNOPS
#define TILEWRIGHT_DIALECTS_NN_NNOPS

include "dialects/NN/NNDialect.td"
include "dialects/Tile/TileAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

def NN_QuantMatmulOp : NN_Op<"quant_matmul", [Pure]> {
  let summary = "matrix product with packed low-bit weights";
  let description = [{
    `y[m, n] = activation(sum_g s[g, n] * sum_{k in g} x[m, k] * (q[k, n] - z[g, n])
              + bias[n])`

    Products are of exact values `q - z` in the activation dtype, sums and
    scales in f32, one rounding to the result dtype at the end.

    Constraints:
    - (C1) `x` is a rank-2 tensor of f16 or bf16.
    - (C2) the columns of `x` are the rows of `w` (K), and K is static.
    - (C3) `y` is rank 2 of f16, bf16 or f32, with the rows of `x` and the
      columns of `w`.
    - (C4) `bias`, when given, is a rank-1 tensor of N elements of f16, bf16 or
      f32.
    - (C5) an attached schedule belongs to the family "quant_matmul".
    - (C6) where an attached problem gives strides of `x` or `y`, they are one
      of rows and one of columns; columns are contiguous (1), rows of `y` do
      not overlap.
    - (C7) where an attached problem names "M", that is the rows of `x`.

    ```mlir
    %y = nn.quant_matmul %x, %w bias %b {activation = #nn.activation<gelu>}
        : tensor<?x384xf16>, !nn.quantized<384x1536, #nn.qformat<u4, group = 128, scale = f16>>,
          tensor<1536xf16> -> tensor<?x1536xf16>
    ```
  }];
  let arguments = (ins
    AnyRankedTensor:$x,
    NN_QuantizedType:$w,
    Optional<AnyRankedTensor>:$bias,
    DefaultValuedAttr<NN_ActivationAttr, "::tilewright::nn::Activation::None">:$activation,
    OptionalAttr<NN_ProblemAttr>:$problem,
    OptionalAttr<Tile_ScheduleAttr>:$schedule);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = [{
    $x `,` $w (`bias` $bias^)? attr-dict `:` type($x) `,` type($w) (`,` type($bias)^)?
    `->` type($y)
  }];
  let hasVerifier = 1;
}

#endif
