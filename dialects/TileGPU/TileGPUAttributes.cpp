//===- TileGPUAttributes.cpp - Attributes and types of `tilegpu` -------------===//
//
// Layouts are stored as their bases and printed as the named constructor that
// makes them, where there is one; parsing a constructor builds the bases, so
// the two spellings cannot disagree.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tilegpu;
using layout::LinearLayout;
using layout::Place;

#define GET_ATTRDEF_CLASSES
#include "dialects/TileGPU/TileGPUAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/TileGPU/TileGPUTypes.cpp.inc"

void TileGPUDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/TileGPU/TileGPUAttributes.cpp.inc"
      >();
}

void TileGPUDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/TileGPU/TileGPUTypes.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// LayoutAttr
//===----------------------------------------------------------------------===//

static SmallVector<int32_t> flatten(ArrayRef<layout::Basis> bases) {
  SmallVector<int32_t> flat;
  for (const layout::Basis &basis : bases)
    flat.append(basis.begin(), basis.end());
  return flat;
}

static layout::Bases unflatten(ArrayRef<int32_t> flat, unsigned rank) {
  layout::Bases bases;
  for (size_t i = 0; i < flat.size(); i += rank)
    bases.emplace_back(flat.begin() + i, flat.begin() + i + rank);
  return bases;
}

LayoutAttr LayoutAttr::get(MLIRContext *context, const LinearLayout &layout) {
  return get(context, layout.getRank(), flatten(layout.getBases(Place::Register)),
             flatten(layout.getBases(Place::Lane)), flatten(layout.getBases(Place::Warp)),
             layout.getRepeat());
}

LinearLayout LayoutAttr::getLayout() const {
  return LinearLayout(getRank(), unflatten(getRegisters(), getRank()),
                      unflatten(getLanes(), getRank()), unflatten(getWarps(), getRank()),
                      getRepeat());
}

namespace {
/// A layout as a named constructor makes it.
struct NamedLayout {
  enum Kind { Accumulator, Operand, Blocked } kind;
  unsigned index = 0; ///< operand number, or vector width
  SmallVector<int64_t> shape, warps;
};
} // namespace

/// True where `shape` is one the constructors for mma accept.
static bool isMmaShape(const NamedLayout &named, int64_t rowUnit, int64_t columnUnit) {
  if (named.shape.size() != 2 || named.warps.size() != 2)
    return false;
  bool replicatesRows = named.kind == NamedLayout::Operand && named.index == 1;
  bool replicatesColumns = named.kind == NamedLayout::Operand && named.index == 0;
  int64_t rows = rowUnit * (replicatesRows ? 1 : named.warps[0]);
  int64_t columns = columnUnit * (replicatesColumns ? 1 : named.warps[1]);
  return named.shape[0] >= rows && named.shape[1] >= columns && named.shape[0] % rows == 0 &&
         named.shape[1] % columns == 0;
}

/// Builds the layout; nullopt where the constructor does not accept the shape.
static std::optional<LinearLayout> build(const NamedLayout &named) {
  if (!llvm::all_of(named.warps, [](int64_t n) { return n > 0 && llvm::isPowerOf2_64(n); }) ||
      !llvm::all_of(named.shape, [](int64_t n) { return n > 0; }))
    return std::nullopt;
  switch (named.kind) {
  case NamedLayout::Accumulator:
    if (!isMmaShape(named, 16, 8))
      return std::nullopt;
    return layout::mmaAccumulator(named.shape, named.warps);
  case NamedLayout::Operand:
    if (named.index > 1 || !isMmaShape(named, 16, named.index == 0 ? 16 : 8))
      return std::nullopt;
    return layout::mmaOperand(named.index, named.shape, named.warps);
  case NamedLayout::Blocked:
    if (named.shape.empty() || named.warps.size() != 1 || !llvm::isPowerOf2_32(named.index) ||
        named.shape.back() % named.index != 0)
      return std::nullopt;
    return layout::blocked(named.shape, named.index, named.warps[0]);
  }
  llvm_unreachable("unknown named layout");
}

