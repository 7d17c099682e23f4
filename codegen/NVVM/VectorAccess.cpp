//===- VectorAccess.cpp - Loads and stores of vectors of registers ------------===//
//
// Part of the lowering to nvvm; see VectorAccess.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/VectorAccess.h"
#include "codegen/NVVM/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Analysis/Divisibility.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;

SmallVector<Value> nvvm::flatten(ArrayRef<ValueRange> ranges) {
  SmallVector<Value> values;
  for (ValueRange range : ranges)
    values.append(range.begin(), range.end());
  return values;
}

SmallVector<Value> nvvm::loadVector(Emitter &emit, Value address, Type element, unsigned width,
                                    unsigned align) {
  OpBuilder &builder = emit.builder;
  if (width == 1)
    return {LLVM::LoadOp::create(builder, emit.loc, element, address, align)};
  Value vector =
      LLVM::LoadOp::create(builder, emit.loc, VectorType::get(width, element), address, align);
  SmallVector<Value> elements;
  for (unsigned i = 0; i < width; ++i)
    elements.push_back(LLVM::ExtractElementOp::create(builder, emit.loc, vector, emit.i32(i)));
  return elements;
}

void nvvm::storeVector(Emitter &emit, Value address, ArrayRef<Value> elements, unsigned align) {
  OpBuilder &builder = emit.builder;
  Value value = elements.front();
  if (elements.size() > 1) {
    Type type = VectorType::get(elements.size(), value.getType());
    value = LLVM::UndefOp::create(builder, emit.loc, type);
    for (auto [i, element] : llvm::enumerate(elements))
      value = LLVM::InsertElementOp::create(builder, emit.loc, value, element, emit.i32(i));
  }
  LLVM::StoreOp::create(builder, emit.loc, value, address, align);
}

unsigned nvvm::getMaxWidth(Value view, ValueRange offsets, ArrayRef<int64_t> shape) {
  int64_t bytes = analysis::getAccessBytes(view, offsets, shape);
  Type element = getRegisterType(cast<tile::ViewType>(view.getType()).getElementType());
  return std::max<int64_t>(1, bytes * 8 / element.getIntOrFloatBitWidth());
}

SmallVector<Value> nvvm::buildGuarded(Emitter &emit, Value condition, unsigned count, Value zero,
                                      llvm::function_ref<SmallVector<Value>()> read) {
  if (!condition)
    return read();
  OpBuilder &builder = emit.builder;
  SmallVector<Type> types(count, zero.getType());
  auto branch = scf::IfOp::create(builder, emit.loc, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(builder, emit.loc, read());
  builder.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(builder, emit.loc, SmallVector<Value>(count, zero));
  return SmallVector<Value>(branch.getResults());
}

SmallVector<Value>
nvvm::readRegisters(const AccessPlan &plan, unsigned count,
                    llvm::function_ref<SmallVector<Value>(const Access &)> read) {
  SmallVector<Value> registers(count);
  for (const Access &access : plan.accesses)
    for (auto [reg, value] : llvm::zip_equal(access.registers, read(access)))
      registers[reg] = value;
  for (auto [copy, original] : plan.copies)
    registers[copy] = registers[original];
  return registers;
}

SmallVector<Value> nvvm::pickRegisters(ValueRange registers, const Access &access) {
  return llvm::map_to_vector(access.registers, [&](unsigned reg) { return registers[reg]; });
}
