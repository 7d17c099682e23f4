//===- Pack.cpp - Weight codes into packed words and back, on the host ------===//
//
// Cuts the matrix into blocks, brings each into column form (padding, either
// order of the source), and shares ranges of blocks among threads.
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/Pack.h"

#include "runtime/Pack/BlockCodec.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

using namespace llvm;

namespace tilewright::pack {

using layout::blockK;
using layout::blockN;

Error PackedShape::verify() const {
  if (version != layout::packingVersion)
    return createStringError("the weights are packed in layout version " + Twine(version) +
                             ", but this build reads version " + Twine(layout::packingVersion));
  if (bits < 1 || bits > 8)
    return createStringError("packed weights have 1 to 8 bits, but got " + Twine(bits));
  if (hasPlanes(storage) && activations != layout::ActivationClass::Bits16)
    return createStringError("planes are packed for 16-bit activations, but got " +
                             getName(activations));
  if (k < 0 || n < 0)
    return createStringError("a packed matrix has extents of 0 or more, but got K=" + Twine(k) +
                             ", N=" + Twine(n));
  constexpr int64_t limit = int64_t(1) << 46;
  if (k > limit || n > limit || (n && k > limit / n))
    return createStringError("a packed matrix has at most 2^46 weights, but got K=" + Twine(k) +
                             ", N=" + Twine(n));
  return Error::success();
}

uint64_t PackedShape::getWordCount() const { return layout::getPackedBytes(k, n, bits) / 4; }

namespace {

/// The blocks of a matrix, in the order in which they are visited: strip by strip,
/// as they are stored, or `stripsAtOnce` neighbouring strips side by side. Rows that
/// run along N are best read that way: a row of a block is half a cache line, and
/// the next row lies on another page.
class BlockGrid {
public:
  BlockGrid(const PackedShape &shape, unsigned stripsAtOnce)
      : shape(shape), blocksAlongK(divideCeil(uint64_t(shape.k), blockK)),
        strips(divideCeil(uint64_t(shape.n), blockN)), stripsAtOnce(stripsAtOnce) {}

  uint64_t count() const { return blocksAlongK * strips; }

