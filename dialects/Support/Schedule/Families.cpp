//===- Families.cpp - From an op to the family that schedules it -----------===//
//
// The generic entries of Schedule.h: each looks the family up by the problem's
// op and hands over. A new family is a row here beside its <Family>.h.
//
//===----------------------------------------------------------------------===//
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

Error verifyMatmul(const Schedule &schedule, const Problem &problem, const target::Target &target) {
  Expected<QuantMatmulProblem> typedProblem = QuantMatmulProblem::fromProblem(problem);
  if (!typedProblem)
    return typedProblem.takeError();
  Expected<QuantMatmulSchedule> typed = QuantMatmulSchedule::fromSchedule(schedule);
  if (!typed)
    return typed.takeError();
  return verifyQuantMatmul(*typed, *typedProblem, target);
}

Expected<Schedule> chooseMatmul(const Problem &problem, const target::GpuModel &model,
                                int64_t expectedM) {
  Expected<QuantMatmulProblem> typed = QuantMatmulProblem::fromProblem(problem);
  if (!typed)
    return typed.takeError();
  Expected<QuantMatmulSchedule> schedule = chooseQuantMatmulDefault(*typed, model, expectedM);
  if (!schedule)
    return schedule.takeError();
  return schedule->toSchedule();
}

Expected<std::vector<Schedule>> enumerateMatmul(const Problem &problem,
                                                const target::Target &target, int64_t expectedM) {
  Expected<QuantMatmulProblem> typed = QuantMatmulProblem::fromProblem(problem);
  if (!typed)
    return typed.takeError();
  std::vector<Schedule> all;
  for (const QuantMatmulSchedule &schedule : enumerateQuantMatmul(*typed, target, expectedM))
    all.push_back(schedule.toSchedule());
  return all;
}

constexpr Family families[] = {{"quant_matmul", verifyMatmul, chooseMatmul, enumerateMatmul}};

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
