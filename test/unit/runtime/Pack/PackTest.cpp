//===- PackTest.cpp - Packing against the formulae of the layout ------------===//
//
// The reference places every bit of every code one at a time, by the formulae
// at the top of dialects/Support/Layout/Packing.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/Pack.h"

#include "gtest/gtest.h"
#include <random>

using namespace tilewright;
using namespace tilewright::pack;

namespace {

constexpr unsigned seed = 20240611;

std::string text(llvm::Error error) { return llvm::toString(std::move(error)); }

using layout::Storage;

/// Packs dense codes[k * n + n] bit by bit.
std::vector<uint32_t> packReference(const PackedShape &shape, const std::vector<uint8_t> &codes) {
  const auto &layout = layout::WordLayout::get(shape.bits, shape.activations);
  bool isBytes = shape.activations == layout::ActivationClass::Bits8;
  uint64_t blocksAlongK = (shape.k + 127) / 128, blocksAlongN = (shape.n + 31) / 32;
  uint64_t wordsPerBlock = 128 * 32 * shape.bits / 32;
  std::vector<uint32_t> words(blocksAlongK * blocksAlongN * wordsPerBlock);
  for (int64_t k = 0; k < shape.k; ++k)
    for (int64_t n = 0; n < shape.n; ++n) {
      uint64_t block = (n / 32) * blocksAlongK + k / 128;
      unsigned fragment = 2 * (k % 128 / 64) + n % 32 / 16;
      unsigned kp = k % 2, t = k / 2 % 4, kh = k / 8 % 2, kb = k / 16 % 4;
      if (isBytes)
        kp = k % 4, t = k / 4 % 4, kh = k / 16 % 2, kb = k / 32 % 2;
      unsigned g = n % 8, nb = n / 8 % 2;
      unsigned lane = 4 * g + t, pair = (kb * 2 + nb) * 2 + kh;
      for (unsigned bit = 0; bit < shape.bits; ++bit) {
        layout::BitPosition at = layout.locate(pair, bit);
        unsigned w = fragment * shape.bits + at.word;
        uint64_t word = block * wordsPerBlock + (w / 4) * 128 + lane * 4 + w % 4;
        unsigned offset = at.offset;
        if (shape.storage != Storage::Words) {
          // Plane by plane, the top bits first; skewed by the plane where nested.
          unsigned plane = shape.bits - 1 - bit;
          offset = (16 + pair - (shape.storage == Storage::Nested ? plane : 0)) % 16;
          word = (plane * blocksAlongK * blocksAlongN + block) * 128 + lane * 4 + fragment;
        }
        uint32_t value = codes[k * shape.n + n] >> bit & 1;
        words[word] |= value << ((isBytes ? 8 : 16) * kp + offset);
      }
    }
  return words;
}

std::vector<uint8_t> makeCodes(std::mt19937 &random, const PackedShape &shape) {
  std::vector<uint8_t> codes(shape.k * shape.n);
  for (uint8_t &code : codes)
    code = random() & ((1u << shape.bits) - 1);
  return codes;
}

Matrix<const uint8_t> dense(const std::vector<uint8_t> &codes, int64_t rowLength) {
  return {codes.data(), rowLength, 1};
}

/// Words for either class of activations, and planes.
struct Form {
  Storage storage;
  layout::ActivationClass activations = layout::ActivationClass::Bits16;
};

/// Every width and form, on shapes with tails in K, in N, in both and in none.
class Pack : public testing::TestWithParam<std::tuple<unsigned, Form>> {
protected:
  static unsigned getBits() { return std::get<0>(GetParam()); }
  static PackedShape makeShape(int64_t k, int64_t n) {
    PackedShape shape{k, n, getBits()};
    shape.storage = std::get<1>(GetParam()).storage;
    shape.activations = std::get<1>(GetParam()).activations;
    return shape;
  }
  static std::vector<PackedShape> makeShapes(std::mt19937 &random) {
    std::vector<PackedShape> shapes;
    for (auto [k, n] :
         {std::pair(128, 32), {1, 1}, {127, 33}, {256, 65}, {129, 32}, {640, 96}, {300, 549}})
      shapes.push_back(makeShape(k, n));
    for (int i = 0; i < 6; ++i)
      shapes.push_back(makeShape(int64_t(random() % 500 + 1), int64_t(random() % 150 + 1)));
    return shapes;
  }
};

TEST_P(Pack, MatchesTheFormulaeInBothOrders) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed + getBits());
  for (const PackedShape &shape : makeShapes(random)) {
    SCOPED_TRACE("K=" + std::to_string(shape.k) + " N=" + std::to_string(shape.n));
    std::vector<uint8_t> kn = makeCodes(random, shape), nk(kn.size());
    for (int64_t k = 0; k < shape.k; ++k)
      for (int64_t n = 0; n < shape.n; ++n)
        nk[n * shape.k + k] = kn[k * shape.n + n];
    std::vector<uint32_t> expected = packReference(shape, kn);
    ASSERT_EQ(expected.size(), shape.getWordCount());
    // Start from garbage: every word, padding too, must be written.
    std::vector<uint32_t> words(expected.size(), 0xdeadbeef);
    ASSERT_EQ(text(packCodes(shape, dense(kn, shape.n), words)), "");
    EXPECT_EQ(words, expected);
    std::fill(words.begin(), words.end(), 0xdeadbeef);
    ASSERT_EQ(text(packCodes(shape, dense(nk, shape.k).transposed(), words)), "");
    EXPECT_EQ(words, expected);

    std::vector<uint8_t> back(kn.size(), 0xff);
    ASSERT_EQ(text(unpackCodes(shape, words, {back.data(), shape.n, 1})), "");
    EXPECT_EQ(back, kn);
    std::fill(back.begin(), back.end(), 0xff);
    ASSERT_EQ(text(unpackCodes(shape, words, {back.data(), 1, shape.k})), "");
    EXPECT_EQ(back, nk);
  }
}

