//===- Runtime.h - Devices and kernels of a Python process ------------------===//
//
// Joins the compiler and the launcher: the kernel cache compiles through
// codegen/Compile, and calls from Python become calls of the launcher. One
// object holds it all; the package makes one a process.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_BINDINGS_PYTHON_RUNTIME_H
#define TILEWRIGHT_BINDINGS_PYTHON_RUNTIME_H

#include "runtime/Launch/AppendCache.h"
#include "runtime/Launch/Attention.h"
#include "runtime/Launch/DeviceRegistry.h"
#include "runtime/Launch/Matmul.h"
#include "runtime/Launch/MergeAttention.h"
#include "runtime/Launch/PackCodes.h"
#include "runtime/Launch/QuantMatmul.h"
#include "runtime/Launch/ResidentBuffer.h"
#include <chrono>
#include <mutex>
#include <pybind11/numpy.h>
#include <vector>

namespace tilewright::python {

/// Wall time since the last start.
class Stopwatch {
public:
  double getSeconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

/// Packed weights, kept alive with the copies that devices have of them. Copies of
/// an object share both.
class PackedWeights {
public:
  /// `batch`: matrices, or 0; `scale`: dtype of the scales; `zero`: the rule of format::Zero;
  /// `zeroDtype`: that of `zeros`; `tensorScale`: one float32 for each matrix.
  PackedWeights(pybind11::array words, pybind11::array scales, std::optional<pybind11::array> zeros,
                std::optional<pybind11::array> tensorScale, std::optional<pybind11::array> codebook,
                int64_t batch, int64_t k, int64_t n, const std::string &format,
                const std::string &group, const std::string &scale, const std::string &zero,
                const std::string &zeroDtype, const std::string &activations);
  const launch::QuantisedWeights &get() const { return weights; }

  /// The first `planes` of nested codes or of a stack. Tables that are given are
  /// those for this width, in the dtypes of the whole's; the others are the whole's.
  PackedWeights takePlanes(unsigned planes, std::optional<pybind11::array> scales,
                           std::optional<pybind11::array> zeros) const;

private:
  using Buffer = std::shared_ptr<launch::ResidentBuffer>;
  launch::Tensor describe(const pybind11::array &array, const std::string &dtype, Buffer &buffer);

  pybind11::array words, scales;
  std::optional<pybind11::array> zeros, tensorScale, codebook;
  Buffer wordsBuffer, scalesBuffer, zerosBuffer, tensorScaleBuffer, codebookBuffer;
  launch::QuantisedWeights weights;
};

/// Describes a NumPy array with strides; raises for dtypes that are no format.
launch::Tensor describeArray(const pybind11::array &array);

/// What ends a matrix product: "bias", "row_scale", "column_scale", "residual",
/// "out_scale" (arrays or absent) and "activation" of `arguments`. Arrays must outlive it.
launch::Epilogue readEpilogue(const pybind11::dict &arguments);

/// The call of attention that `arrays` and `constants` describe; see Runtime::runAttention.
launch::AttentionCall readAttention(const pybind11::dict &arrays, const pybind11::dict &constants);
launch::MergeAttentionCall readMergeAttention(const std::vector<pybind11::array> &parts,
                                              const std::vector<pybind11::array> &lses,
                                              const pybind11::array &o,
                                              const std::optional<pybind11::array> &lse);

/// Thread-safe.
class Runtime {
public:
  Runtime();

  launch::DeviceRegistry &getRegistry() { return registry; }

  /// Runs epilogue(x @ w) into y on `device`. With `detail`, returns what
  /// tilewright.Launch wants to know, from 2 on with the whole report.
  pybind11::object runQuantMatmul(const pybind11::array &x, const PackedWeights &weights,
                                  const pybind11::dict &epilogue, pybind11::array y,
                                  const std::string &device,
                                  const std::optional<std::string> &schedule, bool deterministic,
                                  int detail);

  /// The same with dense weights, [N,K] where `isTransposed` and [K,N] otherwise.
  pybind11::object runMatmul(const pybind11::array &x, const pybind11::array &w, bool isTransposed,
                             const pybind11::dict &epilogue, pybind11::array y,
                             const std::string &device, const std::optional<std::string> &schedule,
                             bool deterministic, int detail);

  /// Runs attention: `arrays` has q, k, v, o and, where there are such, q_starts,
  /// k_starts, q_offset, alibi_slopes, sinks, lse (arrays) and captures (a list); `constants` the
  /// texts of launch::AttentionCall.
  pybind11::object runAttention(const pybind11::dict &arrays, const pybind11::dict &constants,
                                const std::string &device,
                                const std::optional<std::string> &schedule, int detail);

  /// Puts parts of attention together; see launch::MergeAttentionCall.
  pybind11::object runMergeAttention(const std::vector<pybind11::array> &parts,
                                     const std::vector<pybind11::array> &lses,
                                     const pybind11::array &o,
                                     const std::optional<pybind11::array> &lse,
                                     const std::string &device,
                                     const std::optional<std::string> &schedule, int detail);

  /// Appends to caches: `arrays` has lengths and those of k, v, q, page_table, cos, sin,
  /// k_cache, v_cache, k_scales, v_scales, rotated that there are; `constants` the texts of
  /// launch::AppendCacheCall.
  pybind11::object runAppendCache(const pybind11::dict &arrays, const pybind11::dict &constants,
                                  const std::string &device,
                                  const std::optional<std::string> &schedule, int detail);

  /// Packs codes [N,K], [K,N] with `along_n`, into words; `constants` has bits, storage,
  /// activations and along_n.
  pybind11::object runPack(const pybind11::array &codes, pybind11::array words,
                           const pybind11::dict &constants, const std::string &device,
                           const std::optional<std::string> &schedule, int detail);

private:
  /// Compiles where needed and launches a call that is an instance of `problem`.
  pybind11::object runCall(const launch::Call &call, const problem::Problem &problem,
                           const std::string &device, const std::optional<std::string> &schedule,
                           int detail);

  /// A kernel that was compiled for a call.
  struct Compilation {
    problem::Problem problem;
    double seconds;
  };
  /// Seconds spent compiling `problem` since there were `first` compilations.
  double getCompileSeconds(const problem::Problem &problem, size_t first);
  size_t countCompilations();

  launch::DeviceRegistry registry;
  std::mutex mutex; ///< of compilations
  std::vector<Compilation> compilations;
  launch::KernelCache cache;
};

} // namespace tilewright::python

#endif
