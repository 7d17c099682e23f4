//===- EmulatedDevice.cpp - A GPU that runs PTX on the CPU ---------------------===//
//
// See EmulatedDevice.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "runtime/Emulator/Execution/Decoder.h"
#include "runtime/Emulator/Execution/Interpreter.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

class LoadedKernel final : public device::Kernel {
public:
  explicit LoadedKernel(std::unique_ptr<Program> program) : program(std::move(program)) {}
  llvm::StringRef getName() const override { return program->kernelName; }
  uint32_t getArgumentBytes() const override { return program->parameterBytes; }
  std::unique_ptr<Program> program;
};

class LoadedModule final : public device::Module {
public:
  /// `mutex`: of the device.
  LoadedModule(parser::Module source, GlobalMemory &memory, std::recursive_mutex &mutex)
      : source(std::move(source)), memory(memory), mutex(mutex) {}
  ~LoadedModule() override {
    std::lock_guard<std::recursive_mutex> lock(mutex);
    for (auto &symbol : symbols)
      llvm::consumeError(memory.release(symbol.second));
  }

  llvm::Error link();
  llvm::Expected<device::Kernel *> getKernel(llvm::StringRef name) override;
  llvm::Expected<device::Symbol> getSymbol(llvm::StringRef name) override;

private:
  llvm::Error place(const parser::Variable &variable);
  llvm::Error relocate(const parser::Variable &variable);

  parser::Module source;
  GlobalMemory &memory;
  std::recursive_mutex &mutex;
  llvm::StringMap<uint64_t> symbols;
  std::vector<std::unique_ptr<LoadedKernel>> kernels;
};

bool isStatic(const parser::Variable &variable) {
  return variable.space == Space::Global || variable.space == Space::Const;
}

llvm::Error LoadedModule::place(const parser::Variable &variable) {
  if (!isStatic(variable) || variable.isExtern)
    return llvm::Error::success();
  // Variables without a value are zero (PTX ISA, "Initializers").
  auto allocation = memory.allocateZeroed(variable.bytes, variable.name);
  if (!allocation)
    return allocation.takeError();
  if (!symbols.try_emplace(variable.name, (*allocation)->base).second) {
    llvm::consumeError(memory.release((*allocation)->base));
    return parser::makeError(variable.location, "'" + variable.name + "' is defined twice");
  }
  if (!variable.initial.empty())
    std::memcpy((*allocation)->storage.get(), variable.initial.data(), variable.initial.size());
  (*allocation)->isReadOnly = variable.space == Space::Const;
  return llvm::Error::success();
}

llvm::Error LoadedModule::relocate(const parser::Variable &variable) {
  for (const parser::Relocation &relocation : variable.relocations) {
    auto it = symbols.find(relocation.symbol);
    if (it == symbols.end())
      return parser::makeError(relocation.location,
                               "'" + relocation.symbol +
                                   "' is no variable or function with an address");
    uint64_t value = it->second + relocation.addend;
    const Allocation *allocation = memory.find(symbols[variable.name], variable.bytes);
    std::memcpy(allocation->storage.get() + relocation.offset, &value, relocation.bytes);
  }
  return llvm::Error::success();
}

llvm::Error LoadedModule::link() {
  auto forVariables = [&](auto f) -> llvm::Error {
    for (const parser::Variable &variable : source.variables)
      if (llvm::Error error = f(variable))
        return error;
    for (const parser::Function &function : source.functions)
      for (const parser::Variable &variable : function.variables)
        if (isStatic(variable))
          if (llvm::Error error = f(variable))
            return error;
    return llvm::Error::success();
  };
  if (llvm::Error error =
          forVariables([&](const parser::Variable &variable) { return place(variable); }))
    return error;
  for (auto [number, function] : llvm::enumerate(source.functions))
    if (function.hasBody && !symbols.try_emplace(function.name, getFunctionAddress(number)).second)
      return parser::makeError(function.location, "'" + function.name + "' is defined twice");
  if (llvm::Error error =
          forVariables([&](const parser::Variable &variable) { return relocate(variable); }))
    return error;
  ModuleIndex index(source);
  for (const parser::Function &function : source.functions) {
    if (!function.isEntry || !function.hasBody)
      continue;
    auto program = decode(index, function, symbols);
    if (!program)
      return program.takeError();
    kernels.push_back(std::make_unique<LoadedKernel>(std::move(*program)));
  }
  return llvm::Error::success();
}

llvm::Expected<device::Kernel *> LoadedModule::getKernel(llvm::StringRef name) {
  std::string known;
  for (auto &kernel : kernels) {
    if (kernel->getName() == name)
      return kernel.get();
    known += (known.empty() ? "" : ", ") + kernel->getName().str();
  }
  return llvm::createStringError("no kernel '" + name + "' in the module; it has " +
                                 (known.empty() ? "none" : known));
}

