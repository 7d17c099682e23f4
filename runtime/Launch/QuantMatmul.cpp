//===- QuantMatmul.cpp - Calls of the quantised matrix product --------------===//
//
// See QuantMatmul.h. Dtypes and attributes are checked by the family's own
// reading of the problem (dialects/Support/Schedule/QuantMatmul.h).
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/QuantMatmul.h"

#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "runtime/Launch/Staging.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

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

SmallVector<Tensor, 8> getOperands(const QuantMatmulCall &call) {
  const QuantisedWeights &weights = call.weights;
  int64_t n = weights.shape.n, k = weights.shape.k;
  Expected<int64_t> counted = getGroupCount(weights.group, k);
  int64_t groups = counted ? *counted : 0;
  consumeError(counted.takeError());
  SmallVector<Tensor, 8> operands = {call.x, weights.words, weights.scales};
  operands[1].shape = {n, k};
  operands[2].shape = {groups, n};
  if (weights.zeros) {
    operands.push_back(*weights.zeros);
    operands.back().shape = {groups, n};
  }
  if (call.bias)
    operands.push_back(*call.bias);
  operands.push_back(call.y);
  return operands;
}

//===- Checks ---------------------------------------------------------------===//

static std::string toText(ArrayRef<int64_t> shape) {
  return "[" + join(map_range(shape, [](int64_t extent) { return std::to_string(extent); }), ", ") +
         "]";
}

static Error checkShape(const Tensor &tensor, StringRef name, ArrayRef<int64_t> expected) {
  if (ArrayRef<int64_t>(tensor.shape) != expected)
    return createStringError("'" + name + "' has shape " + toText(tensor.shape) + ", but expects " +
                             toText(expected));
  if (tensor.strides.size() != tensor.shape.size())
    return createStringError("'" + name + "' has " + Twine(tensor.strides.size()) +
                             " strides for " + Twine(tensor.shape.size()) + " dimensions");
  for (auto [axis, stride] : enumerate(tensor.strides)) {
    bool isInner = axis + 1 == tensor.strides.size();
    if (tensor.shape[axis] <= 1 || tensor.isEmpty() || (isInner ? stride == 1 : stride >= 0))
      continue;
    return createStringError("'" + name + "' has stride " + Twine(stride) + " along axis " +
                             Twine(axis) + ", but kernels take " +
                             (isInner ? "1 along the last axis" : "0 or more"));
  }
  return Error::success();
}

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
    return checkPackedBytes(*weights.zeros, "zero points", *groups * columns, weights);
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
  if (call.bias)
    if (Error error = checkShape(*call.bias, "bias", {n}))
      return error;
  return checkShape(call.y, "y", {m, n});
}

//===- The problem ----------------------------------------------------------===//

/// Describes a tensor with strides: static where a contiguous array has them.
static problem::Operand makeOperand(const Tensor &tensor, StringRef name,
                                    ArrayRef<StringRef> dimensions, unsigned elementBytes) {
  problem::Operand operand;
  operand.name = name.str();
  operand.dtype = tensor.dtype;
  for (StringRef dimension : dimensions)
    operand.dimensions.push_back(dimension.str());
  uint64_t divides = tensor.device ? tensor.address : 0;
  if (!tensor.isPacked())
    operand.strides.resize(tensor.shape.size());
  int64_t contiguous = 1;
  for (size_t axis = operand.strides.size(); axis-- > 0;) {
    // A stride that is never stepped over counts as what it would be.
    if (tensor.strides[axis] == contiguous || tensor.shape[axis] <= 1 || tensor.isEmpty())
      operand.strides[axis] = contiguous;
    else
      divides |= uint64_t(tensor.strides[axis]) * elementBytes;
    contiguous *= std::max<int64_t>(tensor.shape[axis], 1);
  }
  operand.alignment = getAlignment(divides);
  return operand;
}

static bool needsWideIndices(const Tensor &tensor, unsigned elementBytes) {
  constexpr uint64_t limit = std::numeric_limits<int32_t>::max();
  uint64_t elements = 1;
  for (int64_t extent : tensor.shape)
    elements = SaturatingMultiply<uint64_t>(elements, extent);
  return elements > limit || getByteRange(tensor, elementBytes).size() > limit;
}

using OperandNames = SmallVector<std::pair<StringRef, SmallVector<StringRef, 2>>, 8>;

/// Names and dimensions of what getOperands() gives.
static OperandNames getNames(const QuantMatmulCall &call) {
  OperandNames names = {{"x", {"M", "K"}}, {"w", {"N", "K"}}, {"scales", {"groups", "N"}}};
  if (call.weights.zeros)
    names.push_back({"zeros", {"groups", "N"}});
  if (call.bias)
    names.push_back({"bias", {"N"}});
  names.push_back({"y", {"M", "N"}});
  return names;
}

