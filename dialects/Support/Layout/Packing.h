//===- Packing.h - How b-bit weights lie in 32-bit words -------------------===//
//
// Weights of b bits (1..8) are packed ahead of time so that the words a thread
// loads unpack, without a shuffle, into the registers it feeds an mma. Two
// storage layouts per width, one for activations of 16 bits (f16 and bf16) and
// one for those of 8; each is the same for every target and every schedule.
//
// Fragment: 64 (K) x 16 (N) weights, 32 a lane, b words a lane, lane = 4g + t.
// An mma operand register has a pair of weights beside activations of 16 bits,
// in the low and the high half, and four, a byte each, beside those of 8:
//   16 bits   k = 16kb + 8kh + 2t + kp    n = 8nb + g    pair (kb*2 + nb)*2 + kh
//    8 bits   k = 32kb + 16kh + 4t + kq   n = 8nb + g    quad (kb*2 + nb)*2 + kh
// kp (kq) counts the parts of a register upwards, so an unpacked pair (quad) is
// the register. What follows says pair and half for quad and byte too.
// Block: 128 (K) x 32 (N) weights, four fragments f = 2*(k/64) + n/16
//   (`fragmentIndex`), 4b words a lane, stored 16 bytes a lane at a time:
//   word w of lane l lies at word offset (w/4)*128 + l*4 + w%4.
// Matrix: blocks in row-major order of (N/32, K/128): the blocks of one column
//   strip follow each other along K.
//
// Within a fragment each 16-bit half of the b words holds floor(16/b) whole
// fields and left-over bits; the left-over bits of several words together hold
// the remaining pairs ("residue"). A field is one lop3 ((word & mask) | magic)
// away from a floating-point number of value base + v * 2^offset. Bytes hold
// floor(8/b) fields; one at the top of its byte is one mask away from a byte of
// value v * 2^(8-b), signed or not.
//
// Planes: nested codes and stacks (Format.h) are cut by bits first. A plane is a
// matrix of one-bit codes, blocks in the order above, 4 words a lane and block: that
// of fragment f lies at lane*4 + f. So the first b planes are b bits a weight
// wherever there are more. In word p of a fragment, bit (i - p) mod 16 of a half is
// that of pair i: the bits of a nested code already lie side by side once bits of
// two words are merged (UnpackPlanes.cpp). Planes of a stack are all like the first.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_PACKING_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_PACKING_H

#include "dialects/Support/Format/Format.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace tilewright::layout {

/// Version of the storage layout; files carry it.
constexpr unsigned packingVersion = 1;

constexpr unsigned fragmentK = 64, fragmentN = 16;
constexpr unsigned blockK = 128, blockN = 32;
constexpr unsigned pairsPerFragment = 16;

/// What weights are stored for: activations of 16 or of 8 bits.
enum class ActivationClass { Bits16, Bits8 };

/// Weights in an mma operand register, bits for each of them, and registers a
/// fragment.
constexpr unsigned getParts(ActivationClass activations) {
  return activations == ActivationClass::Bits16 ? 2 : 4;
}
constexpr unsigned getPartBits(ActivationClass activations) { return 32 / getParts(activations); }
constexpr unsigned getRegistersPerFragment(ActivationClass activations) {
  return 32 / getParts(activations);
}

/// "16-bit", "8-bit": the name of a class in files and messages.
llvm::StringRef getName(ActivationClass activations);
llvm::Expected<ActivationClass> parseActivationClass(llvm::StringRef name);

/// `part`, of 16 or 8 bits, in each part of a word.
constexpr uint32_t repeatPart(uint32_t part, ActivationClass activations) {
  return part * (activations == ActivationClass::Bits16 ? 0x00010001u : 0x01010101u);
}

/// Where bit `bit` of the code of pair `pair` lies in both halves of a word.
struct BitPosition {
  uint8_t word = 0;   ///< word within the fragment, 0..b-1
  uint8_t offset = 0; ///< bit within the 16-bit half, 0..15; within the byte, 0..7
};

/// The word layout of one width and class: for each pair (quad) and code bit its
/// position, the same in both halves (all four bytes).
class WordLayout {
public:
  /// The layout of width `bits` (1..8).
  static const WordLayout &get(unsigned bits,
                               ActivationClass activations = ActivationClass::Bits16);
  /// That of `bits` (1..8) planes, nested or of a stack: word p holds plane p, bit
  /// bits-1-p of codes.
  static const WordLayout &getPlanes(unsigned bits, bool isStack = false);

