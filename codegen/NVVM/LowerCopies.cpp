//===- LowerCopies.cpp - cp.async of tiles and of gathered rows ---------------===//
//
// Part of the lowering to nvvm (PTX ISA, "Data Movement and Conversion
// Instructions: Non-bulk copy"). Tiles travel in chunks of 16 bytes. A chunk
// outside the view is filled with zeros: its source size is 0, and whatever its
// address, nothing is read.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/InsideDimensions.h"
#include "codegen/NVVM/Passes.h"
#include "codegen/NVVM/ViewRegisters.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Analysis/Bounds.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;
using layout::Place;

constexpr int64_t chunkBytes = 16;
/// Chunks of a row that a panel of a swizzled tile has: a line of shared memory.
constexpr int64_t panelChunks = 128 / chunkBytes;
/// What the address field of a copy's source holds is less: 12 bits with a sign (as ptxas
/// uses it, from sm_80 to sm_120a).
constexpr int64_t reachBytes = 2048;

/// Threads of a block; nullopt outside a kernel.
static std::optional<int64_t> getThreads(Operation *op) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  auto kernel = function ? function->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName)
                         : tile::KernelAttr();
  return kernel ? std::optional(32 * int64_t(kernel.getWarps())) : std::nullopt;
}

namespace {
/// A number that is a thread's own part plus a constant: constants end up in
/// the address fields of instructions.
struct Sum {
  Value thread;
  int64_t constant = 0;
};

/// The slot of shared memory that chunks go to.
class CopyTarget {
public:
  CopyTarget(Emitter &emit, tilegpu::MemDescType type, Value memory)
      : emit(emit), type(type), memory(memory) {}

  int64_t getChunksPerRow() const { return type.getRowBytes() / chunkBytes; }
  int64_t getChunks() const { return type.getSlotBytes() / chunkBytes; }
  ArrayRef<int64_t> getShape() const { return type.getShape(); }
  bool isSwizzled() const { return type.getShared().getSwizzle() != 0; }
  /// Whether rows are whole panels, and chunks of a column in eight banks.
  bool isSwizzledInPanels() const {
    return type.getShared().getSwizzle() == panelChunks * chunkBytes &&
           getChunksPerRow() % panelChunks == 0;
  }
  Value total(const Sum &sum) { return emit.add(sum.thread, emit.i32(sum.constant)); }

  /// Copies the chunk at `source`, where `inside` holds (null: always), to
  /// (row, column in chunks); zeros otherwise.
  void copy(const Sum &row, const Sum &column, Value source, Value inside) {
    Value size;
    if (inside)
      size =
          LLVM::SelectOp::create(emit.builder, emit.loc, inside, emit.i32(chunkBytes), emit.i32(0));
    NVVM::CpAsyncOp::create(emit.builder, emit.loc, getAddress(row, column), source, chunkBytes,
                            NVVM::LoadCacheModifierKind::CG, size);
  }

private:
  /// Shared address of a chunk. Swizzles repeat every eight rows or sooner: what
  /// is a multiple of eight is a constant distance, as are whole panels.
  Value getAddress(const Sum &row, const Sum &column) {
    int64_t rowBytes = type.getRowBytes(), constantBytes = 0;
    Sum swizzled = row,
        byte = {emit.mul(column.thread, emit.i32(chunkBytes)), column.constant * chunkBytes};
    if (type.getShared().getSwizzle() == 0) {
      constantBytes = row.constant * rowBytes + byte.constant;
      swizzled.constant = byte.constant = 0;
    } else {
      int64_t panel = layout::SharedLayout::getPanelBytes(rowBytes);
      constantBytes = row.constant / 8 * 8 * panel;
      swizzled.constant = row.constant % 8;
      if (panel == 128 && type.getNumRows() % 8 == 0) {
        constantBytes += byte.constant / panel * type.getNumRows() * panel;
        byte.constant %= panel;
      }
    }
    Value offset = emitSharedOffset(emit, type, total(swizzled), total(byte));
    return emit.displace(emit.displace(memory, offset), constantBytes);
  }