TEST_P(Pack, GivesTheSameWordsWithAnyNumberOfThreads) {
  PackedShape shape = makeShape(128 * 11 + 5, 32 * 23 + 7);
  std::mt19937 random(seed);
  std::vector<uint8_t> codes = makeCodes(random, shape);
  std::vector<uint32_t> one(shape.getWordCount()), many(one.size());
  ASSERT_EQ(text(packCodes(shape, dense(codes, shape.n), one, 1)), "");
  for (unsigned threads : {2u, 3u, 7u, 0u}) {
    std::fill(many.begin(), many.end(), 0xdeadbeef);
    ASSERT_EQ(text(packCodes(shape, dense(codes, shape.n), many, threads)), "");
    EXPECT_EQ(many, one) << threads << " threads";
    std::vector<uint8_t> back(codes.size());
    ASSERT_EQ(text(unpackCodes(shape, many, {back.data(), shape.n, 1}, threads)), "");
    EXPECT_EQ(back, codes) << threads << " threads";
  }
}

/// Widths in which some byte is not a code.
class PackInvalid : public Pack {};

TEST_P(PackInvalid, NamesTheFirstCodeThatIsTooLarge) {
  unsigned bits = getBits();
  PackedShape shape = makeShape(128 * 40, 64);
  std::vector<uint8_t> codes(shape.k * shape.n);
  // In the order of blocks, (5000, 3) comes before (7, 40): strip 0 is first.
  codes[7 * shape.n + 40] = 0xff;
  codes[5000 * shape.n + 3] = 1u << bits;
  std::vector<uint32_t> words(shape.getWordCount());
  for (unsigned threads : {1u, 4u})
    EXPECT_EQ(text(packCodes(shape, dense(codes, shape.n), words, threads)),
              "the code of weight (k=5000, n=3) is " + std::to_string(1u << bits) +
                  ", but codes of " + std::to_string(bits) + " bits are at most " +
                  std::to_string((1u << bits) - 1));
}

/// The first planes are what packing the top bits of codes gives.
TEST(PackPlanes, BeginWithThoseOfTheTopBits) {
  std::mt19937 random(seed);
  PackedShape whole{300, 70, 8};
  std::vector<uint8_t> codes = makeCodes(random, whole);
  for (Storage storage : {Storage::Nested, Storage::Stack}) {
    whole.storage = storage;
    std::vector<uint32_t> all(whole.getWordCount());
    ASSERT_EQ(text(packCodes(whole, dense(codes, whole.n), all)), "");
    for (unsigned bits = 1; bits < 8; ++bits) {
      PackedShape part = whole;
      part.bits = bits;
      std::vector<uint8_t> top(codes.size());
      for (size_t i = 0; i < codes.size(); ++i)
        top[i] = codes[i] >> (8 - bits);
      std::vector<uint32_t> words(part.getWordCount());
      ASSERT_EQ(text(packCodes(part, dense(top, whole.n), words)), "");
      EXPECT_TRUE(std::equal(words.begin(), words.end(), all.begin())) << bits;
      EXPECT_EQ(words.size() * 8, all.size() * bits);
    }
  }
}

const Form forms[] = {{Storage::Words},
                      {Storage::Nested},
                      {Storage::Stack},
                      {Storage::Words, layout::ActivationClass::Bits8}};
INSTANTIATE_TEST_SUITE_P(Bits, Pack,
                         testing::Combine(testing::Range(1u, 9u), testing::ValuesIn(forms)));
INSTANTIATE_TEST_SUITE_P(Bits, PackInvalid,
                         testing::Combine(testing::Range(1u, 8u), testing::ValuesIn(forms)));

