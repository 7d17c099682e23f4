//===- Shuffle.cpp - Exchange between the lanes of a warp -----------------------------------===//
//
// PTX ISA: shfl.sync, vote.sync, match.sync, redux.sync, elect.sync. All wait
// for the lanes their member mask (slot c) names (Flow::WarpSync): a handler runs
// for the lanes `m` that name the same members, and they are those members.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

enum class Mode : uint8_t { Up, Down, Butterfly, Index };

// a: value; b: lane operand; extra: slots {clamp and segment mask, predicate}.
void handleShuffle(Warp &w, const Inst &i, uint32_t m) {
  const Slot *slots = &w.launch.program.slots[i.extra];
  uint32_t *d = w.at<uint32_t>(i.d), inRange = 0;
  uint32_t a[kLanes];
  std::copy_n(w.at<uint32_t>(i.a), kLanes, a);
  const uint32_t *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(slots[0]);
  // The usual exchanges: all lanes with one operand, and no segments.
  bool isWhole = m == kFullMask && (i.b & slots[0] & kConstantBank) && c[0] == 31;
  if (isWhole && static_cast<Mode>(i.flags) == Mode::Butterfly) {
    const unsigned distance = b[0] & 31;
    for (unsigned l = 0; l < kLanes; ++l)
      d[l] = a[l ^ distance];
    if (slots[1] != kNoSlot)
      w.setPredicate(slots[1], m, kFullMask);
    return;
  }
  if (isWhole && static_cast<Mode>(i.flags) == Mode::Down) {
    const unsigned distance = b[0] & 31;
    std::copy_n(a + distance, kLanes - distance, d);
    std::copy_n(a + kLanes - distance, distance, d + kLanes - distance);
    if (slots[1] != kNoSlot)
      w.setPredicate(slots[1], m, kFullMask >> distance);
    return;
  }
  forEachLane(m, [&](unsigned l) {
    int lane = static_cast<int>(l), operand = b[l] & 31, clamp = c[l] & 31,
        segment = c[l] >> 8 & 31;
    int last = (lane & segment) | (clamp & ~segment), first = lane & segment, source = lane;
    bool valid = false;
    switch (static_cast<Mode>(i.flags)) {
    case Mode::Up:
      source = lane - operand;
      valid = source >= last;
      break;
    case Mode::Down:
      source = lane + operand;
      valid = source <= last;
      break;
    case Mode::Butterfly:
      source = lane ^ operand;
      valid = source <= last;
      break;
    case Mode::Index:
      source = first | (operand & ~segment);
      valid = source <= last;
      break;
    }
    if (!valid)
      source = lane;
    inRange |= uint32_t(valid) << l;
    // A lane that does not take part has no value to give.
    if (!(m >> source & 1) && valid)
      w.report(FindingKind::WarpSyncMisuse, lane,
               "shuffles from lane " + llvm::Twine(source) + ", which does not take part",
               /*stops=*/false);
    d[l] = a[source];
  });
  if (slots[1] != kNoSlot)
    w.setPredicate(slots[1], m, inRange);
}

void decodeShuffle(InstructionDecoder &d) {
  if (!d.take("sync"))
    d.fail("'shfl' needs .sync");
  auto mode = d.takeOneOf({"up", "down", "bfly", "idx"});
  if (!mode)
    d.fail("'shfl' needs .up, .down, .bfly or .idx");
  ScalarType type = d.requireType();
  if (type != ScalarType::B32)
    return d.refuseType(type);
  if (!d.expectOperands(5))
    return;
  const parser::Operand &result = d.operand(0);
  bool isPair = result.kind == parser::Operand::Kind::Pair;
  d.inst.d = d.write(isPair ? result.parts[0] : result, type);
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  Slot slots[] = {d.read(3, type), isPair ? d.writePredicate(result.parts[1]) : kNoSlot};
  d.inst.extra = d.addSlots(slots);
  d.inst.c = d.read(4, type);
  d.inst.flags = mode.value_or(0);
  d.inst.flow = Flow::WarpSync;
  d.set(handleShuffle, OpClass::Shuffle);
}

enum class Vote : uint8_t { All, Any, Uniform, Ballot };

void handleVote(Warp &w, const Inst &i, uint32_t m) {
  uint32_t in = (w.predicate(i.a) ^ (i.imm ? kFullMask : 0)) & m;
  bool value = false;
  switch (static_cast<Vote>(i.flags)) {
  case Vote::All:
    value = in == m;
    break;
  case Vote::Any:
    value = in != 0;
    break;
  case Vote::Uniform:
    value = in == m || in == 0;
    break;
  case Vote::Ballot:
    forEachLane(m, [&](unsigned l) { w.at<uint32_t>(i.d)[l] = in; });
    return;
  }
  w.setPredicate(i.d, m, value ? kFullMask : 0);
}

void decodeVote(InstructionDecoder &d) {
  if (!d.take("sync"))
    d.fail("'vote' needs .sync");
  auto vote = d.takeOneOf({"all", "any", "uni", "ballot"});
  if (!vote)
    d.fail("'vote' needs .all, .any, .uni or .ballot");
  bool isBallot = vote.value_or(0) == 3;
  ScalarType type = d.requireType();
  if (type != (isBallot ? ScalarType::B32 : ScalarType::Pred))
    return d.refuseType(type);
  if (!d.expectOperands(3))
    return;
  bool isNegated = false;
  d.inst.d = isBallot ? d.write(0, type) : d.writePredicate(d.operand(0));
  d.inst.a = d.readPredicate(d.operand(1), isNegated);
  d.inst.c = d.read(2, ScalarType::B32);
  d.inst.imm = isNegated;
  d.inst.flags = vote.value_or(0);
  d.inst.flow = Flow::WarpSync;
  d.set(handleVote, OpClass::Shuffle);
}

