//===- Lexer.cpp - PTX text to tokens --------------------------------------===//
//
// See Lexer.h. Number forms: PTX ISA, "Constants".
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Parser/Lexer.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdlib>
#include <cstring>
#include <string>

using namespace tilewright::parser;

static bool isWord(char c) { return llvm::isAlnum(c) || c == '_' || c == '$'; }
static bool startsIdentifier(char c) {
  return llvm::isAlpha(c) || c == '_' || c == '$' || c == '%';
}

bool Lexer::skipBlank() {
  while (position < text.size()) {
    char c = text[position];
    if (c == '\n') {
      ++line;
      lineStart = ++position;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
      ++position;
    } else if (c == '/' && peek(1) == '/') {
      position = std::min(text.find('\n', position), text.size());
    } else if (c == '/' && peek(1) == '*') {
      size_t end = text.find("*/", position + 2);
      if (end == llvm::StringRef::npos)
        return false;
      for (; position < end + 2; ++position)
        if (text[position] == '\n') {
          ++line;
          lineStart = position + 1;
        }
    } else {
      break;
    }
  }
  return true;
}

Token Lexer::take(TokenKind kind, size_t length) {
  Token token{kind, text.substr(position, length), 0, here()};
  position += length;
  return token;
}

Token Lexer::next() {
  if (!skipBlank()) {
    Token token{TokenKind::Invalid, "comment that does not end", 0, here()};
    position = text.size();
    return token;
  }
  if (position >= text.size())
    return Token{TokenKind::End, "end of text", 0, here()};
  char c = text[position];
  if (llvm::isDigit(c))
    return lexNumber();
  if (c == '"')
    return lexString();
  if (startsIdentifier(c)) {
    size_t length = 1;
    while (isWord(peek(length)))
      ++length;
    return take(TokenKind::Identifier, length);
  }
  if (c == '.' && isWord(peek(1))) {
    Location location = here();
    ++position;
    size_t length = 0;
    while (isWord(peek(length)) ||
           (peek(length) == ':' && peek(length + 1) == ':' && isWord(peek(length + 2))))
      length += peek(length) == ':' ? 2 : 1;
    Token token = take(TokenKind::Directive, length);
    token.location = location;
    return token;
  }
  if (c != '\0' && std::strchr("()[]{}<>,;:@!+-|=*~.", c))
    return take(TokenKind::Punctuation, 1);
  Token token = take(TokenKind::Invalid, 1);
  token.text = "unexpected character";
  return token;
}

Token Lexer::lexPrefixedNumber(Token token, unsigned radix, size_t digits, TokenKind kind) {
  position += radix == 8 ? 1 : 2;
  size_t length = 0;
  while (llvm::isHexDigit(peek(length)) && (digits == 0 || length < digits))
    ++length;
  llvm::StringRef body = text.substr(position, length);
  position += length;
  token.kind = kind;
  if (kind == TokenKind::Integer && peek() == 'U')
    ++position;
  if (body.getAsInteger(radix, token.value) || (digits && length != digits) || isWord(peek())) {
    token.kind = TokenKind::Invalid;
    token.text = "malformed number";
    return token;
  }
  token.text = text.slice(token.text.data() - text.data(), position);
  return token;
}

Token Lexer::lexNumber() {
  Token token{TokenKind::Integer, text.substr(position, 1), 0, here()};
  char second = peek(1);
  if (peek() == '0') {
    if (second == 'x' || second == 'X')
      return lexPrefixedNumber(token, 16, 0, TokenKind::Integer);
    if (second == 'b' || second == 'B')
      return lexPrefixedNumber(token, 2, 0, TokenKind::Integer);
    if (second == 'f' || second == 'F')
      return lexPrefixedNumber(token, 16, 8, TokenKind::Float32);
    if (second == 'd' || second == 'D')
      return lexPrefixedNumber(token, 16, 16, TokenKind::Float64);
    if (llvm::isDigit(second))
      return lexPrefixedNumber(token, 8, 0, TokenKind::Integer);
  }
  size_t length = 0;
  bool isFloat = false;
  while (llvm::isDigit(peek(length)))
    ++length;
  if (peek(length) == '.' && llvm::isDigit(peek(length + 1))) {
    isFloat = true;
    for (++length; llvm::isDigit(peek(length));)
      ++length;
  }
  if (peek(length) == 'e' || peek(length) == 'E') {
    size_t sign = peek(length + 1) == '+' || peek(length + 1) == '-' ? 2 : 1;
    if (llvm::isDigit(peek(length + sign))) {
      isFloat = true;
      for (length += sign; llvm::isDigit(peek(length));)
        ++length;
    }
  }
  token.text = text.substr(position, length);
  position += length;
  if (isFloat) {
    double value = std::strtod(token.text.str().c_str(), nullptr);
    token.kind = TokenKind::Float64;
    std::memcpy(&token.value, &value, sizeof value);
    return token;
  }
  if (peek() == 'U')
    ++position;
  if (token.text.getAsInteger(10, token.value) || isWord(peek())) {
    token.kind = TokenKind::Invalid;
    token.text = "malformed number";
  }
  return token;
}

Token Lexer::lexString() {
  Location location = here();
  size_t end = position + 1;
  while (end < text.size() && text[end] != '"' && text[end] != '\n')
    end += text[end] == '\\' && end + 1 < text.size() && text[end + 1] != '\n' ? 2 : 1;
  if (end >= text.size() || text[end] != '"') {
    position = std::min(end, text.size());
    return Token{TokenKind::Invalid, "string that does not end", 0, location};
  }
  Token token{TokenKind::String, text.slice(position + 1, end), 0, location};
  position = end + 1;
  return token;
}
