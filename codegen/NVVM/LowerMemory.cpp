//===- LowerMemory.cpp - Views, global and shared memory ----------------------===//
//
// Part of the lowering to nvvm. Tiles move between registers and memory in
// vector accesses (AccessPlan). Addresses are 64-bit: the tile's origin is
// computed once in 64 bits, a thread's displacement within the tile is added
// to it. Accesses outside a view are skipped; loads then yield zero.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/InsideDimensions.h"
#include "codegen/NVVM/Passes.h"
#include "codegen/NVVM/VectorAccess.h"
#include "codegen/NVVM/ViewRegisters.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Analysis/Bounds.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;
using layout::Place;

namespace {
struct LowerProgramId : OpConversionPattern<tile::ProgramIdOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::ProgramIdOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Type i32 = rewriter.getI32Type();
    if (op.getAxis() == 0)
      rewriter.replaceOpWithNewOp<NVVM::BlockIdXOp>(op, i32);
    else if (op.getAxis() == 1)
      rewriter.replaceOpWithNewOp<NVVM::BlockIdYOp>(op, i32);
    else
      rewriter.replaceOpWithNewOp<NVVM::BlockIdZOp>(op, i32);
    return success();
  }
};

struct LowerAdvance : OpConversionPattern<tile::AdvanceOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::AdvanceOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter emit(rewriter, op.getLoc());
    int64_t bytes = op.getElementType().getIntOrFloatBitWidth() / 8;
    Value distance = emit.mul(adaptor.getElements(), emit.i64(bytes));
    rewriter.replaceOp(op, emit.displace(adaptor.getBase(), distance));
    return success();
  }
};

/// What was assumed has served its purpose: accesses have their widths.
struct LowerAssume : OpConversionPattern<tile::AssumeOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::AssumeOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getValue());
    return success();
  }
};

struct LowerView : OpConversionPattern<tile::ViewOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::ViewOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> values(adaptor.getBase());
    values.append(flatten(adaptor.getSizes()));
    values.append(flatten(adaptor.getStrides()));
    rewriter.replaceOpWithMultiple(op, {values});
    return success();
  }
};

/// Addresses and bounds of the accesses of one tile of a view.
class GlobalTile {
public:
  /// `insideDims`: dimensions that need no test.
  GlobalTile(Emitter &emit, tile::ViewType type, ValueRange viewValues, ValueRange offsets,
             const LinearLayout &layout, SmallVector<bool> insideDims)
      : emit(emit), type(type), view(emit, type, viewValues), insideDims(std::move(insideDims)) {
    elementBytes = type.getElementType().getIntOrFloatBitWidth() / 8;
    Value origin = emit.i64(0), within = emit.i64(0);
    for (unsigned dim = 0; dim < type.getRank(); ++dim) {
      Value offset = emit.extend(offsets[dim]);
      origin = emit.add(origin, emit.mul(offset, view.strides[dim]));
      Value thread = emitThreadCoordinate(emit, layout, dim);
      within = emit.add(within, emit.mul(emit.extend(thread), view.strides[dim]));
      positions.push_back(emit.add(thread, offsets[dim]));
    }
    Value bytes = emit.mul(emit.add(origin, within), emit.i64(elementBytes));
    base = emit.displace(view.base, bytes);
  }

  Value address(const layout::Coordinates &at) {
    int64_t constant = 0;
    Value variable;
    for (auto [dim, coordinate] : llvm::enumerate(at)) {
      int64_t stride = type.getStrides()[dim];
      if (!ShapedType::isDynamic(stride)) {
        constant += coordinate * stride * elementBytes;
      } else if (coordinate != 0) {
        Value part = emit.mul(emit.i64(coordinate * elementBytes), view.strides[dim]);
        variable = variable ? emit.add(variable, part) : part;
      }
    }
    Value from = variable ? emit.displace(base, variable) : base;
    return emit.displace(from, constant);
  }

  /// True where the access that starts at `at` lies inside the view; null
  /// where it always does.
  Value isInside(const layout::Coordinates &at) {
    Value inside;
    for (auto [dim, coordinate] : llvm::enumerate(at)) {
      if (insideDims[dim])
        continue;
      Value index = emit.add(positions[dim], emit.i32(coordinate));
      Value test = emit.isBelow(index, view.sizes[dim]);
      inside = inside ? emit.bitAnd(inside, test) : test;
    }
    return inside;
  }

private:
  Emitter &emit;
  tile::ViewType type;
  ViewRegisters view;
  SmallVector<bool> insideDims;
  int64_t elementBytes;
  Value base;
  SmallVector<Value> positions; ///< of thread 0's first element, displaced by the thread
};

