//===- QuantMatmulTest.cpp - From calls to problems and launches ------------===//
#include "runtime/Launch/QuantMatmul.h"

#include "FakeCompiler.h"
#include "FakeDevice.h"
#include "runtime/Launch/ResidentBuffer.h"
#include "gtest/gtest.h"
#include <functional>

using namespace tilewright;
using namespace tilewright::launch;

namespace {

class QuantMatmulTest : public testing::Test {
protected:
  std::shared_ptr<FakeDevice> device = std::make_shared<FakeDevice>();

  /// x [5,300] f16, u4 weights [48] in groups of 128, y [5,48] f16, every
  /// address 256-byte aligned, on `where`.
  QuantMatmulCall makeCall(std::shared_ptr<device::Device> where) {
    QuantMatmulCall call;
    call.x = makeDense(where, 0x100000, "f16", {5, 300});
    call.weights.shape = {300, 48, 4};
    call.weights.format = "u4";
    call.weights.group = "128";
    call.weights.words = makePacked(where, 0x200000, "u32", 3 * 2 * 512 * 4);
    call.weights.scales = makePacked(where, 0x300000, "f16", 3 * 64 * 2);
    call.y = makeDense(where, 0x400000, "f16", {5, 48});
    return call;
  }
  problem::Problem make(const QuantMatmulCall &call) {
    auto problem = makeProblem(call);
    if (!problem) {
      ADD_FAILURE() << llvm::toString(problem.takeError());
      return {};
    }
    return *problem;
  }
  template <typename Change> std::string str(Change change) {
    QuantMatmulCall call = makeCall(device);
    change(call);
    return make(call).str();
  }
  template <typename Change> std::string refuse(Change change) {
    QuantMatmulCall call = makeCall(device);
    change(call);
    auto problem = makeProblem(call);
    return problem ? "" : llvm::toString(problem.takeError());
  }
};

TEST_F(QuantMatmulTest, SpecialisesOnEverythingButM) {
  EXPECT_EQ(str([](auto &) {}),
            "quant_matmul(M=?, N=48, K=300, groups=3; x:f16[M,K]{300,1}@16, w:u32[N,K]@16, "
            "scales:f16[groups,N]@16, y:f16[M,N]{48,1}@16; activation=none, format=u4, group=128, "
            "scale=f16, zero=none; i32)");
  EXPECT_EQ(str([](auto &) {}), str([&](auto &call) {
              call.x = makeDense(device, 0x100000, "f16", {7000, 300});
              call.y = makeDense(device, 0x4000000, "f16", {7000, 48});
            }));
}

TEST_F(QuantMatmulTest, PutsOptionalOperandsInOrder) {
  EXPECT_EQ(
      str([&](QuantMatmulCall &call) {
        call.weights.zeros = makePacked(device, 0x500000, "u8", 3 * 32);
        call.weights.zero = format::Zero::Integer;
        call.bias = makeDense(device, 0x600000, "f32", {48});
        call.activation = "gelu";
        call.y.dtype = "f32";
      }),
      "quant_matmul(M=?, N=48, K=300, groups=3; x:f16[M,K]{300,1}@16, w:u32[N,K]@16, "
      "scales:f16[groups,N]@16, zeros:u8[groups,N]@16, bias:f32[N]{1}@16, y:f32[M,N]{48,1}@16; "
      "activation=gelu, format=u4, group=128, scale=f16, zero=integer; i32)");
}

TEST_F(QuantMatmulTest, TellsApartGranularitiesAndRules) {
  EXPECT_EQ(str([&](QuantMatmulCall &call) {
              call.weights.group = "128x32";
              call.weights.scales = makePacked(device, 0x300000, "e4m3", 3 * 2 * 16);
              call.weights.zeros = makePacked(device, 0x500000, "bf16", 3 * 2 * 16);
              call.weights.zero = format::Zero::Offset;
              call.weights.tensorScale = makeDense(device, 0x600000, "f32", {1});
            }),
            "quant_matmul(M=?, N=48, K=300, groups=3, columns=2, tensors=1; x:f16[M,K]{300,1}@16, "
            "w:u32[N,K]@16, scales:e4m3[groups,columns]@16, zeros:bf16[groups,columns]@16, "
            "tensor_scale:f32[tensors]{1}@16, y:f16[M,N]{48,1}@16; "
            "activation=none, format=u4, group=128x32, scale=e4m3, zero=offset; i32)");
}

/// Planes of a stack are counted by its operands: how many is for the launch to say.
/// The problem of nested codes says which part of them they are.
TEST_F(QuantMatmulTest, NamesPartsOfPlanes) {
  auto stack = [&](unsigned planes) {
    return [planes](QuantMatmulCall &call) {
      call.weights.shape.bits = planes;
      call.weights.shape.storage = layout::Storage::Stack;
      call.weights.format = "stack";
      call.weights.words.packedBytes = 3 * 2 * 128 * 4 * planes;
      call.weights.scales.packedBytes = 3 * 64 * 2 * planes;
    };
  };
  EXPECT_EQ(str(stack(2)),
            "quant_matmul(M=?, N=48, K=300, groups=3, planes=?; x:f16[M,K]{300,1}@16, "
            "w:u32[planes,N,K]@16, scales:f16[planes,groups,N]@16, y:f16[M,N]{48,1}@16; "
            "activation=none, format=stack, group=128, scale=f16, zero=none; i32)");
  EXPECT_EQ(str(stack(2)), str(stack(5)));
  auto nested = [](const char *format) {
    return [format](QuantMatmulCall &call) {
      call.weights.shape.storage = layout::Storage::Nested;
      call.weights.format = format;
    };
  };
  EXPECT_NE(str(nested("nested8.4")).find("w:u32[N,K]@16"), std::string::npos);
  EXPECT_NE(str(nested("nested8.4")), str(nested("nested4")));
  EXPECT_EQ(refuse(nested("u4")), "weights of format u4 are stored in another way than those they "
                                  "are packed as");
  EXPECT_EQ(refuse(nested("nested8.5")), "weights of format nested8.5 have 5 bits, but they are "
                                         "packed with 4");
  EXPECT_EQ(refuse([&](QuantMatmulCall &call) {
              stack(3)(call);
              call.weights.scales.packedBytes = 3 * 64 * 2;
            }),
            "scales of stack weights with K=300, N=48, group 128 take 1152 packed bytes, but got "
            "384");
}

TEST_F(QuantMatmulTest, FoldsAddressesAndDynamicStridesIntoTheAlignment) {
  auto operand = [&](auto change) {
    QuantMatmulCall call = makeCall(device);
    change(call);
    problem::Problem problem = make(call);
    const problem::Operand &x = problem.operands[0];
    std::string stride = x.strides[0] ? std::to_string(*x.strides[0]) : "?";
    std::string inner = x.strides[1] ? std::to_string(*x.strides[1]) : "?";
    return stride + "," + inner + "@" + std::to_string(x.alignment);
  };
  EXPECT_EQ(operand([](auto &call) { call.x.address += 4; }), "300,1@4");
  EXPECT_EQ(operand([](auto &call) { call.x.strides[0] = 304; }), "?,1@16");
  // Rows of 602 bytes: only every eighth row starts where 16 bytes can be copied.
  EXPECT_EQ(operand([](auto &call) { call.x.strides[0] = 301; }), "?,1@2");
  EXPECT_EQ(operand([](auto &call) { call.x.strides[0] = 0; }), "?,1@16");
  // With one row its stride means nothing.
  EXPECT_EQ(operand([](auto &call) {
              call.x.shape[0] = call.y.shape[0] = 1;
              call.x.strides[0] = 301;
            }),
            "300,1@16");
  // Host memory is copied to aligned memory.
  EXPECT_EQ(operand([](auto &call) {
              call.x.device = nullptr;
              call.x.address += 2;
            }),
            "300,1@16");
}

TEST_F(QuantMatmulTest, WidensIndicesOnlyWhereNeeded) {
  auto width = [&](int64_t m) {
    QuantMatmulCall call = makeCall(device);
    call.x = makeDense(device, 0x100000, "f16", {m, 300});
    call.y = makeDense(device, 0x400000, "f16", {m, 48});
    return make(call).indexWidth;
  };
  // 2^31 - 1 bytes hold 3,579,139 rows of 600.
  EXPECT_EQ(width(3579139), 32u);
  EXPECT_EQ(width(3579140), 64u);
}

TEST_F(QuantMatmulTest, RefusesWhatDoesNotBelongTogether) {
  EXPECT_EQ(refuse([](auto &c) { c.x.shape[1] = 301; }),
            "'x' has shape [5, 301], but expects [5, 300]");
  EXPECT_EQ(refuse([](auto &c) { c.y.shape[0] = 6; }),
            "'y' has shape [6, 48], but expects [5, 48]");
  EXPECT_EQ(refuse([&](auto &c) { c.x = makeDense(device, 0, "f16", {300}); }),
            "'x' has shape [300], but expects [300, 300]");
  EXPECT_EQ(refuse([](auto &c) { c.x.strides = {1, 5}; }),
            "'x' has stride 5 along axis 1, but kernels take 1 along the last axis");
  EXPECT_EQ(refuse([](auto &c) { c.y.strides[0] = -48; }),
            "'y' has stride -48 along axis 0, but kernels take 0 or more");
  EXPECT_EQ(refuse([](auto &c) { c.y.strides.pop_back(); }), "'y' has 1 strides for 2 dimensions");
  EXPECT_EQ(refuse([&](auto &c) { c.bias = makeDense(device, 0, "f16", {47}); }),
            "'bias' has shape [47], but expects [48]");
  EXPECT_EQ(refuse([&](auto &c) { c.bias = makeDense(device, 0, "bf16", {48}); }),
            "'bias' has dtype bf16, but expects f16 (as x) or f32");
  EXPECT_EQ(refuse([](auto &c) { c.weights.words.packedBytes -= 4; }),
            "codes of u4 weights with K=300, N=48, group 128 take 12288 packed bytes, but got "
            "12284");
  EXPECT_EQ(refuse([](auto &c) { c.weights.group = "32"; }),
            "scales of u4 weights with K=300, N=48, group 32 take 1280 packed bytes, but got 384");
  auto setZeros = [&](QuantMatmulCall &c) {
    c.weights.zeros = makePacked(device, 0, "u8", 1);
    c.weights.zero = format::Zero::Integer;
  };
  EXPECT_EQ(refuse(setZeros),
            "zero points of u4 weights with K=300, N=48, group 128 take 96 packed bytes, but got "
            "1");
  EXPECT_EQ(refuse([&](auto &c) {
              setZeros(c);
              c.weights.zeros->dtype = "u9";
              c.weights.zero = format::Zero::Float;
            }).find("'zeros': unknown number format 'u9'"),
            0u);
  EXPECT_EQ(refuse([&](auto &c) { c.weights.zeros = makePacked(device, 0, "u8", 96); }),
            "weights with zero=none come with zero points");
  EXPECT_EQ(refuse([&](auto &c) { c.weights.zero = format::Zero::Offset; }),
            "weights with zero=offset come without zero points");
  EXPECT_EQ(refuse([&](auto &c) { c.weights.tensorScale = makeDense(device, 0, "f32", {2}); }),
            "'tensor_scale' has shape [2], but expects [1]");
  EXPECT_EQ(refuse([](auto &c) { c.weights.format = "i8"; }),
            "weights of format i8 have 8 bits, but they are packed with 4");
  EXPECT_EQ(refuse([](auto &c) { c.weights.shape.version = 9; }),
            "the weights are packed in layout version 9, but this build reads version 1");
  EXPECT_EQ(refuse([](auto &c) { c.weights.shape.activations = layout::ActivationClass::Bits8; }),
            "'x' has dtype f16, but the u4 weights are packed for 8-bit activations; x of f16 "
            "takes weights packed for 16-bit activations");
  EXPECT_EQ(refuse([](auto &c) { c.x.dtype = "i8"; }),
            "'x' has dtype i8, but the u4 weights are packed for 16-bit activations; x of i8 "
            "takes weights packed for 8-bit activations");
  EXPECT_EQ(refuse([](auto &c) { c.weights.group = "0"; }),
            "expects group to be a positive number of rows, rows x columns ('128x128'), 'channel' "
            "or 'tensor', but got '0'");
  EXPECT_NE(refuse([](auto &c) { c.activation = "tanh"; }).find("tanh"), std::string::npos);
  EXPECT_NE(refuse([](auto &c) { c.x.dtype = "f32"; }).find("f32"), std::string::npos);
  EXPECT_NE(refuse([](auto &c) { c.x.dtype = "f17"; }).find("f17"), std::string::npos);
}

TEST_F(QuantMatmulTest, RunsWhereItsOperandsAre) {
  auto other = std::make_shared<FakeDevice>("fake:1");
  auto choose = [&](auto change) -> std::string {
    QuantMatmulCall call = makeCall(nullptr);
    change(call);
    auto chosen = chooseDevice(call, other);
    return chosen ? (*chosen)->getName().str() : llvm::toString(chosen.takeError());
  };
  EXPECT_EQ(choose([](auto &) {}), "fake:1");
  EXPECT_EQ(choose([&](auto &call) { call.y.device = device; }), "fake:0");
  EXPECT_EQ(choose([&](auto &call) {
              call.x.device = device;
              call.y.device = other;
            }),
            "'y' is on fake:1, but 'x' is on fake:0");
}

TEST_F(QuantMatmulTest, CompilesOnceAndLaunchesOnTheOperands) {
  unsigned compiles = 0;
  KernelCache cache([&](const problem::Problem &problem, const target::GpuModel &model,
                        const std::optional<schedule::Schedule> &schedule, int64_t m) {
    ++compiles;
    return llvm::Expected<artifact::Artifact>(makeFakeArtifact(problem, model, schedule));
  });
  QuantMatmulCall call = makeCall(device);
  for (int i = 0; i < 2; ++i)
    ASSERT_EQ(llvm::toString(launchQuantMatmul(cache, call, nullptr, 3)), "");
  EXPECT_EQ(compiles, 1u);
  EXPECT_EQ(device->launches, 2u);
  EXPECT_EQ(device->getArgument(0), call.x.address);
  EXPECT_EQ(device->getArgument(8), call.weights.words.address);
  EXPECT_EQ(device->getArgument(16), call.weights.scales.address);
  EXPECT_EQ(device->getArgument(24), call.y.address);
  EXPECT_EQ(device->getArgument(32, 4), 5u);
  EXPECT_EQ(device->lastConfig.stream, 3u);
}

TEST_F(QuantMatmulTest, TakesTheShortCutToTheSameKernelOnly) {
  // Each call, repeated after every other, must run the kernel of its problem.
  KernelCache cache([&](const problem::Problem &problem, const target::GpuModel &model,
                        const std::optional<schedule::Schedule> &schedule, int64_t) {
    return llvm::Expected<artifact::Artifact>(makeFakeArtifact(problem, model, schedule));
  });
  std::vector<std::function<void(QuantMatmulCall &)>> changes = {
      [](QuantMatmulCall &) {},
      [](QuantMatmulCall &call) { call.x.address += 2; },
      [](QuantMatmulCall &call) { call.x.address += 8; },
      [](QuantMatmulCall &call) { call.x.strides[0] = 304; },
      [](QuantMatmulCall &call) { call.x.strides[0] = 301; },
      [](QuantMatmulCall &call) { call.x.strides[0] = 302; },
      [](QuantMatmulCall &call) { call.y.dtype = "f32"; },
      [](QuantMatmulCall &call) { call.x.dtype = "bf16"; },
      [](QuantMatmulCall &call) { call.weights.scales.dtype = "bf16"; },
      [](QuantMatmulCall &call) { call.activation = "relu"; },
      [](QuantMatmulCall &call) { call.weights.format = "i4"; },
      [](QuantMatmulCall &call) { call.weights.words.address += 4; },
      [&](QuantMatmulCall &call) { call.bias = makeDense(device, 0x600000, "f32", {48}); },
      [&](QuantMatmulCall &call) { call.bias = makeDense(device, 0x600000, "f16", {48}); },
      [&](QuantMatmulCall &call) {
        call.weights.zeros = makePacked(device, 0x500000, "u8", 3 * 32);
        call.weights.zero = format::Zero::Integer;
      },
      [&](QuantMatmulCall &call) {
        call.weights.zeros = makePacked(device, 0x500000, "f16", 3 * 64 * 2);
        call.weights.zero = format::Zero::Float;
      },
      [&](QuantMatmulCall &call) {
        call.weights.zeros = makePacked(device, 0x500000, "f16", 3 * 64 * 2);
        call.weights.zero = format::Zero::Offset;
      },
      [&](QuantMatmulCall &call) {
        call.weights.tensorScale = makeDense(device, 0x700000, "f32", {1});
      },
      [](QuantMatmulCall &call) {
        call.weights.group = "channel";
        call.weights.scales.packedBytes = 64 * 2;
      },
  };
  for (int round = 0; round < 3; ++round)
    for (auto &change : changes) {
      QuantMatmulCall call = makeCall(device);
      change(call);
      problem::Problem problem = make(call);
      unsigned launches = device->launches;
      KernelCache::Counters before = cache.getCounters();
      // A kernel compiled for another problem would refuse the operands.
      ASSERT_EQ(llvm::toString(launchQuantMatmul(cache, call, nullptr)), "") << problem.str();
      EXPECT_EQ(device->launches, launches + 1);
      EXPECT_EQ(cache.getCounters().compiles - before.compiles, round == 0) << problem.str();
      EXPECT_EQ(cache.getCounters().hits - before.hits, round != 0) << problem.str();
    }
  EXPECT_EQ(cache.getCounters().compiles, changes.size());
}

TEST_F(QuantMatmulTest, RefusesBadCallsOnTheShortCutToo) {
  KernelCache cache([](const problem::Problem &problem, const target::GpuModel &model,
                       const std::optional<schedule::Schedule> &schedule, int64_t) {
    return llvm::Expected<artifact::Artifact>(makeFakeArtifact(problem, model, schedule));
  });
  ASSERT_EQ(llvm::toString(launchQuantMatmul(cache, makeCall(device), nullptr)), "");
  auto refused = [&](auto change) {
    QuantMatmulCall call = makeCall(device);
    change(call);
    return llvm::toString(launchQuantMatmul(cache, call, nullptr));
  };
  EXPECT_NE(refused([](auto &c) { c.x.shape[1] = 299; }), "");
  EXPECT_NE(refused([](auto &c) { c.y.shape[0] = 6; }), "");
  EXPECT_NE(refused([](auto &c) { c.y.address = c.x.address; }), "");
  EXPECT_NE(refused([](auto &c) { c.weights.words.packedBytes -= 4; }), "");
  EXPECT_NE(refused([](auto &c) { c.weights.shape.version = 0; }), "");
  auto other = layout::ActivationClass::Bits8;
  EXPECT_NE(refused([&](auto &c) { c.weights.shape.activations = other; }), "");
  EXPECT_NE(refused([](auto &c) { c.x.strides.pop_back(); }), "");
  EXPECT_NE(refused([&](auto &c) { c.x = makeDense(device, 0x100000, "f16", {1500}); }), "");
  EXPECT_NE(refused([](auto &c) { c.x.shape = c.x.strides = {}; }), "");
  EXPECT_EQ(device->launches, 1u);
}

TEST_F(QuantMatmulTest, CompilesNothingForNoRows) {
  KernelCache cache([](auto &&...) -> llvm::Expected<artifact::Artifact> {
    return llvm::createStringError("must not compile");
  });
  QuantMatmulCall call = makeCall(device);
  call.x = makeDense(device, 0, "f16", {0, 300});
  call.y = makeDense(device, 0, "f16", {0, 48});
  EXPECT_EQ(llvm::toString(launchQuantMatmul(cache, call, nullptr)), "");
  // Bad calls are bad without rows too.
  call.activation = "tanh";
  EXPECT_NE(llvm::toString(launchQuantMatmul(cache, call, nullptr)), "");
}

TEST_F(QuantMatmulTest, UploadsHostWeightsOnce) {
  KernelCache cache([](const problem::Problem &problem, const target::GpuModel &model,
                       const std::optional<schedule::Schedule> &schedule, int64_t) {
    return llvm::Expected<artifact::Artifact>(makeFakeArtifact(problem, model, schedule));
  });
  QuantMatmulCall call = makeCall(device);
  std::vector<uint8_t> words(call.weights.words.packedBytes, 0x5a), scales(384, 0xa5);
  ResidentBuffer residentWords, residentScales;
  call.weights.words = makePacked(nullptr, uint64_t(words.data()), "u32", words.size());
  call.weights.words.resident = &residentWords;
  call.weights.scales = makePacked(nullptr, uint64_t(scales.data()), "f16", scales.size());
  call.weights.scales.resident = &residentScales;
  ASSERT_EQ(llvm::toString(launchQuantMatmul(cache, call, nullptr)), "");
  ASSERT_EQ(llvm::toString(launchQuantMatmul(cache, call, nullptr)), "");
  EXPECT_EQ(device->log, "load ptx; allocate 12288; upload 12288; allocate 384; upload 384; "
                         "launch; launch");
  EXPECT_EQ(*reinterpret_cast<uint8_t *>(device->getArgument(8)), 0x5a);
  EXPECT_EQ(*reinterpret_cast<uint8_t *>(device->getArgument(16)), 0xa5);
}

} // namespace
