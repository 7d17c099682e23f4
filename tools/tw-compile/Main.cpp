//===- Main.cpp - tw-compile: MLIR text to PTX, without Python -----------------===//
//
// Compiles an nn or tile program for a target and prints the PTX, the metadata
// or the IR after each phase. What lit tests and build systems call; people use
// `tw compile`.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Compile.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tilewright;

namespace {
enum class Emit { PTX, Metadata, Artifact, Phases };
} // namespace

static cl::OptionCategory category("tw-compile options");
static cl::opt<std::string> input(cl::Positional, cl::desc("<file.mlir, or - for standard input>"),
                                  cl::init("-"), cl::cat(category));
static cl::opt<std::string> targetName("target", cl::init("sm_80"), cl::cat(category),
                                       cl::desc("sm_XX or a GPU's name (default sm_80)"));
static cl::opt<Emit> emitKind(
    "emit", cl::init(Emit::PTX), cl::cat(category), cl::desc("what to print"),
    cl::values(clEnumValN(Emit::PTX, "ptx", "the PTX text"),
               clEnumValN(Emit::Metadata, "metadata", "the launch metadata as JSON"),
               clEnumValN(Emit::Artifact, "artifact", "both, as the JSON object {ptx, metadata}"),
               clEnumValN(Emit::Phases, "phases", "the IR after each phase")));
static cl::opt<std::string> scheduleText("schedule", cl::cat(category),
                                         cl::desc("e.g. 'quant_matmul{split_k=2, ...}'"));

static cl::opt<int64_t> expectedM("expected-m", cl::cat(category),
                                  cl::init(compile::Options().expectedM),
                                  cl::desc("rows to choose the default schedule for, where the "
                                           "program leaves them open (default 16)"));

static int fail(Error error) {
  WithColor::error(errs(), "tw-compile") << toString(std::move(error)) << "\n";
  return 2;
}

/// A GPU model by its own name or by the name of its target.
static Expected<const target::GpuModel *> findModel(StringRef name) {
  auto target = target::findTarget(name);
  if (!target)
    return target.takeError();
  if (auto model = target::findGpuModel(name))
    return *model;
  else
    consumeError(model.takeError());
  return &target::getReferenceModel(**target);
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "compile a Tilewright program to PTX\n");
  auto buffer = MemoryBuffer::getFileOrSTDIN(input);
  if (!buffer)
    return fail(createStringError("cannot read '" + input + "': " + buffer.getError().message()));
  auto model = findModel(targetName);
  if (!model)
    return fail(model.takeError());
  compile::Options options;
  options.expectedM = expectedM;
  if (!scheduleText.empty()) {
    auto parsed = schedule::Schedule::parse(scheduleText);
    if (!parsed)
      return fail(parsed.takeError());
    options.schedule = *parsed;
  }
  if (emitKind == Emit::Phases)
    options.observe = [](const std::string &phase, const std::string &ir) {
      outs() << "// after " << phase << "\n" << ir << "\n";
    };
  auto artifact = compile::compileSource((*buffer)->getBuffer().str(), input, **model, options);
  if (!artifact)
    return fail(artifact.takeError());
  for (const std::string &remark : artifact->metadata.remarks)
    WithColor::remark(errs(), "tw-compile") << remark << "\n";
  if (emitKind == Emit::PTX)
    outs() << artifact->ptx;
  else if (emitKind == Emit::Metadata)
    outs() << formatv("{0:2}", artifact->metadata.toJSON()) << "\n";
  else if (emitKind == Emit::Artifact)
    outs() << json::Value(
                  json::Object{{"ptx", artifact->ptx}, {"metadata", artifact->metadata.toJSON()}})
           << "\n";
  return 0;
}
