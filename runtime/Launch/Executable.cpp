//===- Executable.cpp - Checks arguments and launches -----------------------===//
//
// The half of Executable that runs at each call. ExecutableLoad.cpp makes the
// plans it follows.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Executable.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <cstring>
#include <limits>

using namespace llvm;

namespace tilewright::launch {

using artifact::Parameter;

constexpr int64_t maxInt32 = std::numeric_limits<int32_t>::max();

//===- Checks ---------------------------------------------------------------===//

Error Executable::verifyOperand(const OperandPlan &plan, const Tensor &tensor) const {
  auto fail = [&](const Twine &what) {
    return createStringError("operand '" + plan.name + "' " + what);
  };
  if (tensor.dtype != plan.dtype)
    return fail("has dtype " + tensor.dtype + ", but the kernel was compiled for " + plan.dtype);
  if (tensor.shape.size() != plan.dimensions.size())
    return fail("has " + Twine(tensor.shape.size()) +
                " dimensions, but the kernel was compiled "
                "for " +
                Twine(plan.dimensions.size()));
  for (auto [index, extent] : zip_equal(plan.dimensions, tensor.shape))
    if (extent < 0)
      return fail("has " + metadata.problem.dimensions[index].name + "=" + Twine(extent) +
                  ", but extents are not negative");
  bool isPacked = plan.strides.empty() && !plan.dimensions.empty();
  if (tensor.isPacked() != isPacked)
    return fail(isPacked ? "has strides, but the kernel was compiled for packed storage"
                         : "is packed, but the kernel was compiled for strides");
  if (!isPacked && tensor.strides.size() != tensor.shape.size())
    return fail("has " + Twine(tensor.strides.size()) + " strides for " +
                Twine(tensor.shape.size()) + " dimensions");
  for (auto [axis, stride] : enumerate(plan.strides)) {
    if (tensor.shape[axis] <= 1 || tensor.isEmpty())
      continue; // never stepped over
    if (stride && *stride != tensor.strides[axis])
      return fail("has stride " + Twine(tensor.strides[axis]) + " along axis " + Twine(axis) +
                  ", but the kernel was compiled for " + Twine(*stride));
    if (!stride && tensor.strides[axis] * plan.elementBytes % plan.strideAlignment)
      return fail("has stride " + Twine(tensor.strides[axis]) + " along axis " + Twine(axis) +
                  ", but the kernel was compiled for rows that are " + Twine(plan.strideAlignment) +
                  "-byte aligned");
  }
  if (metadata.problem.indexWidth == 32 &&
      getByteRange(tensor, plan.elementBytes).size() > uint64_t(maxInt32))
    return fail("spans " + Twine(getByteRange(tensor, plan.elementBytes).size()) +
                " bytes, but the kernel was compiled for 32-bit indices");
  return Error::success();
}

Expected<Executable::Dimensions> Executable::bindDimensions(ArrayRef<Tensor> tensors) const {
  ArrayRef<problem::Dimension> declared = metadata.problem.dimensions;
  Dimensions values(declared.size(), -1);
  for (auto [dimension, value] : zip_equal(declared, values))
    if (dimension.extent)
      value = *dimension.extent;
  for (auto [plan, tensor] : zip_equal(operands, tensors))
    for (auto [axis, index] : enumerate(plan.dimensions)) {
      int64_t extent = tensor.shape[axis];
      const problem::Dimension &dimension = declared[index];
      auto fail = [&](const Twine &what) {
        return createStringError("operand '" + plan.name + "' has " + dimension.name + "=" +
                                 Twine(extent) + ", but " + what);
      };
      if (dimension.extent && extent != *dimension.extent)
        return fail("the kernel was compiled for " + Twine(*dimension.extent));
      if (values[index] >= 0 && values[index] != extent)
        return fail("another operand has " + Twine(values[index]));
      if (extent % dimension.divisor)
        return fail("the kernel was compiled for multiples of " + Twine(dimension.divisor));
      values[index] = extent;
    }
  return values;
}

Error Executable::verifyOverlap(ArrayRef<Tensor> tensors) const {
  SmallVector<ByteRange, 8> ranges;
  for (auto [plan, tensor] : zip_equal(operands, tensors))
    ranges.push_back(getByteRange(tensor, plan.elementBytes));
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!operands[i].written)
      continue;
    if (mayOverlapItself(tensors[i]))
      return createStringError("output '" + operands[i].name +
                               "' overlaps itself: its strides reach the same memory twice");
    for (size_t j = 0; j < tensors.size(); ++j) {
      // Nearly always apart, and then there is nothing else to look at.
      if (i == j || ranges[i].end <= ranges[j].begin || ranges[j].end <= ranges[i].begin)
        continue;
      if (mayOverlap(tensors[i], operands[i].elementBytes, tensors[j], operands[j].elementBytes))
        return createStringError("output '" + operands[i].name + "' overlaps " +
                                 (operands[j].written ? "output '" : "input '") + operands[j].name +
                                 "'; kernels do not work in place");
    }
  }
  return Error::success();
}

