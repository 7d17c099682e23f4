//===- Builder.cpp - Constants, frames, addresses ------------------------------===//
//
// See Builder.h; InstructionDecoder is in InstructionDecoder.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Builder.h"
#include "runtime/Emulator/Machine/Limits.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

static void fill(Program &program, Slot slot, unsigned bytes, uint64_t value) {
  for (unsigned lane = 0; lane < kLanes; ++lane)
    std::memcpy(&program.constants[(slot & ~kConstantBank) + lane * bytes], &value,
                std::min(bytes, 8u));
}

Slot ProgramBuilder::addConstant(unsigned bytes, uint64_t value) {
  if (program.constants.size() > kMaxConstantBytes)
    return kConstantBank; // refused by checkSizes()
  Slot slot = static_cast<Slot>(llvm::alignTo(program.constants.size(), 64)) | kConstantBank;
  program.constants.resize((slot & ~kConstantBank) + bytes * kLanes);
  fill(program, slot, bytes, value);
  return slot;
}

Slot ProgramBuilder::constant(unsigned bytes, uint64_t value) {
  if (bytes < 8)
    value &= (uint64_t(1) << bytes * 8) - 1;
  auto [it, isNew] = constants.try_emplace({bytes, value}, 0);
  if (isNew)
    it->second = addConstant(bytes, value);
  return it->second;
}

Slot ProgramBuilder::dynamicShared(unsigned bytes, uint64_t offset) {
  auto [it, isNew] = dynamics.try_emplace({bytes, offset}, 0);
  if (isNew)
    it->second = addConstant(bytes, 0);
  return it->second;
}

void ProgramBuilder::finishShared() {
  uint32_t end = static_cast<uint32_t>(llvm::alignTo(sharedEnd, program.dynamicSharedAlignment));
  program.staticSharedEnd = dynamics.empty() ? static_cast<uint32_t>(sharedEnd) : end;
  for (const auto &[key, slot] : dynamics)
    fill(program, slot, key.first, end + key.second);
}

Slot ProgramBuilder::constantPredicate(bool value) { return constant(4, value ? ~0u : 0); }

uint32_t ProgramBuilder::placeShared(const parser::Variable &variable) {
  if (variable.isUnsized) {
    // All `name[]` share the dynamic bytes after the static ones, whose end is
    // known when every variable has been placed.
    program.dynamicSharedAlignment = std::max(program.dynamicSharedAlignment, variable.alignment);
    return 0;
  }
  auto [it, isNew] = sharedAddresses.try_emplace(&variable, 0);
  if (isNew) {
    uint64_t place = llvm::alignTo(sharedEnd, variable.alignment);
    sharedEnd = place + variable.bytes;
    if (sharedEnd > kMaxStaticSharedBytes)
      return 0; // refused by checkSizes()
    it->second = static_cast<uint32_t>(place);
    program.sharedSymbols.push_back(
        {variable.name, it->second, static_cast<uint32_t>(variable.bytes)});
  }
  return it->second;
}

uint32_t ProgramBuilder::placeReservedShared() {
  if (program.reservedShared == 0) {
    program.reservedShared = static_cast<uint32_t>(llvm::alignTo(sharedEnd, 16));
    sharedEnd = program.reservedShared + kReservedSharedBytes;
    program.sharedSymbols.push_back(
        {"%reserved_smem_offset_1", program.reservedShared, kReservedSharedBytes});
  }
  return program.reservedShared;
}

FunctionBuilder::FunctionBuilder(ProgramBuilder &owner, const parser::Function &source,
                                 FunctionCode &code)
    : owner(owner), source(source), code(code), registers(source.registers.size(), kNoSlot) {
  auto place = [](uint64_t &end, const parser::Variable &variable) {
    end = llvm::alignTo(end, variable.alignment);
    uint64_t at = end;
    end += variable.bytes;
    return static_cast<uint32_t>(at);
  };
  for (const auto *list : {&source.parameters, &source.results})
    for (const parser::Variable &formal : *list)
      formalOffsets.push_back(formal.space == Space::Register
                                  ? registerSlot(formal.registerIndex)
                                  : place(source.isEntry ? parameterBytes : localBytes, formal));
  for (const parser::Variable &variable : source.variables)
    localOffsets.push_back(variable.space == Space::Local || variable.space == Space::Param
                               ? place(localBytes, variable)
                               : 0);
  code.name = source.name;
  localBytes = llvm::alignTo(localBytes, 16);
  code.localBytes = static_cast<uint32_t>(localBytes);
  code.formals = formalOffsets;
  if (source.isEntry)
    owner.program.parameterBytes = static_cast<uint32_t>(parameterBytes);
}

