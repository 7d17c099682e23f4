//===- Attention.cpp - Calls of attention -------------------------------------===//
//
// See Attention.h. Dtypes and head sizes are checked by the family's own reading of
// the problem (dialects/Support/Schedule/Attention.h).
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Attention.h"

#include "dialects/Support/Schedule/Attention.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::launch {

static constexpr size_t maxCaptures = 8, maxCaptureRank = 4;

/// Names that a Call can borrow: of a capture, and of one of its extents.
static constexpr StringLiteral captureNames[maxCaptures] = {
    "capture0", "capture1", "capture2", "capture3", "capture4", "capture5", "capture6", "capture7"};
static constexpr StringLiteral captureExtents[maxCaptures][maxCaptureRank] = {
    {"c0d0", "c0d1", "c0d2", "c0d3"}, {"c1d0", "c1d1", "c1d2", "c1d3"},
    {"c2d0", "c2d1", "c2d2", "c2d3"}, {"c3d0", "c3d1", "c3d2", "c3d3"},
    {"c4d0", "c4d1", "c4d2", "c4d3"}, {"c5d0", "c5d1", "c5d2", "c5d3"},
    {"c6d0", "c6d1", "c6d2", "c6d3"}, {"c7d0", "c7d1", "c7d2", "c7d3"}};

static int64_t getExtent(const Tensor &tensor, unsigned axis) {
  return axis < tensor.shape.size() ? tensor.shape[axis] : 0;
}

/// A row-major tensor as one in a layout of its own, which kernels know: no alignment of
/// its rows, which changes with their length, is compiled for.
static Tensor withoutStrides(Tensor tensor) {
  ByteRange range = getByteRange(tensor, sizeof(float));
  tensor.packedBytes = range.size();
  tensor.strides.clear();
  return tensor;
}

static void addCaptures(Call &described, ArrayRef<Tensor> captures) {
  for (auto [i, capture] : enumerate(captures.take_front(maxCaptures))) {
    SmallVector<StringRef, 4> extents;
    for (size_t axis = 0; axis < std::min(capture.shape.size(), maxCaptureRank); ++axis) {
      extents.push_back(captureExtents[i][axis]);
      described.dimensions.push_back({extents.back(), std::nullopt});
    }
    described.add(captureNames[i], capture, extents);
  }
}

/// Heads of k and v.
static int64_t getKeyHeads(const AttentionCall &call) {
  return getExtent(call.kFactors ? *call.kFactors : call.k, 2);
}

/// Columns of a head of k or v, codes counted.
static int64_t getColumns(const Tensor &cache) {
  return getExtent(cache, 3) * (cache.dtype == "u8" ? 2 : 1);
}

/// Names of the extents of k and v but for the last.
static SmallVector<StringRef, 4> getRowExtents(const AttentionCall &call, StringRef batches) {
  if (call.pageTable)
    return {"P", "page", "Hkv"};
  return {batches, "Sk", "Hkv"};
}

/// Whether v is the first columns of k, in the same memory: kernels then load both at once.
static bool hasValuesInKeys(const AttentionCall &call) {
  const Tensor &k = call.k, &v = call.v;
  bool isPlain = (k.dtype == "f16" || k.dtype == "bf16") && !call.kFactors;
  return isPlain && v.address != 0 && v.address == k.address && v.device == k.device &&
         v.dtype == k.dtype && v.strides == k.strides && v.shape.size() == 4 &&
         k.shape.size() == 4 && ArrayRef(v.shape).drop_back() == ArrayRef(k.shape).drop_back() &&
         v.shape[3] <= k.shape[3];
}

