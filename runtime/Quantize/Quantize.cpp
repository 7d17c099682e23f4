//===- Quantize.cpp - Weights to codes, scales and zero points ---------------===//
//
// See Quantize.h. The columns of whole groups are a unit of work: their ranges, then
// scales and zero points (for each part of the range that is tried), then codes.
//
//===----------------------------------------------------------------------===//
#include "runtime/Quantize/Quantize.h"

#include "runtime/Quantize/Columns.h"
#include "runtime/Quantize/Numbers.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <thread>

namespace tilewright::quantize {

using format::Zero;

/// The parts of a group's range that scales are tried for, in 32nds.
constexpr int firstPart = 32, lastPart = 9;

namespace {

/// A scale and a zero point as they are stored, and as weights meet them.
struct Choice {
  uint32_t scaleBits = 0, zeroBits = 0;
  Step step;
  float error = 0;
};

/// Quantises units: columns of whole groups.
class Worker {
public:
  Worker(const Rule &rule, const Weights &weights)
      : rule(rule), weights(weights), scaleNumbers(rule.scale), columns(weights, rule.tensorScale),
        groups(rule.granularity.getGroups(weights.k)) {}

  /// Columns `first` .. `last`, of groups of `wide` columns.
  std::optional<Refusal> run(int64_t first, int64_t last, int64_t wide, const Quantised &result);
  std::optional<Refusal> findLargest(int64_t first, int64_t last, int64_t wide, double &largest);

private:
  std::optional<Refusal> load(int64_t first, int64_t last);
  std::optional<Refusal> findRanges(int64_t first, int64_t last, int64_t wide);
  std::optional<Refusal> tryPart(int64_t first, int64_t last, int64_t wide, int part);
  double getNeeded(Range range) const;
  void chooseZero(float low, double scale, Choice &choice) const;
  void addErrors(int64_t first, int64_t last, int64_t wide);
  void writeCodes(int64_t first, int64_t last, int64_t wide, llvm::MutableArrayRef<uint8_t> codes);

  /// Calls visit(column, weights of the group, group along K) for the unit, some
  /// columns at a time.
  template <typename Visit> std::optional<Refusal> visit(int64_t first, int64_t last, Visit visit);

  const Rule &rule;
  const Weights &weights;
  ScaleNumbers scaleNumbers;
  Columns columns;
  int64_t groups;
  int64_t loadedFirst = -1, loadedLast = -1;
  std::vector<Range> ranges; ///< of the unit, [groups along N, along K]
  std::vector<Choice> tried, best;
  std::vector<float> columnErrors, scratch;
  std::vector<uint8_t> trial;
};

} // namespace

std::optional<Refusal> Worker::load(int64_t first, int64_t last) {
  if (first == loadedFirst && last == loadedLast)
    return std::nullopt;
  loadedFirst = first;
  loadedLast = last;
  return columns.read(first, last);
}

template <typename Visit>
std::optional<Refusal> Worker::visit(int64_t first, int64_t last, Visit visit) {
  int64_t rows = rule.granularity.rows ? rule.granularity.rows : weights.k;
  for (int64_t at = first; at < last; at += columnsAtOnce) {
    int64_t end = std::min(at + columnsAtOnce, last);
    if (std::optional<Refusal> refusal = load(at, end))
      return refusal;
    for (int64_t column = at; column < end; ++column)
      for (int64_t group = 0; group < groups; ++group) {
        int64_t row = group * rows;
        visit(column, columns.get(column).slice(row, std::min(rows, weights.k - row)), group);
      }
  }
  return std::nullopt;
}

//===- Scales and zero points -----------------------------------------------===//

/// All ranges hold 0 but those of the rule "offset", whose zero point is not a step
/// of the scale away from 0.
std::optional<Refusal> Worker::findRanges(int64_t first, int64_t last, int64_t wide) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  bool holdsZero = rule.zero != Zero::Offset;
  Range none = holdsZero ? Range{0, 0} : Range{infinity, -infinity};
  ranges.assign(llvm::divideCeil(last - first, wide) * groups, none);
  return visit(first, last, [&](int64_t column, llvm::ArrayRef<float> part, int64_t group) {
    Range own = getRange(part), &all = ranges[(column - first) / wide * groups + group];
    all.low = own.low < all.low ? own.low : all.low;
    all.high = own.high > all.high ? own.high : all.high;
  });
}

