//===- Machine.cpp - Warps, frames, findings ---------------------------------===//
//
// See Machine.h; blocks and their barriers are in Block.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Machine.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include "runtime/Emulator/Machine/Special.h"
#include <algorithm>
#include <cstring>

using namespace tilewright::emulator;

std::unique_ptr<Launch> Launch::makePart(const Options &partOptions, UndoLog &undo,
                                         const std::atomic<bool> &isAbandoned) const {
  std::unique_ptr<Launch> part(new Launch{program, global, partOptions, model, tensorCore, grid,
                                          blockSize, dynamicSharedBytes, parameters});
  part->counters.resize(counters.size());
  part->worst.resize(worst.size());
  part->landing = landing;
  part->order = order;
  if (races)
    part->races = std::make_unique<RaceChecker>(*part);
  part->start = start;
  part->footprint = std::make_unique<Footprint>(undo);
  part->isAbandoned = &isAbandoned;
  return part;
}

Warp::Warp(Launch &launch, Block &block, unsigned index, uint32_t initialLanes)
    : launch(launch), block(block), index(index), initialLanes(initialLanes), live(initialLanes) {
  // Handlers only read constants.
  banks[0] = nullptr;
  banks[1] = const_cast<uint8_t *>(launch.program.constants.data());
  auto frame = makeFrame(launch.program.getEntry(), nullptr);
  frame->lanes = initialLanes;
  groups.push_back({frame.get(), launch.program.getEntry().firstPc, initialLanes});
  if (launch.races)
    clocks =
        launch.races->order.makeWarp(static_cast<uint32_t>(block.linearIndex), index, initialLanes);
  frames.push_back(std::move(frame));
}

std::unique_ptr<Frame> Warp::makeFrame(const FunctionCode &function, Frame *caller) {
  auto frame = std::make_unique<Frame>();
  frame->function = &function;
  frame->caller = caller;
  if (caller) {
    frame->depth = caller->depth + 1;
    frame->localBase = *std::max_element(caller->localTop.begin(), caller->localTop.end());
  }
  frame->localTop.fill(frame->localBase + function.localBytes);
  if (!growLocal(frame->localBase + function.localBytes))
    return frame;
  size_t bytes = (function.registerBytes + 63) / 64 * 64 + 64;
  // Taint is cleared when the first register is tainted.
  size_t taintBytes = launch.options.checkInitialisation ? function.taintOffset : 0;
  if (!charge(bytes + taintBytes))
    return frame;
  frame->hostBytes = bytes + taintBytes;
  frame->registers.reset(static_cast<uint8_t *>(std::aligned_alloc(64, bytes + taintBytes)));
  if (!frame->registers) {
    report(FindingKind::MemoryBudget, -1,
           "the host has no " + llvm::Twine(bytes) + " bytes for the registers of a warp");
    return frame;
  }
  // Undefined registers hold what no program expects.
  std::memset(frame->registers.get(), 0xcb, bytes);
  for (const SpecialSlot &special : function.specials)
    fillSpecial(*this, special, frame->registers.get());
  if (launch.options.checkInitialisation && function.endUnassigned > function.firstUnassigned)
    taintUnassigned(*this, *frame);
  return frame;
}

bool Warp::charge(uint64_t bytes) {
  launch.hostBytes += bytes;
  block.hostBytes += bytes;
  if (launch.hostBytes <= launch.options.launchMemoryLimit)
    return true;
  report(FindingKind::MemoryBudget, -1,
         "registers, local and shared memory of the resident blocks need " +
             llvm::Twine(launch.hostBytes) + " bytes of the host, above the limit of " +
             llvm::Twine(launch.options.launchMemoryLimit));
  return false;
}

void Warp::discharge(uint64_t bytes) {
  launch.hostBytes -= bytes;
  block.hostBytes -= bytes;
}

bool Warp::growLocal(uint32_t bytes) {
  if (bytes <= localStride)
    return true;
  // Far enough from 2^32 that adding a frame does not overflow.
  uint32_t limit = std::min(launch.options.localBytesPerThread, 1u << 30);
  if (bytes > limit) {
    report(FindingKind::CallDepth, -1,
           "the stack needs " + llvm::Twine(bytes) +
               " bytes of local memory a thread, above the limit of " + llvm::Twine(limit));
    return false;
  }
  uint32_t stride = (std::max(bytes, localStride * 2) + 15) / 16 * 16;
  if (!charge(uint64_t(stride - localStride) * kLanes))
    return false;
  std::vector<uint8_t> grown(size_t(stride) * kLanes, 0xcb);
  for (unsigned lane = 0; lane < kLanes && localStride; ++lane)
    std::memcpy(&grown[size_t(lane) * stride], localAt(lane, 0), localStride);
  local = std::move(grown);
  if (launch.options.checkInitialisation)
    growLocalTaint(*this, localStride, stride);
  localStride = stride;
  return true;
}

Finding Warp::makeFinding(FindingKind kind, int lane, uint32_t atPc) const {
  const Program &program = launch.program;
  const Origin &origin = program.origins[program.code[atPc].origin];
  Finding finding;
  finding.kind = kind;
  finding.kernel = program.kernelName;
  finding.instruction = origin.text;
  finding.location = origin.location;
  finding.source = origin.source;
  finding.sourceFile = program.getFile(origin.source.file);
  finding.inlinedAt = getCallers(program, origin.source);
  finding.block = {block.index.x, block.index.y, block.index.z};
  finding.warp = index;
  finding.lane = lane;
  return finding;
}

void Launch::record(Finding finding, bool stops) {
  isStopped |= stops;
  // One finding an instruction and kind says it all; the rest are echoes.
  for (const Finding &known : findings)
    if (known.kind == finding.kind && known.location.line == finding.location.line &&
        known.location.column == finding.location.column)
      return;
  if (findings.size() < options.maxFindings || stops)
    findings.push_back(std::move(finding));
}

std::string Launch::describe(Space space, uint64_t address) const {
  if (space == Space::Global || space == Space::Const || space == Space::Generic)
    return global.describe(address);
  std::string text;
  if (space == Space::Shared)
    for (const Program::SharedSymbol &symbol : program.sharedSymbols)
      if (address >= symbol.address && (address - symbol.address < symbol.bytes || text.empty()))
        text = symbol.name + " + " + std::to_string(address - symbol.address);
  return text;
}

void Warp::report(FindingKind kind, int lane, const llvm::Twine &message, bool stops) {
  Finding finding = makeFinding(kind, lane, pc);
  finding.message = message.str();
  record(std::move(finding), stops);
}

void Warp::reportAt(FindingKind kind, int lane, const llvm::Twine &message, Space space,
                    uint64_t address, bool stops) {
  Finding finding = makeFindingAt(kind, lane, space, address);
  finding.message = message.str();
  record(std::move(finding), stops);
}

Finding Warp::makeFindingAt(FindingKind kind, int lane, Space space, uint64_t address) const {
  Finding finding = makeFinding(kind, lane, pc);
  finding.hasAddress = true;
  finding.space = space;
  finding.address = address;
  finding.symbol = launch.describe(space, address);
  return finding;
}