Error Executable::verifyAddress(const OperandPlan &plan, const Tensor &tensor) const {
  if (tensor.device != device)
    return createStringError("operand '" + plan.name + "' is " +
                             (tensor.device ? "on " + tensor.device->getName() : "in host memory") +
                             ", but the kernel runs on " + device->getName());
  if (!tensor.isEmpty() && tensor.address % plan.alignment)
    return createStringError(
        "operand '" + plan.name + "' is " + Twine(getAlignment(tensor.address)) +
        "-byte aligned, but the kernel was compiled for " + Twine(plan.alignment) + " bytes");
  return Error::success();
}

Expected<Executable::Dimensions> Executable::verifyAndBind(ArrayRef<Tensor> tensors) const {
  if (tensors.size() != operands.size())
    return createStringError("kernel '" + metadata.kernel + "' takes " + Twine(operands.size()) +
                             " operands, but got " + Twine(tensors.size()));
  for (auto [plan, tensor] : zip_equal(operands, tensors))
    if (Error error = verifyOperand(plan, tensor))
      return std::move(error);
  Expected<Dimensions> dimensions = bindDimensions(tensors);
  if (!dimensions)
    return dimensions.takeError();
  if (Error error = verifyOverlap(tensors))
    return std::move(error);
  return dimensions;
}

Error Executable::verify(ArrayRef<Tensor> tensors) const {
  return verifyAndBind(tensors).takeError();
}

bool Executable::areOutputsEmpty(ArrayRef<Tensor> tensors) const {
  for (auto [plan, tensor] : zip_equal(operands, tensors))
    if (plan.written && !tensor.isEmpty())
      return false;
  return true;
}

//===- Grid and workspaces --------------------------------------------------===//

/// Evaluates three extents and checks them against `limits`.
static Expected<device::Dim3> evaluateExtents(ArrayRef<artifact::Expression> expressions,
                                              const StringMap<int64_t> &values, StringRef what,
                                              std::array<int64_t, 3> limits) {
  std::array<uint32_t, 3> extents;
  for (unsigned axis = 0; axis < 3; ++axis) {
    Expected<int64_t> extent = expressions[axis].evaluate(values);
    if (!extent)
      return createStringError(what + " axis " + Twine("xyz"[axis]) + ": " +
                               toString(extent.takeError()));
    if (*extent < 1 || *extent > limits[axis])
      return createStringError("the " + what + " has " + Twine(*extent) + " along " +
                               Twine("xyz"[axis]) + " (" + expressions[axis].str() +
                               "), but a device takes 1 to " + Twine(limits[axis]));
    extents[axis] = uint32_t(*extent);
  }
  return device::Dim3{extents[0], extents[1], extents[2]};
}

Expected<std::shared_ptr<const Executable::LaunchShape>>
Executable::getShape(const Dimensions &dimensions, ArrayRef<Scalar> scalars) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (lastShape && lastShape->dimensions == dimensions &&
        ArrayRef<Scalar>(lastShape->scalars) == scalars)
      return lastShape;
  }
  StringMap<int64_t> values;
  for (auto [dimension, value] : zip_equal(metadata.problem.dimensions, dimensions))
    values[dimension.name] = value;
  for (auto [name, scalar] : zip_equal(scalarNames, scalars))
    if (std::holds_alternative<int64_t>(scalar))
      values[name] = std::get<int64_t>(scalar);
  values["sm_count"] = device->getModel().smCount;
  auto shape = std::make_shared<LaunchShape>();
  shape->dimensions = dimensions;
  shape->scalars.assign(scalars.begin(), scalars.end());
  // CUDA C++ programming guide, "Technical Specifications per Compute
  // Capability": the extents of a grid; 16 blocks is the largest cluster.
  Expected<device::Dim3> grid =
      evaluateExtents(metadata.grid, values, "grid", {maxInt32, 65535, 65535});
  if (!grid)
    return grid.takeError();
  Expected<device::Dim3> cluster =
      evaluateExtents(metadata.cluster, values, "cluster", {16, 16, 16});
  if (!cluster)
    return cluster.takeError();
  shape->grid = *grid;
  shape->cluster = *cluster;
  for (const artifact::Workspace &workspace : metadata.workspaces) {
    Expected<int64_t> bytes = workspace.bytes.evaluate(values);
    if (!bytes)
      return createStringError("workspace '" + workspace.name +
                               "': " + toString(bytes.takeError()));
    if (*bytes < 0)
      return createStringError("workspace '" + workspace.name + "' takes " + Twine(*bytes) +
                               " bytes (" + workspace.bytes.str() + ")");
    shape->workspaces.push_back({uint64_t(*bytes), workspace.zeroed, workspace.resetByKernel});
  }
  std::lock_guard<std::mutex> lock(mutex);
  lastShape = std::move(shape);
  return lastShape;
}

