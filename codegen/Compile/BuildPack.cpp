//===- BuildPack.cpp - pack as an nn program, and back --------------------------===//
//
// See NNModule.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/NNModule.h"
#include "dialects/Support/Layout/PackedForm.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace tilewright;

llvm::Error compile::buildPack(ModuleOp module, const problem::Problem &problem,
                               nn::ProblemAttr attr) {
  OpBuilder builder(module.getBodyRegion());
  Location loc = builder.getUnknownLoc();
  const problem::Dimension *n = problem.findDimension("N"), *k = problem.findDimension("K");
  unsigned bits = 0;
  if (!n || !k || !n->extent || !k->extent || problem.getAttribute("bits").getAsInteger(10, bits))
    return llvm::createStringError(
        "expects static dimensions N and K and a number of bits in a pack problem");
  auto form = layout::PackedForm::parse(bits, problem.getAttribute("storage"),
                                        problem.getAttribute("activations"));
  if (!form)
    return form.takeError();
  Type words =
      RankedTensorType::get(form->getMatrixShape(*k->extent, *n->extent), builder.getI32Type());
  bool isAlongN = problem.getAttribute("layout") == "kn";
  SmallVector<int64_t> shape = {*n->extent, *k->extent};
  if (isAlongN)
    std::swap(shape[0], shape[1]);
  Type codes = RankedTensorType::get(shape, builder.getI8Type());
  auto function =
      func::FuncOp::create(builder, loc, problem.op, builder.getFunctionType({codes}, {words}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  auto op = nn::PackOp::create(builder, loc, words, function.getArgument(0), bits,
                               layout::getName(form->storage), layout::getName(form->activations),
                               isAlongN, attr, tile::ScheduleAttr());
  func::ReturnOp::create(builder, loc, op.getWords());
  return llvm::Error::success();
}

problem::Problem compile::getProblem(nn::PackOp op) {
  problem::Problem problem;
  problem.op = "pack";
  nn::ProblemAttr attr = op.getProblem().value_or(nn::ProblemAttr());
  if (attr)
    problem.indexWidth = attr.getIndex();
  problem.dimensions = {{"N", op.getN()}, {"K", op.getK()}};
  auto words = cast<RankedTensorType>(op.getWords().getType());
  std::vector<std::string> names = {"strips", "blocks", "words"};
  if (words.getRank() == 4)
    names.insert(names.begin(), "planes");
  for (auto [name, extent] : llvm::zip_equal(names, words.getShape()))
    problem.dimensions.push_back({name, extent});
  problem.attributes = {{"bits", std::to_string(op.getBits())},
                        {"storage", op.getStorage().str()},
                        {"activations", op.getActivations().str()},
                        {"layout", op.getAlongN() ? "kn" : "nk"}};
  auto add = [&](StringRef name, StringRef dtype, std::vector<std::string> dimensions,
                 RankedTensorType type) {
    problem::Operand operand{name.str(), dtype.str(), std::move(dimensions), {}, 16};
    auto layout = attr ? attr.findOperand(name) : nn::OperandAttr();
    if (layout)
      operand.alignment = layout.getAlignment();
    SmallVector<int64_t> strides = layout && !layout.getStrides().empty()
                                       ? SmallVector<int64_t>(layout.getStrides())
                                       : nn::getRowMajorStrides(type.getShape());
    for (int64_t stride : strides)
      operand.strides.push_back(ShapedType::isDynamic(stride) ? std::nullopt
                                                              : std::optional(stride));
    problem.operands.push_back(std::move(operand));
  };
  std::vector<std::string> axes = {"N", "K"};
  if (op.getAlongN())
    std::swap(axes[0], axes[1]);
  add("codes", "u8", axes, cast<RankedTensorType>(op.getCodes().getType()));
  add("words", "u32", names, words);
  return problem;
}
