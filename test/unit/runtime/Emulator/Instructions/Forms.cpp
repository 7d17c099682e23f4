//===- Forms.cpp - Every form of an instruction against a model ----------------===//
#include "Forms.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace tilewright;
using namespace tilewright::emulator;

static constexpr unsigned kThreads = 256;

//===----------------------------------------------------------------------===//
// The grammar, as in tools/docs/instruction_table.py
//===----------------------------------------------------------------------===//

static void expand(const std::string &pattern, std::vector<std::string> &to) {
  size_t start = pattern.find('<'), end = start;
  if (start == std::string::npos) {
    to.push_back(pattern);
    return;
  }
  std::vector<std::string> choices(1);
  for (unsigned depth = 0; end < pattern.size(); ++end) {
    char c = pattern[end];
    depth += c == '<';
    depth -= c == '>';
    if (depth == 0)
      break;
    if (depth == 1 && c == '|')
      choices.emplace_back();
    else if (end > start)
      choices.back() += c;
  }
  for (const std::string &choice : choices)
    expand(pattern.substr(0, start) + choice + pattern.substr(end + 1), to);
}

/// "R" becomes "%r3", "R2" "{%r3, %r4}".
static std::string nameRegisters(llvm::StringRef operand, unsigned &next) {
  std::string result;
  for (size_t i = 0; i < operand.size(); ++i) {
    bool starts = i == 0 || !(llvm::isAlnum(operand[i - 1]) || operand[i - 1] == '_' ||
                              operand[i - 1] == '%' || operand[i - 1] == '.');
    size_t end = i + 1;
    unsigned count = 0;
    if (end < operand.size() && llvm::isDigit(operand[end]))
      count = operand[end++] - '0';
    bool ends = end == operand.size() || !(llvm::isAlnum(operand[end]) || operand[end] == '_');
    if (!starts || !ends || !llvm::StringRef("PBHRDQ").contains(operand[i])) {
      result += operand[i];
      continue;
    }
    std::string stem = std::string("%") + llvm::toLower(operand[i]);
    result += count ? "{" : "";
    for (unsigned k = 0; k < std::max(count, 1u); ++k)
      result += (k ? ", " : "") + stem + std::to_string(next++);
    result += count ? "}" : "";
    i = end - 1;
  }
  return result;
}

static Statement takeApart(llvm::StringRef pattern) {
  Statement statement;
  auto [head, operands] = pattern.split(' ');
  llvm::SmallVector<llvm::StringRef> words;
  head.split(words, '.');
  statement.opcode = words[0].str();
  for (llvm::StringRef word : llvm::drop_begin(words))
    statement.modifiers.push_back(word.str());
  unsigned next = 1;
  std::string named = nameRegisters(operands, next);
  statement.text = (head + " " + named + ";").str();
  for (llvm::StringRef rest = named; !rest.empty();) {
    auto [operand, after] = rest.split(", ");
    statement.operands.push_back(operand.str());
    rest = after;
  }
  return statement;
}

std::string Statement::type(unsigned n) const {
  for (const std::string &modifier : modifiers)
    if (parser::parseScalarType(modifier) && n-- == 0)
      return modifier;
  return {};
}

std::vector<Statement> tilewright::emulator::readForms(llvm::StringRef file,
                                                       llvm::StringRef section) {
  std::string path = (TILEWRIGHT_FORMS "/" + file + ".forms").str();
  auto buffer = llvm::MemoryBuffer::getFile(path);
  EXPECT_TRUE(bool(buffer)) << path;
  std::vector<Statement> statements;
  if (!buffer)
    return statements;
  bool isWanted = false;
  llvm::SmallVector<llvm::StringRef> lines;
  (*buffer)->getBuffer().split(lines, '\n');
  for (llvm::StringRef line : lines) {
    if (line.consume_front("## ")) {
      isWanted = line == section;
    } else if (isWanted && line.starts_with("sm_")) {
      std::vector<std::string> patterns;
      expand(line.split(' ').second.str(), patterns);
      for (const std::string &pattern : patterns)
        statements.push_back(takeApart(pattern));
    }
  }
  EXPECT_FALSE(statements.empty()) << "no section '" << section.str() << "' in " << path;
  return statements;
}

//===----------------------------------------------------------------------===//
// Execution
//===----------------------------------------------------------------------===//

/// The registers in an operand such as "%r1|%p2" or "!%p3".
static std::vector<std::string> registersOf(llvm::StringRef operand) {
  std::vector<std::string> result;
  for (size_t at = operand.find('%'); at != llvm::StringRef::npos; at = operand.find('%', at)) {
    size_t end = operand.find_first_not_of("prhbdq0123456789", at + 1);
    result.push_back(operand.slice(at, end).str());
    at = std::min(end, operand.size());
  }
  return result;
}

