//===- Memory.cpp - ld, st, prefetch ---------------------------------------------------===//
//
// PTX ISA, "Data Movement and Conversion Instructions". A register may be wider
// than the memory element: loads extend by the type's sign, stores truncate.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/MemoryModifiers.h"
#include "runtime/Emulator/Machine/Access.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

void describe(const MemoryInfo &info, AccessKind kind, uint32_t mask, Access &access) {
  access.kind = kind;
  access.space = info.space;
  access.bytes = access.alignment = info.bytes();
  access.mask = mask;
  access.info = &info;
}

/// Registers as wide as the elements: T moves as it is.
template <typename T, unsigned width> void handleLoad(Warp &w, const Inst &i, uint32_t m) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  Access access;
  describe(info, AccessKind::Load, m, access);
  computeAddresses(w, i, info, access);
  w.hasSpun |= info.isVolatile || info.ordering != Ordering::Weak;
  if (!resolve(w, access))
    return;
  const Slot *slots = width == 1 ? &i.d : &w.launch.program.slots[i.extra];
  if (access.isContiguous) {
    const T *from = reinterpret_cast<const T *>(access.host[0]);
    for (unsigned k = 0; k < width; ++k) {
      T *d = w.at<T>(slots[k]);
      for (unsigned l = 0; l < kLanes; ++l)
        std::memcpy(&d[l], &from[l * width + k], sizeof(T));
    }
    return;
  }
  for (unsigned k = 0; k < width; ++k) {
    T *d = w.at<T>(slots[k]);
    forEachLane(m,
                [&](unsigned l) { std::memcpy(&d[l], access.host[l] + k * sizeof(T), sizeof(T)); });
  }
}

// Stores that met others count as races unless all left the same value.
// `isHeld(lane)`: memory holds what the lane stored.
template <typename F> void settle(Warp &w, uint32_t m, F isHeld) {
  uint32_t differing = 0;
  forEachLane(m, [&](unsigned l) { differing |= uint32_t(!isHeld(l)) << l; });
  settleStores(w, differing);
}

template <typename T, unsigned width> void handleStore(Warp &w, const Inst &i, uint32_t m) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  Access access;
  describe(info, AccessKind::Store, m, access);
  computeAddresses(w, i, info, access);
  if (!resolve(w, access))
    return;
  const Slot *slots = width == 1 ? &i.d : &w.launch.program.slots[i.extra];
  if (access.isContiguous) {
    T *to = reinterpret_cast<T *>(access.host[0]);
    for (unsigned k = 0; k < width; ++k) {
      const T *a = w.at<T>(slots[k]);
      for (unsigned l = 0; l < kLanes; ++l)
        std::memcpy(&to[l * width + k], &a[l], sizeof(T));
    }
    if (!w.unsettled.empty())
      settleStores(w, 0);
    return;
  }
  // Lane by lane: of lanes that meet at one address the highest wins.
  forEachLane(m, [&](unsigned l) {
    for (unsigned k = 0; k < width; ++k)
      std::memcpy(access.host[l] + k * sizeof(T), &w.at<T>(slots[k])[l], sizeof(T));
  });
  if (!w.unsettled.empty())
    settle(w, m, [&](unsigned l) {
      for (unsigned k = 0; k < width; ++k)
        if (std::memcmp(access.host[l] + k * sizeof(T), &w.at<T>(slots[k])[l], sizeof(T)))
          return false;
      return true;
    });
}

// imm is the address offset, so the widths come from the memory's facts.
template <bool isLoad> void handleMixed(Warp &w, const Inst &i, uint32_t m) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  Access access;
  describe(info, isLoad ? AccessKind::Load : AccessKind::Store, m, access);
  computeAddresses(w, i, info, access);
  w.hasSpun |= isLoad && (info.isVolatile || info.ordering != Ordering::Weak);
  if (!resolve(w, access))
    return;
  const Slot *slots = &w.launch.program.slots[i.extra];
  unsigned bytes = info.elementBytes;
  forEachLane(m, [&](unsigned l) {
    uint8_t *host = access.isContiguous ? access.host[0] + l * info.bytes() : access.host[l];
    for (unsigned k = 0; k < info.vectorWidth; ++k, host += bytes) {
      uint64_t value = 0;
      if (!isLoad) {
        value = readLane(w, slots[k], info.registerBytes, l);
        std::memcpy(host, &value, bytes);
        continue;
      }
      std::memcpy(&value, host, bytes);
      if (info.isSigned && bytes < 8 && value >> (8 * bytes - 1) & 1)
        value |= ~uint64_t(0) << (8 * bytes);
      writeLane(w, slots[k], info.registerBytes, l, value);
    }
  });
  if (!isLoad && !w.unsettled.empty())
    settle(w, m, [&](unsigned l) {
      const uint8_t *host =
          access.isContiguous ? access.host[0] + l * info.bytes() : access.host[l];
      for (unsigned k = 0; k < info.vectorWidth; ++k, host += bytes) {
        uint64_t value = readLane(w, slots[k], info.registerBytes, l);
        if (std::memcmp(host, &value, bytes))
          return false;
      }
      return true;
    });
}

