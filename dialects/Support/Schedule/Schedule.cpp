//===- Schedule.cpp - Text and JSON of schedules ---------------------------===//
//
// A schedule travels as text in attributes and logs and as JSON in artifacts,
// caches and tuning records. What its parameters mean is the family's affair.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/Schedule.h"
#include "dialects/Support/Text/ObjectReader.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace tilewright::schedule {

std::string Schedule::str() const {
  auto parameter = [](const auto &entry) {
    return text::quoteName(entry.first) + "=" + std::to_string(entry.second);
  };
  return text::quoteName(family) + "{" + join(map_range(parameters, parameter), ", ") + "}";
}

static Error makeSyntaxError(const Twine &expectation, StringRef rest) {
  return text::makeError("schedule: expects " + expectation + ", but got '" + rest.take_front(16) +
                         "'");
}

/// Advances past `c` and the white space around it.
static bool consume(StringRef &rest, char c) {
  rest = rest.ltrim();
  if (!rest.consume_front(StringRef(&c, 1)))
    return false;
  rest = rest.ltrim();
  return true;
}

/// Reads `name = integer` into `schedule`.
static Error consumeParameter(StringRef &rest, Schedule &schedule) {
  Expected<std::string> name = text::consumeName(rest);
  if (!name)
    return text::makeError("schedule: " + toString(name.takeError()));
  if (!consume(rest, '='))
    return makeSyntaxError("'=' after '" + *name + "'", rest);
  StringRef digits = rest;
  int64_t value = 0;
  if (rest.consumeInteger(10, value))
    return makeSyntaxError("a 64-bit integer for '" + *name + "'", digits);
  if (!schedule.parameters.insert({*name, value}).second)
    return text::makeError("schedule: expects each parameter once, but '" + *name +
                           "' is there twice");
  return Error::success();
}

Expected<Schedule> Schedule::parse(StringRef text) {
  StringRef rest = text.trim();
  Schedule schedule;
  Expected<std::string> family = text::consumeName(rest);
  if (!family)
    return text::makeError("schedule: " + toString(family.takeError()));
  schedule.family = *family;
  if (!consume(rest, '{'))
    return makeSyntaxError("'{' after '" + *family + "'", rest);
  if (!consume(rest, '}')) {
    do {
      if (Error error = consumeParameter(rest, schedule))
        return error;
    } while (consume(rest, ','));
    if (!consume(rest, '}'))
      return makeSyntaxError("',' or '}'", rest);
  }
  if (!rest.empty())
    return makeSyntaxError("nothing after '}'", rest);
  return schedule;
}

json::Value Schedule::toJSON() const {
  json::Object object;
  for (const auto &[name, value] : parameters)
    object[json::fixUTF8(name)] = value;
  return json::Object{{"family", text::toJSONString(family)}, {"parameters", std::move(object)}};
}

Expected<Schedule> Schedule::fromJSON(const json::Value &value, const Twine &path) {
  text::ObjectReader reader(value, path);
  Schedule schedule;
  reader.read("family", schedule.family);
  reader.readMembers(
      "parameters",
      [&](StringRef name, const json::Value &element, const std::string &elementPath) -> Error {
        std::optional<int64_t> number = element.getAsInteger();
        if (!number)
          return text::makeValueError(elementPath, "an integer", element);
        schedule.parameters[name.str()] = *number;
        return Error::success();
      });
  if (Error error = reader.finish())
    return error;
  return schedule;
}

} // namespace tilewright::schedule
