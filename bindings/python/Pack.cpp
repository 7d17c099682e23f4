//===- Pack.cpp - Quantising and packing weights, for Python ----------------===//
//
// Arrays in, arrays out, around runtime/Quantize and runtime/Pack, and the checksum
// of files of packed weights. The work runs without the GIL.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "dialects/Support/Layout/PackedForm.h"
#include "runtime/Pack/PackScales.h"
#include "runtime/Quantize/Quantize.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

/// A two-dimensional array as the packer sees it.
template <typename T> static pack::Matrix<const T> viewMatrix(const py::array_t<T> &array) {
  if (array.ndim() != 2)
    raise(exception::shape,
          "expects a matrix, but got " + std::to_string(array.ndim()) + " dimensions");
  auto size = static_cast<py::ssize_t>(sizeof(T));
  return {array.data(), array.strides(0) / size, array.strides(1) / size};
}

static layout::Storage readStorage(const std::string &name) {
  return unwrap(layout::parseStorage(name), exception::argument);
}

static layout::ActivationClass parseActivations(const std::string &name) {
  return unwrap(layout::parseActivationClass(name), exception::unsupported);
}

static py::array_t<uint32_t> packCodes(const py::array_t<uint8_t> &codes, unsigned bits,
                                       const std::string &storage, const std::string &activations) {
  // The packer's rows run along K, ours along N.
  pack::Matrix<const uint8_t> matrix = viewMatrix(codes).transposed();
  pack::PackedShape shape{codes.shape(1), codes.shape(0), bits};
  shape.storage = readStorage(storage);
  shape.activations = parseActivations(activations);
  check(shape.verify(), exception::shape);
  py::array_t<uint32_t> words(static_cast<py::ssize_t>(shape.getWordCount()));
  llvm::MutableArrayRef<uint32_t> view(words.mutable_data(), words.size());
  llvm::Error error = [&] {
    py::gil_scoped_release release;
    return pack::packCodes(shape, matrix, view);
  }();
  check(std::move(error), exception::argument);
  return words;
}

static py::array_t<uint8_t> unpackCodes(const py::array_t<uint32_t, py::array::c_style> &words,
                                        unsigned bits, int64_t n, int64_t k,
                                        const std::string &storage,
                                        const std::string &activations) {
  pack::PackedShape shape{k, n, bits};
  shape.storage = readStorage(storage);
  shape.activations = parseActivations(activations);
  check(shape.verify(), exception::shape);
  py::array_t<uint8_t> codes({n, k});
  pack::Matrix<uint8_t> columns{codes.mutable_data(), k, 1};
  llvm::ArrayRef<uint32_t> view(words.data(), words.size());
  llvm::Error error = [&] {
    py::gil_scoped_release release;
    return pack::unpackCodes(shape, view, columns.transposed());
  }();
  check(std::move(error), exception::shape);
  return codes;
}

static layout::ScaleStorage getStorage(int64_t k, int64_t n, const std::string &group,
                                       unsigned elementBytes, std::optional<unsigned> zeroBits) {
  auto granularity = unwrap(format::Granularity::parse(group), exception::unsupported);
  if (!zeroBits)
    return layout::ScaleStorage::get(granularity, k, n, elementBytes);
  if (elementBytes != 1)
    raise(exception::argument, "expects integer zero points as bytes");
  return layout::ScaleStorage::getZeroPoints(granularity, k, n, *zeroBits);
}

/// `scales` is [groups along N, groups along K] of a K x N matrix; the result
/// has a row for each group along K, or for several. `zeroBits`: they are integer zero points
/// of codes of that many bits.
template <typename T>
static py::array_t<T> packScales(const py::array_t<T> &scales, int64_t k, int64_t n,
                                 const std::string &group, std::optional<unsigned> zeroBits) {
  pack::Matrix<const T> matrix = viewMatrix(scales).transposed();
  layout::ScaleStorage storage = getStorage(k, n, group, sizeof(T), zeroBits);
  if (scales.shape(0) != storage.columnGroups || scales.shape(1) != storage.groups)
    raise(exception::shape, "expects a scale for each group");
  py::array_t<T> packed({storage.getRows(), storage.strips * storage.perStrip});
  llvm::MutableArrayRef<T> view(packed.mutable_data(), packed.size());
  check(pack::packScales<T>(storage, matrix, view), exception::shape);
  return packed;
}

template <typename T>
static py::array_t<T> unpackScales(const py::array_t<T, py::array::c_style> &packed, int64_t k,
                                   int64_t n, const std::string &group,
                                   std::optional<unsigned> zeroBits) {
  if (n < 0 || k < 0)
    raise(exception::shape, "expects extents that are not negative");
  layout::ScaleStorage storage = getStorage(k, n, group, sizeof(T), zeroBits);
  py::array_t<T> scales({storage.columnGroups, storage.groups});
  pack::Matrix<T> columns{scales.mutable_data(), storage.groups, 1};
  llvm::ArrayRef<T> view(packed.data(), packed.size());
  check(pack::unpackScales<T>(storage, view, columns.transposed()), exception::shape);
  return scales;
}

//===- Quantisation ---------------------------------------------------------===//

/// The rule for weights of `format` but for what only some calls say.
static quantize::Rule makeRule(const std::string &formatName,
                               const py::array_t<float, py::array::c_style> &codebook,
                               bool isTernary, const std::string &group, const std::string &scale,
                               const std::string &zero) {
  format::Format code = unwrap(format::parse(formatName), exception::unsupported);
  llvm::ArrayRef<float> entries(codebook.data(), codebook.size());
  if (!code.isWeight() || entries.size() != (code.isIndex() ? size_t(1) << code.bits : 0))
    raise(exception::unsupported, "expects a format of weights, and a codebook where it has one");
  return {quantize::Target(code, entries, isTernary),
          unwrap(format::Granularity::parse(group), exception::unsupported),
          unwrap(format::parse(scale), exception::unsupported),
          unwrap(format::parseZero(zero), exception::unsupported)};
}

