//===- PackedOperand.cpp - Packed words against the operand they become ----===//
//
// Thread 0 is checked register by register. The position of an element in its
// block is a selection of coordinate bits, and both layouts are linear, so what
// holds for thread 0 and for the threads of a single lane or warp bit holds for
// all, provided that those bits never choose the fragment: word numbers within
// a block (fragment * bits + word) are the one thing that is not linear.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/PackedOperand.h"

#include <set>
#include <tuple>

using namespace llvm;

namespace tilewright::layout {

namespace {
/// An element of the tile: its block and its position there.
struct Element {
  unsigned strip, block;
  BlockPosition position;
};

struct Thread {
  unsigned lane = 0, warp = 0;
};
} // namespace

static Element findElement(const LinearLayout &operand, unsigned reg, Thread thread) {
  Coordinates c = operand.apply(reg, thread.lane, thread.warp);
  unsigned k = c[0], n = c[1];
  return {n / blockN, k / blockK, getBlockPosition({k % blockK, n % blockN})};
}

/// The thread's register that holds word `word` of the element's fragment.
static std::optional<unsigned> findWord(const LinearLayout &words, const Element &element,
                                        unsigned bits, unsigned word, Thread thread) {
  unsigned offset = getWordOffset(bits, element.position.fragment, word, element.position.lane);
  return words.findRegister({element.strip, element.block, offset}, thread.lane, thread.warp);
}

PackedPair getPackedPair(const LinearLayout &operand, unsigned index) {
  Element element = findElement(operand, 2 * index, {});
  return {element.strip, element.block, element.position.fragment, element.position.pair};
}

static Error verifyShapes(const LinearLayout &words, const LinearLayout &operand, unsigned bits) {
  if (words.getRank() != 3 || operand.getRank() != 2)
    return createStringError("expects words of rank 3 and an operand of rank 2, but got ranks " +
                             Twine(words.getRank()) + " and " + Twine(operand.getRank()));
  SmallVector<int64_t, 4> tile = words.getShape(), elements = operand.getShape();
  if (tile[2] != 128 * int64_t(bits))
    return createStringError("expects " + Twine(128 * bits) + " words a block for " + Twine(bits) +
                             " bits, but got " + Twine(tile[2]));
  if (elements[0] != tile[1] * blockK || elements[1] != tile[0] * blockN)
    return createStringError("expects an operand of " + Twine(tile[1] * blockK) + "x" +
                             Twine(tile[0] * blockN) + " elements, but got " + Twine(elements[0]) +
                             "x" + Twine(elements[1]));
  if (operand.getNumLanes() != 32 || words.getNumLanes() != 32 ||
      operand.getNumWarps() != words.getNumWarps())
    return createStringError("expects words and operand over the same warps of 32 lanes");
  if (operand.getNumRegisters() % 2 != 0)
    return createStringError("expects operand registers in pairs, but got " +
                             Twine(operand.getNumRegisters()));
  return Error::success();
}

static Error verifyThread(const LinearLayout &words, const LinearLayout &operand, unsigned bits,
                          Thread thread) {
  auto fail = [&](unsigned reg, const Twine &reason) {
    return createStringError(reason + " (operand register " + Twine(reg) + ", lane " +
                             Twine(thread.lane) + ", warp " + Twine(thread.warp) + ")");
  };
  // Words are looked up once a fragment.
  std::set<std::tuple<unsigned, unsigned, unsigned, unsigned, unsigned, unsigned>> checked;
  for (unsigned reg = 0; reg < operand.getNumRegisters(); reg += 2) {
    Element low = findElement(operand, reg, thread), high = findElement(operand, reg + 1, thread);
    BlockPosition partner = low.position;
    partner.half = 1;
    if (low.position.half != 0 || high.position != partner || high.strip != low.strip ||
        high.block != low.block)
      return fail(reg, "expects a packed pair in neighbouring operand registers");

    // All threads run one program: same pair, same word registers.
    Element first = findElement(operand, reg, {});
    unsigned fragment = low.position.fragment;
    if (fragment != first.position.fragment || low.position.pair != first.position.pair)
      return fail(reg, "expects all threads to unpack the same pair of the same fragment");
    if (!checked
             .insert({low.strip, low.block, fragment, low.position.lane, first.strip, first.block})
             .second)
      continue;
    for (unsigned word = 0; word < bits; ++word) {
      std::optional<unsigned> mine = findWord(words, low, bits, word, thread);
      if (!mine)
        return fail(reg, "expects the thread to load word " + Twine(word) + " of fragment " +
                             Twine(fragment) + " of strip " + Twine(low.strip) + ", block " +
                             Twine(low.block));
      if (mine != findWord(words, first, bits, word, {}))
        return fail(reg, "expects all threads to load word " + Twine(word) + " of fragment " +
                             Twine(fragment) + " into the same register");
    }
  }
  return Error::success();
}

Error verifyPackedOperand(const LinearLayout &words, const LinearLayout &operand, unsigned bits) {
  if (Error error = verifyShapes(words, operand, bits))
    return error;
  if (Error error = verifyThread(words, operand, bits, {}))
    return error;
  for (unsigned lane = 1; lane < operand.getNumLanes(); lane *= 2)
    if (Error error = verifyThread(words, operand, bits, {lane, 0}))
      return error;
  for (unsigned warp = 1; warp < operand.getNumWarps(); warp *= 2)
    if (Error error = verifyThread(words, operand, bits, {0, warp}))
      return error;
  return Error::success();
}

} // namespace tilewright::layout
