//===- LowerLdmatrix.cpp - Operands of products from shared memory ------------===//
//
// Part of the lowering to nvvm. A shared tile whose registers are made of 8 x 16
// byte matrices (layout::MatrixRead) is read by ldmatrix, plain or transposed,
// up to four matrices an instruction. Lane l gives the address of row l % 8 of
// matrix l / 8.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/Support/Layout/MatrixRead.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;
using layout::MatrixRead;

namespace {
/// Byte offsets in a tile for the row a lane addresses. Every column is a
/// multiple of 16 bytes.
class MatrixAddress {
public:
  MatrixAddress(Emitter &emit, tilegpu::MemDescType type, const LinearLayout &layout,
                const MatrixRead &read)
      : emit(emit), type(type), elementBytes(type.getElementType().getIntOrFloatBitWidth() / 8),
        swizzleRows(getSwizzleRows(type)) {
    Value lane = emit.laneId();
    row = emit.add(emit.bitAnd(lane, emit.i32(7)), emitWarpCoordinate(emit, layout, 0));
    byte = emit.mul(emitWarpCoordinate(emit, layout, 1), emit.i32(elementBytes));
    for (const layout::Basis &basis : layout.getBases(layout::Place::Warp))
      byteBits |= basis[1] * elementBytes;
    for (auto [i, step] : llvm::enumerate(read.steps)) {
      Value isAway = emit.bitAnd(emit.shiftRight(lane, 3 + i), emit.i32(1));
      row = emit.add(row, emit.mul(isAway, emit.i32(step[0])));
      byte = emit.add(byte, emit.mul(isAway, emit.i32(step[1] * elementBytes)));
      byteBits |= step[1] * elementBytes;
    }
  }

  /// The lane's row displaced by (rows, columns) in `memory`, at SharedLayout::getOffset.
  /// Swizzles repeat after so many rows: whole repetitions, like whole panels, are constant
  /// distances, which end up in the address fields of instructions.
  Value at(Value memory, int64_t rows, int64_t columns) {
    int64_t repeated = rows / swizzleRows * swizzleRows;
    int64_t distance = repeated * getRowDistance();
    Value offset = getOffset(emit.add(row, emit.i32(rows - repeated)), columns, distance);
    return emit.displace(emit.displace(memory, offset), distance);
  }

private:
  /// Rows after which swizzling starts again: lines of 128 bytes turn by one chunk each.
  static int64_t getSwizzleRows(tilegpu::MemDescType type) {
    int64_t swizzle = type.getShared().getSwizzle();
    return swizzle == 0
               ? 1
               : swizzle / 16 * (128 / layout::SharedLayout::getGroupBytes(type.getRowBytes()));
  }

  /// Bytes from a row to the next of its panel.
  int64_t getRowDistance() {
    int64_t bytes = type.getRowBytes();
    return type.getShared().getSwizzle() == 0 ? bytes : layout::SharedLayout::getPanelBytes(bytes);
  }

  /// The offset of `line`, but for what is added to `distance`.
  Value getOffset(Value line, int64_t columns, int64_t &distance) {
    int64_t constant = columns * elementBytes;
    int64_t panel = layout::SharedLayout::getPanelBytes(type.getRowBytes());
    int64_t swizzle = type.getShared().getSwizzle();
    if (swizzle != 0 && panel != 128) {
      Value offset = emit.add(emit.mul(line, emit.i32(panel)), emit.add(byte, emit.i32(constant)));
      return emit.bitXor(offset, emitSwizzle(emit, type, line));
    }
    // Places do not share bits of a coordinate: sums within the tile are XORs.
    // A part of a tile may start where they would; then the sum is computed.
    bool isSplit = (constant & byteBits) == 0;
    if (!isSplit || byteBits >= panel)
      return emitSharedOffset(emit, type, line, emit.add(byte, emit.i32(constant)));
    if (swizzle == 0) {
      distance += constant;
      return emit.add(emit.mul(line, emit.i32(type.getRowBytes())), byte);
    }
    distance += constant / panel * type.getNumRows() * panel;
    Value start = emit.mul(line, emit.i32(panel));
    // A line is a row: only the chunk bits change from matrix to matrix.
    Value turn = emit.bitAnd(line, emit.i32(swizzle / 16 - 1));
    Value chunk = emit.bitXor(emit.shiftLeft(turn, 4), byte);
    return emit.add(start, emit.bitXor(chunk, emit.i32(constant % panel)));
  }

  Emitter &emit;
  tilegpu::MemDescType type;
  int64_t elementBytes, swizzleRows;
  Value row, byte;
  int64_t byteBits = 0; ///< bits that `byte` may have
};

struct LowerLdmatrix : OpConversionPattern<tilegpu::LocalLoadOp> {
  LowerLdmatrix(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern(converter, context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(tilegpu::LocalLoadOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    tilegpu::MemDescType type = op.getMemory().getType();
    LinearLayout layout = tilegpu::getLayout(op.getTile());
    int64_t bits = type.getElementType().getIntOrFloatBitWidth();
    std::optional<MatrixRead> read = layout::getMatrixRead(layout, bits);
    if (!read || type.getRowBytes() % 16 || op.getOffsets()[1] * bits % 128)
      return rewriter.notifyMatchFailure(op, "not made of 8 x 16 byte matrices");
    Emitter emit(rewriter, op.getLoc());
    MatrixAddress address(emit, type, layout, *read);
    unsigned perRead = read->getMatrices() * read->elements;
    SmallVector<Value> registers;
    // Registers count elements of a word, then the matrices of a read.
    for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; reg += perRead) {
      layout::Coordinates at = layout.apply(reg, 0, 0);
      Value start =
          address.at(adaptor.getMemory(), at[0] + op.getOffsets()[0], at[1] + op.getOffsets()[1]);
      registers.append(emitRead(emit, start, *read, getRegisterType(type.getElementType())));
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }

private:
  /// The elements this lane receives, in the order of registers.
  static SmallVector<Value> emitRead(Emitter &emit, Value address, const MatrixRead &read,
                                     Type element) {
    OpBuilder &builder = emit.builder;
    MLIRContext *context = builder.getContext();
    Type i32 = builder.getI32Type();
    unsigned matrices = read.getMatrices();
    Type result = i32;
    if (matrices > 1)
      result = LLVM::LLVMStructType::getLiteral(context, SmallVector<Type>(matrices, i32));
    Value loaded = NVVM::LdMatrixOp::create(
        builder, emit.loc, result, address, matrices,
        read.transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
        NVVM::LdStMatrixShapeAttr::get(context, 8, 8), NVVM::LdStMatrixEltType::B16);
    SmallVector<Value> elements;
    for (unsigned matrix = 0; matrix < matrices; ++matrix) {
      Value word =
          matrices == 1 ? loaded : LLVM::ExtractValueOp::create(builder, emit.loc, loaded, matrix);
      if (read.elements == 1) {
        elements.push_back(LLVM::BitcastOp::create(builder, emit.loc, element, word));
        continue;
      }
      Type vector = VectorType::get(read.elements, element);
      Value split = LLVM::BitcastOp::create(builder, emit.loc, vector, word);
      for (unsigned i = 0; i < read.elements; ++i)
        elements.push_back(LLVM::ExtractElementOp::create(builder, emit.loc, split, emit.i32(i)));
    }
    return elements;
  }
};
} // namespace

void nvvm::populateLdmatrixPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerLdmatrix>(converter, patterns.getContext());
}
