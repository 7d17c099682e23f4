//===- LowerAsync.cpp - Copies in flight, barriers, arrivals ------------------===//
//
// Part of the lowering to nvvm: cp.async (PTX ISA, "Data Movement and
// Conversion Instructions: Non-bulk copy"), bar.sync and the counter that finds
// the last block.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Passes.h"
#include "codegen/NVVM/ViewRegisters.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Analysis/Bounds.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;

constexpr int64_t chunkBytes = 16;

/// Threads of a block; nullopt outside a kernel.
static std::optional<int64_t> getThreads(Operation *op) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  auto kernel = function ? function->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName)
                         : tile::KernelAttr();
  return kernel ? std::optional(32 * int64_t(kernel.getWarps())) : std::nullopt;
}

namespace {
/// Copies a tile in 16-byte chunks: chunk c = step * threads + thread, chunks
/// in row-major order, so that a warp reads consecutive bytes. A chunk outside
/// the view is filled with zeros (its source size is 0).
class CopyEmitter {
public:
  CopyEmitter(Emitter &emit, tile::ViewType viewType, ViewRegisters view, ArrayRef<Value> offsets,
              tilegpu::MemDescType memoryType, Value memory, int64_t threads,
              SmallVector<bool> insideDims)
      : emit(emit), viewType(viewType), view(std::move(view)), offsets(offsets),
        memoryType(memoryType), memory(memory), insideDims(std::move(insideDims)), threads(threads),
        elementBytes(memoryType.getElementType().getIntOrFloatBitWidth() / 8),
        chunksPerRow(memoryType.getRowBytes() / chunkBytes),
        chunks(memoryType.getSlotBytes() / chunkBytes) {
    origin = emit.i64(0);
    for (unsigned dim = 0; dim < viewType.getRank(); ++dim)
      origin = emit.add(origin, emit.mul(emit.extend(offsets[dim]), this->view.strides[dim]));
    origin = emit.displace(this->view.base, emit.mul(origin, emit.i64(elementBytes)));
  }

  void emitAll() {
    for (int64_t first = 0; first < chunks; first += threads) {
      if (chunks - first >= threads) {
        emitChunk(first);
        continue;
      }
      // Fewer chunks than threads are left.
      Value active = emit.isBelow(emit.threadId(), emit.i32(chunks - first));
      auto branch = scf::IfOp::create(emit.builder, emit.loc, active, false);
      OpBuilder::InsertionGuard guard(emit.builder);
      emit.builder.setInsertionPointToStart(branch.thenBlock());
      emitChunk(first);
    }
  }

private:
  /// A number that is a thread's own part plus a constant: constants end up in
  /// the address fields of instructions.
  struct Sum {
    Value thread;
    int64_t constant = 0;
  };
  Value total(const Sum &sum) { return emit.add(sum.thread, emit.i32(sum.constant)); }

  /// Row and column (in chunks) of chunk `first + thread`.
  std::pair<Sum, Sum> locate(int64_t first) {
    Value thread = emit.threadId();
    if (threads % chunksPerRow == 0)
      return {{emit.divide(thread, chunksPerRow), first / chunksPerRow},
              {emit.remainder(thread, chunksPerRow), 0}};
    if (chunksPerRow % threads == 0)
      return {{emit.i32(0), first / chunksPerRow}, {thread, first % chunksPerRow}};
    Value chunk = emit.add(thread, emit.i32(first));
    return {{emit.divide(chunk, chunksPerRow), 0}, {emit.remainder(chunk, chunksPerRow), 0}};
  }

