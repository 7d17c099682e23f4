//===- Undefined.h - Kernels with undefined values at hand -------------------===//
//
// Ready in every body, beside Snippet's registers: %r0, %r1 wholly undefined,
// %r2 with only its low byte defined (7), %p0 undefined, %h0 and %h1 the halves
// of a word whose upper half is undefined, %rd0 undefined. %r50 is the address
// of 1024 bytes of shared memory that nobody has written, %r51 = %r50 + 16 * t.
// `send` stores a register to global memory.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_CHECKERS_UNDEFINED_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_CHECKERS_UNDEFINED_H

#include "test/unit/runtime/Emulator/Instructions/Snippet.h"
#include "llvm/ADT/StringRef.h"

namespace tilewright::emulator {

constexpr const char *kUndefined = R"(
    .shared .align 16 .b8 s[1024]; .shared .align 4 .b8 part[4];
    mov.u32 %r50, s; shl.b32 %r51, %t, 4; add.u32 %r51, %r50, %r51;
    st.shared.u8 [part], 7; bar.warp.sync -1;
    ld.shared.u32 %r0, [%r51]; ld.shared.u32 %r1, [%r51+4]; ld.shared.u32 %r2, [part];
    ld.shared.u64 %rd0, [%r51+8]; ld.shared.u32 %r49, [%r51]; setp.lt.u32 %p0, %r49, 100;
    mov.u32 %r3, 5; mov.u32 %r4, 0; mov.u32 %r5, -1; setp.eq.u32 %p1, %r3, 5; setp.ne.u32 %p2, %r3, 5;
    mov.b16 %h0, 1; mov.b32 {%h2, %h1}, %r1;
)";

struct Use {
  const char *name, *body;
  const char *finding = ""; ///< words of it; none: clean
};

/// Runs a body after kUndefined; the first finding's text.
inline std::string runUse(llvm::StringRef body, Options options = {}, llvm::StringRef module = {},
                          std::vector<uint64_t> in = {}) {
  options.checkRaces = false; // lanes of these snippets meet where they like
  Snippet snippet("h200", options);
  snippet.run(kUndefined + body.str(), std::move(in), 32, module);
  return snippet.error;
}

inline void expectUses(std::initializer_list<Use> uses) {
  for (const Use &use : uses) {
    std::string error = runUse(use.body);
    if (!*use.finding)
      EXPECT_EQ(error, "") << use.name;
    else
      EXPECT_NE(error.find(use.finding), std::string::npos) << use.name << ": " << error;
  }
}

} // namespace tilewright::emulator

#endif