static void addKeys(Call &described, const AttentionCall &call, StringRef batches) {
  if (call.pageTable) {
    described.dimensions.push_back({"P", std::nullopt});
    described.dimensions.push_back({"page", getExtent(call.k, 1)});
    described.dimensions.push_back({"pages", std::nullopt});
  } else {
    described.dimensions.push_back({"Sk", std::nullopt});
  }
  SmallVector<StringRef, 4> rows = getRowExtents(call, batches);
  bool hasFactors = call.kFactors && call.vFactors;
  for (auto [name, tensor, rank, columns, packed] :
       {std::tuple("k", &call.k, "Rk", "D", "D4"), {"v", &call.v, "Rv", "Dv", "Dv4"}}) {
    SmallVector<StringRef, 4> extents = rows;
    if (hasFactors) {
      extents.back() = rank;
      described.dimensions.push_back({rank, getExtent(*tensor, 2)});
    }
    extents.push_back(tensor->dtype == "u8" ? packed : columns);
    if (tensor->dtype == "u8")
      described.dimensions.push_back({packed, getExtent(*tensor, 3)});
    if (tensor == &call.k || !hasValuesInKeys(call))
      described.add(name, *tensor, extents);
  }
  if (!call.kFactors || !call.vFactors)
    return;
  described.add("k_factors", *call.kFactors, {batches, "Sk", "Hkv", "Rk"});
  described.add("v_factors", *call.vFactors, {batches, "Sk", "Hkv", "Rv"});
}

/// The scalar of a kernel that splits keys.
static Expected<SmallVector<Scalar, 1>> makeSplits(const Executable &executable,
                                                   std::optional<int64_t> splits, const Tensor &q,
                                                   int64_t keys) {
  constexpr int64_t maxSplits = 65535;
  if (splits && (*splits < 1 || *splits > maxSplits))
    return createStringError("splits is " + Twine(*splits) + ", but expects 1 to " +
                             Twine(maxSplits));
  const artifact::Metadata &metadata = executable.getMetadata();
  if (executable.getScalarNames().empty()) {
    if (splits.value_or(1) != 1)
      return createStringError("splits is " + Twine(*splits) + ", but the schedule " +
                               metadata.schedule.str() + " has no split_keys; expects 1");
    return SmallVector<Scalar, 1>();
  }
  if (splits)
    return SmallVector<Scalar, 1>{*splits};
  auto problem = schedule::AttentionProblem::fromProblem(metadata.problem);
  auto typed = schedule::AttentionSchedule::fromSchedule(metadata.schedule);
  if (!problem || !typed)
    return joinErrors(problem.takeError(), typed.takeError());
  return SmallVector<Scalar, 1>{schedule::chooseSplits(*typed, *problem,
                                                       executable.getDevice()->getModel(),
                                                       getExtent(q, 0), getExtent(q, 1), keys)};
}

