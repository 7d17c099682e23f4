//===- Types.h - The scalar types that PTX names ---------------------------===//
//
// One enumeration for the types of declarations and of instruction modifiers
// (PTX ISA, "Fundamental Types", "Alternate Floating-Point Data Formats",
// "Packed Data Types"). Used by the parser and by every later stage.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_PARSER_TYPES_H
#define TILEWRIGHT_RUNTIME_EMULATOR_PARSER_TYPES_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>

namespace tilewright::parser {

enum class ScalarType : uint8_t {
  Pred,
  B1,
  B8,
  B16,
  B32,
  B64,
  B128,
  U2,
  U4,
  U8,
  U16,
  U32,
  U64,
  S2,
  S4,
  S8,
  S16,
  S32,
  S64,
  F16,
  BF16,
  TF32,
  F32,
  F64,
  F16x2,
  BF16x2,
  F32x2,
  U16x2,
  S16x2,
  E4M3,
  E5M2,
  E4M3x2,
  E5M2x2,
  E3M2x2,
  E2M3x2,
  E2M1x2,
  UE8M0x2,
};

enum class TypeClass : uint8_t { Predicate, Bits, Unsigned, Signed, Float, Packed };

/// The type a modifier such as "u32" names, without its dot.
std::optional<ScalarType> parseScalarType(llvm::StringRef name);
llvm::StringRef getName(ScalarType type);
unsigned getBits(ScalarType type);
TypeClass getClass(ScalarType type);
inline bool isSigned(ScalarType type) { return getClass(type) == TypeClass::Signed; }

/// State spaces of variables and of memory instructions.
enum class Space : uint8_t { Register, Generic, Param, Local, Shared, Const, Global };
llvm::StringRef getName(Space space);

} // namespace tilewright::parser

#endif