TEST(PackLayout, PutsEachBitWhereTheCompilerReadsIt) {
  // One code at a time: the only bits set are those that the layout names.
  std::mt19937 random(seed);
  for (unsigned bits = 1; bits <= 8; ++bits)
    for (int trial = 0; trial < 40; ++trial) {
      PackedShape shape{128, 32, bits};
      unsigned k = random() % 128, n = random() % 32;
      std::vector<uint8_t> codes(128 * 32);
      codes[k * 32 + n] = uint8_t((1u << bits) - 1);
      std::vector<uint32_t> words(shape.getWordCount()), expected(words.size());
      layout::BlockPosition at = layout::getBlockPosition({k, n});
      for (unsigned bit = 0; bit < bits; ++bit) {
        layout::BitPosition place = layout::WordLayout::get(bits).locate(at.pair, bit);
        expected[layout::getWordOffset(bits, at.fragment, place.word, at.lane)] |=
            1u << (16 * at.half + place.offset);
      }
      ASSERT_EQ(text(packCodes(shape, dense(codes, 32), words)), "");
      EXPECT_EQ(words, expected) << bits << " bits, k=" << k << ", n=" << n;
    }
}

TEST(PackStrides, ReadsPaddedSteppedAndReversedArrays) {
  PackedShape shape{130, 35, 4};
  std::mt19937 random(seed);
  std::vector<uint8_t> codes = makeCodes(random, shape);
  std::vector<uint32_t> expected = packReference(shape, codes);
  struct {
    int64_t rowStride, columnStride;
  } cases[] = {{50, 1}, {80, 2}, {-50, 1}, {1, 200}, {3, -400}};
  for (auto [rowStride, columnStride] : cases) {
    // Codes that must not be read are out of range.
    std::vector<uint8_t> memory(2 * 35 * 400 + 1, 0xff);
    Matrix<uint8_t> matrix{memory.data() + 35 * 400, rowStride, columnStride};
    for (int64_t k = 0; k < shape.k; ++k)
      for (int64_t n = 0; n < shape.n; ++n)
        matrix.at(k, n) = codes[k * shape.n + n];
    std::vector<uint32_t> words(expected.size());
    ASSERT_EQ(text(packCodes(shape, {matrix.data, rowStride, columnStride}, words)), "");
    EXPECT_EQ(words, expected) << rowStride << ", " << columnStride;
    // Unpacking writes the same places and no others.
    std::vector<uint8_t> untouched = memory;
    for (int64_t k = 0; k < shape.k; ++k)
      for (int64_t n = 0; n < shape.n; ++n)
        matrix.at(k, n) = 0;
    ASSERT_EQ(text(unpackCodes(shape, words, matrix)), "");
    EXPECT_EQ(memory, untouched);
  }
}

TEST(PackShape, RefusesWhatItCannotPack) {
  std::vector<uint8_t> codes(128 * 32);
  std::vector<uint32_t> words(512);
  auto packAs = [&](PackedShape shape) { return text(packCodes(shape, dense(codes, 32), words)); };
  EXPECT_EQ(packAs({128, 32, 4}), "");
  EXPECT_EQ(packAs({128, 32, 0}), "packed weights have 1 to 8 bits, but got 0");
  EXPECT_EQ(packAs({128, 32, 9}), "packed weights have 1 to 8 bits, but got 9");
  EXPECT_EQ(packAs({128, -1, 4}), "a packed matrix has extents of 0 or more, but got K=128, N=-1");
  EXPECT_NE(packAs({int64_t(1) << 40, int64_t(1) << 40, 4}).find("at most 2^46 weights"),
            std::string::npos);
  EXPECT_EQ(packAs({128, 32, 4, 1, Storage::Nested, layout::ActivationClass::Bits8}),
            "planes are packed for 16-bit activations, but got 8-bit");
  EXPECT_EQ(packAs({128, 33, 4}), "K=128, N=33 of 4 bits take 1024 packed words, but got 512");
  EXPECT_EQ(packAs({128, 32, 4, layout::packingVersion + 1}),
            "the weights are packed in layout version 2, but this build reads version 1");
  EXPECT_EQ(text(unpackCodes({128, 32, 4, 0}, words, {codes.data(), 32, 1})),
            "the weights are packed in layout version 0, but this build reads version 1");
}

TEST(PackShape, PacksNothingIntoNothing) {
  for (PackedShape shape : {PackedShape{0, 5, 4}, {5, 0, 4}, {0, 0, 4}}) {
    EXPECT_EQ(shape.getWordCount(), 0u);
    EXPECT_EQ(text(packCodes(shape, {nullptr, 1, 1}, {})), "");
    EXPECT_EQ(text(unpackCodes(shape, {}, {nullptr, 1, 1})), "");
  }
}

} // namespace
