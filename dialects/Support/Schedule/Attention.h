//===- Attention.h - Schedules of the attention family ----------------------===//
//
// o[b, :, h, :] = softmax(q k^T) v. A block computes tile_q rows of one head of one
// batch and walks the keys that these rows see, tile_k at a time, through `stages`
// buffers of shared memory for k and v. Its warps stand in `warps` rows of
// `column_warps`:
//
//   one a row    a warp owns tile_q / warps whole rows: their scores, maxima and sums
//                never leave it
//   several      each has the scores of tile_k / column_warps of the keys and sums up
//                Dv / column_warps columns of o; maxima and the weights of the keys
//                go through shared memory
//
// The rows of q stay in registers, or in shared memory (`shared_q`) where each product
// reads them again.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_ATTENTION_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_ATTENTION_H

#include "dialects/Support/Schedule/Schedule.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

namespace tilewright::schedule {

/// What a problem of this family says, typed. The op is "attention".
///   dimensions  B, Sq and Sk (static or dynamic); Hq, Hkv, D, Dv (static; Hkv
///               divides Hq; D and Dv multiples of 8, D up to 576, Dv up to 512); of
///               pages P, page (static) and pages a batch in place of Sk
///   operands    q [B,Sq,Hq,D], k [B,Sk,Hkv,D], v [B,Sk,Hkv,Dv], o [B,Sq,Hq,Dv] of
///               one dtype, f16 or bf16; without v values are the first Dv columns of k.
///               k and v may also be e4m3, e5m2, i8 or u8 (D4, Dv4 bytes
///               of two codes) with k_scales, v_scales [B,Sk,Hkv] f32 or f16; k_lengths [B] and
///               page_table [B,pages] i32, with which k is [P,page,Hkv,D]; k_factors
///               [B,Sk,Hkv,Rk] and v_factors [B,Sk,Hkv,Rv], with which k is [B,Sk,Rk,D] and v
///               [B,Sk,Rv,Dv]; block_counts [B,H,Qb,2] and blocks [B,H,Qb,Kb] i32, H Hq or
///               Hkv; q_offset [B] i32, sinks [Hq] f32, what the regions read (capture0, ...),
///               lse [B,Hq,Sq] f32, each if there is one
///   attributes  scale, causal, window, score, mask, block_size, deterministic: see
///               codegen/Compile
struct AttentionProblem {
  static constexpr int64_t maxHeadSize = 576, maxValueSize = 512;

  std::optional<int64_t> batch, queries, keys;
  int64_t heads = 1, keyHeads = 1;
  int64_t headSize = 64, valueSize = 64;
  std::optional<int64_t> pageSize;
  /// Tiles that make up one of k and of v: ranks of factored keys and values.
  int64_t keyRank = 1, valueRank = 1;
  /// Rows and keys of the blocks that lists name; 0 without lists.
  int64_t blockRows = 0, blockKeys = 0;
  /// Bits of a column of k and v: 16, or those of codes.
  int64_t keyBits = 16, valueBits = 16;
  bool isDeterministic = false;
  /// Tiles of k are those of v, too.
  bool hasValuesInKeys = false;
  /// Whether a block can take the rows of all heads that read one head of k.
  bool isPackable = false;

  /// The error names the dimension, operand or attribute, its value and what
  /// was expected.
  static llvm::Expected<AttentionProblem> fromProblem(const problem::Problem &problem);
};

/// Constraints, cited by number at their checks and in the tests.
///   C1 warps is 1, 2, 4 or 8
///   C2 tile_q is a multiple of 16 * warps, at most 256
///   C3 tile_k is 16, 32, 64 or 128
///   C4 stages is 1..4; with 1, loads are not started ahead
///   C5 the target can be compiled for and has cp.async and mma.m16n8k16
///   C6 the shared memory of the key loop fits a block of the target
///   C7 the estimate of a thread's registers fits the target
///   C8 pack_heads is 0, or 1 where the problem is packable
///   C9 split_keys is 0 or 1
///   C10 chunk is 0, or with split_keys a multiple of tile_k, at most 65536; not 0 where
///       a deterministic problem splits keys
///   C11 with lists of blocks tile_k divides the keys of a block, and the rows of a tile lie
///       in one block: tile_q, or where heads are packed tile_q / heads, divides its rows
///   C12 column_warps is 1, 2 or 4, at most 8 / warps; tile_k is a multiple of 8 of them,
///       and each has 8 columns or more of every part of v (splitHead)
///   C13 shared_q is 0 or 1
struct AttentionSchedule {
  int64_t tileQ = 64, tileK = 64;
  int64_t warps = 4;
  int64_t stages = 2;
  /// A row of a tile is one of a query and a head, of all that read one head of k.
  int64_t packHeads = 0;
  /// A launch says into how many parts the keys are cut; blocks share them.
  int64_t splitKeys = 0;
  /// Keys that are summed up by themselves whatever the number of parts; 0: those of a part.
  int64_t chunk = 0;
  int64_t columnWarps = 1;
  int64_t sharedQ = 0;

