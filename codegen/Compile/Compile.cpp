//===- Compile.cpp - From a problem to an artifact ----------------------------===//
//
// Chooses the schedule, runs the phases, emits PTX and writes the metadata.
// Each compilation has its own context and runs on the calling thread.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Compile.h"
#include "codegen/Compile/NNModule.h"
#include "codegen/Compile/Pipeline.h"
#include "codegen/NVVM/Passes.h"
#include "codegen/PTX/EmitPTX.h"
#include "dialects/Support/Layout/Packing.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "passes/Memory/Passes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/SourceMgr.h"
#include <chrono>

using namespace mlir;
using namespace tilewright;

namespace {
/// Keeps what the compiler says: errors with their locations, remarks.
class DiagnosticLog {
public:
  explicit DiagnosticLog(MLIRContext &context)
      : handler(&context, [this](Diagnostic &diagnostic) { record(diagnostic); }) {}

  llvm::Error takeError(StringRef fallback) {
    if (errors.empty())
      return llvm::createStringError(fallback);
    return llvm::createStringError(errors);
  }
  std::vector<std::string> remarks;

private:
  void record(Diagnostic &diagnostic) {
    std::string text = diagnostic.str();
    if (diagnostic.getSeverity() == DiagnosticSeverity::Remark) {
      // Of ops that were repeated one is enough.
      if (!llvm::is_contained(remarks, text))
        remarks.push_back(text);
      return;
    }
    std::string line;
    llvm::raw_string_ostream stream(line);
    if (!isa<UnknownLoc>(diagnostic.getLocation())) {
      std::string location;
      llvm::raw_string_ostream(location) << diagnostic.getLocation();
      // loc("file":1:2) reads file:1:2.
      StringRef inner = StringRef(location);
      inner.consume_front("loc(");
      inner.consume_back(")");
      for (char c : inner)
        if (c != '"')
          stream << c;
      stream << ": ";
    }
    stream << text;
    for (Diagnostic &note : diagnostic.getNotes())
      stream << "\n  note: " << note.str();
    errors += (errors.empty() ? "" : "\n") + line;
  }

  std::string errors;
  ScopedDiagnosticHandler handler;
};

/// Tells the options' `time` how long each step took.
class StepClock {
public:
  explicit StepClock(const compile::Options &options) : options(options) {}

  /// The step from the last call, or from the start, to now.
  void finish(const std::string &step) {
    Clock::time_point now = Clock::now();
    if (options.time)
      options.time(step, std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
  }

private:
  using Clock = std::chrono::steady_clock;
  const compile::Options &options;
  Clock::time_point last = Clock::now();
};

std::string print(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  return text;
}

/// One compilation, from a module of nn or tile ops.
class Compilation {
public:
  Compilation(const target::GpuModel &model, const compile::Options &options)
      : model(model), target(target::getTarget(model)), options(options), clock(options),
        context(MLIRContext::Threading::DISABLED) {
    DialectRegistry registry;
    compile::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false); // locations say where
    log.emplace(context);
    clock.finish("context");
  }

  llvm::Expected<artifact::Artifact> run(OwningOpRef<ModuleOp> module,
                                         std::optional<problem::Problem> problem);

  MLIRContext &getContext() { return context; }
  DiagnosticLog &getLog() { return *log; }

private:
  llvm::Error attachSchedules(ModuleOp module);
  template <typename Op> llvm::Error attachSchedule(Op op);
  llvm::Error runPhases(ModuleOp module);
  llvm::Error readKernel(func::FuncOp function);
  void observe(StringRef phase, ModuleOp module) {
    if (options.observe)
      options.observe(phase.str(), print(module));
  }

  const target::GpuModel &model;
  const target::Target &target;
  const compile::Options &options;
  StepClock clock;
  MLIRContext context;
  std::optional<DiagnosticLog> log;
  artifact::Metadata metadata;
};
} // namespace

/// The schedule the options name, the one the op carries, or the family's
/// default; checked against the target in each case.
template <typename Op> llvm::Error Compilation::attachSchedule(Op op) {
  if (metadata.problem.op.empty())
    metadata.problem = compile::getProblem(op);
  std::optional<schedule::Schedule> chosen = options.schedule;
  if (!chosen && op.getSchedule())
    chosen = tile::fromAttribute(*op.getSchedule());
  if (!chosen) {
    auto standard = schedule::chooseDefault(metadata.problem, model, options.expectedM);
    if (!standard)
      return standard.takeError();
    chosen = *standard;
  }
  if (auto error = schedule::verify(*chosen, metadata.problem, target))
    return error;
  op.setScheduleAttr(tile::toAttribute(&context, *chosen));
  return llvm::Error::success();
}

llvm::Error Compilation::attachSchedules(ModuleOp module) {
  llvm::Error failed = llvm::Error::success();
  module.walk([&](Operation *op) {
    llvm::Error error =
        llvm::TypeSwitch<Operation *, llvm::Error>(op)
            .Case<nn::QuantMatmulOp, nn::MatmulOp, nn::AttentionOp, nn::MergeAttentionOp,
                  nn::AppendCacheOp, nn::PackOp>([&](auto op) { return attachSchedule(op); })
            .Default([](Operation *) { return llvm::Error::success(); });
    if (!error)
      return WalkResult::advance();
    failed = llvm::joinErrors(std::move(failed), std::move(error));
    return WalkResult::interrupt();
  });
  return failed;
}

