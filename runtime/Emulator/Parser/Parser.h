//===- Parser.h - PTX text to AST -------------------------------------------===//
//
// Reads one PTX module. Never crashes and never recurses with its input; the
// first problem ends it with "line:column: message".
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_PARSER_PARSER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_PARSER_PARSER_H

#include "runtime/Emulator/Parser/AST.h"
#include "llvm/Support/Error.h"

namespace tilewright::parser {

llvm::Expected<Module> parse(llvm::StringRef text);

/// "ptx line 12, column 5: <message>", the form of every error about PTX text.
llvm::Error makeError(Location location, const llvm::Twine &message);

} // namespace tilewright::parser

#endif
