//===- TileGPUDialect.td - How, per thread: dialect, types, attributes ------===//
#ifndef TILEWRIGHT_DIALECTS_TILEGPU_TILEGPUDIALECT
#define TILEWRIGHT_DIALECTS_TILEGPU_TILEGPUDIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def TileGPU_Dialect : Dialect {
  let name = "tilegpu";
  let cppNamespace = "::tilewright::tilegpu";
  let summary = "how, per thread: layouts, shared memory, asynchrony, mma";
  let description = [{
    The level at which tensors carry a `#tilegpu.layout` (which thread and
    register holds which element), shared memory is explicit
    (`!tilegpu.memdesc`), copies are asynchronous and products are mma. The
    `tile` ops that read, write and reshape tiles go on here with encoded
    tensors; this dialect adds only what has no meaning without threads.

    On exit every op lowers to a fixed sequence of instructions.
  }];
  let dependentDialects = ["::tilewright::tile::TileDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

def TileGPU_LayoutAttr : AttrDef<TileGPU_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "which register, lane and warp holds which element of a tile";
  let description = [{
    A linear map over F2 with an outer repetition; see
    `dialects/Support/Layout/LinearLayout.h`. Layouts that a named constructor
    makes print as that constructor; all others as their bases. Two spellings
    of one layout are the same attribute.

    ```mlir
    #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>
    #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>
    #tilegpu.layout<register = [[0, 1], [8, 0]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], [4, 0]],
                    warp = [], repeat = [1, 1]>
    ```
  }];
  // Bases flattened: rank entries a basis.
  let parameters = (ins
    "unsigned":$rank,
    ArrayRefParameter<"int32_t">:$registers,
    ArrayRefParameter<"int32_t">:$lanes,
    ArrayRefParameter<"int32_t">:$warps,
    ArrayRefParameter<"int64_t">:$repeat);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    static LayoutAttr get(::mlir::MLIRContext *context,
                          const ::tilewright::layout::LinearLayout &layout);
    ::tilewright::layout::LinearLayout getLayout() const;
  }];
}

def TileGPU_SharedAttr : AttrDef<TileGPU_Dialect, "Shared"> {
  let mnemonic = "shared";
  let summary = "where a tile's bytes lie in shared memory";
  let description = [{
    Row-major with one XOR swizzle of 0, 32, 64 or 128 bytes; see
    `dialects/Support/Layout/SharedLayout.h`.
  }];
  let parameters = (ins "unsigned":$swizzle);
  let assemblyFormat = "`<` `swizzle` `=` $swizzle `>`";
  let genVerifyDecl = 1;
}

def TileGPU_PackedAttr : AttrDef<TileGPU_Dialect, "Packed"> {
  let mnemonic = "packed";
  let summary = "how a thread's words hold the codes of its mma operand registers";
  let description = [{
    `bits` wide codes in words of storage layout `version`, stored with `bias`
    added; or floats or indices of `format`, as their bits; or nested codes of
    `format`, in planes. The op that uses it proves that unpacking the words of
    each thread yields exactly the elements its operand registers must hold.
  }];
  let parameters = (ins
    "unsigned":$bits,
    OptionalParameter<"::mlir::StringAttr">:$format,
    "int64_t":$bias,
    DefaultValuedParameter<"unsigned", "1">:$version);
  let assemblyFormat = [{
    `<` `bits` `=` $bits (`as` $format^)? `,` `bias` `=` $bias (`,` `version` `=` $version^)? `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// What unpacks the codes to values of type f16, bf16, i8 or ui8.
    const ::tilewright::layout::UnpackProgram &getUnpackProgram(::mlir::Type value) const;
    /// Whether a plane holds one bit of each code.
    bool hasPlanes() const;
    /// How the words of a fragment hold codes that become values of that type.
    const ::tilewright::layout::WordLayout &getWordLayout(::mlir::Type value) const;
  }];
}

def TileGPU_MemDescType : TypeDef<TileGPU_Dialect, "MemDesc"> {
  let mnemonic = "memdesc";
  let summary = "a tile in shared memory";
  let description = [{
    A multi-buffer has several slots of the tile:

    ```mlir
    !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>>
    !tilegpu.memdesc<slots = 4, 16x128xf16, #tilegpu.shared<swizzle = 128>>
    ```
  }];
  let parameters = (ins
    "int64_t":$slots,
    ArrayRefParameter<"int64_t">:$shape,
    "::mlir::Type":$elementType,
    "::tilewright::tilegpu::SharedAttr":$shared);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bytes of one slot.
    int64_t getSlotBytes() const;
    /// Bytes of a row: the last dimension.
    int64_t getRowBytes() const;
    /// Rows: the product of all dimensions but the last.
    int64_t getNumRows() const;
    /// The same tile without its slots.
    MemDescType getSlotType() const;
  }];
}

#endif
