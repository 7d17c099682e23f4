//===- WrittenBytesTest.cpp - What a part of a grid gives a value ------------===//
//
// The reference is one flag a byte.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Checkers/WrittenBytes.h"
#include "runtime/Emulator/Machine/GlobalMemory.h"
#include "gtest/gtest.h"
#include <random>

using namespace tilewright::emulator;

namespace {

/// Three pages and a piece, so that ranges cross pages and the last is not full.
constexpr uint64_t kBytes = 3 * 512 + 77;

uint32_t undefinedOf(const std::vector<bool> &isWritten, uint64_t at, uint32_t bytes) {
  uint32_t undefined = 0;
  for (uint32_t i = 0; i < bytes; ++i)
    undefined |= uint32_t(!isWritten[at + i]) << i;
  return undefined;
}

TEST(WrittenBytes, RangesAgreeWithOneFlagAByte) {
  constexpr unsigned seed = 5;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    GlobalMemory memory(1 << 20);
    llvm::cantFail(memory.allocate(100));
    const Allocation *allocation = llvm::cantFail(memory.allocate(kBytes));
    std::vector<bool> isWritten(kBytes);
    // Before the launch, and by two parts of the grid.
    uint64_t at = random() % kBytes, size = random() % (kBytes - at);
    allocation->define(allocation->base + at, size);
    std::fill_n(isWritten.begin() + at, size, true);
    WrittenBytes parts[2];
    for (WrittenBytes &part : parts) {
      std::vector<bool> own = isWritten;
      for (int i = 0; i < 12; ++i) {
        at = random() % kBytes;
        size = std::min<uint64_t>(kBytes - at, random() % (i % 4 ? 40 : 900));
        part.add(allocation->base + at, size);
        std::fill_n(own.begin() + at, size, true);
      }
      for (at = 0; at + 32 <= kBytes; ++at)
        ASSERT_EQ(part.exclude(allocation->base + at, undefinedOf(isWritten, at, 32)),
                  undefinedOf(own, at, 32))
            << "round " << round << " at " << at;
      part.publish(memory);
      isWritten = own;
    }
    for (at = 0; at < kBytes; ++at)
      ASSERT_EQ(allocation->defined->findUndefined(at, 1), undefinedOf(isWritten, at, 1))
          << "round " << round << " at " << at;
  }
}

TEST(WrittenBytes, AnAllocationWrittenByAllPartsNeedsNoBits) {
  GlobalMemory memory(1 << 20);
  const Allocation *allocation = llvm::cantFail(memory.allocate(kBytes));
  WrittenBytes first, second;
  first.add(allocation->base, 700);
  second.add(allocation->base + 700, kBytes - 700);
  first.publish(memory);
  EXPECT_NE(allocation->defined, nullptr);
  second.publish(memory);
  EXPECT_EQ(allocation->defined, nullptr);
}

} // namespace
