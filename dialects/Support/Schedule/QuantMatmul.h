//===- QuantMatmul.h - Schedules of the quantised matmul family ------------===//
//
// y[M,N] = x[M,K] * dequant(w[K,N]), by tiles and splits as ProductTiles.h says;
// each warp owns whole 32-column strips of packed weights.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_QUANTMATMUL_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_QUANTMATMUL_H

#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Format/WeightRule.h"
#include "dialects/Support/Schedule/ProductTiles.h"
#include <optional>

namespace tilewright::schedule {

/// What a problem of this family says, typed. The op is "quant_matmul".
///   dimensions  M (static or dynamic), N and K (static, at least 1), B (static, at
///               least 1; then the first of every operand but codebook and out_scale);
///               planes (with format stack: dynamic)
///   operands    x [M,K] f16|bf16|i8|e4m3|e5m2, w (packed u32 words), scales [groups,N], with
///               format stack [planes,groups,N],
///               zeros (with zero other than none: u8, or f16|bf16|f32),
///               tensor_scale [1] f32 (optional), codebook (with lut2..lut4),
///               bias [N] (optional),
///               out_scale [1] f32 (optional), y [M,N] f16|bf16|f32|e4m3|e5m2
///   attributes  format of weights (Format::isWeight), group
///               (format::Granularity), scale f16|bf16|f32|e8m0|e4m3|ue5m3, zero
///               none|integer|float|offset (format::canHave), activation
///               none|relu|gelu|silu; the last two are "none" where left out;
///               deterministic true|false, false where left out, and with stacks
/// With x of i8, codes are integers, and groups that are not all of K have a
/// multiple of 32 rows.
struct QuantMatmulProblem {
  int64_t batch = 1; ///< products of the launch
  std::optional<int64_t> m;
  int64_t n = 0, k = 0;
  format::Format weight; ///< of the codes
  format::Granularity granularity;
  unsigned scaleBytes = 2; ///< of one scale
  format::Zero zero = format::Zero::None;
  unsigned zeroBytes = 0;       ///< of one element of their table (layout::ScaleStorage)
  unsigned activationBytes = 2; ///< of one number of x
  bool isWidened = false;       ///< x is of e4m3 or e5m2, which is multiplied as f16
  /// Equal bits of a row of y whatever the schedule and the other rows.
  bool isDeterministic = false;

  /// The error names the dimension, operand or attribute, its value and what
  /// was expected.
  static llvm::Expected<QuantMatmulProblem> fromProblem(const problem::Problem &problem);

  /// Whether x is of i8: then products are summed as integers.
  bool hasByteActivations() const { return activationBytes == 1 && !isWidened; }
  /// Rows of K whose products of bytes a 32-bit sum holds: 128 * 255 each.
  static constexpr int64_t maxIntegerRows = 65536;
  /// Whether sums are scaled within the main loop, not once at the end: there is
  /// more than one group along K, a floating-point zero point to account for, or a
  /// stack, whose planes have scales of their own; or integers would outgrow their
  /// sum.
  bool scalesInLoop() const {
    return granularity.getGroups(k) > 1 || format::isFloat(zero) || weight.isStack() ||
           (hasByteActivations() && k > maxIntegerRows);
  }
  /// Whether a zero point meets the sum of x and not the code: floating-point ones,
  /// and any beside bytes, where codes fill their range.
  bool sumsX() const {
    return format::isFloat(zero) || (hasByteActivations() && zero != format::Zero::None);
  }
  /// Rows of a tile of `tileK` that are summed before they are scaled: the most
  /// that divide both the tile and a group. 48 and 128 give 16, each third of a
  /// group is scaled on its own; 48 and 384 give 48.
  int64_t getSegmentRows(int64_t tileK) const;
  int64_t getSegments(int64_t tileK) const { return tileK / getSegmentRows(tileK); }
  /// Whether the segments' scales or zero points are consecutive rows of a table,
  /// so that one load brings all of them. Otherwise each segment loads its own row.
  bool areRowsTogether(int64_t tileK) const;
};

/// Constraints, cited by number at their checks and in the tests. The largest
/// values bound the search space; what a GPU can hold is C8 to C10.
///   C1 warps_m and warps_n are powers of two, at most 8 warps together
///   C2 tile_m is a multiple of 16 * warps_m, at most 256, or 8 with one warps_m
///   C3 tile_n is a multiple of 32 * warps_n, at most 512
///   C4 tile_k is a multiple of 128, at most 1024
///   C5 stages is 2..8
///   C6 split_k is 1..ceil(K / tile_k), and at most 65535 / B
///   C7 the target can be compiled for and has cp.async and mma.m16n8k16
///   C8 the main loop's shared memory fits a block of the target
///   C9 a thread holds at most 128 accumulators
///   C10 the estimate of a thread's registers fits the target
///   C11 stream_k is 0 or, with one split_k, 1..65535
///   C12 chunk_k is 0; for a deterministic problem getCanonicalChunk(K), which tile_k
///       divides, with no stream_k and at most one split for each chunk; tile_k sums as
///       many rows before it scales them as 128 does
struct QuantMatmulSchedule : ProductTiles {
  Schedule toSchedule() const { return schedule::toSchedule(*this, "quant_matmul"); }
  /// Fails on unknown or missing parameters, naming them.
  static llvm::Expected<QuantMatmulSchedule> fromSchedule(const Schedule &schedule);

