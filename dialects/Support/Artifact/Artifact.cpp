//===- Artifact.cpp - JSON of a kernel's metadata --------------------------===//
//
// Written by the compiler, read by whoever launches: possibly years later,
// from a bundle, by another build. Hence a schema number that is checked before
// anything else, and a reader that takes nothing on trust.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Artifact/Artifact.h"
#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Target/Target.h"
#include "dialects/Support/Text/ObjectReader.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::artifact {

using text::makeError;
using text::makeValueError;
using text::ObjectReader;
using text::toJSONString;
using Kind = Parameter::Kind;

/// In the order of Parameter::Kind.
static constexpr StringRef kindNames[] = {"pointer", "dimension", "stride",
                                          "scalar",  "workspace", "tensor_map"};

static StringRef getKindName(Kind kind) { return kindNames[unsigned(kind)]; }

//===----------------------------------------------------------------------===//
// JSON out
//===----------------------------------------------------------------------===//

static json::Value toJSON(const Parameter &parameter) {
  json::Object object{{"kind", getKindName(parameter.kind)},
                      {"name", toJSONString(parameter.name)},
                      {"bytes", parameter.bytes}};
  if (!parameter.dtype.empty())
    object["dtype"] = toJSONString(parameter.dtype);
  if (parameter.kind == Kind::Stride)
    object["axis"] = parameter.axis;
  if (parameter.kind == Kind::Pointer) {
    object["alignment"] = parameter.alignment;
    object["written"] = parameter.written;
    if (parameter.updated)
      object["updated"] = true;
  }
  if (parameter.kind == Kind::TensorMap)
    object["recipe"] = parameter.recipe.value_or(nullptr);
  return object;
}

static json::Value toJSON(const Workspace &workspace) {
  return json::Object{{"name", toJSONString(workspace.name)},
                      {"bytes", workspace.bytes.str()},
                      {"zeroed", workspace.zeroed},
                      {"reset_by_kernel", workspace.resetByKernel}};
}

static json::Value toJSON(const std::array<Expression, 3> &expressions) {
  return json::Array(map_range(expressions, [](const Expression &e) { return e.str(); }));
}

json::Value Metadata::toJSON() const {
  auto any = [](const auto &entry) { return artifact::toJSON(entry); };
  json::Object versionObject;
  for (const auto &[name, version] : versions)
    versionObject[json::fixUTF8(name)] = toJSONString(version);
  json::Object object{{"schema", schema},
                      {"kernel", toJSONString(kernel)},
                      {"target", toJSONString(target)},
                      {"problem", problem.toJSON()},
                      {"schedule", schedule.toJSON()},
                      {"parameters", json::Array(map_range(parameters, any))},
                      {"grid", artifact::toJSON(grid)},
                      {"cluster", artifact::toJSON(cluster)},
                      {"block", json::Array(block)},
                      {"static_shared_bytes", staticSharedBytes},
                      {"dynamic_shared_bytes", dynamicSharedBytes},
                      {"workspaces", json::Array(map_range(workspaces, any))},
                      {"versions", std::move(versionObject)},
                      {"remarks", json::Array(map_range(remarks, toJSONString))}};
  if (registers)
    object["registers"] = *registers;
  if (spillBytes)
    object["spill_bytes"] = *spillBytes;
  return object;
}

//===----------------------------------------------------------------------===//
// JSON in
//===----------------------------------------------------------------------===//

static Error parseExpression(Expression &out, const json::Value &value, const std::string &path) {
  std::optional<StringRef> text = value.getAsString();
  if (!text)
    return makeValueError(path, "an expression in a string", value);
  Expected<Expression> expression = Expression::parse(*text);
  if (!expression)
    return makeError(path + ": " + toString(expression.takeError()));
  out = std::move(*expression);
  return Error::success();
}

/// Reads an array of exactly three elements.
static void
readTriple(ObjectReader &reader, StringRef field,
           function_ref<Error(size_t, const json::Value &, const std::string &)> parse) {
  size_t count = 0;
  reader.readEach(field, [&](const json::Value &value, const std::string &path) -> Error {
    if (count == 3)
      return makeError(path + ": expects three elements, but got more");
    return parse(count++, value, path);
  });
  if (!reader.hasFailed() && count != 3)
    reader.fail(makeError(reader.getPath() + "." + field + ": expects three elements, but got " +
                          Twine(count)));
}

