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
// m starts as a number, lower than scores: a row of hidden
// keys has p = 0 and a = 1, not NaN. Where something is done to scores, s is multiplied
// by the scale first, and c = log2(e).
//
// With pack_heads the rows of a block are those of all query heads that read one head of
// k: row r is query r / heads, head r % heads of them. With split_keys several blocks
// share a tile of rows, see AttentionParts.cpp.
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
/// keys, and the block's batch and head, which is tile_q x 1 where heads are packed. All
/// are i32.
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
    /// Columns; of sums there are as many as warps a row, each of its own keys, which
    /// the loop need not add up.
    mlir::Value max, sum;
    Values acc; ///< a tile for each part of the value's head
  };

  /// How the keys of a tile of rows are shared out; all i32.
  struct Parts {
    mlir::Value block;         ///< number of the tile of rows in the grid
    mlir::Value firstTile;     ///< of chunk 0
    mlir::Value chunkTiles;    ///< tiles a chunk
    mlir::Value chunks;        ///< at least 1
    mlir::Value begin, end;    ///< chunks of this block
    mlir::Value slots, groups; ///< room of a tile of rows in the workspaces
  };

  // AttentionProgram.cpp: parameters and results of a block.
  void declare(Operand &operand, mlir::Value value, llvm::StringRef name,
               llvm::ArrayRef<llvm::StringRef> extents);
  void buildFunction();
  tile::KernelAttr getKernelAttr();
  std::string getExtentText(llvm::StringRef name);
  void storeResults(const State &state);
  void storeLogarithms(mlir::Value column);

  // AttentionPlaces.cpp: where a block's rows and keys are.
  mlir::Value getStride(const Operand &operand, unsigned axis);
  mlir::Value getExtent(llvm::StringRef name);
  /// The pointer to `batch` and `head` of an operand, along its axes with those names.
  mlir::Value getHead(const Operand &operand, mlir::Value batch, mlir::Value head);
  /// Rows of one head: length x head size.
  /// Heads are ranks where k and v are factored; no more than `align` bytes are assumed.
  mlir::Value viewHead(const Operand &operand, mlir::Value head, mlir::Value start,
                       mlir::Value count, unsigned align = 16);
  /// The number of an operand with one a batch.
  mlir::Value readNumber(const Operand &operand);
  void placeBlock();
  /// Finds the block's sequence and its place among the tiles of that.
  mlir::Value findSequence();
  mlir::Value readStart(const Operand &operand, mlir::Value index);
  void placeKeys();
  void loadQueries();

  // AttentionKeys.cpp: keys and values of caches and pages too.
  bool isPaged() { return bool(pageTable.value); }
  int64_t getPageSize();
  /// Keys there is room for in one batch.
  mlir::Value getRoom();
  mlir::Value countKeys();
  mlir::Value viewKeys(const Operand &operand);
  /// Columns of an operand's rows in memory, and what a program calls their type.
  int64_t getColumns(const Operand &operand);
  mlir::Type getStorage(const Operand &operand);
  /// What is known of an address in the operand.
  unsigned getAlignAt(const Operand &operand, mlir::Value base);

  // AttentionCodes.cpp: keys and values of low-bit caches.
  bool isCoded(const Operand &operand) { return getStorage(operand) != element; }
  /// Codes as numbers of the dtype of q, tile_k x width.
  mlir::Value decode(const Operand &operand, mlir::Value codes, int64_t width);
  mlir::Value toElement(mlir::Value numbers);
  /// Whether columns of values take another order in products: that in which a thread has
  /// neighbours, an eighth of (at most) 64 columns, instead of each eighth column.
  bool ordersColumns(int64_t width) { return v.value && isCoded(v) && llvm::isPowerOf2_64(width); }
  /// Into that order, or back.
  mlir::Value orderColumns(mlir::Value values, bool isBack);
  /// A 1 x tile_k row of scales as a tile of scores.
  mlir::Value loadScales(const Operand &operand, mlir::Value view, mlir::Value firstKey);
  /// F of nn.attention; 1 where there are no scales.
  double getWeightFactor();
  mlir::Value scaleWeights(mlir::Value weights, mlir::Value firstKey);

  mlir::Value loadKeys(const Operand &operand, mlir::Value view, mlir::Value firstKey,
                       schedule::HeadPart part);
  mlir::Value loadFromPage(const Operand &operand, mlir::Value firstKey, schedule::HeadPart part);
  mlir::Value loadFromPages(mlir::Value view, mlir::Value pageRows, mlir::Value firstKey,
                            schedule::HeadPart part);
  /// Rows of a head from one page to the next.
  mlir::Value getPageRows(const Operand &operand);
  mlir::Value viewTable(int64_t rank);

  // AttentionFactors.cpp: keys and values as products.
  bool hasFactors() { return bool(kFactors.value); }
  /// A part of the head of a tile of k or v: itself, or a tile a rank and their factors,
  /// which are tile_k x 1.
  struct Rows {
    Values ranks, factors;
  };
  Rows loadRows(const Operand &operand, mlir::Value view, mlir::Value firstKey,
                schedule::HeadPart part);
  /// A slice of it, put together.
  mlir::Value takeRows(const Rows &rows, llvm::ArrayRef<int64_t> offsets,
                       llvm::ArrayRef<int64_t> shape);

  // AttentionBlocks.cpp: lists of blocks of keys.
  bool hasBlocks() { return bool(blocks.value); }
  void placeBlocks();
  /// The tile of keys of a turn of the loop.
  mlir::Value getTile(mlir::Value turn);
  /// Keys that all turns together may go over.
  mlir::Value getReach();
  std::string getReachText();

  // AttentionHeads.cpp: rows of several heads in one tile.
  bool packsHeads() { return schedule.packHeads != 0; }
  /// Heads of q in a block.
  int64_t getPackedHeads() {
    return packsHeads() ? attention.getQueryHeads() / attention.getKeyHeads() : 1;
  }
  mlir::Value splatInteger(mlir::Value value);
  /// tile_q x 1: the query and head that rows are of, counted from the block's first head.
  mlir::Value getRowQueries();
  mlir::Value getRowHeads();
  /// tile_q x 1: query * queryStep + head * headStep; -1 for rows that do not exist.
  mlir::Value findPackedRows(mlir::Value queryStep, mlir::Value headStep);
  mlir::Value getQueryStep(const Operand &operand);
  mlir::Value viewPackedHeads(const Operand &operand);
  /// The number of each row's head: a scalar, or tile_q x 1 where heads are packed.
  mlir::Value readHeadNumbers(const Operand &operand);
  mlir::Value gatherElement(const Operand &capture, const ScorePlace &place,
                            llvm::ArrayRef<unsigned> indices);

  // AttentionParts.cpp: blocks that share the keys of a tile of rows.
  void buildParts();
  Parts countParts();
  mlir::Value countRowTiles();
  /// The sum over the chunks of a group, or over groups, where this block ends it.
  using Ending = std::pair<State, mlir::Value>; ///< and whether rows end with it
  Ending addPart(const Parts &parts, mlir::Value chunk, const State &own);
  Ending addGroup(const Parts &parts, mlir::Value group, const State &sum);
  Ending choose(mlir::Value condition, llvm::function_ref<Ending()> then,
                llvm::function_ref<Ending()> otherwise);
  mlir::Value getSlot(const Parts &parts, unsigned pointer, mlir::Value slot, int64_t elements);
  mlir::Value viewRows(mlir::Value base, int64_t width);
  void storeState(const Parts &parts, mlir::Value slot, const State &state);
  int64_t countMergeStages();
  State mergeStates(const Parts &parts, mlir::Value begin, mlir::Value end);
  State addSlot(const State &state, const Parts &parts, mlir::Value slot);
  mlir::Value arrive(const Parts &parts, mlir::Value counter, mlir::Value expected);
  llvm::SmallVector<tile::WorkspaceAttr> getWorkspaces(const std::string &blocks);
  std::string getSlotsText();

  // AttentionLoop.cpp: the loop over keys.
  /// Of rows that have seen nothing.
  State startState();
  State buildLoop(mlir::Value begin, mlir::Value end);
  State addTile(mlir::Value tile, const State &state);
  mlir::Value multiplyQueries(mlir::Value firstKey);
  State addScores(mlir::Value scores, mlir::Value firstKey, const State &state);
  mlir::Value addValues(mlir::Value weights, mlir::Value firstKey, unsigned part, mlir::Value acc);
  /// sum * decay + what the rows of `weights` add up to.
  mlir::Value addWeights(mlir::Value weights, mlir::Value decay, mlir::Value sum);
  /// What is taken off c * scores.
  mlir::Value getShift(mlir::Value max);
  /// The maximum of no score: what is lower counts as hidden, as -inf does.
  double getLowestScore();
  mlir::Value exp2(mlir::Value value);

  // AttentionScores.cpp: what is done to scores.
  /// Whether a score is more than the product of q and k.
  bool changesScores() {
    return hasSoftcap() || attention.getAlibiSlopes() || !attention.getScore().empty();
  }
  bool hasSoftcap() { return !attention.getSoftcap().isZero(); }
  mlir::Value changeScores(mlir::Value scores, mlir::Value firstKey);
  mlir::Value hideKeys(mlir::Value scores, mlir::Value firstKey, bool asksFunction);
  /// Which tiles hide no key of any row: the number of the first, null where that is 0,
  /// and of the one behind the last; nullopt where a function may hide any key.
  std::optional<std::pair<mlir::Value, mlir::Value>> findFullTiles();
  ScorePlace getPlace(mlir::Value firstKey);
  mlir::Value inlineRegion(mlir::Region &region, mlir::Value scores, const ScorePlace &place);
  mlir::Value loadElement(nn::ElementOp element, const ScorePlace &place,
                          llvm::ArrayRef<unsigned> indices);
  /// A scalar, column or row as a tile_q x tile_k tile, or as `shape`.
  mlir::Value spreadTo(mlir::Value value, llvm::ArrayRef<int64_t> shape);

  mlir::Value splat(double value, llvm::ArrayRef<int64_t> shape);
  /// Over one dimension, whose extent becomes 1.
  mlir::Value reduce(tile::ReduceKind kind, mlir::Value value, unsigned dim);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  /// Of numbers that are not negative.
  mlir::Value ceilDiv(mlir::Value a, mlir::Value b);
  mlir::Value minimum(mlir::Value a, mlir::Value b);
  mlir::Value maximum(mlir::Value a, mlir::Value b);
  llvm::SmallVector<int64_t> scoreShape() { return {schedule.tileQ, schedule.tileK}; }
  llvm::SmallVector<int64_t> rowShape() { return {schedule.tileQ, 1}; }
  llvm::SmallVector<int64_t> sumShape() {
    return schedule.columnWarps == 1
               ? rowShape()
               : llvm::SmallVector<int64_t>{schedule.tileQ, schedule.columnWarps, 1};
  }
  int64_t getWindow(unsigned side) { return attention.getWindow()[side]; }

  nn::AttentionOp attention;
  const schedule::AttentionSchedule schedule;
  mlir::Type element; ///< of q, k, v and o
  llvm::SmallVector<schedule::HeadPart, 3> headParts, valueParts;
  double exponentScale; ///< c above

  /// v is none where the values are columns of k.
  Operand q, k, v, o, qStarts, kStarts, kLengths, pageTable, kFactors, vFactors, blockCounts,
      blocks, kScales, vScales, offset, slopes, sinks, lse;
  llvm::SmallVector<Operand> captures;
  std::vector<std::pair<std::string, unsigned>> extentArgs; ///< dynamic extents
  unsigned splitsArg = 0, partsArg = 0, sumsArg = 0, countersArg = 0;

  mlir::Value batch, head, keyHead;        ///< of this block; the first head of several
  mlir::Value rowTile, part;               ///< of the grid: tile of rows, part of its keys
  mlir::Value queryCount, keyCount;        ///< Sq and Sk
  mlir::Value distance;                    ///< from the number of a query to its position
  mlir::Value queryStart, keyStart;        ///< of its sequence; null without
  mlir::Value rowStart;                    ///< first row of q
  mlir::Value firstPosition, lastPosition; ///< of the block's rows
  mlir::Value firstTile, endTile;          ///< of keys
  std::optional<std::pair<mlir::Value, mlir::Value>> fullTiles;
  mlir::Value kView, vView, kScaleView, vScaleView;
  mlir::Value blockList; ///< a view of the list of the block's rows
  Values queries;        ///< tiles of q, one a part of the head
  Values keyTiles;       ///< the same of k, in the turn that is being built
};

} // namespace tilewright::expand

#endif