  unsigned getBits() const { return bits; }
  ActivationClass getActivations() const { return activations; }
  BitPosition locate(unsigned pair, unsigned bit) const { return positions[pair * bits + bit]; }
  /// Checks that the map is a bijection of 16 pairs x b bits onto b halves, or of
  /// 8 quads x b bits onto b bytes.
  llvm::Error verify() const;

  WordLayout(unsigned bits, llvm::SmallVector<BitPosition, 128> positions,
             ActivationClass activations = ActivationClass::Bits16)
      : bits(bits), activations(activations), positions(std::move(positions)) {}

private:
  unsigned bits;
  ActivationClass activations;
  llvm::SmallVector<BitPosition, 128> positions;
};

/// How the codes of a matrix lie in memory (see above).
enum class Storage {
  Words,  ///< the b words of a fragment hold whole codes
  Nested, ///< planes of nested codes
  Stack,  ///< planes of a stack, each like the first
};

inline bool hasPlanes(Storage storage) { return storage != Storage::Words; }

/// How a format is stored.
inline Storage getStorage(const format::Format &format) {
  if (!format.isNested())
    return Storage::Words;
  return format.isStack() ? Storage::Stack : Storage::Nested;
}

/// One step of an unpack program; each is one instruction on a 32-bit word.
struct UnpackStep {
  enum class Kind {
    ShiftRight, ///< result = a >> amount
    ShiftLeft,  ///< result = a << amount
    RotateLeft, ///< result = a << amount | a >> (32 - amount), one shf
    Permute,    ///< result = prmt(a, b, selector)
    Select,     ///< result = (a & mask) | (b & ~mask), one lop3
    And,        ///< result = a & mask
    /// result = prmt(a, b, selector | 0x8888): each byte is eight copies of the
    /// top bit of the byte that its digit picks
    Spread,
  };
  Kind kind;
  unsigned a = 0, b = 0; ///< value numbers: 0..bits-1 are the words, then steps
  uint32_t immediate = 0;
};

/// How a pair is read from a value: its `bits`-wide field starts at `offset`
/// of each half; lop3 with the magic number makes it floating point. Placed
/// floats: `offset` is where the mantissa begins, the sign is at bit 15. Tables:
/// the code of half h is a digit of a selector, at `offset` (0 or 4) of byte h.
struct UnpackField {
  unsigned value = 0;  ///< value number
  unsigned offset = 0; ///< bit within the half
  unsigned pair = 0;
  /// Tables of 16: the value whose bytes are all ones where bit 3 of a code is.
  unsigned top = 0;
};

/// How fields become numbers.
enum class UnpackScheme {
  /// (v & mask) | magic, then one fma removes the base and 2^offset.
  MagicFma,
  /// prmt inserts the magic byte above an 8-bit code (f16, 8 bits).
  MagicByte,
  /// 7 low bits and the top bit become two magic numbers (bf16, 8 bits):
  ///   (v & 0x7f) | 0x4300 =  128 + low bits
  ///   (~v & 0x80) | 0xc300 = -256, or -128 where the top bit is set
  /// Their sum, code - 128, is exact (256 + code would not fit the mantissa);
  /// a second addition of 128 - zero is exact too, and void for zero = 128.
  MagicSplit,
  /// v & mask: the sign at bit 15, exponent and mantissa below the activation's
  /// exponent bits; then a multiplication by `factor` unless it is 1.
  PlaceFloat,
  /// prmt puts a code of 8 bits above a zero byte: e5m2 as f16.
  PlaceByte,
  /// A table of 4, 8 or 16 entries is looked up by prmt (UnpackTables.cpp).
  TableLookup,
  /// Bytes: v & mask, the code at the top of each byte; 8 bits are there as they
  /// are. code * 2^(8-b) as a signed or unsigned byte.
  TopOfByte,
};

/// A straight-line program that unpacks the b words of one fragment.
struct UnpackProgram {
  unsigned bits = 0;
  ActivationClass activations = ActivationClass::Bits16;
  UnpackScheme scheme = UnpackScheme::MagicFma;
  /// Numbers are 2 * code + 1 - 2^bits, those of nested codes: the fma leaves twice
  /// the code, and its addend is exact where the field has an offset. One at offset 0
  /// takes one more fma: 2 * (code - 2^(bits - 1)) + 1. Schemes MagicFma and MagicSplit.
  bool isOdd = false;
  /// Of float codes; 0 for integers.
  unsigned exponentBits = 0;
  uint32_t mask = 0; ///< PlaceFloat: the bits of the number, both halves
  double factor = 1; ///< PlaceFloat: a power of two
  /// What is left for the sum of products: the code's number is the operand
  /// times 2^sumExponent.
  int sumExponent = 0;
  uint32_t magic = 0; ///< of both halves, e.g. 0x64006400
  double base = 0;    ///< value of the magic number: 1024 (f16), 128 (bf16)
  llvm::SmallVector<UnpackStep, 24> steps;
  llvm::SmallVector<UnpackField, 16> fields; ///< one a pair

