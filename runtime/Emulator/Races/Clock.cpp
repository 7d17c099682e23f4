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

const BlockClock::Entry *BlockClock::findFirst(uint32_t warp) const {
  return std::lower_bound(entries.begin(), entries.end(), warp,
                          [](const Entry &entry, uint32_t value) { return entry.warp < value; });
}

Epoch BlockClock::get(uint32_t warp, unsigned lane) const {
  for (const Entry *entry = findFirst(warp); entry != entries.end() && entry->warp == warp; ++entry)
    if (entry->mask >> lane & 1)
      return std::max(entry->epoch, floorOf(warp));
  return floorOf(warp);
}

void BlockClock::add(uint32_t warp, uint32_t mask, Epoch epoch) {
  if (epoch <= floorOf(warp))
    return;
  size_t i = findFirst(warp) - entries.begin();
  auto isOfWarp = [&] { return i < entries.size() && entries[i].warp == warp; };
  for (; isOfWarp() && entries[i].epoch > epoch; ++i)
    mask &= ~entries[i].mask;
  if (isOfWarp() && entries[i].epoch == epoch)
    entries[i].mask |= mask;
  else if (mask)
    entries.insert(entries.begin() + i, {warp, mask, epoch});
  else
    return;
  // What is older gives way.
  size_t kept = ++i;
  for (; isOfWarp(); ++i)
    if (entries[i].mask &= ~mask)
      entries[kept++] = entries[i];
  entries.erase(entries.begin() + kept, entries.begin() + i);
}

bool BlockClock::covers(uint32_t warp, uint32_t mask, Epoch epoch) const {
  if (epoch <= floorOf(warp))
    return true;
  for (const Entry *entry = findFirst(warp);
       entry != entries.end() && entry->warp == warp && entry->epoch >= epoch; ++entry)
    mask &= ~entry->mask;
  return mask == 0;
}

bool BlockClock::covers(const BlockClock &other) const {
  if (floor < other.floor)
    return false;
  const Entry *entry = entries.begin(), *end = entries.end();
  uint32_t warp = UINT32_MAX, known = 0; // lanes of the warp that are known far enough
  for (const Entry &wanted : other.entries) {
    if (wanted.warp != warp) {
      warp = wanted.warp;
      known = 0;
      while (entry != end && entry->warp < warp)
        ++entry;
    }
    if (wanted.epoch <= floorOf(warp))
      continue;
    for (; entry != end && entry->warp == warp && entry->epoch >= wanted.epoch; ++entry)
      known |= entry->mask;
    if (wanted.mask & ~known)
      return false;
  }
  return true;
}

BlockClockRef tilewright::emulator::races::join(const BlockClockRef &a, const BlockClockRef &b) {
  using Entry = BlockClock::Entry;
  if (a == b || !b || (a && a->covers(*b)))
    return a;
  if (!a || b->covers(*a))
    return b;
  auto joined = llvm::makeIntrusiveRefCnt<BlockClock>(std::max(a->floor, b->floor));
  joined->entries.reserve(a->entries.size() + b->entries.size());
  const Entry *left = a->entries.begin(), *right = b->entries.begin();
  uint32_t warp = UINT32_MAX, taken = 0; // lanes of the warp that have their newest epoch
  while (left != a->entries.end() || right != b->entries.end()) {
    bool isLeft =
        right == b->entries.end() ||
        (left != a->entries.end() &&
         (left->warp != right->warp ? left->warp < right->warp : left->epoch >= right->epoch));
    Entry entry = isLeft ? *left++ : *right++;
    if (entry.warp != warp) {
      warp = entry.warp;
      taken = 0;
    }
    uint32_t fresh = entry.mask & ~taken;
    taken |= fresh;
    if (!fresh || entry.epoch <= joined->floorOf(warp))
      continue;
    if (!joined->entries.empty() && joined->entries.back().warp == warp &&
        joined->entries.back().epoch == entry.epoch)
      joined->entries.back().mask |= fresh;
    else
      joined->entries.push_back({warp, fresh, entry.epoch});
  }
  return joined;
}

//===----------------------------------------------------------------------===//
// The grid
//===----------------------------------------------------------------------===//

const BlockClock *GridClock::find(uint32_t block) const {
  if (uint64_t(block) >> (levels * kBits))
    return nullptr;
  const Node *node = root.get();
  for (unsigned level = levels; node && level-- > 0;)
    node = node->children[block >> (level * kBits) & (kFanout - 1)].get();
  return node ? node->leaf.get() : nullptr;
}

/// Nodes of levels from + 1 to `to` above a node of level `from`, for a block below it.
GridClock::NodeRef GridClock::makePath(NodeRef node, uint32_t block, unsigned from, unsigned to) {
  for (unsigned level = from; node && level < to; ++level) {
    auto parent = llvm::makeIntrusiveRefCnt<Node>();
    parent->children[block >> (level * kBits) & (kFanout - 1)] = std::move(node);
    node = std::move(parent);
  }
  return node;
}

GridClock GridClock::with(uint32_t block, const BlockClockRef &clock) const {
  if (!clock)
    return *this;
  auto leaf = llvm::makeIntrusiveRefCnt<Node>();
  leaf->leaf = clock;
  GridClock only;
  while (uint64_t(block) >> (only.levels * kBits))
    ++only.levels;
  only.root = makePath(std::move(leaf), block, 0, only.levels);
  return join(only);
}

GridClock GridClock::join(const GridClock &other) const {
  if (root == other.root || !other.root)
    return *this;
  if (!root)
    return other;
  GridClock result;
  result.levels = std::max(levels, other.levels);
  result.root = join(makePath(root, 0, levels, result.levels),
                     makePath(other.root, 0, other.levels, result.levels), result.levels);
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
    if (!b->children[i] || a->children[i] == b->children[i])
      continue;
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
