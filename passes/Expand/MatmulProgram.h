//===- MatmulProgram.h - What programs of matrix products share --------------===//
//
// y = epilogue(x * w) for whatever w is. A block owns a tile_m x tile_n tile of
// y and walks K in steps of tile_k; a family says how one step adds to the
// accumulator:
//
//   for each K tile:  acc = addTile(K tile, acc)
//   y = (activation(finishSum(acc) * row_scale * column_scale + bias) + residual)
//       * out_scale
//
// With split_k > 1 each block leaves its sum in a workspace; the block that
// arrives last adds them in order. With stream_k blocks share the K tiles of all
// tiles of y evenly:
//
//   for each tile of y that my share touches:
//     acc = the share's K tiles of it
//     if they are not all: leave acc; the last block to arrive adds in order
//
// Of a batch of products each is a matrix of tiles of its own: pointers are moved by
// whole matrices before anything else.
//
// With chunk_k the sum of each chunk of K starts from zero and is one part,
// whoever computes it; parts are added in order.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_EXPAND_MATMULPROGRAM_H
#define TILEWRIGHT_PASSES_EXPAND_MATMULPROGRAM_H

#include "dialects/Support/Schedule/ProductTiles.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Expand/ProgramBuilder.h"
#include <optional>

namespace tilewright::expand {

/// What an op says about its product, apart from w. M may be dynamic. Of x
/// [M,K], bias [N], row_scale [M], column_scale [N], residual (as y) and out_scale [1]
/// all but the first may be null. y is [M,N], or [M,N/2] with swiglu.
struct MatmulFacts {
  mlir::Value x, bias, rowScale, columnScale, residual, outScale;
  mlir::RankedTensorType yType;
  nn::Activation activation = nn::Activation::None;
  nn::ProblemAttr problem; ///< may be null
  tile::ScheduleAttr schedule;
  int64_t batch = 0; ///< matrices, each operand's first extent; 0 where there is no batch
  int64_t m = 0, n = 0, k = 0;

  /// What all product ops say alike, for a w with `n` columns.
  template <typename Op> static MatmulFacts get(Op op, int64_t n) {
    MatmulFacts facts;
    facts.x = op.getX();
    facts.bias = op.getBias();
    facts.rowScale = op.getRowScale();
    facts.columnScale = op.getColumnScale();
    facts.residual = op.getResidual();
    facts.outScale = op.getOutScale();
    facts.yType = mlir::cast<mlir::RankedTensorType>(op.getY().getType());
    facts.activation = op.getActivation();
    facts.problem = op.getProblem().value_or(nn::ProblemAttr());
    facts.schedule = *op.getSchedule();
    auto x = mlir::cast<mlir::RankedTensorType>(facts.x.getType());
    facts.batch = x.getRank() == 3 ? x.getDimSize(0) : 0;
    facts.m = x.getShape().take_back(2)[0];
    facts.n = n;
    facts.k = x.getShape().back();
    return facts;
  }
};

class MatmulProgram : protected ProgramBuilder {
public:
  virtual ~MatmulProgram() = default;
  void run();

protected:
  MatmulProgram(mlir::Operation *op, mlir::func::FuncOp source, const MatmulFacts &facts,
                const schedule::ProductTiles &schedule)
      : ProgramBuilder(op, source, facts.problem), facts(facts), schedule(schedule), m(facts.m),
        n(facts.n), k(facts.k) {}

  /// Adds the parameters of w; they follow x.
  virtual void addWeightParameters() = 0;
  /// Adds the strides and extents of w that only a launch knows; they follow the
  /// strides of x.
  virtual void addWeightStrides() {}
  /// Builds the views of w, of the matrix that the program is in.
  virtual void buildWeightViews() = 0;
  /// What products are summed in: f32 or i32.
  virtual mlir::Type getSumType() { return f32(); }
  /// Steps of the main loop for a tile of y where only a launch knows them; null
  /// where a step is a tile of K.
  virtual mlir::Value getDynamicSteps() { return {}; }
  /// Adds step `step`, a tile of K, of the product to the accumulator.
  virtual mlir::Value addTile(mlir::Value step, mlir::Value acc) = 0;
  /// What is left to do to the sum over all of K, in f32.
  virtual mlir::Value finishSum(mlir::Value acc) { return acc; }

  /// A stride that only a launch knows, as a parameter; none where it is static.
  std::optional<unsigned> addStride(llvm::StringRef name, unsigned axis, int64_t contiguous);
  /// The address of this matrix's part of an operand whose matrices are `stride` apart,
  /// or that of the parameter.
  mlir::Value locate(unsigned pointer, mlir::Type element, int64_t stride);
  mlir::Value locate(unsigned pointer, mlir::Type element, mlir::Value stride);
  /// The stride of an operand's matrices.
  mlir::Value getMatrixStride(llvm::StringRef name, mlir::Type element,
                              std::optional<unsigned> parameter, int64_t contiguous);
  /// What a view of an operand at `base` may rely on.
  unsigned getViewAlign(llvm::StringRef name, mlir::Value base);
  /// The axis of an operand's rows: behind that of the batch.
  unsigned getRowAxis() const { return facts.batch ? 1 : 0; }

