//===- MatrixForm.cpp - Forms and fragments of mma ------------------------------===//
//
// See MatrixForm.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/MatrixForm.h"

using namespace tilewright;
using namespace tilewright::emulator;

MatrixForm MatrixForm::decode(uint64_t imm) {
  auto bit = [&](unsigned at) { return bool(imm >> at & 1); };
  auto type = [&](unsigned at) { return ScalarType(imm >> at & 63); };
  return {uint8_t(imm & 31),
          uint8_t(imm >> 5 & 31),
          uint16_t(imm >> 10 & 1023),
          type(20),
          type(26),
          type(32),
          type(38),
          bit(44),
          bit(45),
          bit(46),
          bit(47),
          uint8_t(imm >> 48 & 3),
          bit(50),
          bit(51),
          bit(52)};
}

uint64_t MatrixForm::encode() const {
  auto at = [](auto value, unsigned bit) { return uint64_t(value) << bit; };
  return at(m, 0) | at(n, 5) | at(k, 10) | at(a, 20) | at(b, 26) | at(accumulator, 32) |
         at(result, 38) | at(saturates, 44) | at(isXor, 45) | at(isSparse, 46) | at(isOrdered, 47) |
         at(selector, 48) | at(isVolta, 50) | at(aByColumns, 51) | at(bByRows, 52);
}

MatrixCounts tilewright::emulator::countRegisters(const MatrixForm &f) {
  unsigned bits = parser::getBits(f.a), word = f.a == ScalarType::F64 ? 64 : 32;
  unsigned copies = f.isVolta ? 4 : 1;
  auto accumulators = [&](ScalarType type) {
    return copies * f.m * f.n / kLanes / (type == ScalarType::F16 ? 2 : 1);
  };
  return {accumulators(f.result), copies * f.m * f.k * bits / word / kLanes / (f.isSparse ? 2 : 1),
          copies * f.n * f.k * bits / word / kLanes, accumulators(f.accumulator)};
}

MatrixOperands::MatrixOperands(Warp &w, const Inst &i)
    : form(MatrixForm::decode(i.imm)), counts(countRegisters(form)) {
  d = &w.launch.program.slots[i.extra];
  a = d + counts.d;
  b = a + counts.a;
  c = b + counts.b;
  ++w.counters().matrixOperations;
}

//===----------------------------------------------------------------------===//
// Fragments
//===----------------------------------------------------------------------===//

// n is 8 in every shape, so a row of C has one pair of columns a lane, and pairs
// follow each other as lanes do.
void tilewright::emulator::gatherAccumulators(Warp &w, ScalarType type, const Slot *slots,
                                              unsigned count, uint32_t *c) {
  if (type == ScalarType::F16) {
    for (unsigned r = 0; r < count; ++r, c += 2 * kLanes) {
      const uint32_t *pairs = w.at<uint32_t>(slots[r]);
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        c[2 * lane] = pairs[lane] & 0xffff;
        c[2 * lane + 1] = pairs[lane] >> 16;
      }
    }
    return;
  }
  for (unsigned r = 0; r < count; r += 2, c += 2 * kLanes) {
    const uint32_t *even = w.at<uint32_t>(slots[r]), *odd = w.at<uint32_t>(slots[r + 1]);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      c[2 * lane] = even[lane];
      c[2 * lane + 1] = odd[lane];
    }
  }
}

void tilewright::emulator::scatterAccumulators(Warp &w, ScalarType type, const Slot *slots,
                                               unsigned count, const uint32_t *d) {
  if (type == ScalarType::F16) {
    for (unsigned r = 0; r < count; ++r, d += 2 * kLanes) {
      uint32_t *pairs = w.at<uint32_t>(slots[r]);
      for (unsigned lane = 0; lane < kLanes; ++lane)
        pairs[lane] = d[2 * lane] | d[2 * lane + 1] << 16;
    }
    return;
  }
  for (unsigned r = 0; r < count; r += 2, d += 2 * kLanes) {
    uint32_t *even = w.at<uint32_t>(slots[r]), *odd = w.at<uint32_t>(slots[r + 1]);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      even[lane] = d[2 * lane];
      odd[lane] = d[2 * lane + 1];
    }
  }
}

