//===- NNAttention.cpp - The constraints of attention -------------------------===//
//
// Each check cites the constraint of NNOps.td that it enforces.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace tilewright::nn;

static constexpr int64_t maxHeadSize = 576, maxValueSize = 512;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static bool isHalf(Type type) { return type.isF16() || type.isBF16(); }
static bool isScalar(Type type) { return type.isF32() || type.isInteger(32) || type.isInteger(1); }

SmallVector<int64_t> tilewright::nn::getRowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    if (ShapedType::isDynamic(stride) || ShapedType::isDynamic(shape[axis]))
      stride = ShapedType::kDynamic;
    else
      stride *= shape[axis];
  }
  return strides;
}

//===----------------------------------------------------------------------===//
// Operands and results
//===----------------------------------------------------------------------===//

static LogicalResult verifyOperand(AttentionOp op, StringRef name, RankedTensorType type,
                                   int64_t maxSize) {
  bool mayBeCodes = name != "q";
  if (type.getRank() != 4 ||
      !(isHalf(type.getElementType()) || (mayBeCodes && isCacheCode(type.getElementType()))) ||
      type.isDynamicDim(2) || type.isDynamicDim(3)) // C1
    return op.emitOpError() << "expects " << name
                            << " to be a tensor of f16 or bf16, batch x length x heads x head size "
                               "with static heads and head size, but got "
                            << type;
  int64_t size = type.getDimSize(3) * getCodesPerElement(type.getElementType());
  if (size < 8 || size > maxSize || size % 8 != 0) // C3
    return op.emitOpError() << "expects the head size of " << name
                            << " to be a multiple of 8 from 8 to " << maxSize << ", but got "
                            << size;
  return success();
}

/// Columns of a head, codes counted.
static int64_t getColumns(RankedTensorType type) {
  return type.getDimSize(3) * getCodesPerElement(type.getElementType());
}

/// C2 and the dtypes of C1: how q, k and v fit each other.
static LogicalResult verifyFit(AttentionOp op) {
  RankedTensorType q = tensorOf(op.getQ()), k = tensorOf(op.getK()), v = tensorOf(op.getV());
  auto fits = [&](Type element) { return element == q.getElementType() || isCacheCode(element); };
  if (!fits(k.getElementType()) || !fits(v.getElementType())) // C1
    return op.emitOpError() << "expects k and v to have the dtype of q, but got " << q << ", " << k
                            << ", " << v;
  bool hasBatchOfQ = op.getKLengths() || k.getDimSize(0) == q.getDimSize(0);
  if (!hasBatchOfQ || getColumns(k) != q.getDimSize(3)) // C2
    return op.emitOpError() << "expects k to have the batch and head size of q, but got " << k
                            << " for " << q;
  unsigned common = op.getKFactors() ? 2 : 3;                             // ranks may differ
  if (v.getShape().take_front(common) != k.getShape().take_front(common)) // C2
    return op.emitOpError() << "expects v to have the batch, length and heads of k, but got " << v
                            << " for " << k;
  int64_t heads = q.getDimSize(2), keyHeads = op.getKeyHeads();
  if (keyHeads < 1 || heads < 1 || heads % keyHeads != 0) // C2
    return op.emitOpError() << "expects the heads of q to be a multiple of those of k, but got "
                            << heads << " and " << keyHeads;
  return success();
}

static LogicalResult verifyType(AttentionOp op, StringRef name, Value value,
                                RankedTensorType expected) {
  if (!value || value.getType() == expected)
    return success();
  return op.emitOpError() << "expects " << name << " of type " << expected << ", but got "
                          << value.getType();
}

static LogicalResult verifySequences(AttentionOp op, int64_t batch) { // C14
  if (!op.getQStarts() && !op.getKStarts())
    return success();
  if (!op.getQStarts() || (!op.getKStarts() && !op.getKLengths()))
    return op.emitOpError() << "expects q_starts and k_starts, but got only one of them";
  RankedTensorType starts = tensorOf(op.getQStarts());
  Type keyStarts = op.getKStarts() ? op.getKStarts().getType() : starts;
  if (starts.getRank() != 1 || !starts.getElementType().isInteger(32) || starts != keyStarts)
    return op.emitOpError() << "expects q_starts and k_starts of i32 and one length, but got "
                            << starts << " and " << keyStarts;
  if (batch != 1)
    return op.emitOpError() << "expects sequences in a batch of 1, but got " << op.getQ().getType();
  return success();
}

