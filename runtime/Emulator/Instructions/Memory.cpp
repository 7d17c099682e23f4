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
  return bits >= 8 && typeClass != parser::TypeClass::Packed &&
         typeClass != parser::TypeClass::Predicate && type != ScalarType::TF32;
}

void decodeLoadStore(InstructionDecoder &d, bool isLoad) {
  MemoryInfo info;
  if (isLoad)
    d.take("nc");
  takeOrdering(d, info);
  info.space = takeMemorySpace(d);
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
// Hints about caches: nothing to compute
//===----------------------------------------------------------------------===//

void handleNothing(Warp &, const Inst &, uint32_t) {}

void decodePrefetch(InstructionDecoder &d) {
  MemoryInfo info;
  info.space = takeMemorySpace(d);
  d.takeOneOf({"L1", "L2", "L2::evict_last", "L2::evict_normal"});
  d.take("tensormap");
  if (d.expectOperands(1))
    d.address(d.operand(0), info);
  d.set(handleNothing, OpClass::Other);
}

void decodeDiscard(InstructionDecoder &d) {
  MemoryInfo info;
  info.space = takeMemorySpace(d);
  d.takeOneOf({"L2", "L2::evict_normal"});
  if (!d.expectOperands(2))
    return;
  d.address(d.operand(0), info);
  d.immediate(1, 128, 128);
  d.set(handleNothing, OpClass::Other);
}

void handlePolicy(Warp &w, const Inst &i, uint32_t m) {
  forEachLane(m, [&](unsigned l) { w.at<uint64_t>(i.d)[l] = 0; });
}

void decodeCreatePolicy(InstructionDecoder &d) {
  bool isFractional = d.take("fractional"), isRange = !isFractional && d.take("range");
  if (!isFractional && !isRange && !d.take("cvt"))
    d.fail("'createpolicy' needs .fractional, .range or .cvt");
  d.take("L2");
  while (d.takePrefixed("L2::")) {
  }
  while (d.takeOneOf({"global", "b64", "b128", "cvt"})) {
  }
  if (!d.expectOperands(1, 4))
    return;
  d.inst.d = d.write(0, ScalarType::B64);
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
