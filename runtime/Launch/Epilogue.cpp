//===- Epilogue.cpp - What happens to the sum of a matrix product -----------===//
//
// See Epilogue.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Epilogue.h"

#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::launch {

static Error verifyOptional(const std::optional<Tensor> &tensor, StringRef name,
                            ArrayRef<int64_t> shape) {
  return tensor ? checkShape(*tensor, name, shape) : Error::success();
}

Error Epilogue::verify(int64_t batch, int64_t m, int64_t n, const Tensor &y) const {
  if (activation == "swiglu" && n % 2)
    return createStringError("swiglu takes pairs of columns (gate, up), but N is " + Twine(n));
  if (Error error = verifyOptional(bias, "bias", extentsInBatch(batch, {n})))
    return error;
  if (Error error = verifyOptional(rowScale, "row_scale", extentsInBatch(batch, {m})))
    return error;
  if (Error error = verifyOptional(columnScale, "column_scale", extentsInBatch(batch, {n})))
    return error;
  if (Error error = verifyOptional(residual, "residual", extentsInBatch(batch, {m, getOutputs(n)})))
    return error;
  if (Error error = verifyOptional(outScale, "out_scale", {1}))
    return error;
  return checkShape(y, "y", extentsInBatch(batch, {m, getOutputs(n)}));
}

Error Epilogue::verifyDtypes(StringRef x) const {
  bool isHalf = x == "f16" || x == "bf16";
  if (bias && bias->dtype != "f32" && !(isHalf && bias->dtype == x))
    return createStringError("'bias' has dtype " + bias->dtype + ", but expects " +
                             (isHalf ? (x + " (as x) or f32").str() : "f32"));
  for (auto [tensor, name] : {std::pair(&rowScale, "row_scale"),
                              {&columnScale, "column_scale"},
                              {&outScale, "out_scale"}})
    if (*tensor && (*tensor)->dtype != "f32")
      return createStringError(Twine("'") + name + "' has dtype " + (*tensor)->dtype +
                               ", but expects f32");
  if (residual && !is_contained({"f16", "bf16", "f32"}, residual->dtype))
    return createStringError("'residual' has dtype " + residual->dtype +
                             ", but expects f16, bf16 or f32");
  return Error::success();
}

void Epilogue::addTo(Call &call, int64_t batch, int64_t n, const Tensor &y) const {
  StringRef outputs = "N";
  if (activation == "swiglu") {
    outputs = "outputs";
    call.dimensions.push_back({outputs, n / 2});
  }
  call.attributes.push_back({"activation", activation});
  call.addOptional("bias", bias, namesInBatch(batch, {"N"}));
  call.addOptional("row_scale", rowScale, namesInBatch(batch, {"M"}));
  call.addOptional("column_scale", columnScale, namesInBatch(batch, {"N"}));
  call.addOptional("residual", residual, namesInBatch(batch, {"M", outputs}));
  if (outScale)
    call.dimensions.push_back({"ones", 1});
  call.addOptional("out_scale", outScale, {"ones"});
  call.add("y", y, namesInBatch(batch, {"M", outputs}));
}

} // namespace tilewright::launch
