//===- RaceCases.h - A few lines of PTX and the race that is found in them ----===//
//
// What the tests of the race checker share.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_RACES_RACECASES_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_RACES_RACECASES_H

#include "test/unit/runtime/Emulator/Instructions/Snippet.h"
#include <deque>

namespace tilewright::emulator {

/// Thread t of the grid's block b owns word t of `s`; %r1 is its address there,
/// %r2 that of thread t ^ 1, %r3 that of thread t ^ 32. %b is the block; %rd1
/// names bytes that all blocks share.
inline constexpr const char *kPlaces = R"(
    .shared .align 16 .b8 s[1024];
    .reg .b32 %b;
    mov.u32 %b, %ctaid.x;
    shl.b32 %r1, %t, 2; mov.u32 %r0, s; add.u32 %r1, %r0, %r1;
    xor.b32 %r2, %t, 1; shl.b32 %r2, %r2, 2; add.u32 %r2, %r0, %r2;
    xor.b32 %r3, %t, 32; shl.b32 %r3, %r3, 2; add.u32 %r3, %r0, %r3;
    ld.param.u64 %rd1, [out];
    setp.eq.u32 %p1, %t, 0; setp.lt.u32 %p2, %t, 32;
)";

struct Case {
  const char *name, *body;
  const char *finding = ""; ///< words of it; none: clean
  unsigned threads = 64;
  unsigned blocks = 1;
  Options options = {};
};

inline std::string runCase(const Case &test, uint64_t seed = 0) {
  Options options = test.options;
  options.warpOrderSeed = options.landingSeed = seed;
  options.checkInitialisation = false; // what has a race is often read too early as well
  Snippet snippet("h200", options);
  snippet.run(std::string(kPlaces) + test.body, {}, test.threads, {}, {test.blocks});
  return snippet.error;
}

/// `body` with `parts` in the places of {0}, {1}, ...; kept until the tests end.
inline const char *fill(const char *body, std::initializer_list<const char *> parts) {
  static std::deque<std::string> kept;
  std::string &text = kept.emplace_back(body);
  unsigned number = 0;
  for (const char *part : parts)
    text.replace(text.find("{" + std::to_string(number++) + "}"), 3, part);
  return text.c_str();
}

inline void expect(std::initializer_list<Case> cases) {
  for (const Case &test : cases)
    for (uint64_t seed = 0; seed < 4; ++seed) {
      std::string error = runCase(test, seed);
      if (!*test.finding)
        EXPECT_EQ(error, "") << test.name << ", seed " << seed;
      else
        EXPECT_NE(error.find(test.finding), std::string::npos)
            << test.name << ", seed " << seed << ": " << error;
    }
}

} // namespace tilewright::emulator

#endif
