//===- ExpressionTest.cpp - Size expressions -------------------------------===//
//
// Compares the postfix program with an evaluation of random expression trees
// in 128 bits that shares no code with it.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Artifact/Artifact.h"

#include "gtest/gtest.h"
#include <random>

using namespace tilewright;
using artifact::Expression;

static llvm::StringMap<int64_t> makeValues() {
  llvm::StringMap<int64_t> values;
  values["M"] = 17;
  values["N"] = 1024;
  values["sm_count"] = 108;
  values["zero"] = 0;
  values["least"] = INT64_MIN;
  return values;
}

/// The value as text, or the message of the error.
static std::string evaluate(llvm::StringRef text) {
  llvm::Expected<Expression> expression = Expression::parse(text);
  if (!expression)
    return llvm::toString(expression.takeError());
  EXPECT_EQ(expression->str(), text);
  llvm::Expected<int64_t> value = expression->evaluate(makeValues());
  return value ? std::to_string(*value) : llvm::toString(value.takeError());
}

TEST(Expression, Values) {
  const std::pair<const char *, const char *> cases[] = {
      {"7", "7"},
      {"M", "17"},
      {" ( M ) ", "17"},
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"10 - 3 - 2", "5"},
      {"100 / 10 / 2", "5"},
      {"100 / (10 / 2)", "20"},
      {"17 % 5 * 2", "4"},
      {"ceildiv(M, 16) * ceildiv(N, 64)", "32"},
      {"min(sm_count, ceildiv(M * N, 128))", "108"},
      {"max(M, N) - min(M, N)", "1007"},
      {"ceildiv (M, 16)", "2"},
      {"-7 / 2", "-4"},
      {"7 / -2", "-4"},
      {"-7 / -2", "3"},
      {"-7 % 2", "1"},
      {"7 % -2", "-1"},
      {"-7 % -2", "-1"},
      {"ceildiv(-7, 2)", "-3"},
      {"ceildiv(7, -2)", "-3"},
      {"ceildiv(-7, -2)", "4"},
      {"- -5", "5"},
      {"-(2 + 3)", "-5"},
      {"-M", "-17"},
      {"2--3", "5"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"least % -1", "0"},
      {"min(least, 0)", "-9223372036854775808"},
  };
  for (auto [text, value] : cases)
    EXPECT_EQ(evaluate(text), value) << text;
}

TEST(Expression, ErrorsNameTheColumn) {
  const std::pair<const char *, const char *> cases[] = {
      {"", "column 1: expects a number, a name or '(', but got the end"},
      {"a +", "column 4: expects a number, a name or '(', but got the end"},
      {"a + * b", "column 5: expects a number, a name or '(', but got '*'"},
      {"(a + b", "column 7: expects ')', but got the end"},
      {"a b", "column 3: expects an operator or the end, but got 'b'"},
      {"a)", "column 2: expects an operator or the end, but got ')'"},
      {"12a", "column 3: expects an operator or the end, but got 'a'"},
      {"f(a, b)", "column 1: expects ceildiv, min or max before '(', but got 'f'"},
      {"min(a)", "column 6: expects ',', but got ')'"},
      {"min(a, b, c)", "column 9: expects ')', but got ','"},
      {"min()", "column 5: expects a number, a name or '(', but got ')'"},
      {"M + K", "column 5: expects a value for 'K', but there is none"},
      {"min + 1", "column 1: expects a value for 'min', but there is none"},
      {"9223372036854775808", "column 1: expects a 64-bit integer, but got '9223372036854775808'"},
      {"1 - 9223372036854775809",
       "column 5: expects a 64-bit integer, but got '9223372036854775809'"},
      {"N / zero", "column 3: expects a divisor other than 0"},
      {"N % zero", "column 3: expects a divisor other than 0"},
      {"ceildiv(N, zero)", "column 1: expects a divisor other than 0"},
      {"least / -1", "column 7: expects a 64-bit result of -9223372036854775808 and -1"},
      {"ceildiv(least, -1)", "column 1: expects a 64-bit result of -9223372036854775808 and -1"},
      {"-least", "column 1: expects a 64-bit result"},
      {"least - 1", "column 7: expects a 64-bit result of -9223372036854775808 and 1"},
      {"9223372036854775807 + 1",
       "column 21: expects a 64-bit result of 9223372036854775807 and 1"},
      {"4294967296 * 4294967296",
       "column 12: expects a 64-bit result of 4294967296 and 4294967296"},
      {"a ? b", "column 3: expects an operator or the end, but got '?'"},
  };
  for (auto [text, message] : cases)
    EXPECT_EQ(evaluate(text), "expression '" + std::string(text) + "', " + message);
}

TEST(Expression, DefaultsAndConstants) {
  EXPECT_EQ(Expression().str(), "1");
  EXPECT_EQ(llvm::cantFail(Expression().evaluate({})), 1);
  for (int64_t constant : {int64_t(0), int64_t(42), int64_t(-5), INT64_MIN, INT64_MAX}) {
    Expression expression(constant);
    EXPECT_EQ(llvm::cantFail(expression.evaluate({})), constant);
    // The text says the same.
    EXPECT_EQ(llvm::cantFail(llvm::cantFail(Expression::parse(expression.str())).evaluate({})),
              constant);
  }
  EXPECT_TRUE(Expression(3) == llvm::cantFail(Expression::parse("3")));
  EXPECT_FALSE(Expression(3) == Expression(4));
}