  /// Tile coordinates: the row split over the leading dimensions, and the
  /// element of the last.
  SmallVector<Sum> getCoordinates(Sum row, Sum column) {
    int64_t elements = chunkBytes / elementBytes;
    SmallVector<Sum> coordinates(viewType.getRank(), {emit.i32(0), 0});
    coordinates.back() = {emit.mul(column.thread, emit.i32(elements)), column.constant * elements};
    for (unsigned dim = viewType.getRank() - 1; dim-- > 0;) {
      int64_t extent = memoryType.getShape()[dim];
      if (dim == 0) {
        coordinates[dim] = row;
      } else if (extent != 1 && chunksPerRow % threads == 0) {
        coordinates[dim].constant = row.constant % extent;
        row.constant /= extent;
      } else if (extent != 1) {
        coordinates[dim].thread = emit.remainder(total(row), extent);
        row = {emit.divide(total(row), extent), 0};
      }
    }
    return coordinates;
  }

  void emitChunk(int64_t first) {
    auto [row, column] = locate(first);
    Value inside, bytes = emit.i64(0);
    int64_t constantBytes = 0;
    for (auto [dim, coordinate] : llvm::enumerate(getCoordinates(row, column))) {
      if (!insideDims[dim]) {
        Value test = emit.isBelow(emit.add(total(coordinate), offsets[dim]), view.sizes[dim]);
        inside = inside ? emit.bitAnd(inside, test) : test;
      }
      Value stride = emit.mul(view.strides[dim], emit.i64(elementBytes));
      bytes = emit.add(bytes, emit.mul(emit.extend(coordinate.thread), stride));
      if (int64_t known = viewType.getStrides()[dim]; !ShapedType::isDynamic(known))
        constantBytes += coordinate.constant * known * elementBytes;
      else
        bytes = emit.add(bytes, emit.mul(emit.i64(coordinate.constant), stride));
    }
    // A chunk outside reads nothing (source size 0), whatever its address.
    Value size;
    if (inside)
      size =
          LLVM::SelectOp::create(emit.builder, emit.loc, inside, emit.i32(chunkBytes), emit.i32(0));
    Value source = emit.displace(emit.displace(origin, bytes), constantBytes);
    NVVM::CpAsyncOp::create(emit.builder, emit.loc, getTarget(row, column), source, chunkBytes,
                            NVVM::LoadCacheModifierKind::CG, size);
  }

  /// Shared address of a chunk. The swizzle of 128-byte panels repeats every
  /// eight rows: what is a multiple of eight is a constant distance.
  Value getTarget(const Sum &row, const Sum &column) {
    int64_t rowBytes = memoryType.getRowBytes(), constantBytes = 0;
    Sum swizzled = row,
        byte = {emit.mul(column.thread, emit.i32(chunkBytes)), column.constant * chunkBytes};
    if (memoryType.getShared().getSwizzle() == 0) {
      constantBytes = row.constant * rowBytes + byte.constant;
      swizzled.constant = byte.constant = 0;
    } else if (rowBytes % 128 == 0) {
      constantBytes = row.constant / 8 * 8 * 128;
      swizzled.constant = row.constant % 8;
    }
    Value offset = emitSharedOffset(emit, memoryType, total(swizzled), total(byte));
    return emit.displace(emit.displace(memory, offset), constantBytes);
  }

  Emitter &emit;
  tile::ViewType viewType;
  ViewRegisters view;
  ArrayRef<Value> offsets;
  tilegpu::MemDescType memoryType;
  Value memory, origin;
  SmallVector<bool> insideDims; ///< dimensions that need no test
  int64_t threads, elementBytes, chunksPerRow, chunks;
};

struct LowerAsyncCopy : OpConversionPattern<tilegpu::AsyncCopyOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::AsyncCopyOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    std::optional<int64_t> threads = getThreads(op);
    if (!threads)
      return rewriter.notifyMatchFailure(op, "only a kernel has threads to copy");
    Emitter emit(rewriter, op.getLoc());
    OpBuilder::InsertionGuard guard(rewriter);
    if (op.getPredicate()) {
      auto branch = scf::IfOp::create(rewriter, op.getLoc(), adaptor.getPredicate().front(), false);
      rewriter.setInsertionPointToStart(branch.thenBlock());
    }
    SmallVector<Value> offsets;
    for (ValueRange offset : adaptor.getOffsets())
      offsets.push_back(offset.front());
    tile::ViewType view = op.getView().getType();
    CopyEmitter(emit, view, ViewRegisters(emit, view, adaptor.getView()), offsets,
                op.getMemory().getType(), adaptor.getMemory().front(), *threads,
                analysis::getInsideDimensions(
                    view, op.getOffsets(), op.getMemory().getType().getShape(), op.getPredicate()))
        .emitAll();
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerCommit : OpConversionPattern<tilegpu::AsyncCommitOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tilegpu::AsyncCommitOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<NVVM::CpAsyncCommitGroupOp>(op);
    return success();
  }
};

