//===- ExecutableLoad.cpp - From metadata to a launch plan ------------------===//
//
// The half of Executable that runs once: every name in the metadata becomes an
// index, every parameter an offset in the argument block.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Format/Format.h"
#include "runtime/Launch/Executable.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::launch {

using artifact::Parameter;

Executable::Executable(std::shared_ptr<device::Device> device,
                       std::shared_ptr<Workspaces> workspaces, artifact::Metadata metadata)
    : device(std::move(device)), workspaces(std::move(workspaces)), metadata(std::move(metadata)) {}

Expected<std::shared_ptr<Executable>> Executable::load(std::shared_ptr<device::Device> device,
                                                       std::shared_ptr<Workspaces> workspaces,
                                                       const artifact::Artifact &artifact) {
  std::shared_ptr<Executable> executable(
      new Executable(std::move(device), std::move(workspaces), artifact.metadata));
  auto named = [&](Error error) {
    return createStringError("kernel '" + artifact.metadata.kernel +
                             "': " + toString(std::move(error)));
  };
  if (Error error = executable->planOperands())
    return named(std::move(error));
  if (Error error = executable->planParameters())
    return named(std::move(error));
  if (Error error = executable->loadKernel(artifact))
    return named(std::move(error));
  return executable;
}

/// Index of the entry called `name`, or the length of the list.
template <typename List> static unsigned findNamed(const List &list, StringRef name) {
  return find_if(list, [&](const auto &entry) { return entry.name == name; }) - list.begin();
}

Error Executable::planOperands() {
  const problem::Problem &problem = metadata.problem;
  SmallVector<bool, 8> isKnown;
  for (const problem::Dimension &dimension : problem.dimensions)
    isKnown.push_back(dimension.extent.has_value());
  for (const problem::Operand &operand : problem.operands) {
    Expected<format::Format> dtype = format::parse(operand.dtype);
    if (!dtype)
      return dtype.takeError();
    if (dtype->bits % 8)
      return createStringError("operand '" + operand.name + "' has elements of " +
                               Twine(dtype->bits) + " bits; in memory they take whole bytes");
    OperandPlan plan;
    plan.name = operand.name;
    plan.dtype = operand.dtype;
    plan.elementBytes = dtype->bits / 8;
    plan.strides.assign(operand.strides.begin(), operand.strides.end());
    plan.alignment = plan.strideAlignment = operand.alignment;
    for (const std::string &name : operand.dimensions) {
      unsigned index = findNamed(problem.dimensions, name);
      if (index == problem.dimensions.size())
        return createStringError("operand '" + operand.name + "' has the unknown dimension '" +
                                 name + "'");
      plan.dimensions.push_back(index);
      isKnown[index] = true;
    }
    if (!plan.strides.empty() && plan.strides.size() != plan.dimensions.size())
      return createStringError("operand '" + operand.name + "' has " +
                               Twine(plan.dimensions.size()) + " dimensions, but " +
                               Twine(plan.strides.size()) + " strides");
    operands.push_back(std::move(plan));
  }
  for (auto [dimension, known] : zip_equal(problem.dimensions, isKnown))
    if (!known)
      return createStringError("dimension '" + dimension.name +
                               "' is neither static nor the extent of an operand");
  return Error::success();
}

Error Executable::planParameters() {
  for (const Parameter &parameter : metadata.parameters) {
    ParameterPlan plan;
    plan.kind = parameter.kind;
    plan.bytes = parameter.bytes;
    plan.axis = parameter.axis;
    if (Error error = planParameter(parameter, plan))
      return error;
    // Every parameter we pass is a number, aligned to its own size.
    plan.offset = alignTo(uint64_t(argumentBytes), plan.bytes);
    argumentBytes = plan.offset + plan.bytes;
    parameters.push_back(plan);
  }
  if (none_of(operands, [](const OperandPlan &plan) { return plan.written; }))
    return createStringError("no parameter is written, so the kernel has no effect");
  return Error::success();
}

