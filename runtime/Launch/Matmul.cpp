//===- Matmul.cpp - Calls of the dense matrix product -----------------------===//
//
// See Matmul.h. Dtypes and attributes are checked by the family's own reading of
// the problem (dialects/Support/Schedule/Matmul.h).
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Matmul.h"

#include "dialects/Support/Schedule/Matmul.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::launch {

Call describe(const MatmulCall &call) {
  Call described;
  described.op = "matmul";
  int64_t batch = call.getBatch();
  described.rows = getRows(call.x);
  described.dimensions = {{"M", std::nullopt}, {"N", call.getN()}, {"K", call.getK()}};
  if (batch > 0)
    described.dimensions.push_back({"B", batch});
  described.attributes = {{"layout", call.isTransposed ? "nk" : "kn"}};
  if (call.deterministic)
    described.attributes.push_back({"deterministic", "true"});
  described.add("x", call.x, namesInBatch(batch, {"M", "K"}));
  if (call.isTransposed)
    described.add("w", call.w, namesInBatch(batch, {"N", "K"}));
  else
    described.add("w", call.w, namesInBatch(batch, {"K", "N"}));
  call.addTo(described, batch, call.getN(), call.y);
  return described;
}

static Error checkCall(const MatmulCall &call) {
  if (call.w.shape.size() != 2 && call.w.shape.size() != 3)
    return createStringError("'w' has " + Twine(call.w.shape.size()) +
                             " dimensions, but expects two, or three with a batch");
  if (call.w.shape.size() == 3 && call.getBatch() < 1)
    return createStringError("'w' is a batch of no matrices, but expects at least one");
  if (Error error = checkShape(call.w, "w", call.w.shape))
    return error;
  // M is x's to say; everything else follows from w.
  int64_t m = getRows(call.x), batch = call.getBatch();
  if (Error error = checkShape(call.x, "x", extentsInBatch(batch, {m, call.getK()})))
    return error;
  return call.verify(batch, m, call.getN(), call.y);
}

Expected<problem::Problem> makeProblem(const MatmulCall &call) {
  if (Error error = checkCall(call))
    return std::move(error);
  Expected<problem::Problem> problem = makeProblem(describe(call));
  if (!problem)
    return problem.takeError();
  auto typed = schedule::MatmulProblem::fromProblem(*problem);
  if (!typed)
    return typed.takeError();
  if (Error error = call.verifyDtypes(call.x.dtype))
    return std::move(error);
  return problem;
}

Error launchMatmul(KernelCache &cache, const MatmulCall &call,
                   const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                   const std::optional<schedule::Schedule> &pinned) {
  return launchCall(cache, describe(call), fallback, stream, pinned,
                    [&] { return makeProblem(call); });
}

} // namespace tilewright::launch
