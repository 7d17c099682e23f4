//===- NNAttributes.cpp - Attributes and types of the `nn` dialect ----------===//
//
// Printing, parsing and verification of formats, problems and packed weights.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nn;

//===----------------------------------------------------------------------===//
// Extents: integers or `?`
//===----------------------------------------------------------------------===//

static ParseResult parseExtent(AsmParser &parser, int64_t &extent) {
  if (succeeded(parser.parseOptionalQuestion())) {
    extent = ShapedType::kDynamic;
    return success();
  }
  return parser.parseInteger(extent);
}

static void printExtent(AsmPrinter &printer, int64_t extent) {
  if (ShapedType::isDynamic(extent))
    printer << "?";
  else
    printer << extent;
}

static ParseResult parseExtents(AsmParser &parser, SmallVector<int64_t> &extents) {
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::Square, [&] { return parseExtent(parser, extents.emplace_back()); });
}

static void printExtents(AsmPrinter &printer, ArrayRef<int64_t> extents) {
  printer << "[";
  llvm::interleaveComma(extents, printer, [&](int64_t extent) { printExtent(printer, extent); });
  printer << "]";
}

#include "dialects/NN/NNEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/NN/NNAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/NN/NNTypes.cpp.inc"

void NNDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/NN/NNAttributes.cpp.inc"
      >();
}

void NNDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/NN/NNTypes.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// QFormatAttr
//===----------------------------------------------------------------------===//

const format::Format &QFormatAttr::getCodeFormat() const { return format::get(getCode()); }

LogicalResult QFormatAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                  StringRef code, format::Granularity granularity, StringRef scale,
                                  ZeroPoint zero, StringRef zeroType, bool) {
  auto format = format::parse(code);
  if (!format)
    return emitError() << llvm::toString(format.takeError());
  if (!format->isWeight())
    return emitError() << "expects codes of " << format::weightNames << ", but got " << code;
  if (!format::canHave(*format, format::Zero(unsigned(zero))))
    return emitError() << "expects zero points of integer codes only, or offsets of nested ones, "
                          "but got "
                       << code << " with zero = " << stringifyZeroPoint(zero);
  if (auto error = granularity.verify())
    return emitError() << llvm::toString(std::move(error));
  if (!llvm::is_contained(format::getScaleNames(), scale))
    return emitError() << "expects scale to be one of " << llvm::join(format::getScaleNames(), ", ")
                       << ", but got " << scale;
  if (format::isFloat(format::Zero(unsigned(zero))) &&
      !llvm::is_contained(format::getFloatZeroNames(), zeroType))
    return emitError() << "expects zero points of kind " << stringifyZeroPoint(zero)
                       << " to be one of " << llvm::join(format::getFloatZeroNames(), ", ")
                       << ", but got " << zeroType;
  return success();
}

/// `channel`, `tensor`, `128` or `128x64`, which the lexer takes for a number
/// and a name.
static FailureOr<format::Granularity> parseGranularity(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  std::string text;
  StringRef name;
  int64_t rows;
  OptionalParseResult number = parser.parseOptionalInteger(rows);
  if (number.has_value()) {
    if (failed(*number))
      return failure();
    text = std::to_string(rows);
  }
  if (succeeded(parser.parseOptionalKeyword(&name)))
    text += name;
  auto granularity = format::Granularity::parse(text);
  if (!granularity)
    return parser.emitError(loc) << llvm::toString(granularity.takeError());
  return *granularity;
}

/// `= float : f16` after `zero`.
static ParseResult parseZero(AsmParser &parser, ZeroPoint &zero, StringRef &type) {
  StringRef kind;
  SMLoc loc;
  if (parser.parseEqual() || parser.getCurrentLocation(&loc) || parser.parseKeyword(&kind))
    return failure();
  auto parsed = symbolizeZeroPoint(kind);
  if (!parsed)
    return parser.emitError(loc)
           << "expects zero point kind none, integer, float or offset, but got " << kind;
  zero = *parsed;
  if (format::isFloat(format::Zero(unsigned(zero))))
    return failure(parser.parseColon() || parser.parseKeyword(&type));
  return success();
}

