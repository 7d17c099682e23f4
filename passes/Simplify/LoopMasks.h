//===- LoopMasks.h - In which turns of a loop a mask holds ---------------------===//
//
// Masks of attention compare positions: keys, which follow the induction variable
// j of a loop, with queries and lengths, which do not. Over the elements of a tile
// each side has a least and a greatest value that is j plus something invariant, so
//
//   keys <= queries   holds everywhere   iff  most(keys) <= least(queries)
//                     holds somewhere    iff  least(keys) <= most(queries)
//
// and both are bounds on j.
//
//   Example: keys j .. j+63, queries m .. m+63. All pairs are visible where
//   j <= m - 63, some where j <= m + 63.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_SIMPLIFY_LOOPMASKS_H
#define TILEWRIGHT_PASSES_SIMPLIFY_LOOPMASKS_H

#include "passes/Simplify/Passes.h"

namespace tilewright::simplify {

/// factor * j + the terms times their factors + constant.
struct Affine {
  int64_t induction = 0, constant = 0;
  std::vector<std::pair<mlir::Value, int64_t>> terms;

  Affine operator+(const Affine &other) const;
  Affine operator-(const Affine &other) const { return *this + other.scaled(-1); }
  Affine operator+(int64_t value) const;
  Affine scaled(int64_t factor) const;
  /// The value where nothing depends on j, as i32 arithmetic.
  mlir::Value materialise(mlir::OpBuilder &builder, mlir::Location loc) const;
};

/// `least <= most` of two affine numbers.
struct Inequality {
  Affine left, right;
};

/// One comparison of a mask: where it holds for all elements and for some.
struct Comparison {
  Inequality forAll, forSome;
};

/// What is known of a mask.
struct Mask {
  mlir::Value value;
  std::vector<Comparison> comparisons; ///< all must hold
  bool isComplete = true;              ///< the mask is nothing else
};

/// The i1 tile or scalar `value` as comparisons of positions.
Mask analyseMask(mlir::Value value, mlir::scf::ForOp loop);
/// The same of where the scalar `condition` does not hold.
Mask analyseNegation(mlir::Value condition, mlir::scf::ForOp loop);

} // namespace tilewright::simplify

#endif
