//===- AppendCache.cpp - Calls of append_cache --------------------------------===//
//
// See AppendCache.h. Dtypes are checked by the family's own reading of the problem
// (dialects/Support/Schedule/AppendCache.h).
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/AppendCache.h"

#include "dialects/Support/Schedule/AppendCache.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::launch {

static int64_t getExtent(const std::optional<Tensor> &tensor, unsigned axis) {
  return tensor && axis < tensor->shape.size() ? tensor->shape[axis] : 0;
}

/// k, or q where there is no k.
static const std::optional<Tensor> &getTokens(const AppendCacheCall &call) {
  return call.k ? call.k : call.q;
}

static bool isPacked(const std::optional<Tensor> &cache) { return cache && cache->dtype == "u8"; }

/// Bytes of a cache's row of a head of `size`.
static int64_t getColumns(const std::optional<Tensor> &cache, int64_t size) {
  return isPacked(cache) ? size / 2 : size;
}

Call describe(const AppendCacheCall &call) {
  Call described;
  described.op = "append_cache";
  described.rows = getExtent(getTokens(call), 1);
  described.dimensions = {{"B", std::nullopt}, {"S", std::nullopt}};
  auto addDimension = [&](StringRef name, const std::optional<Tensor> &tensor, unsigned axis) {
    if (tensor)
      described.dimensions.push_back({name, getExtent(tensor, axis)});
  };
  auto addDynamic = [&](bool isThere, ArrayRef<StringRef> names) {
    for (StringRef name : names)
      if (isThere)
        described.dimensions.push_back({name, std::nullopt});
  };
  addDimension("Hkv", call.k, 2), addDimension("D", call.k, 3), addDimension("Dv", call.v, 3);
  addDimension("Hq", call.q, 2), addDimension("Dq", call.q, 3), addDimension("R", call.cos, 1);
  addDynamic(call.k && !call.pageTable, {"C"});
  addDynamic(call.pageTable.has_value(), {"T", "P", "Z"});
  addDynamic(call.cos.has_value(), {"L"});
  if (isPacked(call.kCache))
    addDimension("D4", call.kCache, 3);
  if (isPacked(call.vCache))
    addDimension("Dv4", call.vCache, 3);
  if (call.cos)
    described.attributes = {{"rotary", call.rotary}, {"rotary_start", call.rotaryStart}};

  described.addOptional("k", call.k, {"B", "S", "Hkv", "D"});
  described.addOptional("v", call.v, {"B", "S", "Hkv", "Dv"});
  described.addOptional("q", call.q, {"B", "S", "Hq", "Dq"});
  described.add("lengths", call.lengths, {"B"});
  described.addOptional("page_table", call.pageTable, {"B", "T"});
  described.addOptional("cos", call.cos, {"L", "R"});
  described.addOptional("sin", call.sin, {"L", "R"});
  StringRef outer = call.pageTable ? "P" : "B", inner = call.pageTable ? "Z" : "C";
  StringRef keys = isPacked(call.kCache) ? "D4" : "D",
            values = isPacked(call.vCache) ? "Dv4" : "Dv";
  described.addOptional("k_cache", call.kCache, {outer, inner, "Hkv", keys});
  described.addOptional("v_cache", call.vCache, {outer, inner, "Hkv", values});
  described.addOptional("k_scales", call.kScales, {outer, inner, "Hkv"});
  described.addOptional("v_scales", call.vScales, {outer, inner, "Hkv"});
  described.addOptional("rotated", call.rotated, {"B", "S", "Hq", "Dq"});
  return described;
}

//===- Checks ---------------------------------------------------------------===//

static Error checkPresence(const AppendCacheCall &call) {
  auto fail = [](const char *what) { return createStringError(what); };
  if (!call.k && !call.q)
    return fail("expects 'k' or 'q', but got neither");
  if (call.v && !call.k)
    return fail("expects 'v' beside 'k', but got it alone");
  if (call.k.has_value() != call.kCache.has_value())
    return fail("expects 'k' and 'k_cache', but got only one of them");
  if (call.v.has_value() != call.vCache.has_value())
    return fail("expects 'v' and 'v_cache', but got only one of them");
  if (call.q.has_value() != call.rotated.has_value())
    return fail("expects 'q' and 'rotated', but got only one of them");
  if (call.cos.has_value() != call.sin.has_value())
    return fail("expects 'cos' and 'sin', but got only one of them");
  if (call.q && !call.cos)
    return fail("expects 'cos' and 'sin' beside 'q', but got neither");
  if (call.pageTable && !call.k)
    return fail("expects 'page_table' beside 'k', but got them alone");
  for (auto [cache, scales] :
       {std::pair(&call.kCache, &call.kScales), {&call.vCache, &call.vScales}}) {
    bool isInteger = *cache && is_contained({"i8", "u8"}, (*cache)->dtype);
    bool isFloat8 = *cache && is_contained({"e4m3", "e5m2"}, (*cache)->dtype);
    if (isInteger && !*scales)
      return fail("expects scales beside caches of integers, but got none");
    if (*scales && !isInteger && !isFloat8)
      return fail("expects scales beside caches of e4m3, e5m2, i8 or u8, but got them elsewhere");
  }
  if (call.rotary != "halves" && call.rotary != "interleaved")
    return createStringError("expects rotary halves or interleaved, but got " + call.rotary);
  return Error::success();
}