/// `<u4, group = 128, scale = f16, zero = integer, tensor_scale>`
Attribute QFormatAttr::parse(AsmParser &parser, Type) {
  StringRef name, scale, zeroType;
  SMLoc nameLoc;
  if (parser.parseLess() || parser.getCurrentLocation(&nameLoc) || parser.parseKeyword(&name))
    return {};
  auto code = format::parse(name);
  if (!code) {
    parser.emitError(nameLoc) << llvm::toString(code.takeError());
    return {};
  }
  if (parser.parseComma() || parser.parseKeyword("group") || parser.parseEqual())
    return {};
  FailureOr<format::Granularity> granularity = parseGranularity(parser);
  if (failed(granularity) || parser.parseComma() || parser.parseKeyword("scale") ||
      parser.parseEqual() || parser.parseKeyword(&scale))
    return {};
  ZeroPoint zero = ZeroPoint::None;
  bool tensorScale = false;
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("zero"))) {
      if (parseZero(parser, zero, zeroType))
        return {};
    } else {
      if (parser.parseKeyword("tensor_scale"))
        return {};
      tensorScale = true;
    }
  }
  if (parser.parseGreater())
    return {};
  if (zero == ZeroPoint::Integer)
    zeroType = "u8";
  return parser.getChecked<QFormatAttr>(nameLoc, parser.getContext(), StringRef(code->name),
                                        *granularity, scale, zero, zeroType, tensorScale);
}

void QFormatAttr::print(AsmPrinter &printer) const {
  printer << "<" << getCode() << ", group = " << getGranularity().str()
          << ", scale = " << getScale();
  if (hasZeros())
    printer << ", zero = " << stringifyZeroPoint(getZero());
  if (hasFloatZeros())
    printer << " : " << getZeroType();
  if (getTensorScale())
    printer << ", tensor_scale";
  printer << ">";
}

//===----------------------------------------------------------------------===//
// Problems
//===----------------------------------------------------------------------===//

LogicalResult OperandAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                  StringRef name, ArrayRef<int64_t> strides, unsigned alignment) {
  if (!llvm::isPowerOf2_32(alignment) || alignment > 16)
    return emitError() << "expects alignment of operand '" << name
                       << "' to be 1, 2, 4, 8 or 16 bytes, but got " << alignment;
  return success();
}

LogicalResult ProblemAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<DimensionAttr> dims, ArrayRef<OperandAttr> operands,
                                  unsigned index) {
  if (index != 32 && index != 64)
    return emitError() << "expects index arithmetic of 32 or 64 bits, but got " << index;
  return success();
}

DimensionAttr ProblemAttr::findDim(StringRef name) const {
  auto it = llvm::find_if(getDims(), [&](DimensionAttr dim) { return dim.getName() == name; });
  return it == getDims().end() ? DimensionAttr() : *it;
}

OperandAttr ProblemAttr::findOperand(StringRef name) const {
  auto it =
      llvm::find_if(getOperands(), [&](OperandAttr operand) { return operand.getName() == name; });
  return it == getOperands().end() ? OperandAttr() : *it;
}

//===----------------------------------------------------------------------===//
// QuantizedType
//===----------------------------------------------------------------------===//

LogicalResult QuantizedType::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t k,
                                    int64_t n, QFormatAttr format, int64_t batch) {
  if (k < 1 || n < 1)
    return emitError() << "expects positive K and N, but got " << k << "x" << n;
  if (batch < 0)
    return emitError() << "expects a batch of at least one matrix, but got " << batch;
  if (batch > 0 && format.getCodeFormat().isNested())
    return emitError() << "expects a batch of codes that are not nested, but got "
                       << format.getCode();
  return success();
}

Type QuantizedType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  SMLoc loc;
  QFormatAttr format;
  if (parser.parseLess() || parser.getCurrentLocation(&loc) ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false, /*withTrailingX=*/false) ||
      parser.parseComma() || parser.parseAttribute(format) || parser.parseGreater())
    return {};
  if (shape.size() != 2 && shape.size() != 3) {
    parser.emitError(loc) << "expects a KxN or BxKxN shape, but got " << shape.size()
                          << " dimensions";
    return {};
  }
  if (shape.size() == 3 && shape[0] < 1) {
    parser.emitError(loc) << "expects a batch of at least one matrix, but got " << shape[0];
    return {};
  }
  int64_t batch = shape.size() == 3 ? shape[0] : 0;
  ArrayRef<int64_t> matrix = ArrayRef(shape).take_back(2);
  return parser.getChecked<QuantizedType>(loc, parser.getContext(), matrix[0], matrix[1], format,
                                          batch);
}

void QuantizedType::print(AsmPrinter &printer) const {
  printer << "<";
  if (hasBatch())
    printer << getBatch() << "x";
  printer << getK() << "x" << getN() << ", " << getFormat() << ">";
}
