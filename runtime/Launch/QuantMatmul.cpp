//===- QuantMatmul.cpp - Calls of the quantised matrix product --------------===//
//
// See QuantMatmul.h. Dtypes and attributes are checked by the family's own
// reading of the problem (dialects/Support/Schedule/QuantMatmul.h).
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/QuantMatmul.h"

#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::launch {

Tensor makePacked(std::shared_ptr<device::Device> device, uint64_t address, StringRef dtype,
                  uint64_t bytes) {
  Tensor tensor;
  tensor.address = address;
  tensor.device = std::move(device);
  tensor.dtype = dtype.str();
  tensor.packedBytes = bytes;
  return tensor;
}

Expected<int64_t> getGroupCount(StringRef group, int64_t k) {
  int64_t size = 0;
  if (group == "channel")
    return 1;
  if (group.getAsInteger(10, size) || size < 1)
    return createStringError("a group is a positive number of weights or 'channel', but got '" +
                             group + "'");
  return divideCeil(uint64_t(k), uint64_t(size));
}

Call describe(const QuantMatmulCall &call) {
  const QuantisedWeights &weights = call.weights;
  int64_t n = weights.shape.n, k = weights.shape.k;
  Expected<int64_t> counted = getGroupCount(weights.group, k);
  int64_t groups = counted ? *counted : 0;
  consumeError(counted.takeError());
  auto packed = [](Tensor tensor, ArrayRef<int64_t> shape) {
    tensor.shape.assign(shape.begin(), shape.end());
    return tensor;
  };
  Call described;
  described.op = "quant_matmul";
  described.rows = call.x.shape.empty() ? 0 : call.x.shape[0];
  described.dimensions = {{"M", std::nullopt}, {"N", n}, {"K", k}, {"groups", groups}};
  described.attributes = {{"format", weights.format},
                          {"group", weights.group},
                          {"scale", weights.scales.dtype},
                          {"zero", weights.zeros ? "integer" : "none"}};
  if (call.deterministic)
    described.attributes.push_back({"deterministic", "true"});
  described.add("x", call.x, {"M", "K"});
  described.add("w", packed(weights.words, {n, k}), {"N", "K"});
  described.add("scales", packed(weights.scales, {groups, n}), {"groups", "N"});
  if (weights.zeros)
    described.add("zeros", packed(*weights.zeros, {groups, n}), {"groups", "N"});
  if (weights.codebook) {
    int64_t entries = int64_t(1) << weights.shape.bits;
    described.dimensions.push_back({"entries", entries});
    described.add("codebook", packed(*weights.codebook, {entries}), {"entries"});
  }
  call.addTo(described, n, call.y);
  return described;
}

SmallVector<Tensor, 12> getOperands(const QuantMatmulCall &call) {
  return describe(call).getTensors();
}

//===- Checks ---------------------------------------------------------------===//

static Error checkPackedBytes(const Tensor &tensor, StringRef name, uint64_t expected,
                              const QuantisedWeights &weights) {
  if (tensor.packedBytes == expected && tensor.strides.empty())
    return Error::success();
  return createStringError(name + " of " + weights.format +
                           " weights with K=" + Twine(weights.shape.k) +
                           ", N=" + Twine(weights.shape.n) + ", group " + weights.group + " take " +
                           Twine(expected) + " packed bytes, but got " + Twine(tensor.packedBytes));
}

static Error checkWeights(const QuantisedWeights &weights) {
  if (Error error = weights.shape.verify())
    return error;
  Expected<format::Format> format = format::parse(weights.format);
  if (!format)
    return format.takeError();
  if (format->bits != weights.shape.bits)
    return createStringError("weights of format " + weights.format + " have " +
                             Twine(format->bits) + " bits, but they are packed with " +
                             Twine(weights.shape.bits));
  Expected<int64_t> groups = getGroupCount(weights.group, weights.shape.k);
  if (!groups)
    return groups.takeError();
  uint64_t columns = pack::getPackedColumns(weights.shape.n);
  if (Error error =
          checkPackedBytes(weights.words, "codes", weights.shape.getWordCount() * 4, weights))
    return error;
  if (Error error = checkPackedBytes(weights.scales, "scales", *groups * columns * 2, weights))
    return error;
  if (weights.zeros)
    if (Error error = checkPackedBytes(*weights.zeros, "zero points", *groups * columns, weights))
      return error;
  if (weights.codebook && format->isIndex())
    return checkPackedBytes(*weights.codebook, "a codebook",
                            4 * layout::getTableWords(format->bits), weights);
  return Error::success();
}

static Error checkCall(const QuantMatmulCall &call) {
  if (Error error = checkWeights(call.weights))
    return error;
  int64_t n = call.weights.shape.n, k = call.weights.shape.k;
  // M is x's to say; everything else follows.
  int64_t m = call.x.shape.empty() ? 0 : std::max<int64_t>(call.x.shape[0], 0);
  if (Error error = checkShape(call.x, "x", {m, k}))
    return error;
  return call.verify(m, n, call.y);
}

//===- The call -------------------------------------------------------------===//

Expected<problem::Problem> makeProblem(const QuantMatmulCall &call) {
  if (Error error = checkCall(call))
    return std::move(error);
  // The layout version is no part of the problem; checkCall() knows one only.
  Expected<problem::Problem> problem = makeProblem(describe(call));
  if (!problem)
    return problem.takeError();
  auto typed = schedule::QuantMatmulProblem::fromProblem(*problem);
  if (!typed)
    return typed.takeError();
  if (Error error = call.verifyDtypes(call.x.dtype))
    return std::move(error);
  return problem;
}

Expected<std::shared_ptr<device::Device>>
chooseDevice(const QuantMatmulCall &call, const std::shared_ptr<device::Device> &fallback) {
  return chooseDevice(describe(call), fallback);
}

Error launchQuantMatmul(KernelCache &cache, const QuantMatmulCall &call,
                        const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                        const std::optional<schedule::Schedule> &pinned) {
  Call described = describe(call);
  // Part of what the words mean, though not of the problem.
  std::string version = std::to_string(call.weights.shape.version);
  described.attributes.push_back({"version", version});
  return launchCall(cache, described, fallback, stream, pinned, [&] { return makeProblem(call); });
}

} // namespace tilewright::launch
