//===- Fragments.cpp - ldmatrix, stmatrix, movmatrix -----------------------------===//
//
// PTX ISA, "Warp-level matrix load instruction: ldmatrix" and kin. A matrix has
// 8 rows of 8 16-bit elements; lane 8 * j + i names row i of matrix j. Lane
// 4 * g + t holds elements 2t and 2t + 1 of row g, or of column g with .trans.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Fragments.h"
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Machine/Access.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr uint8_t kTransposes = 1;

// Each lane touches the row it names: 16 bytes, all rows of all matrices in one
// access, so that bank conflicts are counted a matrix (8 lanes) at a time.
bool accessRows(Warp &w, const Inst &i, const MemoryInfo &info, AccessKind kind, Access &access) {
  unsigned matrices = info.vectorWidth;
  access.kind = kind;
  access.space = info.space;
  access.bytes = access.alignment = 16;
  access.mask = matrices == 4 ? kFullMask : (1u << (8 * matrices)) - 1;
  access.info = &info;
  // Every lane may have a part of every row.
  access.collective = kFullMask;
  computeAddresses(w, i, info, access);
  if (!resolve(w, access))
    return false;
  if (access.isContiguous)
    for (unsigned lane = 1; lane < kLanes; ++lane)
      access.host[lane] = access.host[0] + 16 * lane;
  return true;
}

void handleLoadMatrix(Warp &w, const Inst &i, uint32_t) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  const Slot *slots = &w.launch.program.slots[i.extra];
  Access access;
  if (!accessRows(w, i, info, AccessKind::Load, access))
    return;
  for (unsigned j = 0; j < info.vectorWidth; ++j) {
    uint32_t *d = w.at<uint32_t>(slots[j]);
    uint8_t *const *rows = access.host + 8 * j;
    if (!(i.flags & kTransposes)) {
      // The pairs of a row go to four lanes that follow each other.
      for (unsigned g = 0; g < 8; ++g)
        std::memcpy(&d[4 * g], rows[g], 16);
      continue;
    }
    uint16_t elements[8][8];
    for (unsigned row = 0; row < 8; ++row)
      std::memcpy(elements[row], rows[row], 16);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      unsigned g = lane / 4, t = lane % 4;
      d[lane] = elements[2 * t][g] | uint32_t(elements[2 * t + 1][g]) << 16;
    }
  }
}

void handleStoreMatrix(Warp &w, const Inst &i, uint32_t) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  const Slot *slots = &w.launch.program.slots[i.extra];
  Access access;
  if (!accessRows(w, i, info, AccessKind::Store, access))
    return;
  for (unsigned j = 0; j < info.vectorWidth; ++j) {
    const uint32_t *a = w.at<uint32_t>(slots[j]);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      unsigned g = lane / 4, t = lane % 4;
      if (!(i.flags & kTransposes)) {
        std::memcpy(access.host[8 * j + g] + 4 * t, &a[lane], 4);
        continue;
      }
      uint16_t low = static_cast<uint16_t>(a[lane]), high = static_cast<uint16_t>(a[lane] >> 16);
      std::memcpy(access.host[8 * j + 2 * t] + 2 * g, &low, 2);
      std::memcpy(access.host[8 * j + 2 * t + 1] + 2 * g, &high, 2);
    }
  }
  if (!w.unsettled.empty())
    settleStores(w, kFullMask);
}

void handleTranspose(Warp &w, const Inst &i, uint32_t) {
  uint16_t matrix[8][8];
  const uint32_t *a = w.at<uint32_t>(i.a);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    std::memcpy(&matrix[lane / 4][2 * (lane % 4)], &a[lane], 4);
  uint32_t *d = w.at<uint32_t>(i.d);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    d[lane] = matrix[2 * (lane % 4)][lane / 4] | uint32_t(matrix[2 * (lane % 4) + 1][lane / 4])
                                                     << 16;
}

void decodeRows(InstructionDecoder &d, bool isLoad) {
  if (!d.take("sync") || !d.take("aligned"))
    d.fail("'" + d.source.opcode + "' needs .sync.aligned");
  if (!d.take("m8n8"))
    return d.fail("'" + d.source.opcode + "' needs the shape .m8n8");
  MemoryInfo info;
  info.vectorWidth = d.take("x1") ? 1 : d.take("x2") ? 2 : d.take("x4") ? 4 : 0;
  if (!info.vectorWidth)
    return d.fail("'" + d.source.opcode + "' needs .x1, .x2 or .x4");
  d.inst.flags = d.take("trans") ? kTransposes : 0;
  info.space = d.take("shared") || d.take("shared::cta") ? Space::Shared : Space::Generic;
  ScalarType type = d.requireType();
  if (type != ScalarType::B16)
    return d.refuseType(type);
  if (!d.expectOperands(2))
    return;
  info.elementBytes = 16;
  d.address(d.operand(isLoad ? 1 : 0), info);
  llvm::ArrayRef<parser::Operand> parts = d.requireVector(d.operand(isLoad ? 0 : 1));
  if (parts.size() != info.vectorWidth)
    return d.fail(d.operand(isLoad ? 0 : 1).location,
                  "expects " + llvm::Twine(unsigned(info.vectorWidth)) + " registers, but got " +
                      llvm::Twine(parts.size()));
  llvm::SmallVector<Slot, 4> slots;
  for (const parser::Operand &part : parts)
    slots.push_back(isLoad ? d.write(part, ScalarType::B32) : d.read(part, ScalarType::B32));
  d.inst.extra = d.addSlots(slots);
  d.inst.aux = d.addMemory(info);
  d.inst.flow = Flow::WarpSync;
  d.set(isLoad ? handleLoadMatrix : handleStoreMatrix, isLoad ? OpClass::Load : OpClass::Store);
}

} // namespace

void tilewright::emulator::decodeLoadMatrix(InstructionDecoder &d) { decodeRows(d, true); }
void tilewright::emulator::decodeStoreMatrix(InstructionDecoder &d) { decodeRows(d, false); }

void tilewright::emulator::decodeTransposeMatrix(InstructionDecoder &d) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8") || !d.take("trans"))
    return d.fail("'movmatrix' needs .sync.aligned.m8n8.trans");
  ScalarType type = d.requireType();
  if (type != ScalarType::B16)
    return d.refuseType(type);
  if (!d.expectOperands(2))
    return;
  d.inst.d = d.write(0, ScalarType::B32);
  d.inst.a = d.read(1, ScalarType::B32);
  d.inst.flow = Flow::WarpSync;
  d.set(handleTranspose, OpClass::Matrix);
}
