//===- Expression.cpp - Grid and workspace sizes as expressions ------------===//
//
// The compiler writes sizes as text, the launcher evaluates them. parse() turns
// the text into a postfix program by recursive descent:
//   "ceildiv(M, 16) * 2"  ->  M 16 ceildiv 2 *
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Artifact/Artifact.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace llvm;

namespace tilewright::artifact {

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

/// Emits the steps of `expression.text`. Each parse function returns an error
/// or has appended the steps that push one value.
class ExpressionParser {
public:
  explicit ExpressionParser(Expression &expression)
      : expression(expression), rest(expression.text) {}

  Error parse() {
    if (Error error = parseSum())
      return error;
    if (!rest.empty())
      return expected("an operator or the end");
    return Error::success();
  }

private:
  using Op = Expression::Op;

  /// Nesting bounds the recursion; no generated expression comes near it.
  static constexpr unsigned maxDepth = 100;

  unsigned getColumn() const { return unsigned(expression.text.size() - rest.size()) + 1; }
  void emit(Op op, unsigned column) { expression.steps.push_back({op, column}); }
  void skipSpace() { rest = rest.ltrim(); }

  Error expected(const Twine &what) const {
    StringRef found = rest.take_front(1);
    return expression.makeError(
        getColumn(), "expects " + what + ", but got " +
                         (found.empty() ? std::string("the end") : "'" + found.str() + "'"));
  }

  Error expectChar(char c) {
    skipSpace();
    if (!rest.consume_front(StringRef(&c, 1)))
      return expected("'" + Twine(c) + "'");
    skipSpace();
    return Error::success();
  }

  /// operand (operator operand)*, left-associative.
  Error parseChain(ArrayRef<std::pair<char, Op>> operators, Error (ExpressionParser::*operand)()) {
    if (Error error = (this->*operand)())
      return error;
    while (true) {
      skipSpace();
      auto found = llvm::find_if(operators, [&](const auto &entry) {
        return rest.starts_with(StringRef(&entry.first, 1));
      });
      if (found == operators.end())
        return Error::success();
      unsigned column = getColumn();
      rest = rest.drop_front();
      if (Error error = (this->*operand)())
        return error;
      emit(found->second, column);
    }
  }

  Error parseSum() {
    return parseChain({{'+', Op::Add}, {'-', Op::Subtract}}, &ExpressionParser::parseProduct);
  }

  Error parseProduct() {
    return parseChain({{'*', Op::Multiply}, {'/', Op::Divide}, {'%', Op::Modulo}},
                      &ExpressionParser::parseUnary);
  }

  Error parseUnary() {
    skipSpace();
    if (++depth > maxDepth)
      return expression.makeError(getColumn(),
                                  "expects at most " + Twine(maxDepth) + " levels of nesting");
    Error error = rest.starts_with("-") ? parseNegation() : parsePrimary();
    --depth;
    return error;
  }

  Error parseNegation() {
    unsigned column = getColumn();
    rest = rest.drop_front();
    skipSpace();
    // A literal takes its sign with it: the smallest integer has no positive.
    if (!rest.empty() && isDigit(rest.front()))
      return parseLiteral("-");
    if (Error error = parseUnary())
      return error;
    emit(Op::Negate, column);
    return Error::success();
  }

  Error parsePrimary() {
    if (rest.empty())
      return expected("a number, a name or '('");
    if (isDigit(rest.front()))
      return parseLiteral("");
    if (isAlpha(rest.front()) || rest.front() == '_')
      return parseName();
    if (!rest.consume_front("("))
      return expected("a number, a name or '('");
    if (Error error = parseSum())
      return error;
    return expectChar(')');
  }

  Error parseLiteral(StringRef sign) {
    unsigned column = getColumn();
    StringRef digits = rest.take_while(isDigit);
    int64_t value = 0;
    std::string literal = (sign + digits).str();
    if (StringRef(literal).getAsInteger(10, value))
      return expression.makeError(column, "expects a 64-bit integer, but got '" + literal + "'");
    rest = rest.drop_front(digits.size());
    expression.steps.push_back({Op::Constant, column, value});
    return Error::success();
  }

