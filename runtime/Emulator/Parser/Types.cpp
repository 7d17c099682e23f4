//===- Types.cpp - The scalar types that PTX names -------------------------===//
//
// The table behind Types.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Parser/Types.h"
#include <cassert>

using namespace tilewright::parser;

namespace {
struct Row {
  ScalarType type;
  llvm::StringLiteral name;
  unsigned bits;
  TypeClass typeClass;
};

constexpr Row rows[] = {
    {ScalarType::Pred, "pred", 1, TypeClass::Predicate},
    {ScalarType::B1, "b1", 1, TypeClass::Bits},
    {ScalarType::B8, "b8", 8, TypeClass::Bits},
    {ScalarType::B16, "b16", 16, TypeClass::Bits},
    {ScalarType::B32, "b32", 32, TypeClass::Bits},
    {ScalarType::B64, "b64", 64, TypeClass::Bits},
    {ScalarType::B128, "b128", 128, TypeClass::Bits},
    {ScalarType::U2, "u2", 2, TypeClass::Unsigned},
    {ScalarType::U4, "u4", 4, TypeClass::Unsigned},
    {ScalarType::U8, "u8", 8, TypeClass::Unsigned},
    {ScalarType::U16, "u16", 16, TypeClass::Unsigned},
    {ScalarType::U32, "u32", 32, TypeClass::Unsigned},
    {ScalarType::U64, "u64", 64, TypeClass::Unsigned},
    {ScalarType::S2, "s2", 2, TypeClass::Signed},
    {ScalarType::S4, "s4", 4, TypeClass::Signed},
    {ScalarType::S8, "s8", 8, TypeClass::Signed},
    {ScalarType::S16, "s16", 16, TypeClass::Signed},
    {ScalarType::S32, "s32", 32, TypeClass::Signed},
    {ScalarType::S64, "s64", 64, TypeClass::Signed},
    {ScalarType::F16, "f16", 16, TypeClass::Float},
    {ScalarType::BF16, "bf16", 16, TypeClass::Float},
    {ScalarType::TF32, "tf32", 32, TypeClass::Float},
    {ScalarType::F32, "f32", 32, TypeClass::Float},
    {ScalarType::F64, "f64", 64, TypeClass::Float},
    {ScalarType::F16x2, "f16x2", 32, TypeClass::Packed},
    {ScalarType::BF16x2, "bf16x2", 32, TypeClass::Packed},
    {ScalarType::F32x2, "f32x2", 64, TypeClass::Packed},
    {ScalarType::U16x2, "u16x2", 32, TypeClass::Packed},
    {ScalarType::S16x2, "s16x2", 32, TypeClass::Packed},
    {ScalarType::E4M3, "e4m3", 8, TypeClass::Float},
    {ScalarType::E5M2, "e5m2", 8, TypeClass::Float},
    {ScalarType::E4M3x2, "e4m3x2", 16, TypeClass::Packed},
    {ScalarType::E5M2x2, "e5m2x2", 16, TypeClass::Packed},
    {ScalarType::E3M2x2, "e3m2x2", 16, TypeClass::Packed},
    {ScalarType::E2M3x2, "e2m3x2", 16, TypeClass::Packed},
    {ScalarType::E2M1x2, "e2m1x2", 8, TypeClass::Packed},
    {ScalarType::UE8M0x2, "ue8m0x2", 16, TypeClass::Packed},
};

const Row &getRow(ScalarType type) {
  const Row &row = rows[static_cast<unsigned>(type)];
  assert(row.type == type && "the table follows the order of the enumeration");
  return row;
}
} // namespace

std::optional<ScalarType> tilewright::parser::parseScalarType(llvm::StringRef name) {
  for (const Row &row : rows)
    if (row.name == name)
      return row.type;
  return std::nullopt;
}

llvm::StringRef tilewright::parser::getName(ScalarType type) { return getRow(type).name; }
unsigned tilewright::parser::getBits(ScalarType type) { return getRow(type).bits; }
TypeClass tilewright::parser::getClass(ScalarType type) { return getRow(type).typeClass; }

llvm::StringRef tilewright::parser::getName(Space space) {
  constexpr llvm::StringLiteral names[] = {"reg",    "generic", "param", "local",
                                           "shared", "const",   "global"};
  return names[static_cast<unsigned>(space)];
}
