//===- AccessPlan.cpp - Which registers one memory access moves ---------------===//
//
// Part of the lowering to nvvm; see AccessPlan.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/AccessPlan.h"
#include <map>

using namespace tilewright;
using layout::LinearLayout;
using layout::Place;

/// True when lanes and warps move an access by multiples of `width` elements.
static bool threadsKeepAlignment(const LinearLayout &layout, unsigned width) {
  unsigned last = layout.getRank() - 1;
  for (Place place : {Place::Lane, Place::Warp})
    for (const layout::Basis &basis : layout.getBases(place))
      if (basis[last] % width != 0)
        return false;
  return true;
}

nvvm::AccessPlan nvvm::planAccesses(const LinearLayout &layout, unsigned maxWidth) {
  AccessPlan plan;
  // Elements of thread 0 in row-major order, with the register of each.
  std::map<std::vector<int64_t>, unsigned> elements;
  for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; ++reg) {
    layout::Coordinates at = layout.apply(reg, 0, 0);
    auto [it, isNew] = elements.try_emplace({at.begin(), at.end()}, reg);
    if (!isNew)
      plan.copies.push_back({reg, it->second});
  }
  for (unsigned width = maxWidth; width >= 1; width /= 2) {
    plan.width = width;
    plan.accesses.clear();
    if (width > 1 && !threadsKeepAlignment(layout, width))
      continue;
    bool covers = true;
    for (auto &[at, reg] : elements) {
      if (at.back() % width != 0)
        continue;
      Access access{layout::Coordinates(at.begin(), at.end()), {}};
      std::vector<int64_t> next = at;
      for (unsigned i = 0; i < width; ++i, ++next.back())
        if (auto it = elements.find(next); it != elements.end())
          access.registers.push_back(it->second);
      covers &= access.registers.size() == width;
      plan.accesses.push_back(std::move(access));
    }
    if (covers && plan.accesses.size() * width == elements.size())
      return plan;
  }
  return plan;
}