  /// tile_m x tile_k of x.
  mlir::Value loadX(mlir::Value kTile);
  /// 8-bit floats as f16, all of which f16 has.
  mlir::Value widen(mlir::Value numbers);
  /// sum + x * w of a part of a tile, by the operands that the schedule names.
  mlir::Value multiply(mlir::Value x, mlir::Value w, mlir::Value sum);
  /// A 1 x tile_n row of a 16-bit or f32 type as a tile_m x tile_n tile of f32.
  mlir::Value broadcastRow(mlir::Value row) {
    return spread(row, {schedule.tileM, schedule.tileN});
  }

  const MatmulFacts facts;
  const schedule::ProductTiles schedule;
  const int64_t m, n, k;
  int64_t getTilesOfK() const { return llvm::divideCeil(k, schedule.tileK); }

  /// Tile of y that is being built: its numbers and its first row and column.
  mlir::Value programM, programN, rowStart, columnStart;

private:
  /// A matrix of rows among the parameters, or a batch of them. Strides where only a
  /// launch knows them.
  struct Rows {
    unsigned pointer = 0;
    std::optional<unsigned> stride, matrixStride;
    mlir::Value view;
  };
  /// A vector among the parameters, or one for each matrix.
  struct Numbers {
    std::optional<unsigned> pointer, matrixStride;
    mlir::Value view;
  };

  void buildFunction();
  void addStrides(llvm::StringRef name, int64_t columns, Rows &rows);
  void addStrides(llvm::StringRef name, int64_t extent, Numbers &numbers);
  /// Elements of a matrix of rows of `columns`; dynamic where M is.
  int64_t getMatrixElements(int64_t columns) const {
    return mlir::ShapedType::isDynamic(m) ? m : m * columns;
  }
  tile::KernelAttr getKernelAttr();
  /// Moves into matrix `index` of the batch and builds the views of its operands.
  void enterMatrix(mlir::Value index);
  void buildViews();
  void viewRows(llvm::StringRef name, mlir::RankedTensorType type, Rows &rows);
  /// A vector parameter as a matrix of one row or one column.
  void viewNumbers(llvm::StringRef name, mlir::Value operand, llvm::ArrayRef<int64_t> shape,
                   Numbers &numbers);
  void placeTile(mlir::Value m, mlir::Value n);
  mlir::Value buildZeroSum() { return zeros({schedule.tileM, schedule.tileN}, getSumType()); }
  mlir::Value addSums(mlir::Value a, mlir::Value b);
  mlir::scf::ForOp createMainLoop(mlir::Value lower, mlir::Value upper, mlir::ValueRange inits);
  mlir::Value buildMainLoop(mlir::Value lower, mlir::Value upper);
  mlir::Value buildChunkedLoop(mlir::Value lower, mlir::Value upper, mlir::Value partials);
  void buildGridOfTiles();
  void buildStream();
  void storePart(mlir::Value acc, mlir::Value partials, mlir::Value part);
  mlir::Value arrive(mlir::Value expected);
  mlir::Value addParts(mlir::Value partials, mlir::Value first, mlir::Value end,
                       llvm::function_ref<mlir::SmallVector<mlir::Value>(mlir::Value)> locate);
  mlir::Value buildPartialsOfSplits();
  mlir::Value buildPartialsOfStream();
  void buildEpilogue(mlir::Value acc);
  /// f32 numbers in the type of y.
  mlir::Value round(mlir::Value numbers);
  /// tile_m x tile_n, where neighbouring columns are gate and up.
  mlir::Value applySwiGLU(mlir::Value acc);
  bool hasPairs() const { return facts.activation == nn::Activation::SwiGLU; }
  /// Parts that the splits of a tile of y leave.
  int64_t getPartCount() const {
    return schedule.chunkK > 0 ? llvm::divideCeil(k, schedule.chunkK) : schedule.splitK;
  }
  /// value * (steps of a tile of y * factor), and value + (those steps + extra).
  mlir::Value timesSteps(mlir::Value value, int64_t factor = 1);
  mlir::Value plusSteps(mlir::Value value, int64_t extra);
  /// Tiles of y along M, as an i32.
  mlir::Value getTilesM();
  int64_t getTilesN() const { return llvm::divideCeil(n, schedule.tileN); }
  /// Products of the launch.
  int64_t getMatrices() const { return std::max<int64_t>(1, facts.batch); }
  bool leavesParts() const { return schedule.splitK > 1 || schedule.streamK > 0; }
  /// Columns of y that a block writes.
  int64_t getTileOutputs() const { return hasPairs() ? schedule.tileN / 2 : schedule.tileN; }

  Rows x, y, residual;
  std::optional<unsigned> mArg, partialsArg, countersArg;
  mlir::Value mSize;        ///< M as an i32 when it is dynamic
  mlir::Value dynamicSteps; ///< from getDynamicSteps()
  Numbers bias, rowScale, columnScale, outScale;
  mlir::Value matrixIndex; ///< of the batch, an i32; null without one
  mlir::Value matrix;      ///< the same as an i64
};

} // namespace tilewright::expand

#endif
