//===- TileAttributes.td - Tile programs: dialect, types, attributes --------===//
#ifndef TILEWRIGHT_DIALECTS_TILE_TILEATTRIBUTES
#define TILEWRIGHT_DIALECTS_TILE_TILEATTRIBUTES

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::tilewright::tile";
  let summary = "how, per block: values that a block of threads owns together";
  let description = [{
    A tile program is a `func.func` marked `tile.kernel` whose parameters are
    pointers and integers. Its body is written for one block of threads:
    `tensor`s are block-level values without a layout, `!tile.view`s describe
    global memory. Elementwise work is `arith` and `math` on tensors, control
    flow is `scf`.

    On entry to the layout phase tensors have no encoding; after it every
    tensor has a `#tilegpu.layout` and the same `tile` ops go on, now with a
    meaning per thread.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

class Tile_Attr<string name, string mnemonic_> : AttrDef<Tile_Dialect, name> {
  let mnemonic = mnemonic_;
}

def Tile_ScheduleAttr : Tile_Attr<"Schedule", "schedule"> {
  let summary = "the tuning parameters of one kernel";
  let description = [{
    A family and named integers, chosen by the driver, put on the `nn` op and
    copied to the program by `expand-nn`.

    ```mlir
    #tile.schedule<"quant_matmul", {split_k = 4, stages = 4, tile_k = 128, tile_m = 16,
                                    tile_n = 64, warps_m = 1, warps_n = 2}>
    ```
  }];
  let parameters = (ins StringRefParameter<"family">:$family,
                        "::mlir::DictionaryAttr":$parameters);
  let assemblyFormat = "`<` $family `,` $parameters `>`";
  let genVerifyDecl = 1;
}

def Tile_ParameterKind : I32EnumAttr<"ParameterKind", "what a kernel parameter is", [
    I32EnumAttrCase<"Pointer", 0, "pointer">,
    I32EnumAttrCase<"Dimension", 1, "dimension">,
    I32EnumAttrCase<"Stride", 2, "stride">,
    I32EnumAttrCase<"Workspace", 3, "workspace">,
    I32EnumAttrCase<"Scalar", 4, "scalar">]> {
  let cppNamespace = "::tilewright::tile";
  let genSpecializedAttr = 0;
}

def Tile_ParameterAttr : Tile_Attr<"Parameter", "parameter"> {
  let summary = "what the launcher passes for one function argument";
  let description = [{
    Attached to each argument as `tile.parameter`. `dtype` names the elements of
    a pointer, or what a scalar is; `axis` is the dimension of a stride; `align` the
    required alignment of a pointer in bytes; `written` says that the kernel stores to it,
    `updated` that it stores to parts of it and the rest keeps its values: a written
    operand that is not updated may hold anything before a launch. A scalar is a number
    that a launch chooses, as into how many parts work is cut.
  }];
  let parameters = (ins
    "::tilewright::tile::ParameterKind":$kind,
    StringRefParameter<"name">:$name,
    StringRefParameter<"element type", "\"\"">:$dtype,
    DefaultValuedParameter<"unsigned", "0">:$axis,
    DefaultValuedParameter<"unsigned", "1">:$align,
    DefaultValuedParameter<"bool", "false">:$written,
    DefaultValuedParameter<"bool", "false">:$updated);
  let hasCustomAssemblyFormat = 1;
}

def Tile_ReduceKind : I32EnumAttr<"ReduceKind", "what a reduction does", [
    I32EnumAttrCase<"Add", 0, "add">,
    I32EnumAttrCase<"Max", 1, "max">,
    I32EnumAttrCase<"Min", 2, "min">]> {
  let cppNamespace = "::tilewright::tile";
}

def Tile_WorkspaceAttr : Tile_Attr<"Workspace", "workspace"> {
  let summary = "scratch memory the launcher provides";
  let description = [{
    `bytes` is an integer expression over the dimensions and integer scalars. `zeroed`: holds zeros
    before the first launch. `reset`: the kernel leaves it zeroed.
  }];
  let parameters = (ins
    StringRefParameter<"name">:$name,
    StringRefParameter<"bytes">:$bytes,
    DefaultValuedParameter<"bool", "false">:$zeroed,
    DefaultValuedParameter<"bool", "false">:$reset);
  let assemblyFormat = "`<` $name `,` `bytes` `=` $bytes (`,` `zeroed` `=` $zeroed^)? "
                       "(`,` `reset` `=` $reset^)? `>`";
}

def Tile_KernelAttr : Tile_Attr<"Kernel", "kernel"> {
  let summary = "how a program is launched";
  let description = [{
    Attached to the function as `tile.kernel`. The grid is three integer
    expressions over the dimensions and integer scalars; `warps` is the size of a block.
  }];
  let parameters = (ins
    "::mlir::ArrayAttr":$grid,
    "unsigned":$warps,
    OptionalArrayRefParameter<"::tilewright::tile::WorkspaceAttr">:$workspaces);
  let assemblyFormat = [{
    `<` `grid` `=` $grid `,` `warps` `=` $warps (`,` `workspaces` `=` `[` $workspaces^ `]`)? `>`
  }];
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

def Tile_PtrType : TypeDef<Tile_Dialect, "Ptr"> {
  let mnemonic = "ptr";
  let summary = "an address in global memory";
}

def Tile_ViewType : TypeDef<Tile_Dialect, "View"> {
  let mnemonic = "view";
  let summary = "a strided tensor in global memory";
  let description = [{
    Extents and strides are static or `?`; strides count elements. `align` is
    the alignment of the base address in bytes.

    ```mlir
    !tile.view<?x4096xf16, strides = [4096, 1], align = 16>
    ```
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t">:$shape,
    "::mlir::Type":$elementType,
    ArrayRefParameter<"int64_t">:$strides,
    "unsigned":$align);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    unsigned getRank() const { return getShape().size(); }
    unsigned getNumDynamicSizes() const;
    unsigned getNumDynamicStrides() const;
  }];
}

#endif
