//===- Main.cpp - tw-forms: does the emulated device know this instruction? ---===//
//
// Reads statements of PTX, one a line, puts each into the module that its
// argument names (in place of the line "FORM") and prints a line each: "ok", or
// why the decoder refuses it. tools/docs/instruction_table.py asks it.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/Decoder.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace tilewright;

static constexpr llvm::StringLiteral kPlace = "\nFORM\n";

/// Empty if the module decodes, else the message without its place.
static std::string refusal(llvm::StringRef text) {
  auto strip = [](llvm::Error error) {
    std::string message = llvm::toString(std::move(error));
    return llvm::StringRef(message).split(": ").second.str();
  };
  llvm::Expected<parser::Module> module = parser::parse(text);
  if (!module)
    return strip(module.takeError());
  llvm::StringMap<uint64_t> symbols;
  for (const parser::Variable &variable : module->variables)
    symbols[variable.name] = 0x10000;
  for (const parser::Function &function : module->functions)
    symbols[function.name] = 0x20000;
  emulator::ModuleIndex index(*module);
  for (const parser::Function &function : module->functions)
    if (function.isEntry)
      if (auto program = emulator::decode(index, function, symbols); !program)
        return strip(program.takeError());
  return {};
}

int main(int argc, char **argv) {
  auto module = llvm::MemoryBuffer::getFile(argc > 1 ? argv[1] : "");
  auto input = llvm::MemoryBuffer::getSTDIN();
  size_t place = module ? (*module)->getBuffer().find(kPlace) : llvm::StringRef::npos;
  if (place == llvm::StringRef::npos || !input) {
    llvm::errs() << "usage: tw-forms MODULE.ptx < STATEMENTS, MODULE.ptx with a line FORM\n";
    return 2;
  }
  llvm::StringRef before = (*module)->getBuffer().take_front(place + 1);
  llvm::StringRef after = (*module)->getBuffer().drop_front(place + kPlace.size());
  for (llvm::StringRef rest = (*input)->getBuffer(); !rest.empty();) {
    auto [line, next] = rest.split('\n');
    std::string message = refusal((before + line + "\n" + after).str());
    llvm::outs() << (message.empty() ? "ok" : message) << "\n";
    rest = next;
  }
  return 0;
}