/// C15 and C16: lengths and pages of caches.
static LogicalResult verifyCaches(AttentionOp op) {
  if (!op.getKLengths()) {
    if (!op.getPageTable())
      return success();
    return op.emitOpError() << "expects k_lengths with page_table, but got none"; // C16
  }
  if (op.getKStarts())
    return op.emitOpError() << "expects k_lengths or k_starts, but got both"; // C15
  Type i32 = IntegerType::get(op.getContext(), 32);
  int64_t batches = op.getBatches();
  RankedTensorType k = tensorOf(op.getK());
  if (failed(verifyType(op, "k_lengths", op.getKLengths(),
                        RankedTensorType::get({batches}, i32)))) // C15
    return failure();
  if (!op.getPageTable()) {
    if (k.getDimSize(0) != batches) // C15
      return op.emitOpError() << "expects k to have a batch for each of k_lengths, but got " << k
                              << " and " << op.getKLengths().getType();
    return success();
  }
  RankedTensorType table = tensorOf(op.getPageTable());
  if (table.getRank() != 2 || table.getDimSize(0) != batches ||
      table.getElementType() != i32) // C16
    return op.emitOpError() << "expects page_table to be i32, a row for each of k_lengths, but got "
                            << table << " and " << op.getKLengths().getType();
  if (k.isDynamicDim(1) || k.getDimSize(1) < 1) // C16
    return op.emitOpError() << "expects pages of a static size in k, but got " << k;
  return success();
}

/// C18: factors of k and v.
static LogicalResult verifyFactors(AttentionOp op) {
  if (!op.getKFactors() && !op.getVFactors())
    return success();
  if (!op.getKFactors() || !op.getVFactors() || op.getPageTable())
    return op.emitOpError()
           << "expects k_factors and v_factors together, and no page_table with them";
  Type element = tensorOf(op.getQ()).getElementType();
  if (tensorOf(op.getK()).getElementType() != element ||
      tensorOf(op.getV()).getElementType() != element)
    return op.emitOpError() << "expects k and v of the dtype of q with k_factors, but got "
                            << op.getK().getType() << " and " << op.getV().getType();
  constexpr int64_t maxRank = 16;
  for (auto [name, factors, rows] : {std::tuple("k_factors", op.getKFactors(), op.getK()),
                                     {"v_factors", op.getVFactors(), op.getV()}}) {
    RankedTensorType type = tensorOf(factors), of = tensorOf(rows);
    int64_t rank = of.getDimSize(2);
    auto expected = RankedTensorType::get(
        {of.getDimSize(0), of.getDimSize(1), op.getKeyHeads(), rank}, of.getElementType());
    if (type != expected || rank < 1 || rank > maxRank)
      return op.emitOpError() << "expects " << name << " of type " << expected
                              << " with a rank of 1 to " << maxRank << ", but got " << type;
  }
  return success();
}

/// C17: lists of blocks.
static LogicalResult verifyBlocks(AttentionOp op) {
  if (!op.getBlockCounts() && !op.getBlocks() && !op.getBlockSize())
    return success();
  if (!op.getBlockCounts() || !op.getBlocks() || !op.getBlockSize() || op.hasSequences())
    return op.emitOpError() << "expects block_counts, blocks and block_size together, and no "
                               "sequences with them";
  ArrayRef<int64_t> size = *op.getBlockSize();
  if (size.size() != 2 || size[0] < 1 || size[1] < 1)
    return op.emitOpError() << "expects block_size to be rows and keys, at least 1 each, but got ["
                            << size << "]";
  RankedTensorType counts = tensorOf(op.getBlockCounts()), blocks = tensorOf(op.getBlocks());
  auto isList = [&](RankedTensorType type) {
    return type.getRank() == 4 && type.getElementType().isInteger(32) &&
           type.getDimSize(0) == tensorOf(op.getQ()).getDimSize(0) &&
           (type.getDimSize(1) == op.getQueryHeads() || type.getDimSize(1) == op.getKeyHeads());
  };
  if (!isList(counts) || !isList(blocks) || counts.getDimSize(3) != 2 ||
      counts.getShape().take_front(3) != blocks.getShape().take_front(3))
    return op.emitOpError() << "expects block_counts and blocks to be i32, batch x heads of q or k "
                               "x blocks of rows x 2 and x entries, but got "
                            << counts << " and " << blocks;
  return success();
}

static LogicalResult verifyScales(AttentionOp op) { // C19
  auto typeOf = [](Value value) { return value ? tensorOf(value) : RankedTensorType(); };
  if (failed(verifyCacheScales(op, "k_scales", tensorOf(op.getK()), typeOf(op.getKScales()))))
    return failure();
  return verifyCacheScales(op, "v_scales", tensorOf(op.getV()), typeOf(op.getVScales()));
}

