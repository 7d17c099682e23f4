//===- Arithmetic.cpp - Opcodes that integers and floats share -----------------===//
//
// The type tells which family an opcode such as add belongs to.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"

using namespace tilewright;
using namespace tilewright::emulator;

template <DecodeFunction onInteger, DecodeFunction onFloat>
static void byType(InstructionDecoder &d) {
  std::optional<ScalarType> type = d.peekType();
  (type && isFloat(*type) ? onFloat : onInteger)(d);
}

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getArithmeticInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"add", byType<decodeIntegerAdd, decodeFloatAdd>},
      {"sub", byType<decodeIntegerAdd, decodeFloatAdd>},
      {"mul", byType<decodeIntegerMultiply, decodeFloatMultiply>},
      {"mad", byType<decodeIntegerMultiplyAdd, decodeFloatMultiplyAdd>},
      {"fma", decodeFloatMultiplyAdd},
      {"div", byType<decodeIntegerDivide, decodeFloatDivide>},
      {"min", byType<decodeIntegerMinMax, decodeFloatMinMax>},
      {"max", byType<decodeIntegerMinMax, decodeFloatMinMax>},
      {"abs", byType<decodeIntegerSign, decodeFloatSign>},
      {"neg", byType<decodeIntegerSign, decodeFloatSign>},
  };
  return entries;
}