struct Wide {
  uint64_t words[2];
};

template <template <typename, unsigned> class Pick, typename T> Handler byWidth(unsigned width) {
  switch (width) {
  case 1:
    return Pick<T, 1>::handler;
  case 2:
    return Pick<T, 2>::handler;
  case 4:
    return Pick<T, 4>::handler;
  case 8:
    return Pick<T, 8>::handler;
  default:
    return nullptr;
  }
}
template <typename T, unsigned width> struct PickLoad {
  static constexpr Handler handler = handleLoad<T, width>;
};
template <typename T, unsigned width> struct PickStore {
  static constexpr Handler handler = handleStore<T, width>;
};
template <template <typename, unsigned> class Pick> Handler byType(unsigned bytes, unsigned width) {
  switch (bytes) {
  case 1:
    return byWidth<Pick, uint8_t>(width);
  case 2:
    return byWidth<Pick, uint16_t>(width);
  case 4:
    return byWidth<Pick, uint32_t>(width);
  case 8:
    return byWidth<Pick, uint64_t>(width);
  case 16:
    return byWidth<Pick, Wide>(width);
  default:
    return nullptr;
  }
}

bool isMemoryType(ScalarType type) {
  unsigned bits = parser::getBits(type);
  auto typeClass = parser::getClass(type);
  bool isWide = type == ScalarType::F32 || type == ScalarType::F64;
  return bits >= 8 && typeClass != parser::TypeClass::Packed &&
         typeClass != parser::TypeClass::Predicate && (isWide || !isFloat(type));
}

bool isNamed(const InstructionDecoder &d, llvm::ArrayRef<llvm::StringLiteral> names) {
  return llvm::any_of(d.source.modifiers, [&](const parser::Modifier &modifier) {
    return llvm::is_contained(names, modifier.name);
  });
}

