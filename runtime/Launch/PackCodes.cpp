//===- PackCodes.cpp - Calls of pack ---------------------------------------------===//
//
// See PackCodes.h. Attributes are checked by the family's own reading of the problem
// (dialects/Support/Schedule/Pack.h).
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/PackCodes.h"

#include "dialects/Support/Layout/PackedForm.h"
#include "dialects/Support/Schedule/Pack.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::launch {

Call describe(const PackCall &call) {
  static constexpr StringLiteral widths[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};
  const pack::PackedShape &shape = call.shape;
  layout::PackedForm form{shape.bits, shape.storage, shape.activations};
  SmallVector<int64_t, 4> extents = form.getMatrixShape(shape.k, shape.n);
  Call described;
  described.op = "pack";
  described.rows = shape.n;
  described.dimensions = {{"N", shape.n}, {"K", shape.k}};
  SmallVector<StringRef, 4> names = {"strips", "blocks", "words"};
  if (layout::hasPlanes(shape.storage))
    names.insert(names.begin(), "planes");
  for (auto [name, extent] : zip_equal(names, extents))
    described.dimensions.push_back({name, extent});
  described.attributes = {{"bits", widths[shape.bits]},
                          {"storage", layout::getName(shape.storage)},
                          {"activations", layout::getName(shape.activations)},
                          {"layout", call.isAlongN ? "kn" : "nk"}};
  SmallVector<StringRef, 2> axes = {"N", "K"};
  if (call.isAlongN)
    std::swap(axes[0], axes[1]);
  described.add("codes", call.codes, axes);
  Tensor packed = makeDense(call.words.device, call.words.address, "u32", extents);
  described.add("words", std::move(packed), names);
  return described;
}

Expected<problem::Problem> makeProblem(const PackCall &call) {
  if (Error error = call.shape.verify())
    return std::move(error);
  SmallVector<int64_t, 2> extents = {call.shape.n, call.shape.k};
  if (call.isAlongN)
    std::swap(extents[0], extents[1]);
  if (Error error = checkShape(call.codes, "codes", extents))
    return std::move(error);
  if (Error error = checkShape(call.words, "words", {int64_t(call.shape.getWordCount())}))
    return std::move(error);
  Expected<problem::Problem> problem = makeProblem(describe(call));
  if (!problem)
    return problem.takeError();
  if (auto typed = schedule::PackProblem::fromProblem(*problem); !typed)
    return typed.takeError();
  return problem;
}

Error launchPack(KernelCache &cache, const PackCall &call,
                 const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                 const std::optional<schedule::Schedule> &pinned) {
  if (call.codes.isEmpty())
    return Error::success();
  return launchCall(cache, describe(call), fallback, stream, pinned,
                    [&] { return makeProblem(call); });
}

} // namespace tilewright::launch
