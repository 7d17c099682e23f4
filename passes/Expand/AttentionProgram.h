//===- AttentionProgram.h - Attention as a tile program -----------------------===//
//
// A block computes tile_q rows of one head of one batch. In units of the running
// maximum m, with c = scale * log2(e):
//
//   for each tile of keys that some row sees:
//     s = q k^T                              (tensor cores)
//     s = -inf where a key is hidden         (only in tiles that have such)
//     m' = max(m, max(s));  a = 2^(c m - c m');  p = 2^(c s - c m')
//     l = a l + sum(p);     acc = a acc + round(p) v
//   o = acc / (2^(log2(e) sink - c m) + l);  lse = ln(2) (c m + log2(l))
//
// A row of hidden keys has m = -inf; 0 is taken off in its place, so that p and a are
// zeros, not NaN. Where something is done to scores, s is multiplied by the scale
// first, and c = log2(e).
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_EXPAND_ATTENTIONPROGRAM_H
#define TILEWRIGHT_PASSES_EXPAND_ATTENTIONPROGRAM_H

#include "dialects/Support/Schedule/Attention.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Expand/ProgramBuilder.h"
#include <optional>

namespace tilewright::expand {

/// Where a tile of scores lies: tile_q x 1 positions of queries, 1 x tile_k positions of
/// keys, and the block's batch and head. All are i32.
struct ScorePlace {
  mlir::Value batch, head, queries, keys;
  /// The first position of each.
  mlir::Value firstQuery, firstKey;
};

class AttentionProgram : protected ProgramBuilder {
public:
  AttentionProgram(nn::AttentionOp op, mlir::func::FuncOp source,
                   const schedule::AttentionSchedule &schedule);
  void run();

private:
  using Values = llvm::SmallVector<mlir::Value>;

  /// A tensor among the parameters.
  struct Operand {
    mlir::Value value; ///< in the nn op; null where it has none
    std::string name;
    unsigned pointer = 0;
    llvm::SmallVector<int64_t> strides;                    ///< kDynamic where a launch knows
    llvm::SmallVector<std::optional<unsigned>> strideArgs; ///< the parameters of those
    llvm::SmallVector<std::string> extents;                ///< names in the problem
  };
  /// What the loop over keys carries.
  struct State {
    mlir::Value max, sum;
    Values acc; ///< a tile for each part of the value's head
  };

  // AttentionProgram.cpp: parameters and results of a block.
  void declare(Operand &operand, mlir::Value value, llvm::StringRef name,
               llvm::ArrayRef<llvm::StringRef> extents);
  void buildFunction();
  tile::KernelAttr getKernelAttr();
  void storeResults(const State &state);
  void storeLogarithms(mlir::Value column);

  // AttentionPlaces.cpp: where a block's rows and keys are.
  mlir::Value getStride(const Operand &operand, unsigned axis);
  mlir::Value getExtent(llvm::StringRef name);
  /// The pointer to `batch` and `head` of an operand, along its axes with those names.
  mlir::Value getHead(const Operand &operand, mlir::Value batch, mlir::Value head);
  /// Rows of one head: length x head size.
  mlir::Value viewHead(const Operand &operand, mlir::Value head, mlir::Value start,
                       mlir::Value count);
  /// The number of an operand with one for each head, or batch and head.
  mlir::Value readNumber(const Operand &operand);
  void placeBlock();
  /// Finds the block's sequence and its place among the tiles of that.
  mlir::Value findSequence();
  mlir::Value readStart(const Operand &operand, mlir::Value index);
  void placeKeys();

  // AttentionLoop.cpp: the loop over keys.
  State buildLoop();
  State addTile(mlir::Value tile, const State &state);
  mlir::Value multiplyQueries(mlir::Value firstKey);
  State addScores(mlir::Value scores, mlir::Value firstKey, const State &state);
  mlir::Value addValues(mlir::Value weights, mlir::Value firstKey, unsigned part, mlir::Value acc);
  /// What is taken off c * scores, 0 for rows that have seen nothing.
  mlir::Value getShift(mlir::Value max);
  mlir::Value exp2(mlir::Value value);

  // AttentionScores.cpp: what is done to scores.
  /// Whether a score is more than the product of q and k.
  bool changesScores() {
    return hasSoftcap() || attention.getAlibiSlopes() || !attention.getScore().empty();
  }
  bool hasSoftcap() { return !attention.getSoftcap().isZero(); }
  mlir::Value changeScores(mlir::Value scores, mlir::Value firstKey);
  mlir::Value hideKeys(mlir::Value scores, mlir::Value firstKey);
  /// Which tiles hide no key of any row: the number of the first and of the one behind
  /// the last; nullopt where a function may hide any key.
  std::optional<std::pair<mlir::Value, mlir::Value>> findFullTiles();
  ScorePlace getPlace(mlir::Value firstKey);
  mlir::Value inlineRegion(mlir::Region &region, mlir::Value scores, const ScorePlace &place);
  mlir::Value loadElement(nn::ElementOp element, const ScorePlace &place,
                          llvm::ArrayRef<unsigned> indices);
  /// A scalar, column or row as a tile_q x tile_k tile, or as `shape`.
  mlir::Value spreadTo(mlir::Value value, llvm::ArrayRef<int64_t> shape);

  mlir::Value splat(double value, llvm::ArrayRef<int64_t> shape);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value minimum(mlir::Value a, mlir::Value b);
  mlir::Value maximum(mlir::Value a, mlir::Value b);
  llvm::SmallVector<int64_t> scoreShape() { return {schedule.tileQ, schedule.tileK}; }
  llvm::SmallVector<int64_t> rowShape() { return {schedule.tileQ, 1}; }
  int64_t getWindow(unsigned side) { return attention.getWindow()[side]; }

  nn::AttentionOp attention;
  const schedule::AttentionSchedule schedule;
  mlir::Type element; ///< of q, k, v and o
  llvm::SmallVector<schedule::HeadPart, 3> headParts, valueParts;
  double exponentScale; ///< c above

  Operand q, k, v, o, qStarts, kStarts, offset, slopes, sinks, lse;
  llvm::SmallVector<Operand> captures;
  std::vector<std::pair<std::string, unsigned>> extentArgs; ///< dynamic extents

  mlir::Value batch, head, keyHead;        ///< of this block
  mlir::Value queryCount, keyCount;        ///< Sq and Sk
  mlir::Value queryStart, keyStart;        ///< of its sequence; null without
  mlir::Value rowStart;                    ///< first row of q
  mlir::Value firstPosition, lastPosition; ///< of the block's rows
  mlir::Value firstTile, endTile;          ///< of keys
  std::optional<std::pair<mlir::Value, mlir::Value>> fullTiles;
  mlir::Value kView, vView;
  Values queries; ///< tiles of q, one a part of the head
};

} // namespace tilewright::expand

#endif
