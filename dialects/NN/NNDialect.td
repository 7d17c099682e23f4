//===- NNDialect.td - What to compute: dialect, types, attributes ----------===//
#ifndef TILEWRIGHT_DIALECTS_NN_NNDIALECT
#define TILEWRIGHT_DIALECTS_NN_NNDIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::tilewright::nn";
  let summary = "what to compute, on whole tensors of model dtypes";
  let description = [{
    The entry level. An `nn` op names a computation a model author knows
    (a quantised matrix product, attention, routing) on builtin `tensor`s and
    packed weights. It says nothing about blocks, memory or threads.

    On entry: a function holds one `nn` op with its `#nn.problem` (what may be
    specialised on) and `#tile.schedule` (the tuning parameters the driver
    chose). On exit from `expand-nn`: no `nn` op is left; the function is a
    `tile` program.

    Every op states its semantics as numbered constraints (C1, C2, ...); a
    number is cited at its check in the verifier and in its negative test.
  }];
  let dependentDialects = ["::tilewright::tile::TileDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

class NN_Attr<string name, string mnemonic_, list<Trait> traits = []>
    : AttrDef<NN_Dialect, name, traits> {
  let mnemonic = mnemonic_;
}

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

def NN_ZeroPoint : I32EnumAttr<"ZeroPoint", "how zero points enter a weight", [
    I32EnumAttrCase<"None", 0, "none">,
    I32EnumAttrCase<"Integer", 1, "integer">,
    I32EnumAttrCase<"Float", 2, "float">,
    I32EnumAttrCase<"Offset", 3, "offset">]> {
  let cppNamespace = "::tilewright::nn";
  let genSpecializedAttr = 0;
}
def NN_ZeroPointAttr : EnumAttr<NN_Dialect, NN_ZeroPoint, "zero_point"> {
  let assemblyFormat = "`<` $value `>`";
}

def NN_Activation : I32EnumAttr<"Activation", "function applied to the result", [
    I32EnumAttrCase<"None", 0, "none">,
    I32EnumAttrCase<"ReLU", 1, "relu">,
    I32EnumAttrCase<"GELU", 2, "gelu">,
    I32EnumAttrCase<"SiLU", 3, "silu">,
    I32EnumAttrCase<"SwiGLU", 4, "swiglu">]> {
  let cppNamespace = "::tilewright::nn";
  let genSpecializedAttr = 0;
}
def NN_ActivationAttr : EnumAttr<NN_Dialect, NN_Activation, "activation"> {
  let assemblyFormat = "`<` $value `>`";
}

def NN_QFormatAttr : NN_Attr<"QFormat", "qformat"> {
  let summary = "how a weight matrix is quantised";
  let description = [{
    Codes `q` of the number format `code`, a name in the table of formats; the
    numbers they stand for where they are not integers. `nested8.4` is the top
    four bits of eight, `stack` a sum of `planes` weights of one bit each: how many
    is for the launch to say, and each plane has scales of its own.
    One scale `s` of the format
    `scale` (`f16`, `bf16`, `f32`, `e8m0`, `e4m3`, `ue5m3`) and at most one zero
    point `z` for each group of weights:

    | `group` | weights of a group |
    |---|---|
    | `128` | that many consecutive rows of K, a multiple of 16, of one column |
    | `channel` | all of a column |
    | `128x64` | those rows of that many columns, 1 or a multiple of 8 |
    | `tensor` | all |

    | `zero` | weight | zero points |
    |---|---|---|
    | `none` | `q * s` | |
    | `integer` | `(q - z) * s` | codes of the format |
    | `float : T` | `(q - z) * s` | numbers of `T`: f16, bf16 or f32 |
    | `offset : T` | `q * s + z` | numbers of `T`: f16, bf16 or f32 |

    With `tensor_scale` one f32 number multiplies every weight beside. The last
    group of a column or row may be short. Signed codes and their integer zero
    points are stored biased by 2^(bits-1).

    ```mlir
    #nn.qformat<u4, group = 128, scale = f16>
    #nn.qformat<u8, group = channel, scale = bf16, zero = integer>
    #nn.qformat<i8, group = 128x128, scale = f32>
    #nn.qformat<u4, group = 64, scale = f16, zero = offset : f16>
    #nn.qformat<i4, group = 16, scale = e4m3, tensor_scale>
    #nn.qformat<nested8.4, group = 128, scale = f16, zero = offset : f16>
    #nn.qformat<stack, group = 128, scale = f16>
    ```
  }];
  let parameters = (ins
    StringRefParameter<"name of the codes' number format">:$code,
    "::tilewright::format::Granularity":$granularity,
    StringRefParameter<"name of the scales' number format">:$scale,
    "::tilewright::nn::ZeroPoint":$zero,
    StringRefParameter<"name of the zero points' number format; u8 for integers">:$zeroType,
    "bool":$tensorScale);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The row of `code` in the table of formats.
    const ::tilewright::format::Format &getCodeFormat() const;
    unsigned getBits() const { return getCodeFormat().bits; }
    /// The rule of `zero`, as the parts without MLIR know it.
    ::tilewright::format::Zero getZeroRule() const {
      return ::tilewright::format::Zero(unsigned(getZero()));
    }
    bool hasZeros() const { return getZero() != ZeroPoint::None; }
    bool hasFloatZeros() const { return ::tilewright::format::isFloat(getZeroRule()); }
  }];
}