struct LowerLoad : OpConversionPattern<tile::LoadOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::LoadOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout layout = tilegpu::getLayout(op.getTile());
    tile::ViewType type = op.getView().getType();
    auto tile = cast<RankedTensorType>(op.getTile().getType());
    Emitter emit(rewriter, op.getLoc());
    AccessPlan plan =
        planAccesses(layout, getMaxWidth(op.getView(), op.getOffsets(), tile.getShape()));
    GlobalTile memory(emit, type, adaptor.getView(), flatten(adaptor.getOffsets()), layout,
                      getInsideDimensions(op));
    Type element = getRegisterType(type.getElementType());
    unsigned align = plan.width * element.getIntOrFloatBitWidth() / 8;
    Value zero = arith::ConstantOp::create(rewriter, op.getLoc(), rewriter.getZeroAttr(element));

    SmallVector<Value> registers =
        readRegisters(plan, layout.getNumRegisters(), [&](const Access &access) {
          return buildGuarded(emit, memory.isInside(access.origin), plan.width, zero, [&] {
            return loadVector(emit, memory.address(access.origin), element, plan.width, align);
          });
        });
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

/// One element, read by every thread: a broadcast.
struct LowerRead : OpConversionPattern<tile::ReadOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::ReadOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    tile::ViewType type = op.getView().getType();
    Emitter emit(rewriter, op.getLoc());
    SmallVector<int64_t> shape(type.getRank(), 1);
    LinearLayout everywhere = layout::blocked(shape, 1, 1);
    GlobalTile memory(emit, type, adaptor.getView(), flatten(adaptor.getOffsets()), everywhere,
                      analysis::getInsideDimensions(op.getView(), op.getOffsets(), shape));
    Type element = type.getElementType();
    unsigned align = element.getIntOrFloatBitWidth() / 8;
    Value zero = arith::ConstantOp::create(rewriter, op.getLoc(), rewriter.getZeroAttr(element));
    layout::Coordinates origin(type.getRank(), 0);
    rewriter.replaceOp(op, buildGuarded(emit, memory.isInside(origin), 1, zero, [&] {
                         return loadVector(emit, memory.address(origin), element, 1, align);
                       }));
    return success();
  }
};

struct LowerStore : OpConversionPattern<tile::StoreOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::StoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout layout = tilegpu::getLayout(op.getTile());
    tile::ViewType type = op.getView().getType();
    auto tile = cast<RankedTensorType>(op.getTile().getType());
    Emitter emit(rewriter, op.getLoc());
    AccessPlan plan =
        planAccesses(layout, getMaxWidth(op.getView(), op.getOffsets(), tile.getShape()));
    GlobalTile memory(emit, type, adaptor.getView(), flatten(adaptor.getOffsets()), layout,
                      getInsideDimensions(op));
    unsigned align = plan.width * type.getElementType().getIntOrFloatBitWidth() / 8;
    for (const Access &access : plan.accesses) {
      OpBuilder::InsertionGuard guard(rewriter);
      if (Value inside = memory.isInside(access.origin)) {
        auto branch = scf::IfOp::create(rewriter, op.getLoc(), inside, /*withElseRegion=*/false);
        rewriter.setInsertionPointToStart(branch.thenBlock());
      }
      storeVector(emit, memory.address(access.origin), pickRegisters(adaptor.getTile(), access),
                  align);
    }
    rewriter.eraseOp(op);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

struct LowerAlloc : OpConversionPattern<tilegpu::AllocOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::AllocOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (!op.getOffset())
      return rewriter.notifyMatchFailure(op, "no offset; run tw-allocate-shared first");
    Emitter emit(rewriter, op.getLoc());
    auto pointer = LLVM::LLVMPointerType::get(getContext(), AddressSpace::Shared);
    Value base = LLVM::AddressOfOp::create(rewriter, op.getLoc(), pointer, sharedSymbol);
    rewriter.replaceOp(op, emit.displace(base, *op.getOffset()));
    return success();
  }
};

struct LowerSlot : OpConversionPattern<tilegpu::SlotOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::SlotOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter emit(rewriter, op.getLoc());
    Value bytes = emit.mul(adaptor.getIndex(), emit.i32(op.getSlot().getType().getSlotBytes()));
    rewriter.replaceOp(op, emit.displace(adaptor.getMemory(), bytes));
    return success();
  }
};