// match.any: lanes with my value; match.all: members if all agree, else 0.
template <typename T> void handleMatch(Warp &w, const Inst &i, uint32_t m) {
  const T *a = w.at<T>(i.a);
  uint32_t result[kLanes], agreed = 0;
  bool isAll = i.flags;
  forEachLane(m, [&](unsigned l) {
    uint32_t same = 0;
    forEachLane(m, [&](unsigned other) { same |= uint32_t(a[other] == a[l]) << other; });
    result[l] = !isAll || same == m ? same : 0;
  });
  forEachLane(m, [&](unsigned l) {
    w.at<uint32_t>(i.d)[l] = result[l];
    agreed |= uint32_t(result[l] == m) << l;
  });
  if (i.extra != kNoSlot)
    w.setPredicate(i.extra, m, agreed);
}

void decodeMatch(InstructionDecoder &d) {
  bool isAll = d.take("all");
  if (!isAll && !d.take("any"))
    d.fail("'match' needs .any or .all");
  if (!d.take("sync"))
    d.fail("'match' needs .sync");
  ScalarType type = d.requireType();
  if (type != ScalarType::B32 && type != ScalarType::B64)
    return d.refuseType(type);
  if (!d.expectOperands(3))
    return;
  const parser::Operand &result = d.operand(0);
  bool isPair = result.kind == parser::Operand::Kind::Pair;
  if (isPair && !isAll)
    d.fail(result.location, "'match.any' gives no predicate");
  d.inst.d = d.write(isPair ? result.parts[0] : result, ScalarType::B32);
  d.inst.extra = isPair ? d.writePredicate(result.parts[1]) : kNoSlot;
  d.inst.a = d.read(1, type);
  d.inst.c = d.read(2, ScalarType::B32);
  d.inst.flags = isAll;
  d.inst.flow = Flow::WarpSync;
  d.set(type == ScalarType::B32 ? handleMatch<uint32_t> : handleMatch<uint64_t>, OpClass::Shuffle);
}

enum class Reduction : uint8_t { Add, Min, Max, And, Or, Xor };

template <typename T> void handleReduce(Warp &w, const Inst &i, uint32_t m) {
  const T *a = w.at<T>(i.a);
  T value = a[std::countr_zero(m)];
  forEachLane(m & (m - 1), [&](unsigned l) {
    switch (static_cast<Reduction>(i.flags)) {
    case Reduction::Add:
      value = T(uint32_t(value) + uint32_t(a[l]));
      break;
    case Reduction::Min:
      value = std::min(value, a[l]);
      break;
    case Reduction::Max:
      value = std::max(value, a[l]);
      break;
    case Reduction::And:
      value &= a[l];
      break;
    case Reduction::Or:
      value |= a[l];
      break;
    case Reduction::Xor:
      value ^= a[l];
      break;
    }
  });
  forEachLane(m, [&](unsigned l) { w.at<T>(i.d)[l] = value; });
}

void decodeReduce(InstructionDecoder &d) {
  if (!d.take("sync"))
    d.fail("'redux' needs .sync");
  auto op = d.takeOneOf({"add", "min", "max", "and", "or", "xor"});
  if (!op)
    d.fail("'redux' needs an operation such as .add");
  ScalarType type = d.requireType();
  bool isLogic = op.value_or(0) >= 3;
  if (isLogic ? type != ScalarType::B32 : type != ScalarType::U32 && type != ScalarType::S32)
    return d.refuseType(type);
  if (!d.expectOperands(3))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  d.inst.c = d.read(2, ScalarType::B32);
  d.inst.flags = op.value_or(0);
  d.inst.flow = Flow::WarpSync;
  d.set(type == ScalarType::S32 ? handleReduce<int32_t> : handleReduce<uint32_t>, OpClass::Shuffle);
}

// elect.sync d|p, members: the lowest member leads.
void handleElect(Warp &w, const Inst &i, uint32_t m) {
  const unsigned leader = std::countr_zero(m);
  forEachLane(m, [&](unsigned l) { w.at<uint32_t>(i.d)[l] = leader; });
  w.setPredicate(i.extra, m, 1u << leader);
}

void decodeElect(InstructionDecoder &d) {
  if (!d.take("sync"))
    d.fail("'elect' needs .sync");
  if (!d.expectOperands(2))
    return;
  const parser::Operand &result = d.operand(0);
  if (result.kind != parser::Operand::Kind::Pair)
    return d.fail(result.location, "'elect' expects d|p");
  d.inst.d = d.write(result.parts[0], ScalarType::B32);
  d.inst.extra = d.writePredicate(result.parts[1]);
  d.inst.c = d.read(1, ScalarType::B32);
  d.inst.flow = Flow::WarpSync;
  d.set(handleElect, OpClass::Shuffle);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getShuffleInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"shfl", decodeShuffle}, {"vote", decodeVote},   {"match", decodeMatch},
      {"redux", decodeReduce}, {"elect", decodeElect},
  };
  return entries;
}