/// The smallest scale with which a group fits. With a zero point the codes cover
/// high - low. Without one the positive numbers must reach high and the negative
/// ones low; a side without numbers is left out (clamped).
double Worker::getNeeded(Range range) const {
  const Target &target = rule.target;
  if (rule.zero != Zero::None) // in double: the difference of two floats may overflow
    return (double(range.high) - double(range.low)) / (target.getMost() - target.getLeast());
  double needed = 0;
  if (target.getMaxNumber() > 0)
    needed = std::max(needed, range.high / target.getMaxNumber());
  if (target.getMinNumber() < 0)
    needed = std::max(needed, range.low / target.getMinNumber());
  return needed;
}

/// The zero point that puts the smallest weight on the smallest code.
void Worker::chooseZero(float low, double scale, Choice &choice) const {
  double least = rule.target.getLeast();
  if (rule.zero == Zero::None)
    return;
  if (rule.zero == Zero::Integer) {
    double exact = std::nearbyint(least - low / (scale == 0 ? 1 : scale));
    double held = std::clamp<double>(exact, least, rule.target.getMost());
    choice.zeroBits = uint32_t(held + double(rule.target.getStorageBias()));
    choice.step.zero = float(held);
    return;
  }
  double exact =
      rule.zero == Zero::Offset ? low - least * scale : least - low / (scale == 0 ? 1 : scale);
  Stored stored = roundToNearest(rule.zeroFormat, exact);
  choice.zeroBits = stored.bits;
  choice.step.zero = float(stored.value);
}

/// Scales and zero points of all groups for a part of their ranges, in `tried`.
/// Ranges shrink towards 0, or to their middle where they need not hold it.
std::optional<Refusal> Worker::tryPart(int64_t first, int64_t, int64_t wide, int part) {
  float ratio = float(part) / 32;
  tried.assign(ranges.size(), Choice());
  for (size_t i = 0; i < ranges.size(); ++i) {
    float low = ranges[i].low, high = ranges[i].high;
    float middle = rule.zero == Zero::Offset ? (low + high) / 2 : 0;
    Range range{middle + (low - middle) * ratio, middle + (high - middle) * ratio};
    double needed = getNeeded(range);
    Stored scale = scaleNumbers.roundUp(needed);
    if (!std::isfinite(scale.value))
      return Refusal{Refusal::Kind::ScaleTooLarge, first / wide + int64_t(i) / groups,
                     int64_t(i) % groups, needed};
    tried[i].scaleBits = scale.bits;
    tried[i].step.scale = float(scale.value);
    chooseZero(range.low, scale.value, tried[i]);
  }
  return std::nullopt;
}

//===- Errors and codes -----------------------------------------------------===//

/// The errors of `tried`: sums of columns, then of the columns of a group.
void Worker::addErrors(int64_t first, int64_t last, int64_t wide) {
  columnErrors.resize((last - first) * groups);
  // Nothing is refused any more: all was read before.
  visit(first, last, [&](int64_t column, llvm::ArrayRef<float> part, int64_t group) {
    Step step = tried[(column - first) / wide * groups + group].step;
    trial.resize(part.size());
    chooseCodes(rule, step, part, trial.data());
    columnErrors[(column - first) * groups + group] =
        sumErrors(rule, step, part, trial.data(), scratch);
  });
  for (size_t i = 0; i < tried.size(); ++i) {
    int64_t column = int64_t(i) / groups * wide, group = int64_t(i) % groups;
    int64_t count = std::min(wide, last - first - column);
    tried[i].error = sumInOrder(&columnErrors[column * groups + group], count, groups);
  }
}