/// Byte addresses of elements of a tile in shared memory.
class SharedTile {
public:
  SharedTile(Emitter &emit, tilegpu::MemDescType type, Value memory, const LinearLayout &layout)
      : emit(emit), type(type), memory(memory),
        elementBytes(type.getElementType().getIntOrFloatBitWidth() / 8) {
    // Rows are all dimensions but the last, in row-major order.
    row = emit.i32(0);
    for (unsigned dim = 0; dim + 1 < layout.getRank(); ++dim)
      row = emit.add(emit.mul(row, emit.i32(type.getShape()[dim])),
                     emitThreadCoordinate(emit, layout, dim));
    byte =
        emit.mul(emitThreadCoordinate(emit, layout, layout.getRank() - 1), emit.i32(elementBytes));
    base = emit.displace(memory, emit.add(emit.mul(row, emit.i32(type.getRowBytes())), byte));
    for (Place place : {Place::Lane, Place::Warp})
      for (const layout::Basis &basis : layout.getBases(place))
        byteBits |= basis.back() * elementBytes;
  }

  Value address(ArrayRef<int64_t> at) {
    int64_t atRow = 0, atByte = at.back() * elementBytes;
    for (auto [coordinate, extent] : llvm::zip(at.drop_back(), type.getShape()))
      atRow = atRow * extent + coordinate;
    if (type.getShared().getSwizzle() == 0)
      return emit.displace(base, atRow * type.getRowBytes() + atByte);
    int64_t constant = takeConstant(atRow, atByte);
    Value offset = emitSharedOffset(emit, type, emit.add(row, emit.i32(atRow)),
                                    emit.add(byte, emit.i32(atByte)));
    return emit.displace(emit.displace(memory, offset), constant);
  }

private:
  /// Takes from a place what is a constant distance whatever the thread is: eight rows, whole
  /// panels, and bytes within a chunk.
  int64_t takeConstant(int64_t &atRow, int64_t &atByte) {
    int64_t panel = layout::SharedLayout::getPanelBytes(type.getRowBytes());
    if (panel != 128 || type.getNumRows() % 8 != 0 || (byteBits & atByte) != 0)
      return 0;
    int64_t chunk = atByte % panel / 16 * 16;
    int64_t constant =
        atRow / 8 * 8 * panel + atByte / panel * type.getNumRows() * panel + atByte % 16;
    atRow %= 8;
    atByte = chunk;
    return constant;
  }

  Emitter &emit;
  tilegpu::MemDescType type;
  Value memory;
  int64_t elementBytes;
  Value row, byte, base;
  int64_t byteBits = 0; ///< bits that `byte` may have
};

/// Elements of the widest shared-memory access: 16 bytes where rows allow.
unsigned getSharedWidth(tilegpu::MemDescType type, ArrayRef<int64_t> offsets) {
  int64_t elementBytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  int64_t bytes = std::min<int64_t>(16, type.getRowBytes() & -type.getRowBytes());
  if (int64_t offset = offsets.back() * elementBytes)
    bytes = std::min(bytes, offset & -offset);
  return std::max<int64_t>(1, bytes / elementBytes);
}

struct LowerLocalLoad : OpConversionPattern<tilegpu::LocalLoadOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::LocalLoadOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    tilegpu::MemDescType type = op.getMemory().getType();
    LinearLayout layout = tilegpu::getLayout(op.getTile());
    Emitter emit(rewriter, op.getLoc());
    AccessPlan plan = planAccesses(layout, getSharedWidth(type, op.getOffsets()));
    SharedTile memory(emit, type, adaptor.getMemory(), layout);
    Type element = getRegisterType(type.getElementType());
    unsigned align = plan.width * element.getIntOrFloatBitWidth() / 8;
    SmallVector<Value> registers =
        readRegisters(plan, layout.getNumRegisters(), [&](const Access &access) {
          layout::Coordinates at = access.origin;
          for (auto [coordinate, offset] : llvm::zip_equal(at, op.getOffsets()))
            coordinate += offset;
          return loadVector(emit, memory.address(at), element, plan.width, align);
        });
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

struct LowerLocalStore : OpConversionPattern<tilegpu::LocalStoreOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::LocalStoreOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    tilegpu::MemDescType type = op.getMemory().getType();
    LinearLayout layout = tilegpu::getLayout(op.getTile());
    Emitter emit(rewriter, op.getLoc());
    SmallVector<int64_t> origin(type.getShape().size(), 0);
    AccessPlan plan = planAccesses(layout, getSharedWidth(type, origin));
    SharedTile memory(emit, type, adaptor.getMemory().front(), layout);
    unsigned align = plan.width * type.getElementType().getIntOrFloatBitWidth() / 8;
    for (const Access &access : plan.accesses) {
      storeVector(emit, memory.address(access.origin), pickRegisters(adaptor.getTile(), access),
                  align);
    }
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void nvvm::populateMemoryPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerProgramId, LowerAdvance, LowerAssume, LowerView, LowerLoad, LowerRead,
               LowerStore, LowerAlloc, LowerSlot, LowerLocalLoad, LowerLocalStore>(
      converter, patterns.getContext());
}
