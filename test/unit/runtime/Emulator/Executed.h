//===- Executed.h - Which instructions each test file executes ------------------===//
//
// With TILEWRIGHT_EXECUTED set to a file, a test program appends a line for each
// form that its tests executed: the test's source file and "add.sat.s32". The
// table of docs/emulator/instructions.md is made from it (tools/docs).
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_EXECUTED_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_EXECUTED_H

#include "runtime/Emulator/Machine/Report.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"
#include <cstdio>
#include <cstdlib>
#include <set>

namespace tilewright::emulator {

/// Collects until the program ends.
class Executed {
public:
  ~Executed() {
    const char *path = std::getenv("TILEWRIGHT_EXECUTED");
    std::FILE *file = path ? std::fopen(path, "a") : nullptr;
    if (!file)
      return;
    for (const auto &[test, form] : forms)
      std::fprintf(file, "%s\t%s\n", test.c_str(), form.c_str());
    std::fclose(file);
  }
  static void add(llvm::StringRef form) {
    static Executed all;
    if (const auto *test = testing::UnitTest::GetInstance()->current_test_info())
      all.forms.insert({llvm::sys::path::filename(test->file()).str(), form.str()});
  }
  /// The instructions of the report between two lines of the PTX.
  static void add(const Report &report, unsigned first = 0, unsigned last = ~0u) {
    for (const CounterLine &line : report.lines)
      if (line.location.line >= first && line.location.line <= last)
        add(line.text);
  }

private:
  std::set<std::pair<std::string, std::string>> forms;
};

} // namespace tilewright::emulator

#endif