void decodeLoadStore(InstructionDecoder &d, bool isLoad) {
  MemoryInfo info;
  bool isReadOnly = isLoad && d.take("nc"), isMMIO = isNamed(d, {"mmio"});
  bool hasScope = isNamed(d, {"cta", "cluster", "gpu", "sys"});
  takeOrdering(d, info);
  info.space = takeMemorySpace(d);
  bool isOrdered = info.ordering != Ordering::Weak;
  if (isOrdered != hasScope)
    d.fail(isOrdered ? "an ordered access needs a scope such as .gpu"
                     : "a scope needs an ordering such as .relaxed");
  if (isMMIO && info.ordering != Ordering::Relaxed)
    d.fail("'.mmio' needs .relaxed");
  if (info.ordering == (isLoad ? Ordering::Release : Ordering::Acquire) ||
      info.ordering == Ordering::AcquireRelease)
    d.fail(isLoad ? "a load is .relaxed or .acquire" : "a store is .relaxed or .release");
  if (info.isVolatile && !isMMIO && info.space == Space::Local)
    d.fail("'.volatile' does not apply to local memory");
  if (isReadOnly && info.space != Space::Global)
    d.fail("'.nc' needs .global");
  bool hasPolicy = takeCacheHints(d);
  info.vectorWidth = d.take("v2") ? 2 : d.take("v4") ? 4 : d.take("v8") ? 8 : 1;
  ScalarType type = d.requireType();
  if (!isMemoryType(type))
    return d.refuseType(type);
  info.elementBytes = parser::getBits(type) / 8;
  info.isSigned = parser::isSigned(type);
  if (info.bytes() > 32)
    return d.fail("an access of " + llvm::Twine(info.bytes()) + " bytes a lane, above 32");
  if (!isLoad && info.space == Space::Const)
    return d.fail("constant memory cannot be written");
  if (!d.expectOperands(hasPolicy ? 3 : 2))
    return;
  d.address(d.operand(isLoad ? 1 : 0), info);
  if (hasPolicy)
    d.read(2, ScalarType::B64);
  llvm::ArrayRef<parser::Operand> values = d.elements(d.operand(isLoad ? 0 : 1));
  if (values.size() != info.vectorWidth)
    return d.fail(d.operand(isLoad ? 0 : 1).location,
                  "expects " + llvm::Twine(unsigned(info.vectorWidth)) + " elements, but got " +
                      llvm::Twine(values.size()));
  llvm::SmallVector<Slot, 8> slots;
  unsigned widest = 0;
  for (const parser::Operand &value : values) {
    unsigned bits = 0;
    bool isSink = value.kind == parser::Operand::Kind::Sink;
    slots.push_back(isLoad ? d.writeAny(value, bits) : d.readAny(value, type, bits));
    if (isSink)
      continue;
    if (bits < parser::getBits(type))
      return d.fail(value.location, "'" + value.name + "' has " + llvm::Twine(bits) +
                                        " bits, fewer than '." + parser::getName(type) + "'");
    if (widest && bits != widest)
      return d.fail(value.location, "the elements differ in width");
    widest = bits;
  }
  info.registerBytes = widest ? widest / 8 : info.elementBytes;
  if (info.registerBytes == 16 && info.elementBytes != 16)
    return d.fail("a 128-bit register holds only .b128");
  d.inst.extra = d.addSlots(slots);
  d.inst.d = slots[0];
  bool isMixed = info.registerBytes != info.elementBytes;
  d.inst.aux = d.addMemory(info);
  d.inst.flow = Flow::Checked;
  Handler plain = isLoad ? byType<PickLoad>(info.elementBytes, info.vectorWidth)
                         : byType<PickStore>(info.elementBytes, info.vectorWidth);
  d.set(isMixed ? (isLoad ? handleMixed<true> : handleMixed<false>) : plain,
        isLoad ? OpClass::Load : OpClass::Store);
}

void decodeLoad(InstructionDecoder &d) { decodeLoadStore(d, true); }
void decodeStore(InstructionDecoder &d) { decodeLoadStore(d, false); }

//===----------------------------------------------------------------------===//
// Hints about caches
//===----------------------------------------------------------------------===//

/// What discard and applypriority take: a line of the L2 cache.
constexpr uint32_t kLineBytes = 128;

// Nothing to compute, but what is named must exist. Of memory that has no second
// cache a hint says nothing (PTX ISA, "prefetch, prefetchu").
template <uint32_t bytes> void handleHint(Warp &w, const Inst &i, uint32_t m) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  if (info.space == Space::Local)
    return;
  Access access;
  computeAddresses(w, i, info, access);
  for (uint32_t rest = m; rest; rest &= rest - 1) {
    const unsigned lane = std::countr_zero(rest);
    const uint64_t address = access.address[lane];
    if (info.space == Space::Generic && address >= kCodeWindow)
      continue;
    if (address % bytes)
      return w.reportAt(FindingKind::Misaligned, lane,
                        "names a line that must be aligned to " + llvm::Twine(bytes), Space::Global,
                        address);
    if (!w.launch.global.find(address, bytes))
      return w.reportAt(FindingKind::OutOfBounds, lane,
                        "names " + llvm::Twine(bytes) + " bytes outside every allocation",
                        Space::Global, address);
  }
}

void decodePrefetch(InstructionDecoder &d) {
  MemoryInfo info;
  info.space = takeMemorySpace(d);
  bool isUniform = d.source.opcode == "prefetchu";
  if (isUniform ? !d.take("L1") : !d.takeOneOf({"L1", "L2", "L2::evict_last", "L2::evict_normal"}))
    d.fail("'" + d.source.opcode + "' needs a cache such as .L1");
  if (info.space != Space::Generic &&
      (isUniform || (info.space != Space::Global && info.space != Space::Local)))
    d.fail("'" + d.source.opcode + "' does not take this space");
  if (d.expectOperands(1))
    d.address(d.operand(0), info);
  d.inst.aux = d.addMemory(info);
  d.inst.flow = Flow::Checked;
  d.set(handleHint<1>, OpClass::Other);
}