llvm::Error FunctionBuilder::checkSizes() const {
  const std::tuple<uint64_t, uint64_t, const char *> sizes[] = {
      {registerBytes, kMaxRegisterBytes, "bytes of registers a warp"},
      {localBytes, kMaxLocalBytes, "bytes of local variables a thread"},
      {parameterBytes, kMaxParameterBytes, "bytes of parameters"},
      {owner.sharedEnd, kMaxStaticSharedBytes, "bytes of shared variables"},
      {owner.program.constants.size(), kMaxConstantBytes, "bytes of immediate operands"},
  };
  for (const auto &[bytes, limit, what] : sizes)
    if (bytes > limit)
      return parser::makeError(source.location, "'" + source.name + "' needs " +
                                                    llvm::Twine(bytes) + " " + what +
                                                    ", above the limit of " + llvm::Twine(limit));
  return llvm::Error::success();
}

Slot FunctionBuilder::allocate(unsigned bytes) {
  // Predicates are single words; everything else is an array a cache line holds.
  uint64_t offset = llvm::alignTo(registerBytes, bytes == 4 ? 4 : 64);
  registerBytes = offset + bytes;
  if (registerBytes > kMaxRegisterBytes)
    return 0; // refused by checkSizes()
  code.registerBytes = static_cast<uint32_t>(registerBytes);
  return static_cast<Slot>(offset);
}

Slot FunctionBuilder::registerSlot(uint32_t index) {
  Slot &slot = registers[index];
  if (slot == kNoSlot) {
    unsigned bits = parser::getBits(source.registers[index].type);
    slot = allocate(bits == 1 ? 4 : bits / 8 * kLanes);
  }
  return slot;
}

std::vector<UnassignedRegister> FunctionBuilder::namedRegisters() const {
  std::vector<UnassignedRegister> named;
  auto isParameter = [&](size_t index) {
    return llvm::any_of(source.parameters, [&](const parser::Variable &formal) {
      return formal.space == Space::Register && formal.registerIndex == index;
    });
  };
  for (size_t i = 0; i < registers.size(); ++i)
    if (registers[i] != kNoSlot && !isParameter(i)) {
      const parser::Register &source = this->source.registers[i];
      named.push_back(
          {registers[i], static_cast<uint8_t>(parser::getBits(source.type) / 8), source.name});
    }
  return named;
}

Slot FunctionBuilder::specialSlot(SpecialRegister which, bool is64) {
  auto [it, isNew] = specials.try_emplace(static_cast<unsigned>(which) * 2 + is64, 0);
  if (isNew) {
    it->second = allocate((is64 ? 8 : 4) * kLanes);
    code.specials.push_back({which, it->second, is64});
  }
  return it->second;
}

Slot FunctionBuilder::sinkSlot() { return sink = sink == kNoSlot ? allocate(16 * kLanes) : sink; }
Slot FunctionBuilder::carrySlot() { return carry = carry == kNoSlot ? allocate(4) : carry; }

uint64_t tilewright::emulator::readLane(const Warp &warp, Slot slot, unsigned bytes,
                                        unsigned lane) {
  switch (bytes) {
  case 1:
    return warp.at<uint8_t>(slot)[lane];
  case 2:
    return warp.at<uint16_t>(slot)[lane];
  case 4:
    return warp.at<uint32_t>(slot)[lane];
  default:
    return warp.at<uint64_t>(slot)[lane];
  }
}

void tilewright::emulator::writeLane(const Warp &warp, Slot slot, unsigned bytes, unsigned lane,
                                     uint64_t value) {
  switch (bytes) {
  case 1:
    warp.at<uint8_t>(slot)[lane] = static_cast<uint8_t>(value);
    break;
  case 2:
    warp.at<uint16_t>(slot)[lane] = static_cast<uint16_t>(value);
    break;
  case 4:
    warp.at<uint32_t>(slot)[lane] = static_cast<uint32_t>(value);
    break;
  default:
    warp.at<uint64_t>(slot)[lane] = value;
    break;
  }
}