void Worker::writeCodes(int64_t first, int64_t last, int64_t wide,
                        llvm::MutableArrayRef<uint8_t> codes) {
  int64_t rows = rule.granularity.rows ? rule.granularity.rows : weights.k;
  visit(first, last, [&](int64_t column, llvm::ArrayRef<float> part, int64_t group) {
    Step step = best[(column - first) / wide * groups + group].step;
    chooseCodes(rule, step, part, &codes[column * weights.k + group * rows]);
  });
}

std::optional<Refusal> Worker::run(int64_t first, int64_t last, int64_t wide,
                                   const Quantised &result) {
  if (std::optional<Refusal> refusal = findRanges(first, last, wide))
    return refusal;
  for (int part = firstPart; part >= (rule.searchesScale ? lastPart : firstPart); --part) {
    if (std::optional<Refusal> refusal = tryPart(first, last, wide, part))
      return refusal;
    if (rule.searchesScale)
      addErrors(first, last, wide);
    if (part == firstPart) {
      best = tried;
      continue;
    }
    for (size_t i = 0; i < best.size(); ++i)
      if (tried[i].error < best[i].error)
        best[i] = tried[i];
  }
  for (size_t i = 0; i < best.size(); ++i) {
    int64_t at = first / wide * groups + int64_t(i);
    result.scales[at] = best[i].scaleBits;
    if (rule.zero != Zero::None)
      result.zeros[at] = best[i].zeroBits;
  }
  writeCodes(first, last, wide, result.codes);
  return std::nullopt;
}

std::optional<Refusal> Worker::findLargest(int64_t first, int64_t last, int64_t wide,
                                           double &largest) {
  if (std::optional<Refusal> refusal = findRanges(first, last, wide))
    return refusal;
  for (Range range : ranges)
    largest = std::max(largest, getNeeded(range));
  return std::nullopt;
}

//===- Threads --------------------------------------------------------------===//

/// Runs body(worker, first, last, wide) for all units; the refusal of the first unit
/// that has one.
template <typename Body>
static std::optional<Refusal> shareUnits(const Rule &rule, const Weights &weights, unsigned threads,
                                         Body body) {
  if (weights.k == 0 || weights.n == 0)
    return std::nullopt;
  int64_t wide = rule.granularity.columns ? rule.granularity.columns : weights.n;
  int64_t perUnit = wide == 1 ? columnsAtOnce : wide;
  int64_t units = llvm::divideCeil(weights.n, perUnit);
  std::atomic<int64_t> next = 0;
  std::mutex mutex;
  int64_t refusing = units;
  std::optional<Refusal> refused;
  auto work = [&] {
    Worker worker(rule, weights);
    for (int64_t unit; (unit = next++) < units;) {
      int64_t first = unit * perUnit;
      std::optional<Refusal> refusal =
          body(worker, first, std::min(first + perUnit, weights.n), wide);
      if (!refusal)
        continue;
      std::lock_guard<std::mutex> lock(mutex);
      if (unit < refusing)
        refusing = unit, refused = refusal;
      next = units; // units before this one are being worked on
    }
  };
  if (threads == 0)
    threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, units); ++i)
    others.emplace_back(work);
  work();
  for (std::thread &other : others)
    other.join();
  return refused;
}

std::optional<Refusal> quantize(const Rule &rule, const Weights &weights, const Quantised &result,
                                unsigned threads) {
  return shareUnits(rule, weights, threads,
                    [&](Worker &worker, int64_t first, int64_t last, int64_t wide) {
                      return worker.run(first, last, wide, result);
                    });
}

std::optional<Refusal> findLargestScale(const Rule &rule, const Weights &weights, double &largest,
                                        unsigned threads) {
  std::mutex mutex;
  largest = 0;
  return shareUnits(rule, weights, threads,
                    [&](Worker &worker, int64_t first, int64_t last, int64_t wide) {
                      double own = 0;
                      std::optional<Refusal> refusal = worker.findLargest(first, last, wide, own);
                      std::lock_guard<std::mutex> lock(mutex);
                      largest = std::max(largest, own);
                      return refusal;
                    });
}

} // namespace tilewright::quantize
