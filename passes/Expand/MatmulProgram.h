//===- MatmulProgram.h - What programs of matrix products share --------------===//
//
// y = epilogue(x * w) for whatever w is. A block owns a tile_m x tile_n tile of
// y and walks K in steps of tile_k; a family says how one step adds to the
// accumulator:
//
//   for each K tile:  acc = addTile(K tile, acc)
//   y = activation(finishSum(acc) + bias)
//
// With split_k > 1 each block leaves its sum in a workspace; the block that
// arrives last adds them in order.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_EXPAND_MATMULPROGRAM_H
#define TILEWRIGHT_PASSES_EXPAND_MATMULPROGRAM_H

#include "dialects/Support/Schedule/QuantMatmul.h"
#include "passes/Expand/ProgramBuilder.h"
#include <optional>

namespace tilewright::expand {

/// What an op says about its product, apart from w: x [M,K], bias [N] (may be
/// null), the type of y [M,N]; M may be dynamic.
struct MatmulFacts {
  mlir::Value x, bias;
  mlir::RankedTensorType yType;
  nn::Activation activation = nn::Activation::None;
  nn::ProblemAttr problem; ///< may be null
  tile::ScheduleAttr schedule;
  int64_t m = 0, n = 0, k = 0;
};

class MatmulProgram : protected ProgramBuilder {
public:
  virtual ~MatmulProgram() = default;
  void run();

protected:
  MatmulProgram(mlir::Operation *op, mlir::func::FuncOp source, const MatmulFacts &facts,
                const schedule::QuantMatmulSchedule &schedule)
      : ProgramBuilder(op, source, facts.problem), facts(facts), schedule(schedule), m(facts.m),
        n(facts.n), k(facts.k) {}

  /// Adds the parameters of w; they follow x.
  virtual void addWeightParameters() = 0;
  /// Builds the views of w at the start of the program.
  virtual void buildWeightViews() = 0;
  /// Adds tile `kTile` of the product to the f32 accumulator.
  virtual mlir::Value addTile(mlir::Value kTile, mlir::Value acc) = 0;
  /// What is left to do to the sum over all of K.
  virtual mlir::Value finishSum(mlir::Value acc) { return acc; }

  /// tile_m x tile_k of x.
  mlir::Value loadX(mlir::Value kTile);
  /// A 1 x tile_n row of a 16-bit or f32 type as a tile_m x tile_n tile of f32.
  mlir::Value broadcastRow(mlir::Value row) {
    return spread(row, {schedule.tileM, schedule.tileN});
  }

  const MatmulFacts facts;
  const schedule::QuantMatmulSchedule schedule;
  const int64_t m, n, k;

  mlir::Value programM, programN, programK, rowStart, columnStart;

private:
  void buildFunction();
  void buildViews();
  mlir::Value buildMainLoop();
  void buildSplitEpilogue(mlir::Value acc);
  void buildEpilogue(mlir::Value acc);
  tile::KernelAttr getKernelAttr();
  mlir::Value viewOfRows(llvm::StringRef name, mlir::Value base, mlir::RankedTensorType type,
                         mlir::Value dynamicStride);

  unsigned xArg = 0, yArg = 0;
  std::optional<unsigned> biasArg, mArg, xStrideArg, yStrideArg, partialsArg, countersArg;

  mlir::Value mSize; ///< M as an i32 when it is dynamic
  mlir::Value xView, yView, biasView;
};

} // namespace tilewright::expand

#endif
