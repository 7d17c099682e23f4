//===- Harness.h - What a fuzzed text goes through ---------------------------===//
//
// Three stages of the emulated device, each as one call that must return for
// any text: parse, load (parse, link, decode), run (load and launch one kernel
// with tight budgets). The libFuzzer targets beside this file and
// RegressionTest.cpp call them.
//
// A text of `run` may begin with a line "//! <number>": the seed from which the
// launch is drawn (device model, options with or without each checker, preemption,
// grid, arguments). Without it the seed is 0. So an input is one readable file.
//
// A number that is 3 modulo 4 launches a larger grid twice, on one host thread and
// on several: memory and report must be the same, or the process is aborted.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_FUZZ_HARNESS_H
#define TILEWRIGHT_TEST_FUZZ_HARNESS_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace tilewright::fuzz {

/// Each returns the error's text, empty if there was none.
std::string parse(llvm::StringRef text);
std::string load(llvm::StringRef text);
/// The error of loading or launching; what the launch found.
std::string run(llvm::StringRef text);

/// The number of a leading "//! <number>" line, else 0.
uint64_t readSeed(llvm::StringRef text);

} // namespace tilewright::fuzz

#endif
