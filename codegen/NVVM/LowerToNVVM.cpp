//===- LowerToNVVM.cpp - The lowering pass: types, functions, order -----------===//
//
// First pass of codegen. Step 1 turns tiles into scalars (one value becomes
// many), leaving scf and arith on scalars; step 2 is upstream's lowering of
// those to branches and the llvm dialect; step 3 marks kernels.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/InsideDimensions.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/Support/Target/Target.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "passes/Memory/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::nvvm {
#define GEN_PASS_DEF_LOWERTONVVM
#include "codegen/NVVM/Passes.h.inc"
} // namespace tilewright::nvvm

Type nvvm::getRegisterType(Type element) {
  bool isUnsigned = isa<IntegerType>(element) && !element.isSignlessInteger();
  if (isUnsigned || (isa<FloatType>(element) && element.getIntOrFloatBitWidth() == 8))
    return IntegerType::get(element.getContext(), 8);
  return element;
}

void nvvm::populateTypeConversion(TypeConverter &converter) {
  converter.addConversion([](Type type) { return type; });
  converter.addConversion([](tile::PtrType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext(), AddressSpace::Global);
  });
  converter.addConversion([](tilegpu::MemDescType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext(), AddressSpace::Shared);
  });
  converter.addConversion([](tile::ViewType type, SmallVectorImpl<Type> &types) {
    MLIRContext *context = type.getContext();
    types.push_back(LLVM::LLVMPointerType::get(context, AddressSpace::Global));
    types.append(type.getNumDynamicSizes(), IntegerType::get(context, 32));
    types.append(type.getNumDynamicStrides(), IntegerType::get(context, 64));
    return success();
  });
  converter.addConversion(
      [](RankedTensorType type, SmallVectorImpl<Type> &types) -> std::optional<LogicalResult> {
        tilegpu::LayoutAttr layout = tilegpu::getLayoutAttr(type);
        if (!layout)
          return failure();
        types.append(layout.getLayout().getNumRegisters(), getRegisterType(type.getElementType()));
        return success();
      });
}

/// An op is done when no tile, view or encoded tensor is left in it.
static bool isScalar(Operation *op) {
  auto isTileType = [](Type type) {
    return isa<RankedTensorType, tile::PtrType, tile::ViewType, tilegpu::MemDescType>(type);
  };
  return llvm::none_of(op->getOperandTypes(), isTileType) &&
         llvm::none_of(op->getResultTypes(), isTileType);
}

/// Patterns rely on layouts.
static LogicalResult verifyLayouts(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) -> WalkResult {
    for (Type type : op->getResultTypes())
      if (isa<RankedTensorType>(type) && !tilegpu::getLayoutAttr(type))
        return op->emitOpError() << "expects a #tilegpu.layout on every tensor, but got " << type;
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// The row of the target the module names; null where it names none.
static FailureOr<const target::Target *> getTarget(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>(nvvm::targetAttrName);
  if (!name)
    return static_cast<const target::Target *>(nullptr);
  auto found = target::findTarget(name.getValue());
  if (!found)
    return module.emitError() << llvm::toString(found.takeError());
  return *found;
}

/// Step 1.
static LogicalResult lowerTiles(ModuleOp module, const target::Target *machine) {
  nvvm::markInsideDimensions(module);
  MLIRContext *context = module.getContext();
  TypeConverter converter;
  nvvm::populateTypeConversion(converter);
  RewritePatternSet patterns(context);
  nvvm::populateElementwisePatterns(converter, patterns);
  nvvm::populateFieldPatterns(converter, patterns);
  nvvm::populateSaturatePatterns(converter, patterns, machine && machine->hasFp8Convert);
  nvvm::populateWidenPatterns(converter, patterns, machine && machine->hasFp8Convert);
  nvvm::populateMemoryPatterns(converter, patterns);
  nvvm::populateAsyncPatterns(converter, patterns);
  nvvm::populateCopyPatterns(converter, patterns);
  nvvm::populateGatherPatterns(converter, patterns);
  nvvm::populateLdmatrixPatterns(converter, patterns);
  nvvm::populateMmaPatterns(converter, patterns);
  nvvm::populateReducePatterns(converter, patterns);
  nvvm::populateShufflePatterns(converter, patterns);
  nvvm::populateDequantPatterns(converter, patterns);
  nvvm::populatePackPatterns(converter, patterns);
  ConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  target.addLegalDialect<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  target.addIllegalDialect<tile::TileDialect, tilegpu::TileGPUDialect>();
  target.addDynamicallyLegalDialect<arith::ArithDialect, math::MathDialect>(isScalar);
  populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns, converter);
  target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp function) {
    return converter.isSignatureLegal(function.getFunctionType());
  });
  target.addLegalOp<func::ReturnOp>();
  scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns, target);
  return applyFullConversion(module, target, std::move(patterns));
}