/// An array of any extents whose strides kernels take.
static Error checkRank(const std::optional<Tensor> &tensor, StringRef name, size_t rank) {
  if (!tensor)
    return Error::success();
  if (tensor->shape.size() != rank)
    return createStringError("'" + name + "' has " + Twine(tensor->shape.size()) +
                             " dimensions, but expects " + Twine(rank));
  return checkShape(*tensor, name, tensor->shape);
}

static Error checkTokens(const AppendCacheCall &call) {
  int64_t batch = getExtent(getTokens(call), 0), tokens = getExtent(getTokens(call), 1);
  for (auto [name, tensor] : {std::pair("k", &call.k), {"v", &call.v}, {"q", &call.q}}) {
    if (Error error = checkRank(*tensor, name, 4))
      return error;
    if (*tensor)
      if (Error error = checkShape(**tensor, name,
                                   {batch, tokens, getExtent(*tensor, 2), getExtent(*tensor, 3)}))
        return error;
  }
  if (call.v && getExtent(call.v, 2) != getExtent(call.k, 2))
    return createStringError("'v' has " + Twine(getExtent(call.v, 2)) + " heads, but 'k' " +
                             Twine(getExtent(call.k, 2)));
  if (call.rotated)
    if (Error error = checkShape(*call.rotated, "rotated", call.q->shape))
      return error;
  return checkShape(call.lengths, "lengths", {batch});
}

static Error checkCaches(const AppendCacheCall &call) {
  if (!call.k)
    return Error::success();
  if (Error error = checkRank(call.kCache, "k_cache", 4))
    return error;
  if (Error error = checkRank(call.pageTable, "page_table", 2))
    return error;
  int64_t batch = getExtent(call.k, 0), heads = getExtent(call.k, 2);
  int64_t outer = call.pageTable ? getExtent(call.kCache, 0) : batch;
  int64_t inner = getExtent(call.kCache, 1);
  if (call.pageTable)
    if (Error error =
            checkShape(*call.pageTable, "page_table", {batch, getExtent(call.pageTable, 1)}))
      return error;
  if (Error error =
          checkShape(*call.kCache, "k_cache",
                     {outer, inner, heads, getColumns(call.kCache, getExtent(call.k, 3))}))
    return error;
  for (auto [name, scales] : {std::pair("k_scales", &call.kScales), {"v_scales", &call.vScales}})
    if (*scales)
      if (Error error = checkShape(**scales, name, {outer, inner, heads}))
        return error;
  if (!call.v)
    return Error::success();
  return checkShape(*call.vCache, "v_cache",
                    {outer, inner, heads, getColumns(call.vCache, getExtent(call.v, 3))});
}

static Error checkRotary(const AppendCacheCall &call) {
  if (!call.cos)
    return Error::success();
  if (Error error = checkRank(call.cos, "cos", 2))
    return error;
  if (call.sin->dtype != call.cos->dtype)
    return createStringError("'sin' has dtype " + call.sin->dtype + ", but 'cos' " +
                             call.cos->dtype);
  return checkShape(*call.sin, "sin", call.cos->shape);
}

static Error checkCall(const AppendCacheCall &call) {
  if (Error error = checkPresence(call))
    return error;
  if (Error error = checkTokens(call))
    return error;
  if (Error error = checkCaches(call))
    return error;
  return checkRotary(call);
}

Expected<problem::Problem> makeProblem(const AppendCacheCall &call) {
  if (Error error = checkCall(call))
    return std::move(error);
  Expected<problem::Problem> problem = makeProblem(describe(call));
  if (!problem)
    return problem.takeError();
  if (auto typed = schedule::AppendCacheProblem::fromProblem(*problem); !typed)
    return typed.takeError();
  return problem;
}

Error launchAppendCache(KernelCache &cache, const AppendCacheCall &call,
                        const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                        const std::optional<schedule::Schedule> &pinned) {
  if (getTokens(call) && getTokens(call)->isEmpty())
    return Error::success();
  return launchCall(cache, describe(call), fallback, stream, pinned,
                    [&] { return makeProblem(call); });
}

} // namespace tilewright::launch
