//===- Families.cpp - From an op to the family that schedules it -----------===//
//
// The generic entries of Schedule.h: each looks the family up by the problem's
// op and hands over. A new family is a row here beside its <Family>.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/AppendCache.h"
#include "dialects/Support/Schedule/Attention.h"
#include "dialects/Support/Schedule/Matmul.h"
#include "dialects/Support/Schedule/MergeAttention.h"
#include "dialects/Support/Schedule/Pack.h"
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

namespace {

struct Family {
  StringLiteral op;
  Error (*verify)(const Schedule &, const Problem &, const target::Target &);
  Expected<Schedule> (*chooseDefault)(const Problem &, const target::GpuModel &, int64_t);
  Expected<std::vector<Schedule>> (*enumerate)(const Problem &, const target::Target &, int64_t);
};

/// The entries of a family from its typed functions.
template <typename TypedProblem, typename TypedSchedule,
          Error (*verifyTyped)(const TypedSchedule &, const TypedProblem &, const target::Target &),
          Expected<TypedSchedule> (*chooseTyped)(const TypedProblem &, const target::GpuModel &,
                                                 int64_t),
          std::vector<TypedSchedule> (*enumerateTyped)(const TypedProblem &, const target::Target &,
                                                       int64_t)>
struct Entries {
  static Error verify(const Schedule &schedule, const Problem &problem,
                      const target::Target &target) {
    Expected<TypedProblem> typedProblem = TypedProblem::fromProblem(problem);
    if (!typedProblem)
      return typedProblem.takeError();
    Expected<TypedSchedule> typed = TypedSchedule::fromSchedule(schedule);
    if (!typed)
      return typed.takeError();
    return verifyTyped(*typed, *typedProblem, target);
  }

  static Expected<Schedule> choose(const Problem &problem, const target::GpuModel &model,
                                   int64_t expectedM) {
    Expected<TypedProblem> typed = TypedProblem::fromProblem(problem);
    if (!typed)
      return typed.takeError();
    Expected<TypedSchedule> schedule = chooseTyped(*typed, model, expectedM);
    if (!schedule)
      return schedule.takeError();
    return schedule->toSchedule();
  }

  static Expected<std::vector<Schedule>>
  enumerate(const Problem &problem, const target::Target &target, int64_t expectedM) {
    Expected<TypedProblem> typed = TypedProblem::fromProblem(problem);
    if (!typed)
      return typed.takeError();
    std::vector<Schedule> all;
    for (const TypedSchedule &schedule : enumerateTyped(*typed, target, expectedM))
      all.push_back(schedule.toSchedule());
    return all;
  }
};

using QuantMatmulEntries = Entries<QuantMatmulProblem, QuantMatmulSchedule, verifyQuantMatmul,
                                   chooseQuantMatmulDefault, enumerateQuantMatmul>;
using MatmulEntries =
    Entries<MatmulProblem, MatmulSchedule, verifyMatmul, chooseMatmulDefault, enumerateMatmul>;
using AttentionEntries = Entries<AttentionProblem, AttentionSchedule, verifyAttention,
                                 chooseAttentionDefault, enumerateAttention>;

using MergeAttentionEntries =
    Entries<MergeAttentionProblem, MergeAttentionSchedule, verifyMergeAttention,
            chooseMergeAttentionDefault, enumerateMergeAttention>;

using AppendCacheEntries = Entries<AppendCacheProblem, AppendCacheSchedule, verifyAppendCache,
                                   chooseAppendCacheDefault, enumerateAppendCache>;

using PackEntries =
    Entries<PackProblem, PackSchedule, verifyPack, choosePackDefault, enumeratePack>;

constexpr Family families[] = {
    {"quant_matmul", QuantMatmulEntries::verify, QuantMatmulEntries::choose,
     QuantMatmulEntries::enumerate},
    {"matmul", MatmulEntries::verify, MatmulEntries::choose, MatmulEntries::enumerate},
    {"attention", AttentionEntries::verify, AttentionEntries::choose, AttentionEntries::enumerate},
    {"merge_attention", MergeAttentionEntries::verify, MergeAttentionEntries::choose,
     MergeAttentionEntries::enumerate},
    {"append_cache", AppendCacheEntries::verify, AppendCacheEntries::choose,
     AppendCacheEntries::enumerate},
    {"pack", PackEntries::verify, PackEntries::choose, PackEntries::enumerate}};

Expected<const Family *> findFamily(StringRef op) {
  const Family *family = find_if(families, [&](const Family &f) { return f.op == op; });
  if (family != std::end(families))
    return family;
  SmallVector<StringRef> known;
  for (const Family &entry : families)
    known.push_back(entry.op);
  return text::makeUnknownNameError("op to schedule", op, known);
}

} // namespace

Error verify(const Schedule &schedule, const Problem &problem, const target::Target &target) {
  Expected<const Family *> family = findFamily(problem.op);
  if (!family)
    return family.takeError();
  return (*family)->verify(schedule, problem, target);
}

Expected<Schedule> chooseDefault(const Problem &problem, const target::GpuModel &model,
                                 int64_t expectedM) {
  Expected<const Family *> family = findFamily(problem.op);
  if (!family)
    return family.takeError();
  return (*family)->chooseDefault(problem, model, expectedM);
}

Expected<std::vector<Schedule>> enumerate(const Problem &problem, const target::Target &target,
                                          int64_t expectedM) {
  Expected<const Family *> family = findFamily(problem.op);
  if (!family)
    return family.takeError();
  return (*family)->enumerate(problem, target, expectedM);
}

} // namespace tilewright::schedule
