//===- BuildAttention.cpp - An attention problem as an nn program, and back ----===//
//
// Score and mask are regions, which a problem carries as MLIR text: the program is
// put together as text too, and parsed.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/NNModule.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace tilewright;

//===----------------------------------------------------------------------===//
// Problem to program
//===----------------------------------------------------------------------===//

/// The element type of a dtype, and back.
static constexpr std::pair<StringLiteral, StringLiteral> codeTypes[] = {
    {"e4m3", "f8E4M3FN"}, {"e5m2", "f8E5M2"}, {"u8", "ui8"}};

static std::string getElementText(StringRef dtype) {
  for (auto [name, type] : codeTypes)
    if (name == dtype)
      return type.str();
  return dtype.str();
}

/// "tensor<?x8xf32>" of an operand.
static std::string getType(const problem::Problem &problem, const problem::Operand &operand) {
  std::string text = "tensor<";
  for (const std::string &name : operand.dimensions) {
    const problem::Dimension *dimension = problem.findDimension(name);
    text += dimension && dimension->extent ? std::to_string(*dimension->extent) : "?";
    text += "x";
  }
  return text + getElementText(operand.dtype) + ">";
}

static llvm::Expected<std::string> getNumber(const problem::Problem &problem, StringRef name,
                                             StringRef fallback) {
  StringRef text = problem.getAttribute(name, fallback);
  double value;
  if (text.getAsDouble(value))
    return llvm::createStringError("expects a number as " + name + ", but got '" + text + "'");
  std::string number;
  llvm::raw_string_ostream(number) << llvm::format("%.9e", value);
  return number;
}

namespace {
/// The text of the function around the op.
class AttentionText {
public:
  explicit AttentionText(const problem::Problem &problem) : problem(problem) {}

  llvm::Expected<std::string> build() {
    for (StringRef name : {"q", "k", "o"})
      if (!problem.findOperand(name))
        return llvm::createStringError("expects operands q, k and o in an attention problem, "
                                       "but there is no " +
                                       name);
    auto scale = getNumber(problem, "scale", ""), softcap = getNumber(problem, "softcap", "0");
    if (!scale)
      return llvm::joinErrors(scale.takeError(), softcap.takeError());
    if (!softcap)
      return softcap.takeError();
    std::string v = problem.findOperand("v") ? "v" : "k"; // values may be columns of k
    std::string op = "nn.attention %q, %k, %" + v + sequences() + optional("lengths", "k_lengths") +
                     optional("pages", "page_table") + blocks() + factors() +
                     optional("key_scales", "k_scales") + optional("value_scales", "v_scales") +
                     optional("offset", "q_offset") + optional("alibi", "alibi_slopes") +
                     optional("sinks", "sinks") + captures() + " scale " + *scale + " softcap " +
                     *softcap;
    if (problem.getAttribute("causal") == "true")
      op += " causal";
    op += " window [" + problem.getAttribute("window", "-1,-1").str() + "] : " + type("q") + ", " +
          type("k") + ", " + type(v) + " -> " + results();
    for (StringRef region : {"score", "mask"})
      if (StringRef text = problem.getAttribute(region); !text.empty())
        op += (" " + region + " {\n" + text + "\n}").str();
    bool hasLse = problem.findOperand("lse");
    return "func.func @attention(" + arguments() + ") -> (" + results() + ") {\n%o" +
           (hasLse ? ", %lse" : "") + " = " + op + "\nreturn %o" + (hasLse ? ", %lse" : "") +
           " : " + results() + "\n}\n";
  }

private:
  std::string type(StringRef name) { return getType(problem, *problem.findOperand(name)); }
  std::string results() {
    return type("o") + (problem.findOperand("lse") ? ", " + type("lse") : "");
  }
  std::string optional(StringRef keyword, StringRef name) {
    if (!problem.findOperand(name))
      return "";
    return (" " + keyword + " %" + name + " : ").str() + type(name);
  }
  std::string sequences() {
    if (!problem.findOperand("q_starts"))
      return "";
    if (!problem.findOperand("k_starts"))
      return " sequences %q_starts : " + type("q_starts");
    return " sequences %q_starts, %k_starts : " + type("q_starts") + ", " + type("k_starts");
  }
  std::string blocks() {
    if (!problem.findOperand("block_counts") || !problem.findOperand("blocks"))
      return "";
    return " blocks %block_counts, %blocks of [" + problem.getAttribute("block_size").str() +
           "] : " + type("block_counts") + ", " + type("blocks");
  }
  std::string factors() {
    if (!problem.findOperand("k_factors") || !problem.findOperand("v_factors"))
      return "";
    return " factors %k_factors, %v_factors : " + type("k_factors") + ", " + type("v_factors");
  }
  std::string captures() {
    std::string names, types;
    for (const problem::Operand &operand : problem.operands)
      if (StringRef(operand.name).starts_with("capture")) {
        names += (names.empty() ? "%" : ", %") + operand.name;
        types += (types.empty() ? "" : ", ") + type(operand.name);
      }
    return names.empty() ? "" : " reads " + names + " : " + types;
  }
  std::string arguments() {
    std::string text;
    for (const problem::Operand &operand : problem.operands)
      if (operand.name != "o" && operand.name != "lse")
        text += (text.empty() ? "%" : ", %") + operand.name + ": " + type(operand.name);
    return text;
  }

