//===- EmitPTXTest.cpp - PTX emission and its errors ---------------------------===//
//
// The backend's refusals must come back as errors and leave the process able to
// compile.
//
//===----------------------------------------------------------------------===//
#include "codegen/PTX/EmitPTX.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace tilewright;

namespace {
class EmitPTXTest : public testing::Test {
protected:
  EmitPTXTest() {
    DialectRegistry registry;
    registry.insert<LLVM::LLVMDialect, NVVM::NVVMDialect>();
    ptx::registerTranslations(registry);
    context.appendDialectRegistry(registry);
  }

  llvm::Expected<std::string> emit(StringRef source, StringRef targetName) {
    auto module = parseSourceString<ModuleOp>(source, &context);
    if (!module)
      return llvm::createStringError("the test's program does not parse");
    auto target = target::findTarget(targetName);
    if (!target)
      return target.takeError();
    return ptx::emitPTX(*module, **target);
  }

  MLIRContext context;
};

constexpr StringLiteral emptyKernel = R"(
llvm.func @empty() attributes {nvvm.kernel} { llvm.return }
)";

/// fp8 mma exists from sm_89 on: the backend cannot select it for sm_80.
constexpr StringLiteral fp8Kernel = R"(
llvm.func @fp8(%p: !llvm.ptr<1>, %a: i32, %c: f32) attributes {nvvm.kernel} {
  %d = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3.e4m3.f32"
      (%a, %a, %a, %a, %a, %a, %c, %c, %c, %c)
      : (i32, i32, i32, i32, i32, i32, f32, f32, f32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  %e = llvm.extractvalue %d[0] : !llvm.struct<(f32, f32, f32, f32)>
  llvm.store %e, %p : f32, !llvm.ptr<1>
  llvm.return
}
)";

TEST_F(EmitPTXTest, NamesTheTargetAndTheVersionOfTheTable) {
  auto text = emit(emptyKernel, "sm_80");
  ASSERT_TRUE(bool(text)) << llvm::toString(text.takeError());
  EXPECT_NE(text->find(".target sm_80"), std::string::npos);
  EXPECT_NE(text->find(".version 8.0"), std::string::npos) << text->substr(0, 200);
  EXPECT_NE(text->find(".visible .entry empty"), std::string::npos);
}

TEST_F(EmitPTXTest, RefusalOfTheBackendIsAnErrorAndTheNextCompilationWorks) {
  for (int round = 0; round < 3; ++round) {
    auto refused = emit(fp8Kernel, "sm_80");
    ASSERT_FALSE(bool(refused));
    std::string message = llvm::toString(refused.takeError());
    EXPECT_NE(message.find("the NVPTX backend refused the program"), std::string::npos) << message;
    auto text = emit(fp8Kernel, "sm_89");
    ASSERT_TRUE(bool(text)) << llvm::toString(text.takeError());
    EXPECT_NE(text->find("mma.sync.aligned.m16n8k32"), std::string::npos);
  }
}
} // namespace
