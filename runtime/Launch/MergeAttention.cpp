//===- MergeAttention.cpp - Calls of merge_attention --------------------------===//
//
// See MergeAttention.h. Dtypes are checked by the family's own reading of the problem
// (dialects/Support/Schedule/MergeAttention.h).
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/MergeAttention.h"

#include "dialects/Support/Schedule/MergeAttention.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::launch {

static constexpr size_t maxParts = schedule::MergeAttentionProblem::maxParts;

/// Names that a Call can borrow.
static constexpr StringLiteral partNames[] = {"o0", "o1", "o2",  "o3",  "o4",  "o5",  "o6",  "o7",
                                              "o8", "o9", "o10", "o11", "o12", "o13", "o14", "o15"};
static constexpr StringLiteral lseNames[] = {"lse0",  "lse1",  "lse2",  "lse3", "lse4",  "lse5",
                                             "lse6",  "lse7",  "lse8",  "lse9", "lse10", "lse11",
                                             "lse12", "lse13", "lse14", "lse15"};
static_assert(std::size(partNames) == maxParts && std::size(lseNames) == maxParts);

static int64_t getExtent(const MergeAttentionCall &call, unsigned axis) {
  return axis < call.o.shape.size() ? call.o.shape[axis] : 0;
}

Call describe(const MergeAttentionCall &call) {
  Call described;
  described.op = "merge_attention";
  described.rows = getExtent(call, 1);
  described.dimensions = {{"B", std::nullopt},
                          {"S", std::nullopt},
                          {"H", getExtent(call, 2)},
                          {"Dv", getExtent(call, 3)}};
  for (auto [name, part] : zip(partNames, call.parts))
    described.add(name, part, {"B", "S", "H", "Dv"});
  for (auto [name, lse] : zip(lseNames, call.lses))
    described.add(name, lse, {"B", "H", "S"});
  described.addOptional("lse", call.lse, {"B", "H", "S"});
  described.add("o", call.o, {"B", "S", "H", "Dv"});
  return described;
}

static Error checkCall(const MergeAttentionCall &call) {
  if (call.parts.empty() || call.parts.size() > maxParts || call.lses.size() != call.parts.size())
    return createStringError("expects 1 to " + Twine(maxParts) +
                             " parts with as many log-sum-exps, but got " +
                             Twine(call.parts.size()) + " and " + Twine(call.lses.size()));
  const Tensor &first = call.parts.front();
  if (first.shape.size() != 4)
    return createStringError("'o0' has " + Twine(first.shape.size()) +
                             " dimensions, but expects four");
  int64_t batch = first.shape[0], rows = first.shape[1], heads = first.shape[2];
  for (auto [name, part] : zip(partNames, call.parts))
    if (Error error = checkShape(part, name, first.shape))
      return error;
  for (auto [name, lse] : zip(lseNames, call.lses))
    if (Error error = checkShape(lse, name, {batch, heads, rows}))
      return error;
  if (call.lse)
    if (Error error = checkShape(*call.lse, "lse", {batch, heads, rows}))
      return error;
  return checkShape(call.o, "o", first.shape);
}

Expected<problem::Problem> makeProblem(const MergeAttentionCall &call) {
  if (Error error = checkCall(call))
    return std::move(error);
  Expected<problem::Problem> problem = makeProblem(describe(call));
  if (!problem)
    return problem.takeError();
  if (auto typed = schedule::MergeAttentionProblem::fromProblem(*problem); !typed)
    return typed.takeError();
  return problem;
}

Error launchMergeAttention(KernelCache &cache, const MergeAttentionCall &call,
                           const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                           const std::optional<schedule::Schedule> &pinned) {
  return launchCall(cache, describe(call), fallback, stream, pinned,
                    [&] { return makeProblem(call); });
}

} // namespace tilewright::launch
