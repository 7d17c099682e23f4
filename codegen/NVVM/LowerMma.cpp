//===- LowerMma.cpp - ldmatrix and mma.sync -----------------------------------===//
//
// Part of the lowering to nvvm (PTX ISA, "Warp-level matrix instructions").
// Products are emitted K step by K step, so that few operand registers live at
// a time.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;

/// Two 16-bit elements as the 32-bit register an instruction takes: f16 pairs
/// as vector<2xf16>, bf16 pairs as i32.
static Value pack(Emitter &emit, Value low, Value high) {
  OpBuilder &builder = emit.builder;
  Type pair = VectorType::get(2, low.getType());
  Value value = LLVM::UndefOp::create(builder, emit.loc, pair);
  value = LLVM::InsertElementOp::create(builder, emit.loc, value, low, emit.i32(0));
  value = LLVM::InsertElementOp::create(builder, emit.loc, value, high, emit.i32(1));
  if (low.getType().isF16())
    return value;
  return LLVM::BitcastOp::create(builder, emit.loc, builder.getI32Type(), value);
}

namespace {
/// The registers of one tile operand, read by coordinates of thread 0.
struct Registers {
  Registers(const LinearLayout &layout, ValueRange values) : map(layout), values(values) {}
  Value at(int64_t row, int64_t column) { return values[map.at({row, column})]; }
  RegisterMap map;
  ValueRange values;
};

struct LowerMma : OpConversionPattern<tilegpu::MmaOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::MmaOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter emit(rewriter, op.getLoc());
    LinearLayout layout = tilegpu::getLayout(op.getC());
    Registers a(tilegpu::getLayout(op.getA()), adaptor.getA());
    Registers b(tilegpu::getLayout(op.getB()), adaptor.getB());
    RegisterMap c(layout);
    SmallVector<Value> sums(adaptor.getC());
    int64_t depth = cast<RankedTensorType>(op.getA().getType()).getDimSize(1);
    for (int64_t k = 0; k < depth; k += 16)
      for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; ++reg) {
        // One instruction for each 16x8 fragment of thread 0.
        layout::Coordinates at = layout.apply(reg, 0, 0);
        if (at[0] % 16 == 0 && at[1] % 8 == 0)
          emitMma(emit, a, b, c, at[0], at[1], k, sums);
      }
    rewriter.replaceOpWithMultiple(op, {sums});
    return success();
  }

private:
  /// sums(16x8 at row, column) += a(16x16) * b(16x8).
  static void emitMma(Emitter &emit, Registers &a, Registers &b, RegisterMap &c, int64_t row,
                      int64_t column, int64_t k, SmallVectorImpl<Value> &sums) {
    OpBuilder &builder = emit.builder;
    SmallVector<Value> aOperands, bOperands, cOperands;
    for (int64_t dk : {0, 8})
      for (int64_t dm : {0, 8})
        aOperands.push_back(pack(emit, a.at(row + dm, k + dk), a.at(row + dm, k + dk + 1)));
    for (int64_t dk : {0, 8})
      bOperands.push_back(pack(emit, b.at(k + dk, column), b.at(k + dk + 1, column)));
    unsigned accumulators[] = {c.at({row, column}), c.at({row, column + 1}),
                               c.at({row + 8, column}), c.at({row + 8, column + 1})};
    for (unsigned reg : accumulators)
      cOperands.push_back(sums[reg]);
    Type f32 = builder.getF32Type();
    Type result = LLVM::LLVMStructType::getLiteral(builder.getContext(), {f32, f32, f32, f32});
    NVVM::MMATypes type =
        a.values.front().getType().isF16() ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
    Value product = NVVM::MmaOp::create(
        builder, emit.loc, result, aOperands, bOperands, cOperands, ArrayRef<int64_t>{16, 8, 16},
        std::nullopt, std::nullopt, std::array<NVVM::MMATypes, 2>{type, type},
        std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
    for (auto [i, reg] : llvm::enumerate(accumulators))
      sums[reg] = LLVM::ExtractValueOp::create(builder, emit.loc, product, i);
  }
};

//===----------------------------------------------------------------------===//
// ldmatrix
//===----------------------------------------------------------------------===//

/// The layout is operand A of some arrangement of warps.
static bool isOperandA(const LinearLayout &layout) {
  SmallVector<int64_t> shape(layout.getShape());
  int64_t warps = layout.getNumWarps();
  if (shape.size() != 2 || layout.getNumLanes() != 32 || shape[0] % 16 || shape[1] % 16)
    return false;
  for (int64_t rows = 1; rows <= warps && shape[0] % (16 * rows) == 0; rows *= 2)
    if (layout::mmaOperand(0, shape, {rows, warps / rows}) == layout)
      return true;
  return false;
}

