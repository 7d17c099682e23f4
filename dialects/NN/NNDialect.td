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

def NN_ZeroPoint : I32EnumAttr<"ZeroPoint", "how zero points are given", [
    I32EnumAttrCase<"None", 0, "none">,
    I32EnumAttrCase<"Integer", 1, "integer">]> {
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
    Codes `q` of the number format `code`, a name in the table of formats, one
    scale `s` (of type `scale`) for every `group` consecutive rows along K, and
    optionally one integer zero point `z` a group: `w = (q - z) * s`. `group = 0`
    is one group for the whole of K ("channel"). The last group may be short.
    Signed codes and their zero points are stored biased by 2^(bits-1).

    ```mlir
    #nn.qformat<u4, group = 128, scale = f16>
    #nn.qformat<u8, group = channel, scale = bf16, zero = integer>
    ```
  }];
  let parameters = (ins
    StringRefParameter<"name of the codes' number format">:$code,
    "int64_t":$group,
    "::mlir::Type":$scale,
    "::tilewright::nn::ZeroPoint":$zero);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The row of `code` in the table of formats.
    const ::tilewright::format::Format &getCodeFormat() const;
    unsigned getBits() const { return getCodeFormat().bits; }
    bool isChannel() const { return getGroup() == 0; }
    /// Groups along a K of `k` rows.
    int64_t getNumGroups(int64_t k) const {
      return isChannel() ? 1 : (k + getGroup() - 1) / getGroup();
    }
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
  let summary = "a packed K x N weight matrix";
  let description = [{
    Weights in the packed storage layout of their width (docs/quantisation.md),
    with their scales and zero points.

    ```mlir
    !nn.quantized<1024x4096, #nn.qformat<u4, group = 128, scale = f16>>
    ```
  }];
  let parameters = (ins "int64_t":$k, "int64_t":$n, "::tilewright::nn::QFormatAttr":$format);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif
