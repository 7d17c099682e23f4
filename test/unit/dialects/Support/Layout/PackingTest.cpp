//===- PackingTest.cpp - Packed weights and their unpack programs ----------===//
//
// The programs are executed on integers, as the instructions they stand for,
// and their results decoded as f16 and bf16 into doubles, independently of the
// symbolic proof; then the proof itself is shown layouts and programs with one
// thing wrong.
//
//===----------------------------------------------------------------------===//
#include "UnpackMachine.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace tilewright::layout;

namespace {

//===----------------------------------------------------------------------===//
// Arithmetic, written from the formats' definitions
//===----------------------------------------------------------------------===//

struct FloatFormat {
  unsigned exponentBits, mantissaBits;
};
constexpr FloatFormat f16Format{5, 10}, bf16Format{8, 7};

FloatFormat formatOf(Activation activation) {
  return activation == Activation::F16 ? f16Format : bf16Format;
}

double decode(uint16_t word, FloatFormat format) {
  int mantissa = word & ((1 << format.mantissaBits) - 1);
  int exponent = word >> format.mantissaBits & ((1 << format.exponentBits) - 1);
  int bias = (1 << (format.exponentBits - 1)) - 1;
  double magnitude = exponent == 0 ? std::ldexp(mantissa, 1 - bias - int(format.mantissaBits))
                                   : std::ldexp(mantissa + (1 << format.mantissaBits),
                                                exponent - bias - int(format.mantissaBits));
  return word >> 15 ? -magnitude : magnitude;
}

/// Whether a finite value of moderate size needs no rounding.
bool isRepresentable(double value, FloatFormat format) {
  if (value == 0)
    return true;
  int exponent;
  double scaled = std::ldexp(std::frexp(value, &exponent), format.mantissaBits + 1);
  return scaled == std::trunc(scaled) && exponent > -14 && exponent < 15;
}

/// a * b + c where neither the operands nor the result need rounding.
double exactFma(double a, double b, double c, FloatFormat format) {
  double result = a * b + c;
  for (double x : {a, b, c, result})
    EXPECT_TRUE(isRepresentable(x, format)) << a << " * " << b << " + " << c;
  return result;
}

/// What the instructions make of a field of one half: code - zero.
double readField(const UnpackProgram &program, uint32_t value, const UnpackField &field,
                 unsigned half, double zero, FloatFormat format) {
  auto toDouble = [&](uint32_t pair) { return decode(pair >> 16 * half, format); };
  double scale = std::ldexp(1.0, -int(field.offset));
  switch (program.scheme) {
  case UnpackScheme::MagicFma: {
    uint32_t mask = ((1u << program.bits) - 1) << field.offset;
    uint32_t number = (value & mask * 0x10001u) | program.magic;
    return exactFma(toDouble(number), scale, -(program.base * scale + zero), format);
  }
  case UnpackScheme::MagicByte: {
    // Digits: code byte, magic's upper byte, for each half.
    uint32_t number = permute(value, program.magic, field.offset == 0 ? 0x5250 : 0x5351);
    return exactFma(toDouble(number), 1, -(program.base + zero), format);
  }
  case UnpackScheme::MagicSplit: {
    double low = toDouble((value & 0x007f007f) | program.magic);
    double top = toDouble((~value & 0x00800080) | (program.magic ^ 0x80008000));
    return exactFma(exactFma(low, 1, top, format), 1, program.base - zero, format);
  }
  case UnpackScheme::PlaceFloat: // UnpackFloatsTest.cpp
  case UnpackScheme::PlaceByte:
  case UnpackScheme::TableLookup: // UnpackTablesTest.cpp
  case UnpackScheme::TopOfByte:   // UnpackBytesTest.cpp
    break;
  }
  return NAN;
}

void expectUnpacks(unsigned bits, Activation activation, const Codes &codes, double zero) {
  const UnpackProgram &program = getUnpackProgram(bits, activation);
  std::vector<uint32_t> values = run(program, codes);
  ASSERT_EQ(program.fields.size(), pairsPerFragment);
  for (const UnpackField &field : program.fields)
    for (unsigned half = 0; half < 2; ++half)
      ASSERT_EQ(readField(program, values.at(field.value), field, half, zero, formatOf(activation)),
                codes[field.pair][half] - zero)
          << bits << " bits, pair " << field.pair << ", half " << half << ", zero " << zero;
}

class Widths : public testing::TestWithParam<std::tuple<unsigned, Activation>> {};

INSTANTIATE_TEST_SUITE_P(All, Widths,
                         testing::Combine(testing::Range(1u, 9u),
                                          testing::Values(Activation::F16, Activation::BF16)));

TEST_P(Widths, EveryCodeInEveryPlaceUnpacksExactly) {
  auto [bits, activation] = GetParam();
  unsigned count = 1u << bits;
  for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
    for (unsigned half = 0; half < 2; ++half)
      for (unsigned code = 0; code < count; ++code)
        for (unsigned others : {0u, count - 1}) {
          Codes codes;
          for (auto &both : codes)
            both = {others, others};
          codes[pair][half] = code;
          expectUnpacks(bits, activation, codes, 0);
        }
}

TEST_P(Widths, EveryZeroPointIsSubtractedExactly) {
  auto [bits, activation] = GetParam();
  unsigned count = 1u << bits;
  for (unsigned zero = 0; zero < count; ++zero)
    for (unsigned code = 0; code < count; ++code) {
      Codes codes;
      for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
        codes[pair] = {(code + 3 * pair) % count, (5 * code + 7 * pair + 1) % count};
      expectUnpacks(bits, activation, codes, zero);
    }
}

TEST_P(Widths, RandomCodesUnpackExactly) {
  auto [bits, activation] = GetParam();
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 500; ++trial) {
    Codes codes;
    for (auto &both : codes)
      both = {unsigned(random() % (1u << bits)), unsigned(random() % (1u << bits))};
    expectUnpacks(bits, activation, codes, random() % (1u << bits));
  }
}

TEST_P(Widths, TheProofHolds) {
  auto [bits, activation] = GetParam();
  llvm::Error error = verifyUnpack(WordLayout::get(bits), getUnpackProgram(bits, activation));
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
}

TEST(UnpackPrograms, InstructionCounts) {
  const unsigned f16[] = {33, 34, 36, 36, 40, 42, 46, 32};
  const unsigned bf16[] = {34, 36, 40, 44, 46, 48, 52, 72};
  for (unsigned bits = 1; bits <= 8; ++bits) {
    EXPECT_EQ(getUnpackProgram(bits, Activation::F16).countInstructions(), f16[bits - 1]) << bits;
    EXPECT_EQ(getUnpackProgram(bits, Activation::BF16).countInstructions(), bf16[bits - 1]) << bits;
  }
}

TEST(UnpackPrograms, DistinctOffsetsAreFew) {
  // Each distinct offset costs a mask and constants of the fma.
  for (unsigned bits = 1; bits <= 8; ++bits)
    for (Activation activation : {Activation::F16, Activation::BF16}) {
      std::set<unsigned> offsets;
      for (const UnpackField &field : getUnpackProgram(bits, activation).fields)
        offsets.insert(field.offset);
      EXPECT_LE(offsets.size(), bits == 1 ? 10u : 6u) << bits;
    }
}

//===----------------------------------------------------------------------===//
// The proof refuses
//===----------------------------------------------------------------------===//

using Positions = llvm::SmallVector<BitPosition, 128>;

Positions positionsOf(unsigned bits) {
  Positions positions;
  for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
    for (unsigned bit = 0; bit < bits; ++bit)
      positions.push_back(WordLayout::get(bits).locate(pair, bit));
  return positions;
}

std::string message(llvm::Error error) {
  EXPECT_TRUE(bool(error)) << "expected a refusal";
  return llvm::toString(std::move(error));
}

std::string refusal(const UnpackProgram &program) {
  return message(verifyUnpack(WordLayout::get(program.bits), program));
}

TEST(WordLayout, AllWidthsAreBijections) {
  for (unsigned bits = 1; bits <= 8; ++bits) {
    llvm::Error error = WordLayout::get(bits).verify();
    EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
  }
}

