//===- AttentionTest.cpp - Calls of attention as problems --------------------===//
#include "runtime/Launch/Attention.h"

#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::launch;

namespace {

/// [B, S, H, D] of the strides given, or row-major.
Tensor makeTensor(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> strides = {}) {
  Tensor tensor = makeDense(nullptr, 0, "f16", shape);
  if (!strides.empty())
    tensor.strides.assign(strides.begin(), strides.end());
  return tensor;
}

AttentionCall makeCall() {
  AttentionCall call;
  call.q = call.o = makeTensor({2, 10, 8, 64});
  call.k = call.v = makeTensor({2, 20, 4, 64});
  call.scale = "0.125";
  return call;
}

/// Strides and alignment of q in the problem, "?" where dynamic.
std::string describeQ(const AttentionCall &call) {
  auto problem = makeProblem(call);
  if (!problem)
    return llvm::toString(problem.takeError());
  std::string text;
  for (std::optional<int64_t> stride : problem->findOperand("q")->strides)
    text += (stride ? std::to_string(*stride) : "?") + " ";
  return text + "@" + std::to_string(problem->findOperand("q")->alignment);
}

std::string refuse(const AttentionCall &call) {
  return llvm::toString(makeProblem(call).takeError());
}

TEST(AttentionCallTest, StridesAreStaticWhereNothingDynamicLiesWithin) {
  AttentionCall call = makeCall();
  EXPECT_EQ(describeQ(call), "? 512 64 1 @16");
  // Heads outside of rows, as torch has them: rows follow each other.
  call.q = makeTensor({2, 10, 8, 64}, {5120, 64, 640, 1});
  EXPECT_EQ(describeQ(call), "? 64 ? 1 @16");
  // A part of an array of q, k and v.
  call.q = makeTensor({2, 10, 8, 64}, {15360, 1536, 64, 1});
  EXPECT_EQ(describeQ(call), "? ? 64 1 @16");
  // Rows that 16-byte copies cannot serve.
  call.q = makeTensor({2, 10, 8, 64}, {5400, 540, 66, 1});
  EXPECT_EQ(describeQ(call), "? ? ? 1 @4");
}

TEST(AttentionCallTest, ValuesThatAreColumnsOfKeysAreNoOperand) {
  auto hasValues = [](const AttentionCall &call) {
    return llvm::cantFail(makeProblem(call)).findOperand("v") != nullptr;
  };
  AttentionCall call = makeCall();
  call.k.address = 4096;
  call.v = call.k;
  call.v.shape[3] = call.o.shape[3] = 32;
  call.o = makeTensor({2, 10, 8, 32});
  EXPECT_FALSE(hasValues(call));
  AttentionCall other = call;
  other.v.address += 64; // the last columns
  EXPECT_TRUE(hasValues(other));
  other = call;
  other.v = makeTensor({2, 20, 4, 32});
  other.v.address = 4096; // other rows
  EXPECT_TRUE(hasValues(other));
}

TEST(AttentionCallTest, LengthsAndBatchesAreOneProblem) {
  AttentionCall longer = makeCall();
  longer.q = longer.o = makeTensor({3, 33, 8, 64});
  longer.k = longer.v = makeTensor({3, 7, 4, 64});
  longer.lse = makeDense(nullptr, 0, "f32", {3, 8, 33});
  AttentionCall call = makeCall();
  call.lse = makeDense(nullptr, 0, "f32", {2, 8, 10});
  EXPECT_EQ(llvm::cantFail(makeProblem(call)).str(), llvm::cantFail(makeProblem(longer)).str());
  call.causal = "true";
  EXPECT_NE(llvm::cantFail(makeProblem(call)).str(), llvm::cantFail(makeProblem(longer)).str());
}

TEST(AttentionCallTest, SequencesAreOneProblemWhateverTheirNumber) {
  auto makeSequences = [](int64_t starts) {
    AttentionCall call = makeCall();
    call.q = call.o = makeTensor({1, 10 * starts, 8, 64});
    call.k = call.v = makeTensor({1, 20 * starts, 4, 64});
    call.qStarts = call.kStarts = makeDense(nullptr, 0, "i32", {starts});
    call.qOffset = makeDense(nullptr, 0, "i32", {starts - 1});
    return call;
  };
  EXPECT_EQ(llvm::cantFail(makeProblem(makeSequences(3))).str(),
            llvm::cantFail(makeProblem(makeSequences(9))).str());
  AttentionCall call = makeSequences(3);
  call.qOffset = makeDense(nullptr, 0, "i32", {3});
  EXPECT_EQ(refuse(call), "'q_offset' has shape [3], but expects [2]");
  call = makeSequences(3);
  call.kStarts->shape[0] = 4;
  EXPECT_EQ(refuse(call), "'k_starts' has shape [4], but expects [3]");
  call.kStarts.reset();
  EXPECT_EQ(refuse(call), "expects 'q_starts' and 'k_starts', but got only one of them");
  call = makeCall();
  call.qStarts = call.kStarts = makeDense(nullptr, 0, "i32", {3});
  EXPECT_EQ(refuse(call), "'q' has a batch of 2, but expects 1 of sequences");
}

TEST(AttentionCallTest, OperandsThatDoNotFitAreNamed) {
  AttentionCall call = makeCall();
  call.k.shape[3] = 32;
  EXPECT_EQ(refuse(call), "'k' has shape [2, 20, 4, 32], but expects [2, 20, 4, 64]");
  call = makeCall();
  call.q = makeTensor({2, 10, 8, 64}, {5120, 1, 640, 10});
  EXPECT_EQ(refuse(call), "'q' has stride 10 along axis 3, but kernels take 1 along the last axis");
  call = makeCall();
  call.sinks = makeDense(nullptr, 0, "f16", {8});
  EXPECT_EQ(refuse(call), "'sinks' has dtype f16, but expects f32");
  call = makeCall();
  call.alibiSlopes = makeDense(nullptr, 0, "f32", {2, 4});
  EXPECT_EQ(refuse(call), "'alibi_slopes' has shape [2, 4], but expects [2, 8]");
  call = makeCall();
  call.lse = makeDense(nullptr, 0, "f32", {2, 8, 10});
  call.lse->strides = {80, 1, 8};
  EXPECT_EQ(refuse(call), "'lse' has stride 8 along axis 2, but kernels take 1 along the last "
                          "axis");
  call.lse->strides = {160, 20, 1};
  EXPECT_EQ(refuse(call), "'lse' is not row-major, but expects rows that follow each other");
  call = makeCall();
  call.captures.assign(9, makeDense(nullptr, 0, "f32", {4}));
  EXPECT_EQ(refuse(call), "expects at most 8 arrays that score and mask read, but got 9");
  call.captures.assign(1, makeDense(nullptr, 0, "i8", {4}));
  EXPECT_EQ(refuse(call), "'capture0' has dtype i8, but expects f16, bf16, f32 or i32");
  call.captures.assign(1, makeDense(nullptr, 0, "f32", {}));
  EXPECT_EQ(refuse(call), "'capture0' has 0 dimensions, but expects 1 to 4");
}

} // namespace
