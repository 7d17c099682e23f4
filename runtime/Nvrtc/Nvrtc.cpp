//===- Nvrtc.cpp - CUDA C++ to PTX, by NVIDIA's library ---------------------===//
//
// See Nvrtc.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Nvrtc/Nvrtc.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <dlfcn.h>

using namespace llvm;

namespace tilewright::nvrtc {

/// The shortest of what the loader says: it repeats the path in front.
static std::string explain(StringRef path) {
  StringRef text = dlerror();
  text.consume_front(path);
  text.consume_front(": ");
  return ("'" + path + "': " + text).str();
}

/// Loads the library of built-in functions that lies beside NVRTC. NVRTC opens it
/// by its bare name, which the loader knows from then on; where NVRTC is from a
/// Python package nothing else would lead there.
static void loadBuiltins(void *symbol) {
  Dl_info info;
  if (!dladdr(symbol, &info) || !info.dli_fname)
    return;
  std::error_code error;
  StringRef folder = sys::path::parent_path(info.dli_fname);
  for (sys::fs::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error))
    if (sys::path::filename(file->path()).starts_with("libnvrtc-builtins.so"))
      dlopen(file->path().c_str(), RTLD_NOW | RTLD_LOCAL);
}

Expected<std::shared_ptr<const Library>> Library::open(ArrayRef<std::string> paths) {
  std::string tried;
  for (const std::string &path : paths) {
    void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      tried += (tried.empty() ? "" : "; ") + explain(path);
      continue;
    }
    auto library = std::make_shared<Library>();
    library->path = path;
    const char *missing = nullptr;
#define TILEWRIGHT_NVRTC_FIND(member, type, symbol, parameters)                                    \
  library->member = reinterpret_cast<decltype(library->member)>(dlsym(handle, symbol));            \
  if (!library->member && !missing)                                                                \
    missing = symbol;
    TILEWRIGHT_NVRTC_FUNCTIONS(TILEWRIGHT_NVRTC_FIND)
#undef TILEWRIGHT_NVRTC_FIND
    if (!missing) {
      loadBuiltins(reinterpret_cast<void *>(library->readVersion));
      return std::shared_ptr<const Library>(std::move(library));
    }
    dlclose(handle);
    tried += (tried.empty() ? "'" : "; '") + path + "': it has no function " + missing;
  }
  return createStringError("no NVRTC, which compiles CUDA C++ (" +
                           (tried.empty() ? "nowhere to look" : tried) +
                           "); install the CUDA toolkit, or: pip install nvidia-cuda-nvrtc");
}

Error Library::check(Result result, StringRef call) const {
  if (result == success)
    return Error::success();
  const char *text = getErrorString(result);
  return createStringError(call + " failed: " + (text ? text : "an unknown error") + " (" +
                           Twine(result) + ")");
}

std::string Library::getVersion() const {
  int major = 0, minor = 0;
  if (readVersion(&major, &minor) == success)
    return std::to_string(major) + "." + std::to_string(minor);
  return "of unknown version";
}

/// The text that a pair of NVRTC's functions gives: its size with a NUL, then it.
template <typename GetSize, typename Get>
static std::string readText(Program program, GetSize getSize, Get get) {
  size_t bytes = 0;
  if (getSize(program, &bytes) != success || bytes < 2)
    return "";
  std::string text(bytes, '\0');
  if (get(program, text.data()) != success)
    return "";
  text.resize(bytes - 1);
  return text;
}

Expected<Compilation> Library::compile(StringRef source, StringRef name,
                                       ArrayRef<std::string> options) const {
  Program program = nullptr;
  if (Error error = check(
          createProgram(&program, source.str().c_str(), name.str().c_str(), 0, nullptr, nullptr),
          "nvrtcCreateProgram"))
    return std::move(error);
  auto destroy = [this](Program dead) { destroyProgram(&dead); };
  std::unique_ptr<_nvrtcProgram, decltype(destroy)> owner(program, destroy);
  SmallVector<const char *, 16> words;
  for (const std::string &option : options)
    words.push_back(option.c_str());
  Result result = compileProgram(program, words.size(), words.data());
  Compilation compilation;
  compilation.log = readText(program, getLogSize, getLog);
  if (result == errorCompilation)
    return compilation;
  if (Error error = check(result, "nvrtcCompileProgram")) {
    if (compilation.log.empty())
      return std::move(error);
    return createStringError(toString(std::move(error)) + ": " + StringRef(compilation.log).trim());
  }
  compilation.ptx = readText(program, getPtxSize, getPtx);
  if (compilation.ptx.empty())
    return createStringError("NVRTC " + getVersion() + " gave no PTX");
  compilation.succeeded = true;
  return compilation;
}

} // namespace tilewright::nvrtc
