//===- Wmma.cpp - wmma.load, wmma.store, wmma.mma ------------------------------------------===//
//
// PTX ISA, "Warp-level Matrix Instructions: wmma", what nvcc makes of
// nvcuda::wmma. Which lane holds which element is for the implementation to
// choose; here it is the fragment of mma.sync (Matrix.cpp) continued over more
// rows and columns, which is also where ptxas puts the elements on sm_80. With
// per = elements a register holds, lane = 4 * g + t and r the register's number:
//
//   A  row g + 8 * (r % (m / 8)), columns per * t + e + 4 * per * (r / (m / 8))
//   B  k = per * t + e + 4 * per * (r % s), column g + 8 * (r / s), s = k / (4 * per)
//   C  element i: row g + 8 * (i / 2 % (m / 8)), column 2 * t + i % 2 + 8 * (i / (m / 4))
//
// f16 operands have 8 registers in every shape; those beyond the matrix repeat
// it. A row (or column) in memory must be aligned to the lesser of a lane's
// fragment and 16 bytes: the ISA asks for the whole fragment, CUDA C++ for
// strides of 16 bytes.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/Fragments.h"
#include "runtime/Emulator/Instructions/MemoryModifiers.h"
#include "runtime/Emulator/Machine/Access.h"
#include "runtime/Emulator/Numerics/Mma.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

enum class Use : uint8_t { A, B, Accumulator };

struct Shape {
  llvm::StringLiteral name;
  uint8_t m, n, k;
};
constexpr Shape shapes[] = {
    {"m16n16k16", 16, 16, 16}, {"m8n32k16", 8, 32, 16}, {"m32n8k16", 32, 8, 16},
    {"m16n16k8", 16, 16, 8},   {"m8n8k4", 8, 8, 4},     {"m8n8k32", 8, 8, 32},
    {"m8n8k128", 8, 8, 128},
};

/// The lowest and highest index of `shapes` for operands of `type`.
std::pair<unsigned, unsigned> shapesOf(ScalarType type) {
  switch (type) {
  case ScalarType::F16:
  case ScalarType::BF16:
  case ScalarType::S8:
  case ScalarType::U8:
    return {0, 2};
  case ScalarType::TF32:
    return {3, 3};
  case ScalarType::F64:
    return {4, 4};
  case ScalarType::S4:
  case ScalarType::U4:
    return {5, 5};
  case ScalarType::B1:
    return {6, 6};
  default:
    return {1, 0};
  }
}

/// One matrix of an instruction as a warp holds it.
struct Fragment {
  const Shape &shape;
  Use use;
  ScalarType type;

  unsigned bits() const { return parser::getBits(type); }
  unsigned registerBytes() const { return bits() == 64 ? 8 : 4; }
  unsigned perRegister() const { return 8 * registerBytes() / bits(); }
  unsigned elements() const {
    return use == Use::A   ? shape.m * shape.k
           : use == Use::B ? shape.n * shape.k
                           : shape.m * shape.n;
  }
  /// Registers that hold the matrix once.
  unsigned distinct() const { return elements() / perRegister() / kLanes; }
  unsigned registers() const {
    return type == ScalarType::F16 && use != Use::Accumulator ? 8 : distinct();
  }
};

/// Element i of a lane's fragment: its row (of A and C) or column (of B), and
/// its place in that.
struct Place {
  unsigned major, minor;
};
Place placeOf(const Fragment &f, unsigned lane, unsigned i) {
  unsigned g = lane / 4, t = lane % 4, per = f.perRegister(), r = i / per;
  unsigned rowBlocks = f.shape.m / 8, steps = f.shape.k / (4 * per);
  switch (f.use) {
  case Use::A:
    return {g + 8 * (r % rowBlocks), per * t + i % per + 4 * per * (r / rowBlocks)};
  case Use::B:
    return {g + 8 * (r / steps), per * t + i % per + 4 * per * (r % steps)};
  case Use::Accumulator:
    break;
  }
  return {g + 8 * (i / 2 % rowBlocks), 2 * t + i % 2 + 8 * (i / (2 * rowBlocks))};
}

//===----------------------------------------------------------------------===//
// Loads and stores
//===----------------------------------------------------------------------===//

// imm is the address offset; target: index of the shape, use, type; extra: slots
// of registers and, last, of the stride; flags: below.
constexpr uint8_t kMajorContiguous = 1; ///< A and C by rows, B by columns

Fragment fragmentOf(const Inst &i) {
  return {shapes[i.target & 15], Use(i.target >> 4 & 3), ScalarType(i.target >> 6)};
}

/// Base address and stride, which all lanes must agree on; false after a finding.
bool readMatrix(Warp &w, const Inst &i, const Fragment &f, Access &access, uint64_t &stride) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  computeAddresses(w, i, info, access);
  const uint32_t *strides = w.at<uint32_t>(w.launch.program.slots[i.extra + f.registers()]);
  for (unsigned lane = 1; lane < kLanes; ++lane)
    if (access.address[lane] != access.address[0] || strides[lane] != strides[0]) {
      w.report(FindingKind::InvalidOperand, lane,
               "lanes of one warp name different matrices: address or stride differs from lane 0");
      return false;
    }
  stride = strides[0];
  unsigned fragmentBytes = f.registers() * f.registerBytes();
  unsigned alignment = std::min(fragmentBytes, 16u);
  uint64_t strideBytes = stride * f.bits() / 8;
  if (!w.launch.options.checkAlignment || (access.address[0] | strideBytes) % alignment == 0)
    return true;
  w.reportAt(FindingKind::Misaligned, 0,
             "a matrix with a stride of " + llvm::Twine(strideBytes) +
                 " bytes, whose address and stride must be multiples of " + llvm::Twine(alignment),
             info.space, access.address[0]);
  return false;
}

/// Elements that follow each other in memory move as one piece: registers of an
/// operand, pairs of an accumulator. Otherwise each element by itself.
template <bool isLoad> void handleMemory(Warp &w, const Inst &i, uint32_t) {
  Fragment f = fragmentOf(i);
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  const Slot *slots = &w.launch.program.slots[i.extra];
  Access base;
  uint64_t stride = 0;
  if (!readMatrix(w, i, f, base, stride))
    return;
  bool isContiguous = i.flags & kMajorContiguous;
  unsigned per = f.perRegister(), total = f.distinct() * per;
  unsigned piece = !isContiguous ? 1 : f.use == Use::Accumulator ? 2 : per;
  unsigned unit = std::max(1u, f.bits() / 8); // bytes copied at a time
  for (unsigned first = 0; first < total; first += piece) {
    Access access;
    access.kind = isLoad ? AccessKind::Load : AccessKind::Store;
    access.space = info.space;
    access.bytes = piece * f.bits() / 8;
    access.alignment = access.bytes;
    access.mask = kFullMask;
    access.info = &info;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      Place place = placeOf(f, lane, first);
      uint64_t element =
          isContiguous ? place.major * stride + place.minor : place.minor * stride + place.major;
      access.address[lane] = base.address[0] + element * f.bits() / 8;
    }
    auto forParts = [&](auto visit) { // lane, place in the bank, offset in the piece
      for (unsigned lane = 0; lane < kLanes; ++lane)
        for (unsigned offset = 0; offset < access.bytes; offset += unit) {
          unsigned element = first + offset * 8 / f.bits();
          visit(lane,
                slots[element / per] + lane * f.registerBytes() + element % per * f.bits() / 8,
                offset);
        }
    };
    if (!isLoad && w.running->taintedSlots) {
      beginStoredPiece(w);
      forParts([&](unsigned lane, Slot place, unsigned offset) {
        noteStoredPiece(w, place, lane, offset, unit);
      });
    }
    if (!resolve(w, access))
      return;
    if (isLoad && w.taint.hasLoaded) {
      forParts([&](unsigned lane, Slot place, unsigned offset) {
        noteLoadedPiece(w, place, lane, offset, unit);
      });
      endLoadedPiece(w);
    }
    forParts([&](unsigned lane, Slot place, unsigned offset) {
      uint8_t *host =
          (access.isContiguous ? access.host[0] + lane * access.bytes : access.host[lane]) + offset;
      uint8_t *at = w.at<uint8_t>(place);
      std::memcpy(isLoad ? at : host, isLoad ? host : at, unit);
    });
  }
  for (unsigned r = f.distinct(); isLoad && r < f.registers(); ++r)
    std::memcpy(w.at<uint32_t>(slots[r]), w.at<uint32_t>(slots[r % f.distinct()]), 4 * kLanes);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

