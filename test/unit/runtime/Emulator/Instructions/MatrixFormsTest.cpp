//===- MatrixFormsTest.cpp - All forms of mma --------------------------------------===//
//
// Each form multiplies small whole numbers, whose sums are exact in every
// arithmetic. Elements are placed in registers as the figures of the PTX ISA
// ("Matrix Fragments for mma") place them.
//
//===----------------------------------------------------------------------===//
#include "Forms.h"
#include <bit>
#include <cmath>

using namespace tilewright::emulator;

namespace {

using u64 = uint64_t;

/// A whole number as an element.
u64 encode(int value, const std::string &type) {
  if (type == "f64")
    return std::bit_cast<u64>(double(value));
  u64 single = std::bit_cast<uint32_t>(float(value));
  if (type == "f32" || type == "tf32")
    return single;
  if (type == "bf16")
    return single >> 16;
  if (type[0] != 'f' && type[0] != 'e')
    return uint32_t(value);
  if (value == 0)
    return 0;
  // Sign, exponent and mantissa of f16, e4m3 or e5m2.
  int exponent = std::ilogb(std::abs(value));
  unsigned mantissaBits = type == "f16" ? 10 : type == "e4m3" ? 3 : 2;
  unsigned bias = type == "e4m3" ? 7 : 15, bits = type == "f16" ? 16 : 8;
  u64 mantissa = (u64(std::abs(value)) << mantissaBits >> exponent) & ((1u << mantissaBits) - 1);
  return (value < 0 ? u64(1) << (bits - 1) : 0) | u64(exponent + bias) << mantissaBits | mantissa;
}
unsigned bitsOf(const std::string &type) {
  return type == "bf16" ? 16 : type == "tf32" ? 32 : type[0] == 'e' ? 8 : std::stoi(type.substr(1));
}

struct Product {
  unsigned m = 0, n = 0, k = 0;
  std::string d, a, b, c;
  bool isXor, isBinary;
  explicit Product(const Statement &s)
      : d(s.type(0)), a(s.type(1)), b(s.type(2)), c(s.type(3)), isXor(s.has("xor")),
        isBinary(a == "b1") {
    for (const std::string &modifier : s.modifiers)
      if (std::sscanf(modifier.c_str(), "m%un%uk%u", &m, &n, &k) == 3)
        break;
  }
};

/// Registers of all lanes for one matrix.
struct Fragment {
  unsigned bits, registerBits, count;
  std::vector<std::vector<u64>> words; ///< by lane and register
  Fragment(unsigned elements, unsigned bits)
      : bits(bits), registerBits(bits == 64 ? 64 : 32), count(elements * bits / registerBits / 32),
        words(32, std::vector<u64>(count, 0)) {}
  unsigned perRegister() const { return registerBits / bits; }
  void put(unsigned lane, unsigned index, u64 value) {
    u64 mask = bits == 64 ? ~u64(0) : (u64(1) << bits) - 1;
    words[lane][index / perRegister()] |= (value & mask) << (index % perRegister() * bits);
  }
};

struct Fragments {
  Fragment a, b, c, d;
};

Fragments makeFragments(const Product &p, std::mt19937 &random) {
  auto matrix = [&](unsigned elements, const std::string &type) {
    int least = type[0] == 'u' || type == "b1" ? 0 : -3, most = type == "b1" ? 1 : 3;
    std::vector<int> values(elements);
    for (int &value : values)
      value = least + int(random() % (most - least + 1));
    return values;
  };
  std::vector<int> a = matrix(p.m * p.k, p.a), b = matrix(p.k * p.n, p.b),
                   c = matrix(p.m * p.n, p.c);
  Fragments f{{p.m * p.k, bitsOf(p.a)},
              {p.k * p.n, bitsOf(p.b)},
              {p.m * p.n, bitsOf(p.c)},
              {p.m * p.n, bitsOf(p.d)}};
  unsigned per = f.a.perRegister(), rowBlocks = p.m / 8;
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned group = lane / 4, thread = lane % 4;
    for (unsigned i = 0; i < f.a.count * per; ++i) {
      unsigned reg = i / per, row = group + 8 * (reg % rowBlocks);
      unsigned column = thread * per + i % per + 4 * per * (reg / rowBlocks);
      f.a.put(lane, i, encode(a[row * p.k + column], p.a));
    }
    for (unsigned i = 0; i < f.b.count * per; ++i) {
      unsigned row = thread * per + i % per + 4 * per * (i / per);
      f.b.put(lane, i, encode(b[row * p.n + group], p.b));
    }
    for (unsigned i = 0; i < p.m * p.n / 32; ++i) {
      unsigned row = group + 8 * (i / 2), column = 2 * thread + i % 2;
      int sum = c[row * p.n + column];
      f.c.put(lane, i, encode(sum, p.c));
      for (unsigned k = 0; k < p.k; ++k) {
        int x = a[row * p.k + k], y = b[k * p.n + column];
        sum += p.isXor ? x ^ y : x * y;
      }
      f.d.put(lane, i, encode(sum, p.d));
    }
  }
  return f;
}

