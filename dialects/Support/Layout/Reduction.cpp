//===- Reduction.cpp - Who adds what along a dimension -----------------------===//
//
// See Reduction.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Reduction.h"

#include "llvm/ADT/STLExtras.h"
#include <map>

using namespace llvm;

namespace tilewright::layout {

/// True where every place bit moves along at most `dim` or other dimensions, and
/// no two elements along `dim` coincide: then each is counted once.
static bool isSeparable(const LinearLayout &layout, unsigned dim) {
  SmallVector<uint64_t, 16> along;
  for (unsigned place = 0; place < numPlaces; ++place)
    for (const Basis &basis : layout.getBases(Place(place))) {
      if (basis[dim] == 0)
        continue;
      for (unsigned other = 0; other < layout.getRank(); ++other)
        if (other != dim && basis[other] != 0)
          return false;
      // Registers that repeat others' elements are found by coordinates.
      if (Place(place) != Place::Register || !is_contained(along, uint64_t(basis[dim])))
        along.push_back(basis[dim]);
    }
  return BitMatrix(along).getRank() == along.size();
}

/// The bases of a place without their part along `dim`; `unit` counts the bits
/// that had one.
static Bases withoutDimension(ArrayRef<Basis> bases, unsigned dim,
                              function_ref<int32_t(unsigned)> unit) {
  Bases result;
  unsigned seen = 0;
  for (Basis basis : bases) {
    basis[dim] = basis[dim] != 0 ? unit(seen++) : 0;
    result.push_back(basis);
  }
  return result;
}

/// Source registers of one thread by the coordinates of what they add to.
static SmallVector<SmallVector<unsigned, 16>>
groupRegisters(const LinearLayout &source, const LinearLayout &result, unsigned dim) {
  std::map<SmallVector<int64_t, 4>, std::map<int64_t, unsigned>> groups;
  for (unsigned reg = 0, e = source.getNumRegisters(); reg != e; ++reg) {
    Coordinates at = source.apply(reg, 0, 0);
    int64_t along = std::exchange(at[dim], 0);
    groups[at].try_emplace(along, reg);
  }
  SmallVector<SmallVector<unsigned, 16>> registers;
  for (unsigned reg = 0, e = result.getNumRegisters(); reg != e; ++reg) {
    SmallVector<unsigned, 16> members;
    for (auto [along, member] : groups.at(result.apply(reg, 0, 0)))
      members.push_back(member);
    registers.push_back(members);
  }
  return registers;
}

std::optional<Reduction> planReduction(const LinearLayout &layout, unsigned dim) {
  if (!isSeparable(layout, dim))
    return std::nullopt;
  Reduction plan;
  for (auto [bit, basis] : enumerate(layout.getBases(Place::Lane)))
    if (basis[dim] != 0)
      plan.laneMasks.push_back(1u << bit);

  LinearLayout squeezed = layout.squeeze(dim);
  Bases registers(squeezed.getBases(Place::Register));
  Bases lanes(squeezed.getBases(Place::Lane));
  Bases warps = withoutDimension(layout.getBases(Place::Warp), dim,
                                 [](unsigned i) { return int32_t(1) << i; });
  for (const Basis &basis : layout.getBases(Place::Warp))
    plan.warps *= basis[dim] != 0 ? 2 : 1;
  plan.perWarp = LinearLayout(layout.getRank(), registers, lanes, warps, squeezed.getRepeat());
  plan.registers = groupRegisters(layout, plan.perWarp, dim);

  for (unsigned part = 1; part < plan.warps; part *= 2) {
    Basis basis(layout.getRank(), 0);
    basis[dim] = part;
    registers.push_back(basis);
  }
  plan.gathered = LinearLayout(layout.getRank(), registers, lanes,
                               Bases(squeezed.getBases(Place::Warp)), squeezed.getRepeat());
  return plan;
}

} // namespace tilewright::layout
