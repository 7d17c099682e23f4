//===- Atomic.cpp - atom, red ------------------------------------------------------------===//
//
// PTX ISA, "Parallel Synchronization and Communication Instructions: atom,
// red". Lanes of a warp take their turns in order of their index.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/MemoryModifiers.h"
#include "runtime/Emulator/Machine/Access.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

enum class Operation : uint8_t { Add, Min, Max, Inc, Dec, And, Or, Xor, Exch, Cas };
constexpr llvm::StringLiteral operationNames[] = {"add", "min", "max", "inc",  "dec",
                                                  "and", "or",  "xor", "exch", "cas"};

uint64_t addFloat(uint64_t a, uint64_t b, ScalarType type) {
  numerics::ArithmeticOptions options;
  numerics::FloatType element = toFloatType(type);
  if (parser::getClass(type) != parser::TypeClass::Packed)
    return numerics::add(a, b, element, options);
  uint64_t low = numerics::add(a & 0xffff, b & 0xffff, element, options);
  uint64_t high = numerics::add(a >> 16 & 0xffff, b >> 16 & 0xffff, element, options);
  return high << 16 | low;
}

uint64_t minMaxFloat(uint64_t a, uint64_t b, ScalarType type, bool isMinimum) {
  numerics::FloatType element = toFloatType(type);
  auto one = [&](uint64_t x, uint64_t y) {
    return isMinimum ? numerics::minimum(x, y, element, false, false)
                     : numerics::maximum(x, y, element, false, false);
  };
  if (parser::getClass(type) != parser::TypeClass::Packed)
    return one(a, b);
  return one(a >> 16 & 0xffff, b >> 16 & 0xffff) << 16 | one(a & 0xffff, b & 0xffff);
}

/// T: signed where the comparison is.
template <typename T> T computeInteger(Operation operation, T old, T b, T c) {
  using U = std::make_unsigned_t<T>;
  switch (operation) {
  case Operation::Add:
    return T(U(old) + U(b));
  case Operation::Min:
    return b < old ? b : old;
  case Operation::Max:
    return old < b ? b : old;
  case Operation::Inc:
    return old >= b ? 0 : old + 1;
  case Operation::Dec:
    return old == 0 || old > b ? b : old - 1;
  case Operation::And:
    return old & b;
  case Operation::Or:
    return old | b;
  case Operation::Xor:
    return old ^ b;
  case Operation::Exch:
    return b;
  case Operation::Cas:
    return old == b ? c : old;
  }
  return old;
}

uint64_t compute(Operation operation, ScalarType type, uint64_t old, uint64_t b, uint64_t c) {
  if (isFloat(type) && operation == Operation::Add)
    return addFloat(old, b, type);
  if (isFloat(type) && (operation == Operation::Min || operation == Operation::Max))
    return minMaxFloat(old, b, type, operation == Operation::Min);
  // Exchanges move bits of any type.
  if (parser::getBits(type) == 32)
    return parser::isSigned(type) ? uint32_t(computeInteger<int32_t>(operation, old, b, c))
                                  : computeInteger<uint32_t>(operation, old, b, c);
  return parser::isSigned(type) ? uint64_t(computeInteger<int64_t>(operation, old, b, c))
                                : computeInteger<uint64_t>(operation, old, b, c);
}

/// One 32-bit integer a lane. `slots`: of the result, the value and cas' new value.
/// Returns the lanes whose value cas did not find.
template <typename T>
uint32_t updateWords(Warp &w, Operation operation, const Access &access, const Slot *slots,
                     uint32_t m) {
  uint32_t failed = 0;
  const T *b = w.at<T>(slots[1]), *c = operation == Operation::Cas ? w.at<T>(slots[2]) : b;
  T *d = slots[0] == kNoSlot ? nullptr : w.at<T>(slots[0]);
  forEachLane(m, [&](unsigned l) {
    uint8_t *host = access.isContiguous ? access.host[0] + l * sizeof(T) : access.host[l];
    T old;
    std::memcpy(&old, host, sizeof(T));
    T value = computeInteger<T>(operation, old, b[l], c[l]);
    std::memcpy(host, &value, sizeof(T));
    w.launch.progress += value != old;
    if (operation == Operation::Cas)
      failed |= uint32_t(old != b[l]) << l;
    if (d)
      d[l] = old;
  });
  return failed;
}