  struct Block {
    uint64_t stored;    ///< its place among the blocks in memory
    int64_t k0, n0;     ///< first weight
    int64_t kEnd, nEnd; ///< extents inside the matrix, at most 128 and 32
  };
  Block get(uint64_t visited) const {
    uint64_t group = visited / (blocksAlongK * stripsAtOnce) * stripsAtOnce;
    uint64_t width = std::min<uint64_t>(stripsAtOnce, strips - group);
    uint64_t within = visited - group * blocksAlongK;
    return getStored((group + within % width) * blocksAlongK + within / width);
  }
  Block getStored(uint64_t stored) const {
    int64_t k0 = stored % blocksAlongK * blockK, n0 = stored / blocksAlongK * blockN;
    return {stored, k0, n0, std::min<int64_t>(blockK, shape.k - k0),
            std::min<int64_t>(blockN, shape.n - n0)};
  }

private:
  PackedShape shape;
  uint64_t blocksAlongK, strips, stripsAtOnce;
};

/// Strips of four cache lines side by side, where rows run along N.
template <typename T> BlockGrid makeGrid(const PackedShape &shape, const Matrix<T> &codes) {
  return BlockGrid(shape, codes.columnStride == 1 ? 8 : 1);
}

using Block = BlockGrid::Block;

constexpr unsigned squareSize = 16;
using SquareRow = uint8_t __attribute__((vector_size(squareSize)));

SquareRow loadRow(const uint8_t *from) {
  SquareRow row;
  std::memcpy(&row, from, sizeof(row));
  return row;
}

using Square = SquareRow[squareSize];

/// Interleaves the bytes of row i with those of row i + 8: rows 2i and 2i + 1.
[[gnu::always_inline]] inline void interleave(const Square &rows, Square &result) {
#pragma GCC unroll 8
  for (unsigned i = 0; i < squareSize / 2; ++i) {
    SquareRow low = rows[i], high = rows[i + squareSize / 2];
    result[2 * i] =
        __builtin_shufflevector(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    result[2 * i + 1] = __builtin_shufflevector(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                29, 14, 30, 15, 31);
  }
}

/// Transposes 16 x 16 bytes: byte j of row i becomes byte i of row j. Interleaving
/// rotates the eight bits (row, column) of a byte's place by one; four times swap
/// row and column.
[[gnu::always_inline]] inline void transpose(Square &rows) {
  Square turned;
  interleave(rows, turned);
  interleave(turned, rows);
  interleave(rows, turned);
  interleave(turned, rows);
}

/// Whether the codes of neighbouring n are neighbours and the block is whole,
/// so that it can be moved in squares.
bool isWholeRows(const Block &block, int64_t columnStride) {
  return columnStride == 1 && block.kEnd == blockK && block.nEnd == blockN;
}

/// Copies a block out of the matrix, zero where it reaches beyond.
void gather(const Block &block, Matrix<const uint8_t> codes, BlockColumns &columns) {
  if (block.kEnd < blockK || block.nEnd < blockN)
    std::memset(columns, 0, sizeof(columns));
  const uint8_t *first = &codes.at(block.k0, block.n0);
  if (codes.rowStride == 1) {
    for (int64_t n = 0; n < block.nEnd; ++n)
      std::memcpy(columns[n], first + n * codes.columnStride, block.kEnd);
    return;
  }
  if (isWholeRows(block, codes.columnStride)) {
    for (int64_t k = 0; k < blockK; k += squareSize)
      for (int64_t n = 0; n < blockN; n += squareSize) {
        Square square;
#pragma GCC unroll 16
        for (int64_t i = 0; i < squareSize; ++i)
          square[i] = loadRow(first + (k + i) * codes.rowStride + n);
        transpose(square);
#pragma GCC unroll 16
        for (int64_t i = 0; i < squareSize; ++i)
          std::memcpy(&columns[n + i][k], &square[i], squareSize);
      }
    return;
  }
  for (int64_t k = 0; k < block.kEnd; ++k, first += codes.rowStride)
    for (int64_t n = 0; n < block.nEnd; ++n)
      columns[n][k] = first[n * codes.columnStride];
}

/// Copies a block into the matrix, dropping what reaches beyond.
void scatter(const Block &block, const BlockColumns &columns, Matrix<uint8_t> codes) {
  uint8_t *first = &codes.at(block.k0, block.n0);
  if (codes.rowStride == 1) {
    for (int64_t n = 0; n < block.nEnd; ++n)
      std::memcpy(first + n * codes.columnStride, columns[n], block.kEnd);
    return;
  }
  if (isWholeRows(block, codes.columnStride)) {
    for (int64_t k = 0; k < blockK; k += squareSize)
      for (int64_t n = 0; n < blockN; n += squareSize) {
        Square square;
#pragma GCC unroll 16
        for (int64_t i = 0; i < squareSize; ++i)
          square[i] = loadRow(&columns[n + i][k]);
        transpose(square);
#pragma GCC unroll 16
        for (int64_t i = 0; i < squareSize; ++i)
          std::memcpy(first + (k + i) * codes.rowStride + n, &square[i], squareSize);
      }
    return;
  }
  for (int64_t k = 0; k < block.kEnd; ++k, first += codes.rowStride)
    for (int64_t n = 0; n < block.nEnd; ++n)
      first[n * codes.columnStride] = columns[n][k];
}

bool hasBitsAbove(const BlockColumns &columns, unsigned bits) {
  uint8_t all = 0;
  for (const auto &column : columns)
    for (uint8_t code : column)
      all |= code;
  return all >> bits;
}

/// Runs body(begin, end) over ranges that cover 0..count, in several threads
/// where that pays.
template <typename Body> void shareBlocks(uint64_t count, unsigned threads, Body body) {
  // A thread costs about as much as packing 32 blocks.
  constexpr uint64_t leastBlocks = 32;
  if (threads == 0)
    threads = std::max(1u, std::thread::hardware_concurrency());
  uint64_t workers = std::clamp<uint64_t>(count / leastBlocks, 1, threads);
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < workers; ++i)
    others.emplace_back(body, count * i / workers, count * (i + 1) / workers);
  body(uint64_t(0), count / workers);
  for (std::thread &other : others)
    other.join();
}

/// The error for a block that holds a code of too many bits.
Error reportCode(const Block &block, Matrix<const uint8_t> codes, unsigned bits) {
  for (int64_t k = block.k0; k < block.k0 + block.kEnd; ++k)
    for (int64_t n = block.n0; n < block.n0 + block.nEnd; ++n)
      if (unsigned code = codes.at(k, n); code >> bits)
        return createStringError("the code of weight (k=" + Twine(k) + ", n=" + Twine(n) + ") is " +
                                 Twine(code) + ", but codes of " + Twine(bits) +
                                 " bits are at most " + Twine((1u << bits) - 1));
  return createStringError("the codes changed while they were packed");
}

Error verifyWords(const PackedShape &shape, size_t count) {
  if (Error error = shape.verify())
    return error;
  if (count != shape.getWordCount())
    return createStringError("K=" + Twine(shape.k) + ", N=" + Twine(shape.n) + " of " +
                             Twine(shape.bits) + " bits take " + Twine(shape.getWordCount()) +
                             " packed words, but got " + Twine(count));
  return Error::success();
}

} // namespace

Error packCodes(const PackedShape &shape, Matrix<const uint8_t> codes,
                MutableArrayRef<uint32_t> words, unsigned threads) {
  if (Error error = verifyWords(shape, words.size()))
    return error;
  BlockGrid grid = makeGrid(shape, codes);
  if (grid.count() == 0)
    return Error::success();
  BlockCodec codec(shape.bits, shape.storage, shape.activations);
  std::atomic<uint64_t> firstBad = grid.count();
  shareBlocks(grid.count(), threads, [&](uint64_t begin, uint64_t end) {
    alignas(64) BlockColumns columns;
    for (uint64_t index = begin; index < end; ++index) {
      Block block = grid.get(index);
      gather(block, codes, columns);
      if (hasBitsAbove(columns, shape.bits)) {
        // Others may come before it in memory, so the search goes on.
        uint64_t seen = firstBad;
        while (block.stored < seen && !firstBad.compare_exchange_weak(seen, block.stored)) {
        }
        continue;
      }
      codec.encode(columns, words.data() + block.stored * codec.getWordsPerBlock(),
                   shape.getPlaneWords());
    }
  });
  if (firstBad < grid.count())
    return reportCode(grid.getStored(firstBad), codes, shape.bits);
  return Error::success();
}

Error unpackCodes(const PackedShape &shape, ArrayRef<uint32_t> words, Matrix<uint8_t> codes,
                  unsigned threads) {
  if (Error error = verifyWords(shape, words.size()))
    return error;
  BlockGrid grid = makeGrid(shape, codes);
  if (grid.count() == 0)
    return Error::success();
  BlockCodec codec(shape.bits, shape.storage, shape.activations);
  shareBlocks(grid.count(), threads, [&](uint64_t begin, uint64_t end) {
    alignas(64) BlockColumns columns;
    for (uint64_t index = begin; index < end; ++index) {
      Block block = grid.get(index);
      codec.decode(words.data() + block.stored * codec.getWordsPerBlock(), shape.getPlaneWords(),
                   columns);
      scatter(block, columns, codes);
    }
  });
  return Error::success();
}

} // namespace tilewright::pack