constexpr unsigned kMaxOperand = 32 * 16, kMaxAccumulator = 256;

// imm: shape, types of d, a, b, c, then what follows.
struct Product {
  const Shape &shape;
  ScalarType d, a, b, c;
  bool saturates, isXor;
  numerics::Rounding rounding;

  uint64_t encode() const {
    return uint64_t(&shape - shapes) | uint64_t(d) << 4 | uint64_t(a) << 10 | uint64_t(b) << 16 |
           uint64_t(c) << 22 | uint64_t(saturates) << 28 | uint64_t(isXor) << 29 |
           uint64_t(rounding) << 30;
  }
  static Product decode(uint64_t imm) {
    return {shapes[imm & 15],           ScalarType(imm >> 4 & 63),
            ScalarType(imm >> 10 & 63), ScalarType(imm >> 16 & 63),
            ScalarType(imm >> 22 & 63), bool(imm >> 28 & 1),
            bool(imm >> 29 & 1),        numerics::Rounding(imm >> 30 & 7)};
  }
  numerics::MmaShape size() const { return {shape.m, shape.n, shape.k}; }
};

/// Slots of the four matrices.
struct Operands {
  Product product;
  Fragment dFragment, aFragment, bFragment, cFragment;
  const Slot *d, *a, *b, *c;
  Operands(Warp &w, const Inst &i)
      : product(Product::decode(i.imm)), dFragment{product.shape, Use::Accumulator, product.d},
        aFragment{product.shape, Use::A, product.a}, bFragment{product.shape, Use::B, product.b},
        cFragment{product.shape, Use::Accumulator, product.c}, d(&w.launch.program.slots[i.extra]),
        a(d + dFragment.registers()), b(a + aFragment.registers()), c(b + bFragment.registers()) {
    ++w.counters().matrixOperations;
  }
};

/// The columns of a fragment's matrix in its canonical form: k, or n.
unsigned minorSize(const Fragment &f) { return f.use == Use::Accumulator ? f.shape.n : f.shape.k; }

/// Calls f(value, matrix element) for all elements of a warp's fragment; integers
/// are extended by their sign, b1 comes 32 bits at a time.
template <typename T> void gather(Warp &w, const Fragment &f, const Slot *slots, T *matrix) {
  unsigned bits = f.type == ScalarType::B1 ? 32 : f.bits(), per = 8 * f.registerBytes() / bits;
  unsigned scale = bits / f.bits();
  bool isSigned = parser::isSigned(f.type);
  for (unsigned i = 0; i < f.distinct() * per; ++i)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint64_t value = readLane(w, slots[i / per], f.registerBytes(), lane) >> (i % per * bits);
      if (bits < 64)
        value &= (uint64_t(1) << bits) - 1;
      if (isSigned && value >> (bits - 1) & 1)
        value |= ~uint64_t(0) << bits;
      Place place = placeOf(f, lane, i * scale);
      matrix[(place.major * minorSize(f) + place.minor) / scale] = static_cast<T>(value);
    }
}

template <typename T> void scatter(Warp &w, const Fragment &f, const Slot *slots, const T *matrix) {
  unsigned bits = f.bits(), per = f.perRegister();
  for (unsigned r = 0; r < f.registers(); ++r)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint64_t word = 0;
      for (unsigned e = 0; e < per; ++e) {
        Place place = placeOf(f, lane, r * per + e);
        word |= uint64_t(matrix[place.major * f.shape.n + place.minor]) << (e * bits);
      }
      writeLane(w, slots[r], f.registerBytes(), lane, word);
    }
}

