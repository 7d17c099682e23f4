//===- ObjectReaderTest.cpp - Strict reading of JSON objects ---------------===//
#include "dialects/Support/Text/ObjectReader.h"
#include "dialects/Support/Text/Text.h"

#include "gtest/gtest.h"

using namespace tilewright;
using text::ObjectReader;

static llvm::json::Value parse(llvm::StringRef json) {
  return llvm::cantFail(llvm::json::parse(json));
}

namespace {
struct Sample {
  std::string name;
  int64_t number = 0;
  uint32_t small = 0;
  bool flag = false;
  unsigned word = 0;
  std::optional<uint32_t> maybe;
  std::vector<std::string> list;
  std::string members;
};
} // namespace

/// The message of the error that reading `json` gives; empty when none.
static std::string readSample(llvm::StringRef json, Sample &sample) {
  llvm::json::Value value = parse(json);
  ObjectReader reader(value, "sample");
  reader.read("name", sample.name);
  reader.read("number", sample.number, -5, 5);
  reader.read("small", sample.small);
  reader.read("flag", sample.flag);
  reader.readWord("word", {"red", "green"}, sample.word);
  reader.readOptional("maybe", sample.maybe);
  reader.readEach("list",
                  [&](const llvm::json::Value &element, const std::string &path) -> llvm::Error {
                    std::optional<llvm::StringRef> string = element.getAsString();
                    if (!string)
                      return text::makeValueError(path, "a string", element);
                    sample.list.push_back(string->str());
                    return llvm::Error::success();
                  });
  reader.readMembers("members",
                     [&](llvm::StringRef key, const llvm::json::Value &, const std::string &path) {
                       sample.members += key.str() + "@" + path + ";";
                       return llvm::Error::success();
                     });
  llvm::Error error = reader.finish();
  return error ? llvm::toString(std::move(error)) : "";
}

static const char *whole = R"({"name": "n", "number": -5, "small": 4294967295, "flag": true,
  "word": "green", "list": ["a", "b"], "members": {"y": 1, "x": 2}})";

/// `whole` with one field replaced, or added.
static std::string with(llvm::StringRef field, llvm::StringRef value) {
  llvm::json::Value json = parse(whole);
  (*json.getAsObject())[field] = parse(value);
  std::string out;
  llvm::raw_string_ostream(out) << json;
  return out;
}

TEST(ObjectReader, ReadsEveryKind) {
  Sample sample;
  ASSERT_EQ(readSample(whole, sample), "");
  EXPECT_EQ(sample.name, "n");
  EXPECT_EQ(sample.number, -5);
  EXPECT_EQ(sample.small, 4294967295u);
  EXPECT_TRUE(sample.flag);
  EXPECT_EQ(sample.word, 1u);
  EXPECT_FALSE(sample.maybe);
  EXPECT_EQ(sample.list, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sample.members, "x@sample.members.x;y@sample.members.y;");

  ASSERT_EQ(readSample(with("maybe", "7"), sample), "");
  EXPECT_EQ(sample.maybe, 7u);
}

TEST(ObjectReader, NamesFieldValueAndExpectation) {
  const std::tuple<const char *, const char *, const char *> cases[] = {
      {"name", "3", "sample.name: expects a string, but got 3"},
      {"number", "6", "sample.number: expects an integer from -5 to 5, but got 6"},
      {"number", "1.5", "sample.number: expects an integer from -5 to 5, but got 1.5"},
      {"number", "1e30", "sample.number: expects an integer from -5 to 5, but got 1e+30"},
      {"small", "4294967296",
       "sample.small: expects an integer from 0 to 4294967295, but got 4294967296"},
      {"small", "-1", "sample.small: expects an integer from 0 to 4294967295, but got -1"},
      {"flag", "1", "sample.flag: expects true or false, but got 1"},
      {"word", "\"gren\"", "unknown sample.word 'gren'; the nearest are 'green', 'red'"},
      {"maybe", "null", "sample.maybe: expects an integer from 0 to 4294967295, but got null"},
      {"list", "{}", "sample.list: expects an array, but got {}"},
      {"list", "[\"a\", 1]", "sample.list[1]: expects a string, but got 1"},
      {"members", "[]", "sample.members: expects an object, but got []"},
      {"flagg", "1", "unknown field of sample 'flagg'; the nearest are 'flag', 'name', 'small'"},
  };
  for (auto [field, value, message] : cases) {
    Sample sample;
    EXPECT_EQ(readSample(with(field, value), sample), message);
  }
}

TEST(ObjectReader, ReportsMissingFieldsAndOtherKinds) {
  Sample sample;
  EXPECT_EQ(readSample("{}", sample), "sample: expects the field 'name', but it is missing");
  EXPECT_EQ(readSample("[1, 2]", sample), "sample: expects an object, but got [1,2]");
  EXPECT_EQ(readSample("null", sample), "sample: expects an object, but got null");
}

TEST(ObjectReader, TheFirstErrorSticks) {
  Sample sample;
  EXPECT_EQ(readSample(R"({"name": 1, "number": "x"})", sample),
            "sample.name: expects a string, but got 1");
}

TEST(ObjectReader, ShortensLongValues) {
  std::string value = "\"" + std::string(500, 'z') + "\"";
  Sample sample;
  std::string message = readSample(with("number", value), sample);
  EXPECT_LT(message.size(), 160u);
  EXPECT_TRUE(llvm::StringRef(message).ends_with("zzz..."));
}

TEST(ToJSONString, ReplacesWhatIsNotUTF8) {
  EXPECT_EQ(text::toJSONString("\xc3\xa4").getAsString(), "\xc3\xa4");
  EXPECT_EQ(text::toJSONString("a\xff").getAsString(), "a\xef\xbf\xbd");
}
