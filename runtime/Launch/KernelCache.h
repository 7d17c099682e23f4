//===- KernelCache.h - Compiled kernels of this process ---------------------===//
//
// From a problem to a loaded kernel. Three steps, each done once:
//   (problem, device, bucket of M)  ->  schedule    the family's default, or pinned
//   (problem, target, schedule)     ->  artifact    compiled by the callback
//   (artifact, device)              ->  executable  loaded
// Buckets whose schedules are the same share a kernel, and so do devices of one
// target. The callback may look in caches of its own before it compiles.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_KERNELCACHE_H
#define TILEWRIGHT_RUNTIME_LAUNCH_KERNELCACHE_H

#include "runtime/Launch/Executable.h"
#include "runtime/Launch/OnceMap.h"
#include "llvm/ADT/StringMap.h"
#include <atomic>
#include <functional>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

namespace tilewright::launch {

/// Compiles a problem for a model with the given schedule. Called without
/// locks, from any thread, once a key.
using CompileFunction = std::function<llvm::Expected<artifact::Artifact>(
    const problem::Problem &, const target::GpuModel &, const std::optional<schedule::Schedule> &,
    int64_t expectedM)>;

/// The M a kernel is chosen for when `m` rows come: m itself to 8, then the
/// next power of two.
int64_t getBucket(int64_t m);

/// Thread-safe.
class KernelCache {
public:
  explicit KernelCache(CompileFunction compile) : compile(std::move(compile)) {}

  /// The kernel for a problem on a device. `m`: how many rows are coming;
  /// `pinned`: the schedule to use whatever M is. Many threads that ask for one
  /// key share one compilation; a failure is theirs, and is tried again later.
  llvm::Expected<std::shared_ptr<Executable>>
  get(const problem::Problem &problem, const std::shared_ptr<device::Device> &device, int64_t m,
      const std::optional<schedule::Schedule> &pinned = std::nullopt);

  /// Short cuts past problems: a caller that can tell calls apart by a few bits
  /// remembers the kernel under them. Equal bits must mean an equal problem,
  /// device and bucket. null where nothing is remembered; allocates nothing.
  std::shared_ptr<Executable> findCall(llvm::StringRef bits);
  void rememberCall(llvm::StringRef bits, std::shared_ptr<Executable> executable);

  struct Counters {
    uint64_t hits = 0;     ///< found without asking for a schedule
    uint64_t compiles = 0; ///< calls of the callback
    uint64_t loads = 0;    ///< executables made
  };
  Counters getCounters() const;

private:
  struct Key {
    problem::Problem problem;
    const device::Device *device;
    int64_t bucket; ///< 1 with a pinned schedule
    std::optional<schedule::Schedule> pinned;
  };
  /// A key that borrows, so that a hit copies nothing.
  struct KeyView {
    const problem::Problem &problem;
    const device::Device *device;
    int64_t bucket;
    const std::optional<schedule::Schedule> &pinned;
    KeyView(const Key &key) : KeyView(key.problem, key.device, key.bucket, key.pinned) {}
    KeyView(const problem::Problem &problem, const device::Device *device, int64_t bucket,
            const std::optional<schedule::Schedule> &pinned)
        : problem(problem), device(device), bucket(bucket), pinned(pinned) {}
  };
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(const KeyView &key) const;
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const KeyView &a, const KeyView &b) const {
      return a.device == b.device && a.bucket == b.bucket && a.problem == b.problem &&
             a.pinned == b.pinned;
    }
  };

  llvm::Expected<std::shared_ptr<Executable>> make(const KeyView &key,
                                                   const std::shared_ptr<device::Device> &device);
  std::shared_ptr<Workspaces> getWorkspaces(const std::shared_ptr<device::Device> &device);

  const CompileFunction compile;
  std::shared_mutex mutex; ///< of known and calls
  std::unordered_map<Key, std::shared_ptr<Executable>, KeyHash, KeyEqual> known;
  llvm::StringMap<std::shared_ptr<Executable>> calls;
  OnceMap<const artifact::Artifact> artifacts;
  OnceMap<Executable> executables;
  std::mutex workspacesMutex;
  std::map<const device::Device *, std::shared_ptr<Workspaces>> workspaces;
  std::atomic<uint64_t> hits = 0, compiles = 0, loads = 0;
};

} // namespace tilewright::launch

#endif
