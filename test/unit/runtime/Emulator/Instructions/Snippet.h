//===- Snippet.h - Runs a few lines of PTX on one warp or block --------------===//
//
// A test writes the body of a kernel that reads its inputs from `in` and writes
// its results to `out`, a 64-bit word a thread each unless said otherwise.
// Registers: %a, %b, %c, %d<> by width, see preamble().
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_SNIPPET_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_SNIPPET_H

#include "runtime/Emulator/EmulatedDevice.h"
#include "test/unit/runtime/Emulator/Executed.h"
#include "gtest/gtest.h"
#include <cstring>

namespace tilewright::emulator {

template <typename T> inline T must(llvm::Expected<T> value) {
  if (!value) {
    ADD_FAILURE() << llvm::toString(value.takeError());
    return T();
  }
  return std::move(*value);
}

class Snippet {
public:
  explicit Snippet(llvm::StringRef model = "a100", Options options = {})
      : device(must(EmulatedDevice::create(model, options))) {}

  /// A kernel `k(in, out)` around `body`; `module` goes before it. Ready to use:
  /// %in and %out, the thread's own 64-bit places; %t, its index.
  static std::string wrap(llvm::StringRef body, llvm::StringRef module = {}) {
    return (".version 8.7\n.target sm_90a\n.address_size 64\n" + module +
            "\n.visible .entry k(.param .u64 in, .param .u64 out) {\n"
            ".reg .pred %p<10>; .reg .b16 %h<30>; .reg .b32 %r<60>; .reg .b64 %rd<30>;\n"
            ".reg .f32 %f<30>; .reg .f64 %fd<10>; .reg .b32 %t, %w; .reg .b64 %in, %out, %o;\n"
            "ld.param.u64 %in, [in]; ld.param.u64 %out, [out];\n"
            "mov.u32 %t, %tid.x; mul.wide.u32 %o, %t, 8;\n"
            "add.s64 %in, %in, %o; add.s64 %out, %out, %o;\n" +
            body + "\nret;\n}\n")
        .str();
  }

  /// Runs a wrapped body; returns `out`, a word a thread or as many as asked for.
  std::vector<uint64_t> run(llvm::StringRef body, std::vector<uint64_t> in = {},
                            unsigned threads = 32, llvm::StringRef module = {},
                            device::Dim3 grid = {}, size_t outWords = 0) {
    error.clear();
    in.resize(std::max<size_t>(in.size(), threads));
    std::vector<uint64_t> out(outWords ? outWords : threads, 0);
    device::Image image;
    image.ptx = wrap(body, module);
    auto loaded = device->load(image);
    if (!loaded) {
      error = llvm::toString(loaded.takeError());
      return out;
    }
    auto *kernel = must((*loaded)->getKernel("k"));
    uint64_t arguments[] = {must(device->allocate(in.size() * 8)),
                            must(device->allocate(out.size() * 8))};
    llvm::cantFail(device->copyToDevice(arguments[0], in.data(), in.size() * 8));
    llvm::cantFail(device->fill(arguments[1], 0, out.size() * 8));
    device::LaunchConfig config;
    config.grid = grid;
    config.block.x = threads;
    llvm::ArrayRef<uint8_t> bytes(reinterpret_cast<uint8_t *>(arguments), sizeof arguments);
    if (llvm::Error failure = device->launch(*kernel, config, bytes))
      error = llvm::toString(std::move(failure));
    if (isRecorded) { // but the lines of wrap()
      unsigned moduleLines = module.count('\n'), first = 11 + moduleLines;
      Executed::add(device->getLastReport(), 4, 4 + moduleLines);
      Executed::add(device->getLastReport(), first, first + body.count('\n'));
    }
    llvm::cantFail(device->copyToHost(out.data(), arguments[1], out.size() * 8));
    for (uint64_t pointer : arguments)
      llvm::cantFail(device->release(pointer));
    return out;
  }

  std::unique_ptr<EmulatedDevice> device;
  std::string error; ///< of the last run; empty if none
  bool isRecorded = true;
};

} // namespace tilewright::emulator

#endif