  const problem::Problem &problem;
};
} // namespace

llvm::Error compile::buildAttention(ModuleOp module, const problem::Problem &problem,
                                    nn::ProblemAttr attr) {
  auto text = AttentionText(problem).build();
  if (!text)
    return text.takeError();
  std::string errors;
  OwningOpRef<ModuleOp> parsed;
  {
    ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
      errors += (errors.empty() ? "" : "\n") + diagnostic.str();
    });
    parsed = parseSourceString<ModuleOp>(*text, ParserConfig(module.getContext()), "attention");
  }
  if (!parsed)
    return llvm::createStringError("expects score and mask to be regions of nn.attention, but " +
                                   errors);
  parsed->walk([&](nn::AttentionOp op) { op.setProblemAttr(attr); });
  module.getBody()->getOperations().splice(module.getBody()->end(),
                                           parsed->getBody()->getOperations());
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Program to problem
//===----------------------------------------------------------------------===//

static std::string getName(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  for (auto [name, element] : codeTypes)
    if (element == text)
      return name.str();
  return text;
}

/// A region as text that does not depend on what stands around it: values are
/// numbered in order, ops are in generic form.
static std::string printRegion(Region &region) {
  if (region.empty())
    return "";
  std::string text;
  llvm::raw_string_ostream out(text);
  llvm::DenseMap<Value, std::string> names;
  out << "^bb0(";
  for (BlockArgument argument : region.getArguments()) {
    names[argument] = "%a" + std::to_string(argument.getArgNumber());
    out << (argument.getArgNumber() ? ", " : "") << names[argument] << ": " << argument.getType();
  }
  out << "):";
  unsigned next = 0;
  for (Operation &op : region.front()) {
    out << "\n";
    if (op.getNumResults() == 1) {
      names[op.getResult(0)] = "%" + std::to_string(next++);
      out << names[op.getResult(0)] << " = ";
    }
    out << "\"" << op.getName() << "\"(";
    llvm::interleaveComma(op.getOperands(), out, [&](Value value) { out << names[value]; });
    out << ")";
    if (Attribute properties = op.getPropertiesAsAttribute())
      out << " <" << properties << ">";
    out << " : (" << op.getOperandTypes() << ") -> (" << op.getResultTypes() << ")";
  }
  return text;
}

static std::string toText(const APFloat &value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.9g", value.convertToFloat());
  return text;
}

