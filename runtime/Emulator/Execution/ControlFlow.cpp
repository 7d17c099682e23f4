//===- ControlFlow.cpp - The order in which a split warp runs its parts ------===//
//
// See ControlFlow.h. Regions wait on a stack of their own, so that neither deep
// nesting nor long chains cost recursion.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/ControlFlow.h"
#include "runtime/Emulator/Machine/Limits.h"
#include <algorithm>

using namespace tilewright::emulator;

namespace {

class Order {
public:
  explicit Order(const Successors &successors)
      : successors(successors), region(successors.size(), 0), number(successors.size(), 0),
        low(successors.size(), 0), onStack(successors.size(), false) {}

  std::vector<uint32_t> run() {
    std::vector<uint32_t> all = findReachable();
    tasks.push_back({all, false});
    while (!tasks.empty()) {
      Task task = std::move(tasks.back());
      tasks.pop_back();
      depth = task.depth;
      if (depth > kMaxLoopDepth)
        return {};
      if (task.isPlaced)
        result.insert(result.end(), task.nodes.begin(), task.nodes.end());
      else
        split(task.nodes);
    }
    return std::move(result);
  }

private:
  /// Nodes to be placed as they are, or a region to be ordered first.
  struct Task {
    std::vector<uint32_t> nodes;
    bool isPlaced;
    size_t depth = 0; ///< of the loop it is in
  };

  std::vector<uint32_t> findReachable() {
    std::vector<uint32_t> nodes = {0}, seen(successors.size(), 0);
    seen[0] = 1;
    for (size_t i = 0; i < nodes.size(); ++i)
      for (uint32_t next : successors[nodes[i]])
        if (!seen[next]) {
          seen[next] = 1;
          nodes.push_back(next);
        }
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }

  /// Puts a region's strongly connected components on the task stack so that
  /// the topologically first is taken first; a loop as its head and the rest.
  void split(const std::vector<uint32_t> &nodes) {
    ++currentRegion;
    for (uint32_t node : nodes) {
      region[node] = currentRegion;
      number[node] = 0;
    }
    counter = 0;
    for (uint32_t node : nodes)
      if (number[node] == 0)
        findComponents(node);
  }

  struct Visit {
    uint32_t node;
    size_t next;
  };

  // Tarjan's algorithm; components come out last first.
  void findComponents(uint32_t root) {
    std::vector<Visit> visits;
    auto open = [&](uint32_t node) {
      number[node] = low[node] = ++counter;
      stack.push_back(node);
      onStack[node] = true;
      visits.push_back({node, 0});
    };
    open(root);
    while (!visits.empty()) {
      Visit &visit = visits.back();
      uint32_t node = visit.node;
      if (visit.next < successors[node].size()) {
        uint32_t next = successors[node][visit.next++];
        if (region[next] != currentRegion)
          continue;
        if (number[next] == 0)
          open(next);
        else if (onStack[next])
          low[node] = std::min(low[node], number[next]);
        continue;
      }
      visits.pop_back();
      if (!visits.empty())
        low[visits.back().node] = std::min(low[visits.back().node], low[node]);
      if (low[node] == number[node])
        closeComponent(node);
    }
  }

  void closeComponent(uint32_t root) {
    std::vector<uint32_t> component;
    uint32_t node;
    do {
      node = stack.back();
      stack.pop_back();
      onStack[node] = false;
      component.push_back(node);
    } while (node != root);
    // The depth-first search enters a component at its root: that is a block
    // which code outside jumps to, the loop's head.
    if (component.size() > 1) {
      component.pop_back();
      std::sort(component.begin(), component.end());
      tasks.push_back({std::move(component), false, depth + 1});
    }
    tasks.push_back({{root}, true, depth});
  }

  const Successors &successors;
  std::vector<uint32_t> region, number, low, stack, result;
  std::vector<bool> onStack;
  std::vector<Task> tasks;
  uint32_t currentRegion = 0, counter = 0;
  size_t depth = 0;
};

} // namespace

std::vector<uint32_t> tilewright::emulator::orderBlocks(const Successors &successors) {
  return successors.empty() ? std::vector<uint32_t>() : Order(successors).run();
}
