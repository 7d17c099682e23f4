//===- Constraints.h - Checks that schedule families share ------------------===//
//
// Each message names the parameter, what is expected of it, its value and the
// nearest value that would do; `family` begins it.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_CONSTRAINTS_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_CONSTRAINTS_H

#include "dialects/Support/Schedule/ProductTiles.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace tilewright::schedule {

class Constraints {
public:
  explicit Constraints(llvm::StringRef family) : family(family) {}

  llvm::Error makeError(const llvm::Twine &message) const;

  /// "expects <parameter> to be <what>, but got <value>; the nearest is <nearest>".
  llvm::Error makeError(llvm::StringRef parameter, const llvm::Twine &what, int64_t value,
                        int64_t nearest) const;

  llvm::Error checkRange(llvm::StringRef parameter, int64_t value, int64_t minimum,
                         int64_t maximum) const;

  /// Multiples of `unit` from `unit` to `maximum`, which is one itself.
  llvm::Error checkMultiple(llvm::StringRef parameter, int64_t value, int64_t unit,
                            const llvm::Twine &unitText, int64_t maximum) const;

  /// One of `values`, which rise.
  llvm::Error checkOneOf(llvm::StringRef parameter, int64_t value,
                         llvm::ArrayRef<int64_t> values) const;

  /// Powers of two, at most 8 warps together.
  llvm::Error checkWarps(int64_t warpsM, int64_t warpsN) const;

  /// A target with cp.async and mma.m16n8k16 that can be compiled for.
  llvm::Error checkTarget(const target::Target &target) const;

  //===- Schedules ----------------------------------------------------------===//

  /// A schedule of the family that has all of `required`, and beside them nothing but
  /// `optional`.
  llvm::Error checkParameters(const Schedule &schedule, llvm::ArrayRef<llvm::StringRef> required,
                              llvm::ArrayRef<llvm::StringRef> optional = {}) const;

  /// A row of a family's table of parameters.
  template <typename Typed> struct Parameter {
    llvm::StringRef name;
    int64_t Typed::*member;
    /// May be left out, and is where it has the value of a new `Typed`.
    bool isOptional = false;
  };

  /// A schedule by the table of a family's parameters.
  template <typename Typed>
  llvm::Expected<Typed> read(const Schedule &schedule,
                             llvm::ArrayRef<Parameter<Typed>> table) const {
    llvm::SmallVector<llvm::StringRef> required, optional;
    for (const Parameter<Typed> &parameter : table)
      (parameter.isOptional ? optional : required).push_back(parameter.name);
    if (llvm::Error error = checkParameters(schedule, required, optional))
      return std::move(error);
    Typed typed;
    for (const Parameter<Typed> &parameter : table)
      if (auto found = schedule.parameters.find(parameter.name.str());
          found != schedule.parameters.end())
        typed.*parameter.member = found->second;
    return typed;
  }
  /// The same the other way round.
  template <typename Typed>
  Schedule write(const Typed &typed, llvm::ArrayRef<Parameter<Typed>> table) const {
    Schedule schedule{family.str(), {}};
    for (const Parameter<Typed> &parameter : table)
      if (!parameter.isOptional || typed.*parameter.member != Typed().*parameter.member)
        schedule.parameters[parameter.name.str()] = typed.*parameter.member;
    return schedule;
  }

  //===- Problems -----------------------------------------------------------===//

  /// One of `words`.
  llvm::Error checkWord(const llvm::Twine &what, llvm::StringRef value,
                        llvm::ArrayRef<llvm::StringRef> words) const;

  /// An operand that is there, of one of `dtypes`.
  llvm::Error checkOperand(const problem::Problem &problem, llvm::StringRef name,
                           llvm::ArrayRef<llvm::StringRef> dtypes) const;

  /// The extent of a static dimension of at least one.
  llvm::Expected<int64_t> readStatic(const problem::Problem &problem, llvm::StringRef name) const;

  /// y of a float that products end in, and out_scale, which may be there, of f32.
  llvm::Error checkResult(const problem::Problem &problem) const;

  /// The attribute "deterministic": true or false, which it is where it is left out.
  llvm::Expected<bool> readDeterministic(const problem::Problem &problem) const;

  //===- Tiles --------------------------------------------------------------===//

  /// chunk_k is 0; for a deterministic product over `k` it is getCanonicalChunk(k), which
  /// tile_k divides, with no stream_k and at most one split for each chunk.
  llvm::Error checkChunk(const ProductTiles &tiles, bool isDeterministic, int64_t k) const;

  /// A grid has room for the splits of `batch` products along one axis (CUDA C++
  /// programming guide, "Technical Specifications per Compute Capability").
  llvm::Error checkBatch(const ProductTiles &tiles, int64_t batch) const;

  /// What a family asks of a GPU for its tiles.
  struct Resources {
    llvm::function_ref<int64_t(const ProductTiles &)> getSharedBytes;
    llvm::function_ref<int64_t(const ProductTiles &)> estimateRegisters;
    /// Steps of tile_k, tile_n and tile_m that are worth suggesting.
    int64_t depth, columns, rows;
    /// Whether the family takes the tiles at all.
    llvm::function_ref<bool(const ProductTiles &)> isShape;
  };
  /// The main loop's shared memory fits a block of the target; a thread holds at most 128
  /// accumulators, and the estimate of its registers fits. Suggests the nearest smaller
  /// value of one parameter that does.
  llvm::Error checkResources(const ProductTiles &tiles, const Resources &resources,
                             const target::Target &target) const;

private:
  llvm::Error checkRegisters(const ProductTiles &tiles, const Resources &resources,
                             const target::Target &target) const;

  llvm::StringRef family;
};

} // namespace tilewright::schedule

#endif
