//===- PreciseTest.cpp - Arithmetic in all roundings against MPFR -----------===//
//
// Every f16 and bf16 through division of one and the square root; pairs and
// triples of boundary values and of random bits through the rest, with and
// without flushing.
//
//===----------------------------------------------------------------------===//
#include "Precise.h"
#include "runtime/Emulator/Numerics/Float.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace tilewright::numerics;
using precise::Number;

namespace {

struct Kind {
  const char *name;
  FloatType type;
  precise::Format format = precise::formatOf(name);
};
const Kind kinds[] = {{"f16", FloatType::F16},
                      {"bf16", FloatType::BF16},
                      {"f32", FloatType::F32},
                      {"f64", FloatType::F64}};
const std::pair<Rounding, mpfr_rnd_t> roundings[] = {{Rounding::NearestEven, MPFR_RNDN},
                                                     {Rounding::Zero, MPFR_RNDZ},
                                                     {Rounding::Down, MPFR_RNDD},
                                                     {Rounding::Up, MPFR_RNDU}};

enum Operation { Add, Multiply, Fma, Divide, SquareRoot };

uint64_t expected(Operation operation, const precise::Format &format, mpfr_rnd_t rounding,
                  bool flush, const uint64_t *in) {
  Number a, b, c;
  mpfr_ptr numbers[] = {a, b, c};
  for (unsigned k = 0; k < 3; ++k)
    precise::decode(numbers[k], flush ? precise::flush(in[k], format) : in[k], format);
  uint64_t result = precise::round(format, rounding, [&](mpfr_ptr r, mpfr_rnd_t m) {
    switch (operation) {
    case Add:
      return mpfr_add(r, a, b, m);
    case Multiply:
      return mpfr_mul(r, a, b, m);
    case Fma:
      return mpfr_fma(r, a, b, c, m);
    case Divide:
      return mpfr_div(r, a, b, m);
    case SquareRoot:
      return mpfr_sqrt(r, a, m);
    }
    return 0;
  });
  return flush ? precise::flush(result, format) : result;
}

uint64_t computed(Operation operation, FloatType type, Rounding rounding, bool flush,
                  const uint64_t *in) {
  ArithmeticOptions options;
  options.rounding = rounding;
  options.flush = flush;
  switch (operation) {
  case Add:
    return add(in[0], in[1], type, options);
  case Multiply:
    return multiply(in[0], in[1], type, options);
  case Fma:
    return fma(in[0], in[1], in[2], type, options);
  case Divide:
    return divide(in[0], in[1], type, options);
  case SquareRoot:
    return squareRoot(in[0], type, options);
  }
  return 0;
}

/// Payloads of f64 NaNs are not MPFR's business.
void compare(Operation operation, const Kind &kind, const std::pair<Rounding, mpfr_rnd_t> &rounding,
             bool flush, const uint64_t *in) {
  uint64_t want = expected(operation, kind.format, rounding.second, flush, in);
  uint64_t got = computed(operation, kind.type, rounding.first, flush, in);
  if (kind.type == FloatType::F64 && precise::isNaN(want, kind.format) &&
      precise::isNaN(got, kind.format))
    return;
  ASSERT_EQ(got, want) << kind.name << " operation " << operation << " rounding "
                       << int(rounding.first) << (flush ? " flushing" : "") << std::hex << " of "
                       << in[0] << ", " << in[1] << ", " << in[2];
}

/// Zeros, ones and their neighbours, the ends of normals and subnormals,
/// infinities, NaN; of both signs.
std::vector<uint64_t> boundaries(const precise::Format &format) {
  uint64_t leastNormal = uint64_t(1) << format.mantissaBits();
  uint64_t one = precise::round(format, MPFR_RNDN, [](mpfr_ptr r, mpfr_rnd_t rounding) {
    return mpfr_set_ui(r, 1, rounding);
  });
  std::vector<uint64_t> values = {0,
                                  1,
                                  2,
                                  leastNormal - 1,
                                  leastNormal,
                                  leastNormal + 1,
                                  one - 1,
                                  one,
                                  one + 1,
                                  one + leastNormal,
                                  format.infinity() - 1,
                                  format.infinity() - leastNormal,
                                  format.infinity(),
                                  format.nan()};
  for (size_t i = 0, count = values.size(); i < count; ++i)
    values.push_back(values[i] | format.signBit());
  return values;
}

TEST(Precise, BoundariesAndRandomBits) {
  uint64_t seed = std::random_device{}();
  std::printf("Precise.BoundariesAndRandomBits: seed %llu\n",
              static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  for (const Kind &kind : kinds) {
    std::vector<uint64_t> edges = boundaries(kind.format);
    uint64_t mask = (kind.format.signBit() - 1) | kind.format.signBit();
    for (const auto &rounding : roundings)
      for (bool flush : {false, true}) {
        if (flush && (kind.type == FloatType::F64 || kind.type == FloatType::BF16))
          continue; // no such instruction
        for (Operation operation : {Add, Multiply, Fma, Divide}) {
          for (uint64_t a : edges)
            for (uint64_t b : edges) {
              uint64_t in[] = {a, b, edges[random() % edges.size()]};
              ASSERT_NO_FATAL_FAILURE(compare(operation, kind, rounding, flush, in));
            }
          for (unsigned i = 0; i < 4000; ++i) {
            uint64_t in[] = {random() & mask, random() & mask, random() & mask};
            // Half of the sums near cancellation, and quotients near one.
            uint64_t exponents = mask & ~((uint64_t(1) << kind.format.mantissaBits()) - 1);
            if (i & 1)
              in[1] = (in[1] & ~exponents) | (in[0] & exponents);
            if (i & 2)
              in[1] ^= kind.format.signBit();
            ASSERT_NO_FATAL_FAILURE(compare(operation, kind, rounding, flush, in));
          }
        }
        for (unsigned i = 0; i < 4000; ++i) {
          uint64_t in[] = {i < edges.size() ? edges[i] : random() & mask, 0, 0};
          ASSERT_NO_FATAL_FAILURE(compare(SquareRoot, kind, rounding, flush, in));
        }
      }
  }
}

TEST(Precise, HalvesExhaustively) {
  for (const Kind &kind : {kinds[0], kinds[1]})
    for (const auto &rounding : roundings)
      for (uint64_t bits = 0; bits < 65536; ++bits) {
        uint64_t one = kind.type == FloatType::F16 ? 0x3c00 : 0x3f80;
        uint64_t root[] = {bits, 0, 0}, quotient[] = {one, bits, 0};
        ASSERT_NO_FATAL_FAILURE(compare(SquareRoot, kind, rounding, false, root));
        ASSERT_NO_FATAL_FAILURE(compare(Divide, kind, rounding, false, quotient));
      }
}

} // namespace
