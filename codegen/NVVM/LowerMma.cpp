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

/// An f32 number as the tf32 register an instruction takes.
static Value roundToTF32(Emitter &emit, Value number) {
  return NVVM::ConvertFloatToTF32Op::create(emit.builder, emit.loc, emit.builder.getI32Type(),
                                            number, NVVM::FPRoundingMode::RNA,
                                            NVVM::SaturationMode::NONE, /*relu=*/false);
}

/// Neighbouring elements as the 32-bit register an instruction takes: f16 pairs
/// as vector<2xf16>, the others as i32.
static Value pack(Emitter &emit, ArrayRef<Value> elements) {
  OpBuilder &builder = emit.builder;
  Type element = elements.front().getType();
  if (element.isF32())
    return roundToTF32(emit, elements.front());
  Type word = VectorType::get(elements.size(), element);
  Value value = LLVM::UndefOp::create(builder, emit.loc, word);
  for (auto [i, part] : llvm::enumerate(elements))
    value = LLVM::InsertElementOp::create(builder, emit.loc, value, part, emit.i32(i));
  if (element.isF16())
    return value;
  return LLVM::BitcastOp::create(builder, emit.loc, builder.getI32Type(), value);
}

namespace {
/// The registers of one tile operand, read by coordinates of thread 0.
struct Operand {
  /// `k`: which dimension K is.
  Operand(const LinearLayout &layout, ValueRange values, unsigned k)
      : layout(layout), map(layout), values(values), k(k) {}

  /// The `count` elements along K from (mn, first), in one register.
  Value at(Emitter &emit, int64_t mn, int64_t first, int64_t count) {
    SmallVector<Value> elements;
    for (int64_t i = 0; i < count; ++i) {
      int64_t at[2];
      at[k] = first + i;
      at[1 - k] = mn;
      elements.push_back(values[map.at(at)]);
    }
    return pack(emit, elements);
  }

  LinearLayout layout;
  RegisterMap map;
  ValueRange values;
  unsigned k;
};

/// One product and what its instruction is.
class MmaEmitter {
public:
  MmaEmitter(Emitter &emit, tilegpu::MmaOp op, Operand a, Operand b)
      : emit(emit), a(a), b(b), c(tilegpu::getLayout(op.getC())),
        element(cast<RankedTensorType>(op.getA().getType()).getElementType()),
        elementOfB(cast<RankedTensorType>(op.getB().getType()).getElementType()),
        sum(cast<RankedTensorType>(op.getC().getType()).getElementType()),
        depth(layout::getMmaDepth(element.getIntOrFloatBitWidth())),
        fragmentDepth(layout::getMmaDepth(layout::getOperandBits(a.layout, 0))) {}

  /// Rows of K of a fragment: those of one instruction, or of two where halves lie as
  /// bytes do.
  int64_t getDepth() const { return fragmentDepth; }

  /// sums(16x8 at row, column) += a(16xdepth) * b(depthx8).
  void run(int64_t row, int64_t column, int64_t k, SmallVectorImpl<Value> &sums) {
    // Half of the depth lies in four lanes, as much in each as fills a register, or two.
    int64_t count = depth / 8;
    for (int64_t first = 0; first < fragmentDepth / 8; first += count)
      runInstruction(row, column, k + first, count, sums);
  }

private:
  void runInstruction(int64_t row, int64_t column, int64_t k, int64_t count,
                      SmallVectorImpl<Value> &sums) {
    SmallVector<Value> aOperands, bOperands, cOperands;
    for (int64_t dk : {int64_t(0), fragmentDepth / 2})
      for (int64_t dm : {0, 8})
        aOperands.push_back(a.at(emit, row + dm, k + dk, count));
    for (int64_t dk : {int64_t(0), fragmentDepth / 2})
      bOperands.push_back(b.at(emit, column, k + dk, count));
    unsigned accumulators[] = {c.at({row, column}), c.at({row, column + 1}),
                               c.at({row + 8, column}), c.at({row + 8, column + 1})};
    for (unsigned reg : accumulators)
      cOperands.push_back(sums[reg]);
    Value product = emitProduct(aOperands, bOperands, cOperands);
    for (auto [i, reg] : llvm::enumerate(accumulators))
      sums[reg] = LLVM::ExtractValueOp::create(emit.builder, emit.loc, product, i);
  }

  static NVVM::MMATypes getType(Type element) {
    if (element.isF16())
      return NVVM::MMATypes::f16;
    if (element.isBF16())
      return NVVM::MMATypes::bf16;
    if (element.isF32())
      return NVVM::MMATypes::tf32;
    return element.isUnsignedInteger() ? NVVM::MMATypes::u8 : NVVM::MMATypes::s8;
  }

  Value emitProduct(ArrayRef<Value> aOperands, ArrayRef<Value> bOperands,
                    ArrayRef<Value> cOperands) {
    OpBuilder &builder = emit.builder;
    Type result = LLVM::LLVMStructType::getLiteral(builder.getContext(), SmallVector<Type>(4, sum));
    if (isa<Float8E4M3FNType, Float8E5M2Type>(element)) {
      // The dialect has no op for these.
      StringRef name = isa<Float8E5M2Type>(element)
                           ? "llvm.nvvm.mma.m16n8k32.row.col.f32.e5m2.e5m2.f32"
                           : "llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3.e4m3.f32";
      SmallVector<Value> operands(aOperands);
      operands.append(bOperands.begin(), bOperands.end());
      operands.append(cOperands.begin(), cOperands.end());
      return LLVM::CallIntrinsicOp::create(builder, emit.loc, result, builder.getStringAttr(name),
                                           operands)
          .getResult(0);
    }
    std::optional<NVVM::MMAIntOverflow> overflow;
    if (element.isInteger())
      overflow = NVVM::MMAIntOverflow::wrapped;
    return NVVM::MmaOp::create(
        builder, emit.loc, result, aOperands, bOperands, cOperands, ArrayRef<int64_t>{16, 8, depth},
        std::nullopt, overflow,
        std::array<NVVM::MMATypes, 2>{getType(element), getType(elementOfB)},
        std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  }

  Emitter &emit;
  Operand a, b;
  RegisterMap c;
  Type element, elementOfB, sum;
  int64_t depth;         ///< of an instruction
  int64_t fragmentDepth; ///< of what lies together
};

struct LowerMma : OpConversionPattern<tilegpu::MmaOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::MmaOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter emit(rewriter, op.getLoc());
    LinearLayout layout = tilegpu::getLayout(op.getC());
    MmaEmitter mma(emit, op, {tilegpu::getLayout(op.getA()), adaptor.getA(), 1},
                   {tilegpu::getLayout(op.getB()), adaptor.getB(), 0});
    SmallVector<Value> sums(adaptor.getC());
    int64_t rows = cast<RankedTensorType>(op.getA().getType()).getDimSize(1);
    for (int64_t k = 0; k < rows; k += mma.getDepth())
      for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; ++reg) {
        // One instruction for each 16x8 fragment of thread 0.
        layout::Coordinates at = layout.apply(reg, 0, 0);
        if (at[0] % 16 == 0 && at[1] % 8 == 0)
          mma.run(at[0], at[1], k, sums);
      }
    rewriter.replaceOpWithMultiple(op, {sums});
    return success();
  }
};
} // namespace

void nvvm::populateMmaPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerMma>(converter, patterns.getContext());
}
