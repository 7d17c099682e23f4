//===- Causality.cpp - The causality order of a kernel that ran -----------------===//
//
// See Causality.h.
//
//===----------------------------------------------------------------------===//
#include "Causality.h"
#include <cassert>

using namespace tilewright::emulator;

static bool scopesInclude(const Shape &shape, unsigned scopeA, unsigned threadA, unsigned scopeB,
                          unsigned threadB) {
  return shape.blockOf(threadA) == shape.blockOf(threadB) || (scopeA > 0 && scopeB > 0);
}

bool tilewright::emulator::overlap(const Kernel &kernel, unsigned stepA, unsigned threadA,
                                   unsigned stepB, unsigned threadB) {
  const Step &a = kernel.steps[stepA], &b = kernel.steps[stepB];
  if (a.kind != Step::Kind::Access || b.kind != Step::Kind::Access)
    return false;
  if (kernel.shape.isShared && kernel.shape.blockOf(threadA) != kernel.shape.blockOf(threadB))
    return false;
  const unsigned beginA = a.offset + a.stride * kernel.shape.laneOf(threadA),
                 beginB = b.offset + b.stride * kernel.shape.laneOf(threadB);
  return beginA < beginB + b.bytes && beginB < beginA + a.bytes;
}

bool tilewright::emulator::conflict(const Kernel &kernel, unsigned stepA, unsigned threadA,
                                    unsigned stepB, unsigned threadB) {
  const Step &a = kernel.steps[stepA], &b = kernel.steps[stepB];
  if (!a.writes && !b.writes)
    return false;
  if (a.order != Order::Weak && b.order != Order::Weak)
    return !scopesInclude(kernel.shape, a.scope, threadA, b.scope, threadB);
  return !(stepA == stepB && a.isUniform);
}

Causality::Causality(const Kernel &kernel, const std::vector<uint64_t> &got)
    : kernel(kernel), last(kernel.shape.threads(), -1) {
  addEvents();
  carried = close(edges);
  addSynchronisation(got);
  known = close(edges);
}

void Causality::addEvents() {
  auto add = [&](unsigned step, unsigned thread) {
    const unsigned number = events.size();
    events.push_back({step, thread});
    if (last[thread] >= 0)
      edges.push_back({unsigned(last[thread]), number});
    last[thread] = static_cast<int>(number);
    return number;
  };
  auto meet = [&](unsigned step, uint32_t arriving, uint32_t waiting) {
    std::vector<unsigned> arrivals;
    for (unsigned t = 0; t < kernel.shape.threads(); ++t)
      if (arriving >> t & 1)
        arrivals.push_back(add(step, t));
    for (unsigned t = 0; t < kernel.shape.threads(); ++t) {
      if (!(waiting >> t & 1))
        continue;
      const unsigned goesOn = add(step, t);
      for (unsigned arrival : arrivals)
        edges.push_back({arrival, goesOn});
    }
  };
  for (unsigned s = 0; s < kernel.steps.size(); ++s) {
    const Step &step = kernel.steps[s];
    if (step.kind == Step::Kind::Barrier && step.number == 0) {
      const unsigned perBlock = kernel.shape.warps * kLanesUsed;
      for (unsigned b = 0; b < kernel.shape.blocks; ++b)
        meet(s, ((1u << perBlock) - 1) << b * perBlock, ((1u << perBlock) - 1) << b * perBlock);
    } else if (step.kind == Step::Kind::Barrier) {
      meet(s, step.threads, step.threads & ~step.arrives);
    } else if (step.kind == Step::Kind::WarpSync) {
      for (uint32_t set : {step.firstSet, step.threads & ~step.firstSet})
        meet(s, set, set);
    } else {
      for (unsigned t = 0; t < kernel.shape.threads(); ++t)
        if (step.threads >> t & 1)
          add(s, t);
    }
  }
  assert(events.size() <= kMost);
}

std::vector<Causality::Set> Causality::close(const Edges &edges) const {
  std::vector<Set> before(events.size());
  for (bool changes = true; changes;) {
    changes = false;
    for (auto [a, b] : edges) {
      Set more = before[b] | before[a];
      more.set(a);
      changes |= more != before[b];
      before[b] = more;
    }
  }
  return before;
}

bool Causality::areInclusive(unsigned a, unsigned b) const {
  return scopesInclude(kernel.shape, stepOf(a).scope, events[a].thread, stepOf(b).scope,
                       events[b].thread);
}

std::vector<unsigned> Causality::findReleases(unsigned w) const {
  std::vector<unsigned> first;
  const Order order = stepOf(w).order;
  if (order == Order::Release || order == Order::AcquireRelease)
    first.push_back(w);
  for (unsigned f = 0; f < events.size(); ++f)
    if (isFence(f) && carried[w][f])
      first.push_back(f);
  return first;
}

std::vector<unsigned> Causality::findAcquires(unsigned r) const {
  std::vector<unsigned> last;
  const Order order = stepOf(r).order;
  if (order == Order::Acquire || order == Order::AcquireRelease)
    last.push_back(r);
  for (unsigned f = 0; f < events.size(); ++f)
    if (isFence(f) && carried[f][r])
      last.push_back(f);
  return last;
}

// Observation order: a reader observes the write it read from, and if that was an
// exchange also the write which the exchange observed.
void Causality::addSynchronisation(const std::vector<uint64_t> &got) {
  std::vector<unsigned> eventOf(kernel.steps.size());
  for (unsigned e = 0; e < events.size(); ++e)
    eventOf[events[e].step] = e; // a flag's step has one
  Edges added;
  for (unsigned s = 0; s < kernel.steps.size(); ++s) {
    const Step &step = kernel.steps[s];
    if (step.kind != Step::Kind::Flag || (step.writes && !step.isExchange))
      continue;
    const unsigned reader = eventOf[s];
    for (unsigned at = s; got[at] != 0;) {
      const auto from = static_cast<unsigned>(got[at] - 1);
      if (!areInclusive(eventOf[from], eventOf[at]))
        break;
      for (unsigned x : findReleases(eventOf[from]))
        for (unsigned y : findAcquires(reader))
          if (areInclusive(x, y))
            added.push_back({x, y});
      if (!kernel.steps[from].isExchange)
        break;
      at = from;
    }
  }
  edges.insert(edges.end(), added.begin(), added.end());
}
