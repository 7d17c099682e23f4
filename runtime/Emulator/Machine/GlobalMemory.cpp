//===- GlobalMemory.cpp - The device's global memory, with exact bounds -----===//
//
// See GlobalMemory.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/GlobalMemory.h"
#include "llvm/ADT/StringExtras.h"
#include <cstring>

using namespace tilewright::emulator;

static constexpr uint64_t kAlignment = 512;

llvm::Expected<Allocation *> GlobalMemory::allocate(uint64_t bytes, llvm::StringRef name,
                                                    uint8_t fill) {
  if (bytes > limit - used)
    return llvm::createStringError("cannot allocate %llu bytes: %llu of %llu bytes are free",
                                   (unsigned long long)bytes, (unsigned long long)(limit - used),
                                   (unsigned long long)limit);
  Allocation allocation;
  allocation.base = next;
  allocation.bytes = bytes;
  allocation.name = name.empty() ? "allocation " + std::to_string(count) : name.str();
  uint64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  // The host's alignment of 16 is that of the widest access.
  allocation.storage.reset(static_cast<uint8_t *>(std::calloc(rounded ? rounded : kAlignment, 1)));
  if (!allocation.storage)
    return llvm::createStringError("the host has no %llu bytes for device memory",
                                   (unsigned long long)bytes);
  if (fill)
    std::memset(allocation.storage.get(), fill, bytes);
  if (bytes && fill)
    allocation.defined = std::make_unique<DefinedBytes>(bytes);
  next += rounded + kAlignment;
  used += bytes;
  ++count;
  return &allocations.emplace(allocation.base, std::move(allocation)).first->second;
}

llvm::Error GlobalMemory::release(uint64_t address) {
  auto it = allocations.find(address);
  if (it == allocations.end() || !it->second.isLive)
    return llvm::createStringError(
        "cannot release address 0x" + llvm::utohexstr(address) + ": " +
        (it == allocations.end() ? "no allocation starts there" : "it is already released"));
  it->second.isLive = false;
  it->second.storage.reset();
  it->second.defined.reset();
  used -= it->second.bytes;
  return llvm::Error::success();
}

void Allocation::define(uint64_t address, uint64_t size) const {
  if (!defined)
    return;
  if (size == bytes)
    return defined.reset();
  defined->define(address - base, size);
  settleDefined();
}

void Allocation::undefine(uint64_t address, uint64_t size) const {
  if (!defined) {
    defined = std::make_unique<DefinedBytes>(bytes);
    defined->define(0, bytes);
  }
  isDiscarded = true;
  defined->undefine(address - base, size);
}

void GlobalMemory::defineAll() {
  for (auto &entry : allocations)
    entry.second.defined.reset();
}

const Allocation *GlobalMemory::findBelow(uint64_t address) const {
  auto it = allocations.upper_bound(address);
  return it == allocations.begin() ? nullptr : &std::prev(it)->second;
}

const Allocation *GlobalMemory::find(uint64_t address, uint64_t bytes) const {
  const Allocation *allocation = findBelow(address);
  return allocation && allocation->isLive && allocation->contains(address, bytes) ? allocation
                                                                                  : nullptr;
}

std::string GlobalMemory::describe(uint64_t address) const {
  const Allocation *allocation = findBelow(address);
  if (!allocation || address - allocation->base > allocation->bytes + (uint64_t(1) << 24))
    return "no allocation near";
  std::string text = allocation->isLive ? "" : "freed ";
  return text + allocation->name + " of " + std::to_string(allocation->bytes) + " bytes, offset " +
         std::to_string(address - allocation->base);
}
