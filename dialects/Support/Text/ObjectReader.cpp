//===- ObjectReader.cpp - Reads JSON objects strictly -----------------------===//
//
// Stands below Problem, Schedule and Artifact, whose fromJSON() use it.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Text/ObjectReader.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tilewright::text {

Error makeValueError(StringRef path, const Twine &expectation, const json::Value &value) {
  std::string shown;
  raw_string_ostream(shown) << value;
  if (constexpr size_t limit = 60; shown.size() > limit)
    shown = shown.substr(0, limit) + "...";
  return makeError(path + ": expects " + expectation + ", but got " + shown);
}

json::Value toJSONString(StringRef text) {
  return json::isUTF8(text) ? json::Value(text.str()) : json::Value(json::fixUTF8(text));
}

ObjectReader::ObjectReader(const json::Value &value, const Twine &path)
    : path(path.str()), object(value.getAsObject()) {
  if (!object)
    failure = makeValueError(this->path, "an object", value);
}

ObjectReader::~ObjectReader() {
  if (failure)
    consumeError(std::move(*failure));
}

std::string ObjectReader::getPath(StringRef field) const { return path + "." + field.str(); }

void ObjectReader::addKnown(StringRef field) {
  if (!is_contained(known, field))
    known.push_back(field);
}

bool ObjectReader::hasOptional(StringRef field) {
  addKnown(field);
  return object && object->get(field);
}

void ObjectReader::fail(Error error) {
  if (!error)
    return;
  if (failure)
    consumeError(std::move(error));
  else
    failure = std::move(error);
}

const json::Value *ObjectReader::take(StringRef field) {
  addKnown(field);
  if (failure)
    return nullptr;
  const json::Value *value = object->get(field);
  if (!value)
    fail(makeError(path + ": expects the field '" + field + "', but it is missing"));
  return value;
}

void ObjectReader::read(StringRef field, std::string &out) {
  const json::Value *value = take(field);
  if (!value)
    return;
  if (std::optional<StringRef> text = value->getAsString())
    out = text->str();
  else
    fail(makeValueError(getPath(field), "a string", *value));
}

void ObjectReader::read(StringRef field, bool &out) {
  const json::Value *value = take(field);
  if (!value)
    return;
  if (std::optional<bool> boolean = value->getAsBoolean())
    out = *boolean;
  else
    fail(makeValueError(getPath(field), "true or false", *value));
}

std::optional<int64_t> ObjectReader::readInteger(StringRef field, int64_t minimum,
                                                 int64_t maximum) {
  const json::Value *value = take(field);
  if (!value)
    return std::nullopt;
  std::optional<int64_t> number = value->getAsInteger();
  if (number && *number >= minimum && *number <= maximum)
    return number;
  fail(makeValueError(getPath(field), formatv("an integer from {0} to {1}", minimum, maximum).str(),
                      *value));
  return std::nullopt;
}

void ObjectReader::readWord(StringRef field, ArrayRef<StringRef> words, unsigned &index) {
  std::string word;
  read(field, word);
  if (failure)
    return;
  const StringRef *found = llvm::find(words, word);
  if (found == words.end())
    fail(makeUnknownNameError(getPath(field), word, words));
  else
    index = unsigned(found - words.begin());
}

void ObjectReader::readWith(
    StringRef field, function_ref<Error(const json::Value &, const std::string &path)> parse) {
  if (const json::Value *value = take(field))
    fail(parse(*value, getPath(field)));
}

void ObjectReader::readEach(
    StringRef field, function_ref<Error(const json::Value &, const std::string &path)> element) {
  const json::Value *value = take(field);
  if (!value)
    return;
  const json::Array *array = value->getAsArray();
  if (!array)
    return fail(makeValueError(getPath(field), "an array", *value));
  for (auto [index, entry] : enumerate(*array)) {
    if (Error error = element(entry, formatv("{0}[{1}]", getPath(field), index)))
      return fail(std::move(error));
  }
}

void ObjectReader::readMembers(
    StringRef field,
    function_ref<Error(StringRef key, const json::Value &, const std::string &path)> member) {
  const json::Value *value = take(field);
  if (!value)
    return;
  const json::Object *members = value->getAsObject();
  if (!members)
    return fail(makeValueError(getPath(field), "an object", *value));
  // The object is a hash map: sorted keys make the first error reproducible.
  SmallVector<StringRef> keys;
  for (const auto &entry : *members)
    keys.push_back(entry.first);
  llvm::sort(keys);
  for (StringRef key : keys) {
    if (Error error = member(key, *members->get(key), getPath(field) + "." + key.str()))
      return fail(std::move(error));
  }
}

Error ObjectReader::finish() {
  if (failure) {
    Error error = std::move(*failure);
    failure.reset();
    return error;
  }
  SmallVector<StringRef> unknown;
  for (const auto &entry : *object) {
    if (!is_contained(known, StringRef(entry.first)))
      unknown.push_back(entry.first);
  }
  if (unknown.empty())
    return Error::success();
  llvm::sort(unknown);
  return makeUnknownNameError("field of " + path, unknown.front(), known);
}

} // namespace tilewright::text
