//===- LoadTarget.cpp - libFuzzer over 'load' of Harness.h ---------------===//
#include "test/fuzz/Harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tilewright::fuzz::load({reinterpret_cast<const char *>(data), size});
  return 0;
}