static artifact::Parameter::Kind getKind(tile::ParameterKind kind) {
  switch (kind) {
  case tile::ParameterKind::Pointer:
    return artifact::Parameter::Kind::Pointer;
  case tile::ParameterKind::Dimension:
    return artifact::Parameter::Kind::Dimension;
  case tile::ParameterKind::Stride:
    return artifact::Parameter::Kind::Stride;
  case tile::ParameterKind::Workspace:
    return artifact::Parameter::Kind::Workspace;
  case tile::ParameterKind::Scalar:
    return artifact::Parameter::Kind::Scalar;
  }
  llvm_unreachable("unknown parameter kind");
}

/// Reads the launch off a kernel whose memory is planned.
llvm::Error Compilation::readKernel(func::FuncOp function) {
  auto kernel = function->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName);
  metadata.kernel = function.getName().str();
  metadata.block = {32 * kernel.getWarps(), 1, 1};
  if (kernel.getGrid().size() != 3)
    return llvm::createStringError("expects three grid expressions on kernel '" +
                                   function.getName() + "'");
  for (auto [i, text] : llvm::enumerate(kernel.getGrid().getAsValueRange<StringAttr>())) {
    auto expression = artifact::Expression::parse(text);
    if (!expression)
      return expression.takeError();
    metadata.grid[i] = *expression;
  }
  for (tile::WorkspaceAttr workspace : kernel.getWorkspaces()) {
    auto bytes = artifact::Expression::parse(workspace.getBytes());
    if (!bytes)
      return bytes.takeError();
    metadata.workspaces.push_back(
        {workspace.getName().str(), *bytes, workspace.getZeroed(), workspace.getReset()});
  }
  for (unsigned i = 0, e = function.getNumArguments(); i != e; ++i) {
    auto attr = function.getArgAttrOfType<tile::ParameterAttr>(i, tile::parameterAttrName);
    if (!attr)
      return llvm::createStringError("expects " + tile::parameterAttrName +
                                     " on every argument of kernel '" + function.getName() + "'");
    artifact::Parameter parameter;
    parameter.kind = getKind(attr.getKind());
    parameter.name = attr.getName().str();
    parameter.dtype = attr.getDtype().str();
    parameter.axis = attr.getAxis();
    parameter.alignment = attr.getAlign();
    parameter.written = attr.getWritten();
    parameter.updated = attr.getUpdated();
    Type type = function.getArgument(i).getType();
    parameter.bytes = isa<tile::PtrType>(type) ? 8 : type.getIntOrFloatBitWidth() / 8;
    metadata.parameters.push_back(std::move(parameter));
  }
  if (auto attr = function->getAttrOfType<tile::ScheduleAttr>(tile::scheduleAttrName))
    metadata.schedule = tile::fromAttribute(attr);
  if (auto bytes = function->getAttrOfType<IntegerAttr>(memory::sharedBytesAttrName))
    metadata.dynamicSharedBytes = bytes.getInt();
  return llvm::Error::success();
}

llvm::Error Compilation::runPhases(ModuleOp module) {
  observe("nn", module);
  for (const compile::Phase &phase : compile::getPhases()) {
    if (phase.result == "llvm") {
      SmallVector<func::FuncOp> kernels;
      for (auto function : module.getOps<func::FuncOp>())
        if (function->hasAttr(tile::kernelAttrName))
          kernels.push_back(function);
      if (kernels.size() != 1)
        return llvm::createStringError("expects one kernel a module, but got " +
                                       std::to_string(kernels.size()));
      if (auto error = readKernel(kernels.front()))
        return error;
      module->setAttr(nvvm::targetAttrName, StringAttr::get(&context, target.name));
    }
    PassManager passes(&context);
    phase.build(passes);
    if (failed(passes.run(module)))
      return log->takeError("phase " + phase.name + " failed");
    observe(phase.name, module);
    clock.finish(phase.name);
  }
  return llvm::Error::success();
}

llvm::Expected<artifact::Artifact> Compilation::run(OwningOpRef<ModuleOp> module,
                                                    std::optional<problem::Problem> problem) {
  if (!target.canCompile)
    return llvm::createStringError("target " + target.name +
                                   " is known as data only; nearest that can be compiled for is "
                                   "sm_80");
  clock.finish("program");
  if (problem)
    metadata.problem = *problem;
  metadata.target = target.name.str();
  (*module)->setAttr(tile::targetAttrName, StringAttr::get(&context, target.name));
  if (auto error = attachSchedules(*module))
    return std::move(error);
  clock.finish("schedule");
  if (auto error = runPhases(*module))
    return std::move(error);
  auto text = ptx::emitPTX(*module, target);
  if (!text)
    return llvm::joinErrors(text.takeError(), log->takeError("no PTX was emitted"));
  clock.finish("ptx");
  metadata.versions = {{"llvm", LLVM_VERSION_STRING},
                       {"packing", std::to_string(layout::packingVersion)},
                       {"tilewright", TILEWRIGHT_VERSION}};
  metadata.remarks = std::move(log->remarks);
  artifact::Artifact artifact;
  artifact.ptx = std::move(*text);
  artifact.metadata = std::move(metadata);
  return artifact;
}

llvm::Expected<artifact::Artifact> compile::compile(const problem::Problem &problem,
                                                    const target::GpuModel &model,
                                                    const Options &options) {
  Compilation compilation(model, options);
  auto module = buildModule(compilation.getContext(), problem);
  if (!module)
    return module.takeError();
  return compilation.run(std::move(*module), problem);
}

llvm::Expected<artifact::Artifact> compile::compileSource(const std::string &source,
                                                          const std::string &name,
                                                          const target::GpuModel &model,
                                                          const Options &options) {
  Compilation compilation(model, options);
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(source, ParserConfig(&compilation.getContext()), name);
  if (!module)
    return compilation.getLog().takeError("cannot parse '" + name + "'");
  return compilation.run(std::move(module), std::nullopt);
}
