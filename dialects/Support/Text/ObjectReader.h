//===- ObjectReader.h - Reads JSON objects strictly -------------------------===//
//
// JSON that crosses a border (problems, schedules, metadata of artifacts) is
// read through this class: a missing field, a field of the wrong kind, a value
// out of range and an unknown field are errors that name the field's path, the
// value and what was expected.
//
//   ObjectReader reader(value, "schedule");
//   reader.read("family", schedule.family);
//   reader.read("stages", stages, 2, 8);
//   return reader.finish();
//
// The first error sticks: later reads do nothing and finish() returns it.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_TEXT_OBJECTREADER_H
#define TILEWRIGHT_DIALECTS_SUPPORT_TEXT_OBJECTREADER_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace tilewright::text {

/// A name in messages: "metadata.parameters[2].kind" is the field `kind` of
/// the third element of the field `parameters`.
class ObjectReader {
public:
  /// `value` must outlive the reader. `path` names it in errors.
  ObjectReader(const llvm::json::Value &value, const llvm::Twine &path);
  ~ObjectReader();
  ObjectReader(const ObjectReader &) = delete;
  ObjectReader &operator=(const ObjectReader &) = delete;

  bool hasFailed() const { return failure.has_value(); }
  const std::string &getPath() const { return path; }

  /// Required fields. On failure `out` keeps its value.
  void read(llvm::StringRef field, std::string &out);
  void read(llvm::StringRef field, bool &out);
  template <std::integral T>
  void read(llvm::StringRef field, T &out, int64_t minimum = defaultMinimum<T>(),
            int64_t maximum = defaultMaximum<T>()) {
    if (std::optional<int64_t> number = readInteger(field, minimum, maximum))
      out = static_cast<T>(*number);
  }

  /// Optional fields: absent leaves `out` unset. Further arguments are read()'s.
  template <typename T, typename... Range>
  void readOptional(llvm::StringRef field, std::optional<T> &out, Range... range) {
    if (!hasOptional(field))
      return;
    T value{};
    read(field, value, range...);
    if (!hasFailed())
      out = std::move(value);
  }

  /// One of a few words; the error lists the nearest.
  void readWord(llvm::StringRef field, llvm::ArrayRef<llvm::StringRef> words, unsigned &index);

  /// Calls `element` with each element of an array field and its path.
  void readEach(
      llvm::StringRef field,
      llvm::function_ref<llvm::Error(const llvm::json::Value &, const std::string &path)> element);
  /// Calls `member` with each member of an object field, in key order.
  void readMembers(llvm::StringRef field,
                   llvm::function_ref<llvm::Error(llvm::StringRef key, const llvm::json::Value &,
                                                  const std::string &path)>
                       member);
  /// Calls `parse` with the field's value and its path.
  void readWith(
      llvm::StringRef field,
      llvm::function_ref<llvm::Error(const llvm::json::Value &, const std::string &path)> parse);

  /// Whether the object has the field, which is known from now on.
  bool hasOptional(llvm::StringRef field);
  /// Records an error unless there is one already; success is ignored.
  void fail(llvm::Error error);

  /// The first error; or an unknown field, which is an error too.
  llvm::Error finish();

private:
  template <typename T> static constexpr int64_t defaultMinimum() {
    return static_cast<int64_t>(std::numeric_limits<T>::min());
  }
  template <typename T> static constexpr int64_t defaultMaximum() {
    return sizeof(T) == 8 ? std::numeric_limits<int64_t>::max()
                          : static_cast<int64_t>(std::numeric_limits<T>::max());
  }
  std::optional<int64_t> readInteger(llvm::StringRef field, int64_t minimum, int64_t maximum);
  /// The field's value, or null after recording that it is missing.
  const llvm::json::Value *take(llvm::StringRef field);
  std::string getPath(llvm::StringRef field) const;
  void addKnown(llvm::StringRef field);

  std::string path;
  const llvm::json::Object *object = nullptr;
  llvm::SmallVector<llvm::StringRef, 16> known;
  std::optional<llvm::Error> failure; ///< set: an error to report
};

/// "<path>: expects <expectation>, but got <value>", the value shortened.
llvm::Error makeValueError(llvm::StringRef path, const llvm::Twine &expectation,
                           const llvm::json::Value &value);

/// A JSON string of any bytes: what is not UTF-8 becomes U+FFFD, since JSON
/// cannot hold it.
llvm::json::Value toJSONString(llvm::StringRef text);

} // namespace tilewright::text

#endif