// PTX ISA, "discard": a weak write of an indeterminate value. It races as a store
// does; what reads it before it is written again gets bytes nobody has written.
void handleDiscard(Warp &w, const Inst &i, uint32_t m) {
  // Parts of a grid only add to what is defined.
  if (w.launch.footprint)
    return w.launch.needsOrder();
  constexpr uint32_t pieceBytes = 16; // the widest that checkers take as one
  // It moves no bytes: the counters stay what they are.
  const Counters before = w.counters();
  for (uint32_t at = 0; at < kLineBytes; at += pieceBytes) {
    Access access;
    describe(w.launch.program.memory[i.aux], AccessKind::Store, m, access);
    access.bytes = pieceBytes;
    access.alignment = at ? pieceBytes : kLineBytes;
    computeAddresses(w, i, *access.info, access);
    forEachLane(m, [&](unsigned l) { access.address[l] += at; });
    if (!resolve(w, access))
      return;
    if (access.space != Space::Global)
      return w.report(FindingKind::WrongSpace, -1, "discards what is no global memory");
    forEachLane(m, [&](unsigned l) {
      std::memset(access.host[l], 0xff, pieceBytes); // as fresh memory
      if (w.launch.options.checkInitialisation)
        w.launch.global.find(access.address[l], pieceBytes)
            ->undefine(access.address[l], pieceBytes);
    });
    // Lanes that discard one line agree.
    if (!w.unsettled.empty())
      settleStores(w, 0);
  }
  w.counters() = before;
}

void decodeDiscard(InstructionDecoder &d) {
  MemoryInfo info;
  info.space = takeMemorySpace(d);
  bool isDiscard = d.source.opcode == "discard";
  if (!d.take(isDiscard ? "L2" : "L2::evict_normal"))
    d.fail("'" + d.source.opcode + "' needs " + (isDiscard ? ".L2" : ".L2::evict_normal"));
  if (info.space != Space::Generic && info.space != Space::Global)
    d.fail("'" + d.source.opcode + "' applies to global memory");
  if (!d.expectOperands(2))
    return;
  d.address(d.operand(0), info);
  d.immediate(1, kLineBytes, kLineBytes);
  d.inst.aux = d.addMemory(info);
  d.inst.flow = Flow::Checked;
  d.set(isDiscard ? handleDiscard : handleHint<kLineBytes>, OpClass::Other);
}

void handlePolicy(Warp &w, const Inst &i, uint32_t m) {
  forEachLane(m, [&](unsigned l) { w.at<uint64_t>(i.d)[l] = 0; });
}

void decodeCreatePolicy(InstructionDecoder &d) {
  bool isFractional = d.take("fractional"), isRange = !isFractional && d.take("range");
  bool isConversion = !isFractional && !isRange && d.take("cvt");
  if (!isFractional && !isRange && !isConversion)
    d.fail("'createpolicy' needs .fractional, .range or .cvt");
  if (isConversion ? !d.take("L2")
                   : !d.takeOneOf({"L2::evict_last", "L2::evict_normal", "L2::evict_first",
                                   "L2::evict_unchanged"}))
    d.fail(isConversion ? "'createpolicy.cvt' needs .L2"
                        : "'createpolicy' needs a priority such as .L2::evict_last");
  if (!isConversion)
    d.takeOneOf({"L2::evict_first", "L2::evict_unchanged"});
  if (isRange)
    d.take("global");
  ScalarType type = d.requireType();
  if (type != ScalarType::B64)
    return d.refuseType(type);
  if (!d.expectOperands(isRange ? 4 : isConversion ? 2 : 1, isRange ? 4 : 2))
    return;
  d.inst.d = d.write(0, type);
  if (isConversion)
    d.read(1, type);
  else if (isFractional && d.numOperands() == 2)
    d.read(1, ScalarType::F32);
  d.set(handlePolicy, OpClass::Other);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getMemoryInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"ld", decodeLoad},
      {"ldu", decodeLoad},
      {"st", decodeStore},
      {"prefetch", decodePrefetch},
      {"prefetchu", decodePrefetch},
      {"discard", decodeDiscard},
      {"applypriority", decodeDiscard},
      {"createpolicy", decodeCreatePolicy},
  };
  return entries;
}
