//===- Attention.cpp - Schedules of the attention family ----------------------===//
//
// See Attention.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/Attention.h"
#include "dialects/Support/Schedule/Constraints.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cassert>
#include <numeric>

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

static const Constraints constraints("attention");

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

static Error readDimension(const Problem &problem, StringRef name, std::optional<int64_t> &value) {
  const problem::Dimension *dimension = problem.findDimension(name);
  if (!dimension)
    return constraints.makeError("expects the dimension " + name + ", but there is none");
  value = dimension->extent;
  return Error::success();
}

static Error readStatic(const Problem &problem, StringRef name, int64_t &value) {
  std::optional<int64_t> extent;
  if (Error error = readDimension(problem, name, extent))
    return error;
  if (!extent || *extent < 1)
    return constraints.makeError("expects a static dimension " + name + " of at least 1, but got " +
                                 (extent ? std::to_string(*extent) : "a dynamic one"));
  value = *extent;
  return Error::success();
}

static Error readHeadSize(const Problem &problem, StringRef name, int64_t &value, int64_t maximum) {
  if (Error error = readStatic(problem, name, value))
    return error;
  return constraints.checkMultiple(name, value, 8, "8", maximum);
}

/// Bits of the codes of an operand; 0 where it has none.
static int64_t getCodeBits(const problem::Operand &operand) {
  if (operand.dtype == "u8")
    return 4;
  return is_contained({"e4m3", "e5m2", "i8"}, operand.dtype) ? 8 : 0;
}

static Error checkDtypes(const Problem &problem) {
  const problem::Operand *q = problem.findOperand("q");
  for (StringRef name : {"q", "k", "v", "o"}) {
    const problem::Operand *operand = problem.findOperand(name);
    if (!operand && name == "v") // values are columns of k
      continue;
    if (!operand)
      return constraints.makeError("expects the operand '" + name + "', but there is none");
    if (getCodeBits(*operand) && (name == "k" || name == "v"))
      continue;
    if (operand->dtype != "f16" && operand->dtype != "bf16")
      return constraints.makeError("expects the dtype of '" + name +
                                   "' to be one of f16, bf16, but got '" + operand->dtype + "'");
    if (operand->dtype != q->dtype)
      return constraints.makeError("expects the dtype of '" + name + "' to be that of 'q' (" +
                                   q->dtype + "), but got '" + operand->dtype + "'");
  }
  for (StringRef name : {"k", "v"}) {
    std::string scales = (name + "_scales").str();
    const problem::Operand *operand = problem.findOperand(name);
    bool isInteger = operand && is_contained({"i8", "u8"}, operand->dtype);
    if (isInteger || problem.findOperand(scales))
      if (Error error = constraints.checkOperand(problem, scales, {"f32", "f16"}))
        return error;
  }
  return Error::success();
}

/// Whether rows of the heads that read one head of k can be named together: those of a
/// head and of a query are a known number of heads apart.
static bool canPack(const problem::Operand &operand, int64_t heads) {
  if (operand.strides.size() != 4 || !operand.strides[1] || !operand.strides[2])
    return false;
  int64_t query = *operand.strides[1], head = *operand.strides[2];
  return head > 0 && query % head == 0 && query / head >= heads;
}

/// Sk, or the pages: their size is known, and a page is whole rows of a head.
static Error readKeys(const Problem &problem, AttentionProblem &typed) {
  if (!problem.findOperand("page_table"))
    return readDimension(problem, "Sk", typed.keys);
  int64_t size = 0;
  if (Error error = readStatic(problem, "page", size))
    return error;
  typed.pageSize = size;
  for (StringRef name : {"k", "v"}) {
    const problem::Operand *operand = problem.findOperand(name);
    if (!operand || operand->strides.size() != 4 || !operand->strides[0] || !operand->strides[1])
      continue; // checked when a launch knows them
    if (*operand->strides[1] < 1 || *operand->strides[0] % *operand->strides[1] != 0)
      return constraints.makeError("expects the strides of '" + name +
                                   "' from page to page to be a multiple of those from key to "
                                   "key, but got " +
                                   Twine(*operand->strides[0]) + " and " +
                                   Twine(*operand->strides[1]));
  }
  return Error::success();
}

