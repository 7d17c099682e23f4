//===- AppendCacheProgram.h - append_cache as a tile program ------------------===//
//
// A block takes one token of one batch and tile_h heads of its keys, its values or its
// queries; the grid's second axis counts tiles of heads of all three, one kind after
// the other. The block finds the token's position and the row of the cache that it
// belongs to, for all its threads alike; what has no row is not stored.
//
// A head is taken in segments: the columns in front of those that are rotated, those,
// and the columns behind. A rotated segment is computed as
//
//   r = x * cos + other * sin,  other = -x of the second half | x of the first
//
// where halves of `other` come from memory with their places exchanged, and the pairs of
// interleaved columns from the registers that hold them.
//
// Low-bit caches need the largest of all segments of a head before any is stored:
// values stay in registers, in f32.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_EXPAND_APPENDCACHEPROGRAM_H
#define TILEWRIGHT_PASSES_EXPAND_APPENDCACHEPROGRAM_H

#include "dialects/Support/Schedule/AppendCache.h"
#include "passes/Expand/ProgramBuilder.h"
#include <optional>

namespace tilewright::expand {

class AppendCacheProgram : protected ProgramBuilder {
public:
  AppendCacheProgram(nn::AppendCacheOp op, mlir::func::FuncOp source,
                     const schedule::AppendCacheSchedule &schedule);
  void run();

private:
  using Values = llvm::SmallVector<mlir::Value>;

  /// A tensor among the parameters.
  struct Operand {
    mlir::RankedTensorType type; ///< null where the op has none
    std::string name;
    unsigned pointer = 0;
    llvm::SmallVector<int64_t> strides;                    ///< kDynamic where a launch knows
    llvm::SmallVector<std::optional<unsigned>> strideArgs; ///< the parameters of those
    llvm::SmallVector<std::string> extents;                ///< names in the problem
  };
  /// Heads of one kind and where they go.
  struct Part {
    Operand *source, *target;
    Operand *scales = nullptr; ///< null where there are none
    bool isRotated = false;
  };
  /// Columns `start` to `start + size` of heads. As a tile: heads x columns, or heads x 2
  /// x columns of halves that are rotated; extents of columns are powers of two.
  struct Segment {
    int64_t start, size;
    bool isRotated = false;
  };

  // AppendCacheProgram.cpp: parameters, and where a block's heads are.
  void declare(Operand &operand, mlir::Value value, llvm::StringRef name,
               llvm::ArrayRef<llvm::StringRef> extents, bool isUpdated = false,
               bool isWritten = false);
  void declareOperands();
  void addExtents(llvm::ArrayRef<Operand *> operands);
  tile::KernelAttr getKernelAttr();
  int64_t getTiles(const Part &part);
  void placeToken();
  void findRow();
  mlir::Value getStride(const Operand &operand, unsigned axis);
  mlir::Value getExtent(const Operand &operand, unsigned axis);
  mlir::Value readIndex(const Operand &operand, mlir::ValueRange place);
  /// The address of `outer`, `inner` along the first two axes.
  mlir::Value getAddress(const Operand &operand, mlir::Value outer, mlir::Value inner);
  void buildParts(llvm::ArrayRef<Part> parts, int64_t firstTile);
  void buildPart(const Part &part, int64_t firstTile);

  // AppendCacheValues.cpp: what becomes of the elements of heads.
  llvm::SmallVector<Segment, 3> getSegments(const Part &part);
  /// The extents of a segment as memory has them, and of its tile.
  llvm::SmallVector<int64_t> getExtents(const Segment &segment, int64_t heads);
  llvm::SmallVector<int64_t> getTileShape(const Segment &segment);
  llvm::SmallVector<int64_t> headShape() { return {schedule.tileH, 1}; }
  /// A segment's columns of all heads of a token at `base`; halves with their places
  /// exchanged where `isExchanged`.
  mlir::Value viewSegment(const Operand &operand, mlir::Value base, const Segment &segment,
                          bool isExchanged = false);
  Values getOffsets(const Segment &segment);
  /// The segment as it is stored: in the source's dtype, or f32 where it was rotated.
  mlir::Value loadSegment(const Part &part, mlir::Value base, const Segment &segment);
  mlir::Value rotateHalves(const Part &part, mlir::Value base, const Segment &segment);
  mlir::Value rotatePairs(const Part &part, mlir::Value base, const Segment &segment);
  /// Which elements of a tile like `x` are at 0 along `dim`.
  mlir::Value isFirst(mlir::Value x, unsigned dim);
  /// x * cos + other * sin, `other` with its sign changed where `dim` is 0.
  mlir::Value rotate(mlir::Value x, mlir::Value other, unsigned dim);
  mlir::Value loadTable(const Operand &table, llvm::ArrayRef<int64_t> shape, unsigned axis);
  void storeSegment(const Part &part, mlir::Value base, const Segment &segment, mlir::Value values);

  // AppendCacheCodes.cpp: codes and scales of low-bit caches.
  bool isLowBit(const Part &part) {
    return part.target->type.getElementType() != part.source->type.getElementType();
  }
  /// What a program calls the elements of an operand: integers have no sign there.
  mlir::Type getStorage(const Operand &operand) {
    mlir::Type element = operand.type.getElementType();
    return element.isUnsignedInteger(8) ? mlir::Type(builder.getI8Type()) : element;
  }
  /// Codes in an element of a cache.
  static int64_t getCodes(const Operand &operand) {
    return operand.type.getElementType().isUnsignedInteger(8) ? 2 : 1;
  }
  /// The scales of a block's heads, as they are stored.
  mlir::Value findScales(const Part &part, mlir::ValueRange values);
  mlir::Value findLargest(mlir::Value values);
  /// The segment as the cache holds it; `scales` may be null.
  mlir::Value encode(const Part &part, mlir::Value values, mlir::Value scales);
  mlir::Value divide(mlir::Value values, mlir::Value scales);
  mlir::Value roundToIntegers(mlir::Value values, double largest);
  mlir::Value packPairs(mlir::Value codes);
  void storeScales(const Part &part, mlir::Value scales);
  mlir::Value splat(double value, llvm::ArrayRef<int64_t> shape);

  nn::AppendCacheOp append;
  const schedule::AppendCacheSchedule schedule;
  Operand k, v, q, lengths, pages, cos, sin, kCache, vCache, kScales, vScales, rotated;
  llvm::SmallVector<Part, 3> parts;
  std::vector<std::pair<std::string, unsigned>> extentArgs; ///< dynamic extents

  mlir::Value batch, token, position; ///< of this block
  mlir::Value cacheOuter, cacheInner; ///< the row of the cache
  mlir::Value hasRow;                 ///< whether there is one; i1
  mlir::Value head;                   ///< the first of the block's heads
};

} // namespace tilewright::expand

#endif