void check(Snippet &snippet, const Statement &statement, std::mt19937 &random) {
  SCOPED_TRACE(statement.text);
  Fragments f = makeFragments(Product(statement), random);
  std::vector<u64> in;
  for (unsigned lane = 0; lane < 32; ++lane)
    for (const Fragment *fragment : {&f.a, &f.b, &f.c})
      in.insert(in.end(), fragment->words[lane].begin(), fragment->words[lane].end());
  unsigned words = f.a.count + f.b.count + f.c.count;
  std::string body = ".reg .b64 %d<60>, %from, %to; .reg .b32 %n;\n"
                     "ld.param.u64 %from, [in]; ld.param.u64 %to, [out];\n"
                     "mad.wide.u32 %from, %t, " +
                     std::to_string(8 * words) + ", %from;\nmad.wide.u32 %to, %t, " +
                     std::to_string(8 * f.d.count) + ", %to;\n";
  auto name = [](unsigned number, unsigned bits) {
    return (bits == 64 ? "%d" : "%r") + std::to_string(number);
  };
  // The statement's registers are numbered in order: d, a, b, c.
  unsigned number = f.d.count + 1, place = 0;
  for (const Fragment *fragment : {&f.a, &f.b, &f.c})
    for (unsigned i = 0; i < fragment->count; ++i)
      body += "ld.global.b" + std::to_string(fragment->registerBits) + " " +
              name(number++, fragment->registerBits) + ", [%from+" + std::to_string(8 * place++) +
              "];\n";
  body += statement.text + "\n";
  for (unsigned i = 0; i < f.d.count; ++i)
    body += "st.global.b" + std::to_string(f.d.registerBits) + " [%to+" + std::to_string(8 * i) +
            "], " + name(i + 1, f.d.registerBits) + ";\n";
  auto out = snippet.run(body, in, 32, {}, {}, 32 * f.d.count);
  ASSERT_EQ(snippet.error, "");
  Executed::add(llvm::StringRef(statement.text).split(' ').first);
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < f.d.count; ++i)
      ASSERT_EQ(out[lane * f.d.count + i], f.d.words[lane][i])
          << "lane " << lane << " register " << i;
}

TEST(MatrixForms, MultiplyWholeNumbersOnEveryGeneration) {
  std::mt19937 random(4);
  for (const char *model : {"t4", "a100", "l4", "h200"}) {
    SCOPED_TRACE(model);
    Snippet snippet(model);
    snippet.isRecorded = false;
    unsigned count = 0;
    for (const Statement &statement : readForms("matrix", "Matrices")) {
      bool isSparse = statement.has("sp") || statement.has("sp::ordered_metadata");
      bool isVolta = statement.has("m8n8k4") && !statement.has("f64");
      if (statement.opcode != "mma" || isSparse || isVolta)
        continue;
      check(snippet, statement, random);
      if (testing::Test::HasFatalFailure())
        return;
      ++count;
    }
    EXPECT_EQ(count, 82u);
  }
}

} // namespace