/// A sum of f16 numbers stays in f16 only if c and d are both of that type;
/// else ptxas widens c before and rounds d after the product.
numerics::FloatType sumTypeOf(const Product &p) {
  return p.c == ScalarType::F16 && p.d == ScalarType::F16 ? numerics::FloatType::F16
                                                          : numerics::FloatType::F32;
}
void convertAll(uint32_t *values, numerics::FloatType from, numerics::FloatType to) {
  if (from != to)
    for (unsigned i = 0; i < kMaxAccumulator; ++i)
      values[i] = static_cast<uint32_t>(numerics::convert(values[i], from, to));
}

void handleFloat(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  const Product &p = o.product;
  numerics::FloatType sum = sumTypeOf(p), type = toFloatType(p.a);
  uint32_t c[kMaxAccumulator] = {}, d[kMaxAccumulator] = {};
  gather(w, o.cFragment, o.c, c);
  convertAll(c, toFloatType(p.c), sum);
  if (p.a == ScalarType::TF32) {
    uint32_t a[kMaxOperand], b[kMaxOperand];
    gather(w, o.aFragment, o.a, a);
    gather(w, o.bFragment, o.b, b);
    numerics::mmaFloat(w.launch.tensorCore, p.size(), type, type, sum, a, b, c, d);
  } else {
    uint16_t a[kMaxOperand], b[kMaxOperand];
    gather(w, o.aFragment, o.a, a);
    gather(w, o.bFragment, o.b, b);
    numerics::mmaHalf(w.launch.tensorCore, p.size(), type, sum, a, b, c, d);
  }
  convertAll(d, sum, toFloatType(p.d));
  scatter(w, o.dFragment, o.d, d);
}

void handleInteger(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  int32_t a[kMaxOperand], b[kMaxOperand], c[kMaxAccumulator], d[kMaxAccumulator];
  gather(w, o.aFragment, o.a, a);
  gather(w, o.bFragment, o.b, b);
  gather(w, o.cFragment, o.c, c);
  numerics::mmaInteger(o.product.size(), a, b, c, o.product.saturates, d);
  scatter(w, o.dFragment, o.d, reinterpret_cast<uint32_t *>(d));
}

void handleBinary(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  const Shape &shape = o.product.shape;
  unsigned words = shape.k / 32;
  uint32_t a[kMaxOperand], b[kMaxOperand], c[kMaxAccumulator];
  gather(w, o.aFragment, o.a, a);
  gather(w, o.bFragment, o.b, b);
  gather(w, o.cFragment, o.c, c);
  for (unsigned row = 0; row < shape.m; ++row)
    for (unsigned column = 0; column < shape.n; ++column)
      for (unsigned k = 0; k < words; ++k) {
        uint32_t x = a[row * words + k], y = b[column * words + k];
        c[row * shape.n + column] += std::popcount(o.product.isXor ? x ^ y : x & y);
      }
  scatter(w, o.dFragment, o.d, c);
}