struct LowerWait : OpConversionPattern<tilegpu::AsyncWaitOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tilegpu::AsyncWaitOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<NVVM::CpAsyncWaitGroupOp>(op, op.getPending());
    return success();
  }
};

struct LowerBarrier : OpConversionPattern<tilegpu::BarrierOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tilegpu::BarrierOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<NVVM::Barrier0Op>(op);
    return success();
  }
};

/// Thread 0 counts the block in between two barriers: the first makes the
/// block's writes part of its release, the second spreads its acquire, and
/// carries the answer as a reduction. The fences are explicit because the
/// backend emits atomicrmw relaxed whatever its ordering (PTX ISA, "Memory
/// Consistency Model": fence, relaxed atomic, fence is release and acquire).
struct LowerArrive : OpConversionPattern<tile::ArriveOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::ArriveOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Emitter emit(rewriter, loc);
    Type i32 = rewriter.getI32Type();
    NVVM::Barrier0Op::create(rewriter, loc);
    Value address = emit.displace(adaptor.getCounters(), emit.mul(adaptor.getIndex(), emit.i32(4)));
    Value isFirst =
        LLVM::ICmpOp::create(rewriter, loc, LLVM::ICmpPredicate::eq, emit.threadId(), emit.i32(0));
    auto branch = scf::IfOp::create(rewriter, loc, TypeRange{i32}, isFirst, true);
    {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(branch.thenBlock());
      LLVM::FenceOp::create(rewriter, loc, LLVM::AtomicOrdering::acq_rel, "device");
      Value before =
          LLVM::AtomicRMWOp::create(rewriter, loc, LLVM::AtomicBinOp::add, address, emit.i32(1),
                                    LLVM::AtomicOrdering::monotonic, "device");
      LLVM::FenceOp::create(rewriter, loc, LLVM::AtomicOrdering::acq_rel, "device");
      Value others = emit.add(adaptor.getExpected(), emit.i32(-1));
      Value last = LLVM::ICmpOp::create(rewriter, loc, LLVM::ICmpPredicate::eq, before, others);
      auto reset = scf::IfOp::create(rewriter, loc, last, false);
      scf::YieldOp::create(rewriter, loc, Value(LLVM::ZExtOp::create(rewriter, loc, i32, last)));
      rewriter.setInsertionPointToStart(reset.thenBlock());
      LLVM::StoreOp::create(rewriter, loc, emit.i32(0), address, 4);
      rewriter.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(rewriter, loc, emit.i32(0));
    }
    auto reduction = NVVM::BarrierReductionAttr::get(getContext(), NVVM::BarrierReduction::OR);
    Value any = NVVM::BarrierOp::create(rewriter, loc, TypeRange{i32}, Value(), Value(), reduction,
                                        branch.getResult(0))
                    .getResult(0);
    rewriter.replaceOpWithNewOp<LLVM::ICmpOp>(op, LLVM::ICmpPredicate::ne, any, emit.i32(0));
    return success();
  }
};
} // namespace

void nvvm::populateAsyncPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerAsyncCopy, LowerCommit, LowerWait, LowerBarrier, LowerArrive>(
      converter, patterns.getContext());
}
