//===- Matmul.h - Schedules of the dense matmul family ----------------------===//
//
// y[M,N] = x[M,K] * w, w of x's dtype, by tiles and splits as ProductTiles.h says.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_MATMUL_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_MATMUL_H

#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Schedule/ProductTiles.h"
#include <optional>

namespace tilewright::schedule {

/// What a problem of this family says, typed. The op is "matmul".
///   dimensions  M (static or dynamic), N and K (static, at least 1), B (static, at
///               least 1; then the first of every operand but codebook and out_scale)
///   operands    x [M,K] f16|bf16|f32|i8|e4m3|e5m2, w [K,N] or [N,K] of x's
///               dtype, the operands of an epilogue, y f16|bf16|f32|e4m3|e5m2
///   attributes  layout kn|nk: which w is, nk for 8-bit dtypes; activation;
///               deterministic true|false, false where left out
struct MatmulProblem {
  int64_t batch = 1; ///< products of the launch
  std::optional<int64_t> m;
  int64_t n = 0, k = 0;
  format::Format element; ///< of x and w
  /// Equal bits of a row of y whatever the schedule and the other rows.
  bool isDeterministic = false;

  int64_t getElementBytes() const { return element.bits / 8; }
  bool isFloat8() const { return element.isFloat() && element.bits == 8; }

  /// The error names the dimension, operand or attribute, its value and what
  /// was expected.
  static llvm::Expected<MatmulProblem> fromProblem(const problem::Problem &problem);
};

/// Constraints, cited by number at their checks and in the tests.
///   C1 warps_m and warps_n are powers of two, at most 8 warps together
///   C2 tile_m is a multiple of 16 * warps_m, at most 256
///   C3 tile_n is a multiple of 16 * warps_n, and 32, 64 or a multiple of 64 up to 256
///   C4 tile_k is 16, 32, 64 or 128, a multiple of the depth of one product (256
///      bits)
///   C5 stages is 2..8
///   C6 split_k is 1..ceil(K / tile_k), and at most 65535 / B
///   C7 the target can be compiled for and has cp.async and mma.m16n8k16
///   C8 the main loop's shared memory fits a block of the target
///   C9 a thread holds at most 128 accumulators
///   C10 the estimate of a thread's registers fits the target
///   C11 chunk_k is 0; for a deterministic problem getCanonicalChunk(K), which every
///       tile_k divides, with at most one split for each chunk
///   C12 operand_bits is 0, or 16 with e4m3 and e5m2, which are then widened to f16 in
///       registers, exactly; it is 16 where the target has no mma.m16n8k32 of them
///       (sm_80, sm_86; from sm_90 on ptxas would expand it, but for sm_120), and 0 for a
///       deterministic problem where it has one
struct MatmulSchedule : ProductTiles {
  Schedule toSchedule() const { return schedule::toSchedule(*this, "matmul"); }
  /// Fails on unknown or missing parameters, naming them.
  static llvm::Expected<MatmulSchedule> fromSchedule(const Schedule &schedule);

  bool operator==(const MatmulSchedule &) const = default;
};

/// Shared memory of the main loop, bytes: stages * (x tile + w tile).
int64_t getSharedBytes(const ProductTiles &tiles, const MatmulProblem &problem);

/// An estimate of a thread's registers: accumulators (twice where a block keeps the total
/// of its chunks), the fragments of two steps of one product along K, which are twice as
/// large where they are widened, addresses and loop state.
int64_t estimateRegisters(const ProductTiles &tiles);

/// Blocks of the launch for `m` rows.
int64_t getBlocks(const ProductTiles &tiles, const MatmulProblem &problem, int64_t m);

/// C1 to C6 alone, which hold on every target, for elements of `elementBits` bits.
llvm::Error verifyMatmulShape(const ProductTiles &tiles, int64_t k, unsigned elementBits);

/// Checks C1 to C6, C11, C7, C12 and then C8 to C10.
llvm::Error verifyMatmul(const MatmulSchedule &schedule, const MatmulProblem &problem,
                         const target::Target &target);

/// The default: the largest tile that gives a block to every SM. Tiles, largest
/// first: 128 rows by 128 or 64 columns, and for at most 64, 32, 16 rows as many
/// rows by 128, 64 (and with 16 rows 32) columns; tile_k is 128 bytes. Tiles of at least
/// 64 rows are tried whole; then all, K split until each SM has a block while
/// blocks have two tiles of K. Where no tile gives a block to every SM, the one
/// with the most blocks. stages: 4 down to 2, as many as fit. M counts where it
/// is static, `expectedM` otherwise.
llvm::Expected<MatmulSchedule>
chooseMatmulDefault(const MatmulProblem &problem, const target::GpuModel &model, int64_t expectedM);

/// The search space: tile_m 16..256 (not beyond the rows), tile_n 32..256,
/// tile_k 64 or 128 bytes, every arrangement of up to 8 warps that fits, 2 to 5 stages,
/// even splits of K, or of a deterministic problem's chunks.
std::vector<MatmulSchedule> enumerateMatmul(const MatmulProblem &problem,
                                            const target::Target &target, int64_t expectedM);

} // namespace tilewright::schedule

#endif
