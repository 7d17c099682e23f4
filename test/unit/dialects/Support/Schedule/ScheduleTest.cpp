//===- ScheduleTest.cpp - Text and JSON of schedules -----------------------===//
#include "dialects/Support/Schedule/Schedule.h"

#include "gtest/gtest.h"

using namespace tilewright;
using schedule::Schedule;

static const Schedule sample{"quant_matmul", {{"tile_m", 16}, {"stages", 4}, {"offset", -3}}};

template <typename T> static std::string messageOf(llvm::Expected<T> result) {
  return result ? "no error" : llvm::toString(result.takeError());
}

TEST(Schedule, CanonicalTextSortsParameters) {
  EXPECT_EQ(sample.str(), "quant_matmul{offset=-3, stages=4, tile_m=16}");
  EXPECT_EQ((Schedule{"f", {}}).str(), "f{}");
  EXPECT_EQ((Schedule{"a b", {{"", 1}}}).str(), "\"a b\"{\"\"=1}");
}

TEST(Schedule, TextRoundTrip) {
  const Schedule all[] = {sample,
                          {"f", {}},
                          {"", {{"", INT64_MIN}, {"x", INT64_MAX}}},
                          {"a, b={}", {{"a=1, b", 1}, {"\xff\"", 2}}}};
  for (const Schedule &schedule : all)
    EXPECT_EQ(llvm::cantFail(Schedule::parse(schedule.str())), schedule) << schedule.str();
}

TEST(Schedule, ParsesAnyWhiteSpaceAndOrder) {
  EXPECT_EQ(
      llvm::cantFail(Schedule::parse(" quant_matmul { tile_m = 16,\n stages=4 , offset=-3 } ")),
      sample);
}

TEST(Schedule, RefusesMalformedText) {
  const std::pair<const char *, const char *> cases[] = {
      {"", "schedule: expects a name, but got ''"},
      {"f", "schedule: expects '{' after 'f', but got ''"},
      {"f{", "schedule: expects a name, but got ''"},
      {"f{}x", "schedule: expects nothing after '}', but got 'x'"},
      {"f{a}", "schedule: expects '=' after 'a', but got '}'"},
      {"f{a=}", "schedule: expects a 64-bit integer for 'a', but got '}'"},
      {"f{a=9223372036854775808}",
       "schedule: expects a 64-bit integer for 'a', but got '9223372036854775'"},
      {"f{a=1.5}", "schedule: expects ',' or '}', but got '.5}'"},
      {"f{a=1 b=2}", "schedule: expects ',' or '}', but got 'b=2}'"},
      {"f{a=1,}", "schedule: expects a name, but got '}'"},
      {"f{a=1, a=2}", "schedule: expects each parameter once, but 'a' is there twice"},
      {"f{\"a=1}", "schedule: expects a closing quote after '\"a=1}'"},
  };
  for (auto [text, message] : cases)
    EXPECT_EQ(messageOf(Schedule::parse(text)), message);
}

TEST(Schedule, JSONRoundTrip) {
  llvm::json::Value json = sample.toJSON();
  EXPECT_EQ(json, llvm::cantFail(llvm::json::parse(
                      R"({"family": "quant_matmul",
                          "parameters": {"offset": -3, "stages": 4, "tile_m": 16}})")));
  EXPECT_EQ(llvm::cantFail(Schedule::fromJSON(json)), sample);
}

TEST(Schedule, RefusesMalformedJSON) {
  const std::pair<const char *, const char *> cases[] = {
      {R"([])", "schedule: expects an object, but got []"},
      {R"({"parameters": {}})", "schedule: expects the field 'family', but it is missing"},
      {R"({"family": "f"})", "schedule: expects the field 'parameters', but it is missing"},
      {R"({"family": 1, "parameters": {}})", "schedule.family: expects a string, but got 1"},
      {R"({"family": "f", "parameters": []})",
       "schedule.parameters: expects an object, but got []"},
      {R"({"family": "f", "parameters": {"a": "1"}})",
       "schedule.parameters.a: expects an integer, but got \"1\""},
      {R"({"family": "f", "parameters": {}, "version": 1})",
       "unknown field of schedule 'version'; the nearest are 'family', 'parameters'"},
  };
  for (auto [text, message] : cases)
    EXPECT_EQ(messageOf(Schedule::fromJSON(llvm::cantFail(llvm::json::parse(text)))), message);
}

TEST(Schedule, IsOrdered) {
  Schedule other = sample;
  other.parameters["stages"] = 5;
  EXPECT_LT(sample, other);
  EXPECT_FALSE(other < sample);
  EXPECT_FALSE(sample < sample);
}