Error Executable::planParameter(const Parameter &parameter, ParameterPlan &plan) {
  auto expectBytes = [&](ArrayRef<unsigned> allowed) -> Error {
    if (is_contained(allowed, parameter.bytes))
      return Error::success();
    return createStringError("parameter '" + parameter.name + "' takes " + Twine(parameter.bytes) +
                             " bytes, but such parameters take " +
                             (allowed.size() == 1 ? Twine(allowed[0]) : Twine("4 or 8")));
  };
  auto expectFound = [&](size_t count, StringRef what) -> Error {
    if (plan.index < count)
      return Error::success();
    return createStringError("parameter '" + parameter.name + "' names no " + what);
  };
  switch (parameter.kind) {
  case Parameter::Kind::Pointer:
    plan.index = findNamed(operands, parameter.name);
    if (Error error = expectFound(operands.size(), "operand of the problem"))
      return error;
    operands[plan.index].written |= parameter.written;
    operands[plan.index].updated |= parameter.updated;
    operands[plan.index].alignment = std::max(operands[plan.index].alignment, parameter.alignment);
    return expectBytes(8);
  case Parameter::Kind::Dimension:
    plan.index = findNamed(metadata.problem.dimensions, parameter.name);
    if (Error error = expectFound(metadata.problem.dimensions.size(), "dimension of the problem"))
      return error;
    return expectBytes({4, 8});
  case Parameter::Kind::Stride:
    plan.index = findNamed(operands, parameter.name);
    if (Error error = expectFound(operands.size(), "operand of the problem"))
      return error;
    if (plan.axis >= operands[plan.index].strides.size())
      return createStringError("the stride of axis " + Twine(plan.axis) + " of '" + parameter.name +
                               "' is a parameter, but the operand has " +
                               Twine(operands[plan.index].strides.size()) + " strides");
    return expectBytes({4, 8});
  case Parameter::Kind::Workspace:
    plan.index = findNamed(metadata.workspaces, parameter.name);
    if (Error error = expectFound(metadata.workspaces.size(), "workspace"))
      return error;
    return expectBytes(8);
  case Parameter::Kind::Scalar: {
    unsigned bytes = StringSwitch<unsigned>(parameter.dtype)
                         .Cases({"i32", "u32", "f32"}, 4)
                         .Cases({"i64", "f64"}, 8)
                         .Default(0);
    if (!bytes)
      return createStringError("scalar '" + parameter.name + "' has dtype '" + parameter.dtype +
                               "'; supported are i32, u32, i64, f32 and f64");
    plan.index = scalarNames.size();
    scalarNames.push_back(parameter.name);
    scalarDtypes.push_back(parameter.dtype);
    return expectBytes(bytes);
  }
  case Parameter::Kind::TensorMap:
    return createStringError("parameter '" + parameter.name +
                             "' is a tensor map, which this runtime does not encode yet");
  }
  llvm_unreachable("every kind of parameter is handled");
}

Error Executable::loadKernel(const artifact::Artifact &artifact) {
  Expected<std::unique_ptr<device::Module>> loaded = device->load({artifact.ptx, artifact.cubin});
  if (!loaded && !artifact.cubin.empty()) {
    // A cubin is for one architecture and no older driver; the PTX is for all.
    std::string reason = toString(loaded.takeError());
    loaded = device->load({artifact.ptx, {}});
    if (!loaded)
      return createStringError(toString(loaded.takeError()) +
                               "; its cubin was refused too: " + reason);
    metadata.remarks.push_back("the cubin was refused and the PTX assembled instead: " + reason);
  }
  if (!loaded)
    return loaded.takeError();
  module = std::move(*loaded);
  Expected<device::Kernel *> found = module->getKernel(metadata.kernel);
  if (!found)
    return found.takeError();
  kernel = *found;
  if (kernel->getArgumentBytes() != argumentBytes)
    return createStringError("the metadata describes " + Twine(argumentBytes) +
                             " bytes of parameters, but the kernel takes " +
                             Twine(kernel->getArgumentBytes()));
  return Error::success();
}

} // namespace tilewright::launch
