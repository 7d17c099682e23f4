// What sm_90 adds within a block: mbarriers with timeouts and counts of bytes, stmatrix,
// elect.sync, bfloat162 and wide atomics, in inline PTX.
#include <cstdint>
#include <cuda_bf16.h>

__device__ uint32_t sharedAddress(const void *p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
__device__ bool elected() {
  uint32_t is;
  asm volatile("{.reg .pred p; elect.sync _|p, -1; selp.u32 %0, 1, 0, p;}" : "=r"(is));
  return is;
}
__device__ void waitParity(uint32_t barrier, uint32_t parity) {
  asm volatile("{.reg .pred p;\n"
               "L: mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%0], %1, 1000;\n"
               "@!p bra L;}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}

// Two warps fill, two read: full and empty barriers of two slots, parities that turn.
extern "C" __global__ void pipelineOfWarps(const int *in, int *out, int rounds) {
  __shared__ uint64_t full[2], empty[2];
  __shared__ int slots[2][64];
  int t = threadIdx.x;
  if (t < 4)
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 64;" ::"r"(
                     sharedAddress(t < 2 ? &full[t] : &empty[t - 2]))
                 : "memory");
  __syncthreads();
  if (t < 64) {
    for (int r = 0; r < rounds; ++r) {
      int slot = r % 2, phase = r / 2 % 2;
#ifndef BUG_1 // does not wait until the slot is empty
      waitParity(sharedAddress(&empty[slot]), phase ^ 1);
#endif
      slots[slot][t] = in[r * 64 + t];
#ifdef BUG_2 // relaxed: does not release what was written
      asm volatile(
          "mbarrier.arrive.relaxed.cta.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(&full[slot]))
          : "memory");
#else
      asm volatile(
          "mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(&full[slot]))
          : "memory");
#endif
    }
  } else {
    int sum = 0;
    for (int r = 0; r < rounds; ++r) {
      int slot = r % 2, phase = r / 2 % 2;
#ifdef BUG_3 // waits for the wrong phase
      waitParity(sharedAddress(&full[slot]), phase ^ 1);
#else
      waitParity(sharedAddress(&full[slot]), phase);
#endif
      sum = sum * 3 + slots[slot][127 - t];
      asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(&empty[slot]))
                   : "memory");
    }
    out[t - 64] = sum;
  }
}

// Four 8x8 matrices from registers to shared memory, then read row by row.
extern "C" __global__ void storeMatrices(const uint32_t *in, uint4 *out) {
  __shared__ __align__(16) uint4 rows[32];
  int lane = threadIdx.x;
  uint32_t to = sharedAddress(&rows[lane]);
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(to),
               "r"(in[lane]), "r"(in[32 + lane]), "r"(in[64 + lane]), "r"(in[96 + lane])
               : "memory");
#ifndef BUG_4 // rows that other lanes stored
  __syncwarp();
#endif
  out[lane] = rows[31 - lane];
}

// One lane a warp counts; packed bfloat16 sums and 128-bit exchanges in memory.
extern "C" __global__ void electedAtomics(const int *in, int *count, __nv_bfloat162 *sums,
                                          unsigned long long *wide) {
  if (elected())
    atomicAdd(count, in[threadIdx.x / 32]);
  atomicAdd(sums, __floats2bfloat162_rn(1.0f, -1.0f));
  if (threadIdx.x == 0) {
    unsigned long long low, high;
    asm volatile("{.reg .b128 c, n, o;\n"
                 "mov.b128 c, {%3, %4}; mov.b128 n, {%5, %6};\n"
                 "atom.global.cas.b128 o, [%2], c, n;\n"
                 "mov.b128 {%0, %1}, o;}"
                 : "=l"(low), "=l"(high)
                 : "l"(wide), "l"(1ull), "l"(2ull), "l"(77ull), "l"(99ull)
                 : "memory");
    wide[2] = low;
    wide[3] = high;
  }
}
