//===- Fragments.h - Moving 8x8 matrices between memory and registers --------===//
//
// Declares the decoders of ldmatrix, stmatrix, movmatrix and wmma for the table of
// matrix instructions.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_FRAGMENTS_H
#define TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_FRAGMENTS_H

#include "runtime/Emulator/Instructions/Builder.h"

namespace tilewright::emulator {

void decodeLoadMatrix(InstructionDecoder &d);
void decodeStoreMatrix(InstructionDecoder &d);
void decodeTransposeMatrix(InstructionDecoder &d);
/// wmma.load, wmma.store and wmma.mma (Wmma.cpp).
void decodeWmma(InstructionDecoder &d);

} // namespace tilewright::emulator

#endif
