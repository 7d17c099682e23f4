//===- Indexing.cpp - Coordinates of this thread as instructions --------------===//
//
// Part of the lowering to nvvm; see Indexing.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;
using layout::Place;

static std::optional<int64_t> getConstant(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

Value Emitter::i32(int64_t value) {
  return LLVM::ConstantOp::create(builder, loc, builder.getI32Type(),
                                  builder.getI32IntegerAttr(value));
}

Value Emitter::i64(int64_t value) {
  return LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                  builder.getI64IntegerAttr(value));
}

Value Emitter::add(Value a, Value b) {
  if (getConstant(a) == 0)
    return b;
  if (getConstant(b) == 0)
    return a;
  return LLVM::AddOp::create(builder, loc, a, b);
}

Value Emitter::mul(Value a, Value b) {
  if (getConstant(a) == 1 || getConstant(b) == 0)
    return b;
  if (getConstant(b) == 1 || getConstant(a) == 0)
    return a;
  return LLVM::MulOp::create(builder, loc, a, b);
}

Value Emitter::bitAnd(Value a, Value b) { return LLVM::AndOp::create(builder, loc, a, b); }

Value Emitter::bitXor(Value a, Value b) {
  if (getConstant(a) == 0)
    return b;
  if (getConstant(b) == 0)
    return a;
  return LLVM::XOrOp::create(builder, loc, a, b);
}

Value Emitter::shiftLeft(Value a, unsigned amount) {
  return amount ? Value(LLVM::ShlOp::create(builder, loc, a, i32(amount))) : a;
}

Value Emitter::shiftRight(Value a, unsigned amount) {
  return amount ? Value(LLVM::LShrOp::create(builder, loc, a, i32(amount))) : a;
}

Value Emitter::divide(Value a, int64_t divisor) {
  if (llvm::isPowerOf2_64(divisor))
    return shiftRight(a, llvm::Log2_64(divisor));
  return LLVM::UDivOp::create(builder, loc, a, i32(divisor));
}

Value Emitter::remainder(Value a, int64_t divisor) {
  if (llvm::isPowerOf2_64(divisor))
    return bitAnd(a, i32(divisor - 1));
  return LLVM::URemOp::create(builder, loc, a, i32(divisor));
}

Value Emitter::isBelow(Value a, Value b) {
  return LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ult, a, b);
}

Value Emitter::extend(Value a) {
  if (a.getType().isInteger(64))
    return a;
  if (auto constant = getConstant(a))
    return i64(*constant);
  return LLVM::SExtOp::create(builder, loc, builder.getI64Type(), a);
}

Value Emitter::displace(Value base, Value offset) {
  if (getConstant(offset) == 0)
    return base;
  return LLVM::GEPOp::create(builder, loc, base.getType(), builder.getI8Type(), base, offset);
}

Value Emitter::displace(Value base, int64_t offset) {
  if (offset == 0)
    return base;
  // The dialect keeps constant indices in few bits.
  if (!llvm::isInt<LLVM::kGEPConstantBitWidth>(offset))
    return displace(base, i64(offset));
  return LLVM::GEPOp::create(builder, loc, base.getType(), builder.getI8Type(), base,
                             ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(int32_t(offset))});
}

Value Emitter::threadId() { return NVVM::ThreadIdXOp::create(builder, loc, builder.getI32Type()); }

Value Emitter::laneId() { return bitAnd(threadId(), i32(31)); }

Value Emitter::warpId() { return shiftRight(threadId(), 5); }

/// Sum over the bits of `id` of their basis entries. Runs of bits whose entries
/// double are one mask and shift.
static Value emitBits(Emitter &emit, Value id, ArrayRef<layout::Basis> bases, unsigned dim) {
  Value sum = emit.i32(0);
  for (unsigned first = 0; first < bases.size();) {
    int32_t entry = bases[first][dim];
    if (entry == 0) {
      ++first;
      continue;
    }
    unsigned last = first;
    while (last + 1 < bases.size() && bases[last + 1][dim] == bases[last][dim] * 2)
      ++last;
    unsigned width = last - first + 1;
    Value field = emit.bitAnd(emit.shiftRight(id, first), emit.i32((1 << width) - 1));
    sum = emit.add(sum, emit.mul(field, emit.i32(entry)));
    first = last + 1;
  }
  return sum;
}

Value nvvm::emitWarpCoordinate(Emitter &emit, const LinearLayout &layout, unsigned dim) {
  return emitBits(emit, emit.warpId(), layout.getBases(Place::Warp), dim);
}

Value nvvm::emitThreadCoordinate(Emitter &emit, const LinearLayout &layout, unsigned dim) {
  Value lane = emitBits(emit, emit.laneId(), layout.getBases(Place::Lane), dim);
  return emit.add(lane, emitWarpCoordinate(emit, layout, dim));
}

Value nvvm::emitSwizzle(Emitter &emit, tilegpu::MemDescType type, Value row) {
  int64_t group = layout::SharedLayout::getGroupBytes(type.getRowBytes());
  Value line = emit.shiftRight(row, 7 - llvm::Log2_64(group));
  return emit.shiftLeft(emit.bitAnd(line, emit.i32(type.getShared().getSwizzle() / 16 - 1)), 4);
}

Value nvvm::emitSharedOffset(Emitter &emit, tilegpu::MemDescType type, Value row, Value byte) {
  int64_t swizzle = type.getShared().getSwizzle();
  if (swizzle == 0)
    return emit.add(emit.mul(row, emit.i32(type.getRowBytes())), byte);
  int64_t panel = layout::SharedLayout::getPanelBytes(type.getRowBytes());
  if (panel != 128) {
    Value offset = emit.add(emit.mul(row, emit.i32(panel)), byte);
    return emit.bitXor(offset, emitSwizzle(emit, type, row));
  }
  Value start = emit.mul(emit.divide(byte, panel), emit.i32(type.getNumRows() * panel));
  Value within = emit.add(emit.mul(row, emit.i32(panel)), emit.remainder(byte, panel));
  Value offset = emit.add(start, within);
  Value line = emit.bitAnd(emit.shiftRight(offset, 7), emit.i32(swizzle / 16 - 1));
  return emit.bitXor(offset, emit.shiftLeft(line, 4));
}

RegisterMap::RegisterMap(const LinearLayout &layout) : shape(layout.getShape()) {
  for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; ++reg)
    registers.try_emplace(linearize(layout.apply(reg, 0, 0)), reg);
}

uint64_t RegisterMap::linearize(ArrayRef<int64_t> coordinates) const {
  uint64_t index = 0;
  for (auto [coordinate, extent] : llvm::zip_equal(coordinates, shape))
    index = index * extent + coordinate;
  return index;
}

unsigned RegisterMap::at(ArrayRef<int64_t> coordinates) const {
  auto it = registers.find(linearize(coordinates));
  assert(it != registers.end() && "thread 0 does not hold this element");
  return it->second;
}

bool RegisterMap::contains(ArrayRef<int64_t> coordinates) const {
  for (auto [coordinate, extent] : llvm::zip_equal(coordinates, shape))
    if (coordinate >= extent)
      return false;
  return registers.contains(linearize(coordinates));
}