// Only now is it known which lanes have written, and have handed something on.
void synchronise(Warp &w, const Access &access, uint32_t failed) {
  if (w.launch.races)
    w.launch.races->synchronise(w, access, failed);
}

// flags: operation; target: type (no atomic branches); extra: slots of results,
// then of values, then of cas' new values.
void handleAtomic(Warp &w, const Inst &i, uint32_t m) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  Operation operation = static_cast<Operation>(i.flags);
  ScalarType type = static_cast<ScalarType>(i.target);
  Access access;
  access.kind = AccessKind::Atomic;
  access.space = info.space;
  access.bytes = access.alignment = info.bytes();
  access.mask = m;
  access.info = &info;
  computeAddresses(w, i, info, access);
  w.hasSpun = true;
  const Slot *slots = &w.launch.program.slots[i.extra];
  access.isBlind = slots[0] == kNoSlot;
  access.isSwap = operation == Operation::Cas;
  if (!resolve(w, access))
    return;
  unsigned width = info.vectorWidth, bytes = info.elementBytes;
  if (bytes == 4 && width == 1 && !isFloat(type))
    return synchronise(w, access,
                       type == ScalarType::S32
                           ? updateWords<int32_t>(w, operation, access, slots, m)
                           : updateWords<uint32_t>(w, operation, access, slots, m));
  uint32_t failed = 0;
  forEachLane(m, [&](unsigned l) {
    uint8_t *host = access.isContiguous ? access.host[0] + l * info.bytes() : access.host[l];
    for (unsigned k = 0; k < width; ++k, host += bytes) {
      uint64_t old = 0, b = readLane(w, slots[width + k], bytes, l);
      uint64_t c = operation == Operation::Cas ? readLane(w, slots[2 * width + k], bytes, l) : 0;
      std::memcpy(&old, host, bytes);
      uint64_t value = compute(operation, type, old, b, c);
      std::memcpy(host, &value, bytes);
      w.launch.progress += value != old;
      failed |= uint32_t(operation == Operation::Cas && old != b) << l;
      if (slots[k] != kNoSlot)
        writeLane(w, slots[k], bytes, l, old);
    }
  });
  synchronise(w, access, failed);
}

struct Wide {
  uint64_t words[2];
};

// exch and cas of 128 bits; slots as handleAtomic.
void handleWideAtomic(Warp &w, const Inst &i, uint32_t m) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  Access access;
  access.kind = AccessKind::Atomic;
  access.space = info.space;
  access.bytes = access.alignment = info.bytes();
  access.mask = m;
  access.info = &info;
  computeAddresses(w, i, info, access);
  w.hasSpun = true;
  bool isCas = static_cast<Operation>(i.flags) == Operation::Cas;
  access.isSwap = isCas;
  if (!resolve(w, access))
    return;
  const Slot *slots = &w.launch.program.slots[i.extra];
  uint32_t failed = 0;
  forEachLane(m, [&](unsigned l) {
    uint8_t *host = access.isContiguous ? access.host[0] + l * info.bytes() : access.host[l];
    Wide old, b = w.at<Wide>(slots[1])[l];
    std::memcpy(&old, host, sizeof old);
    ++w.launch.progress;
    if (!isCas)
      std::memcpy(host, &b, sizeof b);
    else if (old.words[0] == b.words[0] && old.words[1] == b.words[1])
      std::memcpy(host, &w.at<Wide>(slots[2])[l], sizeof b);
    else
      failed |= 1u << l;
    w.at<Wide>(slots[0])[l] = old;
  });
  synchronise(w, access, failed);
}

