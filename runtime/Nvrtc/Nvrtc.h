//===- Nvrtc.h - CUDA C++ to PTX, by NVIDIA's library -----------------------===//
//
// NVRTC opened at run time, declared by hand, so that neither building nor
// running needs it until somebody brings CUDA C++. Names, signatures and numbers
// are those of the NVRTC documentation ("Module documentation").
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_NVRTC_NVRTC_H
#define TILEWRIGHT_RUNTIME_NVRTC_NVRTC_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace tilewright::nvrtc {

using Result = int;
using Program = struct _nvrtcProgram *;

constexpr Result success = 0;
constexpr Result errorCompilation = 6;

/// Every function in use: member, symbol, parameters.
#define TILEWRIGHT_NVRTC_FUNCTIONS(X)                                                              \
  X(getErrorString, const char *, "nvrtcGetErrorString", (Result result))                          \
  X(readVersion, Result, "nvrtcVersion", (int *major, int *minor))                                 \
  X(createProgram, Result, "nvrtcCreateProgram",                                                   \
    (Program * program, const char *source, const char *name, int headerCount,                     \
     const char *const *headers, const char *const *includeNames))                                 \
  X(destroyProgram, Result, "nvrtcDestroyProgram", (Program * program))                            \
  X(compileProgram, Result, "nvrtcCompileProgram",                                                 \
    (Program program, int optionCount, const char *const *options))                                \
  X(getLogSize, Result, "nvrtcGetProgramLogSize", (Program program, size_t *bytes))                \
  X(getLog, Result, "nvrtcGetProgramLog", (Program program, char *log))                            \
  X(getPtxSize, Result, "nvrtcGetPTXSize", (Program program, size_t *bytes))                       \
  X(getPtx, Result, "nvrtcGetPTX", (Program program, char *ptx))

/// What came of a source text.
struct Compilation {
  bool succeeded = false;
  std::string ptx; ///< empty unless it succeeded
  std::string log; ///< errors and warnings as the compiler words them
};

/// The library. It stays loaded for the life of the process. Thread-safe, as
/// NVRTC is.
class Library {
public:
  /// Opens the first of `paths` that can be: names the loader looks for, or
  /// paths. The error says how to get it.
  static llvm::Expected<std::shared_ptr<const Library>> open(llvm::ArrayRef<std::string> paths);

  /// The name or path it was found under.
  llvm::StringRef getPath() const { return path; }
  /// "13.0"
  std::string getVersion() const;

  /// Compiles CUDA C++. `name` is what diagnostics and `.file` call the source.
  /// A program with errors is no error here, but a Compilation that did not
  /// succeed; a refused option is an error.
  llvm::Expected<Compilation> compile(llvm::StringRef source, llvm::StringRef name,
                                      llvm::ArrayRef<std::string> options) const;

private:
  llvm::Error check(Result result, llvm::StringRef call) const;

  std::string path;
#define TILEWRIGHT_NVRTC_MEMBER(member, type, symbol, parameters)                                  \
  type(*member) parameters = nullptr;
  TILEWRIGHT_NVRTC_FUNCTIONS(TILEWRIGHT_NVRTC_MEMBER)
#undef TILEWRIGHT_NVRTC_MEMBER
};

} // namespace tilewright::nvrtc

#endif