void handleDouble(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  const Shape &shape = o.product.shape;
  uint64_t a[kMaxOperand], b[kMaxOperand], c[kMaxAccumulator];
  gather(w, o.aFragment, o.a, a);
  gather(w, o.bFragment, o.b, b);
  gather(w, o.cFragment, o.c, c);
  numerics::ArithmeticOptions options;
  options.rounding = o.product.rounding;
  for (unsigned row = 0; row < shape.m; ++row)
    for (unsigned column = 0; column < shape.n; ++column)
      for (unsigned k = 0; k < shape.k; ++k) {
        uint64_t &sum = c[row * shape.n + column];
        sum = numerics::fma(a[row * shape.k + k], b[column * shape.k + k], sum,
                            numerics::FloatType::F64, options);
      }
  scatter(w, o.dFragment, o.d, c);
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

const Shape *takeShape(InstructionDecoder &d) {
  if (!d.take("sync") || !d.take("aligned"))
    d.fail("'wmma' needs .sync.aligned");
  for (const Shape &shape : shapes)
    if (d.take(shape.name))
      return &shape;
  d.fail("'wmma' needs a shape such as .m16n16k16");
  return nullptr;
}

/// Whether the layout is .row; fails where there is none.
bool takeIsRow(InstructionDecoder &d) {
  if (d.take("row"))
    return true;
  if (!d.take("col"))
    d.fail("'wmma' needs the layout of each matrix, .row or .col");
  return false;
}

bool hasShape(ScalarType operandType, const Shape &shape) {
  auto [least, most] = shapesOf(operandType);
  return &shape >= shapes + least && &shape <= shapes + most;
}

/// Whether accumulators of `type` exist in `shape`.
bool hasAccumulator(ScalarType type, const Shape &shape) {
  unsigned index = &shape - shapes;
  switch (type) {
  case ScalarType::F16:
    return index <= 2;
  case ScalarType::F32:
    return index <= 3;
  case ScalarType::S32:
    return index <= 2 || index >= 5;
  case ScalarType::F64:
    return index == 4;
  default:
    return false;
  }
}

/// Appends the slots of a matrix; false after an error.
bool takeRegisters(InstructionDecoder &d, const parser::Operand &operand, const Fragment &f,
                   bool isWrite, llvm::SmallVectorImpl<Slot> &slots) {
  llvm::ArrayRef<parser::Operand> parts = d.requireVector(operand);
  if (parts.size() != f.registers()) {
    d.fail(operand.location, "expects " + llvm::Twine(f.registers()) + " registers of '." +
                                 parser::getName(f.type) + "' in shape ." + f.shape.name.str() +
                                 ", but got " + llvm::Twine(parts.size()));
    return false;
  }
  ScalarType type = f.registerBytes() == 8 ? ScalarType::B64 : ScalarType::B32;
  for (const parser::Operand &part : parts)
    slots.push_back(isWrite ? d.write(part, type) : d.read(part, type));
  return !d.hasFailed();
}

void decodeMemory(InstructionDecoder &d, bool isLoad) {
  auto use = isLoad ? d.takeOneOf({"a", "b", "c"}) : d.takeOneOf({"d"});
  if (!use)
    return d.fail(isLoad ? "'wmma.load' needs .a, .b or .c" : "'wmma.store' needs .d");
  const Shape *shape = takeShape(d);
  bool isRow = takeIsRow(d);
  MemoryInfo info;
  info.space = takeMemorySpace(d);
  ScalarType type = d.requireType();
  if (!shape || d.hasFailed())
    return;
  Fragment f{*shape, isLoad ? Use(*use) : Use::Accumulator, type};
  bool isAccumulator = f.use == Use::Accumulator;
  if (!(isAccumulator ? hasAccumulator(type, *shape) : hasShape(type, *shape)))
    return d.fail("no matrix of '." + parser::getName(type).str() + "' in shape ." +
                  shape->name.str());
  bool isContiguous = f.use == Use::B ? !isRow : isRow;
  if (f.bits() < 8 && !isContiguous)
    return d.fail("a matrix of '." + parser::getName(type).str() + "' is .row for a, .col for b");
  if (info.space != Space::Generic && info.space != Space::Global && info.space != Space::Shared)
    return d.fail("'wmma' accesses .global or .shared memory");
  if (!d.expectOperands(2, 3))
    return;
  llvm::SmallVector<Slot, 12> slots;
  if (!takeRegisters(d, d.operand(isLoad ? 0 : 1), f, isLoad, slots))
    return;
  unsigned rows = f.use == Use::B ? shape->n : shape->m, minor = minorSize(f);
  slots.push_back(d.numOperands() == 3 ? d.read(2, ScalarType::U32)
                                       : d.owner.constant(4, isContiguous ? minor : rows));
  info.elementBytes = info.registerBytes = f.registerBytes();
  d.address(d.operand(isLoad ? 1 : 0), info);
  d.inst.flags = isContiguous ? kMajorContiguous : 0;
  d.inst.target = unsigned(shape - shapes) | unsigned(f.use) << 4 | unsigned(type) << 6;
  d.inst.extra = d.addSlots(slots);
  d.inst.aux = d.addMemory(info);
  d.inst.flow = Flow::WarpSync;
  d.set(isLoad ? handleMemory<true> : handleMemory<false>, isLoad ? OpClass::Load : OpClass::Store);
}

/// Null where PTX has no such product.
Handler pickProduct(const Product &p) {
  bool isInteger = p.d == ScalarType::S32 && p.c == ScalarType::S32;
  if (!hasShape(p.a, p.shape) || (p.a != p.b && !isInteger))
    return nullptr;
  switch (p.a) {
  case ScalarType::F16:
    return (p.d == ScalarType::F16 || p.d == ScalarType::F32) &&
                   (p.c == ScalarType::F16 || p.c == ScalarType::F32)
               ? handleFloat
               : nullptr;
  case ScalarType::BF16:
  case ScalarType::TF32:
    return p.d == ScalarType::F32 && p.c == ScalarType::F32 ? handleFloat : nullptr;
  case ScalarType::F64:
    return p.d == ScalarType::F64 && p.c == ScalarType::F64 ? handleDouble : nullptr;
  case ScalarType::B1:
    return isInteger && p.b == ScalarType::B1 ? handleBinary : nullptr;
  default:
    return isInteger && p.a == p.b ? handleInteger : nullptr;
  }
}

void decodeProduct(InstructionDecoder &d) {
  bool isXor = d.take("xor"), isAnd = !isXor && d.take("and"), isBinary = isXor || isAnd;
  if (isBinary && !d.take("popc"))
    return d.fail("binary 'wmma.mma' needs .popc");
  const Shape *shape = takeShape(d);
  bool aIsRow = takeIsRow(d), bIsRow = takeIsRow(d);
  bool saturates = d.take("satfinite");
  std::optional<numerics::Rounding> rounding = d.takeRounding();
  // .dtype.ctype of f16 operands, else .dtype.atype.btype.ctype.
  ScalarType first = d.requireType(), a = d.requireType(), b = ScalarType::F16, c = a;
  if (std::optional<ScalarType> third = d.takeType()) {
    b = *third;
    c = d.requireType();
  } else {
    a = ScalarType::F16;
  }
  if (!shape || d.hasFailed())
    return;
  Product p{*shape, first,     a,     b,
            c,      saturates, isXor, rounding.value_or(numerics::Rounding::NearestEven)};
  Handler handler = pickProduct(p);
  if (!handler)
    return d.fail("no wmma of shape ." + shape->name.str() + " with types ." +
                  parser::getName(p.d).str() + "." + parser::getName(p.a).str() + "." +
                  parser::getName(p.b).str() + "." + parser::getName(p.c));
  if (saturates && handler != handleInteger)
    return d.fail("'.satfinite' applies to integer wmma");
  if (rounding && handler != handleDouble)
    return d.fail("only .f64 wmma takes a rounding");
  if (isBinary != (handler == handleBinary))
    return d.fail("binary 'wmma.mma' needs .xor.popc or .and.popc, others neither");
  if (parser::getBits(a) < 8 && (!aIsRow || bIsRow))
    return d.fail("'wmma.mma' of '." + parser::getName(a).str() + "' is .row.col");
  if (!d.expectOperands(4))
    return;
  llvm::SmallVector<Slot, 40> slots;
  Fragment fragments[] = {{*shape, Use::Accumulator, p.d},
                          {*shape, Use::A, p.a},
                          {*shape, Use::B, p.b},
                          {*shape, Use::Accumulator, p.c}};
  for (unsigned k = 0; k < 4; ++k)
    if (!takeRegisters(d, d.operand(k), fragments[k], k == 0, slots))
      return;
  d.inst.extra = d.addSlots(slots);
  d.inst.imm = p.encode();
  d.inst.flow = Flow::WarpSync;
  d.set(handler, OpClass::Matrix);
}

} // namespace

void tilewright::emulator::decodeWmma(InstructionDecoder &d) {
  if (d.take("load"))
    return decodeMemory(d, true);
  if (d.take("store"))
    return decodeMemory(d, false);
  if (d.take("mma"))
    return decodeProduct(d);
  d.fail("'wmma' is one of .load, .store, .mma");
}