static std::string loadInto(const std::string &reg, unsigned place) {
  std::string from = "[%in+" + std::to_string(8 * kThreads * place) + "];\n";
  switch (reg[1]) {
  case 'p':
    return "ld.global.b32 %w, " + from + "and.b32 %w, %w, 1; setp.ne.b32 " + reg + ", %w, 0;\n";
  case 'h':
    return "ld.global.b16 " + reg + ", " + from;
  case 'r':
    return "ld.global.b32 " + reg + ", " + from;
  default:
    return "ld.global.b64 " + reg + ", " + from;
  }
}
static std::string storeFrom(const std::string &reg, unsigned place) {
  std::string to = "[%out+" + std::to_string(8 * kThreads * place) + "], ";
  switch (reg[1]) {
  case 'p':
    return "selp.b32 %w, 1, 0, " + reg + "; st.global.b32 " + to + "%w;\n";
  case 'h':
    return "st.global.b16 " + to + reg + ";\n";
  case 'r':
    return "st.global.b32 " + to + reg + ";\n";
  default:
    return "st.global.b64 " + to + reg + ";\n";
  }
}
static uint64_t maskOf(char kind) {
  return kind == 'p' ? 1 : kind == 'h' ? 0xffff : kind == 'r' ? 0xffffffff : ~uint64_t(0);
}

/// The carry flag takes part: it is set before and read after.
static bool usesCarry(const Statement &statement) {
  return statement.has("cc") || llvm::is_contained({"addc", "subc", "madc"}, statement.opcode);
}

static bool checkForm(Snippet &snippet, const Statement &statement, const FormModel &model,
                      llvm::ArrayRef<uint64_t> edges, const FormJudge &judge,
                      std::mt19937_64 &random) {
  SCOPED_TRACE(statement.text);
  Values probe;
  probe.in.resize(16);
  if (!model(statement, probe))
    return false;
  std::vector<std::string> results = registersOf(statement.operands[0]), sources;
  for (const std::string &operand : llvm::drop_begin(statement.operands))
    for (std::string &source : registersOf(operand))
      sources.push_back(std::move(source));
  bool hasCarry = usesCarry(statement);
  std::vector<uint64_t> in(kThreads * (sources.size() + hasCarry));
  for (uint64_t &word : in) {
    word = random() % 2 ? edges[random() % edges.size()] : random() >> (random() % 60);
    if (random() % 4 == 0)
      word = edges[random() % edges.size()] << 32 | edges[random() % edges.size()] << 16 |
             edges[random() % edges.size()];
  }
  Executed::add(llvm::StringRef(statement.text).split(' ').first);
  std::string body = ".reg .b64 %d<20>;\n";
  for (auto [place, source] : llvm::enumerate(sources))
    body += loadInto(source, place);
  if (hasCarry)
    body += "ld.global.b32 %w, [%in+" + std::to_string(8 * kThreads * sources.size()) +
            "]; and.b32 %w, %w, 1; add.cc.u32 %r59, %w, -1;\n";
  body += statement.text + "\n";
  if (statement.has("cc")) {
    body += "addc.u32 %r59, 0, 0;\n";
    results.push_back("%r59");
  }
  for (auto [place, result] : llvm::enumerate(results))
    body += storeFrom(result, place);
  auto out = snippet.run(body, in, kThreads, {}, {}, kThreads * results.size());
  EXPECT_EQ(snippet.error, "");
  if (!snippet.error.empty())
    return true;
  for (unsigned t = 0; t < kThreads; ++t) {
    Values values;
    std::string shown;
    for (auto [place, source] : llvm::enumerate(sources)) {
      values.in.push_back(in[place * kThreads + t] & maskOf(source[1]));
      shown += " " + source + "=0x" + llvm::utohexstr(values.in.back());
    }
    values.carry = hasCarry && in[sources.size() * kThreads + t] & 1;
    values.in.resize(16);
    model(statement, values);
    for (auto [place, result] : llvm::enumerate(results)) {
      uint64_t got = out[place * kThreads + t], expected = values.out[place] & maskOf(result[1]);
      if (got == expected || (judge && judge(statement, got, expected)))
        continue;
      ADD_FAILURE() << shown << " carry=" << values.carry << ": " << result << " is 0x"
                    << llvm::utohexstr(got) << ", the model says 0x" << llvm::utohexstr(expected);
      return true;
    }
  }
  return true;
}

unsigned tilewright::emulator::checkForms(llvm::StringRef file, llvm::StringRef section,
                                          const FormModel &model, llvm::ArrayRef<uint64_t> edges,
                                          const FormJudge &judge) {
  std::mt19937_64 random(20261121);
  Snippet snippet;
  snippet.isRecorded = false; // the loads and stores around the statement
  unsigned count = 0;
  for (const Statement &statement : readForms(file, section))
    count += checkForm(snippet, statement, model, edges, judge, random);
  return count;
}