problem::Problem compile::getProblem(nn::AttentionOp op) {
  problem::Problem problem;
  problem.op = "attention";
  auto setExtent = [&](StringRef name, int64_t extent) {
    problem.dimensions.push_back(
        {name.str(), ShapedType::isDynamic(extent) ? std::nullopt : std::optional(extent)});
  };
  auto q = op.getTypeOf(op.getQ()), k = op.getTypeOf(op.getK());
  setExtent("B", q.getDimSize(0)), setExtent("Sq", q.getDimSize(1));
  if (op.getPageTable()) {
    setExtent("P", k.getDimSize(0)), setExtent("page", k.getDimSize(1));
    setExtent("pages", op.getTypeOf(op.getPageTable()).getDimSize(1));
  } else {
    setExtent("Sk", k.getDimSize(1));
  }
  setExtent("Hq", op.getQueryHeads());
  setExtent("Hkv", op.getKeyHeads()), setExtent("D", op.getHeadSize());
  setExtent("Dv", op.getValueSize());
  nn::ProblemAttr attr = op.getProblem().value_or(nn::ProblemAttr());
  if (attr)
    problem.indexWidth = attr.getIndex();
  auto add = [&](StringRef name, Value value, std::vector<std::string> dimensions) {
    if (!value)
      return;
    auto type = op.getTypeOf(value);
    problem::Operand operand{
        name.str(), getName(type.getElementType()), std::move(dimensions), {}, 16};
    auto layout = attr ? attr.findOperand(name) : nn::OperandAttr();
    if (layout)
      operand.alignment = layout.getAlignment();
    SmallVector<int64_t> strides = layout && !layout.getStrides().empty()
                                       ? SmallVector<int64_t>(layout.getStrides())
                                       : nn::getRowMajorStrides(type.getShape());
    if (name == "lse") // in a layout of its own: row-major
      strides.clear();
    for (int64_t stride : strides)
      operand.strides.push_back(ShapedType::isDynamic(stride) ? std::nullopt
                                                              : std::optional(stride));
    problem.operands.push_back(std::move(operand));
  };
  add("q", op.getQ(), {"B", "Sq", "Hq", "D"});
  std::string batches = "B";
  if (op.hasSequences()) {
    batches = "N";
    setExtent("starts", op.getTypeOf(op.getQStarts()).getDimSize(0));
    bool isPerSequence = op.getKLengths() || op.getQOffset() ||
                         (op.getAlibiSlopes() && op.getTypeOf(op.getAlibiSlopes()).getRank() == 2);
    if (isPerSequence)
      setExtent("N", op.getBatches());
  }
  std::vector<std::string> keys = {op.getKLengths() ? batches : "B", "Sk", "Hkv"};
  if (op.getPageTable())
    keys = {"P", "page", "Hkv"};
  bool hasFactors = bool(op.getKFactors());
  if (hasFactors) {
    setExtent("Rk", k.getDimSize(2));
    setExtent("Rv", op.getTypeOf(op.getV()).getDimSize(2));
  }
  for (auto [name, value, rank, size] :
       {std::tuple("k", op.getK(), "Rk", "D"), {"v", op.getV(), "Rv", "Dv"}}) {
    if (name[0] == 'v' && op.hasValuesInKeys())
      continue;
    std::vector<std::string> extents = keys;
    if (hasFactors)
      extents.back() = rank;
    int64_t codes = nn::getCodesPerElement(op.getTypeOf(value).getElementType());
    extents.push_back(codes == 1 ? size : std::string(size) + "4");
    if (codes != 1)
      setExtent(extents.back(), op.getTypeOf(value).getDimSize(3));
    add(name, value, extents);
  }
  for (auto [name, value, rank] :
       {std::tuple("k_factors", op.getKFactors(), "Rk"), {"v_factors", op.getVFactors(), "Rv"}}) {
    std::vector<std::string> extents = keys;
    extents.push_back(rank);
    add(name, value, extents);
  }
  add("q_starts", op.getQStarts(), {"starts"});
  add("k_starts", op.getKStarts(), {"starts"});
  add("k_lengths", op.getKLengths(), {batches});
  add("page_table", op.getPageTable(), {batches, "pages"});
  if (op.getBlocks()) {
    auto type = op.getTypeOf(op.getBlocks());
    const char *heads = type.getDimSize(1) == op.getKeyHeads() ? "Hkv" : "Hq";
    setExtent("Qb", type.getDimSize(2)), setExtent("Kb", type.getDimSize(3)), setExtent("kinds", 2);
    add("block_counts", op.getBlockCounts(), {"B", heads, "Qb", "kinds"});
    add("blocks", op.getBlocks(), {"B", heads, "Qb", "Kb"});
  }
  add("k_scales", op.getKScales(), keys);
  add("v_scales", op.getVScales(), keys);
  add("q_offset", op.getQOffset(), {batches});
  if (op.getAlibiSlopes() && op.getTypeOf(op.getAlibiSlopes()).getRank() == 2)
    add("alibi_slopes", op.getAlibiSlopes(), {batches, "Hq"});
  else
    add("alibi_slopes", op.getAlibiSlopes(), {"Hq"});
  add("sinks", op.getSinks(), {"Hq"});
  for (auto [i, capture] : llvm::enumerate(op.getCaptures())) {
    std::vector<std::string> extents;
    for (auto [axis, extent] : llvm::enumerate(op.getTypeOf(capture).getShape())) {
      extents.push_back("c" + std::to_string(i) + "d" + std::to_string(axis));
      setExtent(extents.back(), extent);
    }
    add("capture" + std::to_string(i), capture, extents);
  }
  add("lse", op.getLse(), {"B", "Hq", "Sq"});
  add("o", op.getO(), {"B", "Sq", "Hq", "Dv"});
  problem.attributes = {
      {"scale", toText(op.getScale())},
      {"softcap", toText(op.getSoftcap())},
      {"causal", op.getCausal() ? "true" : "false"},
      {"window", std::to_string(op.getWindow()[0]) + "," + std::to_string(op.getWindow()[1])}};
  if (auto size = op.getBlockSize())
    problem.attributes["block_size"] =
        std::to_string((*size)[0]) + "," + std::to_string((*size)[1]);
  for (auto [name, region] : {std::pair("score", &op.getScore()), {"mask", &op.getMask()}})
    if (std::string text = printRegion(*region); !text.empty())
      problem.attributes[name] = text;
  return problem;
}
