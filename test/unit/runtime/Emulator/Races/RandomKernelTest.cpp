//===- RandomKernelTest.cpp - Random kernels against simple models --------------===//
//
// What the whole machine finds in random kernels (RandomKernel.h) against models
// that share nothing with it: for kernels without synchronisation but bar.sync
// lists of who touched each byte, else the causality order of the PTX ISA,
// "Memory Consistency Model", written down as it stands there, as a relation
// between events. A race is found if and only if the model has one, and both
// parties of each finding race in the model.
//
//===----------------------------------------------------------------------===//
#include "Causality.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <functional>
#include <iostream>
#include <map>
#include <set>

using namespace tilewright::emulator;

namespace {

/// Pairs of (step, thread) that race.
using Races = std::set<std::pair<std::pair<unsigned, unsigned>, std::pair<unsigned, unsigned>>>;
/// Each byte's accesses since the last barrier of all threads.
Races findByBytes(const Kernel &kernel) {
  struct Touch {
    unsigned step, thread;
  };
  std::map<unsigned, std::vector<Touch>> bytes;
  Races races;
  for (unsigned s = 0; s < kernel.steps.size(); ++s) {
    const Step &step = kernel.steps[s];
    if (step.kind == Step::Kind::Barrier)
      bytes.clear();
    if (step.kind != Step::Kind::Access)
      continue;
    for (unsigned t = 0; t < kernel.shape.threads(); ++t) {
      if (!(step.threads >> t & 1))
        continue;
      unsigned begin = step.offset + step.stride * kernel.shape.laneOf(t);
      for (unsigned b = begin; b < begin + step.bytes; ++b) {
        for (const Touch &other : bytes[b])
          if (other.thread != t && conflict(kernel, other.step, other.thread, s, t))
            races.insert({{other.step, other.thread}, {s, t}});
        bytes[b].push_back({s, t});
      }
    }
  }
  return races;
}

/// The same from the causality order.
Races findByOrder(const Kernel &kernel, const std::vector<uint64_t> &got) {
  Causality order(kernel, got);
  Races races;
  const std::vector<Event> &events = order.getEvents();
  for (unsigned i = 0; i < events.size(); ++i)
    for (unsigned j = 0; j < i; ++j) {
      const Event &a = events[j], &b = events[i];
      if (a.thread != b.thread && overlap(kernel, a.step, a.thread, b.step, b.thread) &&
          conflict(kernel, a.step, a.thread, b.step, b.thread) && !order.isBefore(j, i) &&
          !order.isBefore(i, j))
        races.insert({{a.step, a.thread}, {b.step, b.thread}});
    }
  return races;
}

/// `numRaces`: counts kernels that have one.
void compare(const Kernel &kernel, const Outcome &outcome, const Races &races, unsigned &numRaces) {
  numRaces += !races.empty();
  std::string text = kernel.toPtx();
  if (races.empty()) {
    EXPECT_TRUE(outcome.findings.empty()) << outcome.findings.front().toString() << "\n" << text;
    return;
  }
  auto show = [](std::pair<unsigned, unsigned> place) {
    return "step " + std::to_string(place.first) + " by thread " + std::to_string(place.second);
  };
  EXPECT_FALSE(outcome.findings.empty())
      << show(races.begin()->first) << " races with " << show(races.begin()->second) << "\n"
      << text;
  for (const Finding &finding : outcome.findings) {
    ASSERT_EQ(finding.kind, FindingKind::Race) << finding.toString() << "\n" << text;
    ASSERT_TRUE(finding.other) << finding.toString();
    std::pair one{stepOfLine(finding.location.line), threadOf(kernel, finding)},
        two{stepOfLine(finding.other->location.line), threadOf(kernel, *finding.other)};
    // Whether a store leaves what others have stored is seen in memory, where
    // what races with one of the two may have been stored since.
    const bool isConsequence =
        one.first == two.first && llvm::any_of(races, [&](const auto &race) {
          return race.first == one || race.first == two || race.second == one || race.second == two;
        });
    EXPECT_TRUE(races.count({one, two}) || races.count({two, one}) || isConsequence)
        << show(one) << " and " << show(two) << ": " << finding.toString() << "\n"
        << text;
  }
}

/// Runs `count` kernels; about half of them should race, or the test says little.
void runKernels(const char *name, unsigned count, unsigned steps, const Mix &mix,
                const std::function<Shape(std::mt19937 &)> &makeShape,
                const std::function<Races(const Kernel &, const Outcome &)> &model) {
  const unsigned seed = std::random_device()();
  std::cerr << name << ": first seed " << seed << "\n";
  unsigned numRaces = 0;
  for (unsigned i = 0; i < count && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed + i));
    std::mt19937 random(seed + i);
    // Shorter ones first race seldom, longer ones nearly always.
    Kernel kernel = makeKernel(random, makeShape(random), 2 + random() % steps / 2 * 2, mix);
    Outcome outcome = run(kernel, random() % 4 ? 1 + random() % 1000 : 0);
    compare(kernel, outcome, model(kernel, outcome), numRaces);
  }
  if (testing::Test::HasFailure())
    return;
  EXPECT_GT(numRaces, count / 8);
  EXPECT_LT(numRaces, count - count / 8);
}

TEST(RandomKernel, BytesThatThreadsTouchWithoutAnOrder) {
  Mix mix;
  mix.barriers = 25;
  mix.masksCrossWarps = true;
  runKernels(
      "Bytes", 1200, 8, mix,
      [](std::mt19937 &random) { return Shape{1, 2 + unsigned(random() % 2), random() % 2 == 0}; },
      [](const Kernel &kernel, const Outcome &) { return findByBytes(kernel); });
}

TEST(RandomKernel, SynchronisationInABlock) {
  runKernels(
      "Block", 1200, 40, {45, 15, 3, 7, 8},
      [](std::mt19937 &random) { return Shape{1, 2 + unsigned(random() % 2), random() % 2 == 0}; },
      [](const Kernel &kernel, const Outcome &outcome) {
        return findByOrder(kernel, outcome.got);
      });
}

TEST(RandomKernel, FlagsBetweenBlocks) {
  runKernels(
      "Blocks", 1200, 40, {45, 25, 6, 6, 6},
      [](std::mt19937 &random) { return Shape{2, 1 + unsigned(random() % 2), false}; },
      [](const Kernel &kernel, const Outcome &outcome) {
        return findByOrder(kernel, outcome.got);
      });
}

} // namespace
