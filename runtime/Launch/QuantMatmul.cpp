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

/// Bytes of one element of a tensor; the error names the dtype.
static Expected<unsigned> getElementBytes(const Tensor &tensor) {
  Expected<format::Format> format = format::parse(tensor.dtype);
  if (!format)
    return format.takeError();
  return divideCeil(format->bits, 8);
}

/// How numbers of the groups of `weights` are stored in `table`, operand `name`.
static Expected<layout::ScaleStorage> getStorage(const QuantisedWeights &weights,
                                                 const Tensor &table, StringRef name) {
  Expected<format::Granularity> granularity = format::Granularity::parse(weights.group);
  if (!granularity)
    return granularity.takeError();
  Expected<unsigned> bytes = getElementBytes(table);
  if (!bytes)
    return createStringError("'" + name + "': " + toString(bytes.takeError()));
  return layout::ScaleStorage::get(*granularity, weights.shape.k, weights.shape.n, *bytes);
}

Expected<layout::ScaleStorage> getScaleStorage(const QuantisedWeights &weights) {
  return getStorage(weights, weights.scales, "scales");
}

Expected<layout::ScaleStorage> getZeroStorage(const QuantisedWeights &weights) {
  if (weights.zero != format::Zero::Integer)
    return getStorage(weights, *weights.zeros, "zeros");
  Expected<format::Granularity> granularity = format::Granularity::parse(weights.group);
  if (!granularity)
    return granularity.takeError();
  const pack::PackedShape &shape = weights.shape;
  return layout::ScaleStorage::getZeroPoints(*granularity, shape.k, shape.n, shape.bits);
}

Call describe(const QuantMatmulCall &call) {
  const QuantisedWeights &weights = call.weights;
  int64_t n = weights.shape.n, k = weights.shape.k;
  Expected<format::Granularity> parsed = format::Granularity::parse(weights.group);
  format::Granularity granularity = parsed ? *parsed : format::Granularity();
  consumeError(parsed.takeError());
  int64_t groups = granularity.getGroups(k), columns = granularity.getColumnGroups(n);
  StringRef columnsName = granularity.isPerColumn() ? "N" : "columns";
  bool isStack = weights.shape.storage == layout::Storage::Stack;
  Call described;
  auto addPacked = [&](StringRef name, Tensor tensor, ArrayRef<int64_t> shape,
                       ArrayRef<StringRef> names) {
    SmallVector<int64_t, 4> extents = extentsInBatch(weights.batch, shape);
    tensor.shape.assign(extents.begin(), extents.end());
    described.add(name, std::move(tensor), namesInBatch(weights.batch, names));
  };
  // An operand with a part for each plane of a stack.
  auto addPlanes = [&](StringRef name, const Tensor &tensor, SmallVector<int64_t, 3> shape,
                       SmallVector<StringRef, 3> names) {
    if (isStack) {
      shape.insert(shape.begin(), weights.shape.bits);
      names.insert(names.begin(), "planes");
    }
    addPacked(name, tensor, shape, names);
  };
  described.op = "quant_matmul";
  int64_t batch = weights.batch;
  described.rows = getRows(call.x);
  described.dimensions = {{"M", std::nullopt}, {"N", n}, {"K", k}, {"groups", groups}};
  if (batch > 0)
    described.dimensions.push_back({"B", batch});
  if (!granularity.isPerColumn())
    described.dimensions.push_back({"columns", columns});
  if (isStack)
    described.dimensions.push_back({"planes", std::nullopt});
  if (weights.tensorScale)
    described.dimensions.push_back({"tensors", std::max<int64_t>(1, batch)});
  described.attributes = {{"format", weights.format},
                          {"group", weights.group},
                          {"scale", weights.scales.dtype},
                          {"zero", format::getName(weights.zero)}};
  if (call.deterministic)
    described.attributes.push_back({"deterministic", "true"});
  described.add("x", call.x, namesInBatch(batch, {"M", "K"}));
  addPlanes("w", weights.words, {n, k}, {"N", "K"});
  addPlanes("scales", weights.scales, {groups, columns}, {"groups", columnsName});
  if (weights.zeros)
    addPacked("zeros", *weights.zeros, {groups, columns}, {"groups", columnsName});
  if (weights.tensorScale)
    described.add("tensor_scale", *weights.tensorScale, {"tensors"});
  if (weights.codebook) {
    int64_t entries = int64_t(1) << weights.shape.bits;
    described.dimensions.push_back({"entries", entries});
    Tensor codebook = *weights.codebook;
    codebook.shape.assign({entries});
    described.add("codebook", std::move(codebook), {"entries"});
  }
  call.addTo(described, batch, n, call.y);
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
  std::string batch =
      weights.batch > 0 ? "a batch of " + std::to_string(weights.batch) + " " : std::string();
  return createStringError(name + " of " + batch + weights.format +
                           " weights with K=" + Twine(weights.shape.k) +
                           ", N=" + Twine(weights.shape.n) + ", group " + weights.group + " take " +
                           Twine(expected) + " packed bytes, but got " + Twine(tensor.packedBytes));
}

