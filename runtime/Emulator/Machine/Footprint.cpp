//===- Footprint.cpp - What part of a grid touches in global memory -----------===//
//
// See Footprint.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Footprint.h"
#include "runtime/Emulator/Machine/Access.h"
#include <algorithm>
#include <cstring>

using namespace tilewright::emulator;

// Whoever writes a page calls this first, so the bytes are still the old ones.
bool UndoLog::save(uint64_t page, uint8_t *host) {
  std::lock_guard<std::mutex> lock(mutex);
  if ((pages.size() + 1) * kPageBytes > kMaxBytes)
    return false;
  Saved &saved = pages[page];
  if (saved.host)
    return true;
  saved.host = host;
  saved.bytes = std::make_unique<std::array<uint8_t, kPageBytes>>();
  std::memcpy(saved.bytes->data(), host, kPageBytes);
  return true;
}

void UndoLog::restore() {
  for (auto &entry : pages)
    std::memcpy(entry.second.host, entry.second.bytes->data(), kPageBytes);
}

bool Footprint::noteBytes(uint64_t address, uint64_t bytes, uint8_t *host, bool isWrite) {
  for (uint64_t end = address + bytes; address < end;) {
    uint64_t number = address >> UndoLog::kPageBits, offset = address % UndoLog::kPageBytes;
    uint64_t here = std::min(end - address, UndoLog::kPageBytes - offset);
    if (number != recentPage) {
      auto [entry, isNew] = pages.try_emplace(number);
      if (isNew && !undo.countPage())
        return false;
      recent = &entry->second;
      recentPage = number;
    }
    if (isWrite && !recent->isWritten) {
      if (!undo.save(number, host - offset))
        return false;
      recent->isWritten = true;
    }
    Words &words = isWrite ? recent->written : recent->read;
    uint64_t first = offset / 4, last = (offset + here - 1) / 4;
    for (uint64_t i = first / 64; i <= last / 64; ++i) {
      uint64_t from = std::max(first, i * 64) - i * 64, to = std::min(last, i * 64 + 63) - i * 64;
      words[i] |= ~uint64_t(0) >> (63 - (to - from)) << from;
    }
    address += here;
    host += here;
  }
  return true;
}

bool Footprint::note(const Access &access) {
  const MemoryInfo *info = access.info;
  bool isWrite = access.kind == AccessKind::Store || access.kind == AccessKind::AsyncWrite;
  // Blocks that synchronise: the order in which they do is to be that of blocks.
  if (access.kind == AccessKind::Atomic || access.isStrong ||
      (info && (info->isVolatile || info->ordering != Ordering::Weak)))
    return false;
  if (access.isContiguous)
    return noteBytes(access.address[0], uint64_t(access.bytes) * kLanes, access.host[0], isWrite);
  for (uint32_t rest = access.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    if (!noteBytes(access.address[lane], access.bytes, access.host[lane], isWrite))
      return false;
  }
  return true;
}

bool Footprint::merge(const Footprint &other) {
  recentPage = UINT64_MAX;
  for (const auto &entry : other.pages) {
    Page &mine = pages[entry.first];
    const Page &theirs = entry.second;
    for (size_t i = 0; i < mine.read.size(); ++i) {
      if ((theirs.written[i] & (mine.read[i] | mine.written[i])) |
          (theirs.read[i] & mine.written[i]))
        return false;
      mine.read[i] |= theirs.read[i];
      mine.written[i] |= theirs.written[i];
    }
  }
  return true;
}