bool isLegal(Operation operation, ScalarType type) {
  unsigned bits = parser::getBits(type);
  bool isBits = parser::getClass(type) == parser::TypeClass::Bits;
  switch (operation) {
  case Operation::Add:
    return (isFloat(type) && bits >= 16 && type != ScalarType::TF32) || type == ScalarType::U32 ||
           type == ScalarType::S32 || type == ScalarType::U64;
  case Operation::Min:
  case Operation::Max:
    return type == ScalarType::U32 || type == ScalarType::S32 || type == ScalarType::U64 ||
           type == ScalarType::S64 || (isFloat(type) && (bits == 16 || type != ScalarType::F32));
  case Operation::Inc:
  case Operation::Dec:
    return type == ScalarType::U32;
  case Operation::And:
  case Operation::Or:
  case Operation::Xor:
    return type == ScalarType::B32 || type == ScalarType::B64;
  case Operation::Exch:
    return isBits && bits >= 32;
  case Operation::Cas:
    return isBits && bits >= 16;
  }
  return false;
}

void decodeAtomic(InstructionDecoder &d) {
  bool hasResult = d.source.opcode == "atom";
  MemoryInfo info;
  takeOrdering(d, info);
  info.space = takeMemorySpace(d);
  std::optional<unsigned> name = d.takeOneOf(operationNames);
  if (!name)
    return d.fail("'" + d.source.opcode + "' needs an operation such as .add");
  Operation operation = static_cast<Operation>(*name);
  // Atomics on f16 must say .noftz; they never flush.
  bool neverFlushes = d.take("noftz");
  bool hasPolicy = d.take("L2::cache_hint");
  info.vectorWidth = d.take("v2") ? 2 : d.take("v4") ? 4 : d.take("v8") ? 8 : 1;
  ScalarType type = d.requireType();
  bool isWide = type == ScalarType::B128;
  if (!isLegal(operation, type) || (isWide && (!hasResult || info.vectorWidth != 1)))
    return d.fail("no '" + d.source.opcode + "." + operationNames[*name].str() + "' of '." +
                  parser::getName(type) + "'");
  bool isHalf = isFloat(type) && type != ScalarType::F32 && type != ScalarType::F64;
  if (isHalf != neverFlushes)
    return d.fail("'.noftz' belongs to atomics of f16 and bf16, and to no others");
  info.elementBytes = info.registerBytes = parser::getBits(type) / 8;
  bool isCas = operation == Operation::Cas;
  if (!d.expectOperands((hasResult ? 3 : 2) + isCas + hasPolicy))
    return;
  unsigned next = 0;
  llvm::SmallVector<Slot, 12> slots;
  auto take = [&](bool isWrite) {
    const parser::Operand &operand = d.operand(next++);
    llvm::ArrayRef<parser::Operand> parts = d.elements(operand);
    if (parts.size() != info.vectorWidth)
      d.fail(operand.location, "expects " + llvm::Twine(unsigned(info.vectorWidth)) + " elements");
    for (const parser::Operand &part : parts)
      slots.push_back(isWrite ? d.write(part, type) : d.read(part, type));
  };
  if (hasResult)
    take(true);
  else
    slots.append(info.vectorWidth, kNoSlot);
  d.address(d.operand(next++), info);
  take(false);
  if (isCas)
    take(false);
  if (hasPolicy)
    d.read(next, ScalarType::B64);
  d.inst.extra = d.addSlots(slots);
  d.inst.aux = d.addMemory(info);
  d.inst.flags = static_cast<uint8_t>(operation);
  d.inst.target = static_cast<uint32_t>(type);
  d.inst.flow = Flow::Checked;
  d.set(isWide ? handleWideAtomic : handleAtomic, OpClass::Atomic);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getAtomicInstructions() {
  static constexpr InstructionEntry entries[] = {{"atom", decodeAtomic}, {"red", decodeAtomic}};
  return entries;
}