  bool operator==(const QuantMatmulSchedule &) const = default;
};

/// Shared memory the main loop needs, bytes: stages * (x tile + packed weights
/// tile + scales + zero points). The schedule obeys C1 to C6.
int64_t getSharedBytes(const ProductTiles &tiles, const QuantMatmulProblem &problem);
/// The same; `problem` must be of this family.
int64_t getSharedBytes(const ProductTiles &tiles, const problem::Problem &problem);

/// An estimate of a thread's registers: accumulators (twice with groups, whose
/// sums are scaled one by one), x fragments of a k16 step, one dequantised weight
/// fragment, the packed words of a block, scales and zero points of a tile,
/// addresses and loop state. ptxas spilled in no kernel that it lets through.
int64_t estimateRegisters(const ProductTiles &tiles, const QuantMatmulProblem &problem);

/// Blocks of the launch for `m` rows.
int64_t getBlocks(const ProductTiles &tiles, const QuantMatmulProblem &problem, int64_t m);

/// C1 to C6 and C11 alone, which hold on every target, for a problem with `k` rows.
llvm::Error verifyQuantMatmulShape(const ProductTiles &tiles, int64_t k);

/// Checks C1 to C6, C11, C12 and then C7 to C10.
llvm::Error verifyQuantMatmul(const QuantMatmulSchedule &schedule,
                              const QuantMatmulProblem &problem, const target::Target &target);

/// The default: bytes in flight on every SM first, then little repeated work.
///   1. tile_m follows the rows: 8 up to 8 rows, 16 up to 16, 32 up to 64, 64 up
///      to 256, 128 beyond; tile_k is 128. Warps lie along N, where they share nothing
///      to unpack; only 128 rows, or narrow tiles, have warps along M.
///   2. tile_n is 256 where, up to 16 rows, that still gives two blocks to every SM
///      (a warp unpacks 64 columns for each read of x), 128 where that gives one,
///      else 64, then (up to 16 rows) 32; then smaller tile_m in the same order. If none does, the
///      tile with the most blocks. No tile that a half as wide would replace.
///   3. split_k is the smallest that gives a block to every SM and leaves each
///      block at least two tiles of K (so that copies overlap with work). With
///      more than 64 rows, where partial sums outweigh the weights, tiles down
///      to 32 rows are tried without a split first.
///   4. stages: 6 down to 3 while two blocks fit an SM; else 4 or 3 in one
///      block; else 2. Never more than a block has tiles of K, plus one.
///   5. stream_k, from 4 steps along K for each SM: one block an SM, from 8 two,
///      where that takes a tenth of the steps off the busiest SM, a quarter with
///      more than 64 rows.
/// M counts where it is static, `expectedM` otherwise.
llvm::Expected<QuantMatmulSchedule> chooseQuantMatmulDefault(const QuantMatmulProblem &problem,
                                                             const target::GpuModel &model,
                                                             int64_t expectedM);

/// The search space: tile_m 8..128 (not beyond the rows), tile_n 32..256,
/// tile_k 128 or 256 (and 384 or 512 where only they hold whole groups), every
/// arrangement of up to 8 warps that fits, 2 to 6 stages, splits of K that leave
/// no block without work, streams of one or two blocks an SM. Holds the default
/// of every model of the target.
std::vector<QuantMatmulSchedule> enumerateQuantMatmul(const QuantMatmulProblem &problem,
                                                      const target::Target &target,
                                                      int64_t expectedM);

} // namespace tilewright::schedule

#endif
