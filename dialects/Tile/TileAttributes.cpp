//===- TileAttributes.cpp - Attributes and types of the `tile` dialect ------===//
//
// Printing, parsing and verification of views, schedules and parameters.
//
//===----------------------------------------------------------------------===//
#include "dialects/Tile/TileDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

#include "dialects/Tile/TileEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Tile/TileAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Tile/TileTypes.cpp.inc"

void TileDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Tile/TileAttributes.cpp.inc"
      >();
}

void TileDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Tile/TileTypes.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// ScheduleAttr
//===----------------------------------------------------------------------===//

LogicalResult ScheduleAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                   StringRef family, DictionaryAttr parameters) {
  for (NamedAttribute parameter : parameters)
    if (!isa<IntegerAttr>(parameter.getValue()))
      return emitError() << "expects schedule parameter '" << parameter.getName().strref()
                         << "' to be an integer, but got " << parameter.getValue();
  return success();
}

ScheduleAttr tile::toAttribute(MLIRContext *context, const schedule::Schedule &schedule) {
  Builder builder(context);
  SmallVector<NamedAttribute> parameters;
  for (const auto &[name, value] : schedule.parameters)
    parameters.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  return ScheduleAttr::get(context, schedule.family, builder.getDictionaryAttr(parameters));
}

schedule::Schedule tile::fromAttribute(ScheduleAttr attribute) {
  schedule::Schedule schedule;
  schedule.family = attribute.getFamily().str();
  for (NamedAttribute parameter : attribute.getParameters())
    schedule.parameters[parameter.getName().str()] =
        cast<IntegerAttr>(parameter.getValue()).getInt();
  return schedule;
}

//===----------------------------------------------------------------------===//
// ParameterAttr
//===----------------------------------------------------------------------===//

/// `<pointer "x", dtype = "f16", align = 16, written>`
Attribute ParameterAttr::parse(AsmParser &parser, Type) {
  StringRef kindName;
  SMLoc kindLoc;
  std::string name, dtype;
  unsigned axis = 0, align = 1;
  bool written = false, updated = false;
  if (parser.parseLess() || parser.getCurrentLocation(&kindLoc) || parser.parseKeyword(&kindName) ||
      parser.parseString(&name))
    return {};
  auto kind = symbolizeParameterKind(kindName);
  if (!kind) {
    parser.emitError(kindLoc)
        << "expects parameter kind pointer, dimension, stride, workspace or scalar, but got "
        << kindName;
    return {};
  }
  while (succeeded(parser.parseOptionalComma())) {
    StringRef key;
    SMLoc keyLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&key))
      return {};
    if (key == "written" || key == "updated") {
      written = true;
      updated |= key == "updated";
      continue;
    }
    ParseResult result = parser.parseEqual();
    if (failed(result))
      return {};
    if (key == "dtype")
      result = parser.parseString(&dtype);
    else if (key == "axis")
      result = parser.parseInteger(axis);
    else if (key == "align")
      result = parser.parseInteger(align);
    else
      result = parser.emitError(keyLoc)
               << "expects dtype, axis, align, written or updated, but got " << key;
    if (failed(result))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return get(parser.getContext(), *kind, name, dtype, axis, align, written, updated);
}

void ParameterAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyParameterKind(getKind()) << " \"" << getName() << "\"";
  if (!getDtype().empty())
    printer << ", dtype = \"" << getDtype() << "\"";
  if (getKind() == ParameterKind::Stride)
    printer << ", axis = " << getAxis();
  if (getAlign() != 1)
    printer << ", align = " << getAlign();
  if (getWritten())
    printer << (getUpdated() ? ", updated" : ", written");
  printer << ">";
}

//===----------------------------------------------------------------------===//
// ViewType
//===----------------------------------------------------------------------===//

unsigned ViewType::getNumDynamicSizes() const {
  return llvm::count_if(getShape(), ShapedType::isDynamic);
}

unsigned ViewType::getNumDynamicStrides() const {
  return llvm::count_if(getStrides(), ShapedType::isDynamic);
}

LogicalResult ViewType::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<int64_t> shape, Type elementType, ArrayRef<int64_t> strides,
                               unsigned align) {
  if (shape.size() != strides.size())
    return emitError() << "expects one stride a dimension, but got " << strides.size()
                       << " strides for rank " << shape.size();
  for (int64_t extent : shape)
    if (extent < 0 && !ShapedType::isDynamic(extent))
      return emitError() << "expects extents that are not negative, but got " << extent;
  if (!elementType.isIntOrFloat() || elementType.getIntOrFloatBitWidth() % 8 != 0)
    return emitError() << "expects elements of whole bytes, but got " << elementType;
  if (!llvm::isPowerOf2_32(align))
    return emitError() << "expects align to be a power of two, but got " << align;
  return success();
}

/// `<?x4096xf16, strides = [4096, 1], align = 16>`
Type ViewType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape, strides;
  Type elementType;
  unsigned align = 1;
  SMLoc loc = parser.getCurrentLocation();
  auto parseStride = [&]() -> ParseResult {
    if (succeeded(parser.parseOptionalQuestion())) {
      strides.push_back(ShapedType::kDynamic);
      return success();
    }
    return parser.parseInteger(strides.emplace_back());
  };
  if (parser.parseLess() || parser.parseDimensionList(shape) || parser.parseType(elementType) ||
      parser.parseComma() || parser.parseKeyword("strides") || parser.parseEqual() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseStride) ||
      parser.parseComma() || parser.parseKeyword("align") || parser.parseEqual() ||
      parser.parseInteger(align) || parser.parseGreater())
    return {};
  return parser.getChecked<ViewType>(loc, parser.getContext(), shape, elementType, strides, align);
}

void ViewType::print(AsmPrinter &printer) const {
  auto printExtent = [&](int64_t extent) {
    if (ShapedType::isDynamic(extent))
      printer << "?";
    else
      printer << extent;
  };
  printer << "<";
  for (int64_t extent : getShape()) {
    printExtent(extent);
    printer << "x";
  }
  printer << getElementType() << ", strides = [";
  llvm::interleaveComma(getStrides(), printer, printExtent);
  printer << "], align = " << getAlign() << ">";
}
