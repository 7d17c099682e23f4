//===- ProgramBuilder.cpp - The parts that tile programs are built from ------===//
//
// Part of Expand; see ProgramBuilder.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace tilewright;
using expand::ProgramBuilder;

/// "f16" for the type f16, "u32" for i32 words.
static std::string getDtype(Type type) {
  if (isa<Float8E4M3FNType>(type))
    return "e4m3";
  if (isa<Float8E5M2Type>(type))
    return "e5m2";
  if (auto integer = dyn_cast<IntegerType>(type))
    return "u" + std::to_string(integer.getWidth());
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

unsigned ProgramBuilder::addParameter(tile::ParameterKind kind, StringRef name, Type type,
                                      StringRef dtype, unsigned axis, unsigned align, bool written,
                                      bool updated) {
  argumentTypes.push_back(type);
  parameters.push_back(tile::ParameterAttr::get(builder.getContext(), kind, name, dtype, axis,
                                                align, written, updated));
  return parameters.size() - 1;
}

unsigned ProgramBuilder::addPointer(StringRef name, Type element, bool written, StringRef dtype) {
  return addParameter(tile::ParameterKind::Pointer, name, tile::PtrType::get(builder.getContext()),
                      dtype.empty() ? getDtype(element) : dtype.str(), 0, getAlign(name), written);
}

unsigned ProgramBuilder::addUpdatedPointer(StringRef name, Type element, StringRef dtype) {
  return addParameter(tile::ParameterKind::Pointer, name, tile::PtrType::get(builder.getContext()),
                      dtype.empty() ? getDtype(element) : dtype.str(), 0, getAlign(name),
                      /*written=*/true, /*updated=*/true);
}

void ProgramBuilder::createProgram(tile::KernelAttr kernel, tile::ScheduleAttr schedule) {
  program = func::FuncOp::create(builder, source.getLoc(), source.getName(),
                                 builder.getFunctionType(argumentTypes, {}));
  program->setAttr(tile::kernelAttrName, kernel);
  program->setAttr(tile::scheduleAttrName, schedule);
  for (auto [i, parameter] : llvm::enumerate(parameters))
    program.setArgAttr(i, tile::parameterAttrName, parameter);
  builder.setInsertionPointToStart(program.addEntryBlock());
}

Value ProgramBuilder::programId(unsigned axis) {
  return tile::ProgramIdOp::create(builder, loc, builder.getI32Type(), axis);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value ProgramBuilder::constant(int64_t value) {
  return arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(value));
}

Value ProgramBuilder::scaled(Value value, int64_t factor) {
  return arith::MulIOp::create(builder, loc, value, constant(factor));
}

Value ProgramBuilder::add(Value a, Value b) { return arith::AddIOp::create(builder, loc, a, b); }

Value ProgramBuilder::compare(arith::CmpIPredicate predicate, Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, predicate, a, b);
}

Value ProgramBuilder::zeros(ArrayRef<int64_t> shape, Type element) {
  auto type = tensor(shape, element ? element : f32());
  return arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
}

Value ProgramBuilder::load(Value view, ValueRange offsets, ArrayRef<int64_t> shape) {
  Type element = cast<tile::ViewType>(view.getType()).getElementType();
  return tile::LoadOp::create(builder, loc, tensor(shape, element), view, offsets);
}

Value ProgramBuilder::slice(Value value, ArrayRef<int64_t> offsets, ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return value;
  return tile::SliceOp::create(builder, loc, tensor(shape, type.getElementType()), value, offsets);
}

Value ProgramBuilder::reshape(Value value, ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  return tile::ReshapeOp::create(builder, loc, tensor(shape, type.getElementType()), value);
}

Value ProgramBuilder::transpose(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return tile::TransposeOp::create(
      builder, loc, tensor({type.getDimSize(1), type.getDimSize(0)}, type.getElementType()), value,
      ArrayRef<int64_t>{1, 0});
}

Value ProgramBuilder::extend(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType().isF32())
    return value;
  return arith::ExtFOp::create(builder, loc, tensor(type.getShape(), f32()), value);
}

Value ProgramBuilder::spread(Value value, ArrayRef<int64_t> shape) {
  return tile::BroadcastOp::create(builder, loc, tensor(shape, f32()), extend(value));
}

Value ProgramBuilder::view(Value base, ArrayRef<int64_t> shape, Type element,
                           ArrayRef<int64_t> strides, unsigned align, ValueRange sizes,
                           ValueRange dynamicStrides) {
  auto type = tile::ViewType::get(builder.getContext(), shape, element, strides, align);
  return tile::ViewOp::create(builder, loc, type, base, sizes, dynamicStrides);
}

//===----------------------------------------------------------------------===//
// Facts of the problem
//===----------------------------------------------------------------------===//

unsigned ProgramBuilder::getAlign(StringRef name) const {
  auto operand = problem ? problem.findOperand(name) : nn::OperandAttr();
  return operand ? operand.getAlignment() : 16;
}

int64_t ProgramBuilder::getStride(StringRef name, unsigned axis, int64_t contiguous) const {
  auto operand = problem ? problem.findOperand(name) : nn::OperandAttr();
  return operand && operand.getStrides().size() > axis ? operand.getStrides()[axis] : contiguous;
}