TEST(WordLayout, StorageIsFrozen) {
  // Version 1 of the storage layout, in places that tell layouts apart. A
  // change here is a new packingVersion.
  EXPECT_EQ(packingVersion, 1u);
  auto at = [](unsigned bits, unsigned pair, unsigned bit) {
    BitPosition position = WordLayout::get(bits).locate(pair, bit);
    return std::pair<unsigned, unsigned>(position.word, position.offset);
  };
  using P = std::pair<unsigned, unsigned>;
  EXPECT_EQ(at(1, 9, 0), P(0, 9));
  EXPECT_EQ(at(2, 9, 1), P(1, 3));
  EXPECT_EQ(at(3, 15, 0), P(0, 15));
  EXPECT_EQ(at(3, 15, 1), P(1, 0));
  EXPECT_EQ(at(3, 15, 2), P(2, 9));
  EXPECT_EQ(at(3, 5, 0), P(1, 1));
  EXPECT_EQ(at(3, 13, 2), P(2, 12));
  EXPECT_EQ(at(4, 6, 3), P(1, 11));
  EXPECT_EQ(at(5, 15, 3), P(1, 0));
  EXPECT_EQ(at(5, 4, 0), P(1, 6));
  EXPECT_EQ(at(5, 15, 4), P(4, 15));
  EXPECT_EQ(at(6, 12, 4), P(1, 0));
  EXPECT_EQ(at(6, 13, 5), P(1, 9));
  EXPECT_EQ(at(6, 15, 3), P(5, 15));
  EXPECT_EQ(at(7, 14, 4), P(0, 15));
  EXPECT_EQ(at(7, 15, 4), P(0, 7));
  EXPECT_EQ(at(7, 15, 6), P(4, 15));
  EXPECT_EQ(at(8, 15, 7), P(7, 15));
}

TEST(WordLayout, RefusesTwoBitsInOnePlace) {
  Positions positions = positionsOf(3);
  positions[5 * 3 + 1] = positions[2 * 3 + 0];
  EXPECT_EQ(message(WordLayout(3, positions).verify()),
            "expects one code bit at word 0 offset 6, but got bit 0 of pair 2 and bit 1 of pair 5");
}

TEST(WordLayout, RefusesPlacesOutsideTheWords) {
  Positions positions = positionsOf(3);
  positions[4] = {3, 0};
  EXPECT_EQ(message(WordLayout(3, positions).verify()),
            "expects bit 1 of pair 1 in words 0 to 2 at offsets 0 to 15, but got word 3 offset 0");
  positions[4] = {0, 16};
  EXPECT_EQ(message(WordLayout(3, positions).verify()),
            "expects bit 1 of pair 1 in words 0 to 2 at offsets 0 to 15, but got word 0 offset 16");
}

TEST(WordLayout, RefusesWrongSizes) {
  EXPECT_EQ(message(WordLayout(0, {}).verify()), "expects a width of 1 to 8 bits, but got 0");
  EXPECT_EQ(message(WordLayout(9, {}).verify()), "expects a width of 1 to 8 bits, but got 9");
  EXPECT_EQ(message(WordLayout(2, positionsOf(1)).verify()),
            "expects 32 bit positions for width 2, but got 16");
}

TEST(VerifyUnpack, NamesPairAndBitOfABrokenLayout) {
  Positions positions = positionsOf(3);
  std::swap(positions[7 * 3 + 0], positions[9 * 3 + 2]);
  EXPECT_EQ(message(verifyUnpack(WordLayout(3, positions), getUnpackProgram(3, Activation::F16))),
            "expects bit 0 of pair 7 (low half) at bit 7 of value 1, but got bit 2 of pair 9 (low "
            "half)");
}

TEST(VerifyUnpack, RefusesEverySwapOfTwoCodeBits) {
  for (unsigned bits : {1u, 3u, 5u, 6u, 7u, 8u}) {
    Positions original = positionsOf(bits);
    for (unsigned i = 0; i < original.size(); ++i)
      for (unsigned j = 0; j < i; ++j) {
        Positions positions = original;
        std::swap(positions[i], positions[j]);
        WordLayout broken(bits, positions);
        for (Activation activation : {Activation::F16, Activation::BF16}) {
          llvm::Error error = verifyUnpack(broken, getUnpackProgram(bits, activation));
          ASSERT_TRUE(bool(error)) << bits << ": " << i << " and " << j;
          llvm::consumeError(std::move(error));
        }
      }
  }
}

/// Whether integers come out right: the judge of mutated programs.
bool unpacksIntegers(const UnpackProgram &program) {
  std::mt19937 random(7);
  for (unsigned trial = 0; trial < 40; ++trial) {
    Codes codes;
    for (auto &both : codes)
      both = {unsigned(random() % (1u << program.bits)), unsigned(random() % (1u << program.bits))};
    std::vector<uint32_t> values = run(program, codes);
    for (const UnpackField &field : program.fields)
      for (unsigned half = 0; half < 2; ++half)
        if ((values[field.value] >> (16 * half + field.offset) & ((1u << program.bits) - 1)) !=
            codes[field.pair][half])
          return false;
  }
  return true;
}

