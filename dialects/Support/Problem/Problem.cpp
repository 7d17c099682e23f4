//===- Problem.cpp - Canonical text, hash and JSON of problems -------------===//
//
// Stands between the callers, who build problems, and everything that is keyed
// by one: the compiler's attribute, the kernel caches, the tuner's records.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Problem/Problem.h"
#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Text/ObjectReader.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/BLAKE3.h"

using namespace llvm;

namespace tilewright::problem {

//===----------------------------------------------------------------------===//
// Lookup
//===----------------------------------------------------------------------===//

template <typename T> static const T *findNamed(const std::vector<T> &list, StringRef name) {
  auto found = find_if(list, [&](const T &entry) { return entry.name == name; });
  return found == list.end() ? nullptr : &*found;
}

const Dimension *Problem::findDimension(StringRef name) const {
  return findNamed(dimensions, name);
}

const Operand *Problem::findOperand(StringRef name) const { return findNamed(operands, name); }

StringRef Problem::getAttribute(StringRef name, StringRef fallback) const {
  auto found = attributes.find(name.str());
  return found == attributes.end() ? fallback : StringRef(found->second);
}

//===----------------------------------------------------------------------===//
// Canonical text
//===----------------------------------------------------------------------===//

static std::string toText(const std::optional<int64_t> &extent) {
  return extent ? std::to_string(*extent) : "?";
}

static std::string toText(const Dimension &dimension) {
  std::string text = text::quoteName(dimension.name) + "=" + toText(dimension.extent);
  if (dimension.divisor != 1)
    text += "%" + std::to_string(dimension.divisor);
  return text;
}

static std::string toText(const Operand &operand) {
  std::string text = text::quoteName(operand.name) + ":" + text::quoteName(operand.dtype);
  text += "[" + join(map_range(operand.dimensions, text::quoteName), ",") + "]";
  if (!operand.strides.empty()) {
    auto stride = [](const std::optional<int64_t> &value) { return toText(value); };
    text += "{" + join(map_range(operand.strides, stride), ",") + "}";
  }
  return text + "@" + std::to_string(operand.alignment);
}

std::string Problem::str() const {
  auto any = [](const auto &entry) { return toText(entry); };
  auto attribute = [](const auto &entry) {
    return text::quoteName(entry.first) + "=" + text::quoteName(entry.second);
  };
  return text::quoteName(op) + "(" + join(map_range(dimensions, any), ", ") + "; " +
         join(map_range(operands, any), ", ") + "; " +
         join(map_range(attributes, attribute), ", ") + "; i" + std::to_string(indexWidth) + ")";
}

std::string Problem::getHash() const {
  std::string canonical = str();
  return toHex(BLAKE3::hash(arrayRefFromStringRef(canonical)), /*LowerCase=*/true);
}

//===----------------------------------------------------------------------===//
// JSON out
//===----------------------------------------------------------------------===//

static json::Value toJSON(const Dimension &dimension) {
  json::Object object{{"name", text::toJSONString(dimension.name)}};
  if (dimension.extent)
    object["extent"] = *dimension.extent;
  if (dimension.divisor != 1)
    object["divisor"] = dimension.divisor;
  return object;
}

static json::Value toJSON(const Operand &operand) {
  json::Object object{
      {"name", text::toJSONString(operand.name)},
      {"dtype", text::toJSONString(operand.dtype)},
      {"dimensions", json::Array(map_range(operand.dimensions, text::toJSONString))},
      {"alignment", operand.alignment}};
  if (!operand.strides.empty())
    object["strides"] = json::Array(operand.strides);
  return object;
}

json::Value Problem::toJSON() const {
  auto any = [](const auto &entry) { return problem::toJSON(entry); };
  json::Object attributeObject;
  for (const auto &[name, value] : attributes)
    attributeObject[json::fixUTF8(name)] = text::toJSONString(value);
  return json::Object{{"op", text::toJSONString(op)},
                      {"dimensions", json::Array(map_range(dimensions, any))},
                      {"operands", json::Array(map_range(operands, any))},
                      {"attributes", std::move(attributeObject)},
                      {"index_width", indexWidth}};
}

//===----------------------------------------------------------------------===//
// JSON in
//===----------------------------------------------------------------------===//

static Error checkName(StringRef path, StringRef name, bool isTaken) {
  if (name.empty())
    return text::makeError(path + ".name: expects a name, but got \"\"");
  if (isTaken)
    return text::makeError(path + ".name: expects a name used once, but '" + name +
                           "' is there twice");
  return Error::success();
}

static Error parseDimension(Problem &problem, const json::Value &value, const std::string &path) {
  text::ObjectReader reader(value, path);
  Dimension dimension;
  reader.read("name", dimension.name);
  reader.readOptional("extent", dimension.extent, 0);
  std::optional<int64_t> divisor;
  reader.readOptional("divisor", divisor, 1);
  if (Error error = reader.finish())
    return error;
  if (dimension.extent && divisor)
    return text::makeError(path + ": expects 'extent' (static) or 'divisor' (dynamic), "
                                  "but got both");
  dimension.divisor = divisor.value_or(1);
  if (Error error = checkName(path, dimension.name, problem.findDimension(dimension.name)))
    return error;
  problem.dimensions.push_back(std::move(dimension));
  return Error::success();
}

/// A stride is an integer, or null where dynamic.
static Error parseStride(Operand &operand, const json::Value &value, const std::string &path) {
  std::optional<int64_t> stride = value.getAsInteger();
  if (!stride && !value.getAsNull())
    return text::makeValueError(path, "an integer or null", value);
  operand.strides.push_back(stride);
  return Error::success();
}

static Error parseOperandDimension(const Problem &problem, Operand &operand,
                                   const json::Value &value, const std::string &path) {
  std::optional<StringRef> name = value.getAsString();
  if (!name)
    return text::makeValueError(path, "the name of a dimension", value);
  if (!problem.findDimension(*name)) {
    SmallVector<StringRef> known;
    for (const Dimension &dimension : problem.dimensions)
      known.push_back(dimension.name);
    return text::makeUnknownNameError("dimension in " + path, *name, known);
  }
  operand.dimensions.push_back(name->str());
  return Error::success();
}

/// What the fields of an operand say must fit together.
static Error checkOperand(const Operand &operand, const std::string &path) {
  if (Expected<format::Format> format = format::parse(operand.dtype); !format)
    return text::makeError(path + ".dtype: " + toString(format.takeError()));
  if (!isPowerOf2_32(operand.alignment))
    return text::makeError(path + ".alignment: expects 1, 2, 4, 8 or 16, but got " +
                           Twine(operand.alignment));
  if (!operand.strides.empty() && operand.strides.size() != operand.dimensions.size())
    return text::makeError(path + ".strides: expects one stride a dimension (" +
                           Twine(operand.dimensions.size()) + "), but got " +
                           Twine(operand.strides.size()));
  return Error::success();
}

static Error parseOperand(Problem &problem, const json::Value &value, const std::string &path) {
  text::ObjectReader reader(value, path);
  Operand operand;
  reader.read("name", operand.name);
  reader.read("dtype", operand.dtype);
  reader.readEach("dimensions", [&](const json::Value &element, const std::string &elementPath) {
    return parseOperandDimension(problem, operand, element, elementPath);
  });
  if (reader.hasOptional("strides"))
    reader.readEach("strides", [&](const json::Value &element, const std::string &elementPath) {
      return parseStride(operand, element, elementPath);
    });
  reader.read("alignment", operand.alignment, 1, 16);
  if (Error error = reader.finish())
    return error;
  if (Error error = checkOperand(operand, path))
    return error;
  if (Error error = checkName(path, operand.name, problem.findOperand(operand.name)))
    return error;
  problem.operands.push_back(std::move(operand));
  return Error::success();
}

Expected<Problem> Problem::fromJSON(const json::Value &value, const Twine &path) {
  text::ObjectReader reader(value, path);
  Problem problem;
  reader.read("op", problem.op);
  reader.readEach("dimensions", [&](const json::Value &element, const std::string &elementPath) {
    return parseDimension(problem, element, elementPath);
  });
  reader.readEach("operands", [&](const json::Value &element, const std::string &elementPath) {
    return parseOperand(problem, element, elementPath);
  });
  reader.readMembers(
      "attributes",
      [&](StringRef name, const json::Value &element, const std::string &elementPath) -> Error {
        std::optional<StringRef> text = element.getAsString();
        if (!text)
          return text::makeValueError(elementPath, "a string", element);
        problem.attributes[name.str()] = text->str();
        return Error::success();
      });
  reader.read("index_width", problem.indexWidth);
  if (problem.indexWidth != 32 && problem.indexWidth != 64)
    reader.fail(text::makeError(reader.getPath() + ".index_width: expects 32 or 64, but got " +
                                Twine(problem.indexWidth)));
  if (Error error = reader.finish())
    return error;
  return problem;
}

} // namespace tilewright::problem
