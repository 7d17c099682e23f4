//===- ParseTarget.cpp - libFuzzer over 'parse' of Harness.h -------------===//
#include "test/fuzz/Harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tilewright::fuzz::parse({reinterpret_cast<const char *>(data), size});
  return 0;
}