llvm::Expected<device::Symbol> LoadedModule::getSymbol(llvm::StringRef name) {
  auto it = symbols.find(name);
  // Functions have addresses too, but no memory.
  if (it != symbols.end())
    if (const Allocation *allocation = memory.find(it->second, 0))
      return device::Symbol{it->second, allocation->bytes};
  std::vector<llvm::StringRef> known;
  for (const auto &symbol : symbols)
    if (memory.find(symbol.second, 0))
      known.push_back(symbol.first());
  llvm::sort(known);
  return llvm::createStringError("no variable '" + name + "' in the module; it has " +
                                 (known.empty() ? "none" : llvm::join(known, ", ")));
}

} // namespace

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

EmulatedDevice::EmulatedDevice(const target::GpuModel &model, const Options &options)
    : model(model), name("emulated:" + model.name.str()), options(options),
      memory(std::make_unique<GlobalMemory>(std::min(options.memoryLimit, model.memoryBytes))) {}

EmulatedDevice::~EmulatedDevice() = default;

llvm::Expected<std::unique_ptr<EmulatedDevice>> EmulatedDevice::create(llvm::StringRef modelName,
                                                                       const Options &options) {
  auto model = target::findGpuModel(modelName);
  if (!model)
    return model.takeError();
  return std::unique_ptr<EmulatedDevice>(new EmulatedDevice(**model, options));
}

llvm::Expected<device::DevicePointer> EmulatedDevice::allocate(uint64_t bytes) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  auto allocation = memory->allocate(bytes);
  if (!allocation)
    return allocation.takeError();
  return (*allocation)->base;
}

llvm::Error EmulatedDevice::release(device::DevicePointer pointer) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  return memory->release(pointer);
}

static llvm::Error noAllocation(const GlobalMemory &memory, llvm::StringRef what, uint64_t address,
                                uint64_t bytes) {
  return llvm::createStringError(what + " of " + llvm::Twine(bytes) + " bytes at 0x" +
                                 llvm::utohexstr(address) + " leaves every allocation (" +
                                 memory.describe(address) + ")");
}

llvm::Error EmulatedDevice::copyToDevice(device::DevicePointer to, const void *from, uint64_t bytes,
                                         device::Stream) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  const Allocation *allocation = memory->find(to, bytes);
  if (!allocation)
    return noAllocation(*memory, "copy to the device", to, bytes);
  if (bytes)
    std::memcpy(allocation->at(to), from, bytes);
  allocation->define(to, bytes);
  return llvm::Error::success();
}

llvm::Error EmulatedDevice::copyToHost(void *to, device::DevicePointer from, uint64_t bytes,
                                       device::Stream) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  const Allocation *allocation = memory->find(from, bytes);
  if (!allocation)
    return noAllocation(*memory, "copy to the host", from, bytes);
  if (bytes)
    std::memcpy(to, allocation->at(from), bytes);
  return llvm::Error::success();
}

llvm::Error EmulatedDevice::fill(device::DevicePointer to, uint8_t value, uint64_t bytes,
                                 device::Stream) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  const Allocation *allocation = memory->find(to, bytes);
  if (!allocation)
    return noAllocation(*memory, "fill", to, bytes);
  std::memset(allocation->at(to), value, bytes);
  allocation->define(to, bytes);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

llvm::Expected<std::unique_ptr<device::Module>> EmulatedDevice::load(const device::Image &image) {
  if (image.ptx.empty())
    return llvm::createStringError("the emulated device needs PTX, but the image has none");
  auto source = parser::parse(image.ptx);
  if (!source)
    return source.takeError();
  std::lock_guard<std::recursive_mutex> lock(mutex);
  auto module = std::make_unique<LoadedModule>(std::move(*source), *memory, mutex);
  if (llvm::Error error = module->link())
    return std::move(error);
  return module;
}