/// Reads A fragments (16x16, four 8x8 matrices) with ldmatrix.x4. Lane l gives
/// the address of row l % 16, columns 8 * (l / 16) .. + 7 of the fragment.
struct LowerLoadOperandA : OpConversionPattern<tilegpu::LocalLoadOp> {
  LowerLoadOperandA(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern(converter, context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(tilegpu::LocalLoadOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    tilegpu::MemDescType type = op.getMemory().getType();
    LinearLayout layout = tilegpu::getLayout(op.getTile());
    if (type.getElementType().getIntOrFloatBitWidth() != 16 || !isOperandA(layout) ||
        type.getRowBytes() % 16 || op.getOffsets()[1] % 8)
      return rewriter.notifyMatchFailure(op, "not a fragment of 16-bit elements");
    Emitter emit(rewriter, op.getLoc());
    RegisterMap map(layout);
    Value lane = emit.laneId();
    Value row = emit.add(emit.bitAnd(lane, emit.i32(15)), emitWarpCoordinate(emit, layout, 0));
    Value half = emit.shiftLeft(emit.shiftRight(lane, 4), 4); // bytes: 0 or 16
    SmallVector<Value> registers(layout.getNumRegisters());
    for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; ++reg) {
      layout::Coordinates at = layout.apply(reg, 0, 0);
      if (at[0] % 16 || at[1] % 16)
        continue;
      Value offset = emitOffset(emit, type, emit.add(row, emit.i32(at[0] + op.getOffsets()[0])),
                                (at[1] + op.getOffsets()[1]) * 2, half);
      Value address = emit.displace(adaptor.getMemory(), offset);
      SmallVector<Value> pairs = emitLdmatrix(emit, address, type.getElementType());
      for (auto [matrix, dm, dk] : {std::tuple{0, 0, 0}, {1, 8, 0}, {2, 0, 8}, {3, 8, 8}})
        for (int64_t i : {0, 1})
          registers[map.at({at[0] + dm, at[1] + dk + i})] = pairs[2 * matrix + i];
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }

private:
  /// SharedLayout::getOffset of (row, byte + half) as instructions; `byte` is a
  /// multiple of 16, `half` 0 or 16.
  static Value emitOffset(Emitter &emit, tilegpu::MemDescType type, Value row, int64_t byte,
                          Value half) {
    int64_t swizzle = type.getShared().getSwizzle();
    if (swizzle == 0) {
      Value start = emit.mul(row, emit.i32(type.getRowBytes()));
      return emit.add(emit.add(start, half), emit.i32(byte));
    }
    int64_t panel = std::min<int64_t>(type.getRowBytes(), 128);
    int64_t panelStart = byte / panel * type.getNumRows() * panel;
    Value start = emit.mul(row, emit.i32(panel));
    if (panel == 128) {
      // A line is a row: only the chunk bits change from fragment to fragment.
      Value line = emit.bitAnd(row, emit.i32(swizzle / 16 - 1));
      Value chunk = emit.bitXor(emit.shiftLeft(line, 4), half);
      chunk = emit.bitXor(chunk, emit.i32(byte % panel));
      return emit.add(emit.add(start, chunk), emit.i32(panelStart));
    }
    Value offset = emit.add(emit.add(start, half), emit.i32(panelStart + byte % panel));
    Value line = emit.bitAnd(emit.shiftRight(offset, 7), emit.i32(swizzle / 16 - 1));
    return emit.bitXor(offset, emit.shiftLeft(line, 4));
  }

  /// The eight elements (four pairs) this lane receives.
  static SmallVector<Value> emitLdmatrix(Emitter &emit, Value address, Type element) {
    OpBuilder &builder = emit.builder;
    Type i32 = builder.getI32Type();
    Type result = LLVM::LLVMStructType::getLiteral(builder.getContext(), {i32, i32, i32, i32});
    auto shape = NVVM::LdStMatrixShapeAttr::get(builder.getContext(), 8, 8);
    Value loaded =
        NVVM::LdMatrixOp::create(builder, emit.loc, result, address, 4, NVVM::MMALayout::row, shape,
                                 NVVM::LdStMatrixEltType::B16);
    SmallVector<Value> elements;
    for (int64_t i = 0; i < 4; ++i) {
      Value word = LLVM::ExtractValueOp::create(builder, emit.loc, loaded, i);
      Value pair = LLVM::BitcastOp::create(builder, emit.loc, VectorType::get(2, element), word);
      for (int64_t j : {0, 1})
        elements.push_back(LLVM::ExtractElementOp::create(builder, emit.loc, pair, emit.i32(j)));
    }
    return elements;
  }
};
} // namespace

void nvvm::populateMmaPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerMma, LowerLoadOperandA>(converter, patterns.getContext());
}