Call describe(const AttentionCall &call) {
  Call described;
  described.op = "attention";
  described.rows = getExtent(call.q, 1);
  std::optional<int64_t> batch;
  if (call.qStarts)
    batch = getExtent(call.q, 0);
  described.dimensions = {{"B", batch},
                          {"Sq", std::nullopt},
                          {"Hq", getExtent(call.q, 2)},
                          {"Hkv", getKeyHeads(call)},
                          {"D", getExtent(call.q, 3)},
                          {"Dv", getColumns(call.v)}};
  described.attributes = {{"scale", call.scale},
                          {"softcap", call.softcap},
                          {"causal", call.causal},
                          {"window", call.window}};
  if (!call.blockSize.empty())
    described.attributes.push_back({"block_size", call.blockSize});
  if (call.deterministic != "false")
    described.attributes.push_back({"deterministic", call.deterministic});
  if (!call.score.empty())
    described.attributes.push_back({"score", call.score});
  if (!call.mask.empty())
    described.attributes.push_back({"mask", call.mask});
  described.add("q", call.q, {"B", "Sq", "Hq", "D"});
  bool hasSlopesOfBatches = call.alibiSlopes && call.alibiSlopes->shape.size() == 2;
  StringRef batches = call.qStarts ? "N" : "B";
  if (call.qStarts) {
    described.dimensions.push_back({"starts", std::nullopt});
    if (call.kLengths || call.qOffset || hasSlopesOfBatches)
      described.dimensions.push_back({"N", std::nullopt});
  }
  addKeys(described, call, call.kLengths ? batches : "B");
  described.addOptional("q_starts", call.qStarts, {"starts"});
  described.addOptional("k_starts", call.kStarts, {"starts"});
  described.addOptional("k_lengths", call.kLengths, {batches});
  described.addOptional("page_table", call.pageTable, {batches, "pages"});
  if (call.blocks && call.blockCounts) {
    StringRef heads = getExtent(*call.blocks, 1) == getKeyHeads(call) ? "Hkv" : "Hq";
    described.dimensions.push_back({"Qb", std::nullopt});
    described.dimensions.push_back({"Kb", std::nullopt});
    described.dimensions.push_back({"kinds", 2});
    described.add("block_counts", *call.blockCounts, {"B", heads, "Qb", "kinds"});
    described.add("blocks", *call.blocks, {"B", heads, "Qb", "Kb"});
  }
  SmallVector<StringRef, 4> rows = getRowExtents(call, call.kLengths ? batches : "B");
  described.addOptional("k_scales", call.kScales, rows);
  described.addOptional("v_scales", call.vScales, rows);
  described.addOptional("q_offset", call.qOffset, {batches});
  if (hasSlopesOfBatches)
    described.add("alibi_slopes", *call.alibiSlopes, {batches, "Hq"});
  else
    described.addOptional("alibi_slopes", call.alibiSlopes, {"Hq"});
  described.addOptional("sinks", call.sinks, {"Hq"});
  addCaptures(described, call.captures);
  if (call.lse)
    described.add("lse", withoutStrides(*call.lse), {"B", "Hq", "Sq"});
  described.add("o", call.o, {"B", "Sq", "Hq", "Dv"});
  int64_t keys = getExtent(call.k, 1);
  if (call.pageTable)
    keys *= getExtent(*call.pageTable, 1);
  described.makeScalars = [splits = call.splits, keys, q = call.q](const Executable &executable) {
    return makeSplits(executable, splits, q, keys);
  };
  return described;
}

/// Fails unless an optional vector has one of the shapes and the dtype.
static Error checkVector(const std::optional<Tensor> &tensor, StringRef name,
                         ArrayRef<int64_t> shape, StringRef dtype) {
  if (!tensor)
    return Error::success();
  if (tensor->dtype != dtype)
    return createStringError("'" + name + "' has dtype " + tensor->dtype + ", but expects " +
                             dtype);
  return checkShape(*tensor, name, shape);
}

static Error checkCaptures(ArrayRef<Tensor> captures) {
  if (captures.size() > maxCaptures)
    return createStringError("expects at most " + Twine(maxCaptures) +
                             " arrays that score and mask read, but got " + Twine(captures.size()));
  for (auto [i, capture] : enumerate(captures)) {
    if (capture.shape.empty() || capture.shape.size() > maxCaptureRank)
      return createStringError("'" + captureNames[i] + "' has " + Twine(capture.shape.size()) +
                               " dimensions, but expects 1 to " + Twine(maxCaptureRank));
    if (!is_contained({"f16", "bf16", "f32", "i32"}, capture.dtype))
      return createStringError("'" + captureNames[i] + "' has dtype " + capture.dtype +
                               ", but expects f16, bf16, f32 or i32");
    if (Error error = checkShape(capture, captureNames[i], capture.shape))
      return error;
  }
  return Error::success();
}

/// Lengths and pages of caches for `entries` batches or sequences.
static Error checkCaches(const AttentionCall &call, int64_t entries) {
  if (Error error = checkVector(call.kLengths, "k_lengths", {entries}, "i32"))
    return error;
  if (!call.pageTable)
    return Error::success();
  if (!call.kLengths)
    return createStringError("expects 'k_lengths' with 'page_table', but got none");
  if (Error error = checkVector(call.pageTable, "page_table",
                                {entries, getExtent(*call.pageTable, 1)}, "i32"))
    return error;
  if (call.k.shape[1] < 1)
    return createStringError("'k' has pages of 0 keys, but expects at least 1");
  for (auto [name, tensor] : {std::pair("k", &call.k), {"v", &call.v}}) {
    int64_t page = tensor->strides[0], key = tensor->strides[1];
    if (tensor->shape[0] > 1 && tensor->shape[1] > 1 && (key < 1 || page % key != 0))
      return createStringError(Twine("'") + name + "' has stride " + Twine(page) +
                               " from page to page and " + Twine(key) +
                               " from key to key, but expects a multiple of it");
  }
  return Error::success();
}