/// "128,64" of lists of blocks. Lists of heads of q keep these apart.
static Error readBlocks(const Problem &problem, AttentionProblem &typed) {
  const problem::Operand *blocks = problem.findOperand("blocks");
  if (!blocks)
    return Error::success();
  StringRef text = problem.getAttribute("block_size", "");
  auto [rows, keys] = text.split(',');
  if (rows.trim().getAsInteger(10, typed.blockRows) || typed.blockRows < 1 ||
      keys.trim().getAsInteger(10, typed.blockKeys) || typed.blockKeys < 1)
    return constraints.makeError("expects block_size to be rows and keys, as 128,128, but got '" +
                                 text + "'");
  if (typed.blockKeys % 16 != 0)
    return constraints.makeError("block_size", "of keys in multiples of 16", typed.blockKeys,
                                 alignTo(typed.blockKeys, 16));
  if (blocks->dimensions.size() == 4 && blocks->dimensions[1] == "Hq")
    typed.isPackable = false;
  return Error::success();
}

Expected<AttentionProblem> AttentionProblem::fromProblem(const Problem &problem) {
  if (problem.op != "attention")
    return constraints.makeError("expects the op attention, but got '" + problem.op + "'");
  AttentionProblem typed;
  for (auto [name, member] :
       {std::pair("B", &AttentionProblem::batch), {"Sq", &AttentionProblem::queries}})
    if (Error error = readDimension(problem, name, typed.*member))
      return std::move(error);
  if (Error error = readKeys(problem, typed))
    return std::move(error);
  for (auto [name, member] :
       {std::pair("Hq", &AttentionProblem::heads), {"Hkv", &AttentionProblem::keyHeads}})
    if (Error error = readStatic(problem, name, typed.*member))
      return std::move(error);
  if (Error error = readHeadSize(problem, "D", typed.headSize, maxHeadSize))
    return std::move(error);
  if (Error error = readHeadSize(problem, "Dv", typed.valueSize, maxValueSize))
    return std::move(error);
  typed.hasValuesInKeys = !problem.findOperand("v");
  if (typed.hasValuesInKeys && typed.valueSize > typed.headSize)
    return constraints.makeError("Dv", "at most D where values are columns of k", typed.valueSize,
                                 typed.headSize);
  if (typed.heads % typed.keyHeads != 0)
    return constraints.makeError("expects Hq to be a multiple of Hkv (" + Twine(typed.keyHeads) +
                                 "), but got " + Twine(typed.heads) + "; the nearest is " +
                                 Twine(alignTo(typed.heads, typed.keyHeads)));
  if (Error error = checkDtypes(problem))
    return std::move(error);
  if (int64_t bits = getCodeBits(*problem.findOperand("k")))
    typed.keyBits = bits;
  if (const problem::Operand *v = problem.findOperand("v"))
    typed.valueBits = getCodeBits(*v) ? getCodeBits(*v) : typed.valueBits;
  Expected<bool> isDeterministic = constraints.readDeterministic(problem);
  if (!isDeterministic)
    return isDeterministic.takeError();
  typed.isDeterministic = *isDeterministic;
  typed.isPackable = typed.heads > typed.keyHeads &&
                     canPack(*problem.findOperand("q"), typed.heads) &&
                     canPack(*problem.findOperand("o"), typed.heads);
  if (Error error = readBlocks(problem, typed))
    return std::move(error);
  if (!problem.findOperand("k_factors"))
    return typed;
  for (auto [name, member] :
       {std::pair("Rk", &AttentionProblem::keyRank), {"Rv", &AttentionProblem::valueRank}}) {
    constexpr int64_t maxRank = 16;
    if (Error error = readStatic(problem, name, typed.*member))
      return std::move(error);
    if (Error error = constraints.checkRange(name, typed.*member, 1, maxRank))
      return std::move(error);
  }
  return typed;
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

static constexpr Constraints::Parameter<AttentionSchedule> parameters[] = {
    {"tile_q", &AttentionSchedule::tileQ},
    {"tile_k", &AttentionSchedule::tileK},
    {"warps", &AttentionSchedule::warps},
    {"stages", &AttentionSchedule::stages},
    {"pack_heads", &AttentionSchedule::packHeads, true},
    {"split_keys", &AttentionSchedule::splitKeys, true},
    {"chunk", &AttentionSchedule::chunk, true},
    {"column_warps", &AttentionSchedule::columnWarps, true},
    {"shared_q", &AttentionSchedule::sharedQ, true}};

Schedule AttentionSchedule::toSchedule() const {
  return constraints.write<AttentionSchedule>(*this, parameters);
}

Expected<AttentionSchedule> AttentionSchedule::fromSchedule(const Schedule &schedule) {
  return constraints.read<AttentionSchedule>(schedule, parameters);
}

//===----------------------------------------------------------------------===//
// Resources
//===----------------------------------------------------------------------===//

SmallVector<HeadPart, 3> splitHead(int64_t size) {
  assert(size > 0 && size % 8 == 0 && "heads are multiples of 8");
  SmallVector<HeadPart, 3> parts;
  int64_t start = 0, left = alignTo(size, 16);
  auto take = [&](int64_t width) {
    if (width == 0)
      return;
    parts.push_back({start, width});
    start += width;
    left -= width;
  };
  take(left / 64 * 64);
  for (int64_t width : {32, 16})
    if (left >= width)
      take(width);
  return parts;
}

int64_t getPaddedSize(int64_t size) { return alignTo(size, 16); }

/// Bits of what is loaded for a key.
static int64_t getLoadedBits(const AttentionProblem &problem) {
  int64_t bits = problem.keyRank * getPaddedSize(problem.headSize) * problem.keyBits;
  if (!problem.hasValuesInKeys)
    bits += problem.valueRank * getPaddedSize(problem.valueSize) * problem.valueBits;
  return bits;
}

int64_t getSharedBytes(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  constexpr int64_t elementBytes = 2, maximumBytes = 4;
  int64_t bytes = schedule.stages * schedule.tileK * getLoadedBits(problem) / 8;
  if (schedule.sharedQ)
    bytes += schedule.tileQ * elementBytes * getPaddedSize(problem.headSize);
  if (schedule.columnWarps > 1)
    bytes += schedule.tileQ * (schedule.tileK * elementBytes + schedule.columnWarps * maximumBytes);
  return bytes;
}

int64_t estimateRegisters(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  // What ptxas takes beside tiles, found by bisecting spills of many schedules.
  constexpr int64_t addressesAndLoopState = 40, exchange = 32, readsOfQ = 16;
  int64_t rows = schedule.getWarpRows(), warps = schedule.columnWarps;
  int64_t perPart = warps > 1 ? 4 : 24;
  int64_t parts = splitHead(problem.headSize).size() + splitHead(problem.valueSize).size();
  int64_t copies = schedule.tileK * getLoadedBits(problem) / 128 / schedule.getThreads();
  int64_t registers = addressesAndLoopState + perPart * (parts - 2) + copies / 4;
  registers += rows * getPaddedSize(problem.valueSize) / 32 / warps;
  registers += schedule.sharedQ ? readsOfQ : rows * getPaddedSize(problem.headSize) / 64;
  int64_t scores = rows * schedule.tileK / 32 / warps;
  registers += scores + scores / 2;
  if (warps > 1) // each reads the weights of all
    registers += rows * schedule.tileK / 64 + exchange;
  return registers;
}

static int64_t getMaxRegisters(const AttentionSchedule &schedule, const target::Target &target) {
  return std::min<int64_t>(target.maxRegistersPerThread,
                           target.registersPerSM / schedule.getThreads());
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

/// C12
static Error verifyWarpsOfRows(const AttentionSchedule &schedule) {
  static constexpr int64_t columnWarps[] = {1, 2, 4};
  size_t count = schedule.warps == 8 ? 1 : schedule.warps == 4 ? 2 : 3;
  if (Error error = constraints.checkOneOf("column_warps", schedule.columnWarps,
                                           ArrayRef(columnWarps).take_front(count)))
    return error;
  int64_t keys = 8 * schedule.columnWarps;
  return constraints.checkMultiple("tile_k", schedule.tileK, keys,
                                   "8 * column_warps (" + Twine(keys) + ")", 128);
}

Error verifyAttentionShape(const AttentionSchedule &schedule) {
  if (Error error = constraints.checkOneOf("warps", schedule.warps, {1, 2, 4, 8})) // C1
    return error;
  int64_t rows = 16 * schedule.warps;
  if (Error error = constraints.checkMultiple("tile_q", schedule.tileQ, rows, // C2
                                              "16 * warps (" + Twine(rows) + ")", 256))
    return error;
  if (Error error = constraints.checkOneOf("tile_k", schedule.tileK, {16, 32, 64, 128})) // C3
    return error;
  if (Error error = constraints.checkRange("stages", schedule.stages, 1, 4)) // C4
    return error;
  if (Error error = verifyWarpsOfRows(schedule)) // C12
    return error;
  if (Error error = constraints.checkRange("shared_q", schedule.sharedQ, 0, 1)) // C13
    return error;
  if (Error error = constraints.checkRange("pack_heads", schedule.packHeads, 0, 1)) // C8
    return error;
  if (Error error = constraints.checkRange("split_keys", schedule.splitKeys, 0, 1)) // C9
    return error;
  if (schedule.chunk == 0)
    return Error::success();
  if (!schedule.splitKeys) // C10
    return constraints.makeError("chunk", "0 without split_keys", schedule.chunk, 0);
  return constraints.checkMultiple("chunk", schedule.chunk, schedule.tileK, // C10
                                   "tile_k (" + Twine(schedule.tileK) + ")", 65536);
}

/// Rows of a tile that are of different queries.
static int64_t countQueries(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  int64_t heads = schedule.packHeads ? problem.heads / problem.keyHeads : 1;
  return schedule.tileQ % heads == 0 ? schedule.tileQ / heads : schedule.tileQ;
}

static Error verifyBlocks(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  if (problem.blockKeys == 0)
    return Error::success();
  if (problem.blockKeys % schedule.tileK != 0)
    return constraints.makeError(
        "tile_k", "a divisor of the keys of a block (" + Twine(problem.blockKeys) + ")",
        schedule.tileK, std::gcd(problem.blockKeys, 64));
  int64_t queries = countQueries(schedule, problem);
  if (problem.blockRows % queries == 0)
    return Error::success();
  return constraints.makeError(
      "tile_q",
      "so many rows that a tile lies in one block of " + Twine(problem.blockRows) + " rows",
      schedule.tileQ, schedule.tileQ / queries * std::gcd(problem.blockRows, queries));
}

/// C8, C10 and C11: what depends on the problem.
static Error verifySharing(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  if (schedule.packHeads && !problem.isPackable)
    return constraints.makeError("pack_heads",
                                 "0 unless several heads of q read one of k, and q and o have "
                                 "known strides, that of a query a multiple of that of a head",
                                 1, 0);
  if (Error error = verifyBlocks(schedule, problem)) // C11
    return error;
  if (problem.isDeterministic && schedule.splitKeys && schedule.chunk == 0)
    return constraints.makeError("chunk", "at least tile_k for a deterministic problem", 0,
                                 AttentionSchedule::canonicalChunk);
  return Error::success();
}

/// C12
static Error verifyColumns(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  int64_t narrowest = splitHead(problem.valueSize).back().width;
  if (narrowest >= 8 * schedule.columnWarps)
    return Error::success();
  return constraints.makeError("expects column_warps of at most " + Twine(narrowest / 8) +
                               " for a value head of " + Twine(problem.valueSize) +
                               ", the last part of which has " + Twine(narrowest) +
                               " columns, but got " + Twine(schedule.columnWarps));
}

/// C6 and C7
static Error verifyResources(const AttentionSchedule &schedule, const AttentionProblem &problem,
                             const target::Target &target) {
  std::string sizes =
      ("head sizes " + Twine(problem.headSize) + " and " + Twine(problem.valueSize) +
       " in tiles of " + Twine(schedule.tileQ) + "x" + Twine(schedule.tileK))
          .str();
  int64_t available = target.maxSharedBytesPerBlock, needed = getSharedBytes(schedule, problem);
  if (needed > available) { // C6
    AttentionSchedule none = schedule;
    none.stages = 0;
    int64_t fixed = getSharedBytes(none, problem);
    int64_t fitting = std::max<int64_t>(0, available - fixed) * schedule.stages / (needed - fixed);
    return constraints.makeError(
        "expects at most " + Twine(available) + " bytes of shared memory a block on " +
        target.name + ", but stages = " + Twine(schedule.stages) + " of " + sizes + " need " +
        Twine(needed) +
        (fitting > 0 ? "; at most " + std::to_string(fitting) + " stages fit"
                     : "; no stage fits: use a smaller tile_k or tile_q"));
  }
  int64_t registers = estimateRegisters(schedule, problem);
  if (registers > getMaxRegisters(schedule, target)) // C7
    return constraints.makeError(
        "expects at most " + Twine(getMaxRegisters(schedule, target)) + " registers a thread on " +
        target.name + ", but the estimate is " + Twine(registers) + " for " + sizes + " on " +
        Twine(schedule.getThreads()) +
        " threads; use a smaller tile_k, more warps or column_warps, or shared_q = 1");
  return Error::success();
}

Error verifyAttention(const AttentionSchedule &schedule, const AttentionProblem &problem,
                      const target::Target &target) {
  if (Error error = verifyAttentionShape(schedule))
    return error;
  if (Error error = constraints.checkTarget(target)) // C5
    return error;
  if (Error error = verifySharing(schedule, problem))
    return error;
  if (Error error = verifyColumns(schedule, problem))
    return error;
  return verifyResources(schedule, problem, target);
}

//===----------------------------------------------------------------------===//
// Default and space
//===----------------------------------------------------------------------===//

static bool isLegal(const AttentionSchedule &schedule, const AttentionProblem &problem,
                    const target::Target &target) {
  Error error = verifyAttention(schedule, problem, target);
  bool legal = !error;
  consumeError(std::move(error));
  return legal;
}

/// Queries up to which a block takes all heads of a group, and rows up to which blocks share
/// keys: more fill a GPU by themselves.
static constexpr int64_t maxPackedQueries = 16, maxSplitRows = 64;

/// 64, but a tile lies in one page where pages hold tiles: rows that are named one by one
/// take 1.15 times the instructions of tiles of 16 keys (docs/attention.md).
static int64_t chooseTileK(const AttentionProblem &problem) {
  constexpr int64_t most = 64, least = 16;
  int64_t inBlock = problem.blockKeys ? std::gcd(problem.blockKeys, most) : most;
  int64_t inPage = std::gcd(problem.pageSize.value_or(inBlock), inBlock);
  return inPage >= least ? inPage : inBlock;
}

static int64_t chooseWarps(const AttentionProblem &problem, const target::GpuModel &model,
                           int64_t queries) {
  constexpr int64_t rows = 16;
  int64_t needed = bit_ceil(uint64_t(std::max<int64_t>(1, divideCeil(queries, rows))));
  if (needed < 8)
    return needed;
  int64_t blocks = divideCeil(queries, 8 * rows) * problem.heads * problem.batch.value_or(1);
  return blocks >= int64_t(model.smCount) ? 8 : 4;
}

/// Ways to have the registers of `schedule`, the better first.
static SmallVector<AttentionSchedule, 6> getArrangements(AttentionSchedule schedule) {
  SmallVector<AttentionSchedule, 6> all;
  auto add = [&](int64_t warps, int64_t columnWarps) {
    schedule.tileQ = schedule.tileQ / schedule.warps * warps;
    schedule.warps = warps;
    schedule.columnWarps = columnWarps;
    for (schedule.sharedQ = 0; schedule.sharedQ <= 1; ++schedule.sharedQ)
      all.push_back(schedule);
  };
  int64_t rows = std::min<int64_t>(4, schedule.warps);
  add(schedule.warps, 1);
  if (rows < schedule.warps)
    add(rows, 1);
  for (int64_t columnWarps = std::min<int64_t>(4, 8 / rows); columnWarps > 1; columnWarps /= 2)
    add(rows, columnWarps);
  return all;
}

/// The default of `rows`, with at most their tile_k and `minStages` stages or more.
static std::optional<AttentionSchedule> findDefault(const AttentionSchedule &rows,
                                                    const AttentionProblem &problem,
                                                    const target::Target &target,
                                                    int64_t minStages) {
  for (int64_t tileK = rows.tileK; tileK >= 16; tileK /= 2)
    for (AttentionSchedule schedule : getArrangements(rows)) {
      schedule.tileK = tileK;
      for (schedule.stages = 3; schedule.stages >= minStages; --schedule.stages) {
        int64_t bytes = getSharedBytes(schedule, problem) + target.reservedSharedBytes;
        bool isAffordable = schedule.stages < 3 || 2 * bytes <= int64_t(target.sharedBytesPerSM);
        if (isAffordable && isLegal(schedule, problem, target))
          return schedule;
      }
    }
  return std::nullopt;
}

Expected<AttentionSchedule> chooseAttentionDefault(const AttentionProblem &problem,
                                                   const target::GpuModel &model,
                                                   int64_t expectedQueries) {
  const target::Target &target = target::getTarget(model);
  AttentionSchedule schedule;
  int64_t queries = problem.queries.value_or(expectedQueries);
  schedule.packHeads = problem.isPackable && queries <= maxPackedQueries;
  int64_t rows = queries * (schedule.packHeads ? problem.heads / problem.keyHeads : 1);
  schedule.splitKeys = rows <= maxSplitRows;
  schedule.chunk =
      schedule.splitKeys && problem.isDeterministic ? AttentionSchedule::canonicalChunk : 0;
  schedule.tileK = chooseTileK(problem);
  int64_t most = chooseWarps(problem, model, rows);
  for (int64_t minStages : {2, 1})
    for (schedule.warps = most; schedule.warps >= 1; schedule.warps /= 2) {
      schedule.tileQ = 16 * schedule.warps;
      if (auto found = findDefault(schedule, problem, target, minStages))
        return *found;
    }
  Error error = verifyAttention({16, 16, 1, 1}, problem, target);
  assert(error && "the smallest schedule is legal, but the default was not found");
  return error;
}

int64_t chooseSplits(const AttentionSchedule &schedule, const AttentionProblem &problem,
                     const target::GpuModel &model, int64_t batch, int64_t queries, int64_t keys) {
  const target::Target &target = target::getTarget(model);
  constexpr int64_t maxBlocks = 16, minKeys = 128;
  int64_t shared = getSharedBytes(schedule, problem) + target.reservedSharedBytes;
  int64_t registers = estimateRegisters(schedule, problem) * schedule.getThreads();
  int64_t resident = std::min({int64_t(target.sharedBytesPerSM) / shared,
                               int64_t(target.registersPerSM) / registers, maxBlocks});
  int64_t packed = schedule.packHeads ? problem.heads / problem.keyHeads : 1;
  int64_t tiles = divideCeil(std::max<int64_t>(queries, 1) * packed, schedule.tileQ) *
                  (problem.heads / packed) * std::max<int64_t>(batch, 1);
  int64_t room = std::max<int64_t>(resident, 1) * model.smCount;
  int64_t most = divideCeil(std::max<int64_t>(keys, 1), std::max(minKeys, schedule.chunk));
  return std::clamp<int64_t>(room / tiles, 1, most);
}

/// Whether more warps a row, or q in shared memory, may be worth trying.
static bool isWorthTrying(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  constexpr int64_t columns = 64, heads = 64;
  return (schedule.columnWarps == 1 || problem.valueSize >= columns * schedule.columnWarps) &&
         (schedule.sharedQ == 0 || problem.headSize > heads);
}

std::vector<AttentionSchedule> enumerateAttention(const AttentionProblem &problem,
                                                  const target::Target &target,
                                                  int64_t expectedQueries) {
  int64_t queries = std::max<int64_t>(1, problem.queries.value_or(expectedQueries));
  std::vector<AttentionSchedule> all;
  auto add = [&](AttentionSchedule schedule) {
    if (schedule.splitKeys && problem.isDeterministic)
      schedule.chunk = AttentionSchedule::canonicalChunk;
    int64_t needed = queries * (schedule.packHeads ? problem.heads / problem.keyHeads : 1);
    if (schedule.tileQ >= 16 + needed)
      return;
    for (schedule.columnWarps = 1; schedule.columnWarps <= 4; schedule.columnWarps *= 2)
      for (schedule.sharedQ = 0; schedule.sharedQ <= 1; ++schedule.sharedQ)
        if (isWorthTrying(schedule, problem) && isLegal(schedule, problem, target))
          all.push_back(schedule);
  };
  for (int64_t packHeads : {0, 1})
    for (int64_t splitKeys : {0, 1})
      for (int64_t warps : {1, 2, 4, 8})
        for (int64_t rows : {16, 32})
          for (int64_t tileK : {16, 32, 64, 128})
            for (int64_t stages = 1; stages <= 4; ++stages)
              add({rows * warps, tileK, warps, stages, packHeads, splitKeys});
  return all;
}

} // namespace tilewright::schedule
