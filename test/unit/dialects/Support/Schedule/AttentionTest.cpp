//===- AttentionTest.cpp - Schedules of attention ----------------------------===//
#include "dialects/Support/Schedule/Attention.h"

#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::schedule;
using problem::Problem;

namespace {

Problem makeProblem(int64_t size = 64, int64_t heads = 16,
                    std::optional<int64_t> queries = std::nullopt, int64_t valueSize = 0) {
  Problem problem;
  problem.op = "attention";
  problem.dimensions = {{"B"},
                        {"Sq", queries},
                        {"Sk"},
                        {"Hq", heads},
                        {"Hkv", 4},
                        {"D", size},
                        {"Dv", valueSize ? valueSize : size}};
  for (auto [name, length, head] :
       {std::tuple("q", "Sq", "Hq"), {"k", "Sk", "Hkv"}, {"v", "Sk", "Hkv"}, {"o", "Sq", "Hq"}})
    problem.operands.push_back({name, "f16", {"B", length, head, "D"}});
  return problem;
}

const target::GpuModel &getModel(llvm::StringRef name) {
  return *llvm::cantFail(target::findGpuModel(name));
}

std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

std::string refuse(AttentionSchedule schedule, int64_t size = 64, llvm::StringRef model = "a100",
                   int64_t valueSize = 0) {
  return messageOf(verify(schedule.toSchedule(), makeProblem(size, 16, std::nullopt, valueSize),
                          target::getTarget(getModel(model))));
}

AttentionSchedule choose(const Problem &problem, llvm::StringRef model, int64_t rows) {
  return llvm::cantFail(AttentionSchedule::fromSchedule(
      llvm::cantFail(chooseDefault(problem, getModel(model), rows))));
}

TEST(AttentionScheduleTest, CodesTakeTheirOwnBytes) {
  Problem problem = makeProblem(128);
  AttentionSchedule schedule{.tileQ = 16, .tileK = 64, .warps = 1, .stages = 2};
  auto typed = llvm::cantFail(AttentionProblem::fromProblem(problem));
  EXPECT_EQ(getSharedBytes(schedule, typed), 2 * 64 * (256 + 256));
  problem.operands[1].dtype = "e4m3";
  problem.operands[2].dtype = "u8"; // two codes of 4 bits
  problem.operands.push_back({"v_scales", "f16", {"B", "Sk", "Hkv"}});
  typed = llvm::cantFail(AttentionProblem::fromProblem(problem));
  EXPECT_EQ(getSharedBytes(schedule, typed), 2 * 64 * (128 + 64));
  problem.operands.back().dtype = "bf16";
  EXPECT_NE(messageOf(AttentionProblem::fromProblem(problem).takeError()).find("'v_scales'"),
            std::string::npos);
}

TEST(AttentionScheduleTest, TextRoundTrips) {
  AttentionSchedule schedule{.tileQ = 128, .tileK = 32, .warps = 8, .stages = 3};
  Schedule text = llvm::cantFail(Schedule::parse(schedule.toSchedule().str()));
  EXPECT_EQ(llvm::cantFail(AttentionSchedule::fromSchedule(text)), schedule);
  text.parameters["tile_n"] = 1;
  EXPECT_NE(messageOf(AttentionSchedule::fromSchedule(text).takeError()).find("tile_n"),
            std::string::npos);
  text.parameters.erase("tile_n");
  text.parameters.erase("warps");
  EXPECT_EQ(messageOf(AttentionSchedule::fromSchedule(text).takeError()),
            "attention: expects the schedule parameter warps, but it is missing");
}

TEST(AttentionScheduleTest, WhatIsAsBeforeIsLeftOut) {
  AttentionSchedule schedule;
  EXPECT_EQ(schedule.toSchedule().str(), "attention{stages=2, tile_k=64, tile_q=64, warps=4}");
  schedule.columnWarps = 2;
  schedule.sharedQ = 1;
  Schedule text = schedule.toSchedule();
  EXPECT_EQ(text.str(), "attention{column_warps=2, shared_q=1, stages=2, tile_k=64, tile_q=64, "
                        "warps=4}");
  EXPECT_EQ(llvm::cantFail(AttentionSchedule::fromSchedule(text)), schedule);
  EXPECT_EQ(schedule.getThreads(), 256);
}

TEST(AttentionScheduleTest, EachConstraintIsNamedWithTheNearestValue) {
  EXPECT_EQ(refuse({}), "");
  EXPECT_EQ(refuse({.warps = 3}), // C1
            "attention: expects warps to be one of 1, 2, 4, 8, but got 3; the nearest is 2");
  EXPECT_EQ(refuse({.columnWarps = 3}), // C12
            "attention: expects column_warps to be one of 1, 2, but got 3; the nearest is 2");
  EXPECT_EQ(refuse({.tileQ = 32, .warps = 2, .columnWarps = 8}), // C12
            "attention: expects column_warps to be one of 1, 2, 4, but got 8; the nearest is 4");
  EXPECT_EQ(refuse({.tileQ = 80}), // C2
            "attention: expects tile_q to be a multiple of 16 * warps (64) up to 256, but got 80; "
            "the nearest is 64");
  EXPECT_EQ(refuse({.tileK = 48}), // C3
            "attention: expects tile_k to be one of 16, 32, 64, 128, but got 48; the nearest is "
            "32");
  EXPECT_EQ(refuse({.tileQ = 32, .tileK = 16, .warps = 2, .columnWarps = 4}), // C12
            "attention: expects tile_k to be a multiple of 8 * column_warps (32) up to 128, but "
            "got 16; the nearest is 32");
  EXPECT_EQ(refuse({.stages = 0}), // C4
            "attention: expects stages to be 1..4, but got 0; the nearest is 1");
  EXPECT_EQ(refuse({.sharedQ = 2}), // C13
            "attention: expects shared_q to be 0..1, but got 2; the nearest is 1");
  EXPECT_NE(refuse({}, 64, "t4").find("the nearest is sm_80"), std::string::npos); // C5
  EXPECT_EQ(refuse({.tileQ = 32, .warps = 2, .columnWarps = 4}, 64, "a100", 72),   // C12
            "attention: expects column_warps of at most 2 for a value head of 72, the last part "
            "of which has 16 columns, but got 4");
  EXPECT_EQ(refuse({.tileQ = 64, .tileK = 128, .stages = 3}, 128), // C6
            "attention: expects at most 166912 bytes of shared memory a block on sm_80, but stages "
            "= 3 of head sizes 128 and 128 in tiles of 64x128 need 196608; at most 2 stages fit");
  EXPECT_EQ(refuse({.tileK = 16, .columnWarps = 2, .sharedQ = 1}, 576, "rtx4090", 512), // C6
            "attention: expects at most 101376 bytes of shared memory a block on sm_89, but stages "
            "= 2 of head sizes 576 and 512 in tiles of 64x16 need 145920; no stage fits: use a "
            "smaller tile_k or tile_q");
  EXPECT_EQ(refuse({.tileQ = 128}, 128), // C7: 32 rows a warp
            "attention: expects at most 255 registers a thread on sm_80, but the estimate is 332 "
            "for head sizes 128 and 128 in tiles of 128x64 on 128 threads; use a smaller tile_k, "
            "more warps or column_warps, or shared_q = 1");
}

/// A problem of one batch's 2 queries: rows of 16 heads lie side by side.
Problem makeDecode(std::optional<int64_t> page = std::nullopt) {
  Problem problem = makeProblem();
  for (const char *name : {"q", "o"})
    for (problem::Operand &operand : problem.operands)
      if (operand.name == name)
        operand.strides = {std::nullopt, 16 * 64, 64, 1};
  if (page) {
    problem.dimensions[2] = {"P"};
    problem.dimensions.push_back({"page", *page});
    problem.dimensions.push_back({"pages"});
    problem.operands.push_back({"page_table", "i32", {"B", "pages"}});
    for (unsigned i : {1, 2})
      problem.operands[i].dimensions = {"P", "page", "Hkv", "D"};
  }
  return problem;
}

std::string refuseDecode(AttentionSchedule schedule, const Problem &problem) {
  return messageOf(verify(schedule.toSchedule(), problem, target::getTarget(getModel("a100"))));
}

TEST(AttentionScheduleTest, SharingOfKeysIsChecked) {
  EXPECT_EQ(refuseDecode({.packHeads = 2}, makeDecode()), // C8
            "attention: expects pack_heads to be 0..1, but got 2; the nearest is 1");
  EXPECT_EQ(
      refuse({.packHeads = 1}), // C8: the strides of q are not known
      "attention: expects pack_heads to be 0 unless several heads of q read one of k, and q "
      "and o have known strides, that of a query a multiple of that of a head, but got 1; the "
      "nearest is 0");
  EXPECT_EQ(refuseDecode({.packHeads = 1}, makeDecode()), "");
  EXPECT_EQ(refuseDecode({.splitKeys = -1}, makeDecode()), // C9
            "attention: expects split_keys to be 0..1, but got -1; the nearest is 0");
  EXPECT_EQ(refuseDecode({.chunk = 512}, makeDecode()), // C10
            "attention: expects chunk to be 0 without split_keys, but got 512; the nearest is 0");
  EXPECT_EQ(refuseDecode({.splitKeys = 1, .chunk = 96}, makeDecode()), // C10
            "attention: expects chunk to be a multiple of tile_k (64) up to 65536, but got 96; the "
            "nearest is 128");
  Problem deterministic = makeDecode();
  deterministic.attributes["deterministic"] = "true";
  EXPECT_EQ(
      refuseDecode({.splitKeys = 1}, deterministic), // C10
      "attention: expects chunk to be at least tile_k for a deterministic problem, but got 0; "
      "the nearest is 512");
  EXPECT_EQ(refuseDecode({.splitKeys = 1, .chunk = 512}, deterministic), "");
}

TEST(AttentionScheduleTest, FewQueriesPackHeadsAndSplitKeys) {
  AttentionSchedule schedule = choose(makeDecode(), "a100", 1);
  EXPECT_EQ(schedule.packHeads, 1);
  EXPECT_EQ(schedule.splitKeys, 1);
  EXPECT_EQ(schedule.tileQ, 16); // 4 heads of a query
  EXPECT_EQ(choose(makeDecode(), "a100", 8).tileQ, 32);
  EXPECT_EQ(choose(makeDecode(), "a100", 17).packHeads, 0);
  EXPECT_EQ(choose(makeDecode(), "a100", 65).splitKeys, 0);
  EXPECT_EQ(choose(makeProblem(), "a100", 1).packHeads, 0);
  for (auto [page, tile] : {std::pair(1, 64), {7, 64}, {16, 16}, {48, 16}, {32, 32}, {256, 64}})
    EXPECT_EQ(choose(makeDecode(page), "a100", 1).tileK, tile) << page;
  Problem deterministic = makeDecode();
  deterministic.attributes["deterministic"] = "true";
  EXPECT_EQ(choose(deterministic, "a100", 1).chunk, AttentionSchedule::canonicalChunk);
  EXPECT_EQ(choose(deterministic, "a100", 1000).chunk, 0);
}

TEST(AttentionScheduleTest, SplitsFillTheDevice) {
  AttentionProblem problem = llvm::cantFail(AttentionProblem::fromProblem(makeDecode()));
  AttentionSchedule schedule = choose(makeDecode(), "h200", 1);
  auto split = [&](int64_t batch, int64_t keys) {
    return chooseSplits(schedule, problem, getModel("h200"), batch, 1, keys);
  };
  EXPECT_EQ(split(1, 1), 1);
  EXPECT_EQ(split(1, 2048), 16);      // no less than 128 keys each
  EXPECT_EQ(split(1000, 1 << 20), 1); // 4000 tiles of rows are enough
  int64_t many = split(1, 1 << 20);
  EXPECT_EQ(many % 33, 0); // 132 SMs, 4 heads of keys
  EXPECT_GE(many, 33 * 2);
  schedule.chunk = 512;
  EXPECT_EQ(split(1, 2048), 4); // no more than chunks
}

/// Lists of blocks of 32 rows and `keys` keys for the heads of k.
Problem makeListed(int64_t keys = 64, const char *heads = "Hkv") {
  Problem problem = makeDecode();
  problem.dimensions.push_back({"Qb"});
  problem.dimensions.push_back({"Kb"});
  problem.operands.push_back({"blocks", "i32", {"B", heads, "Qb", "Kb"}});
  problem.attributes["block_size"] = "32," + std::to_string(keys);
  return problem;
}

TEST(AttentionScheduleTest, TilesLieInListedBlocks) { // C11
  AttentionSchedule schedule{.tileQ = 32, .tileK = 64, .warps = 2};
  EXPECT_EQ(refuseDecode(schedule, makeListed()), "");
  EXPECT_EQ(
      refuseDecode(schedule, makeListed(96)),
      "attention: expects tile_k to be a divisor of the keys of a block (96), but got 64; the "
      "nearest is 32");
  EXPECT_EQ(
      refuseDecode({.tileQ = 64}, makeListed()),
      "attention: expects tile_q to be so many rows that a tile lies in one block of 32 rows, "
      "but got 64; the nearest is 32");
  EXPECT_EQ(refuseDecode({.tileQ = 128, .warps = 8, .packHeads = 1}, makeListed()), "");
  EXPECT_EQ(
      messageOf(AttentionProblem::fromProblem(makeListed(24)).takeError()),
      "attention: expects block_size to be of keys in multiples of 16, but got 24; the nearest "
      "is 32");
  EXPECT_EQ(choose(makeListed(), "a100", 1).packHeads, 1);
  EXPECT_EQ(choose(makeListed(64, "Hq"), "a100", 1).packHeads, 0);
  EXPECT_EQ(choose(makeListed(), "a100", 4096).tileQ, 32);
  EXPECT_EQ(choose(makeListed(48), "a100", 4096).tileK, 16);
}

TEST(AttentionScheduleTest, PagesAreWholeRowsOfAHead) {
  Problem problem = makeDecode(16);
  EXPECT_EQ(messageOf(AttentionProblem::fromProblem(problem).takeError()), "");
  problem.operands[1].strides = {1000, 64, 16, 1};
  EXPECT_EQ(
      messageOf(AttentionProblem::fromProblem(problem).takeError()),
      "attention: expects the strides of 'k' from page to page to be a multiple of those from "
      "key to key, but got 1000 and 64");
}

TEST(AttentionScheduleTest, TheProblemIsChecked) {
  auto read = [](const Problem &problem) {
    return messageOf(AttentionProblem::fromProblem(problem).takeError());
  };
  EXPECT_EQ(read(makeProblem()), "");
  EXPECT_EQ(read(makeProblem(12)),
            "attention: expects D to be a multiple of 8 up to 576, but got 12; the nearest is 16");
  EXPECT_EQ(
      read(makeProblem(64, 16, std::nullopt, 520)),
      "attention: expects Dv to be a multiple of 8 up to 512, but got 520; the nearest is 512");
  EXPECT_EQ(read(makeProblem(64, 6)),
            "attention: expects Hq to be a multiple of Hkv (4), but got 6; the nearest is 8");
  Problem mixed = makeProblem();
  mixed.operands[1].dtype = "bf16";
  EXPECT_EQ(read(mixed),
            "attention: expects the dtype of 'k' to be that of 'q' (f16), but got 'bf16'");
  mixed.operands[1].dtype = "i8";
  EXPECT_EQ(read(mixed), "attention: expects the operand 'k_scales', but there is none");
  mixed.operands[1].dtype = "f32";
  EXPECT_EQ(read(mixed),
            "attention: expects the dtype of 'k' to be one of f16, bf16, but got 'f32'");
  mixed.operands.pop_back();
  mixed.operands[1].dtype = "f16";
  EXPECT_EQ(read(mixed), "attention: expects the operand 'o', but there is none");
  Problem dynamic = makeProblem();
  dynamic.dimensions[5].extent.reset();
  EXPECT_EQ(read(dynamic),
            "attention: expects a static dimension D of at least 1, but got a dynamic one");
}

TEST(AttentionScheduleTest, HeadsAreSplitIntoTilesOfSharedMemory) {
  using Parts = llvm::SmallVector<HeadPart, 3>;
  EXPECT_EQ(splitHead(64), (Parts{{0, 64}}));
  EXPECT_EQ(splitHead(72), (Parts{{0, 64}, {64, 16}}));
  EXPECT_EQ(splitHead(192), (Parts{{0, 192}}));
  EXPECT_EQ(splitHead(576), (Parts{{0, 576}}));
  for (int64_t size = 8; size <= 576; size += 8) {
    int64_t end = 0;
    for (HeadPart part : splitHead(size)) {
      EXPECT_EQ(part.start, end);
      EXPECT_TRUE(part.width % 64 == 0 || part.width == 32 || part.width == 16) << part.width;
      end += part.width;
    }
    EXPECT_EQ(end, getPaddedSize(size));
    EXPECT_LE(end - size, 8);
  }
}

TEST(AttentionScheduleTest, TheDefaultFitsTheRowsAndTheDevice) {
  EXPECT_EQ(choose(makeProblem(), "a100", 1).tileQ, 16);
  EXPECT_EQ(choose(makeProblem(), "a100", 33).tileQ, 64);
  // 16 heads of 512 rows: 64 blocks of 128 rows do not fill 108 SMs; of 4096 rows
  // 512 blocks do.
  EXPECT_EQ(choose(makeProblem(), "a100", 512).tileQ, 64);
  EXPECT_EQ(choose(makeProblem(), "a100", 4096).tileQ, 128);
  // A static length counts, not what is expected.
  EXPECT_EQ(choose(makeProblem(64, 16, 16), "a100", 4096).tileQ, 16);
  for (llvm::StringRef model : {"a100", "rtx4090", "h200"})
    for (int64_t size = 8; size <= 576; size += 8)
      for (int64_t rows : {1, 17, 100, 5000}) {
        int64_t valueSize = std::min<int64_t>(size, 512);
        AttentionSchedule schedule =
            choose(makeProblem(size, 16, std::nullopt, valueSize), model, rows);
        EXPECT_EQ(refuse(schedule, size, model, valueSize), "") << schedule.toSchedule().str();
        EXPECT_EQ(schedule.getWarpRows(), 16);
        EXPECT_GE(schedule.stages, 2) << model.str() << " " << size;
      }
}

TEST(AttentionScheduleTest, ValuesInKeysTakeNoMemoryOfTheirOwn) {
  Problem problem = makeProblem(576, 16, std::nullopt, 512);
  AttentionSchedule schedule{.tileK = 16, .columnWarps = 2, .sharedQ = 1};
  int64_t apart = getSharedBytes(schedule, llvm::cantFail(AttentionProblem::fromProblem(problem)));
  llvm::erase_if(problem.operands, [](auto &operand) { return operand.name == "v"; });
  auto typed = llvm::cantFail(AttentionProblem::fromProblem(problem));
  EXPECT_TRUE(typed.hasValuesInKeys);
  EXPECT_EQ(apart - getSharedBytes(schedule, typed), 2 * 16 * 512 * 2);
  // Twice the keys a turn.
  EXPECT_EQ(choose(problem, "a100", 5000).tileK, 32);
  EXPECT_EQ(choose(problem, "rtx4090", 5000).tileQ, 32);
  problem.dimensions[6].extent = 584;
  EXPECT_EQ(messageOf(AttentionProblem::fromProblem(problem).takeError()),
            "attention: expects Dv to be a multiple of 8 up to 512, but got 584; the nearest is "
            "512");
  problem.dimensions[5].extent = 256;
  problem.dimensions[6].extent = 264;
  EXPECT_EQ(messageOf(AttentionProblem::fromProblem(problem).takeError()),
            "attention: expects Dv to be at most D where values are columns of k, but got 264; the "
            "nearest is 256");
}

TEST(AttentionScheduleTest, HeadsThatOneWarpCannotHoldAreShared) {
  // What fits a warp is its own.
  AttentionSchedule schedule = choose(makeProblem(192), "a100", 5000);
  EXPECT_EQ(schedule.columnWarps, 1);
  EXPECT_EQ(schedule.sharedQ, 0);
  // 16 rows of 256 columns of q and o leave no room for 64 scores.
  schedule = choose(makeProblem(256), "a100", 5000);
  EXPECT_EQ(schedule.columnWarps, 1);
  EXPECT_EQ(schedule.sharedQ, 1);
  EXPECT_EQ(schedule.tileK, 64);
  schedule = choose(makeProblem(576, 16, std::nullopt, 512), "a100", 5000);
  EXPECT_EQ(schedule.tileQ, 64);
  EXPECT_EQ(schedule.columnWarps, 2);
  EXPECT_EQ(schedule.sharedQ, 1);
  // Few rows: the warps that have none share columns.
  schedule = choose(makeProblem(576, 16, std::nullopt, 512), "a100", 1);
  EXPECT_EQ(schedule.tileQ, 16);
  EXPECT_EQ(schedule.columnWarps, 4);
}

TEST(AttentionScheduleTest, TheSpaceIsLegalAndHoldsTheDefault) {
  Problem problem = makeProblem(128);
  const target::GpuModel &model = getModel("a100");
  auto all = llvm::cantFail(enumerate(problem, target::getTarget(model), 4096));
  EXPECT_GT(all.size(), 20u);
  for (const Schedule &schedule : all)
    EXPECT_EQ(messageOf(verify(schedule, problem, target::getTarget(model))), "");
  EXPECT_TRUE(llvm::is_contained(all, llvm::cantFail(chooseDefault(problem, model, 4096))));
}

} // namespace
