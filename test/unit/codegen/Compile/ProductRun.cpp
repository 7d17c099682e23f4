//===- ProductRun.cpp - Compile and run one product ----------------------------===//
//
// See ProductRun.h.
//
//===----------------------------------------------------------------------===//
#include "test/unit/codegen/Compile/ProductRun.h"
#include "llvm/ADT/APFloat.h"
#include <cassert>
#include <cmath>
#include <ostream>

using namespace tilewright;

/// Bits of a small integer (or a power of two) in a 16-bit float format.
static uint16_t toHalf(double value, llvm::StringRef dtype) {
  llvm::APFloat number(value);
  bool inexact;
  number.convert(dtype == "f16" ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(),
                 llvm::APFloat::rmNearestTiesToEven, &inexact);
  assert(!inexact && "inputs are exact in 16 bits");
  return number.bitcastToAPInt().getZExtValue();
}

void tilewright::PrintTo(const Case &c, std::ostream *os) {
  *os << c.m << "x" << c.n << "x" << c.k << " " << c.format << " " << c.activation << " group "
      << c.group << (c.zeros ? " zeros" : "") << (c.bias ? " bias" : "") << " on " << c.device
      << (c.schedule ? c.schedule : "");
}

ProductRun::ProductRun(const Case &c, uint64_t seed)
    : c(c), format(format::get(c.format)),
      granularity(llvm::cantFail(format::Granularity::parse(c.group))),
      groups(granularity.getGroups(c.k)), columnGroups(granularity.getColumnGroups(c.n)) {
  drawNumbers(seed);
  store();
}

void ProductRun::drawNumbers(uint64_t seed) {
  std::mt19937_64 random(seed);
  auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  x.resize(c.m * c.k);
  q.resize(c.k * c.n);
  z.resize(groups * columnGroups);
  s.resize(groups * columnGroups);
  bias.resize(c.n);
  for (int64_t &value : x)
    value = draw(-3, 3);
  for (int64_t &value : q)
    value = draw(format.minCode(), format.maxCode());
  for (int64_t &value : z)
    value = c.zeros ? draw(format.minCode(), format.maxCode()) : 0;
  for (double &value : s)
    value = std::ldexp(1.0, draw(-2, 0));
  for (int64_t &value : bias)
    value = draw(-8, 8);
}

/// Brings the numbers into their stored forms and describes them.
void ProductRun::store() {
  std::vector<uint16_t> scaleBits;
  std::vector<uint8_t> codes, zeroCodes;
  for (int64_t value : x)
    xBits.push_back(toHalf(value, c.activation));
  for (int64_t value : bias)
    biasBits.push_back(toHalf(value, c.activation));
  for (double value : s)
    scaleBits.push_back(toHalf(value, c.scale));
  for (int64_t value : q)
    codes.push_back(value + format.storageBias());
  for (int64_t value : z)
    zeroCodes.push_back(value + format.storageBias());
  pack::PackedShape shape{c.k, c.n, format.bits};
  words.resize(shape.getWordCount());
  auto scaleStorage = layout::ScaleStorage::get(granularity, c.k, c.n, 2);
  auto zeroStorage = layout::ScaleStorage::getZeroPoints(granularity, c.k, c.n, format.bits);
  scales.resize(scaleStorage.getElements());
  zeros.resize(zeroStorage.getElements());
  y.assign(c.m * c.n, -1);
  llvm::cantFail(pack::packCodes(shape, {codes.data(), c.n, 1}, words));
  llvm::cantFail(
      pack::packScales<uint16_t>(scaleStorage, {scaleBits.data(), columnGroups, 1}, scales));
  llvm::cantFail(
      pack::packScales<uint8_t>(zeroStorage, {zeroCodes.data(), columnGroups, 1}, zeros));

  auto address = [](auto &data) { return reinterpret_cast<uint64_t>(data.data()); };
  call.x = launch::makeDense(nullptr, address(xBits), c.activation, {c.m, c.k});
  call.y = launch::makeDense(nullptr, address(y), "f32", {c.m, c.n});
  call.weights = {shape,
                  /*batch=*/0,
                  c.format,
                  c.group,
                  launch::makePacked(nullptr, address(words), "u32", words.size() * 4),
                  launch::makePacked(nullptr, address(scales), c.scale, scales.size() * 2),
                  std::nullopt};
  call.weights.zero = c.zeros ? format::Zero::Integer : format::Zero::None;
  if (c.zeros)
    call.weights.zeros = launch::makePacked(nullptr, address(zeros), "u8", zeros.size());
  if (c.bias)
    call.bias = launch::makeDense(nullptr, address(biasBits), c.activation, {c.n});
}

llvm::Error ProductRun::prepare() {
  auto problem = launch::makeProblem(call);
  if (!problem)
    return problem.takeError();
  auto created = emulator::EmulatedDevice::create(c.device);
  if (!created)
    return created.takeError();
  device = std::move(*created);
  compile::Options options;
  options.expectedM = c.m;
  if (c.schedule) {
    auto schedule = schedule::Schedule::parse(c.schedule);
    if (!schedule)
      return schedule.takeError();
    options.schedule = *schedule;
  }
  auto compiled = compile::compile(*problem, device->getModel(), options);
  if (!compiled)
    return compiled.takeError();
  artifact = std::move(*compiled);
  auto loaded =
      launch::Executable::load(device, std::make_shared<launch::Workspaces>(device), artifact);
  if (!loaded)
    return loaded.takeError();
  executable = std::move(*loaded);
  return llvm::Error::success();
}

double ProductRun::getExpected(int64_t row, int64_t column) const {
  double sum = c.bias ? bias[column] : 0;
  for (int64_t i = 0; i < c.k; ++i) {
    int64_t group = granularity.rows ? i / granularity.rows : 0;
    int64_t columnGroup = granularity.columns ? column / granularity.columns : 0;
    int64_t g = group * columnGroups + columnGroup;
    sum += x[row * c.k + i] * (q[i * c.n + column] - z[g]) * s[g];
  }
  return sum;
}
