//===- Pack.cpp - Packing weights, for Python -------------------------------===//
//
// Arrays in, arrays out, around runtime/Pack, and the checksum of files of packed
// weights. The work runs without the GIL.
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/Pack.h"
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"
#include <pybind11/numpy.h>

namespace py = pybind11;

namespace tilewright::python {

/// A two-dimensional array as the packer sees it.
template <typename T> static pack::Matrix<const T> viewMatrix(const py::array_t<T> &array) {
  if (array.ndim() != 2)
    raise(exception::shape,
          "expects a matrix, but got " + std::to_string(array.ndim()) + " dimensions");
  auto size = static_cast<py::ssize_t>(sizeof(T));
  return {array.data(), array.strides(0) / size, array.strides(1) / size};
}

static py::array_t<uint32_t> packCodes(const py::array_t<uint8_t> &codes, unsigned bits) {
  // The packer's rows run along K, ours along N.
  pack::Matrix<const uint8_t> matrix = viewMatrix(codes).transposed();
  pack::PackedShape shape{codes.shape(1), codes.shape(0), bits};
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
                                        unsigned bits, int64_t n, int64_t k) {
  pack::PackedShape shape{k, n, bits};
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

/// `scales` is [N, groups]; the result has a row a group.
template <typename T> static py::array_t<T> packScales(const py::array_t<T> &scales) {
  pack::Matrix<const T> matrix = viewMatrix(scales).transposed();
  int64_t n = scales.shape(0), groups = scales.shape(1);
  py::array_t<T> packed({groups, pack::getPackedColumns(n)});
  llvm::MutableArrayRef<T> view(packed.mutable_data(), packed.size());
  check(pack::packScales<T>(groups, n, matrix, view), exception::shape);
  return packed;
}

template <typename T>
static py::array_t<T> unpackScales(const py::array_t<T, py::array::c_style> &packed, int64_t n,
                                   int64_t groups) {
  if (n < 0 || groups < 0)
    raise(exception::shape, "expects extents that are not negative");
  py::array_t<T> scales({n, groups});
  pack::Matrix<T> columns{scales.mutable_data(), groups, 1};
  llvm::ArrayRef<T> view(packed.data(), packed.size());
  check(pack::unpackScales<T>(groups, n, view, columns.transposed()), exception::shape);
  return scales;
}

static std::string checksum(const py::array_t<uint8_t, py::array::c_style> &data) {
  llvm::ArrayRef<uint8_t> bytes(data.data(), data.size());
  py::gil_scoped_release release;
  return llvm::utohexstr(llvm::xxh3_64bits(bytes), /*LowerCase=*/true, /*Width=*/16);
}

void bindPack(py::module_ &module) {
  module.attr("PACKING_VERSION") = layout::packingVersion;
  module.def("checksum", &checksum, py::arg("data").noconvert());
  module.def("pack_codes", &packCodes, py::arg("codes").noconvert(), py::arg("bits"));
  module.def("unpack_codes", &unpackCodes, py::arg("words").noconvert(), py::arg("bits"),
             py::arg("n"), py::arg("k"));
  module.def("pack_scales", &packScales<uint16_t>, py::arg("scales").noconvert());
  module.def("unpack_scales", &unpackScales<uint16_t>, py::arg("packed").noconvert(), py::arg("n"),
             py::arg("groups"));
  module.def("pack_zeros", &packScales<uint8_t>, py::arg("zeros").noconvert());
  module.def("unpack_zeros", &unpackScales<uint8_t>, py::arg("packed").noconvert(), py::arg("n"),
             py::arg("groups"));
}

} // namespace tilewright::python
