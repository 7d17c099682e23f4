//===- Builtins.cpp - vprintf and __assertfail -------------------------------------===//
//
// The two functions of the device's system library that compilers call
// (CUDA C++ programming guide, "Formatted Output", "Assertion"). vprintf takes
// the address of the format and of a buffer with the arguments, each at its
// natural alignment.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/Interpreter.h"
#include "runtime/Emulator/Machine/Access.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr size_t kMaxString = 1 << 16;
/// Of a field's width and precision.
constexpr unsigned kMaxWidth = 4096;

/// One lane's view of generic memory. What the library reads is not the
/// program's traffic, so counters are put back.
class LaneReader {
public:
  LaneReader(Warp &warp, unsigned lane) : warp(warp), lane(lane), saved(warp.counters()) {}
  ~LaneReader() { warp.counters() = saved; }

  bool read(uint64_t address, void *to, uint32_t bytes) {
    Access access;
    access.space = Space::Generic;
    access.bytes = bytes;
    access.alignment = 1;
    access.mask = 1u << lane;
    access.address[lane] = address;
    if (!resolve(warp, access))
      return false;
    std::memcpy(to, access.host[lane], bytes);
    if (warp.taint.hasLoaded)
      reportPrinted(warp, lane);
    return true;
  }
  std::string readString(uint64_t address) {
    std::string text;
    char c = 0;
    while (text.size() < kMaxString && read(address++, &c, 1) && c)
      text += c;
    return text;
  }

private:
  Warp &warp;
  unsigned lane;
  Counters saved;
};

uint64_t argument(Warp &warp, const CallSite &site, const Frame &frame, unsigned index,
                  unsigned lane) {
  const Passed &passed = site.arguments[index];
  uint64_t value = 0;
  unsigned bytes = passed.bytes ? std::min(passed.bytes, 8u) : 8; // 0: a constant
  std::memcpy(&value, locateValue(warp, frame, passed, lane), bytes);
  return value;
}

/// What stands between '%' and the conversion: flags, width, precision. The
/// host's printf must see nothing else: "%n" would write to the host's memory.
bool isPlainSpec(llvm::StringRef spec) {
  spec = spec.ltrim("-+ #0");
  auto [width, precision] = spec.split('.');
  auto isNumber = [](llvm::StringRef digits) {
    unsigned value = 0;
    return digits.empty() || (!digits.getAsInteger(10, value) && value <= kMaxWidth);
  };
  return isNumber(width) && isNumber(precision);
}

/// Formats a text with conversions such as "%-8.3lld"; `cursor` walks the
/// arguments. Stops after `limit` bytes.
class Formatter {
public:
  Formatter(LaneReader &reader, uint64_t buffer, size_t limit)
      : reader(reader), cursor(buffer), limit(limit) {}

  std::string format(llvm::StringRef text) {
    std::string result;
    while (!text.empty() && result.size() < limit) {
      size_t percent = text.find('%');
      result += text.take_front(percent);
      if (percent == llvm::StringRef::npos)
        break;
      text = text.drop_front(percent);
      size_t end = text.find_first_of("diouxXcspfFeEgGaA%", 1);
      if (end == llvm::StringRef::npos)
        return result + text.str();
      result += convert(text.take_front(end + 1));
      text = text.drop_front(end + 1);
    }
    return result;
  }
  unsigned getCount() const { return count; }

private:
  uint64_t take(unsigned bytes) {
    cursor = llvm::alignTo(cursor, bytes);
    uint64_t value = 0;
    reader.read(cursor, &value, bytes);
    cursor += bytes;
    ++count;
    return value;
  }

  // A negative precision counts as none, a negative width as the flag '-'.
  void takeWidth(std::string &flags) {
    int32_t value = static_cast<int32_t>(take(4));
    if (value < 0 && llvm::StringRef(flags).ends_with("."))
      flags.pop_back();
    else
      flags += std::to_string(value);
  }

  // The host's printf formats one checked conversion at a time.
  std::string convert(llvm::StringRef spec) {
    char kind = spec.back();
    if (kind == '%')
      return "%";
    std::string flags;
    unsigned longs = 0;
    for (char c : spec.drop_front().drop_back()) {
      if (c == 'l' || c == 'j' || c == 'z' || c == 't')
        longs += c == 'l' ? 1 : 2;
      else if (c == '*')
        takeWidth(flags);
      else if (c != 'h')
        flags += c;
    }
    if (!isPlainSpec(flags))
      return spec.str();
    char buffer[kMaxWidth + 512]; // the longest double has 309 digits before its point
    auto print = [&](const std::string &host, auto value) {
      int length = std::snprintf(buffer, sizeof buffer, host.c_str(), value);
      return std::string(buffer, std::clamp<int>(length, 0, sizeof buffer - 1));
    };
    std::string head = "%" + flags;
    switch (kind) {
    case 'd':
    case 'i':
      return print(head + "lld", longs ? static_cast<long long>(take(8))
                                       : static_cast<long long>(static_cast<int32_t>(take(4))));
    case 'o':
    case 'u':
    case 'x':
    case 'X':
      return print(head + "ll" + kind, static_cast<unsigned long long>(take(longs ? 8 : 4)));
    case 'c':
      return print(head + "c", static_cast<int>(take(4)));
    case 'p':
      return print(head + "p", reinterpret_cast<void *>(take(8)));
    case 's': {
      std::string text = reader.readString(take(8));
      return flags.empty() ? text : print(head + "s", text.c_str());
    }
    default: {
      uint64_t bits = take(8);
      double value;
      std::memcpy(&value, &bits, sizeof value);
      return print(head + kind, value);
    }
    }
  }

  LaneReader &reader;
  uint64_t cursor;
  const size_t limit;
  unsigned count = 0;
};

/// Appends to the launch's output, up to the limit, and says so when it is reached.
void print(Launch &launch, llvm::StringRef text) {
  size_t room = launch.options.outputBytes - launch.output.size();
  launch.output += text.take_front(room);
  if (text.size() < room)
    return;
  launch.outputIsFull = true;
  launch.output += "\n[further output is dropped: more than " +
                   std::to_string(launch.options.outputBytes) + " bytes]\n";
}

} // namespace

void tilewright::emulator::callBuiltin(Warp &warp, const CallSite &site, const Frame &frame,
                                       uint32_t mask) {
  forEachLane(mask, [&](unsigned lane) {
    if (warp.launch.isStopped)
      return;
    LaneReader reader(warp, lane);
    if (site.builtin == Builtin::AssertFail) {
      std::string message = reader.readString(argument(warp, site, frame, 0, lane));
      std::string file = reader.readString(argument(warp, site, frame, 1, lane));
      uint64_t line = argument(warp, site, frame, 2, lane);
      std::string function = reader.readString(argument(warp, site, frame, 3, lane));
      return warp.report(FindingKind::AssertFailed, lane,
                         "assertion '" + message + "' failed in " + function + " at " + file + ":" +
                             llvm::Twine(line));
    }
    Launch &launch = warp.launch;
    size_t room = launch.outputIsFull ? 0 : launch.options.outputBytes - launch.output.size();
    Formatter formatter(reader, argument(warp, site, frame, 1, lane), room);
    if (!launch.outputIsFull)
      print(launch, formatter.format(reader.readString(argument(warp, site, frame, 0, lane))));
    if (site.results.empty())
      return;
    uint32_t count = formatter.getCount();
    const Passed &result = site.results[0];
    std::memcpy(locateValue(warp, frame, result, lane), &count,
                std::min<uint32_t>(result.bytes, 4));
    noteResult(warp, result, lane);
  });
}
