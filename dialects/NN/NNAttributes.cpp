//===- NNAttributes.cpp - Attributes and types of the `nn` dialect ----------===//
//
// Printing, parsing and verification of formats, problems and packed weights.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
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
                                  StringRef code, int64_t group, Type scale, ZeroPoint zero) {
  auto format = format::parse(code);
  if (!format)
    return emitError() << llvm::toString(format.takeError());
  if (!format->isWeight())
    return emitError() << "expects codes of " << format::weightNames << ", but got " << code;
  if (!format->isInteger() && zero != ZeroPoint::None)
    return emitError() << "expects zero points of integer codes only, but got " << code
                       << " with zero = " << stringifyZeroPoint(zero);
  if (group < 0 || group % 16 != 0)
    return emitError() << "expects group to be a positive multiple of 16 or 'channel', but got "
                       << group;
  if (!scale.isF16() && !scale.isBF16())
    return emitError() << "expects scale type f16 or bf16, but got " << scale;
  return success();
}

/// `<u4, group = 128, scale = f16, zero = integer>`
Attribute QFormatAttr::parse(AsmParser &parser, Type) {
  StringRef name;
  SMLoc nameLoc;
  if (parser.parseLess() || parser.getCurrentLocation(&nameLoc) || parser.parseKeyword(&name))
    return {};
  auto code = format::parse(name);
  if (!code) {
    parser.emitError(nameLoc) << llvm::toString(code.takeError());
    return {};
  }
  int64_t group = 0;
  Type scale;
  ZeroPoint zero = ZeroPoint::None;
  if (parser.parseComma() || parser.parseKeyword("group") || parser.parseEqual())
    return {};
  if (failed(parser.parseOptionalKeyword("channel"))) {
    SMLoc groupLoc = parser.getCurrentLocation();
    if (parser.parseInteger(group))
      return {};
    if (group == 0) {
      parser.emitError(groupLoc) << "expects group to be positive, but got 0; one group for all "
                                    "of K is spelled 'channel'";
      return {};
    }
  }
  if (parser.parseComma() || parser.parseKeyword("scale") || parser.parseEqual() ||
      parser.parseType(scale))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    StringRef kind;
    SMLoc kindLoc;
    if (parser.parseKeyword("zero") || parser.parseEqual() || parser.getCurrentLocation(&kindLoc) ||
        parser.parseKeyword(&kind))
      return {};
    auto parsed = symbolizeZeroPoint(kind);
    if (!parsed) {
      parser.emitError(kindLoc) << "expects zero point kind none or integer, but got " << kind;
      return {};
    }
    zero = *parsed;
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<QFormatAttr>(nameLoc, parser.getContext(), StringRef(code->name), group,
                                        scale, zero);
}

void QFormatAttr::print(AsmPrinter &printer) const {
  printer << "<" << getCode() << ", group = ";
  if (isChannel())
    printer << "channel";
  else
    printer << getGroup();
  printer << ", scale = " << getScale();
  if (getZero() != ZeroPoint::None)
    printer << ", zero = " << stringifyZeroPoint(getZero());
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
                                    int64_t n, QFormatAttr format) {
  if (k < 1 || n < 1)
    return emitError() << "expects positive K and N, but got " << k << "x" << n;
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
  if (shape.size() != 2) {
    parser.emitError(loc) << "expects a KxN shape, but got " << shape.size() << " dimensions";
    return {};
  }
  return parser.getChecked<QuantizedType>(loc, parser.getContext(), shape[0], shape[1], format);
}

void QuantizedType::print(AsmPrinter &printer) const {
  printer << "<" << getK() << "x" << getN() << ", " << getFormat() << ">";
}
