//===- Mutator.cpp - Changes PTX word by word ---------------------------------===//
//
// libFuzzer's custom mutator. Random bytes rarely get past the lexer, so most
// changes keep words whole: a modifier becomes another, lines move, numbers
// become the values at which sizes overflow. Words come from the file named by
// TILEWRIGHT_FUZZ_WORDS (tools/fuzz.py makes it from the decoder's sources) and
// from the text itself.
//
//===----------------------------------------------------------------------===//
#include "test/fuzz/Harness.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstring>
#include <random>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {

enum class Kind : uint8_t { Blank, Word, Register, Modifier, Number, Mark };
constexpr unsigned kNumKinds = 6;

struct Token {
  Kind kind;
  llvm::StringRef text;
};

bool isWord(char c) { return llvm::isAlnum(c) || c == '_' || c == '$' || c == ':'; }

std::vector<Token> split(llvm::StringRef text) {
  std::vector<Token> tokens;
  while (!text.empty()) {
    char c = text[0];
    size_t length = 1;
    Kind kind = Kind::Mark;
    auto extend = [&](auto belongs) {
      while (length < text.size() && belongs(text[length]))
        ++length;
    };
    if (llvm::isSpace(c)) {
      kind = Kind::Blank;
    } else if (llvm::isDigit(c)) {
      kind = Kind::Number;
      extend([](char d) { return llvm::isAlnum(d) || d == '.'; });
    } else if (isWord(c) || ((c == '.' || c == '%') && text.size() > 1 && isWord(text[1]))) {
      kind = c == '.' ? Kind::Modifier : c == '%' ? Kind::Register : Kind::Word;
      extend(isWord);
    }
    tokens.push_back({kind, text.take_front(length)});
    text = text.drop_front(length);
  }
  return tokens;
}

/// Words that replace others of their kind.
struct Words {
  std::vector<std::string> byKind[kNumKinds];

  Words() {
    byKind[unsigned(Kind::Mark)] = {";", ",", "{", "}", "[", "]", "(",
                                    ")", "@", "!", "-", "|", "="};
    byKind[unsigned(Kind::Number)] = {"0",
                                      "1",
                                      "2",
                                      "3",
                                      "8",
                                      "16",
                                      "31",
                                      "32",
                                      "33",
                                      "255",
                                      "4096",
                                      "65535",
                                      "65536",
                                      "1048576",
                                      "16777215",
                                      "0x7fffffff",
                                      "0x80000000",
                                      "4294967295",
                                      "4294967296",
                                      "68719476735",
                                      "0x7fffffffffffffff",
                                      "0x8000000000000000",
                                      "18446744073709551615",
                                      "0f7F800000",
                                      "0d7FF0000000000000",
                                      "1.5"};
    const char *path = std::getenv("TILEWRIGHT_FUZZ_WORDS");
    auto file = llvm::MemoryBuffer::getFile(path ? path : "");
    if (!file)
      return;
    llvm::SmallVector<llvm::StringRef, 0> lines;
    (*file)->getBuffer().split(lines, '\n', -1, false);
    for (llvm::StringRef line : lines)
      for (const Token &token : split(line))
        byKind[unsigned(token.kind)].push_back(token.text.str());
  }
};

class Mutation {
public:
  Mutation(llvm::StringRef text, unsigned seed) : random(seed), tokens(split(text)) {}

  std::string run() {
    for (unsigned changes = 1 + below(4); changes && !tokens.empty(); --changes)
      change();
    std::string text;
    for (const Token &token : tokens)
      text += token.text;
    return text;
  }

private:
  size_t below(size_t limit) { return random() % limit; }

  // A word of the kind: from the list, or another of the text.
  llvm::StringRef pick(Kind kind) {
    static const Words words;
    const std::vector<std::string> &list = words.byKind[unsigned(kind)];
    if (!list.empty() && (below(3) || kind == Kind::Mark))
      return list[below(list.size())];
    for (int tries = 0; tries < 16; ++tries)
      if (const Token &other = tokens[below(tokens.size())]; other.kind == kind)
        return other.text;
    return list.empty() ? llvm::StringRef("x") : llvm::StringRef(list[below(list.size())]);
  }