//===----------------------------------------------------------------------===//
// Problem
//===----------------------------------------------------------------------===//

def NN_DimensionAttr : NN_Attr<"Dimension", "dim"> {
  let summary = "a named extent: static, or dynamic and a multiple of `divisor`";
  let parameters = (ins
    StringRefParameter<"name">:$name,
    "int64_t":$extent,
    DefaultValuedParameter<"int64_t", "1">:$divisor);
  let assemblyFormat =
      "`<` $name `=` custom<Extent>($extent) (`,` `divisor` `=` $divisor^)? `>`";
}

def NN_OperandAttr : NN_Attr<"Operand", "operand"> {
  let summary = "how a tensor argument lies in memory";
  let description = [{
    Strides in elements, `?` for one known at launch; `alignment` of the base
    address in bytes (1..16, a power of two).
  }];
  let parameters = (ins
    StringRefParameter<"name">:$name,
    ArrayRefParameter<"int64_t">:$strides,
    "unsigned":$alignment);
  let assemblyFormat =
      "`<` $name `,` `strides` `=` custom<Extents>($strides) `,` `align` `=` $alignment `>`";
  let genVerifyDecl = 1;
}

def NN_ProblemAttr : NN_Attr<"Problem", "problem"> {
  let summary = "what the code of an op may be specialised on";
  let description = [{
    Beside the types of the op: which dimensions are static, dynamic or
    multiples of a number, each operand's strides and base alignment, and the
    width of index arithmetic. Its hash is the specialisation key.
  }];
  let parameters = (ins
    ArrayRefParameter<"::tilewright::nn::DimensionAttr">:$dims,
    ArrayRefParameter<"::tilewright::nn::OperandAttr">:$operands,
    DefaultValuedParameter<"unsigned", "32">:$index);
  let assemblyFormat = [{
    `<` `dims` `=` `[` $dims `]` `,` `operands` `=` `[` $operands `]` (`,` `index` `=` $index^)? `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The dimension or operand of that name; null when there is none.
    ::tilewright::nn::DimensionAttr findDim(::llvm::StringRef name) const;
    ::tilewright::nn::OperandAttr findOperand(::llvm::StringRef name) const;
  }];
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

def NN_QuantizedType : TypeDef<NN_Dialect, "Quantized"> {
  let mnemonic = "quantized";
  let summary = "a packed K x N weight matrix, or a batch of them";
  let description = [{
    Weights in the packed storage layout of their width (docs/quantisation.md),
    with their scales and zero points. The matrices of a batch follow each other,
    and so do their tables.

    ```mlir
    !nn.quantized<1024x4096, #nn.qformat<u4, group = 128, scale = f16>>
    !nn.quantized<8x1024x4096, #nn.qformat<u4, group = 128, scale = f16>>
    ```
  }];
  let parameters = (ins "int64_t":$k, "int64_t":$n, "::tilewright::nn::QFormatAttr":$format,
                        "int64_t":$batch);
  let extraClassDeclaration = [{
    /// Whether it is a batch of matrices; `batch` is 0 where it is not.
    bool hasBatch() const { return getBatch() > 0; }
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif
