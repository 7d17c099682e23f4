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

/// Strides of a contiguous array of `dimensions`: static up to the first dynamic one.
static std::vector<std::optional<int64_t>> getContiguous(const problem::Problem &problem,
                                                         ArrayRef<std::string> dimensions) {
  std::vector<std::optional<int64_t>> strides(dimensions.size());
  std::optional<int64_t> stride = 1;
  for (size_t axis = dimensions.size(); axis-- > 0;) {
    strides[axis] = stride;
    const problem::Dimension *dimension = problem.findDimension(dimensions[axis]);
    stride =
        stride && dimension->extent ? std::optional(*stride * *dimension->extent) : std::nullopt;
  }
  return strides;
}

/// `dimensions`, after that of the batch where the problem has one.
static std::vector<std::string> inBatch(const problem::Problem &problem,
                                        std::vector<std::string> dimensions) {
  if (problem.findDimension("B"))
    dimensions.insert(dimensions.begin(), "B");
  return dimensions;
}

/// Strides and alignment from the attribute, those of a contiguous array and 16 otherwise.
/// Packed operands have no strides.
template <typename Op>
static problem::Operand getOperand(Op op, const problem::Problem &problem, StringRef name,
                                   std::string dtype, std::vector<std::string> dimensions,
                                   bool isPacked = false) {
  problem::Operand operand{name.str(), std::move(dtype), dimensions, {}, 16};
  if (!isPacked)
    operand.strides = getContiguous(problem, dimensions);
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
  int64_t outputs = y.getShape().back();
  std::string outputsName = "N";
  if (op.getActivation() == nn::Activation::SwiGLU) {
    outputsName = "outputs";
    problem.dimensions.push_back({outputsName, outputs, 1});
  }
  auto add = [&](StringRef name, Value value, std::vector<std::string> dimensions) {
    if (!value)
      return;
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    problem.operands.push_back(getOperand(op, problem, name, getName(element), dimensions));
  };
  add("bias", op.getBias(), inBatch(problem, {"N"}));
  add("row_scale", op.getRowScale(), inBatch(problem, {"M"}));
  add("column_scale", op.getColumnScale(), inBatch(problem, {"N"}));
  add("residual", op.getResidual(), inBatch(problem, {"M", outputsName}));
  if (op.getOutScale())
    problem.dimensions.push_back({"ones", 1, 1});
  add("out_scale", op.getOutScale(), {"ones"});
  add("y", op.getY(), inBatch(problem, {"M", outputsName}));
  problem.attributes["activation"] = nn::stringifyActivation(op.getActivation()).str();
}

/// M as the op and its problem have it.
template <typename Op> static problem::Dimension getRows(Op op) {
  auto x = cast<RankedTensorType>(op.getX().getType());
  problem::Dimension rows{"M", getStatic(x.getShape().take_back(2)[0]), 1};
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
  if (w.hasBatch())
    problem.dimensions.push_back({"B", w.getBatch()});
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
  auto add = [&](StringRef name, std::string dtype, std::vector<std::string> dimensions,
                 bool isPacked = true) {
    problem.operands.push_back(
        getOperand(op, problem, name, std::move(dtype), std::move(dimensions), isPacked));
  };
  scaleDimensions = inBatch(problem, scaleDimensions);
  add("x", getName(x.getElementType()), inBatch(problem, {"M", "K"}), /*isPacked=*/false);
  add("w", "u32", inBatch(problem, wDimensions));
  add("scales", format.getScale().str(), scaleDimensions);
  if (format.hasZeros())
    add("zeros", format.getZeroType().str(), scaleDimensions);
  if (format.getTensorScale()) {
    problem.dimensions.push_back({"tensors", std::max<int64_t>(1, w.getBatch())});
    add("tensor_scale", "f32", {"tensors"}, /*isPacked=*/false);
  }
  if (format.getCodeFormat().isIndex()) {
    problem.dimensions.push_back({"entries", int64_t(1) << format.getBits(), 1});
    add("codebook", "u32", {"entries"});
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
  if (int64_t batch = op.getBatch())
    problem.dimensions.push_back({"B", batch, 1});
  std::vector<std::string> dimensions = {isTransposed ? "N" : "K", isTransposed ? "K" : "N"};
  problem.operands = {
      getOperand(op, problem, "x", getName(x.getElementType()), inBatch(problem, {"M", "K"})),
      getOperand(op, problem, "w", getName(w.getElementType()), inBatch(problem, dimensions))};
  problem.attributes = {{"layout", isTransposed ? "nk" : "kn"}};
  addEpilogue(op, problem);
  return problem;
}