/// C8 and C11: what else the op reads.
static LogicalResult verifyVectors(AttentionOp op, int64_t heads) {
  int64_t batch = op.getBatches();
  Type f32 = Float32Type::get(op.getContext()), i32 = IntegerType::get(op.getContext(), 32);
  auto slopes = RankedTensorType::get({heads}, f32);
  if (op.getAlibiSlopes() && tensorOf(op.getAlibiSlopes()).getRank() == 2)
    slopes = RankedTensorType::get({batch, heads}, f32);
  if (failed(
          verifyType(op, "q_offset", op.getQOffset(), RankedTensorType::get({batch}, i32))) || // C8
      failed(verifyType(op, "alibi_slopes", op.getAlibiSlopes(), slopes)) ||                   // C8
      failed(verifyType(op, "sinks", op.getSinks(), RankedTensorType::get({heads}, f32))))     // C8
    return failure();
  for (Value capture : op.getCaptures()) { // C11
    RankedTensorType type = tensorOf(capture);
    Type element = type.getElementType();
    if (type.getRank() < 1 || type.getRank() > 4 ||
        !(isHalf(element) || element.isF32() || element.isInteger(32)))
      return op.emitOpError()
             << "expects captures of rank 1 to 4 of f16, bf16, f32 or i32, but got " << type;
  }
  return success();
}

