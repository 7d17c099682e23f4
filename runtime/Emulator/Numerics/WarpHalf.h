//===- WarpHalf.h - 16-bit arithmetic with AVX2 and F16C ---------*- C++ -*-===//
//
// Private to Warp.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_WARPHALF_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_WARPHALF_H

#include "runtime/Emulator/Numerics/Warp.h"

namespace tilewright::numerics {

/// Puts the functions of WarpHalf.cpp in place of the portable ones. False,
/// and no change, where the host lacks the instructions.
bool useHalfInstructions(WarpOperations &operations);

} // namespace tilewright::numerics

#endif
