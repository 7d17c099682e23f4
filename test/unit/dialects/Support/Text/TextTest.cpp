//===- TextTest.cpp - Names in messages and in canonical text --------------===//
#include "dialects/Support/Text/Text.h"

#include "gtest/gtest.h"
#include <map>
#include <random>

using namespace tilewright;

static std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

TEST(UnknownName, ListsThreeNearestByDistanceThenOrder) {
  llvm::Error error =
      text::makeUnknownNameError("fruit", "aple", {"pear", "apple", "maple", "fig"});
  EXPECT_EQ(messageOf(std::move(error)),
            "unknown fruit 'aple'; the nearest are 'apple', 'maple', 'pear'");
}

TEST(UnknownName, IgnoresCase) {
  llvm::Error error = text::makeUnknownNameError("fruit", "FIGS", {"pear", "Fig"});
  EXPECT_EQ(messageOf(std::move(error)), "unknown fruit 'FIGS'; the nearest are 'Fig', 'pear'");
}

TEST(UnknownName, SaysNothingOfNearestWhenNoneAreKnown) {
  EXPECT_EQ(messageOf(text::makeUnknownNameError("fruit", "x", {})), "unknown fruit 'x'");
  EXPECT_EQ(messageOf(text::makeUnknownNameError("fruit", "x", {"fig"})),
            "unknown fruit 'x'; the nearest is 'fig'");
}

TEST(QuoteName, LeavesPlainNamesBare) {
  EXPECT_EQ(text::quoteName("quant_matmul"), "quant_matmul");
  EXPECT_EQ(text::quoteName("a100-80gb.v2"), "a100-80gb.v2");
}

TEST(QuoteName, QuotesAndEscapesTheRest) {
  EXPECT_EQ(text::quoteName(""), "\"\"");
  EXPECT_EQ(text::quoteName("a b"), "\"a b\"");
  EXPECT_EQ(text::quoteName("a\"\\\n\xff"), "\"a\\\"\\\\\\x0a\\xff\"");
}

TEST(QuoteName, IsInjectiveAndReadBack) {
  constexpr unsigned seed = 20240611;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string alphabet("ab\"\\x0=,;}\n\x00\xff ", 14);
  std::map<std::string, std::string> nameOfText;
  for (int i = 0; i < 20000; ++i) {
    std::string name(random() % 5, ' ');
    for (char &c : name)
      c = alphabet[random() % alphabet.size()];
    std::string quoted = text::quoteName(name);
    auto [entry, isNew] = nameOfText.insert({quoted, name});
    ASSERT_EQ(entry->second, name) << "two names share the text " << quoted;

    std::string stream = quoted + ", rest";
    llvm::StringRef rest = stream;
    llvm::Expected<std::string> back = text::consumeName(rest);
    ASSERT_TRUE(bool(back)) << messageOf(back.takeError());
    ASSERT_EQ(*back, name);
    ASSERT_EQ(rest, ", rest");
  }
}

TEST(ConsumeName, RefusesWhatIsNoName) {
  const std::pair<const char *, const char *> cases[] = {
      {"", "expects a name, but got ''"},
      {"=x", "expects a name, but got '=x'"},
      {"\"ab", "expects a closing quote after '\"ab'"},
      {"\"a\\n\"", "expects '\\\"', '\\\\' or '\\x', but got '\\n'"},
      {"\"a\\x4\"", "expects two hexadecimal digits after '\\x', but got '4\"'"},
      {"\"a\\", "expects '\\\"', '\\\\' or '\\x', but got '\\'"},
  };
  for (auto [input, message] : cases) {
    llvm::StringRef rest = input;
    llvm::Expected<std::string> name = text::consumeName(rest);
    ASSERT_FALSE(bool(name)) << input;
    EXPECT_EQ(messageOf(name.takeError()), message);
    EXPECT_EQ(rest, input) << "a failure must not advance";
  }
}
