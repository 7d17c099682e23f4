//===- MemoryModifiers.h - Modifiers that memory instructions share -----------===//
//
// Spaces, ordering, scopes, cache and prefetch hints (PTX ISA, "Cache
// Operators", "Cache Eviction Priority Hints", "Memory Consistency Model").
// Hints have no effect on what is computed; they are checked and dropped.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_MEMORYMODIFIERS_H
#define TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_MEMORYMODIFIERS_H

#include "runtime/Emulator/Instructions/Builder.h"

namespace tilewright::emulator {

/// The space, generic if none is named.
Space takeMemorySpace(InstructionDecoder &d);
void takeOrdering(InstructionDecoder &d, MemoryInfo &info);
/// Takes cache operators and eviction and prefetch hints. True if a cache
/// policy follows as last operand (.L2::cache_hint).
bool takeCacheHints(InstructionDecoder &d);

} // namespace tilewright::emulator

#endif