llvm::Error EmulatedDevice::checkLaunch(const Program &program, const device::LaunchConfig &config,
                                        llvm::ArrayRef<uint8_t> arguments) const {
  const target::Target &target = target::getTarget(model);
  auto fail = [&](const llvm::Twine &message) {
    return llvm::createStringError("cannot launch '" + program.kernelName + "' on " + name + ": " +
                                   message);
  };
  if (arguments.size() != program.parameterBytes)
    return fail("it takes " + llvm::Twine(program.parameterBytes) +
                " bytes of arguments, but got " + llvm::Twine(arguments.size()));
  uint64_t threads = config.block.count();
  if (threads == 0 || config.grid.count() == 0)
    return fail("the grid or the block is empty");
  if (threads > target.maxThreadsPerBlock)
    return fail(llvm::Twine(threads) + " threads a block, above the limit of " +
                llvm::Twine(target.maxThreadsPerBlock));
  // PTX ISA, "%nctaid"; CUDA C++ programming guide, "Technical Specifications".
  const std::tuple<const char *, uint32_t, uint32_t> dimensions[] = {
      {"the grid's x", config.grid.x, 0x7fffffff}, {"the grid's y", config.grid.y, 65535},
      {"the grid's z", config.grid.z, 65535},      {"the block's x", config.block.x, 1024},
      {"the block's y", config.block.y, 1024},     {"the block's z", config.block.z, 64}};
  for (const auto &[what, value, limit] : dimensions)
    if (value > limit)
      return fail(what + llvm::Twine(" is ") + llvm::Twine(value) + ", above the limit of " +
                  llvm::Twine(limit));
  if (config.cluster.count() != 1)
    return fail("clusters are not emulated yet");
  const std::array<uint32_t, 3> block = {config.block.x, config.block.y, config.block.z};
  const auto &required = program.directives.requiredThreads;
  if (required[0] && block != required)
    return fail(".reqntid asks for a block of " + llvm::Twine(required[0]) + "x" +
                llvm::Twine(required[1]) + "x" + llvm::Twine(required[2]) + ", but got " +
                llvm::Twine(block[0]) + "x" + llvm::Twine(block[1]) + "x" + llvm::Twine(block[2]));
  const auto &most = program.directives.maxThreads;
  if (most[0] && threads > uint64_t(most[0]) * most[1] * most[2])
    return fail(llvm::Twine(threads) + " threads a block, above its .maxntid of " +
                llvm::Twine(uint64_t(most[0]) * most[1] * most[2]));
  uint64_t shared = uint64_t(program.staticSharedEnd - kSharedBase) + config.dynamicSharedBytes;
  if (shared > target.maxSharedBytesPerBlock)
    return fail(llvm::Twine(shared) + " bytes of shared memory a block, above the limit of " +
                llvm::Twine(target.maxSharedBytesPerBlock));
  return llvm::Error::success();
}

llvm::Error EmulatedDevice::launch(device::Kernel &kernel, const device::LaunchConfig &config,
                                   llvm::ArrayRef<uint8_t> arguments) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  llvm::Error error = launchAlone(*static_cast<LoadedKernel &>(kernel).program, config, arguments);
  if (config.report)
    *config.report = lastReport;
  return error;
}

/// With the device to itself.
llvm::Error EmulatedDevice::launchAlone(const Program &program, const device::LaunchConfig &config,
                                        llvm::ArrayRef<uint8_t> arguments) {
  lastReport = Report();
  lastReport.kernel = program.kernelName;
  if (llvm::Error error = checkLaunch(program, config, arguments))
    return error;
  Launch launch{program,
                *memory,
                options,
                model,
                target::getTarget(model).tensorCore,
                config.grid,
                config.block,
                config.dynamicSharedBytes};
  launch.parameters = arguments.vec();
  if (program.usesGridWorkspace) {
    if (llvm::Error error = clearGridWorkspace())
      return error;
    launch.gridWorkspace = gridWorkspace;
  }
  // What an unchecked launch writes is not known afterwards.
  if (!options.checkInitialisation)
    memory->defineAll();
  launch.counters.resize(program.code.size());
  if (options.keepWorstAccess && options.countAccesses)
    launch.worst.resize(program.code.size());
  launch.landing.seed(options.landingSeed);
  launch.order.seed(options.warpOrderSeed);
  launch.preemption.seed(options.preemptionSeed);
  if (options.checkRaces)
    launch.races = std::make_unique<RaceChecker>(launch);
  lastThreads = runLaunch(launch);
  if (launch.races)
    launch.races->finish();
  lastReport = makeReport(launch);
  if (lastReport.findings.empty())
    return llvm::Error::success();
  std::string text = lastReport.findings.front().toString();
  if (size_t more = lastReport.findings.size() - 1)
    text += " (and " + std::to_string(more) + " more findings)";
  return llvm::createStringError(text);
}

llvm::Error EmulatedDevice::clearGridWorkspace() {
  constexpr uint64_t bytes = 8;
  if (gridWorkspace == 0) {
    auto allocation = memory->allocate(bytes, "the workspace of the grid's barrier");
    if (!allocation)
      return allocation.takeError();
    gridWorkspace = (*allocation)->base;
  }
  return fill(gridWorkspace, 0, bytes);
}

Options EmulatedDevice::getOptions() {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  return options;
}

void EmulatedDevice::setOptions(const Options &value) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  options = value;
}

llvm::Error EmulatedDevice::synchronize(device::Stream) { return llvm::Error::success(); }
