//===- Conversion.cpp - How values move between two layouts ----------------===//
//
// Conversion synthesis: the layout passes ask here what a conversion costs,
// codegen emits what is answered.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Conversion.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cassert>

using namespace llvm;

namespace tilewright::layout {

//===----------------------------------------------------------------------===//
// Through shared memory
//===----------------------------------------------------------------------===//

SharedAccess predictAccess(const LinearLayout &layout, SharedLayout shared, unsigned elementBytes) {
  assert(isPowerOf2_32(elementBytes) && elementBytes <= 8 && "no such element");
  SmallVector<int64_t, 4> shape = layout.getShape();
  uint64_t columns = shape.empty() ? 1 : shape.back(), rows = 1;
  for (int64_t extent : ArrayRef(shape).drop_back(!shape.empty()))
    rows *= extent;

  SharedAccess access;
  if (!shape.empty())
    access.vector = std::min(layout.getContiguity(shape.size() - 1), 16 / elementBytes);
  unsigned bytes = access.vector * elementBytes;
  SmallVector<uint64_t, 32> addresses(layout.getNumLanes());
  for (unsigned warp = 0; warp < layout.getNumWarps(); ++warp)
    for (unsigned reg = 0; reg < layout.getNumRegisters(); reg += access.vector) {
      for (auto [lane, address] : enumerate(addresses)) {
        uint64_t element = 0;
        for (auto [coordinate, extent] : zip(layout.apply(reg, lane, warp), shape))
          element = element * extent + coordinate;
        address = shared.getOffset(rows, columns * elementBytes, element / columns,
                                   element % columns * elementBytes);
      }
      access.wavefronts += countWavefronts(addresses, bytes);
      access.ideal += countIdealWavefronts(addresses, bytes);
    }
  return access;
}

SharedRoundTrip chooseRoundTrip(const LinearLayout &source, const LinearLayout &destination,
                                unsigned elementBytes) {
  SmallVector<int64_t, 4> shape = source.getShape();
  uint64_t rowBytes = (shape.empty() ? 1 : shape.back()) * elementBytes;
  std::optional<SharedRoundTrip> best;
  for (unsigned swizzle : {0u, 32u, 64u, 128u}) {
    SharedLayout shared{swizzle};
    if (swizzle != 0 && (shape.size() != 2 || !shared.isCompatible(rowBytes)))
      continue;
    SharedRoundTrip trip{shared, predictAccess(source, shared, elementBytes),
                         predictAccess(destination, shared, elementBytes)};
    if (!best || trip.store.wavefronts + trip.load.wavefronts <
                     best->store.wavefronts + best->load.wavefronts)
      best = trip;
  }
  return *best;
}

//===----------------------------------------------------------------------===//
// Moves
//===----------------------------------------------------------------------===//

/// Lanes and warps hold alike and every register has a counterpart.
static bool findMoves(const LinearLayout &source, const LinearLayout &destination,
                      SmallVectorImpl<unsigned> &moves) {
  for (Place place : {Place::Lane, Place::Warp})
    if (source.getBases(place) != destination.getBases(place))
      return false;
  for (unsigned reg = 0; reg < destination.getNumRegisters(); ++reg) {
    std::optional<unsigned> from = source.findRegister(destination.apply(reg, 0, 0));
    if (!from)
      return false;
    moves.push_back(*from);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Shuffles
//===----------------------------------------------------------------------===//

ShuffleStep ShufflePlan::getStep(unsigned round, unsigned lane, unsigned warp) const {
  unsigned copy = round >> roundBits;
  uint64_t bits = (round & maskTrailingOnes<uint32_t>(roundBits)) | uint64_t(lane) << roundBits |
                  uint64_t(warp) << (roundBits + laneBits);
  return {unsigned(send.apply(bits)) | copy << sourceBits, unsigned(from.apply(bits)),
          unsigned(receive.apply(bits)) | copy << roundBits};
}

namespace {
/// A register and lane of the source, or what a bit of the destination's place
/// contributes to them.
struct Origin {
  uint64_t reg = 0, lane = 0;
};

/// Finds rounds in which no lane must send two registers at once.
///
/// Let the element at destination register r, lane l come from source register
/// A r + B l and lane C r + D l (all linear over F2). Were round j to fill
/// register j of all lanes, two lanes l1, l2 with D l1 = D l2 would read one
/// lane but different registers, B l1 and B l2. So round j fills register
/// j + K l, and K is chosen to spread the lanes of D's kernel over sources that
/// D does not reach: then l -> (C K + D) l is as injective as the elements are.
class ShufflePlanner {
public:
  ShufflePlanner(const LinearLayout &source, const LinearLayout &destination)
      : registerBits(destination.getBases(Place::Register).size()),
        laneBits(destination.getBases(Place::Lane).size()),
        sourceBits(source.getBases(Place::Register).size()), from(source.getMatrix()),
        to(destination.getMatrix()) {}

  std::optional<ShufflePlan> plan() {
    if (!findOrigins() || !chooseSkew())
      return std::nullopt;
    return build();
  }

private:
  /// Columns [begin, begin+count) of the destination's place bits.
  ArrayRef<Origin> originsOfRegisters() const { return ArrayRef(origins).take_front(registerBits); }
  ArrayRef<Origin> originsOfLanes() const {
    return ArrayRef(origins).slice(registerBits, laneBits);
  }
  ArrayRef<Origin> originsOfWarps() const {
    return ArrayRef(origins).drop_front(registerBits + laneBits);
  }

  /// Where each bit of the destination's place comes from; false where that is
  /// another warp.
  bool findOrigins() {
    BitMatrix registers(from.getColumns().take_front(sourceBits));
    BitMatrix warpLocal(from.getColumns().take_front(sourceBits + laneBits));
    for (auto [i, wanted] : enumerate(to.getColumns())) {
      uint64_t missing = wanted;
      if (i >= registerBits + laneBits) // what the same warp of the source adds
        missing ^= from.getColumns()[i - registerBits + sourceBits];
      if (i >= registerBits && i < registerBits + laneBits) {
        // Stay in the lane where its own registers have it.
        uint64_t own = from.getColumns()[i - registerBits + sourceBits];
        if (std::optional<uint64_t> reg = registers.solve(wanted ^ own)) {
          origins.push_back({*reg, uint64_t(1) << (i - registerBits)});
          continue;
        }
      }
      std::optional<uint64_t> place = warpLocal.solve(missing);
      if (!place)
        return false;
      origins.push_back({*place & maskTrailingOnes<uint64_t>(sourceBits), *place >> sourceBits});
    }
    return true;
  }

  /// Finds K (`skew`, an image for each lane bit); false where no spread exists.
  bool chooseSkew() {
    SmallVector<uint64_t, 8> laneToLane, laneToRegister;
    for (const Origin &origin : originsOfLanes()) {
      laneToLane.push_back(origin.lane);
      laneToRegister.push_back(origin.reg);
    }
    BitMatrix d(laneToLane), b(laneToRegister);

    // Kernel vectors that differ in register need distinct new source lanes.
    SmallVector<uint64_t, 8> kernel = d.getKernel(), images, reached(laneToLane);
    SmallVector<uint64_t, 8> spreadRegisters;
    for (uint64_t vector : kernel)
      spreadRegisters.push_back(b.apply(vector));
    SmallVector<bool, 16> mustSpread = BitMatrix(spreadRegisters).getPivots();
    // A kernel vector whose register others combine to differs from them by one
    // that needs no spread.
    for (auto [i, vector] : enumerate(kernel))
      if (!mustSpread[i])
        vector ^= combineKernel(kernel, spreadRegisters, i);
    for (auto [i, vector] : enumerate(kernel)) {
      std::optional<unsigned> bit;
      if (mustSpread[i] && !(bit = findFreshRegister(reached)))
        return false;
      images.push_back(bit ? uint64_t(1) << *bit : 0);
      if (bit)
        reached.push_back(originsOfRegisters()[*bit].lane);
    }

    // K is `images` on the kernel and zero on a complement of it.
    SmallVector<uint64_t, 16> basis(kernel.begin(), kernel.end());
    for (unsigned bit = 0; bit < laneBits; ++bit)
      basis.push_back(uint64_t(1) << bit);
    BitMatrix coordinates(basis);
    images.append(laneBits, 0);
    for (unsigned bit = 0; bit < laneBits; ++bit)
      skew.push_back(BitMatrix(images).apply(*coordinates.solve(uint64_t(1) << bit)));
    return true;
  }

  /// The XOR of the kernel vectors before `i` whose registers make those of i.
  static uint64_t combineKernel(ArrayRef<uint64_t> kernel, ArrayRef<uint64_t> registers,
                                unsigned i) {
    return BitMatrix(kernel.take_front(i))
        .apply(*BitMatrix(registers.take_front(i)).solve(registers[i]));
  }

  /// A destination register bit that comes from lanes outside the span.
  std::optional<unsigned> findFreshRegister(ArrayRef<uint64_t> reached) const {
    BitMatrix span(reached);
    for (auto [bit, origin] : enumerate(originsOfRegisters()))
      if (!span.solve(origin.lane))
        return bit;
    return std::nullopt;
  }

  /// The origin of a destination register.
  Origin apply(uint64_t reg) const {
    Origin sum;
    for (auto [bit, origin] : enumerate(originsOfRegisters()))
      if (reg >> bit & 1) {
        sum.reg ^= origin.reg;
        sum.lane ^= origin.lane;
      }
    return sum;
  }

  /// The register a lane sends is the one its readers want. In round 0 of warp 0
  /// lane l reads lane L l and wants register R l, so lane s sends R L^-1 s; in
  /// other rounds and warps, where l reads L l + c and wants R l + d, it sends
  /// R L^-1 (s + c) + d.
  BitMatrix findSenders(ArrayRef<uint64_t> readRegister, ArrayRef<uint64_t> readLane) const {
    ArrayRef<uint64_t> wanted = readRegister.slice(registerBits, laneBits);
    ArrayRef<uint64_t> read = readLane.slice(registerBits, laneBits);
    SmallVector<uint64_t, 16> spanning(read.begin(), read.end());
    for (unsigned bit = 0; bit < laneBits; ++bit) // lanes nobody reads
      spanning.push_back(uint64_t(1) << bit);
    BitMatrix reader(spanning), wants(wanted);
    auto sentBy = [&](uint64_t lane) {
      return wants.apply(*reader.solve(lane) & maskTrailingOnes<uint64_t>(laneBits));
    };
    SmallVector<uint64_t, 16> send;
    for (unsigned i = 0; i < readLane.size(); ++i) {
      bool isLane = i >= registerBits && i < registerBits + laneBits;
      send.push_back(isLane ? sentBy(uint64_t(1) << (i - registerBits))
                            : readRegister[i] ^ sentBy(readLane[i]));
    }
    return BitMatrix(send);
  }

  ShufflePlan build() const {
    // Columns over (round, lane, warp): the register written, and the register
    // and lane read.
    SmallVector<uint64_t, 16> receive, readRegister, readLane;
    auto append = [&](uint64_t written, uint64_t reg, uint64_t lane) {
      receive.push_back(written);
      readRegister.push_back(reg);
      readLane.push_back(lane);
    };
    for (auto [bit, origin] : enumerate(originsOfRegisters()))
      append(uint64_t(1) << bit, origin.reg, origin.lane);
    for (auto [bit, origin] : enumerate(originsOfLanes())) {
      Origin skewed = apply(skew[bit]);
      append(skew[bit], origin.reg ^ skewed.reg, origin.lane ^ skewed.lane);
    }
    for (const Origin &origin : originsOfWarps())
      append(0, origin.reg, origin.lane);

    ShufflePlan plan;
    plan.roundBits = registerBits;
    plan.laneBits = laneBits;
    plan.sourceBits = sourceBits;
    plan.send = findSenders(readRegister, readLane);
    plan.from = BitMatrix(readLane);
    plan.receive = BitMatrix(receive);
    return plan;
  }

  unsigned registerBits, laneBits, sourceBits;
  BitMatrix from, to;
  SmallVector<Origin, 16> origins; ///< of register, lane and warp bits
  SmallVector<uint64_t, 8> skew;
};
} // namespace

std::optional<LayoutConversion> synthesizeConversion(const LinearLayout &source,
                                                     const LinearLayout &destination,
                                                     unsigned elementBytes) {
  if (source.getShape() != destination.getShape() || !source.isOnto() ||
      source.getNumLanes() != destination.getNumLanes() ||
      source.getNumWarps() != destination.getNumWarps())
    return std::nullopt;

  LayoutConversion conversion;
  if (findMoves(source, destination, conversion.moves)) {
    conversion.kind = LayoutConversion::Kind::Moves;
    return conversion;
  }
  conversion.moves.clear();
  conversion.roundTrip = chooseRoundTrip(source, destination, elementBytes);
  if (std::optional<ShufflePlan> plan = ShufflePlanner(source, destination).plan()) {
    conversion.kind = LayoutConversion::Kind::Shuffles;
    conversion.shuffles = *plan;
    for (int64_t copies : destination.getRepeat())
      conversion.shuffles.copies *= copies;
  }
  return conversion;
}

} // namespace tilewright::layout
