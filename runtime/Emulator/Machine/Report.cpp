//===- Report.cpp - Sums and JSON of counters and findings ------------------===//
//
// See Report.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Report.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::emulator;
using llvm::json::Object;

llvm::StringRef tilewright::emulator::getName(OpClass opClass) {
  constexpr llvm::StringLiteral names[] = {"integer", "float",     "half",    "double",  "convert",
                                           "move",    "predicate", "special", "control", "load",
                                           "store",   "atomic",    "async",   "barrier", "shuffle",
                                           "matrix",  "other"};
  static_assert(std::size(names) == kNumOpClasses);
  return names[static_cast<unsigned>(opClass)];
}

llvm::StringRef tilewright::emulator::getName(FindingKind kind) {
  constexpr llvm::StringLiteral names[] = {"out-of-bounds",
                                           "misaligned",
                                           "read-only-write",
                                           "wrong-space",
                                           "async-read-early",
                                           "async-write-race",
                                           "async-source-overwritten",
                                           "race",
                                           "uninitialised",
                                           "barrier-misuse",
                                           "deadlock",
                                           "warp-sync",
                                           "trap",
                                           "assert",
                                           "call-depth",
                                           "instruction-budget",
                                           "time-budget",
                                           "memory-budget",
                                           "invalid-operand"};
  static_assert(std::size(names) == static_cast<unsigned>(FindingKind::InvalidOperand) + 1);
  return names[static_cast<unsigned>(kind)];
}

void Counters::add(const Counters &other) {
  issues += other.issues;
  activeLanes += other.activeLanes;
  sharedAccesses += other.sharedAccesses;
  sharedWavefronts += other.sharedWavefronts;
  sharedIdealWavefronts += other.sharedIdealWavefronts;
  globalRequests += other.globalRequests;
  globalSectors += other.globalSectors;
  globalSectorsNeeded += other.globalSectorsNeeded;
  globalLoadBytes += other.globalLoadBytes;
  globalStoreBytes += other.globalStoreBytes;
  sharedLoadBytes += other.sharedLoadBytes;
  sharedStoreBytes += other.sharedStoreBytes;
  localBytes += other.localBytes;
  asyncBytes += other.asyncBytes;
  matrixOperations += other.matrixOperations;
  barrierWaits += other.barrierWaits;
  asyncWaits += other.asyncWaits;
  asyncInFlightMin = std::min(asyncInFlightMin, other.asyncInFlightMin);
  asyncInFlightMax = std::max(asyncInFlightMax, other.asyncInFlightMax);
}

Object Counters::toJSON() const {
  Object object{{"issues", issues}, {"activeLanes", activeLanes}};
  // Zero says nothing about an instruction of another kind: leave it out.
  auto put = [&](llvm::StringRef name, uint64_t value) {
    if (value)
      object[name] = value;
  };
  put("sharedAccesses", sharedAccesses);
  put("sharedWavefronts", sharedWavefronts);
  put("sharedIdealWavefronts", sharedIdealWavefronts);
  put("globalRequests", globalRequests);
  put("globalSectors", globalSectors);
  put("globalSectorsNeeded", globalSectorsNeeded);
  put("globalLoadBytes", globalLoadBytes);
  put("globalStoreBytes", globalStoreBytes);
  put("sharedLoadBytes", sharedLoadBytes);
  put("sharedStoreBytes", sharedStoreBytes);
  put("localBytes", localBytes);
  put("asyncBytes", asyncBytes);
  put("matrixOperations", matrixOperations);
  put("barrierWaits", barrierWaits);
  if (asyncWaits) {
    object["asyncWaits"] = asyncWaits;
    object["asyncInFlightMin"] = asyncInFlightMin;
    object["asyncInFlightMax"] = asyncInFlightMax;
  }
  return object;
}

std::vector<CallerLine> tilewright::emulator::getCallers(const Program &program,
                                                         const parser::SourceLine &source) {
  std::vector<CallerLine> lines;
  std::vector<parser::SourcePlace> next = {source.inlinedAt}, seen = {source};
  while (next.size() == 1 && next.front().line) {
    parser::SourcePlace place = next.front();
    lines.push_back({program.getFile(place.file), place});
    seen.push_back(place);
    auto callers = program.callers.find(place);
    next = callers == program.callers.end() ? std::vector<parser::SourcePlace>() : callers->second;
    // Recursive templates are inlined at themselves.
    llvm::erase_if(next, [&](const auto &caller) { return llvm::is_contained(seen, caller); });
  }
  if (next.size() > 1)
    for (const parser::SourcePlace &place : next)
      lines.push_back({program.getFile(place.file), place, /*isOneOfSeveral=*/true});
  return lines;
}

