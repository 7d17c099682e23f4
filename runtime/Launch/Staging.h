//===- Staging.h - Launches on operands in host memory ----------------------===//
//
// Copies operands that are in host memory to the executable's device, launches,
// and copies outputs back. An operand that a kernel updates goes both ways. Operands with a
// ResidentBuffer are copied once.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_STAGING_H
#define TILEWRIGHT_RUNTIME_LAUNCH_STAGING_H

#include "runtime/Launch/Executable.h"

namespace tilewright::launch {

/// As Executable::launch(), with operands on the device or in host memory.
/// With an output in host memory the results are there on return; bytes
/// between its rows keep their values. Without, the call returns as launch()
/// does, after the inputs were copied.
///
/// `report`: see device::LaunchConfig.
llvm::Error launchStaged(Executable &executable, llvm::ArrayRef<Tensor> operands,
                         llvm::ArrayRef<Scalar> scalars = {}, device::Stream stream = 0,
                         emulator::Report *report = nullptr);

} // namespace tilewright::launch

#endif
