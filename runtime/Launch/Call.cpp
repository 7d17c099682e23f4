//===- Call.cpp - Calls of kernel families ----------------------------------===//
//
// See Call.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Call.h"

#include "dialects/Support/Format/Format.h"
#include "runtime/Launch/Staging.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <limits>
#include <tuple>

using namespace llvm;

namespace tilewright::launch {

SmallVector<Tensor, 12> Call::getTensors() const {
  SmallVector<Tensor, 12> tensors;
  for (const NamedTensor &operand : operands)
    tensors.push_back(operand.tensor);
  return tensors;
}

//===- Checks ---------------------------------------------------------------===//

static std::string toText(ArrayRef<int64_t> shape) {
  return "[" + join(map_range(shape, [](int64_t extent) { return std::to_string(extent); }), ", ") +
         "]";
}

Error checkShape(const Tensor &tensor, StringRef name, ArrayRef<int64_t> expected) {
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

int64_t getRows(const Tensor &x) {
  if (x.shape.empty())
    return 0;
  size_t rank = x.shape.size();
  return std::max<int64_t>(x.shape[rank < 2 ? 0 : rank - 2], 0);
}

//===- The problem ----------------------------------------------------------===//

static bool isDynamic(const Call &call, StringRef dimension) {
  const Call::Dimension *found =
      find_if(call.dimensions, [&](const Call::Dimension &d) { return d.name == dimension; });
  return found != call.dimensions.end() && !found->extent;
}

/// For each axis its stride in the problem: that of a contiguous array whose axes lie
/// in memory in the tensor's own order, if the tensor has it and nothing dynamic lies
/// within; unset otherwise. A stride that is never stepped over counts as that.
static SmallVector<std::optional<int64_t>, 4> getStaticStrides(const Call &call,
                                                               const NamedTensor &named) {
  const Tensor &tensor = named.tensor;
  SmallVector<std::optional<int64_t>, 4> strides(tensor.strides.size());
  SmallVector<size_t, 4> axes; // innermost first
  for (size_t axis = tensor.strides.size(); axis-- > 0;)
    axes.push_back(axis);
  if (axes.size() > 2)
    sort(drop_begin(axes), [&](size_t a, size_t b) {
      return std::tie(tensor.strides[a], b) < std::tie(tensor.strides[b], a);
    });
  int64_t contiguous = 1;
  for (size_t axis : axes) {
    bool isStepped = tensor.shape[axis] > 1 && !tensor.isEmpty();
    if (!isStepped || tensor.strides[axis] == contiguous)
      strides[axis] = contiguous;
    contiguous *= std::max<int64_t>(tensor.shape[axis], 1);
    if (isDynamic(call, named.dimensions[axis]))
      break;
  }
  return strides;
}

/// Describes a tensor with strides: static where a contiguous array has them.
static problem::Operand makeOperand(const Call &call, const NamedTensor &named,
                                    unsigned elementBytes) {
  const Tensor &tensor = named.tensor;
  problem::Operand operand;
  operand.name = named.name.str();
  operand.dtype = tensor.dtype;
  for (StringRef dimension : named.dimensions)
    operand.dimensions.push_back(dimension.str());
  uint64_t divides = tensor.device ? tensor.address : 0;
  if (!tensor.isPacked()) {
    auto strides = getStaticStrides(call, named);
    operand.strides.assign(strides.begin(), strides.end());
  }
  for (auto [axis, stride] : enumerate(operand.strides))
    if (!stride && tensor.shape[axis] > 1 && !tensor.isEmpty())
      divides |= uint64_t(tensor.strides[axis]) * elementBytes;
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

Expected<problem::Problem> makeProblem(const Call &call) {
  problem::Problem problem;
  problem.op = call.op.str();
  for (const Call::Dimension &dimension : call.dimensions)
    problem.dimensions.push_back({dimension.name.str(), dimension.extent});
  for (const Call::Attribute &attribute : call.attributes)
    problem.attributes[attribute.name.str()] = attribute.value.str();
  for (const NamedTensor &operand : call.operands) {
    Expected<format::Format> dtype = format::parse(operand.tensor.dtype);
    if (!dtype)
      return createStringError("'" + operand.name + "': " + toString(dtype.takeError()));
    unsigned elementBytes = divideCeil(dtype->bits, 8);
    problem.operands.push_back(makeOperand(call, operand, elementBytes));
    if (needsWideIndices(operand.tensor, elementBytes))
      problem.indexWidth = 64;
  }
  return problem;
}

//===- The call -------------------------------------------------------------===//

Expected<std::shared_ptr<device::Device>>
chooseDevice(const Call &call, const std::shared_ptr<device::Device> &fallback) {
  const NamedTensor *first = nullptr;
  for (const NamedTensor &operand : call.operands) {
    if (!operand.tensor.device)
      continue;
    if (!first)
      first = &operand;
    if (operand.tensor.device != first->tensor.device)
      return createStringError("'" + operand.name + "' is on " + operand.tensor.device->getName() +
                               ", but '" + first->name + "' is on " +
                               first->tensor.device->getName());
  }
  return first ? first->tensor.device : fallback;
}

namespace {

/// The bits of a call that decide its kernel, as a string for
/// KernelCache::findCall(). They may tell apart calls of one problem, but never
/// give two problems the same bits: every length is there, every number whole.
class CallBits {
public:
  CallBits(const Call &call, const device::Device *device) {
    add(call.op);
    add(reinterpret_cast<uintptr_t>(device));
    add(getBucket(call.rows));
    add(call.dimensions.size());
    for (const Call::Dimension &dimension : call.dimensions) {
      add(dimension.name), add(dimension.extent.has_value());
      add(dimension.extent.value_or(0));
    }
    add(call.attributes.size());
    for (const Call::Attribute &attribute : call.attributes)
      add(attribute.name), add(attribute.value);
    for (const NamedTensor &operand : call.operands)
      add(operand.name), add(call, operand);
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
  void add(const Call &call, const NamedTensor &named) {
    const Tensor &tensor = named.tensor;
    add(StringRef(tensor.dtype));
    add(tensor.packedBytes);
    add(tensor.shape.size()), add(tensor.strides.size());
    add(tensor.device ? getAlignment(tensor.address) : 16);
    if (tensor.shape.size() != tensor.strides.size())
      return;
    uint64_t extents = 1;
    for (auto [axis, stride] : enumerate(getStaticStrides(call, named))) {
      bool isStepped = tensor.shape[axis] > 1 && !tensor.isEmpty();
      add(stride.has_value());
      add(stride ? *stride : isStepped ? getAlignment(tensor.strides[axis]) : 16);
      extents *= std::max<int64_t>(tensor.shape[axis], 1);
    }
    constexpr uint64_t limit = std::numeric_limits<int32_t>::max();
    uint64_t elements = std::max(getByteRange(tensor, 1).size(), extents);
    add((elements > limit / 4) + (elements > limit / 2) + (elements > limit));
  }

  SmallVector<char, 2048> bytes;
};

} // namespace

Error launchStaged(Executable &executable, const Call &call, device::Stream stream,
                   emulator::Report *report) {
  SmallVector<Scalar, 1> scalars;
  if (call.makeScalars) {
    Expected<SmallVector<Scalar, 1>> made = call.makeScalars(executable);
    if (!made)
      return made.takeError();
    scalars = std::move(*made);
  }
  return launchStaged(executable, call.getTensors(), scalars, stream, report);
}

Error launchCall(KernelCache &cache, const Call &call,
                 const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                 const std::optional<schedule::Schedule> &pinned,
                 function_ref<Expected<problem::Problem>()> makeProblem) {
  Expected<std::shared_ptr<device::Device>> device = chooseDevice(call, fallback);
  if (!device)
    return device.takeError();
  CallBits bits(call, device->get());
  if (!pinned)
    if (std::shared_ptr<Executable> known = cache.findCall(bits.str()))
      return launchStaged(*known, call, stream);

  Expected<problem::Problem> problem = makeProblem();
  if (!problem)
    return problem.takeError();
  if (call.operands.back().tensor.isEmpty())
    return Error::success();
  Expected<std::shared_ptr<Executable>> executable =
      cache.get(*problem, *device, call.rows, pinned);
  if (!executable)
    return executable.takeError();
  if (!pinned)
    cache.rememberCall(bits.str(), *executable);
  return launchStaged(**executable, call, stream);
}

} // namespace tilewright::launch