  Emitter &emit;
  tilegpu::MemDescType type;
  Value memory;
};

/// Runs `body` where `condition` holds (null: always).
void emitWhere(Emitter &emit, Value condition, llvm::function_ref<void()> body) {
  if (!condition)
    return body();
  auto branch = scf::IfOp::create(emit.builder, emit.loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(emit.builder);
  emit.builder.setInsertionPointToStart(branch.thenBlock());
  body();
}

//===----------------------------------------------------------------------===//
// A tile of a view
//===----------------------------------------------------------------------===//

/// Chunk c = step * threads + thread. Chunks are numbered in row-major order, so that a
/// warp reads consecutive bytes; rows of several panels may be panel by panel, each line
/// of 128 bytes whole: a thread then has one place in its row, and steps differ by
/// constants. Where a step is whole rows of a panel, a thread goes over the panels of its
/// row, then over the rows next to it as far as the address field of a copy reaches: other
/// distances are sums of 64 bits.
class CopyEmitter {
public:
  CopyEmitter(Emitter &emit, tile::ViewType viewType, ViewRegisters view, ArrayRef<Value> offsets,
              CopyTarget target, int64_t threads, SmallVector<bool> insideDims)
      : emit(emit), viewType(viewType), view(std::move(view)), offsets(offsets), target(target),
        insideDims(std::move(insideDims)), threads(threads),
        elementBytes(viewType.getElementType().getIntOrFloatBitWidth() / 8),
        chunksPerRow(target.getChunksPerRow()), chunks(target.getChunks()),
        perPanel(chunks / chunksPerRow * panelChunks) {
    origin = emit.i64(0);
    for (unsigned dim = 0; dim < viewType.getRank(); ++dim)
      origin = emit.add(origin, emit.mul(emit.extend(offsets[dim]), this->view.strides[dim]));
    origin = emit.displace(this->view.base, emit.mul(origin, emit.i64(elementBytes)));
  }

  void emitAll() {
    for (int64_t first = 0; first < chunks; first += threads) {
      // At the end fewer chunks than threads may be left.
      Value active;
      if (chunks - first < threads)
        active = emit.isBelow(emit.threadId(), emit.i32(chunks - first));
      emitWhere(emit, active, [&] { emitChunk(first); });
    }
  }

private:
  Value total(const Sum &sum) { return target.total(sum); }

  /// Whether chunks are numbered panel by panel: where that saves addresses, since there
  /// are several steps or threads do not fill whole rows.
  bool isInPanels() const {
    bool isOneStep = chunks <= threads && threads % chunksPerRow == 0;
    return target.isSwizzled() && chunksPerRow % panelChunks == 0 && chunksPerRow > panelChunks &&
           !isOneStep && (threads % perPanel == 0 || perPanel % threads == 0);
  }

  /// Rows that a step over panels takes; 0 where steps are over chunks in order.
  int64_t getPanelRows() {
    int64_t rows = threads / panelChunks;
    bool isInPanels = viewType.getRank() == 2 && target.isSwizzledInPanels() &&
                      threads % panelChunks == 0 && target.getShape()[0] % rows == 0;
    return isInPanels ? rows : 0;
  }

  /// Rows next to each other that a thread takes; divides those it takes at all.
  int64_t getNeighbours(int64_t steps) {
    int64_t stride = viewType.getStrides()[0], count = 1;
    if (ShapedType::isDynamic(stride))
      return 1;
    int64_t within = (chunksPerRow - panelChunks) * chunkBytes;
    while (steps % (2 * count) == 0 &&
           (2 * count - 1) * stride * elementBytes + within < reachBytes)
      count *= 2;
    return count;
  }

  /// Row and column (in chunks) of chunk `first + thread`.
  std::pair<Sum, Sum> locate(int64_t first) {
    Value thread = emit.threadId();
    if (int64_t rows = getPanelRows()) {
      int64_t panels = chunksPerRow / panelChunks, panel = first / threads % panels;
      int64_t step = first / threads / panels;
      int64_t neighbours = getNeighbours(target.getShape()[0] / rows);
      Value row = emit.mul(emit.divide(thread, panelChunks), emit.i32(neighbours));
      return {{row, step / neighbours * neighbours * rows + step % neighbours},
              {emit.remainder(thread, panelChunks), panel * panelChunks}};
    }
    if (isInPanels()) {
      if (perPanel % threads == 0)
        return {{emit.divide(thread, panelChunks), first % perPanel / panelChunks},
                {emit.remainder(thread, panelChunks), first / perPanel * panelChunks}};
      Value column = emit.add(emit.remainder(thread, panelChunks),
                              emit.mul(emit.divide(thread, perPanel), emit.i32(panelChunks)));
      return {{emit.divide(emit.remainder(thread, perPanel), panelChunks), 0},
              {column, first / perPanel * panelChunks}};
    }
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
      int64_t extent = target.getShape()[dim];
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
    target.copy(row, column, emit.displace(emit.displace(origin, bytes), constantBytes), inside);
  }

  Emitter &emit;
  tile::ViewType viewType;
  ViewRegisters view;
  ArrayRef<Value> offsets;
  CopyTarget target;
  Value origin;
  SmallVector<bool> insideDims; ///< dimensions that need no test
  int64_t threads, elementBytes, chunksPerRow, chunks, perPanel;
};

struct LowerAsyncCopy : OpConversionPattern<tilegpu::AsyncCopyOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::AsyncCopyOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    std::optional<int64_t> threads = getThreads(op);
    if (!threads)
      return rewriter.notifyMatchFailure(op, "only a kernel has threads to copy");
    Emitter emit(rewriter, op.getLoc());
    SmallVector<Value> offsets;
    for (ValueRange offset : adaptor.getOffsets())
      offsets.push_back(offset.front());
    tile::ViewType view = op.getView().getType();
    tilegpu::MemDescType memory = op.getMemory().getType();
    emitWhere(emit, op.getPredicate() ? adaptor.getPredicate().front() : Value(), [&] {
      CopyEmitter(emit, view, ViewRegisters(emit, view, adaptor.getView()), offsets,
                  CopyTarget(emit, memory, adaptor.getMemory().front()), *threads,
                  getInsideDimensions(op))
          .emitAll();
    });
    rewriter.eraseOp(op);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Gathered rows
//===----------------------------------------------------------------------===//

/// The threads that are the first of those with the same rows: of lanes that
/// share rows to copy them together only where the layout says so (the lowest
/// bits), and of surplus lanes and warps one. Null where all are.
static Value findFirstHolders(Emitter &emit, const LinearLayout &rows, unsigned sharingLanes) {
  uint64_t others = 0;
  for (auto [bit, basis] : llvm::enumerate(rows.getBases(Place::Lane)))
    if (basis[0] == 0 && (1u << bit) >= sharingLanes)
      others |= uint64_t(1) << bit;
  for (auto [bit, basis] : llvm::enumerate(rows.getBases(Place::Warp)))
    if (basis[0] == 0)
      others |= uint64_t(32) << bit;
  if (others == 0)
    return {};
  Value number = emit.bitAnd(emit.threadId(), emit.i32(others));
  return LLVM::ICmpOp::create(emit.builder, emit.loc, LLVM::ICmpPredicate::eq, number, emit.i32(0));
}

/// Each row is copied by the lanes that share its index, 16 bytes a lane and step.
struct LowerAsyncGather : OpConversionPattern<tilegpu::AsyncGatherOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::AsyncGatherOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter emit(rewriter, op.getLoc());
    CopyTarget target(emit, op.getMemory().getType(), adaptor.getMemory().front());
    LinearLayout layout = tilegpu::getLayout(op.getRows());
    unsigned lanes = layout::getLanesPerRow(target.getChunksPerRow());
    Value predicate = op.getPredicate() ? adaptor.getPredicate().front() : Value();
    if (Value isFirst = findFirstHolders(emit, layout, lanes))
      predicate = predicate ? emit.bitAnd(predicate, isFirst) : isFirst;
    emitWhere(emit, predicate, [&] { emitRows(emit, op, adaptor, target, layout, lanes); });
    rewriter.eraseOp(op);
    return success();
  }

private:
  static void emitRows(Emitter &emit, tilegpu::AsyncGatherOp op, OneToNOpAdaptor adaptor,
                       CopyTarget &target, const LinearLayout &layout, unsigned lanes) {
    tile::ViewType type = op.getView().getType();
    ViewRegisters view(emit, type, adaptor.getView());
    int64_t elementBytes = type.getElementType().getIntOrFloatBitWidth() / 8;
    Value lane = emit.remainder(emit.laneId(), lanes), column = adaptor.getColumn().front();
    Value first = emit.add(column, emit.mul(lane, emit.i32(chunkBytes / elementBytes)));
    Value base = emit.displace(view.base, emit.mul(emit.extend(first), emit.i64(elementBytes)));
    Value stride = emit.mul(view.strides[0], emit.i64(elementBytes));
    Value row = emitThreadCoordinate(emit, layout, 0);
    bool isWhole = analysis::getInsideDimensions(op.getView(), {op.getColumn(), op.getColumn()},
                                                 op.getMemory().getType().getShape())[1];
    for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; ++reg) {
      Value index = adaptor.getRows()[reg];
      Value exists = emit.isBelow(index, view.sizes[0]);
      Value start = emit.displace(base, emit.mul(emit.extend(index), stride));
      for (int64_t step = 0; step < target.getChunksPerRow(); step += lanes) {
        int64_t elements = step * chunkBytes / elementBytes;
        Value inside = exists;
        if (!isWhole)
          inside =
              emit.bitAnd(exists, emit.isBelow(emit.add(first, emit.i32(elements)), view.sizes[1]));
        target.copy({row, layout.apply(reg, 0, 0)[0]}, {lane, step},
                    emit.displace(start, step * chunkBytes), inside);
      }
    }
  }
};
} // namespace

void nvvm::populateCopyPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerAsyncCopy, LowerAsyncGather>(converter, patterns.getContext());
}