// " (kernel.cu:12)", or nothing without a source line.
static void printSource(llvm::raw_ostream &out, const parser::SourceLine &source,
                        llvm::StringRef file) {
  if (source.line)
    out << " (" << (file.empty() ? "source" : file) << ":" << source.line << ")";
}

static void printThread(llvm::raw_ostream &out, const std::array<uint32_t, 3> &block, uint32_t warp,
                        int lane) {
  out << "block (" << block[0] << "," << block[1] << "," << block[2] << "), warp " << warp;
  if (lane >= 0)
    out << ", lane " << lane;
}

std::string Finding::toString() const {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << getName(kind) << ": " << message;
  if (hasAddress) {
    out << " at " << parser::getName(space) << " address 0x";
    out.write_hex(address);
    if (!symbol.empty())
      out << " (" << symbol << ")";
  }
  out << " in kernel '" << kernel << "'";
  if (location.line) {
    out << ", ptx line " << location.line << " '" << instruction << "'";
    printSource(out, source, sourceFile);
  }
  out << ", ";
  printThread(out, block, warp, lane);
  if (other) {
    out << "; " << other->what << " ptx line " << other->location.line << " '" << other->instruction
        << "'";
    printSource(out, other->source, other->sourceFile);
    out << ", ";
    printThread(out, other->block, other->warp, other->lane);
  }
  if (!remedy.empty())
    out << "; " << remedy;
  return text;
}

// The place of an access, alike for both parties.
template <typename T> static Object placeOf(const T &party) {
  Object object{{"instruction", party.instruction},
                {"ptxLine", party.location.line},
                {"ptxColumn", party.location.column},
                {"block", llvm::json::Array{party.block[0], party.block[1], party.block[2]}},
                {"warp", party.warp}};
  if (party.lane >= 0)
    object["lane"] = party.lane;
  auto place = [](llvm::StringRef file, const parser::SourcePlace &place) {
    return Object{{"file", file}, {"line", place.line}, {"column", place.column}};
  };
  if (party.source.line)
    object["source"] = place(party.sourceFile, party.source);
  llvm::json::Array callers;
  for (const CallerLine &caller : party.inlinedAt) {
    callers.push_back(place(caller.file, caller.place));
    if (caller.isOneOfSeveral)
      callers.back().getAsObject()->insert({"isOneOfSeveral", true});
  }
  if (!callers.empty())
    object["inlinedAt"] = std::move(callers);
  return object;
}

Object Party::toJSON() const {
  Object object = placeOf(*this);
  object["what"] = what;
  return object;
}

Object Finding::toJSON() const {
  Object object = placeOf(*this);
  object["kind"] = getName(kind);
  object["message"] = message;
  object["kernel"] = kernel;
  object["text"] = toString();
  if (hasAddress) {
    object["space"] = parser::getName(space);
    object["address"] = address;
    object["symbol"] = symbol;
  }
  if (other)
    object["other"] = other->toJSON();
  if (!remedy.empty())
    object["remedy"] = remedy;
  return object;
}

Object WorstAccess::toJSON() const {
  llvm::json::Array addresses;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    addresses.push_back(mask >> lane & 1 ? llvm::json::Value(address[lane])
                                         : llvm::json::Value(nullptr));
  return Object{{"space", parser::getName(space)},
                {"block", llvm::json::Array{block[0], block[1], block[2]}},
                {"warp", warp},
                {"bytes", bytes},
                {"cost", cost},
                {"ideal", ideal},
                {"addresses", std::move(addresses)}};
}

static llvm::json::Array toJSON(llvm::ArrayRef<CounterLine> lines) {
  llvm::json::Array array;
  for (const CounterLine &line : lines) {
    Object object{{"class", getName(line.opClass)}, {"counters", line.counters.toJSON()}};
    if (line.location.line) {
      object["ptxLine"] = line.location.line;
      object["instruction"] = line.text;
    } else {
      object.erase("class");
    }
    if (line.source.line) {
      object["file"] = line.sourceFile;
      object["sourceLine"] = line.source.line;
    }
    if (line.worst)
      object["worstAccess"] = line.worst->toJSON();
    array.push_back(std::move(object));
  }
  return array;
}

Object Report::toJSON() const {
  Object classes;
  for (unsigned i = 0; i < kNumOpClasses; ++i)
    classes[getName(static_cast<OpClass>(i))] = issuesByClass[i];
  llvm::json::Array found;
  for (const Finding &finding : findings)
    found.push_back(finding.toJSON());
  llvm::json::Array noted;
  for (const std::string &note : notes)
    noted.push_back(note);
  return Object{{"kernel", kernel},
                {"blocks", blocks},
                {"warps", warps},
                {"total", total.toJSON()},
                {"issuesByClass", std::move(classes)},
                {"lines", ::toJSON(lines)},
                {"sourceLines", ::toJSON(sourceLines)},
                {"findings", std::move(found)},
                {"notes", std::move(noted)},
                {"output", output}};
}
