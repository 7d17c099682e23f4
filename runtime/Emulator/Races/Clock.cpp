//===- Clock.cpp - What one thread knows of the others -----------------------===//
//
// See Clock.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Races/Clock.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>

using namespace tilewright::emulator::races;

//===----------------------------------------------------------------------===//
// One block
//===----------------------------------------------------------------------===//

Epoch BlockClock::get(uint32_t warp, unsigned lane) const {
  for (const Entry &entry : entries)
    if (entry.warp == warp && entry.mask >> lane & 1)
      return std::max(entry.epoch, floor);
  return floor;
}

void BlockClock::add(uint32_t warp, uint32_t mask, Epoch epoch) {
  if (epoch <= floor)
    return;
  for (Entry &entry : entries) {
    if (entry.warp != warp)
      continue;
    if (entry.epoch >= epoch)
      mask &= ~entry.mask;
    else
      entry.mask &= ~mask;
  }
  llvm::erase_if(entries, [](const Entry &entry) { return entry.mask == 0; });
  if (!mask)
    return;
  for (Entry &entry : entries)
    if (entry.warp == warp && entry.epoch == epoch) {
      entry.mask |= mask;
      return;
    }
  entries.push_back({warp, mask, epoch});
}

bool BlockClock::covers(uint32_t warp, uint32_t mask, Epoch epoch) const {
  if (epoch <= floor)
    return true;
  for (const Entry &entry : entries)
    if (entry.warp == warp && entry.epoch >= epoch)
      mask &= ~entry.mask;
  return mask == 0;
}

bool BlockClock::covers(const BlockClock &other) const {
  return floor >= other.floor && llvm::all_of(other.entries, [&](const Entry &wanted) {
           return covers(wanted.warp, wanted.mask, wanted.epoch);
         });
}

BlockClockRef tilewright::emulator::races::join(const BlockClockRef &a, const BlockClockRef &b) {
  if (a == b || !b || (a && a->covers(*b)))
    return a;
  if (!a || b->covers(*a))
    return b;
  auto joined = llvm::makeIntrusiveRefCnt<BlockClock>(std::max(a->floor, b->floor));
  for (const BlockClockRef &part : {a, b})
    for (const BlockClock::Entry &entry : part->entries)
      joined->add(entry.warp, entry.mask, entry.epoch);
  return joined;
}

//===----------------------------------------------------------------------===//
// The grid
//===----------------------------------------------------------------------===//

const BlockClock *GridClock::find(uint32_t block) const {
  const Node *node = root.get();
  for (unsigned level = kLevels; node && level-- > 0;)
    node = node->children[block >> (level * kBits) & (kFanout - 1)].get();
  return node ? node->leaf.get() : nullptr;
}

GridClock GridClock::with(uint32_t block, const BlockClockRef &clock) const {
  if (!clock)
    return *this;
  auto leaf = llvm::makeIntrusiveRefCnt<Node>();
  leaf->leaf = clock;
  NodeRef path = leaf;
  for (unsigned level = 0; level < kLevels; ++level) {
    auto parent = llvm::makeIntrusiveRefCnt<Node>();
    parent->children[block >> (level * kBits) & (kFanout - 1)] = path;
    path = parent;
  }
  GridClock result;
  result.root = join(root, path, kLevels);
  return result;
}

GridClock GridClock::join(const GridClock &other) const {
  GridClock result;
  result.root = join(root, other.root, kLevels);
  return result;
}

// Equal subtrees are shared, so this costs what differs.
GridClock::NodeRef GridClock::join(const NodeRef &a, const NodeRef &b, unsigned level) {
  if (a == b || !b)
    return a;
  if (!a)
    return b;
  if (level == 0) {
    BlockClockRef leaf = races::join(a->leaf, b->leaf);
    if (leaf == a->leaf)
      return a;
    if (leaf == b->leaf)
      return b;
    auto joined = llvm::makeIntrusiveRefCnt<Node>();
    joined->leaf = leaf;
    return joined;
  }
  llvm::IntrusiveRefCntPtr<Node> joined;
  for (unsigned i = 0; i < kFanout; ++i) {
    NodeRef child = join(a->children[i], b->children[i], level - 1);
    if (child == a->children[i])
      continue;
    if (!joined) {
      joined = llvm::makeIntrusiveRefCnt<Node>();
      joined->children = a->children;
    }
    joined->children[i] = std::move(child);
  }
  return joined ? NodeRef(joined) : a;
}
