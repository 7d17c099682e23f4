//===- Decoder.cpp - From a parsed kernel to a Program ------------------------===//
//
// See Decoder.h. Instructions but those of control flow are decoded by their
// families (Instructions/); this file adds branches and calls and lays the
// blocks of each function out in the order of ControlFlow.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/Decoder.h"
#include "runtime/Emulator/Checkers/Assignment.h"
#include "runtime/Emulator/Execution/ControlFlow.h"
#include "runtime/Emulator/Instructions/Builder.h"
#include "runtime/Emulator/Machine/Limits.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"

using namespace tilewright;
using namespace tilewright::emulator;
using parser::makeError;
using parser::Operand;

namespace {

class Decoder {
public:
  Decoder(ModuleIndex &index, const llvm::StringMap<uint64_t> &symbols)
      : index(index), module(index.module), program(std::make_unique<Program>()),
        builder(module, symbols, *program) {}

  llvm::Expected<std::unique_ptr<Program>> run(const parser::Function &entry);

private:
  llvm::Error decodeFunction(const parser::Function &source, FunctionCode &code);
  llvm::Error decodeControl(FunctionBuilder &function, const parser::Instruction &source,
                            Inst &inst, bool &isControl);
  llvm::Error decodeBranch(FunctionBuilder &function, const parser::Instruction &source,
                           Inst &inst);
  llvm::Error decodeCall(FunctionBuilder &function, const parser::Instruction &source, Inst &inst);
  llvm::Expected<std::vector<Passed>> decodePassed(FunctionBuilder &function, const Operand &list,
                                                   bool isResult);
  llvm::Error layOut(std::vector<Inst> insts, const parser::Function &source, FunctionCode &code);
  llvm::Error decodeIndirectCall(FunctionBuilder &function, InstructionDecoder &decoder,
                                 unsigned callee, unsigned next, CallSite site);
  static llvm::Error connect(CallSite &site, const parser::Function &callee,
                             llvm::ArrayRef<uint32_t> formals, parser::Location location);
  llvm::Error finishCalls();
  uint32_t indexOf(const parser::Function &function);

  ModuleIndex &index;
  const parser::Module &module;
  std::unique_ptr<Program> program;
  ProgramBuilder builder;
  std::vector<const parser::Function *> functions;
  llvm::DenseMap<const parser::Function *, uint32_t> functionIndices;
  std::vector<parser::Location> callLocations; ///< by call site
  /// An indirect call: its lists, and the functions it may reach.
  struct Indirect {
    CallSite site;
    std::vector<const parser::Function *> candidates;
    parser::Location location;
  };
  std::vector<Indirect> indirect; ///< as Program::indirectCalls
};

} // namespace

ModuleIndex::ModuleIndex(const parser::Module &module) : module(module) {
  llvm::StringMap<bool> names;
  auto addVariables = [&](const std::vector<parser::Variable> &variables) {
    for (const parser::Variable &variable : variables)
      for (const parser::Relocation &relocation : variable.relocations)
        names[relocation.symbol] = true;
  };
  addVariables(module.variables);
  for (const parser::Function &function : module.functions) {
    addVariables(function.variables);
    for (const parser::Instruction &instruction : function.body)
      if (instruction.opcode != "call")
        for (const Operand &operand : instruction.operands)
          if (operand.kind == Operand::Kind::Function)
            names[operand.name] = true;
    for (const parser::Prototype &prototype : function.prototypes)
      for (const std::string &target : prototype.targets)
        names[target] = true;
  }
  for (const parser::Function &function : module.functions)
    if (function.hasBody && !function.isEntry && names.contains(function.name))
      addressed.push_back(&function);
  for (const parser::Function &function : module.functions)
    if (const parser::Function *&known = functions[function.name]; !known || function.hasBody)
      known = &function;
}

