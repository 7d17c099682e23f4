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

Call describe(const AttentionCall &call) {
  Call described;
  described.op = "attention";
  described.rows = getExtent(call.q, 1);
  std::optional<int64_t> batch;
  if (call.qStarts)
    batch = getExtent(call.q, 0);
  described.dimensions = {{"B", batch},
                          {"Sq", std::nullopt},
                          {"Sk", std::nullopt},
                          {"Hq", getExtent(call.q, 2)},
                          {"Hkv", getExtent(call.k, 2)},
                          {"D", getExtent(call.q, 3)},
                          {"Dv", getExtent(call.v, 3)}};
  described.attributes = {{"scale", call.scale},
                          {"softcap", call.softcap},
                          {"causal", call.causal},
                          {"window", call.window}};
  if (!call.score.empty())
    described.attributes.push_back({"score", call.score});
  if (!call.mask.empty())
    described.attributes.push_back({"mask", call.mask});
  described.add("q", call.q, {"B", "Sq", "Hq", "D"});
  described.add("k", call.k, {"B", "Sk", "Hkv", "D"});
  described.add("v", call.v, {"B", "Sk", "Hkv", "Dv"});
  bool hasSlopesOfBatches = call.alibiSlopes && call.alibiSlopes->shape.size() == 2;
  StringRef batches = call.qStarts ? "N" : "B";
  if (call.qStarts) {
    described.dimensions.push_back({"starts", std::nullopt});
    if (call.qOffset || hasSlopesOfBatches)
      described.dimensions.push_back({"N", std::nullopt});
  }
  described.addOptional("q_starts", call.qStarts, {"starts"});
  described.addOptional("k_starts", call.kStarts, {"starts"});
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

static Error checkSequences(const AttentionCall &call) {
  if (!call.qStarts && !call.kStarts)
    return Error::success();
  if (!call.qStarts || !call.kStarts)
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
  int64_t size = call.q.shape[3], valueSize = call.v.shape[3];
  if (Error error = checkShape(call.q, "q", {batch, queries, heads, size}))
    return error;
  if (Error error = checkShape(call.k, "k", {batch, keys, keyHeads, size}))
    return error;
  if (Error error = checkShape(call.v, "v", {batch, keys, keyHeads, valueSize}))
    return error;
  if (Error error = checkShape(call.o, "o", {batch, queries, heads, valueSize}))
    return error;
  if (Error error = checkSequences(call))
    return error;
  int64_t entries = call.qStarts ? call.qStarts->shape[0] - 1 : batch;
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