/// Finds the constructor that makes `layout`.
static std::optional<NamedLayout> recognise(const LinearLayout &layout) {
  SmallVector<int64_t> shape(layout.getShape());
  int64_t warps = layout.getNumWarps();
  if (shape.size() == 2 && layout.getNumLanes() == 32) {
    for (int64_t warpsM = 1; warpsM <= warps; warpsM *= 2)
      for (auto [kind, index] :
           {std::pair{NamedLayout::Accumulator, 0u}, std::pair{NamedLayout::Operand, 0u},
            std::pair{NamedLayout::Operand, 1u}}) {
        NamedLayout named{kind, index, shape, {warpsM, warps / warpsM}};
        if (auto candidate = build(named); candidate && *candidate == layout)
          return named;
      }
  }
  for (unsigned vector = 1; vector <= 16; vector *= 2) {
    NamedLayout named{NamedLayout::Blocked, vector, shape, {warps}};
    if (auto candidate = build(named); candidate && *candidate == layout)
      return named;
  }
  return std::nullopt;
}

static void printList(AsmPrinter &printer, ArrayRef<int64_t> values) {
  printer << "[";
  llvm::interleaveComma(values, printer);
  printer << "]";
}

static void printBases(AsmPrinter &printer, ArrayRef<int32_t> flat, unsigned rank) {
  printer << "[";
  for (size_t i = 0; i < flat.size(); i += rank) {
    printer << (i ? ", [" : "[");
    llvm::interleaveComma(flat.slice(i, rank), printer);
    printer << "]";
  }
  printer << "]";
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << "<";
  if (auto named = recognise(getLayout())) {
    switch (named->kind) {
    case NamedLayout::Accumulator:
      printer << "mma_accumulator";
      break;
    case NamedLayout::Operand:
      printer << "mma_operand " << named->index;
      break;
    case NamedLayout::Blocked:
      printer << "blocked " << named->index;
      break;
    }
    printer << ", shape = ";
    printList(printer, named->shape);
    printer << ", warps = ";
    printList(printer, named->warps);
    printer << ">";
    return;
  }
  printer << "register = ";
  printBases(printer, getRegisters(), getRank());
  printer << ", lane = ";
  printBases(printer, getLanes(), getRank());
  printer << ", warp = ";
  printBases(printer, getWarps(), getRank());
  printer << ", repeat = ";
  printList(printer, getRepeat());
  printer << ">";
}

static ParseResult parseList(AsmParser &parser, StringRef keyword, SmallVectorImpl<int64_t> &list) {
  if (parser.parseKeyword(keyword) || parser.parseEqual())
    return failure();
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                        [&] { return parser.parseInteger(list.emplace_back()); });
}

static ParseResult parseBases(AsmParser &parser, layout::Bases &bases) {
  if (parser.parseEqual())
    return failure();
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
    layout::Basis &basis = bases.emplace_back();
    return parser.parseCommaSeparatedList(
        AsmParser::Delimiter::Square, [&] { return parser.parseInteger(basis.emplace_back()); });
  });
}

/// Checks bases as they were written; the class that holds them takes them on
/// trust.
static LogicalResult verifyBases(llvm::function_ref<InFlightDiagnostic()> emitError,
                                 const layout::Bases (&places)[layout::numPlaces],
                                 ArrayRef<int64_t> repeat) {
  constexpr size_t maxRegisterBits = 12, lanes = 5, maxWarps = 5;
  if (!llvm::all_of(repeat, [](int64_t n) { return n > 0 && n % 2 == 1; }))
    return emitError() << "expects odd repeat counts";
  for (const layout::Bases &bases : places)
    for (const layout::Basis &basis : bases) {
      if (repeat.empty() || basis.size() != repeat.size())
        return emitError() << "expects bases of one rank, the length of repeat";
      for (int32_t entry : basis)
        if (entry < 0)
          return emitError() << "expects entries of bases that are not negative, but got " << entry;
    }
  if (places[0].size() > maxRegisterBits || places[2].size() > maxWarps)
    return emitError() << "expects at most " << maxRegisterBits << " bases of registers and "
                       << maxWarps << " of warps, but got " << places[0].size() << " and "
                       << places[2].size();
  if (places[1].size() != lanes)
    return emitError() << "expects " << lanes << " bases of lanes, but got " << places[1].size();
  return success();
}