  size_t lineStart(size_t at) const {
    while (at > 0 && tokens[at - 1].text != "\n" && tokens[at - 1].text != ";")
      --at;
    return at;
  }
  size_t lineEnd(size_t at) const {
    while (at < tokens.size() && tokens[at].text != "\n" && tokens[at].text != ";")
      ++at;
    return std::min(at + 1, tokens.size());
  }

  void change() {
    size_t at = below(tokens.size());
    for (int tries = 0; tries < 8 && tokens[at].kind == Kind::Blank; ++tries)
      at = below(tokens.size());
    Token &token = tokens[at];
    size_t first = lineStart(at), last = lineEnd(at);
    std::vector<Token> line(tokens.begin() + first, tokens.begin() + last);
    switch (below(12)) {
    default: // replace
      token.text = pick(token.kind);
      break;
    case 0: // insert a modifier behind a word
      tokens.insert(tokens.begin() + at + 1, {Kind::Modifier, pick(Kind::Modifier)});
      break;
    case 1: // insert any word
      tokens.insert(tokens.begin() + at,
                    {token.kind, pick(static_cast<Kind>(1 + below(kNumKinds - 1)))});
      break;
    case 2: // leave one out
      tokens.erase(tokens.begin() + at);
      break;
    case 3: // leave a line out
      tokens.erase(tokens.begin() + first, tokens.begin() + last);
      break;
    case 4: { // copy a line elsewhere
      size_t to = lineStart(below(tokens.size()));
      tokens.insert(tokens.begin() + to, line.begin(), line.end());
      break;
    }
    case 5: { // move a line
      tokens.erase(tokens.begin() + first, tokens.begin() + last);
      size_t to = tokens.empty() ? 0 : lineStart(below(tokens.size()));
      tokens.insert(tokens.begin() + to, line.begin(), line.end());
      break;
    }
    case 6: { // exchange two of a kind
      size_t other = below(tokens.size());
      if (tokens[other].kind == token.kind)
        std::swap(tokens[other], token);
      break;
    }
    }
  }

  std::minstd_rand random;
  std::vector<Token> tokens;
};

size_t store(llvm::StringRef text, uint8_t *data, size_t maxSize) {
  size_t size = std::min(text.size(), maxSize);
  std::memcpy(data, text.data(), size);
  return size;
}

// The text behind a "//! <number>" line.
llvm::StringRef dropSeed(llvm::StringRef text) {
  return text.starts_with("//! ") ? text.split('\n').second : text;
}

std::string withSeed(uint64_t seed, llvm::StringRef text) {
  return "//! " + std::to_string(seed) + "\n" + text.str();
}

} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  if (seed % 16 == 0)
    return LLVMFuzzerMutate(data, size, maxSize);
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  uint64_t launchSeed = seed % 16 == 1 ? seed / 16 % 4096 : tilewright::fuzz::readSeed(text);
  llvm::StringRef body = dropSeed(text);
  return store(withSeed(launchSeed, Mutation(body, seed).run()), data, maxSize);
}

// Some lines of the second text between lines of the first.
extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
                                            const uint8_t *data2, size_t size2, uint8_t *out,
                                            size_t maxOutSize, unsigned seed) {
  llvm::StringRef first(reinterpret_cast<const char *>(data1), size1);
  llvm::StringRef second(reinterpret_cast<const char *>(data2), size2);
  std::minstd_rand random(seed);
  auto lineAt = [&](llvm::StringRef text) {
    size_t end = text.empty() ? llvm::StringRef::npos : text.find('\n', random() % text.size());
    return end == llvm::StringRef::npos ? text.size() : end + 1;
  };
  size_t place = lineAt(first), from = lineAt(second);
  size_t to = from;
  for (unsigned lines = 1 + random() % 12; lines && to < second.size(); --lines)
    to = std::min(second.find('\n', to), second.size() - 1) + 1;
  std::string text = first.take_front(place).str();
  text += second.slice(from, to);
  text += first.drop_front(place);
  return store(text, out, maxOutSize);
}