  Error parseName() {
    unsigned column = getColumn();
    StringRef name = rest.take_while([](char c) { return isAlnum(c) || c == '_'; });
    rest = rest.drop_front(name.size()).ltrim();
    if (rest.starts_with("("))
      return parseCall(name, column);
    expression.steps.push_back({Op::Name, column, 0, name.str()});
    return Error::success();
  }

  Error parseCall(StringRef function, unsigned column) {
    static constexpr std::pair<StringLiteral, Op> functions[] = {
        {"ceildiv", Op::CeilDiv}, {"min", Op::Min}, {"max", Op::Max}};
    auto found =
        llvm::find_if(functions, [&](const auto &entry) { return entry.first == function; });
    if (found == std::end(functions))
      return expression.makeError(column, "expects ceildiv, min or max before '(', but got '" +
                                              function + "'");
    rest = rest.drop_front();
    if (Error error = parseSum())
      return error;
    if (Error error = expectChar(','))
      return error;
    if (Error error = parseSum())
      return error;
    if (Error error = expectChar(')'))
      return error;
    emit(found->second, column);
    return Error::success();
  }

  Expression &expression;
  StringRef rest;
  unsigned depth = 0;
};

Expression::Expression(int64_t constant)
    : text(std::to_string(constant)), steps({{Op::Constant, 1, constant}}) {}

Expected<Expression> Expression::parse(StringRef text) {
  Expression expression;
  expression.text = text.str();
  expression.steps.clear();
  if (Error error = ExpressionParser(expression).parse())
    return error;
  return expression;
}

Error Expression::makeError(unsigned column, const Twine &message) const {
  std::string shown = text.size() <= 60 ? text : text.substr(0, 60) + "...";
  return text::makeError("expression '" + shown + "', column " + Twine(column) + ": " + message);
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

/// Quotient and remainder rounded towards minus infinity; not for b == 0 nor
/// for the one quotient that overflows.
static int64_t floorDivide(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t floorModulo(int64_t a, int64_t b) {
  int64_t remainder = b == -1 ? 0 : a % b;
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

static int64_t ceilDivide(int64_t a, int64_t b) {
  return a / b + (a % b != 0 && (a < 0) == (b < 0));
}

Expected<int64_t> Expression::combine(const Step &step, int64_t a, int64_t b) const {
  auto overflow = [&] {
    return makeError(step.column, "expects a 64-bit result of " + Twine(a) + " and " + Twine(b));
  };
  int64_t result = 0;
  switch (step.op) {
  case Op::Add:
    if (AddOverflow(a, b, result))
      return overflow();
    return result;
  case Op::Subtract:
    if (SubOverflow(a, b, result))
      return overflow();
    return result;
  case Op::Multiply:
    if (MulOverflow(a, b, result))
      return overflow();
    return result;
  case Op::Min:
    return std::min(a, b);
  case Op::Max:
    return std::max(a, b);
  default:
    break;
  }
  if (b == 0)
    return makeError(step.column, "expects a divisor other than 0");
  if (step.op == Op::Modulo)
    return floorModulo(a, b);
  if (a == INT64_MIN && b == -1)
    return overflow();
  return step.op == Op::CeilDiv ? ceilDivide(a, b) : floorDivide(a, b);
}

Expected<int64_t> Expression::evaluate(const StringMap<int64_t> &values) const {
  SmallVector<int64_t, 8> stack;
  for (const Step &step : steps) {
    if (step.op == Op::Constant) {
      stack.push_back(step.constant);
      continue;
    }
    if (step.op == Op::Name) {
      auto found = values.find(step.name);
      if (found == values.end())
        return makeError(step.column, "expects a value for '" + step.name + "', but there is none");
      stack.push_back(found->second);
      continue;
    }
    if (step.op == Op::Negate) {
      if (SubOverflow(int64_t(0), stack.back(), stack.back()))
        return makeError(step.column, "expects a 64-bit result");
      continue;
    }
    int64_t b = stack.pop_back_val();
    Expected<int64_t> result = combine(step, stack.back(), b);
    if (!result)
      return result.takeError();
    stack.back() = *result;
  }
  return stack.back();
}

} // namespace tilewright::artifact
