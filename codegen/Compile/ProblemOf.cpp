//===- ProblemOf.cpp - The problem an nn op states ----------------------------===//
//
// The reverse of BuildModule, for programs that come as MLIR text.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/NNModule.h"

using namespace mlir;
using namespace tilewright;

static std::string getName(Type type) {
  if (isa<Float8E4M3FNType>(type))
    return "e4m3";
  if (isa<Float8E5M2Type>(type))
    return "e5m2";
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static std::optional<int64_t> getStatic(int64_t value) {
  return ShapedType::isDynamic(value) ? std::nullopt : std::optional(value);
}

/// Strides and alignment from the attribute, contiguous and 16 otherwise.
template <typename Op>
static problem::Operand getOperand(Op op, StringRef name, std::string dtype,
                                   std::vector<std::string> dimensions,
                                   std::vector<std::optional<int64_t>> contiguous) {
  problem::Operand operand{name.str(), std::move(dtype), std::move(dimensions),
                           std::move(contiguous), 16};
  auto attr = op.getProblem() ? op.getProblem()->findOperand(name) : nn::OperandAttr();
  if (!attr)
    return operand;
  operand.alignment = attr.getAlignment();
  operand.strides.clear();
  for (int64_t stride : attr.getStrides())
    operand.strides.push_back(getStatic(stride));
  return operand;
}

/// Adds what every product ends with: the epilogue's operands and y.
template <typename Op> static void addEpilogue(Op op, problem::Problem &problem) {
  auto y = cast<RankedTensorType>(op.getY().getType());
  int64_t outputs = y.getDimSize(1);
  std::string outputsName = "N";
  if (op.getActivation() == nn::Activation::SwiGLU) {
    outputsName = "outputs";
    problem.dimensions.push_back({outputsName, outputs, 1});
  }
  auto add = [&](StringRef name, Value value, std::vector<std::string> dimensions,
                 std::vector<std::optional<int64_t>> contiguous) {
    if (!value)
      return;
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    problem.operands.push_back(
        getOperand(op, name, getName(element), std::move(dimensions), std::move(contiguous)));
  };
  add("bias", op.getBias(), {"N"}, {1});
  add("row_scale", op.getRowScale(), {"M"}, {1});
  add("column_scale", op.getColumnScale(), {"N"}, {1});
  add("residual", op.getResidual(), {"M", outputsName}, {outputs, 1});
  if (op.getOutScale())
    problem.dimensions.push_back({"ones", 1, 1});
  add("out_scale", op.getOutScale(), {"ones"}, {1});
  add("y", op.getY(), {"M", outputsName}, {outputs, 1});
  problem.attributes["activation"] = nn::stringifyActivation(op.getActivation()).str();
}

/// M as the op and its problem have it.
template <typename Op> static problem::Dimension getRows(Op op) {
  problem::Dimension rows{"M", getStatic(cast<RankedTensorType>(op.getX().getType()).getDimSize(0)),
                          1};
  if (op.getProblem())
    if (auto dim = op.getProblem()->findDim("M"))
      rows.divisor = dim.getDivisor();
  return rows;
}

problem::Problem compile::getProblem(nn::QuantMatmulOp op) {
  nn::QuantizedType w = op.getW().getType();
  nn::QFormatAttr format = w.getFormat();
  auto x = cast<RankedTensorType>(op.getX().getType());

  problem::Problem problem;
  problem.op = "quant_matmul";
  if (op.getProblem())
    problem.indexWidth = op.getProblem()->getIndex();
  format::Granularity granularity = format.getGranularity();
  problem.dimensions = {
      getRows(op), {"N", w.getN()}, {"K", w.getK()}, {"groups", granularity.getGroups(w.getK())}};
  std::vector<std::string> scaleDimensions = {"groups", "N"};
  if (!granularity.isPerColumn()) {
    problem.dimensions.push_back({"columns", granularity.getColumnGroups(w.getN())});
    scaleDimensions[1] = "columns";
  }
  std::vector<std::string> wDimensions = {"N", "K"};
  if (format.getCodeFormat().isStack()) {
    problem.dimensions.push_back({"planes", std::nullopt});
    for (std::vector<std::string> *names : {&wDimensions, &scaleDimensions})
      names->insert(names->begin(), "planes");
  }
  problem.operands = {getOperand(op, "x", getName(x.getElementType()), {"M", "K"}, {w.getK(), 1}),
                      getOperand(op, "w", "u32", wDimensions, {}),
                      getOperand(op, "scales", format.getScale().str(), scaleDimensions, {})};
  if (format.hasZeros())
    problem.operands.push_back(
        getOperand(op, "zeros", format.getZeroType().str(), scaleDimensions, {}));
  if (format.getTensorScale()) {
    problem.dimensions.push_back({"tensors", 1});
    problem.operands.push_back(getOperand(op, "tensor_scale", "f32", {"tensors"}, {1}));
  }
  if (format.getCodeFormat().isIndex()) {
    problem.dimensions.push_back({"entries", int64_t(1) << format.getBits(), 1});
    problem.operands.push_back(getOperand(op, "codebook", "u32", {"entries"}, {}));
  }
  problem.attributes = {{"format", format.getCode().str()},
                        {"group", granularity.str()},
                        {"scale", format.getScale().str()},
                        {"zero", nn::stringifyZeroPoint(format.getZero()).str()}};
  addEpilogue(op, problem);
  return problem;
}

problem::Problem compile::getProblem(nn::MatmulOp op) {
  auto x = cast<RankedTensorType>(op.getX().getType());
  auto w = cast<RankedTensorType>(op.getW().getType());
  bool isTransposed = op.getTransposeW();
  problem::Problem problem;
  problem.op = "matmul";
  if (op.getProblem())
    problem.indexWidth = op.getProblem()->getIndex();
  problem.dimensions = {getRows(op), {"N", op.getN(), 1}, {"K", op.getK(), 1}};
  std::vector<std::string> dimensions = {isTransposed ? "N" : "K", isTransposed ? "K" : "N"};
  problem.operands = {
      getOperand(op, "x", getName(x.getElementType()), {"M", "K"}, {op.getK(), 1}),
      getOperand(op, "w", getName(w.getElementType()), dimensions, {w.getDimSize(1), 1})};
  problem.attributes = {{"layout", isTransposed ? "nk" : "kn"}};
  addEpilogue(op, problem);
  return problem;
}