//===- Arguments ------------------------------------------------------------===//

/// Stores an integer in 4 or 8 bytes. Errors call it `what` `name`.
static Error storeInteger(int64_t value, unsigned bytes, uint8_t *to, StringRef what,
                          StringRef name) {
  if (bytes == 4 && (value < std::numeric_limits<int32_t>::min() || value > maxInt32))
    return createStringError(what + " '" + name + "' is " + Twine(value) +
                             ", but the kernel was compiled for 32-bit indices");
  std::memcpy(to, &value, bytes); // little-endian: the low bytes come first
  return Error::success();
}

/// Stores a scalar as `dtype`.
static Error storeScalar(const Scalar &scalar, StringRef dtype, StringRef name, uint8_t *to) {
  bool isInteger = std::holds_alternative<int64_t>(scalar);
  double number = isInteger ? double(std::get<int64_t>(scalar)) : std::get<double>(scalar);
  if (dtype == "f32") {
    float narrow = float(number);
    std::memcpy(to, &narrow, 4);
    return Error::success();
  }
  if (dtype == "f64") {
    std::memcpy(to, &number, 8);
    return Error::success();
  }
  if (!isInteger)
    return createStringError("scalar '" + name + "' is a float, but the kernel takes " + dtype);
  int64_t value = std::get<int64_t>(scalar);
  int64_t low = dtype == "u32" ? 0 : std::numeric_limits<int32_t>::min();
  int64_t high = dtype == "u32" ? std::numeric_limits<uint32_t>::max() : maxInt32;
  if (dtype != "i64" && (value < low || value > high))
    return createStringError("scalar '" + name + "' is " + Twine(value) + ", but " + dtype +
                             " holds " + Twine(low) + " to " + Twine(high));
  std::memcpy(to, &value, dtype == "i64" ? 8 : 4);
  return Error::success();
}

Error Executable::packArguments(ArrayRef<Tensor> tensors, const Dimensions &dimensions,
                                ArrayRef<Scalar> scalars,
                                ArrayRef<device::DevicePointer> workspaceAddresses,
                                MutableArrayRef<uint8_t> block) const {
  for (const ParameterPlan &plan : parameters) {
    uint8_t *to = block.data() + plan.offset;
    switch (plan.kind) {
    case Parameter::Kind::Pointer:
      std::memcpy(to, &tensors[plan.index].address, 8);
      break;
    case Parameter::Kind::Workspace:
      std::memcpy(to, &workspaceAddresses[plan.index], 8);
      break;
    case Parameter::Kind::Dimension:
      if (Error error = storeInteger(dimensions[plan.index], plan.bytes, to, "dimension",
                                     metadata.problem.dimensions[plan.index].name))
        return error;
      break;
    case Parameter::Kind::Stride:
      if (Error error = storeInteger(tensors[plan.index].strides[plan.axis], plan.bytes, to,
                                     "a stride of", operands[plan.index].name))
        return error;
      break;
    case Parameter::Kind::Scalar:
      if (Error error = storeScalar(scalars[plan.index], scalarDtypes[plan.index],
                                    scalarNames[plan.index], to))
        return error;
      break;
    case Parameter::Kind::TensorMap:
      llvm_unreachable("refused when the artifact was loaded");
    }
  }
  return Error::success();
}

Error Executable::launch(ArrayRef<Tensor> tensors, ArrayRef<Scalar> scalars, device::Stream stream,
                         emulator::Report *report) {
  Expected<Dimensions> dimensions = verifyAndBind(tensors);
  if (!dimensions)
    return dimensions.takeError();
  if (scalars.size() != scalarNames.size())
    return createStringError("kernel '" + metadata.kernel + "' takes " + Twine(scalarNames.size()) +
                             " scalars, but got " + Twine(scalars.size()));
  for (auto [plan, tensor] : zip_equal(operands, tensors))
    if (Error error = verifyAddress(plan, tensor))
      return error;
  if (areOutputsEmpty(tensors))
    return Error::success();

  Expected<std::shared_ptr<const LaunchShape>> shape = getShape(*dimensions, scalars);
  if (!shape)
    return shape.takeError();
  Expected<Workspaces::Lease> lease = workspaces->acquire(stream, (*shape)->workspaces);
  if (!lease)
    return lease.takeError();
  SmallVector<uint8_t, 256> block(argumentBytes);
  if (Error error = packArguments(tensors, *dimensions, scalars, lease->getAddresses(), block))
    return error;
  device::LaunchConfig config;
  config.grid = (*shape)->grid;
  config.cluster = (*shape)->cluster;
  config.block = {metadata.block[0], metadata.block[1], metadata.block[2]};
  config.dynamicSharedBytes = metadata.dynamicSharedBytes;
  config.stream = stream;
  config.report = report;
  if (Error error = device->launch(*kernel, config, block))
    return error;
  lease->commit();
  return Error::success();
}

} // namespace tilewright::launch