  /// The chunk of deterministic problems by default: what a chunk leaves in the workspace
  /// is at most 16 / 512 of what it reads for 16 rows.
  static constexpr int64_t canonicalChunk = 512;

  Schedule toSchedule() const;
  /// Fails on unknown or missing parameters, naming them.
  static llvm::Expected<AttentionSchedule> fromSchedule(const Schedule &schedule);

  bool operator==(const AttentionSchedule &) const = default;

  int64_t getWarps() const { return warps * columnWarps; }
  int64_t getThreads() const { return 32 * getWarps(); }
  /// Rows of q that a row of warps owns.
  int64_t getWarpRows() const { return tileQ / warps; }
};

/// A head in parts that tiles of shared memory can be: columns start .. start +
/// width, a multiple of 64 or one of 16 and 32.
struct HeadPart {
  int64_t start = 0, width = 0;
  bool operator==(const HeadPart &) const = default;
};

/// The parts of a head of `size`, a multiple of 8: all multiples of 64 together, then
/// 32 and 16. Together they are at most 8 columns wider than the head; what is
/// beyond it is zero.
///   64 -> 64     72 -> 64 + 16     96 -> 64 + 32     192 -> 192     40 -> 32 + 16
llvm::SmallVector<HeadPart, 3> splitHead(int64_t size);
/// The width of all parts.
int64_t getPaddedSize(int64_t size);

/// Shared memory of the key loop, bytes: stages * (k tile + v tile, if it is another), the
/// rows of q where they are there, and what warps of a row exchange.
int64_t getSharedBytes(const AttentionSchedule &schedule, const AttentionProblem &problem);

/// An estimate of a thread's registers: its part of o, of q, of a tile of scores in
/// f32 and in 16 bits, the weights that warps exchange, addresses and loop state.
int64_t estimateRegisters(const AttentionSchedule &schedule, const AttentionProblem &problem);

/// C1 to C4, C8 to C10, C12 and C13 alone, as far as they hold for every target and
/// problem.
llvm::Error verifyAttentionShape(const AttentionSchedule &schedule);

/// Checks C1 to C13.
llvm::Error verifyAttention(const AttentionSchedule &schedule, const AttentionProblem &problem,
                            const target::Target &target);

/// The default: 16 rows a warp, 8 warps while that gives each SM a block (of one
/// batch, where the batch is dynamic), else 4; for at most 64, 32, 16 rows as many
/// warps as have rows. tile_k is 64, of pages the most of 16, 32 and 64 that divides them
/// where one does, or the next smaller that fits; for each, what fits first of: one warp a
/// row, at last with at most 4 of them; 8 warps, several a row; 4 warps so. In each q is in
/// shared memory where the registers do not have room for it. stages: 3 where two blocks
/// of them fit an SM, else 2. Where nothing fits, half the rows; and at last one stage.
/// Queries are Sq where it is static, `expectedQueries` otherwise; heads are packed up to 16
/// of them, and keys split up to 64 rows.
llvm::Expected<AttentionSchedule> chooseAttentionDefault(const AttentionProblem &problem,
                                                         const target::GpuModel &model,
                                                         int64_t expectedQueries);

/// Parts for a launch of a schedule that splits keys: as many as give each SM the blocks
/// that it has room for, of at least 128 keys and no more than there are chunks.
int64_t chooseSplits(const AttentionSchedule &schedule, const AttentionProblem &problem,
                     const target::GpuModel &model, int64_t batch, int64_t queries, int64_t keys);

/// The search space: heads packed or not, keys split or not, 1 to 8 warps of 16 or 32 rows (not
/// beyond the rows there are), tile_k 16..128, 1 to 4 stages, several warps a row while
/// each has 64 columns of v, q in shared memory where heads have more than 64 elements.
std::vector<AttentionSchedule> enumerateAttention(const AttentionProblem &problem,
                                                  const target::Target &target,
                                                  int64_t expectedQueries);

} // namespace tilewright::schedule

#endif