/// Factors of k and v, of their dtype.
static Error checkFactors(const AttentionCall &call) {
  if (!call.kFactors && !call.vFactors)
    return Error::success();
  if (!call.kFactors || !call.vFactors || call.pageTable)
    return createStringError("expects 'k_factors' and 'v_factors' together, and no 'page_table' "
                             "with them");
  int64_t heads = getKeyHeads(call);
  for (auto [name, factors, rows] : {std::tuple("k_factors", &*call.kFactors, &call.k),
                                     {"v_factors", &*call.vFactors, &call.v}}) {
    if (factors->dtype != rows->dtype || rows->dtype != call.q.dtype)
      return createStringError(Twine("'") + name + "' has dtype " + factors->dtype +
                               ", but expects " + rows->dtype);
    if (Error error =
            checkShape(*factors, name, {rows->shape[0], rows->shape[1], heads, rows->shape[2]}))
      return error;
  }
  return Error::success();
}

/// Lists of blocks of keys; what they name is data, which kernels take as it comes.
static Error checkBlocks(const AttentionCall &call) {
  if (!call.blocks && !call.blockCounts)
    return Error::success();
  if (!call.blocks || !call.blockCounts || call.blockSize.empty() || call.qStarts)
    return createStringError("expects 'block_counts', 'blocks' and block_size together, and no "
                             "'q_starts' with them");
  int64_t batch = call.q.shape[0], heads = getExtent(*call.blocks, 1);
  if (heads != call.q.shape[2] && heads != getKeyHeads(call))
    return createStringError("'blocks' has " + Twine(heads) + " heads, but expects those of 'q' (" +
                             Twine(call.q.shape[2]) + ") or of 'k' (" + Twine(getKeyHeads(call)) +
                             ")");
  int64_t rows = getExtent(*call.blocks, 2), entries = getExtent(*call.blocks, 3), size = 0;
  if (Error error = checkVector(call.blocks, "blocks", {batch, heads, rows, entries}, "i32"))
    return error;
  if (Error error = checkVector(call.blockCounts, "block_counts", {batch, heads, rows, 2}, "i32"))
    return error;
  if (StringRef(call.blockSize).split(',').first.getAsInteger(10, size) || size < 1)
    return createStringError("block_size is '" + call.blockSize + "', but expects rows,keys");
  if (rows < int64_t(divideCeil(call.q.shape[1], size)))
    return createStringError("'blocks' has " + Twine(rows) + " blocks of rows, but expects " +
                             Twine(divideCeil(call.q.shape[1], size)) + " of " + Twine(size) +
                             " rows");
  return Error::success();
}

/// Scales of codes, as many as their cache has rows of heads.
static Error checkScales(const AttentionCall &call) {
  for (auto [name, cache, scales] :
       {std::tuple("k_scales", &call.k, &call.kScales), {"v_scales", &call.v, &call.vScales}}) {
    bool isInteger = is_contained({"i8", "u8"}, cache->dtype);
    bool isFloat8 = is_contained({"e4m3", "e5m2"}, cache->dtype);
    if (isInteger && !*scales)
      return createStringError(Twine("expects '") + name + "' beside a cache of " + cache->dtype +
                               ", but got none");
    if (!*scales)
      continue;
    if (!isInteger && !isFloat8)
      return createStringError(Twine("expects '") + name +
                               "' beside a cache of e4m3, e5m2, i8 or u8, but it is " +
                               cache->dtype);
    if (Error error = checkShape(**scales, name, ArrayRef(cache->shape).drop_back()))
      return error;
  }
  return Error::success();
}

