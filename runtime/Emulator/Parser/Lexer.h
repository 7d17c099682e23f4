//===- Lexer.h - PTX text to tokens ----------------------------------------===//
//
// First stage of the emulated device: text -> tokens -> AST (Parser.h). Tokens
// refer to the text, which must outlive them.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_PARSER_LEXER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_PARSER_LEXER_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace tilewright::parser {

/// A place in the PTX text, counted from 1.
struct Location {
  uint32_t line = 0, column = 0;
};

enum class TokenKind : uint8_t {
  End,
  Identifier,  ///< opcode, register, symbol, "_"
  Directive,   ///< ".entry", "L1::no_allocate" after a dot; text without the dot
  Integer,     ///< value; 64 bits, wrapped
  Float32,     ///< 0f3F800000
  Float64,     ///< 0d3FF0000000000000, 1.5
  String,      ///< text between the quotes
  Punctuation, ///< one character
  Invalid,     ///< text says what is wrong
};

struct Token {
  TokenKind kind = TokenKind::End;
  llvm::StringRef text;
  uint64_t value = 0;
  Location location;
  bool is(char c) const { return kind == TokenKind::Punctuation && text[0] == c; }
  bool isDirective(llvm::StringRef name) const {
    return kind == TokenKind::Directive && text == name;
  }
  bool isIdentifier(llvm::StringRef name) const {
    return kind == TokenKind::Identifier && text == name;
  }
};

class Lexer {
public:
  explicit Lexer(llvm::StringRef text) : text(text) {}
  /// The next token; End for ever once the text is used up.
  Token next();

private:
  /// Skips blanks and comments; false for a comment that does not end.
  bool skipBlank();
  Token lexNumber();
  Token lexPrefixedNumber(Token token, unsigned radix, size_t digits, TokenKind kind);
  Token lexString();
  Token take(TokenKind kind, size_t length);
  char peek(size_t ahead = 0) const {
    return position + ahead < text.size() ? text[position + ahead] : '\0';
  }
  Location here() const { return {line, static_cast<uint32_t>(position - lineStart + 1)}; }

  llvm::StringRef text;
  size_t position = 0, lineStart = 0;
  uint32_t line = 1;
};

} // namespace tilewright::parser

#endif
