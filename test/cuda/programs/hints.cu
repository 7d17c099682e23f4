// Loads and stores with every cache operator, eviction policies, prefetches, and the same
// in inline PTX: none of it may change a result.
#include <cstdint>

extern "C" __global__ void cacheOperators(const int *in, int *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  int sum = __ldg(in + i) + __ldca(in + i) + __ldcg(in + i) + __ldcs(in + i) + __ldcv(in + i);
  int2 pair = __ldcg(reinterpret_cast<const int2 *>(in) + i / 2);
  sum += pair.x ^ pair.y;
  __stwb(out + 4 * i, sum);
  __stcg(out + 4 * i + 1, sum + 1);
  __stcs(out + 4 * i + 2, sum + 2);
  __stwt(out + 4 * i + 3, sum + 3);
}

extern "C" __global__ void policies(const float4 *in, float4 *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  uint64_t first, last;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(first));
  asm volatile("createpolicy.fractional.L2::evict_last.L2::evict_unchanged.b64 %0, 0.5;"
               : "=l"(last));
  asm volatile("prefetch.global.L2 [%0];" ::"l"(in + i));
  float4 v;
  asm volatile(
      "ld.global.nc.L1::no_allocate.L2::cache_hint.L2::128B.v4.f32 {%0,%1,%2,%3}, [%4], %5;"
      : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
      : "l"(in + i), "l"(first));
  asm volatile(
      "st.global.L1::no_allocate.L2::cache_hint.v4.f32 [%0], {%1,%2,%3,%4}, %5;" ::"l"(out + i),
      "f"(v.w), "f"(v.z), "f"(v.y), "f"(v.x), "l"(last)
      : "memory");
}

// Copies to shared memory with a hint, then a tile read back backwards.
extern "C" __global__ void hintedCopies(const int4 *in, int4 *out) {
  __shared__ int4 tile[64];
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_last.b64 %0;" : "=l"(policy));
  uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(&tile[threadIdx.x]));
  asm volatile("cp.async.cg.shared.global.L2::cache_hint.L2::256B [%0], [%1], 16, %2;" ::"r"(to),
               "l"(in + threadIdx.x), "l"(policy)
               : "memory");
  asm volatile("cp.async.wait_all;" ::: "memory");
#ifndef BUG_1 // waited for by each thread, but only for its own copy
  __syncthreads();
#endif
  out[threadIdx.x] = tile[63 - threadIdx.x];
}