  /// Instructions to turn one fragment's words into 16 (or 8) registers of exact
  /// numbers (code - zero; a float's number without 2^sumExponent): steps +
  /// lop3/prmt + fma or multiplication. The table of docs/quantisation.md.
  unsigned countInstructions() const;
};

enum class Activation { F16, BF16, I8 };

constexpr ActivationClass getClass(Activation activation) {
  return activation == Activation::I8 ? ActivationClass::Bits8 : ActivationClass::Bits16;
}

/// The program for integer codes of a width (1..8) and an activation type.
const UnpackProgram &getUnpackProgram(unsigned bits, Activation activation);

/// The program for a format of weights (Format::isWeight; integers with I8). That
/// of fixed-point floats is that of their width: they are stored as biased integers.
const UnpackProgram &getUnpackProgram(const format::Format &format, Activation activation);

/// The program for the top `bits` (1..8) planes of nested codes.
const UnpackProgram &getPlaneProgram(unsigned bits, Activation activation);
/// The program for integer codes of a width beside activations of 8 bits.
const UnpackProgram &getByteProgram(unsigned bits);

/// The program for codes of `bits` (2..4) that index a table.
const UnpackProgram &getTableProgram(unsigned bits);

/// 32-bit words of a table as kernels take it: the low bytes of all entries,
/// four to a word, then the high bytes.
constexpr unsigned getTableWords(unsigned bits) { return (1u << bits) / 2; }

/// What the sum of products is to be multiplied by, as a power of two: the
/// operands that unpacking yields are the codes' numbers * 2^-exponent, exact.
int getSumExponent(const format::Format &format, Activation activation);

/// Proves that program(layout(codes)) == codes for every bit, symbolically:
/// each field bit of the program must be the expected code bit of the layout,
/// whatever the other bits are. The error names the pair and the bit.
llvm::Error verifyUnpack(const WordLayout &layout, const UnpackProgram &program);

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// A weight within its block.
struct BlockCoordinates {
  unsigned k = 0; ///< 0..127
  unsigned n = 0; ///< 0..31
  bool operator==(const BlockCoordinates &other) const = default;
};

/// Where a weight of a block is kept: half (kp) of a pair of a fragment of a
/// lane's words.
struct BlockPosition {
  unsigned fragment = 0; ///< 0..3
  unsigned lane = 0;     ///< 0..31
  unsigned pair = 0;     ///< 0..15; a quad: 0..7
  unsigned half = 0;     ///< 0 low, 1 high; a byte: 0..3
  bool operator==(const BlockPosition &other) const = default;
};

BlockPosition getBlockPosition(BlockCoordinates coordinates,
                               ActivationClass activations = ActivationClass::Bits16);
BlockCoordinates getBlockCoordinates(BlockPosition position,
                                     ActivationClass activations = ActivationClass::Bits16);

/// Offset in its block of word `word` (0..bits-1) of a fragment of a lane, in
/// 32-bit words.
unsigned getWordOffset(unsigned bits, unsigned fragment, unsigned word, unsigned lane);

/// The same in a plane of the block, whose lanes have a word a fragment.
unsigned getPlaneOffset(unsigned fragment, unsigned lane);

/// Where word `word` of a fragment of a lane is in a tile of words: (strip, block,
/// word), or (strip, block, plane, word) with planes.
llvm::SmallVector<int64_t, 4> getWordCoordinates(bool hasPlanes, unsigned bits, int64_t strip,
                                                 int64_t block, unsigned fragment, unsigned word,
                                                 unsigned lane);

/// Bytes of a packed K x N matrix (padded to whole blocks).
uint64_t getPackedBytes(uint64_t k, uint64_t n, unsigned bits);
/// Index (0..3) of the fragment in its block that holds (k, n), 0 <= k < 128,
/// 0 <= n < 32: 2*(k/64) + n/16.
unsigned fragmentIndex(unsigned k, unsigned n);

/// Order of scales and zero points within a strip of 32 columns: the position
/// of column n (0..31) is g*4 + n/8, g = n%8. Eight lanes then read the four
/// columns of their fragments as one vector, and the four lanes of an
/// accumulator row their eight columns.
unsigned scalePosition(unsigned n);

} // namespace tilewright::layout

#endif
