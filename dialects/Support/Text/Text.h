//===- Text.h - Names in error messages and in canonical text --------------===//
//
// What every table and parser of this folder says the same way: "unknown x
// 'f17'; the nearest are ...", and names quoted so that canonical text can be
// read back in one way only.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_TEXT_TEXT_H
#define TILEWRIGHT_DIALECTS_SUPPORT_TEXT_TEXT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace tilewright::text {

/// An error of one line with the given text.
llvm::Error makeError(const llvm::Twine &message);

/// "unknown <what> '<name>'; the nearest are 'a', 'b', 'c'": up to three of
/// `known` by edit distance, case ignored, ties in the order of `known`.
llvm::Error makeUnknownNameError(llvm::StringRef what, llvm::StringRef name,
                                 llvm::ArrayRef<llvm::StringRef> known);

/// The name itself if it is made of letters, digits, '_', '.' and '-' only;
/// otherwise in double quotes, with \" \\ and \xNN for quotes, backslashes and
/// bytes outside printable ASCII. Different names give different text, and no
/// result contains an unquoted separator.
std::string quoteName(llvm::StringRef name);

/// Undoes quoteName() at the start of `text` and advances past it. The error
/// quotes the offending rest.
llvm::Expected<std::string> consumeName(llvm::StringRef &text);

} // namespace tilewright::text

#endif