TEST(VerifyUnpack, AgreesWithIntegersOnMutatedPrograms) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  unsigned refused = 0, accepted = 0;
  for (unsigned trial = 0; trial < 4000; ++trial) {
    Activation activation = random() % 2 ? Activation::F16 : Activation::BF16;
    UnpackProgram program = getUnpackProgram(1 + random() % 7, activation);
    UnpackStep &step = program.steps[random() % program.steps.size()];
    switch (random() % 3) {
    case 0:
      step.a = random() % program.bits;
      break;
    case 1:
      if (step.kind == UnpackStep::Kind::Permute)
        step.immediate = (step.immediate & ~7u) | random() % 8;
      else if (step.kind == UnpackStep::Kind::Select)
        step.immediate ^= 1u << random() % 32;
      else
        step.immediate = random() % 16;
      break;
    default:
      if (step.kind == UnpackStep::Kind::Select)
        std::swap(step.a, step.b);
      else if (step.kind == UnpackStep::Kind::ShiftRight && random() % 2)
        step.kind = UnpackStep::Kind::ShiftLeft;
    }
    llvm::Error error = verifyUnpack(WordLayout::get(program.bits), program);
    bool holds = !error;
    llvm::consumeError(std::move(error));
    ASSERT_EQ(holds, unpacksIntegers(program)) << "trial " << trial << ", width " << program.bits;
    ++(holds ? accepted : refused);
  }
  EXPECT_GT(refused, 500u);
  EXPECT_GT(accepted, 100u);
}

TEST(VerifyUnpack, RefusesMalformedPrograms) {
  const UnpackProgram &good = getUnpackProgram(3, Activation::F16);
  ASSERT_EQ(good.steps[0].kind, UnpackStep::Kind::Permute);

  UnpackProgram program = good;
  program.steps[0].b = 3;
  EXPECT_EQ(refusal(program), "expects step 3 to read an earlier value, but got value 3");

  program = good;
  program.steps[0].immediate = 0x8341;
  EXPECT_EQ(refusal(program),
            "expects the selector of value 3 to have four digits 0 to 7, but got 0x8341");

  program = good;
  program.steps[0] = {UnpackStep::Kind::ShiftRight, 0, 0, 32};
  EXPECT_EQ(refusal(program), "expects value 3 to shift by at most 31, but got 32");

  program = good;
  program.fields[4].pair = 5;
  std::string text = refusal(program);
  EXPECT_NE(text.find("of pair 5"), std::string::npos) << text;

  program = good;
  program.fields.push_back(good.fields[4]);
  EXPECT_EQ(refusal(program), "expects one field a pair, but got two for pair 4");

  program = good;
  program.fields.pop_back();
  EXPECT_EQ(refusal(program), "expects one field a pair, but got none for pair 15");

  program = good;
  program.fields[0].value = 99;
  EXPECT_EQ(refusal(program), "expects fields of 16 pairs in 7 values, but got pair 0 in value 99");

  program = good;
  program.fields[3] = {0, 9, 3};
  EXPECT_EQ(refusal(program), "expects the field of pair 3 within the magic number's window, but "
                              "got offset 9 for 3 bits");

  program = good;
  program.fields[3] = {0, ~0u, 3};
  EXPECT_NE(refusal(program).find("window, but got offset 4294967295"), std::string::npos);

  program = good;
  program.magic = 0x64004300;
  EXPECT_EQ(refusal(program), "expects magic 0x64006400 with base 1024 or 0x43004300 with base "
                              "128, but got 0x64004300 with base 1024");
  program = good;
  program.base = 128;
  EXPECT_EQ(refusal(program), "expects magic 0x64006400 with base 1024 or 0x43004300 with base "
                              "128, but got 0x64006400 with base 128");

  EXPECT_EQ(message(verifyUnpack(WordLayout::get(4), good)),
            "expects a program for width 4, but got one for width 3");
}

TEST(VerifyUnpack, RefusesFieldsBeyondTheNarrowWindow) {
  // The f16 program reads offsets up to 7 + 3 bits; bf16 shows 7 bits.
  UnpackProgram program = getUnpackProgram(3, Activation::F16);
  program.magic = 0x43004300;
  program.base = 128;
  EXPECT_NE(refusal(program).find("window"), std::string::npos);
}