namespace {

uint32_t Decoder::indexOf(const parser::Function &function) {
  auto [it, isNew] = functionIndices.try_emplace(&function, functions.size());
  if (isNew)
    functions.push_back(&function);
  return it->second;
}

llvm::Expected<std::unique_ptr<Program>> Decoder::run(const parser::Function &entry) {
  program->kernelName = entry.name;
  program->files = module.files;
  program->directives = entry.directives;
  indexOf(entry);
  std::vector<FunctionCode> codes;
  for (size_t i = 0; i < functions.size(); ++i) {
    FunctionCode code;
    if (llvm::Error error = decodeFunction(*functions[i], code))
      return std::move(error);
    codes.push_back(std::move(code));
  }
  program->functions = std::move(codes);
  if (llvm::Error error = finishCalls())
    return std::move(error);
  builder.finishShared();
  program->zeros = builder.constant(16, 0);
  return std::move(program);
}

llvm::Error Decoder::decodeFunction(const parser::Function &source, FunctionCode &code) {
  for (const auto &[place, callers] : source.callers)
    for (const parser::SourcePlace &caller : callers)
      if (auto &known = program->callers[place]; !llvm::is_contained(known, caller))
        known.push_back(caller);
  FunctionBuilder function(builder, source, code);
  if (llvm::Error error = function.checkSizes())
    return error;
  index.numInstructions += source.body.size() + 1;
  if (index.numInstructions > kMaxDecodedInstructions)
    return makeError(source.location, "the module's kernels and what they call have more than " +
                                          llvm::Twine(kMaxDecodedInstructions) + " instructions");
  std::vector<Inst> insts;
  insts.reserve(source.body.size() + 1);
  for (const parser::Instruction &instruction : source.body) {
    Inst inst;
    inst.origin = program->origins.size();
    std::string text = instruction.opcode;
    for (const parser::Modifier &modifier : instruction.modifiers)
      text += "." + modifier.name;
    program->origins.push_back({instruction.location, instruction.source, std::move(text)});
    bool isControl = false;
    if (llvm::Error error = decodeControl(function, instruction, inst, isControl))
      return error;
    if (!isControl)
      if (llvm::Error error = decodeInstruction(function, instruction, inst))
        return error;
    // What has no operands of its own: its guard decides where control goes.
    if (program->taintFacts.size() < program->origins.size()) {
      program->taintFacts.resize(program->origins.size());
      program->taintFacts.back().hasEffect = isControl;
    }
    insts.push_back(inst);
  }
  // Falling off the end returns.
  Inst end;
  end.flow = Flow::Return;
  end.opClass = OpClass::Control;
  end.origin = program->origins.size();
  program->origins.push_back({source.location, {}, "ret"});
  program->taintFacts.resize(program->origins.size());
  insts.push_back(end);
  if (llvm::Error error = function.checkSizes())
    return error;
  if (llvm::Error error = layOut(std::move(insts), source, code))
    return error;
  code.taintOffset = (code.registerBytes + 63) / 64 * 64 + 64;
  findUnassigned(*program, code, function.namedRegisters());
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

llvm::Error Decoder::decodeControl(FunctionBuilder &function, const parser::Instruction &source,
                                   Inst &inst, bool &isControl) {
  llvm::StringRef opcode = source.opcode;
  isControl = true;
  if (opcode == "bra" || opcode == "brx")
    return decodeBranch(function, source, inst);
  if (opcode == "call")
    return decodeCall(function, source, inst);
  isControl = opcode == "ret" || opcode == "exit";
  if (!isControl)
    return llvm::Error::success();
  InstructionDecoder decoder(function, source, inst);
  decoder.take("uni");
  decoder.expectOperands(0);
  inst.flow = opcode == "exit" || function.source.isEntry ? Flow::Exit : Flow::Return;
  inst.opClass = OpClass::Control;
  return decoder.finish();
}

llvm::Error Decoder::decodeBranch(FunctionBuilder &function, const parser::Instruction &source,
                                  Inst &inst) {
  InstructionDecoder decoder(function, source, inst);
  const parser::Function &body = function.source;
  decoder.take("uni");
  inst.opClass = OpClass::Control;
  inst.flow = Flow::Branch;
  if (source.opcode == "bra") {
    if (decoder.expectOperands(1)) {
      const Operand &label = decoder.operand(0);
      if (label.kind == Operand::Kind::Label)
        inst.target = body.labels[label.index].instruction;
      else
        decoder.fail(label.location, "expects a label");
    }
    return decoder.finish();
  }
  if (!decoder.take("idx"))
    decoder.fail("'brx' needs .idx");
  inst.flow = Flow::BranchIndexed;
  if (decoder.expectOperands(2)) {
    inst.a = decoder.read(0, ScalarType::U32);
    const Operand &targets = decoder.operand(1);
    if (targets.kind == Operand::Kind::Targets) {
      index.numBranchTargets += body.branchTargets[targets.index].size();
      if (index.numBranchTargets > kMaxBranchTargets)
        return makeError(targets.location, "the module's brx instructions have more than " +
                                               llvm::Twine(kMaxBranchTargets) + " targets");
      llvm::SmallVector<Slot, 8> places;
      for (uint32_t label : body.branchTargets[targets.index])
        places.push_back(body.labels[label].instruction);
      inst.aux = places.size();
      inst.extra = decoder.addSlots(places);
    } else {
      decoder.fail(targets.location, "expects a list of .branchtargets");
    }
  }
  addTaintFacts(decoder);
  return decoder.finish();
}

llvm::Expected<std::vector<Passed>> Decoder::decodePassed(FunctionBuilder &function,
                                                          const Operand &list, bool isResult) {
  std::vector<Passed> passed;
  for (const Operand &part : list.parts) {
    Passed value;
    if (part.kind == Operand::Kind::Local &&
        function.source.variables[part.index].space == Space::Param) {
      value.caller = function.localOffset(part.index);
      value.bytes = function.source.variables[part.index].bytes;
    } else if (part.kind == Operand::Kind::Register) {
      value.isRegister = true;
      value.caller = function.registerSlot(part.index);
      value.bytes = parser::getBits(function.source.registers[part.index].type) / 8;
    } else if (part.kind == Operand::Kind::Integer && !isResult) {
      // As wide as the parameter, which connect() knows.
      value.isRegister = true;
      value.caller = builder.constant(8, part.value);
      value.bytes = 0;
    } else {
      return makeError(part.location,
                       isResult ? "expects a .param variable or register as result"
                                : "expects a .param variable, register or integer as argument");
    }
    passed.push_back(value);
  }
  return passed;
}

llvm::Error Decoder::decodeCall(FunctionBuilder &function, const parser::Instruction &source,
                                Inst &inst) {
  InstructionDecoder decoder(function, source, inst);
  decoder.take("uni");
  inst.flow = Flow::Call;
  inst.opClass = OpClass::Control;
  inst.aux = program->calls.size();
  CallSite site;
  unsigned next = 0;
  auto takeList = [&](std::vector<Passed> &to, bool isResult) -> llvm::Error {
    if (next >= decoder.numOperands() || decoder.operand(next).kind != Operand::Kind::List)
      return llvm::Error::success();
    auto passed = decodePassed(function, decoder.operand(next++), isResult);
    if (!passed)
      return passed.takeError();
    to = std::move(*passed);
    return llvm::Error::success();
  };
  if (llvm::Error error = takeList(site.results, true))
    return error;
  const unsigned calleeIndex = next++;
  if (llvm::Error error = takeList(site.arguments, false))
    return error;
  if (decoder.operand(calleeIndex).kind == Operand::Kind::Register)
    return decodeIndirectCall(function, decoder, calleeIndex, next, std::move(site));
  const Operand &callee = decoder.operand(calleeIndex);
  if (callee.kind != Operand::Kind::Function)
    return makeError(callee.location.line ? callee.location : source.location,
                     "expects a function or a register with a function's address, but got '" +
                         callee.name + "'");
  if (next < decoder.numOperands())
    decoder.fail(decoder.operand(next).location, "unexpected operand of 'call'");
  const parser::Function *target = index.functions.lookup(callee.name);
  if (callee.name == "vprintf" || callee.name == "__assertfail") {
    site.builtin = callee.name == "vprintf" ? Builtin::Printf : Builtin::AssertFail;
    unsigned arguments = site.builtin == Builtin::Printf ? 2 : 5;
    if (site.arguments.size() != arguments)
      decoder.fail("'" + callee.name + "' takes " + llvm::Twine(arguments) + " arguments");
  } else if (!target || !target->hasBody) {
    return makeError(callee.location, "'" + callee.name + "' is called but has no body");
  } else {
    site.function = indexOf(*target);
  }
  program->calls.push_back(std::move(site));
  callLocations.push_back(source.location);
  return decoder.finish();
}

// call (results), register, (arguments), prototype or list of targets.
llvm::Error Decoder::decodeIndirectCall(FunctionBuilder &function, InstructionDecoder &decoder,
                                        unsigned callee, unsigned next, CallSite site) {
  Inst &inst = decoder.inst;
  inst.flow = Flow::CallIndirect;
  inst.aux = indirect.size();
  inst.a = decoder.read(callee, ScalarType::U64);
  addTaintFacts(decoder);
  Indirect call{std::move(site), {}, decoder.source.location};
  if (next >= decoder.numOperands() || decoder.operand(next).kind != Operand::Kind::Prototype) {
    decoder.fail("an indirect call needs a .callprototype or .calltargets");
    return decoder.finish();
  }
  const Operand &form = decoder.operand(next);
  decoder.expectOperands(next + 1);
  const parser::Prototype &prototype = function.source.prototypes[form.index];
  if (!prototype.isList) {
    parser::Function described;
    described.name = form.name;
    described.parameters = prototype.parameters;
    described.results = prototype.results;
    if (llvm::Error error = connect(call.site, described, {}, call.location))
      return error;
  }
  index.numCallTargets += prototype.isList ? prototype.targets.size() : index.addressed.size();
  if (index.numCallTargets > kMaxCallTargets)
    return makeError(form.location, "the module's indirect calls have more than " +
                                        llvm::Twine(kMaxCallTargets) + " targets");
  if (!prototype.isList)
    call.candidates = index.addressed;
  for (const std::string &name : prototype.targets)
    if (const parser::Function *candidate = index.functions.lookup(name);
        candidate && candidate->hasBody && !candidate->isEntry)
      call.candidates.push_back(candidate);
  for (const parser::Function *candidate : call.candidates)
    indexOf(*candidate);
  indirect.push_back(std::move(call));
  return decoder.finish();
}

/// Gives the values of a call their places in the callee's frame, `formals`, if
/// they are known; fails when the two forms differ.
llvm::Error Decoder::connect(CallSite &site, const parser::Function &callee,
                             llvm::ArrayRef<uint32_t> formals, parser::Location location) {
  auto connectList = [&](std::vector<Passed> &passed, const std::vector<parser::Variable> &list,
                         size_t base, llvm::StringRef what) -> llvm::Error {
    if (passed.size() != list.size())
      return makeError(location, "'" + callee.name + "' has " + llvm::Twine(list.size()) + " " +
                                     what + ", but the call gives " + llvm::Twine(passed.size()));
    for (auto [i, value] : llvm::enumerate(passed)) {
      value.isCalleeRegister = list[i].space == Space::Register;
      if (value.bytes == 0 && list[i].bytes <= 8)
        value.bytes = list[i].bytes;
      bool fits = list[i].bytes == value.bytes && (value.isRegister || !value.isCalleeRegister);
      if (!fits)
        return makeError(location, "value " + llvm::Twine(i + 1) + " of the " + what + " of '" +
                                       callee.name + "' has another form");
      if (!formals.empty())
        value.callee = formals[base + i];
    }
    return llvm::Error::success();
  };
  if (llvm::Error error = connectList(site.arguments, callee.parameters, 0, "parameters"))
    return error;
  return connectList(site.results, callee.results, callee.parameters.size(), "results");
}

// Callees' frames are known once all functions are decoded.
llvm::Error Decoder::finishCalls() {
  for (auto [index, site] : llvm::enumerate(program->calls))
    if (site.builtin == Builtin::None)
      if (llvm::Error error =
              connect(site, *functions[site.function], program->functions[site.function].formals,
                      callLocations[index]))
        return error;
  for (const Indirect &call : indirect) {
    std::vector<CallTarget> targets;
    for (const parser::Function *candidate : call.candidates) {
      CallSite site = call.site;
      site.function = indexOf(*candidate);
      CallTarget target{builder.symbols.lookup(candidate->name), candidate->name};
      llvm::Error error =
          connect(site, *candidate, program->functions[site.function].formals, call.location);
      if (!error) {
        target.call = program->calls.size();
        program->calls.push_back(std::move(site));
      }
      llvm::consumeError(std::move(error));
      targets.push_back(std::move(target));
    }
    program->indirectCalls.push_back(std::move(targets));
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

bool endsBlock(const Inst &inst) {
  return inst.flow == Flow::Branch || inst.flow == Flow::BranchIndexed ||
         inst.flow == Flow::Return || inst.flow == Flow::Exit;
}

llvm::Error Decoder::layOut(std::vector<Inst> insts, const parser::Function &source,
                            FunctionCode &code) {
  uint32_t count = insts.size();
  auto targetsOf = [&](const Inst &inst) -> llvm::ArrayRef<uint32_t> {
    if (inst.flow == Flow::Branch)
      return inst.target;
    if (inst.flow == Flow::BranchIndexed)
      return llvm::ArrayRef<uint32_t>(program->slots).slice(inst.extra, inst.aux);
    return {};
  };
  std::vector<bool> starts(count + 1, false);
  starts[0] = true;
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t target : targetsOf(insts[i]))
      starts[target] = true;
    if (endsBlock(insts[i]))
      starts[i + 1] = true;
  }
  std::vector<uint32_t> first, blockOf(count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    if (starts[i])
      first.push_back(i);
    blockOf[i] = first.size() - 1;
  }
  first.push_back(count);
  Successors successors(first.size() - 1);
  auto fallsThrough = [&](const Inst &last) { return !endsBlock(last) || last.guard != kNoSlot; };
  for (uint32_t block = 0; block + 1 < first.size(); ++block) {
    const Inst &last = insts[first[block + 1] - 1];
    for (uint32_t target : targetsOf(last))
      successors[block].push_back(blockOf[target]);
    if (fallsThrough(last) && first[block + 1] < count)
      successors[block].push_back(block + 1);
  }
  std::vector<uint32_t> order = orderBlocks(successors), place(first.size(), 0);
  if (order.empty())
    return makeError(source.location, "loops of '" + source.name + "' nest deeper than " +
                                          llvm::Twine(kMaxLoopDepth));
  code.firstPc = program->code.size();
  for (auto [position, block] : llvm::enumerate(order)) {
    place[block] = program->code.size();
    for (uint32_t i = first[block]; i < first[block + 1]; ++i)
      program->code.push_back(insts[i]);
    const Inst &last = insts[first[block + 1] - 1];
    bool isNext = position + 1 < order.size() && order[position + 1] == block + 1;
    if (!fallsThrough(last) || isNext)
      continue;
    // The jump that the new order needs; it stands for no instruction.
    Inst jump;
    jump.flow = Flow::Branch;
    jump.opClass = OpClass::Control;
    jump.flags = kLayoutJump;
    jump.target = first[block + 1];
    jump.origin = last.origin;
    program->code.push_back(jump);
  }
  code.endPc = program->code.size();
  for (uint32_t pc = code.firstPc; pc < code.endPc; ++pc) {
    Inst &inst = program->code[pc];
    if (inst.flow == Flow::Branch)
      inst.target = place[blockOf[inst.target]];
    if (inst.flow == Flow::BranchIndexed)
      for (uint32_t k = 0; k < inst.aux; ++k)
        program->slots[inst.extra + k] = place[blockOf[program->slots[inst.extra + k]]];
  }
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::unique_ptr<Program>>
tilewright::emulator::decode(ModuleIndex &index, const parser::Function &entry,
                             const llvm::StringMap<uint64_t> &symbols) {
  return Decoder(index, symbols).run(entry);
}