static LogicalResult verifyProblem(AttentionOp op, ProblemAttr problem) {
  for (StringRef name : {"q", "k", "v", "o"}) { // C13
    OperandAttr operand = problem.findOperand(name);
    if (!operand || operand.getStrides().empty())
      continue;
    if (operand.getStrides().size() != 4 || operand.getStrides().back() != 1)
      return op.emitOpError() << "expects four strides of " << name
                              << " with contiguous elements of a head (1) in the problem, but got "
                              << operand;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// C10: what a region may hold.
static LogicalResult verifyScalarOp(Operation &op, StringRef name) {
  if (isa<ElementOp>(op))
    return success();
  auto fail = [&]() -> LogicalResult {
    return op.emitOpError() << "is not supported in the " << name
                            << " region; expects elementwise arith and math operations on f32, "
                               "i32 and i1, constants, and nn.element";
  };
  bool isArithmetic = isa_and_nonnull<arith::ArithDialect, math::MathDialect>(op.getDialect());
  bool isConstant = isa<arith::ConstantOp>(op);
  if (!isArithmetic || op.getNumRegions() != 0 || op.getNumResults() != 1 ||
      !(isConstant || op.hasTrait<OpTrait::Elementwise>()))
    return fail();
  for (Value operand : op.getOperands())
    if (operand.getParentBlock() != op.getBlock())
      return op.emitOpError() << "expects values of the " << name
                              << " region itself; tensors outside are read by nn.element";
  if (!llvm::all_of(op.getOperandTypes(), isScalar) || !isScalar(op.getResult(0).getType()))
    return fail();
  return success();
}

static LogicalResult verifyRegion(AttentionOp op, Region &region, StringRef name,
                                  ArrayRef<Type> arguments, Type result) {
  if (region.empty())
    return success();
  auto describe = [](TypeRange types) {
    std::string text;
    llvm::raw_string_ostream(text) << "(" << types << ")";
    return text;
  };
  if (!region.hasOneBlock() || TypeRange(region.getArgumentTypes()) != TypeRange(arguments)) // C9
    return op.emitOpError() << "expects the " << name << " region to be one block with arguments "
                            << describe(arguments) << ", but got "
                            << describe(region.getArgumentTypes());
  auto yield = region.front().empty() ? YieldOp() : dyn_cast<YieldOp>(region.front().back());
  if (!yield || yield.getValue().getType() != result) // C9
    return op.emitOpError() << "expects the " << name << " region to yield " << result;
  for (Operation &inner : region.front().without_terminator())
    if (failed(verifyScalarOp(inner, name)))
      return failure();
  return success();
}

LogicalResult ElementOp::verify() {
  auto attention = cast<AttentionOp>((*this)->getParentOp());
  int64_t number = getCaptureAttr().getInt(), count = attention.getCaptures().size();
  if (number >= count) // C1
    return emitOpError() << "expects the number of one of " << count << " captures, but got "
                         << number;
  RankedTensorType type = tensorOf(attention.getCaptures()[number]);
  if (getResult().getType().isInteger(32) != type.getElementType().isInteger(32)) // C1
    return emitOpError() << "expects i32 of a tensor of i32 and f32 of others, but got "
                         << getResult().getType() << " of " << type;
  if (int64_t(getIndices().size()) != type.getRank()) // C2
    return emitOpError() << "expects " << type.getRank() << " indices of " << type << ", but got "
                         << getIndices().size();
  Block *block = getOperation()->getBlock();
  unsigned first = block->getNumArguments() - std::min(4u, block->getNumArguments());
  for (Value index : getIndices()) { // C2
    auto argument = dyn_cast<BlockArgument>(index);
    if (!argument || argument.getOwner() != block || argument.getArgNumber() < first)
      return emitOpError() << "expects indices to be the region's batch, head, query and key, each "
                              "at most once and in this order";
    first = argument.getArgNumber() + 1;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The op
//===----------------------------------------------------------------------===//

int64_t AttentionOp::getBatches() {
  if (!hasSequences())
    return tensorOf(getQ()).getDimSize(0);
  int64_t starts = tensorOf(getQStarts()).getDimSize(0);
  return ShapedType::isDynamic(starts) ? starts : starts - 1;
}

bool AttentionOp::hasValuesInKeys() {
  return getV() == getK() && !getKFactors() && isHalf(tensorOf(getK()).getElementType());
}

/// C4: the head size that `o` has to have.
static FailureOr<int64_t> findValueSize(AttentionOp op) {
  int64_t size = getColumns(tensorOf(op.getV()));
  if (!op.hasValuesInKeys() || tensorOf(op.getO()).getRank() != 4)
    return size;
  int64_t wanted = op.getValueSize(), most = std::min(size, maxValueSize);
  if (wanted < 8 || wanted > most || wanted % 8 != 0)
    return op.emitOpError() << "expects the head size of o to be a multiple of 8 from 8 to " << most
                            << " where v is k, but got " << wanted;
  return wanted;
}

LogicalResult AttentionOp::verify() {
  if (getKFactors() && tensorOf(getKFactors()).getRank() != 4) // C18
    return emitOpError() << "expects k_factors of rank 4, but got " << getKFactors().getType();
  for (auto [name, value, maxSize] :
       {std::tuple("q", getQ(), maxHeadSize),
        {"k", getK(), maxHeadSize},
        {"v", getV(), hasValuesInKeys() ? maxHeadSize : maxValueSize}})
    if (failed(verifyOperand(*this, name, tensorOf(value), maxSize)))
      return failure();
  if (failed(verifyFit(*this)))
    return failure();
  RankedTensorType q = tensorOf(getQ());
  int64_t batch = q.getDimSize(0), length = q.getDimSize(1), heads = getQueryHeads();
  auto f32 = Float32Type::get(getContext());
  Type i32 = IntegerType::get(getContext(), 32), i1 = IntegerType::get(getContext(), 1);
  FailureOr<int64_t> valueSize = findValueSize(*this);
  if (failed(valueSize))
    return failure();
  auto expected = RankedTensorType::get({batch, length, heads, *valueSize}, q.getElementType());
  if (failed(verifyType(*this, "o", getO(), expected)) || // C4
      failed(verifyType(*this, "lse", getLse(),
                        RankedTensorType::get({batch, heads, length}, f32)))) // C5
    return failure();
  float scale = getScale().convertToFloat();
  if (!std::isfinite(scale) || scale <= 0) // C6
    return emitOpError() << "expects scale to be finite and greater than zero, but got " << scale;
  float softcap = getSoftcap().convertToFloat();
  if (!std::isfinite(softcap) || softcap < 0) // C6
    return emitOpError() << "expects softcap to be finite and at least zero, but got " << softcap;
  constexpr int64_t maxWindow = int64_t(1) << 30;
  auto isWindow = [](int64_t w) { return w >= -1 && w <= maxWindow; };
  if (getWindow().size() != 2 || !llvm::all_of(getWindow(), isWindow)) // C7
    return emitOpError() << "expects window to be two numbers from -1 (unbounded) to " << maxWindow
                         << ", but got [" << getWindow() << "]";
  if (failed(verifySequences(*this, batch)) || failed(verifyCaches(*this)) ||
      failed(verifyBlocks(*this)) || failed(verifyFactors(*this)) || failed(verifyScales(*this)) ||
      failed(verifyVectors(*this, heads)))
    return failure();
  if (failed(verifyRegion(*this, getScore(), "score", {f32, i32, i32, i32, i32}, f32)) ||
      failed(verifyRegion(*this, getMask(), "mask", {i32, i32, i32, i32}, i1)))
    return failure();
  if (getSchedule() && getSchedule()->getFamily() != "attention") // C12
    return emitOpError() << "expects a schedule of family \"attention\", but got \""
                         << getSchedule()->getFamily() << "\"";
  return getProblem() ? verifyProblem(*this, *getProblem()) : success();
}