Expected<problem::Problem> makeProblem(const QuantMatmulCall &call) {
  if (Error error = checkCall(call))
    return std::move(error);
  const QuantisedWeights &weights = call.weights;
  SmallVector<Tensor, 8> tensors = getOperands(call);
  problem::Problem problem;
  problem.op = "quant_matmul";
  problem.dimensions = {{"M", std::nullopt},
                        {"N", weights.shape.n},
                        {"K", weights.shape.k},
                        {"groups", tensors[2].shape[0]}};
  problem.attributes = {{"format", weights.format},
                        {"group", weights.group},
                        {"scale", weights.scales.dtype},
                        {"zero", weights.zeros ? "integer" : "none"},
                        {"activation", call.activation}};
  OperandNames names = getNames(call);
  for (const auto &[name, tensor] : zip_equal(names, tensors)) {
    Expected<format::Format> dtype = format::parse(tensor.dtype);
    if (!dtype)
      return createStringError("'" + name.first + "': " + toString(dtype.takeError()));
    unsigned elementBytes = divideCeil(dtype->bits, 8);
    problem.operands.push_back(makeOperand(tensor, name.first, name.second, elementBytes));
    if (needsWideIndices(tensor, elementBytes))
      problem.indexWidth = 64;
  }
  auto typed = schedule::QuantMatmulProblem::fromProblem(problem);
  if (!typed)
    return typed.takeError();
  if (call.bias && call.bias->dtype != call.x.dtype && call.bias->dtype != "f32")
    return createStringError("'bias' has dtype " + call.bias->dtype + ", but expects " +
                             call.x.dtype + " (as x) or f32");
  return problem;
}

//===- The call -------------------------------------------------------------===//

static Expected<std::shared_ptr<device::Device>>
chooseDevice(ArrayRef<Tensor> operands, const QuantMatmulCall &call,
             const std::shared_ptr<device::Device> &fallback) {
  const Tensor *first = nullptr;
  for (const Tensor &tensor : operands) {
    if (!tensor.device)
      continue;
    if (!first)
      first = &tensor;
    if (tensor.device == first->device)
      continue;
    OperandNames names = getNames(call);
    return createStringError(
        "'" + names[&tensor - operands.data()].first + "' is on " + tensor.device->getName() +
        ", but '" + names[first - operands.data()].first + "' is on " + first->device->getName());
  }
  return first ? first->device : fallback;
}

Expected<std::shared_ptr<device::Device>>
chooseDevice(const QuantMatmulCall &call, const std::shared_ptr<device::Device> &fallback) {
  return chooseDevice(getOperands(call), call, fallback);
}

namespace {

/// The bits of a call that decide its kernel, as a string for
/// KernelCache::findCall(). They may tell apart calls of one problem, but never
/// give two problems the same bits: every length is there, every number whole.
class CallBits {
public:
  CallBits(const QuantMatmulCall &call, ArrayRef<Tensor> operands, const device::Device *device) {
    add("quant_matmul");
    add(reinterpret_cast<uintptr_t>(device));
    add(call.x.shape.empty() ? 0 : getBucket(call.x.shape[0]));
    const QuantisedWeights &weights = call.weights;
    add(weights.shape.k), add(weights.shape.n);
    add(weights.shape.bits), add(weights.shape.version);
    add(weights.format), add(weights.group), add(call.activation);
    add(weights.zeros.has_value()), add(call.bias.has_value());
    for (const Tensor &tensor : operands)
      add(tensor);
  }
  StringRef str() const { return StringRef(bytes.data(), bytes.size()); }

private:
  void add(uint64_t value) {
    const char *raw = reinterpret_cast<const char *>(&value);
    bytes.append(raw, raw + sizeof(value));
  }
  void add(StringRef text) {
    add(text.size());
    bytes.append(text.begin(), text.end());
  }
  /// Follows makeOperand() and needsWideIndices() without the element size:
  /// alignment of strides in elements, and how near 2^31 the span comes.
  void add(const Tensor &tensor) {
    add(tensor.dtype);
    add(tensor.packedBytes);
    add(tensor.shape.size()), add(tensor.strides.size());
    add(tensor.device ? getAlignment(tensor.address) : 16);
    if (tensor.shape.size() != tensor.strides.size())
      return;
    int64_t contiguous = 1;
    for (size_t axis = tensor.shape.size(); axis-- > 0;) {
      bool isStatic =
          tensor.strides[axis] == contiguous || tensor.shape[axis] <= 1 || tensor.isEmpty();
      add(isStatic ? 0 : getAlignment(tensor.strides[axis]));
      contiguous *= std::max<int64_t>(tensor.shape[axis], 1);
    }
    constexpr uint64_t limit = std::numeric_limits<int32_t>::max();
    uint64_t elements = std::max(getByteRange(tensor, 1).size(), uint64_t(contiguous));
    add((elements > limit / 4) + (elements > limit / 2) + (elements > limit));
  }

  SmallVector<char, 768> bytes;
};

} // namespace

Error launchQuantMatmul(KernelCache &cache, const QuantMatmulCall &call,
                        const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                        const std::optional<schedule::Schedule> &pinned) {
  SmallVector<Tensor, 8> operands = getOperands(call);
  Expected<std::shared_ptr<device::Device>> device = chooseDevice(operands, call, fallback);
  if (!device)
    return device.takeError();
  CallBits bits(call, operands, device->get());
  if (!pinned)
    if (std::shared_ptr<Executable> known = cache.findCall(bits.str()))
      return launchStaged(*known, operands, {}, stream);

  Expected<problem::Problem> problem = makeProblem(call);
  if (!problem)
    return problem.takeError();
  if (call.y.isEmpty())
    return Error::success();
  Expected<std::shared_ptr<Executable>> executable =
      cache.get(*problem, *device, call.x.shape[0], pinned);
  if (!executable)
    return executable.takeError();
  if (!pinned)
    cache.rememberCall(bits.str(), *executable);
  return launchStaged(**executable, operands, {}, stream);
}

} // namespace tilewright::launch
