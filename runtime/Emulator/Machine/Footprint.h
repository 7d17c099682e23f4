//===- Footprint.h - What part of a grid touches in global memory -------------===//
//
// Blocks may run on several host threads as long as nobody can tell: no two
// parts of the grid touch the same word where one of them writes it, and nothing
// is found that is to be reported in order. Each part notes the words it reads
// and writes; the bytes it overwrites are kept, so that a launch which turns out
// to need an order is undone and runs again block by block
// (Execution/Parallel.cpp).
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_FOOTPRINT_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_FOOTPRINT_H

#include "llvm/ADT/DenseMap.h"
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace tilewright::emulator {

struct Access;

/// Global memory as it was before a launch, for the pages that it writes. All
/// parts share one.
class UndoLog {
public:
  /// Allocations are aligned to, and their storage is a multiple of, a page.
  static constexpr unsigned kPageBits = 9;
  static constexpr uint64_t kPageBytes = 1 << kPageBits, kMaxBytes = uint64_t(1) << 30;
  /// Pages that all parts together may note: about a gigabyte of notes.
  static constexpr uint64_t kMaxNoted = uint64_t(1) << 23;

  explicit UndoLog(uint64_t maxNoted = kMaxNoted) : maxNoted(maxNoted) {}

  /// To be called before a part's first write to a page, whose bytes are at
  /// `host`. False: there is no room.
  bool save(uint64_t page, uint8_t *host);
  /// To be called before a part's first access to a page. False: too many.
  bool countPage() { return ++noted <= maxNoted; }
  void restore();

private:
  struct Saved {
    uint8_t *host = nullptr;
    std::unique_ptr<std::array<uint8_t, kPageBytes>> bytes;
  };
  std::mutex mutex;
  llvm::DenseMap<uint64_t, Saved> pages;
  const uint64_t maxNoted;
  std::atomic<uint64_t> noted{0};
};

class Footprint {
public:
  explicit Footprint(UndoLog &undo) : undo(undo) {}

  /// Notes a resolved access to global memory. False: the launch needs an order.
  bool note(const Access &access);
  /// Takes on what another part has touched. False: the two share a word that
  /// one of them writes.
  bool merge(const Footprint &other);

private:
  /// A bit a word of four bytes.
  using Words = std::array<uint64_t, UndoLog::kPageBytes / 4 / 64>;
  struct Page {
    Words read{}, written{};
    bool isWritten = false;
  };
  bool noteBytes(uint64_t address, uint64_t bytes, uint8_t *host, bool isWrite);

  UndoLog &undo;
  llvm::DenseMap<uint64_t, Page> pages;
  uint64_t recentPage = UINT64_MAX;
  Page *recent = nullptr; ///< of recentPage, until another page is added
};

} // namespace tilewright::emulator

#endif
