//===- Move.cpp - mov, cvta, isspacep -------------------------------------------------===//
//
// PTX ISA, "Data Movement and Conversion Instructions": mov with packing and
// unpacking, addresses of variables, clocks; conversion between generic and
// specific addresses.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;
using parser::Operand;

namespace {

template <typename T> void handleMove(Warp &w, const Inst &i, uint32_t m) {
  T *d = w.at<T>(i.d);
  const T *a = w.at<T>(i.a);
  if (m == kFullMask) {
    std::memmove(d, a, sizeof(T) * kLanes);
    return;
  }
  forLanes(m, [=](unsigned l) { d[l] = a[l]; });
}

struct Wide {
  uint64_t words[2];
};

void handlePredicateMove(Warp &w, const Inst &i, uint32_t m) {
  w.setPredicate(i.d, m, w.predicate(i.a) ^ (i.flags ? kFullMask : 0));
}

Handler pickMove(unsigned bytes) {
  switch (bytes) {
  case 1:
    return handleMove<uint8_t>;
  case 2:
    return handleMove<uint16_t>;
  case 4:
    return handleMove<uint32_t>;
  case 8:
    return handleMove<uint64_t>;
  case 16:
    return handleMove<Wide>;
  default:
    return nullptr;
  }
}

// Packing and unpacking move bytes: aux holds count and bytes of an element.
void handlePack(Warp &w, const Inst &i, uint32_t m) {
  unsigned count = i.aux & 255, bytes = i.aux >> 8;
  uint8_t *d = w.at<uint8_t>(i.d);
  const Slot *parts = &w.launch.program.slots[i.extra];
  for (unsigned k = 0; k < count; ++k) {
    const uint8_t *part = w.at<uint8_t>(parts[k]);
    forEachLane(
        m, [&](unsigned l) { std::memcpy(d + (l * count + k) * bytes, part + l * bytes, bytes); });
  }
}

void handleUnpack(Warp &w, const Inst &i, uint32_t m) {
  unsigned count = i.aux & 255, bytes = i.aux >> 8;
  // A destination may be the source's own register only if it is as wide.
  const uint8_t *a = w.at<uint8_t>(i.a);
  const Slot *parts = &w.launch.program.slots[i.extra];
  for (unsigned k = 0; k < count; ++k) {
    uint8_t *part = w.at<uint8_t>(parts[k]);
    forEachLane(
        m, [&](unsigned l) { std::memcpy(part + l * bytes, a + (l * count + k) * bytes, bytes); });
  }
}

void handlePackPairs(Warp &w, const Inst &i, uint32_t m) {
  const Slot *parts = &w.launch.program.slots[i.extra];
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint16_t *low = w.at<uint16_t>(parts[0]), *high = w.at<uint16_t>(parts[1]);
  forLanes(m, [=](unsigned l) { d[l] = low[l] | uint32_t(high[l]) << 16; });
}

void handleUnpackPairs(Warp &w, const Inst &i, uint32_t m) {
  const Slot *parts = &w.launch.program.slots[i.extra];
  const uint32_t *a = w.at<uint32_t>(i.a);
  uint16_t *low = w.at<uint16_t>(parts[0]), *high = w.at<uint16_t>(parts[1]);
  forLanes(m, [=](unsigned l) {
    low[l] = static_cast<uint16_t>(a[l]);
    high[l] = static_cast<uint16_t>(a[l] >> 16);
  });
}

void handleActiveMask(Warp &w, const Inst &i, uint32_t m) {
  forEachLane(m, [&](unsigned l) { w.at<uint32_t>(i.d)[l] = m; });
}

// The clocks count warp instructions of the launch, in the order of blocks.
// Looking at one is a sign of waiting.
template <typename T, unsigned shift> void handleClock(Warp &w, const Inst &i, uint32_t m) {
  w.hasSpun = true;
  w.launch.needsOrder();
  forEachLane(m, [&](unsigned l) { w.at<T>(i.d)[l] = static_cast<T>(w.launch.steps >> shift); });
}

void handleFrameAddress(Warp &w, const Inst &i, uint32_t m) {
  uint64_t address = w.localBase + i.imm;
  unsigned bytes = i.aux;
  forEachLane(m, [&](unsigned l) { writeLane(w, i.d, bytes, l, address); });
}

void decodeClock(InstructionDecoder &d, llvm::StringRef name, ScalarType type) {
  unsigned bits = parser::getBits(type);
  bool isHigh = name.ends_with("_hi");
  if ((name.ends_with("64") || name == "%globaltimer") != (bits == 64))
    return d.fail(d.operand(1).location,
                  "'" + name + "' has another width than '." + parser::getName(type) + "'");
  d.inst.d = d.write(0, type);
  d.inst.flow = Flow::Checked;
  d.set(bits == 64 ? handleClock<uint64_t, 0>
        : isHigh   ? handleClock<uint32_t, 32>
                   : handleClock<uint32_t, 0>,
        OpClass::Move);
}

bool isClock(llvm::StringRef name) {
  return name == "%clock" || name == "%clock_hi" || name == "%clock64" || name == "%globaltimer" ||
         name == "%globaltimer_lo" || name == "%globaltimer_hi";
}

/// The elements' width must make up the type's.
bool takeParts(InstructionDecoder &d, const Operand &vector, ScalarType type, bool isWrite) {
  unsigned bits = parser::getBits(type), count = vector.parts.size();
  if (count != 2 && count != 4 && count != 8) {
    d.fail(vector.location, "expects 2, 4 or 8 elements, but got " + llvm::Twine(count));
    return false;
  }
  ScalarType element;
  switch (bits / count) {
  case 8:
    element = ScalarType::B8;
    break;
  case 16:
    element = ScalarType::B16;
    break;
  case 32:
    element = ScalarType::B32;
    break;
  case 64:
    element = ScalarType::B64;
    break;
  default:
    d.fail(vector.location,
           llvm::Twine(count) + " elements do not make up '." + parser::getName(type) + "'");
    return false;
  }
  llvm::SmallVector<Slot, 8> slots;
  for (const Operand &part : vector.parts)
    slots.push_back(isWrite ? d.write(part, element) : d.read(part, element));
  d.inst.extra = d.addSlots(slots);
  d.inst.aux = count | (parser::getBits(element) / 8) << 8;
  return true;
}

// mov.v2 and mov.v4: a register at a time, sources first. extra: slots of the
// destinations, then of the sources.
template <typename T> void handleVectorMove(Warp &w, const Inst &i, uint32_t m) {
  const Slot *slots = &w.launch.program.slots[i.extra];
  T values[4][kLanes];
  for (unsigned k = 0; k < i.aux; ++k)
    std::memcpy(values[k], w.at<T>(slots[i.aux + k]), sizeof values[k]);
  for (unsigned k = 0; k < i.aux; ++k)
    forEachLane(m, [&](unsigned l) { w.at<T>(slots[k])[l] = values[k][l]; });
}

void decodeVectorMove(InstructionDecoder &d, unsigned count) {
  ScalarType type = d.requireType();
  unsigned bits = parser::getBits(type);
  if (bits != 32 && bits != 64)
    return d.refuseType(type);
  if (!d.expectOperands(2))
    return;
  const Operand &to = d.operand(0), &from = d.operand(1);
  llvm::SmallVector<Slot, 8> slots;
  for (const Operand &part : d.elements(to))
    slots.push_back(d.write(part, type));
  if (from.kind == Operand::Kind::Special) // %tid and its like; the fourth part is 0
    for (const char *component : {".x", ".y", ".z"}) {
      Operand part = from;
      part.name += component;
      slots.push_back(d.read(part, type));
    }
  else
    for (const Operand &part : d.elements(from))
      slots.push_back(d.read(part, type));
  if (from.kind == Operand::Kind::Special && count == 4)
    slots.push_back(d.owner.constant(bits / 8, 0));
  if (slots.size() != 2 * count || d.elements(to).size() != count)
    return d.fail("'mov.v" + llvm::Twine(count) + "' expects vectors of " + llvm::Twine(count) +
                  " registers");
  d.inst.extra = d.addSlots(slots);
  d.inst.aux = count;
  d.set(bits == 32 ? handleVectorMove<uint32_t> : handleVectorMove<uint64_t>, OpClass::Move);
}

void decodeMove(InstructionDecoder &d) {
  if (auto width = d.takeOneOf({"v2", "v4"}))
    return decodeVectorMove(d, *width ? 4 : 2);
  ScalarType type = d.requireType();
  bool isWide = type == ScalarType::F32 || type == ScalarType::F64;
  if ((isFloat(type) && !isWide) || parser::getClass(type) == parser::TypeClass::Packed)
    return d.refuseType(type);
  if (!d.expectOperands(2))
    return;
  const Operand &to = d.operand(0), &from = d.operand(1);
  if (type == ScalarType::Pred) {
    bool isNegated = false;
    d.inst.d = d.writePredicate(to);
    d.inst.a = d.readPredicate(from, isNegated);
    d.inst.flags = isNegated;
    return d.set(handlePredicateMove, OpClass::Move);
  }
  if (from.kind == Operand::Kind::Special && isClock(from.name))
    return decodeClock(d, from.name, type);
  if (from.kind == Operand::Kind::Vector) {
    if (!takeParts(d, from, type, false))
      return;
    d.inst.d = d.write(to, type);
    bool isPair = d.inst.aux == (2u | 2u << 8);
    return d.set(isPair ? handlePackPairs : handlePack, OpClass::Move);
  }
  if (to.kind == Operand::Kind::Vector) {
    if (!takeParts(d, to, type, true))
      return;
    d.inst.a = d.read(from, type);
    bool isPair = d.inst.aux == (2u | 2u << 8);
    return d.set(isPair ? handleUnpackPairs : handleUnpack, OpClass::Move);
  }
  bool isFrameAddress = (from.kind == Operand::Kind::Local &&
                         (d.function.source.variables[from.index].space == Space::Local ||
                          d.function.source.variables[from.index].space == Space::Param)) ||
                        (from.kind == Operand::Kind::Parameter && !d.function.source.isEntry);
  unsigned bytes = parser::getBits(type) / 8;
  d.inst.d = d.write(to, type);
  if (isFrameAddress) {
    d.inst.imm =
        from.value + (from.kind == Operand::Kind::Local ? d.function.localOffset(from.index)
                                                        : d.function.formalOffset(from.index));
    d.inst.aux = bytes;
    return d.set(handleFrameAddress, OpClass::Move);
  }
  d.inst.a = d.read(from, type);
  Handler handler = pickMove(bytes);
  if (!handler)
    return d.refuseType(type);
  d.set(handler, OpClass::Move);
}

//===----------------------------------------------------------------------===//
// The stack
//===----------------------------------------------------------------------===//

// PTX ISA, "Stack Manipulation Instructions": a lane's stack grows upwards from
// its frame's variables. a: bytes; aux: bytes of an address; imm: alignment.
void handleAlloca(Warp &w, const Inst &i, uint32_t m) {
  forEachLane(m, [&](unsigned l) {
    uint32_t &top = w.running->localTop[l];
    uint64_t start = llvm::alignTo(top, i.imm), bytes = readLane(w, i.a, i.aux, l);
    uint64_t limit = w.launch.options.localBytesPerThread;
    if (w.launch.isStopped)
      return;
    if (bytes > limit || start + bytes > limit || !w.growLocal(uint32_t(start + bytes)))
      return w.report(FindingKind::CallDepth, l,
                      "alloca of " + llvm::Twine(bytes) + " bytes, above the limit of " +
                          llvm::Twine(limit) + " bytes of local memory a thread");
    top = static_cast<uint32_t>(llvm::alignTo(start + bytes, 16));
    w.growLocal(top);
    noteAllocated(w, l, start, bytes);
    writeLane(w, i.d, i.aux, l, start);
  });
}

void decodeAlloca(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  if (type != ScalarType::U32 && type != ScalarType::U64)
    return d.refuseType(type);
  if (!d.expectOperands(2, 3))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  d.inst.imm = d.numOperands() == 3 ? d.immediate(2, 1, 1 << 20) : 8;
  if (!llvm::isPowerOf2_64(d.inst.imm))
    d.fail(d.operand(2).location,
           "expects a power of two as alignment, but got " + llvm::Twine(d.inst.imm));
  d.inst.aux = parser::getBits(type) / 8;
  d.inst.flow = Flow::Checked;
  d.set(handleAlloca, OpClass::Move);
}

template <bool isSave> void handleStack(Warp &w, const Inst &i, uint32_t m) {
  forEachLane(m, [&](unsigned l) {
    uint32_t &top = w.running->localTop[l];
    if (isSave)
      return writeLane(w, i.d, i.aux, l, top);
    uint64_t to = readLane(w, i.a, i.aux, l);
    if (to < w.localBase + w.running->function->localBytes || to > top) {
      if (!w.launch.isStopped)
        w.report(FindingKind::InvalidOperand, l,
                 "stackrestore to " + llvm::Twine(to) +
                     ", which no stacksave of the function gave");
      return;
    }
    top = static_cast<uint32_t>(to);
  });
}

void decodeStack(InstructionDecoder &d) {
  bool isSave = d.source.opcode == "stacksave";
  ScalarType type = d.requireType();
  if (type != ScalarType::U32 && type != ScalarType::U64)
    return d.refuseType(type);
  if (!d.expectOperands(1))
    return;
  (isSave ? d.inst.d : d.inst.a) = isSave ? d.write(0, type) : d.read(0, type);
  d.inst.aux = parser::getBits(type) / 8;
  d.inst.flow = Flow::Checked;
  d.set(isSave ? handleStack<true> : handleStack<false>, OpClass::Move);
}

void decodeActiveMask(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  if (type != ScalarType::B32)
    return d.refuseType(type);
  if (!d.expectOperands(1))
    return;
  d.inst.d = d.write(0, type);
  d.set(handleActiveMask, OpClass::Move);
}

//===----------------------------------------------------------------------===//
// Generic addresses
//===----------------------------------------------------------------------===//

std::optional<Space> takeSpace(InstructionDecoder &d) {
  if (d.take("global"))
    return Space::Global;
  if (d.take("shared") || d.take("shared::cta") || d.take("shared::cluster"))
    return Space::Shared;
  if (d.take("local"))
    return Space::Local;
  if (d.take("const"))
    return Space::Const;
  if (d.take("param") || d.take("param::entry"))
    return Space::Param;
  return std::nullopt;
}

void handleAddWindow(Warp &w, const Inst &i, uint32_t m) {
  uint64_t *d = w.at<uint64_t>(i.d);
  const uint64_t *a = w.at<uint64_t>(i.a);
  uint64_t window = i.imm;
  forLanes(m, [=](unsigned l) { d[l] = a[l] + window; });
}

void decodeConvertAddress(InstructionDecoder &d) {
  bool isTo = d.take("to");
  std::optional<Space> space = takeSpace(d);
  ScalarType type = d.requireType();
  if (!space)
    return d.fail("'cvta' needs a space");
  if (type != ScalarType::U64)
    return d.refuseType(type);
  if (!d.expectOperands(2))
    return;
  d.inst.d = d.write(0, type);
  const Operand &from = d.operand(1);
  if (!isTo && *space == Space::Local && from.kind == Operand::Kind::Local &&
      d.function.source.variables[from.index].space == Space::Local) {
    d.inst.imm = getWindow(*space) + from.value + d.function.localOffset(from.index);
    d.inst.aux = 8;
    return d.set(handleFrameAddress, OpClass::Move);
  }
  d.inst.a = d.read(1, type);
  d.inst.imm = isTo ? -getWindow(*space) : getWindow(*space);
  d.set(handleAddWindow, OpClass::Integer);
}

void handleIsSpace(Warp &w, const Inst &i, uint32_t m) {
  Space space = static_cast<Space>(i.aux);
  uint32_t result = 0;
  forEachLane(m, [&](unsigned l) {
    uint64_t address = w.at<uint64_t>(i.a)[l];
    Space found = Space::Global;
    for (Space other : {Space::Shared, Space::Local, Space::Param})
      if (address - getWindow(other) < kWindowBytes)
        found = other;
    if (found == Space::Global && space == Space::Const) {
      const Allocation *allocation = w.launch.global.find(address, 1);
      found = allocation && allocation->isReadOnly ? Space::Const : Space::Global;
    }
    result |= uint32_t(found == space) << l;
  });
  w.setPredicate(i.d, m, result);
}

void decodeIsSpace(InstructionDecoder &d) {
  std::optional<Space> space = takeSpace(d);
  if (!space)
    return d.fail("'isspacep' needs a space");
  if (!d.expectOperands(2))
    return;
  d.inst.d = d.writePredicate(d.operand(0));
  d.inst.a = d.read(1, ScalarType::U64);
  d.inst.aux = static_cast<uint32_t>(*space);
  d.set(handleIsSpace, OpClass::Predicate);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getMoveInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"mov", decodeMove},           {"cvta", decodeConvertAddress},
      {"isspacep", decodeIsSpace},   {"activemask", decodeActiveMask},
      {"alloca", decodeAlloca},      {"stacksave", decodeStack},
      {"stackrestore", decodeStack},
  };
  return entries;
}
