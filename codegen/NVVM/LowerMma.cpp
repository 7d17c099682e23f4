//===- LowerMma.cpp - mma.sync ------------------------------------------------===//
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

} // namespace

void nvvm::populateMmaPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerMma>(converter, patterns.getContext());
}
