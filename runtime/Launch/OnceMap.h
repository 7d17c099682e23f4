//===- OnceMap.h - Values that are made once a key, by one thread -----------===//
//
// The first thread to ask for a key makes its value while the others wait for
// that key only. A failure goes to everyone who waited and is then forgotten,
// so that the next call tries again.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_ONCEMAP_H
#define TILEWRIGHT_RUNTIME_LAUNCH_ONCEMAP_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tilewright::launch {

/// Thread-safe. `make` runs unlocked; it must not ask for its own key.
template <typename Value> class OnceMap {
public:
  using Pointer = std::shared_ptr<Value>;

  llvm::Expected<Pointer> get(const std::string &key,
                              llvm::function_ref<llvm::Expected<Pointer>()> make) {
    std::unique_lock<std::mutex> lock(mutex);
    auto [found, isFirst] = entries.try_emplace(key);
    if (isFirst)
      found->second = std::make_shared<Entry>();
    std::shared_ptr<Entry> entry = found->second;
    if (!isFirst) {
      ready.wait(lock, [&] { return entry->isReady; });
      return entry->value ? llvm::Expected<Pointer>(entry->value)
                          : llvm::createStringError(entry->failure);
    }
    lock.unlock();
    llvm::Expected<Pointer> made = make();
    lock.lock();
    if (made)
      entry->value = *made;
    else {
      entry->failure = llvm::toString(made.takeError());
      entries.erase(key);
    }
    entry->isReady = true;
    ready.notify_all();
    if (!entry->value)
      return llvm::createStringError(entry->failure);
    return entry->value;
  }

private:
  struct Entry {
    bool isReady = false;
    Pointer value;
    std::string failure;
  };

  std::mutex mutex;
  std::condition_variable ready;
  std::map<std::string, std::shared_ptr<Entry>> entries;
};

} // namespace tilewright::launch

#endif