static Error checkScaleBytes(const Tensor &tensor, StringRef name,
                             const layout::ScaleStorage &storage, const QuantisedWeights &weights) {
  Expected<unsigned> bytes = getElementBytes(tensor);
  if (!bytes)
    return bytes.takeError();
  // Matrices of a batch, or planes of a stack.
  uint64_t tables = weights.shape.storage == layout::Storage::Stack
                        ? weights.shape.bits
                        : std::max<int64_t>(1, weights.batch);
  return checkPackedBytes(tensor, name, tables * storage.getElements() * *bytes, weights);
}

static Error checkWeights(const QuantisedWeights &weights) {
  if (Error error = weights.shape.verify())
    return error;
  Expected<format::Format> format = format::parse(weights.format);
  if (!format)
    return format.takeError();
  if (weights.shape.storage != layout::getStorage(*format))
    return createStringError("weights of format " + weights.format +
                             " are stored in another way than those they are packed as");
  if (format->bits != weights.shape.bits && !format->isStack())
    return createStringError("weights of format " + weights.format + " have " +
                             Twine(format->bits) + " bits, but they are packed with " +
                             Twine(weights.shape.bits));
  Expected<layout::ScaleStorage> scales = getScaleStorage(weights);
  if (!scales)
    return scales.takeError();
  uint64_t matrices = std::max<int64_t>(1, weights.batch);
  if (Error error = checkPackedBytes(weights.words, "codes",
                                     matrices * weights.shape.getWordCount() * 4, weights))
    return error;
  if (Error error = checkScaleBytes(weights.scales, "scales", *scales, weights))
    return error;
  if (weights.tensorScale)
    if (Error error = checkShape(*weights.tensorScale, "tensor_scale", {int64_t(matrices)}))
      return error;
  if (weights.codebook && format->isIndex())
    if (Error error = checkPackedBytes(*weights.codebook, "a codebook",
                                       4 * layout::getTableWords(format->bits), weights))
      return error;
  if ((weights.zero != format::Zero::None) != weights.zeros.has_value())
    return createStringError("weights with zero=" + format::getName(weights.zero) + " come " +
                             (weights.zeros ? "with" : "without") + " zero points");
  if (!weights.zeros)
    return Error::success();
  Expected<layout::ScaleStorage> zeros = getZeroStorage(weights);
  if (!zeros)
    return zeros.takeError();
  return checkScaleBytes(*weights.zeros, "zero points", *zeros, weights);
}

static Error checkCall(const QuantMatmulCall &call) {
  if (Error error = checkWeights(call.weights))
    return error;
  int64_t n = call.weights.shape.n, k = call.weights.shape.k;
  // M is x's to say; everything else follows.
  int64_t m = getRows(call.x), batch = call.weights.batch;
  if (Error error = checkShape(call.x, "x", extentsInBatch(batch, {m, k})))
    return error;
  bool isByte = call.x.dtype == "i8";
  auto wanted = isByte ? layout::ActivationClass::Bits8 : layout::ActivationClass::Bits16;
  if (call.weights.shape.activations != wanted)
    return createStringError("'x' has dtype " + call.x.dtype + ", but the " + call.weights.format +
                             " weights are packed for " + getName(call.weights.shape.activations) +
                             " activations; x of " + call.x.dtype + " takes weights packed for " +
                             getName(wanted) + " activations");
  return call.verify(batch, m, n, call.y);
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
  described.attributes.push_back({"activations", getName(call.weights.shape.activations)});
  return launchCall(cache, described, fallback, stream, pinned, [&] { return makeProblem(call); });
}

} // namespace tilewright::launch