/// `w` is [N, K].
static quantize::Weights viewWeights(const py::array &w, const std::string &dtype) {
  if (w.ndim() != 2)
    raise(exception::shape, "expects a matrix of weights");
  quantize::Weights weights;
  weights.data = w.data();
  weights.dtype = unwrap(format::parse(dtype), exception::unsupported);
  if (weights.dtype.bits != 8 * w.itemsize())
    raise(exception::unsupported, "expects weights of " + dtype);
  weights.n = w.shape(0), weights.k = w.shape(1);
  weights.columnStride = w.strides(0) / w.itemsize();
  weights.rowStride = w.strides(1) / w.itemsize();
  return weights;
}

/// (kind, column, row, value), or None.
static py::object describe(const std::optional<quantize::Refusal> &refusal) {
  if (!refusal)
    return py::none();
  bool isWeight = refusal->kind == quantize::Refusal::Kind::NotFinite;
  return py::make_tuple(isWeight ? "not finite" : "too large", refusal->column, refusal->row,
                        refusal->value);
}

static py::tuple quantizeWeights(const py::array &w, const std::string &dtype,
                                 const std::string &format,
                                 const py::array_t<float, py::array::c_style> &codebook,
                                 bool isTernary, const std::string &group, const std::string &scale,
                                 const std::string &zero, const std::string &zeroFormat,
                                 bool search, float tensorScale) {
  quantize::Rule rule = makeRule(format, codebook, isTernary, group, scale, zero);
  if (format::isFloat(rule.zero))
    rule.zeroFormat = unwrap(format::parse(zeroFormat), exception::unsupported);
  rule.searchesScale = search;
  rule.tensorScale = tensorScale;
  quantize::Weights weights = viewWeights(w, dtype);
  int64_t groups = weights.k ? rule.granularity.getGroups(weights.k) : 0;
  int64_t across = weights.n ? rule.granularity.getColumnGroups(weights.n) : 0;
  py::array_t<uint8_t> codes({weights.n, weights.k});
  py::array_t<uint32_t> scales({across, groups}), zeros({across, groups});
  quantize::Quantised result{{codes.mutable_data(), size_t(codes.size())},
                             {scales.mutable_data(), size_t(scales.size())},
                             {zeros.mutable_data(), size_t(zeros.size())}};
  std::optional<quantize::Refusal> refusal = [&] {
    py::gil_scoped_release release;
    return quantize::quantize(rule, weights, result);
  }();
  return py::make_tuple(codes, scales, zeros, describe(refusal));
}

static py::tuple findLargestScale(const py::array &w, const std::string &dtype,
                                  const std::string &format,
                                  const py::array_t<float, py::array::c_style> &codebook,
                                  bool isTernary, const std::string &group,
                                  const std::string &scale, const std::string &zero) {
  quantize::Rule rule = makeRule(format, codebook, isTernary, group, scale, zero);
  quantize::Weights weights = viewWeights(w, dtype);
  double largest = 0;
  std::optional<quantize::Refusal> refusal = [&] {
    py::gil_scoped_release release;
    return quantize::findLargestScale(rule, weights, largest);
  }();
  return py::make_tuple(largest, describe(refusal));
}

static std::string checksum(const py::array_t<uint8_t, py::array::c_style> &data) {
  llvm::ArrayRef<uint8_t> bytes(data.data(), data.size());
  py::gil_scoped_release release;
  return llvm::utohexstr(llvm::xxh3_64bits(bytes), /*LowerCase=*/true, /*Width=*/16);
}

/// Both directions for elements of `T`; overloads tell them apart by dtype.
template <typename T> static void bindScales(py::module_ &module) {
  module.def("pack_scales", &packScales<T>, py::arg("scales").noconvert(), py::arg("k"),
             py::arg("n"), py::arg("group"), py::arg("zero_bits") = py::none());
  module.def("unpack_scales", &unpackScales<T>, py::arg("packed").noconvert(), py::arg("k"),
             py::arg("n"), py::arg("group"), py::arg("zero_bits") = py::none());
}

void bindPack(py::module_ &module) {
  module.attr("PACKING_VERSION") = layout::packingVersion;
  module.def("checksum", &checksum, py::arg("data").noconvert());
  module.def("pack_codes", &packCodes, py::arg("codes").noconvert(), py::arg("bits"),
             py::arg("storage") = "words", py::arg("activations") = "16-bit");
  module.def("unpack_codes", &unpackCodes, py::arg("words").noconvert(), py::arg("bits"),
             py::arg("n"), py::arg("k"), py::arg("storage") = "words",
             py::arg("activations") = "16-bit");
  module.def("quantize", &quantizeWeights, py::kw_only(), "w"_a, "dtype"_a, "format"_a,
             "codebook"_a, "ternary"_a, "group"_a, "scale"_a, "zero"_a, "zero_format"_a, "search"_a,
             "tensor_scale"_a);
  module.def("largest_scale", &findLargestScale, py::kw_only(), "w"_a, "dtype"_a, "format"_a,
             "codebook"_a, "ternary"_a, "group"_a, "scale"_a, "zero"_a);
  bindScales<uint8_t>(module);
  bindScales<uint16_t>(module);
  bindScales<uint32_t>(module);
}

} // namespace tilewright::python