static void readExpressions(ObjectReader &reader, StringRef field, std::array<Expression, 3> &out) {
  readTriple(reader, field, [&](size_t i, const json::Value &value, const std::string &path) {
    return parseExpression(out[i], value, path);
  });
}

static void readBlock(ObjectReader &reader, std::array<uint32_t, 3> &block) {
  constexpr int64_t maxThreads = 1024;
  readTriple(reader, "block",
             [&](size_t i, const json::Value &value, const std::string &path) -> Error {
               std::optional<int64_t> extent = value.getAsInteger();
               if (!extent || *extent < 1 || *extent > maxThreads)
                 return makeValueError(path, "an integer from 1 to " + Twine(maxThreads), value);
               block[i] = uint32_t(*extent);
               return Error::success();
             });
  int64_t threads = int64_t(block[0]) * block[1] * block[2];
  if (threads > maxThreads)
    reader.fail(makeError(reader.getPath() + ".block: expects at most " + Twine(maxThreads) +
                          " threads, but got " + Twine(threads)));
}

/// The sizes a parameter of a kind may have in the argument block.
static SmallVector<unsigned, 2> getParameterBytes(const Parameter &parameter) {
  switch (parameter.kind) {
  case Kind::Pointer:
  case Kind::Workspace:
    return {8};
  case Kind::Dimension:
  case Kind::Stride:
    return {4, 8};
  case Kind::Scalar:
    return {divideCeil(format::get(parameter.dtype).bits, 8u)};
  case Kind::TensorMap:
    return {128};
  }
  llvm_unreachable("unknown kind of parameter");
}

static Error checkParameter(const Parameter &parameter, const std::string &path) {
  if (parameter.name.empty())
    return makeError(path + ".name: expects a name, but got \"\"");
  bool needsType = parameter.kind == Kind::Pointer || parameter.kind == Kind::Scalar;
  if (parameter.dtype.empty() && needsType)
    return makeError(path + ": expects the field 'dtype', but it is missing");
  if (!parameter.dtype.empty())
    if (Expected<format::Format> format = format::parse(parameter.dtype); !format)
      return makeError(path + ".dtype: " + toString(format.takeError()));
  if (!isPowerOf2_32(parameter.alignment))
    return makeError(path + ".alignment: expects a power of two, but got " +
                     Twine(parameter.alignment));
  SmallVector<unsigned, 2> sizes = getParameterBytes(parameter);
  if (!is_contained(sizes, parameter.bytes))
    return makeError(path + ".bytes: expects " +
                     join(map_range(sizes, [](unsigned n) { return std::to_string(n); }), " or ") +
                     " for a " + getKindName(parameter.kind) + ", but got " +
                     Twine(parameter.bytes));
  return Error::success();
}

static Error parseParameter(std::vector<Parameter> &parameters, const json::Value &value,
                            const std::string &path) {
  ObjectReader reader(value, path);
  Parameter parameter;
  unsigned kind = 0;
  reader.readWord("kind", kindNames, kind);
  parameter.kind = Kind(kind);
  reader.read("name", parameter.name);
  reader.read("bytes", parameter.bytes);
  if (reader.hasOptional("dtype"))
    reader.read("dtype", parameter.dtype);
  if (parameter.kind == Kind::Stride)
    reader.read("axis", parameter.axis);
  if (parameter.kind == Kind::Pointer) {
    reader.read("alignment", parameter.alignment);
    reader.read("written", parameter.written);
    if (reader.hasOptional("updated"))
      reader.read("updated", parameter.updated);
  }
  if (parameter.kind == Kind::TensorMap)
    reader.readWith("recipe", [&](const json::Value &recipe, const std::string &) {
      parameter.recipe = recipe;
      return Error::success();
    });
  if (Error error = reader.finish())
    return error;
  if (Error error = checkParameter(parameter, path))
    return error;
  parameters.push_back(std::move(parameter));
  return Error::success();
}