static Error checkSequences(const AttentionCall &call) {
  if (!call.qStarts && !call.kStarts)
    return Error::success();
  if (!call.qStarts || (!call.kStarts && !call.kLengths))
    return createStringError("expects 'q_starts' and 'k_starts', but got only one of them");
  if (call.q.shape[0] != 1)
    return createStringError("'q' has a batch of " + Twine(call.q.shape[0]) +
                             ", but expects 1 of sequences");
  int64_t starts = call.qStarts->shape.empty() ? 0 : call.qStarts->shape[0];
  if (starts < 1)
    return createStringError("'q_starts' is empty, but expects an entry more than sequences");
  if (Error error = checkVector(call.qStarts, "q_starts", {starts}, "i32"))
    return error;
  return checkVector(call.kStarts, "k_starts", {starts}, "i32");
}

static Error checkCall(const AttentionCall &call) {
  for (auto [name, tensor] : {std::pair("q", &call.q), {"k", &call.k}, {"v", &call.v}})
    if (tensor->shape.size() != 4)
      return createStringError(Twine("'") + name + "' has " + Twine(tensor->shape.size()) +
                               " dimensions, but expects four");
  // q says the batch, k the number of keys; the rest follows.
  int64_t batch = call.q.shape[0], queries = call.q.shape[1], heads = call.q.shape[2];
  int64_t keys = call.k.shape[1], keyHeads = call.k.shape[2];
  int64_t size = call.q.shape[3], valueSize = getColumns(call.v);
  if (Error error = checkShape(call.q, "q", {batch, queries, heads, size}))
    return error;
  int64_t entries = call.qStarts ? getExtent(*call.qStarts, 0) - 1 : batch;
  int64_t keyBatch = call.pageTable ? call.k.shape[0] : call.kLengths ? entries : batch;
  int64_t keyColumns = call.k.dtype == "u8" ? size / 2 : size;
  if (Error error = checkShape(call.k, "k", {keyBatch, keys, keyHeads, keyColumns}))
    return error;
  int64_t valueHeads = call.vFactors ? call.v.shape[2] : keyHeads;
  if (Error error = checkShape(call.v, "v", {keyBatch, keys, valueHeads, getExtent(call.v, 3)}))
    return error;
  if (Error error = checkFactors(call))
    return error;
  if (Error error = checkScales(call))
    return error;
  if (Error error = checkShape(call.o, "o", {batch, queries, heads, valueSize}))
    return error;
  if (Error error = checkSequences(call))
    return error;
  if (Error error = checkCaches(call, entries))
    return error;
  if (Error error = checkBlocks(call))
    return error;
  if (Error error = checkVector(call.qOffset, "q_offset", {entries}, "i32"))
    return error;
  bool isPerBatch = call.alibiSlopes && call.alibiSlopes->shape.size() == 2;
  SmallVector<int64_t, 2> slopes = {heads};
  if (isPerBatch)
    slopes = {entries, heads};
  if (Error error = checkVector(call.alibiSlopes, "alibi_slopes", slopes, "f32"))
    return error;
  if (Error error = checkVector(call.sinks, "sinks", {heads}, "f32"))
    return error;
  if (Error error = checkVector(call.lse, "lse", {batch, heads, queries}, "f32"))
    return error;
  if (call.lse && !call.lse->isEmpty() &&
      call.lse->strides != makeDense(nullptr, 0, "f32", call.lse->shape).strides)
    return createStringError("'lse' is not row-major, but expects rows that follow each other");
  return checkCaptures(call.captures);
}

Expected<problem::Problem> makeProblem(const AttentionCall &call) {
  if (Error error = checkCall(call))
    return std::move(error);
  Expected<problem::Problem> problem = makeProblem(describe(call));
  if (!problem)
    return problem.takeError();
  auto typed = schedule::AttentionProblem::fromProblem(*problem);
  if (!typed)
    return typed.takeError();
  return problem;
}

Error launchAttention(KernelCache &cache, const AttentionCall &call,
                      const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                      const std::optional<schedule::Schedule> &pinned) {
  return launchCall(cache, describe(call), fallback, stream, pinned,
                    [&] { return makeProblem(call); });
}

} // namespace tilewright::launch
