//===- LowerAsync.cpp - Groups of copies, barriers, arrivals ------------------===//
//
// Part of the lowering to nvvm: groups of cp.async, bar.sync and the counter that
// finds the last block.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;

namespace {
struct LowerCommit : OpConversionPattern<tilegpu::AsyncCommitOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tilegpu::AsyncCommitOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<NVVM::CpAsyncCommitGroupOp>(op);
    return success();
  }
};

struct LowerWait : OpConversionPattern<tilegpu::AsyncWaitOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tilegpu::AsyncWaitOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<NVVM::CpAsyncWaitGroupOp>(op, op.getPending());
    return success();
  }
};

struct LowerBarrier : OpConversionPattern<tilegpu::BarrierOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tilegpu::BarrierOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<NVVM::Barrier0Op>(op);
    return success();
  }
};

/// Thread 0 counts the block in between two barriers: the first makes the
/// block's writes part of its release, the second spreads its acquire, and
/// carries the answer as a reduction. The fences are explicit because the
/// backend emits atomicrmw relaxed whatever its ordering (PTX ISA, "Memory
/// Consistency Model": fence, relaxed atomic, fence is release and acquire).
struct LowerArrive : OpConversionPattern<tile::ArriveOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::ArriveOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Emitter emit(rewriter, loc);
    Type i32 = rewriter.getI32Type();
    NVVM::Barrier0Op::create(rewriter, loc);
    Value address = emit.displace(adaptor.getCounters(), emit.mul(adaptor.getIndex(), emit.i32(4)));
    Value isFirst =
        LLVM::ICmpOp::create(rewriter, loc, LLVM::ICmpPredicate::eq, emit.threadId(), emit.i32(0));
    auto branch = scf::IfOp::create(rewriter, loc, TypeRange{i32}, isFirst, true);
    {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(branch.thenBlock());
      LLVM::FenceOp::create(rewriter, loc, LLVM::AtomicOrdering::acq_rel, "device");
      Value before =
          LLVM::AtomicRMWOp::create(rewriter, loc, LLVM::AtomicBinOp::add, address, emit.i32(1),
                                    LLVM::AtomicOrdering::monotonic, "device");
      LLVM::FenceOp::create(rewriter, loc, LLVM::AtomicOrdering::acq_rel, "device");
      Value others = emit.add(adaptor.getExpected(), emit.i32(-1));
      Value last = LLVM::ICmpOp::create(rewriter, loc, LLVM::ICmpPredicate::eq, before, others);
      auto reset = scf::IfOp::create(rewriter, loc, last, false);
      scf::YieldOp::create(rewriter, loc, Value(LLVM::ZExtOp::create(rewriter, loc, i32, last)));
      rewriter.setInsertionPointToStart(reset.thenBlock());
      LLVM::StoreOp::create(rewriter, loc, emit.i32(0), address, 4);
      rewriter.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(rewriter, loc, emit.i32(0));
    }
    auto reduction = NVVM::BarrierReductionAttr::get(getContext(), NVVM::BarrierReduction::OR);
    Value any = NVVM::BarrierOp::create(rewriter, loc, TypeRange{i32}, Value(), Value(), reduction,
                                        branch.getResult(0))
                    .getResult(0);
    rewriter.replaceOpWithNewOp<LLVM::ICmpOp>(op, LLVM::ICmpPredicate::ne, any, emit.i32(0));
    return success();
  }
};
} // namespace

void nvvm::populateAsyncPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerCommit, LowerWait, LowerBarrier, LowerArrive>(converter, patterns.getContext());
}
