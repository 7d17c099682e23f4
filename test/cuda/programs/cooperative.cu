// Cooperative groups: tiles and their collectives, coalesced and labelled groups, a
// block's group, and barriers over the grid.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;

extern "C" __global__ void tiles(const int *in, int *out) {
  cg::thread_block block = cg::this_thread_block();
  auto warp = cg::tiled_partition<32>(block);
  auto eight = cg::tiled_partition<8>(warp);
  int i = block.thread_rank(), value = in[i];
  int *row = out + i * 8;
  row[0] = cg::reduce(warp, value, cg::plus<int>());
  row[1] = cg::reduce(eight, value, cg::greater<int>());
  row[2] = cg::inclusive_scan(eight, value, cg::plus<int>());
  row[3] = cg::exclusive_scan(warp, value);
  row[4] = eight.shfl(value, 7) + eight.meta_group_rank() * 1000;
  row[5] = warp.ballot(value & 1);
  row[6] = eight.match_any(value % 2);
  row[7] = (int)cg::reduce(eight, (float)value * 0.5f, cg::less<float>());
}

extern "C" __global__ void divergentGroups(const int *in, int *out, int *counter) {
  auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  int i = cg::this_grid().thread_rank(), value = in[i];
  int *row = out + i * 4;
  row[0] = row[1] = row[2] = row[3] = -1;
  if (value % 3 == 0) {
    cg::coalesced_group active = cg::coalesced_threads();
    row[0] = active.size();
    row[1] = active.thread_rank();
    int base = 0;
    if (active.thread_rank() == 0)
      base = atomicAdd(counter, active.size());
    row[2] = active.shfl(base, 0) >= 0 ? cg::reduce(active, value, cg::plus<int>()) : 0;
  }
  warp.sync();
  auto same = cg::labeled_partition(warp, value % 4);
  row[3] = cg::reduce(same, 1, cg::plus<int>()) * 100 + value % 4;
}

// A tile of 64 threads needs memory of its own for its barrier.
extern "C" __global__ void largeTiles(const int *in, int *out) {
  __shared__ cg::block_tile_memory<128> memory;
  __shared__ int words[128];
  auto block = cg::this_thread_block(memory);
  auto tile = cg::tiled_partition<64>(block);
  int i = block.thread_rank();
  words[i] = in[i];
#ifndef BUG_1 // the other warp of the tile may not have written yet
  tile.sync();
#endif
  int rank = tile.thread_rank(), base = i - rank;
  out[i] = words[base + 63 - rank];
  int sum = cg::reduce(tile, in[i], cg::plus<int>());
  if (rank == 0)
    out[128 + tile.meta_group_rank()] = sum;
}

// Arrive, do something else, then wait.
extern "C" __global__ void splitBarrier(const int *in, int *out) {
  __shared__ int words[128];
  auto block = cg::this_thread_block();
  int i = block.thread_rank();
  words[i] = in[i];
  auto token = block.barrier_arrive();
  int own = in[i] * in[i];
  block.barrier_wait(std::move(token));
  out[i] = own + words[127 - i];
}

// Odd-even sort of the whole grid: a barrier over all blocks after each step.
extern "C" __global__ void gridSort(int *data, int n) {
  cg::grid_group grid = cg::this_grid();
  int t = grid.thread_rank(), threads = grid.size();
  for (int round = 0; round < n; ++round) {
    for (int low = 2 * t + round % 2; low + 1 < n; low += 2 * threads) {
      int a = data[low], b = data[low + 1];
      if (a > b) {
        data[low] = b;
        data[low + 1] = a;
      }
    }
#ifdef BUG_2 // waits for its own block only
    __syncthreads();
#else
    grid.sync();
#endif
  }
}
