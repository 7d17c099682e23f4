//===- Text.cpp - Names in error messages and in canonical text ------------===//
//
// Stands below every other library of dialects/Support.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::text {

Error makeError(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

Error makeUnknownNameError(StringRef what, StringRef name, ArrayRef<StringRef> known) {
  std::string message = ("unknown " + what + " '" + name + "'").str();
  if (known.empty())
    return makeError(message);

  constexpr size_t suggestions = 3;
  std::string lower = name.lower();
  SmallVector<std::pair<unsigned, size_t>> ranked; // distance, then position
  for (auto [position, candidate] : enumerate(known))
    ranked.push_back({StringRef(lower).edit_distance(candidate.lower()), position});
  llvm::sort(ranked);
  ranked.resize(std::min(ranked.size(), suggestions));

  auto quote = [&](const auto &entry) { return "'" + known[entry.second].str() + "'"; };
  message += ranked.size() == 1 ? "; the nearest is " : "; the nearest are ";
  message += join(map_range(ranked, quote), ", ");
  return makeError(message);
}

static bool isBare(char c) { return isAlnum(c) || c == '_' || c == '.' || c == '-'; }

std::string quoteName(StringRef name) {
  if (!name.empty() && all_of(name, isBare))
    return name.str();
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (isPrint(c)) {
      quoted += c;
    } else {
      quoted += "\\x";
      quoted += hexdigit(uint8_t(c) >> 4, /*LowerCase=*/true);
      quoted += hexdigit(uint8_t(c) & 15, /*LowerCase=*/true);
    }
  }
  return quoted + '"';
}

/// The character an escape sequence stands for; `rest` begins after the
/// backslash and is advanced past the sequence.
static Expected<char> consumeEscape(StringRef &rest) {
  if (rest.consume_front("x")) {
    if (rest.size() < 2 || !isHexDigit(rest[0]) || !isHexDigit(rest[1]))
      return makeError("expects two hexadecimal digits after '\\x', but got '" +
                       rest.take_front(2) + "'");
    char value = char(hexFromNibbles(rest[0], rest[1]));
    rest = rest.drop_front(2);
    return value;
  }
  if (!rest.starts_with("\"") && !rest.starts_with("\\"))
    return makeError("expects '\\\"', '\\\\' or '\\x', but got '\\" + rest.take_front(1) + "'");
  char value = rest.front();
  rest = rest.drop_front();
  return value;
}

Expected<std::string> consumeName(StringRef &text) {
  if (!text.starts_with("\"")) {
    StringRef name = text.take_while(isBare);
    if (name.empty())
      return makeError("expects a name, but got '" + text.take_front(16) + "'");
    text = text.drop_front(name.size());
    return name.str();
  }

  StringRef rest = text.drop_front();
  std::string name;
  while (!rest.empty() && rest.front() != '"') {
    if (rest.consume_front("\\")) {
      Expected<char> c = consumeEscape(rest);
      if (!c)
        return c.takeError();
      name += *c;
      continue;
    }
    name += rest.front();
    rest = rest.drop_front();
  }
  if (!rest.consume_front("\""))
    return makeError("expects a closing quote after '" + text.take_front(16) + "'");
  text = rest;
  return name;
}

} // namespace tilewright::text
