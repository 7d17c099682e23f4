//===- Executable.h - An artifact loaded on a device ------------------------===//
//
// Turns a call into a launch: checks the arguments against the problem the
// kernel was compiled for, works out the grid, lends workspaces and packs the
// argument block. All names are resolved when the artifact is loaded; a launch
// whose dimensions and scalars were those of the one before allocates nothing.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_EXECUTABLE_H
#define TILEWRIGHT_RUNTIME_LAUNCH_EXECUTABLE_H

#include "dialects/Support/Artifact/Artifact.h"
#include "runtime/Launch/Tensor.h"
#include "runtime/Launch/Workspaces.h"
#include <memory>
#include <mutex>
#include <optional>
#include <variant>

namespace tilewright::launch {

/// A number passed by value; converted to the dtype the kernel declares.
using Scalar = std::variant<int64_t, double>;

/// Thread-safe where the device is.
class Executable {
public:
  /// Loads the kernel: the cubin if there is one and the driver takes it, the
  /// PTX otherwise, with a remark. Fails when the metadata and the kernel do
  /// not belong together or need something this launcher cannot give.
  static llvm::Expected<std::shared_ptr<Executable>> load(std::shared_ptr<device::Device> device,
                                                          std::shared_ptr<Workspaces> workspaces,
                                                          const artifact::Artifact &artifact);

  const artifact::Metadata &getMetadata() const { return metadata; }
  const std::shared_ptr<device::Device> &getDevice() const { return device; }
  /// Names of the scalars launch() expects, in order.
  llvm::ArrayRef<std::string> getScalarNames() const { return scalarNames; }
  /// Whether the kernel stores to operand `index` of the problem.
  bool isWritten(unsigned index) const { return operands[index].written; }
  /// Whether what operand `index` holds before a launch matters: the kernel reads it,
  /// or leaves a part of it as it was.
  bool isRead(unsigned index) const { return !operands[index].written || operands[index].updated; }

  /// Runs the kernel on `operands`, in the order of the problem, all in the
  /// device's memory. Does nothing when every output is empty.
  ///
  /// Fails, naming the operand, its value and what was compiled for, when
  ///   - a dtype, extent, static stride or alignment differs;
  ///   - two operands disagree about a dynamic dimension;
  ///   - an operand is too large for the kernel's index width;
  ///   - an output overlaps itself, an input or another output.
  ///
  /// `report`: see device::LaunchConfig.
  llvm::Error launch(llvm::ArrayRef<Tensor> operands, llvm::ArrayRef<Scalar> scalars = {},
                     device::Stream stream = 0, emulator::Report *report = nullptr);

  /// The checks of launch() that do not depend on where the operands are; for
  /// callers that copy them first.
  llvm::Error verify(llvm::ArrayRef<Tensor> operands) const;

private:
  struct OperandPlan {
    std::string name, dtype;
    unsigned elementBytes = 0;
    llvm::SmallVector<unsigned, 4> dimensions; ///< indices into the problem's
    llvm::SmallVector<std::optional<int64_t>, 4> strides;
    unsigned alignment = 1;       ///< of the base address
    unsigned strideAlignment = 1; ///< of dynamic strides, bytes
    bool written = false;
    bool updated = false; ///< written in part
  };
  struct ParameterPlan {
    artifact::Parameter::Kind kind;
    unsigned index = 0; ///< of the operand, dimension, scalar or workspace
    unsigned axis = 0;
    uint32_t offset = 0, bytes = 0;
  };
  /// What follows from the dimensions and scalars alone.
  struct LaunchShape {
    llvm::SmallVector<int64_t, 8> dimensions;
    llvm::SmallVector<Scalar, 1> scalars;
    device::Dim3 grid, cluster;
    llvm::SmallVector<Workspaces::Request, 2> workspaces;
  };
  using Dimensions = llvm::SmallVector<int64_t, 8>;

  Executable(std::shared_ptr<device::Device> device, std::shared_ptr<Workspaces> workspaces,
             artifact::Metadata metadata);

  llvm::Error planOperands();
  llvm::Error planParameters();
  llvm::Error planParameter(const artifact::Parameter &parameter, ParameterPlan &plan);
  llvm::Error loadKernel(const artifact::Artifact &artifact);

  llvm::Expected<Dimensions> verifyAndBind(llvm::ArrayRef<Tensor> operands) const;
  llvm::Expected<Dimensions> bindDimensions(llvm::ArrayRef<Tensor> operands) const;
  llvm::Error verifyOperand(const OperandPlan &plan, const Tensor &tensor) const;
  llvm::Error verifyOverlap(llvm::ArrayRef<Tensor> operands) const;
  llvm::Error verifyAddress(const OperandPlan &plan, const Tensor &tensor) const;
  bool areOutputsEmpty(llvm::ArrayRef<Tensor> operands) const;
  llvm::Expected<std::shared_ptr<const LaunchShape>> getShape(const Dimensions &dimensions,
                                                              llvm::ArrayRef<Scalar> scalars);
  llvm::Error packArguments(llvm::ArrayRef<Tensor> operands, const Dimensions &dimensions,
                            llvm::ArrayRef<Scalar> scalars,
                            llvm::ArrayRef<device::DevicePointer> workspaces,
                            llvm::MutableArrayRef<uint8_t> block) const;

  std::shared_ptr<device::Device> device;
  std::shared_ptr<Workspaces> workspaces;
  artifact::Metadata metadata;
  std::unique_ptr<device::Module> module;
  device::Kernel *kernel = nullptr;
  llvm::SmallVector<OperandPlan, 8> operands;
  llvm::SmallVector<ParameterPlan, 16> parameters;
  std::vector<std::string> scalarNames;
  std::vector<std::string> scalarDtypes;
  uint32_t argumentBytes = 0;

  std::mutex mutex; ///< of lastShape
  std::shared_ptr<const LaunchShape> lastShape;
};

} // namespace tilewright::launch

#endif