/// Step 2.
static LogicalResult lowerScalars(ModuleOp module) {
  MLIRContext *context = module.getContext();
  {
    RewritePatternSet patterns(context);
    populateSCFToControlFlowConversionPatterns(patterns);
    ConversionTarget target(*context);
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    target.addIllegalDialect<scf::SCFDialect>();
    if (failed(applyPartialConversion(module, target, std::move(patterns))))
      return failure();
  }
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  nvvm::populateMathPatterns(patterns);
  populateMathToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  populateFuncToLLVMConversionPatterns(converter, patterns);
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  target.addLegalDialect<NVVM::NVVMDialect>();
  return applyFullConversion(module, target, std::move(patterns));
}

/// Step 3: kernels get NVVM's attributes; pointers that nothing stores to are
/// read-only, which lets loads use the read-only path.
static void markKernel(LLVM::LLVMFuncOp function, tile::KernelAttr kernel) {
  OpBuilder builder(function);
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), builder.getUnitAttr());
  function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                    builder.getDenseI32ArrayAttr({int32_t(32 * kernel.getWarps()), 1, 1}));
  // Left to itself ptxas spills a few registers for one more block an SM (72 of
  // 132 were taken on sm_100a); one block is all that is asked for.
  function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), builder.getI32IntegerAttr(1));
  // What the launcher needs was read before; LLVM IR has no place for it.
  for (StringRef name : {StringRef(tile::kernelAttrName), StringRef(tile::scheduleAttrName),
                         StringRef(memory::sharedBytesAttrName)})
    function->removeAttr(name);
  for (unsigned i = 0, e = function.getNumArguments(); i != e; ++i) {
    auto parameter = function.getArgAttrOfType<tile::ParameterAttr>(i, tile::parameterAttrName);
    function.removeArgAttr(i, tile::parameterAttrName);
    if (!parameter || parameter.getKind() != tile::ParameterKind::Pointer)
      continue;
    function.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                        builder.getI64IntegerAttr(parameter.getAlign()));
    if (parameter.getWritten())
      continue;
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), builder.getUnitAttr());
    function.setArgAttr(i, LLVM::LLVMDialect::getReadonlyAttrName(), builder.getUnitAttr());
  }
}

/// The block's shared memory, one external array whose size the launch gives.
static void declareShared(ModuleOp module) {
  OpBuilder builder(module.getBodyRegion());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
  LLVM::GlobalOp::create(builder, module.getLoc(), type, /*isConstant=*/false,
                         LLVM::Linkage::External, nvvm::sharedSymbol, Attribute(),
                         /*alignment=*/128, nvvm::AddressSpace::Shared);
}

namespace {
struct LowerToNVVMPass : nvvm::impl::LowerToNVVMBase<LowerToNVVMPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(verifyLayouts(module)))
      return signalPassFailure();
    auto machine = getTarget(module);
    if (failed(machine))
      return signalPassFailure();
    declareShared(module);
    if (failed(lowerTiles(module, *machine)) || failed(lowerScalars(module)))
      return signalPassFailure();
    module->removeAttr(nvvm::targetAttrName);
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (auto kernel = function->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName))
        markKernel(function, kernel);
  }
};
} // namespace