void tilewright::emulator::gatherElements(Warp &w, const Slot *slots, unsigned count,
                                          unsigned rowBlocks, unsigned k, ScalarType type,
                                          uint32_t *matrix) {
  unsigned bits = parser::getBits(type), per = 32 / bits;
  bool isSigned = parser::isSigned(type);
  for (unsigned r = 0; r < count; ++r)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint32_t word = w.at<uint32_t>(slots[r])[lane];
      uint32_t *at = matrix + (lane / 4 + 8 * (r % rowBlocks)) * k + per * (lane % 4) +
                     4 * per * (r / rowBlocks);
      for (unsigned e = 0; e < per; ++e) {
        if (bits == 32)
          at[e] = word;
        else if (isSigned)
          at[e] = uint32_t(int32_t(word << (32 - bits * (e + 1))) >> (32 - bits));
        else
          at[e] = word >> (bits * e) & ((1u << bits) - 1);
      }
    }
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

const MatrixShape *tilewright::emulator::takeMatrixShape(InstructionDecoder &d,
                                                         llvm::ArrayRef<MatrixShape> shapes) {
  for (const MatrixShape &candidate : shapes)
    if (d.take(candidate.name))
      return &candidate;
  d.fail("'mma' needs a shape such as .m16n8k16");
  return nullptr;
}

void tilewright::emulator::takeMatrixLayouts(InstructionDecoder &d, MatrixForm &form) {
  llvm::SmallVector<bool, 2> isColumns;
  for (const parser::Modifier &modifier : d.source.modifiers)
    if (modifier.name == "row" || modifier.name == "col") {
      isColumns.push_back(modifier.name == "col");
      d.take(modifier.name);
    }
  if (isColumns.size() != 2 || (!form.isVolta && (isColumns[0] || !isColumns[1])))
    return d.fail(form.isVolta ? "'mma.m8n8k4' needs two layouts, such as .row.col"
                               : "'mma' needs .row.col");
  form.aByColumns = isColumns[0];
  form.bByRows = !isColumns[1];
}

void tilewright::emulator::takeMatrixTypes(InstructionDecoder &d, MatrixForm &form) {
  form.result = d.requireType();
  form.a = d.requireType();
  form.b = d.requireType();
  form.accumulator = d.requireType();
}

void tilewright::emulator::refuseMatrixTypes(InstructionDecoder &d, const MatrixShape &shape,
                                             const MatrixForm &form) {
  d.fail((form.isSparse ? "no mma.sp of shape ." : "no mma of shape .") + shape.name +
         " with types ." + parser::getName(form.result) + "." + parser::getName(form.a) + "." +
         parser::getName(form.b) + "." + parser::getName(form.accumulator));
}

bool tilewright::emulator::readMatrixOperands(InstructionDecoder &d, const MatrixForm &form,
                                              llvm::SmallVectorImpl<Slot> &slots) {
  MatrixCounts counts = countRegisters(form);
  unsigned expected[] = {counts.d, counts.a, counts.b, counts.c};
  ScalarType wide = form.a == ScalarType::F64 ? ScalarType::B64 : ScalarType::B32;
  for (unsigned k = 0; k < 4; ++k) {
    llvm::ArrayRef<parser::Operand> parts = d.requireVector(d.operand(k));
    if (parts.size() != expected[k]) {
      d.fail(d.operand(k).location, "expects " + llvm::Twine(expected[k]) +
                                        " registers in operand " + llvm::Twine(k + 1) +
                                        ", but got " + llvm::Twine(parts.size()));
      return false;
    }
    for (const parser::Operand &part : parts)
      slots.push_back(k == 0 ? d.write(part, wide) : d.read(part, wide));
  }
  return true;
}

void tilewright::emulator::setMatrix(InstructionDecoder &d, const MatrixForm &form,
                                     llvm::ArrayRef<Slot> slots, Handler handler) {
  d.inst.extra = d.addSlots(slots);
  d.inst.imm = form.encode();
  d.inst.flow = Flow::WarpSync;
  d.set(handler, OpClass::Matrix);
}