static Error parseWorkspace(std::vector<Workspace> &workspaces, const json::Value &value,
                            const std::string &path) {
  ObjectReader reader(value, path);
  Workspace workspace;
  reader.read("name", workspace.name);
  reader.readWith("bytes", [&](const json::Value &bytes, const std::string &bytesPath) {
    return parseExpression(workspace.bytes, bytes, bytesPath);
  });
  reader.read("zeroed", workspace.zeroed);
  reader.read("reset_by_kernel", workspace.resetByKernel);
  if (Error error = reader.finish())
    return error;
  auto isSame = [&](const Workspace &other) { return other.name == workspace.name; };
  if (workspace.name.empty() || any_of(workspaces, isSame))
    return makeError(path + ".name: expects a name used once, but got '" + workspace.name + "'");
  workspaces.push_back(std::move(workspace));
  return Error::success();
}

/// Facts that hold between fields.
static Error checkMetadata(const Metadata &metadata, const std::string &path) {
  if (metadata.kernel.empty())
    return makeError(path + ".kernel: expects a name, but got \"\"");
  SmallVector<StringRef> targets, workspaces;
  for (const target::Target &target : target::allTargets())
    targets.push_back(target.name);
  for (const Workspace &workspace : metadata.workspaces)
    workspaces.push_back(workspace.name);
  if (!is_contained(targets, metadata.target))
    return text::makeUnknownNameError(path + ".target", metadata.target, targets);
  for (auto [index, parameter] : enumerate(metadata.parameters))
    if (parameter.kind == Kind::Workspace && !is_contained(workspaces, parameter.name))
      return text::makeUnknownNameError("workspace in " + path + ".parameters[" +
                                            std::to_string(index) + "].name",
                                        parameter.name, workspaces);
  return Error::success();
}

static void readStrings(ObjectReader &reader, Metadata &metadata) {
  auto parseString = [](std::string &out, const json::Value &value, const std::string &path) {
    std::optional<StringRef> text = value.getAsString();
    if (!text)
      return makeValueError(path, "a string", value);
    out = text->str();
    return Error(Error::success());
  };
  reader.readMembers("versions",
                     [&](StringRef name, const json::Value &value, const std::string &path) {
                       return parseString(metadata.versions[name.str()], value, path);
                     });
  reader.readEach("remarks", [&](const json::Value &value, const std::string &path) {
    return parseString(metadata.remarks.emplace_back(), value, path);
  });
}

/// Reads a part that knows its own JSON.
template <typename Part> static void readPart(ObjectReader &reader, StringRef field, Part &out) {
  reader.readWith(field, [&](const json::Value &value, const std::string &path) -> Error {
    Expected<Part> part = Part::fromJSON(value, path);
    if (!part)
      return part.takeError();
    out = std::move(*part);
    return Error::success();
  });
}

Expected<Metadata> Metadata::fromJSON(const json::Value &value, const Twine &path) {
  ObjectReader reader(value, path);
  Metadata metadata;
  // First, so that a newer artifact is refused for being newer and not for the
  // first field that it has in addition.
  int64_t found = 0;
  reader.read("schema", found, schema, schema);
  reader.read("kernel", metadata.kernel);
  reader.read("target", metadata.target);
  readPart(reader, "problem", metadata.problem);
  readPart(reader, "schedule", metadata.schedule);
  reader.readEach("parameters", [&](const json::Value &element, const std::string &elementPath) {
    return parseParameter(metadata.parameters, element, elementPath);
  });
  readExpressions(reader, "grid", metadata.grid);
  readExpressions(reader, "cluster", metadata.cluster);
  readBlock(reader, metadata.block);
  reader.read("static_shared_bytes", metadata.staticSharedBytes);
  reader.read("dynamic_shared_bytes", metadata.dynamicSharedBytes);
  reader.readEach("workspaces", [&](const json::Value &element, const std::string &elementPath) {
    return parseWorkspace(metadata.workspaces, element, elementPath);
  });
  reader.readOptional("registers", metadata.registers);
  reader.readOptional("spill_bytes", metadata.spillBytes);
  readStrings(reader, metadata);
  std::string name = reader.getPath();
  if (Error error = reader.finish())
    return error;
  if (Error error = checkMetadata(metadata, name))
    return error;
  return metadata;
}

} // namespace tilewright::artifact