static Attribute parseNamed(AsmParser &parser, SMLoc loc, StringRef keyword) {
  NamedLayout named;
  if (keyword == "mma_accumulator") {
    named.kind = NamedLayout::Accumulator;
  } else if (keyword == "mma_operand" || keyword == "blocked") {
    named.kind = keyword == "blocked" ? NamedLayout::Blocked : NamedLayout::Operand;
    if (parser.parseInteger(named.index))
      return {};
  } else {
    parser.emitError(loc) << "expects mma_accumulator, mma_operand, blocked or register, but got "
                          << keyword;
    return {};
  }
  if (parser.parseComma() || parseList(parser, "shape", named.shape) || parser.parseComma() ||
      parseList(parser, "warps", named.warps) || parser.parseGreater())
    return {};
  auto layout = build(named);
  if (!layout) {
    parser.emitError(loc) << "expects a shape that " << keyword << " can cover with these warps";
    return {};
  }
  return LayoutAttr::get(parser.getContext(), *layout);
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  StringRef keyword;
  SMLoc loc;
  if (parser.parseLess() || parser.getCurrentLocation(&loc) || parser.parseKeyword(&keyword))
    return {};
  if (keyword != "register")
    return parseNamed(parser, loc, keyword);
  layout::Bases places[layout::numPlaces];
  SmallVector<int64_t> repeat;
  if (parseBases(parser, places[0]) || parser.parseComma() || parser.parseKeyword("lane") ||
      parseBases(parser, places[1]) || parser.parseComma() || parser.parseKeyword("warp") ||
      parseBases(parser, places[2]) || parser.parseComma() || parseList(parser, "repeat", repeat) ||
      parser.parseGreater())
    return {};
  if (failed(verifyBases([&] { return parser.emitError(loc); }, places, repeat)))
    return {};
  return get(parser.getContext(),
             LinearLayout(repeat.size(), places[0], places[1], places[2], repeat));
}

//===----------------------------------------------------------------------===//
// SharedAttr, PackedAttr
//===----------------------------------------------------------------------===//

LogicalResult SharedAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                 unsigned swizzle) {
  if (!llvm::is_contained({0u, 32u, 64u, 128u}, swizzle))
    return emitError() << "expects swizzle of 0, 32, 64 or 128 bytes, but got " << swizzle;
  return success();
}

LogicalResult PackedAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, unsigned bits,
                                 StringAttr format, int64_t bias, unsigned version) {
  if (bits < 1 || bits > 8)
    return emitError() << "expects packed width between 1 and 8 bits, but got " << bits;
  if (bias < 0 || bias >= (int64_t(1) << bits))
    return emitError() << "expects bias to be a code of " << bits << " bits, but got " << bias;
  if (!format)
    return success();
  auto code = format::parse(format.getValue());
  if (!code)
    return emitError() << llvm::toString(code.takeError());
  bool isNumber = code->hasExponent() || code->isIndex() || code->isNested();
  if (!code->isWeight() || !isNumber || code->bits != bits || bias != 0)
    return emitError() << "expects a format of " << bits
                       << " bits, nested, of indices or of floats with a sign and exponents, and "
                          "no bias, but got "
                       << format.getValue() << " and " << bias;
  return success();
}

