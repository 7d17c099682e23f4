//===- Special.h - Special registers -----------------------------------------===//
//
// The read-only registers %tid, %ctaid and kin (PTX ISA, "Special Registers").
// They never change within a launch, so a frame holds them as ordinary slots;
// the clocks, which do, are read by handlers of mov.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_SPECIAL_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_SPECIAL_H

#include "runtime/Emulator/Machine/Program.h"
#include <optional>

namespace tilewright::emulator {

std::optional<SpecialRegister> parseSpecialRegister(llvm::StringRef name);
/// Writes a special register's 32 lanes into a frame's bank.
void fillSpecial(Warp &warp, const SpecialSlot &special, uint8_t *bank);

} // namespace tilewright::emulator

#endif