TEST(Expression, NestingIsBoundedAndLengthIsNot) {
  auto nest = [](unsigned depth, const char *open, const char *close) {
    std::string text;
    for (unsigned i = 0; i < depth; ++i)
      text += open;
    text += "1";
    for (unsigned i = 0; i < depth; ++i)
      text += close;
    return text;
  };
  EXPECT_EQ(evaluate(nest(90, "(", ")")), "1");
  EXPECT_EQ(evaluate(nest(90, "- ", "")), "1");
  for (const char *open : {"(", "- ", "min(1,"}) {
    std::string message = evaluate(nest(1000000, open, ")"));
    EXPECT_NE(message.find("expects at most 100 levels of nesting"), std::string::npos) << message;
    EXPECT_LT(message.size(), 200u);
  }
  std::string sum = "0";
  for (int i = 0; i < 100000; ++i)
    sum += "+1";
  EXPECT_EQ(evaluate(sum), "100000");
}

//===----------------------------------------------------------------------===//
// Random expressions
//===----------------------------------------------------------------------===//

namespace {

/// A random expression: its text, and its value where it has one.
struct Random {
  std::string text;
  std::optional<int64_t> value;
};

std::optional<int64_t> narrow(__int128 value) {
  if (value < INT64_MIN || value > INT64_MAX)
    return std::nullopt;
  return int64_t(value);
}

/// floor(a / b) by way of a remainder that has the sign of b.
__int128 floorOf(__int128 a, __int128 b) { return (a - ((a % b) + b) % b) / b; }

class Generator {
public:
  explicit Generator(unsigned seed) : random(seed) {}

  Random make(unsigned depth) {
    if (depth == 0 || random() % 4 == 0)
      return makeLeaf();
    if (random() % 6 == 0) {
      Random a = make(depth - 1);
      return {"-(" + a.text + ")", a.value ? narrow(-__int128(*a.value)) : std::nullopt};
    }
    static const char *const names[] = {"+", "-", "*", "/", "%", "ceildiv", "min", "max"};
    unsigned which = random() % 8;
    Random a = make(depth - 1), b = make(depth - 1);
    std::string space = random() % 2 ? " " : "";
    std::string text = which < 5
                           ? "(" + a.text + ")" + space + names[which] + space + "(" + b.text + ")"
                           : names[which] + ("(" + a.text) + "," + space + b.text + ")";
    if (!a.value || !b.value)
      return {text, std::nullopt};
    return {text, combine(which, *a.value, *b.value)};
  }

private:
  static std::optional<int64_t> combine(unsigned which, __int128 a, __int128 b) {
    if (which >= 3 && which <= 5 && b == 0)
      return std::nullopt;
    switch (which) {
    case 0:
      return narrow(a + b);
    case 1:
      return narrow(a - b);
    case 2:
      return narrow(a * b);
    case 3:
      return narrow(floorOf(a, b));
    case 4:
      return narrow(((a % b) + b) % b);
    case 5:
      return narrow(-floorOf(-a, b));
    case 6:
      return narrow(a < b ? a : b);
    default:
      return narrow(a > b ? a : b);
    }
  }

  Random makeLeaf() {
    llvm::StringMap<int64_t> values = makeValues();
    static const char *const names[] = {"M", "N", "sm_count", "zero", "least"};
    if (random() % 2) {
      const char *name = names[random() % 5];
      return {name, values[name]};
    }
    int64_t literal = int64_t(random() % 20);
    if (random() % 8 == 0)
      literal = INT64_MAX - literal;
    return {std::to_string(literal), literal};
  }

  std::mt19937_64 random;
};

} // namespace

TEST(Expression, RandomTreesAgreeWithAnIndependentEvaluation) {
  constexpr unsigned seed = 5150;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator(seed);
  llvm::StringMap<int64_t> values = makeValues();
  unsigned withValue = 0, without = 0;
  for (int i = 0; i < 20000; ++i) {
    Random expected = generator.make(5);
    llvm::Expected<Expression> expression = Expression::parse(expected.text);
    ASSERT_TRUE(bool(expression)) << llvm::toString(expression.takeError());
    llvm::Expected<int64_t> value = expression->evaluate(values);
    ASSERT_EQ(bool(value), expected.value.has_value()) << expected.text;
    if (!value) {
      ++without;
      llvm::consumeError(value.takeError());
      continue;
    }
    ++withValue;
    ASSERT_EQ(*value, *expected.value) << expected.text;
  }
  EXPECT_GT(withValue, 5000u);
  EXPECT_GT(without, 1000u);
}

TEST(Expression, RandomTextNeverCrashes) {
  constexpr unsigned seed = 99;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string alphabet("M19+-*/%(),  min\xff\0", 18);
  unsigned parsed = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string text(random() % 12, ' ');
    for (char &c : text)
      c = alphabet[random() % alphabet.size()];
    llvm::Expected<Expression> expression = Expression::parse(text);
    if (!expression) {
      llvm::consumeError(expression.takeError());
      continue;
    }
    ++parsed;
    llvm::Expected<int64_t> value = expression->evaluate(makeValues());
    if (!value)
      llvm::consumeError(value.takeError());
  }
  EXPECT_GT(parsed, 1000u);
}
