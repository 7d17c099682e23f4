//===- PtxEntries.cpp - The kernels a PTX text declares ---------------------===//
//
// A scanner for `.entry name(.param ..., ...)`: it splits the text into words
// and punctuation, skips comments, and looks no further than the closing
// parenthesis of each parameter list.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device/PtxEntries.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::device {

/// Removes and returns the first word or punctuation mark of `text`; empty at
/// the end.
static StringRef takeToken(StringRef &text) {
  while (true) {
    text = text.ltrim();
    if (text.starts_with("//"))
      text = text.drop_until([](char c) { return c == '\n'; });
    else if (text.starts_with("/*"))
      text = text.substr(2).split("*/").second;
    else
      break;
  }
  auto inWord = [](char c) { return isAlnum(c) || c == '_' || c == '$' || c == '%' || c == '.'; };
  size_t length = text.find_if_not(inWord);
  length = std::min(std::max<size_t>(length, 1), text.size());
  StringRef token = text.take_front(length);
  text = text.drop_front(length);
  return token;
}

/// Bytes of a fundamental type; 0 for anything else (PTX ISA 8.0, 5.2.1).
static uint32_t getTypeBytes(StringRef type) {
  return StringSwitch<uint32_t>(type)
      .Cases({".b8", ".u8", ".s8"}, 1)
      .Cases({".b16", ".u16", ".s16", ".f16", ".bf16"}, 2)
      .Cases({".b32", ".u32", ".s32", ".f32", ".f16x2", ".bf16x2"}, 4)
      .Cases({".b64", ".u64", ".s64", ".f64"}, 8)
      .Case(".b128", 16)
      .Default(0);
}

/// Adds the parameter declared by `words` (without commas) to `entry`:
///   .param [.align a] .type [.ptr [.space] [.align a']] name [ '[' n ']' ]
/// An alignment after .ptr is that of what the parameter points to.
static Error addParameter(ArrayRef<StringRef> words, PtxEntry &entry) {
  auto fail = [&](const Twine &what) {
    return createStringError("kernel '" + entry.name + "': " + what + " in the parameter '" +
                             llvm::join(words, " ") + "'");
  };
  PtxParameter parameter;
  uint64_t size = 0, alignment = 0, count = 1;
  bool isPointer = false;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == ".ptr")
      isPointer = true;
    else if (words[i] == ".align" && !isPointer) {
      if (i + 1 == words.size() || words[i + 1].getAsInteger(10, alignment) ||
          !isPowerOf2_64(alignment))
        return fail("expects an alignment that is a power of two");
    } else if (words[i] == "[") {
      if (i + 1 == words.size() || words[i + 1].getAsInteger(10, count))
        return fail("expects an array length");
      parameter.isArray = true;
    } else if (uint32_t typeBytes = getTypeBytes(words[i])) {
      size = typeBytes;
      parameter.type = words[i].drop_front();
    } else if (!parameter.isArray && !words[i].starts_with("."))
      parameter.name = words[i]; // after the alignment's number, before a bracket
  }
  if (!size)
    return fail("expects a fundamental type");
  // Kernel parameters are limited to 32,764 bytes (PTX ISA 8.1, 5.1.6.1).
  alignment = std::max(size, alignment);
  uint64_t offset = alignTo(uint64_t(entry.argumentBytes), alignment);
  uint64_t end = offset + size * count;
  if (count > 32764 || end > 32764)
    return fail("expects at most 32764 bytes of parameters");
  parameter.offset = offset;
  parameter.bytes = size * count;
  parameter.alignment = alignment;
  entry.parameters.push_back(std::move(parameter));
  entry.argumentBytes = end;
  return Error::success();
}

Expected<std::vector<PtxEntry>> readPtxEntries(StringRef ptx) {
  std::vector<PtxEntry> entries;
  while (true) {
    StringRef token = takeToken(ptx);
    if (token.empty())
      return entries;
    if (token != ".entry")
      continue;
    PtxEntry entry;
    entry.name = takeToken(ptx).str();
    StringRef rest = ptx;
    if (takeToken(rest) == "(") {
      ptx = rest;
      SmallVector<StringRef, 8> words;
      while (true) {
        token = takeToken(ptx);
        if (token.empty())
          return createStringError("kernel '" + entry.name + "': the parameter list has no end");
        if (token != "," && token != ")") {
          words.push_back(token);
          continue;
        }
        if (!words.empty())
          if (Error error = addParameter(words, entry))
            return std::move(error);
        words.clear();
        if (token == ")")
          break;
      }
    }
    entries.push_back(std::move(entry));
  }
}

} // namespace tilewright::device