TEST(VerifyUnpack, RefusesEightBitSchemesElsewhere) {
  UnpackProgram program = getUnpackProgram(4, Activation::F16);
  program.scheme = UnpackScheme::MagicByte;
  EXPECT_EQ(refusal(program), "expects magic bytes with 8 bits, but got 4");
  program.scheme = UnpackScheme::MagicSplit;
  EXPECT_EQ(refusal(program), "expects a split code with 8 bits, but got 4");

  program = getUnpackProgram(8, Activation::F16);
  program.fields[2].offset = 4;
  EXPECT_NE(refusal(program).find("pair 2 within the magic number's window"), std::string::npos);
  program = getUnpackProgram(8, Activation::BF16);
  program.fields[1] = {0, 8, 1};
  EXPECT_NE(refusal(program).find("pair 1 within the magic number's window"), std::string::npos);
  program = getUnpackProgram(8, Activation::BF16);
  program.scheme = UnpackScheme::MagicFma; // 8 bits in a window of 7
  EXPECT_NE(refusal(program).find("window"), std::string::npos);
  program = getUnpackProgram(8, Activation::BF16);
  program.magic = 0x64006400;
  program.base = 1024;
  EXPECT_EQ(refusal(program),
            "expects magic 0x43004300 with base 128, but got 0x64006400 with base 1024");
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

TEST(Blocks, PositionsFollowTheFragmentMap) {
  // The header's formulae, from the fragment's indices to coordinates.
  std::set<std::pair<unsigned, unsigned>> seen;
  for (unsigned kBlock = 0; kBlock < 2; ++kBlock)
    for (unsigned nBlock = 0; nBlock < 2; ++nBlock)
      for (unsigned kb = 0; kb < 4; ++kb)
        for (unsigned nb = 0; nb < 2; ++nb)
          for (unsigned kh = 0; kh < 2; ++kh)
            for (unsigned g = 0; g < 8; ++g)
              for (unsigned t = 0; t < 4; ++t)
                for (unsigned kp = 0; kp < 2; ++kp) {
                  BlockCoordinates at{64 * kBlock + 16 * kb + 8 * kh + 2 * t + kp,
                                      16 * nBlock + 8 * nb + g};
                  BlockPosition position{2 * kBlock + nBlock, 4 * g + t, (kb * 2 + nb) * 2 + kh,
                                         kp};
                  ASSERT_EQ(getBlockPosition(at), position);
                  ASSERT_EQ(getBlockCoordinates(position), at);
                  ASSERT_EQ(fragmentIndex(at.k, at.n), position.fragment);
                  seen.insert({at.k, at.n});
                }
  EXPECT_EQ(seen.size(), blockK * blockN);
}

TEST(Blocks, WordsFillTheBlockInSixteenByteLoads) {
  for (unsigned bits = 1; bits <= 8; ++bits) {
    std::set<unsigned> offsets;
    for (unsigned fragment = 0; fragment < 4; ++fragment)
      for (unsigned word = 0; word < bits; ++word)
        for (unsigned lane = 0; lane < 32; ++lane) {
          unsigned offset = getWordOffset(bits, fragment, word, lane);
          offsets.insert(offset);
          EXPECT_EQ(offset / 4 % 32, lane);
          EXPECT_EQ(offset / 128 * 4 + offset % 4, fragment * bits + word);
        }
    EXPECT_EQ(offsets.size(), 128 * bits);
    EXPECT_EQ(*offsets.rbegin(), 128 * bits - 1);
    EXPECT_EQ(getPackedBytes(blockK, blockN, bits), 4 * 128 * bits);
  }
}

TEST(Blocks, PackedBytesRoundUpToBlocks) {
  EXPECT_EQ(getPackedBytes(128, 32, 4), 2048u);
  EXPECT_EQ(getPackedBytes(1, 1, 3), 1536u);
  EXPECT_EQ(getPackedBytes(129, 33, 1), 4 * 512u);
  EXPECT_EQ(getPackedBytes(0, 64, 8), 0u);
  EXPECT_EQ(getPackedBytes(uint64_t(1) << 32, 1 << 16, 8), uint64_t(1) << 48);
}

TEST(Blocks, ScalePositionGroupsColumnsOfOneLaneRow) {
  std::set<unsigned> positions;
  for (unsigned c = 0; c < 4; ++c)
    for (unsigned g = 0; g < 8; ++g) {
      EXPECT_EQ(scalePosition(8 * c + g), g * 4 + c);
      positions.insert(scalePosition(8 * c + g));
    }
  EXPECT_EQ(positions.size(), 32u);
}

} // namespace