const layout::UnpackProgram &PackedAttr::getUnpackProgram(Type value) const {
  auto activation = value.isInteger() ? layout::Activation::I8
                    : value.isF16()   ? layout::Activation::F16
                                      : layout::Activation::BF16;
  return getFormat() ? layout::getUnpackProgram(format::get(getFormat().getValue()), activation)
                     : layout::getUnpackProgram(getBits(), activation);
}

bool PackedAttr::hasPlanes() const {
  return getFormat() && format::get(getFormat().getValue()).isNested();
}

const layout::WordLayout &PackedAttr::getWordLayout(Type value) const {
  return hasPlanes() ? layout::WordLayout::getPlanes(getBits())
                     : layout::WordLayout::get(getBits(), getUnpackProgram(value).activations);
}

//===----------------------------------------------------------------------===//
// MemDescType
//===----------------------------------------------------------------------===//

int64_t MemDescType::getRowBytes() const {
  return getShape().back() * getElementType().getIntOrFloatBitWidth() / 8;
}

int64_t MemDescType::getNumRows() const {
  int64_t rows = 1;
  for (int64_t extent : getShape().drop_back())
    rows *= extent;
  return rows;
}

int64_t MemDescType::getSlotBytes() const { return getNumRows() * getRowBytes(); }

MemDescType MemDescType::getSlotType() const {
  return get(getContext(), 1, getShape(), getElementType(), getShared());
}

LogicalResult MemDescType::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t slots,
                                  ArrayRef<int64_t> shape, Type elementType, SharedAttr shared) {
  if (slots < 1)
    return emitError() << "expects at least one slot, but got " << slots;
  if (shape.empty() || !llvm::all_of(shape, [](int64_t extent) { return extent > 0; }))
    return emitError() << "expects a static shape of positive extents";
  if (!elementType.isIntOrFloat() || elementType.getIntOrFloatBitWidth() % 8 != 0)
    return emitError() << "expects elements of whole bytes, but got " << elementType;
  if (shared.getSwizzle() != 0 && shape.size() != 2)
    return emitError() << "expects rank 2 with a swizzle, but got rank " << shape.size();
  return success();
}

/// `<slots = 4, 16x128xf16, #tilegpu.shared<swizzle = 128>>`
Type MemDescType::parse(AsmParser &parser) {
  int64_t slots = 1;
  SmallVector<int64_t> shape;
  Type elementType;
  SharedAttr shared;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess())
    return {};
  if (succeeded(parser.parseOptionalKeyword("slots")))
    if (parser.parseEqual() || parser.parseInteger(slots) || parser.parseComma())
      return {};
  if (parser.parseDimensionList(shape, /*allowDynamic=*/false) || parser.parseType(elementType) ||
      parser.parseComma() || parser.parseAttribute(shared) || parser.parseGreater())
    return {};
  return parser.getChecked<MemDescType>(loc, parser.getContext(), slots, shape, elementType,
                                        shared);
}

void MemDescType::print(AsmPrinter &printer) const {
  printer << "<";
  if (getSlots() != 1)
    printer << "slots = " << getSlots() << ", ";
  for (int64_t extent : getShape())
    printer << extent << "x";
  printer << getElementType() << ", " << getShared() << ">";
}

//===----------------------------------------------------------------------===//
// Encodings
//===----------------------------------------------------------------------===//

LayoutAttr tilegpu::getLayoutAttr(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? dyn_cast_or_null<LayoutAttr>(tensor.getEncoding()) : LayoutAttr();
}

LinearLayout tilegpu::getLayout(Value value) {
  return cast<LayoutAttr>(cast<RankedTensorType>(value.getType()).getEncoding()).getLayout();
}

RankedTensorType tilegpu::withLayout(RankedTensorType type, const LinearLayout &layout) {
  return RankedTensorType::get(type.getShape(), type.getElementType(),
                               LayoutAttr::get(type.getContext(), layout));
}
