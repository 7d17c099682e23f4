//===- RunTarget.cpp - libFuzzer over 'run' of Harness.h -----------------===//
#include "test/fuzz/Harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tilewright::fuzz::run({reinterpret_cast<const char *>(data), size});
  return 0;
}
