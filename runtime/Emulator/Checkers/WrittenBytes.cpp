//===- WrittenBytes.cpp - What a part of a grid gives a value ----------------===//
//
// See WrittenBytes.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Checkers/WrittenBytes.h"
#include "runtime/Emulator/Machine/GlobalMemory.h"
#include <algorithm>
#include <bit>

using namespace tilewright::emulator;

void WrittenBytes::add(uint64_t address, uint64_t bytes) {
  for (uint64_t end = address + bytes; address < end;) {
    Page &page = pages.try_emplace(address / kPageBytes).first->second;
    uint64_t pageEnd = std::min(end, (address / kPageBytes + 1) * kPageBytes);
    while (address < pageEnd) {
      uint64_t bit = address % kWordBits, count = std::min(pageEnd - address, kWordBits - bit);
      page[address % kPageBytes / kWordBits] |= ~uint64_t(0) >> (kWordBits - count) << bit;
      address += count;
    }
  }
}

uint32_t WrittenBytes::exclude(uint64_t address, uint32_t undefined) const {
  for (uint32_t rest = undefined; rest; rest &= rest - 1) {
    unsigned i = std::countr_zero(rest);
    auto page = pages.find((address + i) / kPageBytes);
    if (page == pages.end())
      continue;
    uint64_t at = (address + i) % kPageBytes;
    if (page->second[at / kWordBits] >> at % kWordBits & 1)
      undefined &= ~(1u << i);
  }
  return undefined;
}

void WrittenBytes::publish(const GlobalMemory &memory) const {
  for (const auto &[number, page] : pages) {
    uint64_t start = number * kPageBytes;
    const Allocation *allocation = memory.find(start, 1);
    for (uint64_t word : page) {
      while (word) {
        unsigned first = std::countr_zero(word), count = std::countr_one(word >> first);
        allocation->define(start + first, count);
        word &= count == kWordBits ? 0 : ~((((uint64_t(1) << count) - 1)) << first);
      }
      start += kWordBits;
    }
  }
}
