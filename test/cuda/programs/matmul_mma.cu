// A half-precision matrix product as libraries write it: cp.async into a ring of stages,
// swizzled shared memory, ldmatrix, mma.m16n8k16, all in inline PTX.
#include <cstdint>
#include <cuda_fp16.h>

constexpr int kM = 64, kN = 64, kK = 32, kStages = 3;

__device__ uint32_t sharedAddress(const void *p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
__device__ void copyAsync16(uint32_t to, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(to), "l"(from) : "memory");
}
__device__ void commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
template <int kLeft> __device__ void waitGroup() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kLeft) : "memory");
}
__device__ void ldmatrixX4(uint32_t (&r)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}
__device__ void ldmatrixX4Transposed(uint32_t (&r)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}
__device__ void mma16816(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

struct Stage {
  half a[kM * kK]; // rows of 4 chunks of 16 bytes, chunk ^ (row / 2 % 4)
  half b[kK * kN]; // rows of 8 chunks, chunk ^ (row % 8)
};
__device__ int chunkA(int row, int chunk) { return row * kK + (chunk ^ (row / 2 % 4)) * 8; }
__device__ int chunkB(int row, int chunk) { return row * kN + (chunk ^ (row % 8)) * 8; }

// C = A B, all row-major; m and n multiples of 64, k of 32. 128 threads, a warp 32x32.
extern "C" __global__ void __launch_bounds__(128)
    matmulRing(const half *__restrict__ a, const half *__restrict__ b, float *__restrict__ c, int n,
               int k) {
  extern __shared__ __align__(128) unsigned char raw[];
  Stage *stages = reinterpret_cast<Stage *>(raw);
  int t = threadIdx.x, lane = t % 32, warp = t / 32;
  int row = blockIdx.y * kM, column = blockIdx.x * kN;
  int slices = k / kK;

  auto load = [&](int slice) {
    Stage &stage = stages[slice % kStages];
#pragma unroll
    for (int i = t; i < kM * kK / 8; i += 128)
      copyAsync16(sharedAddress(&stage.a[chunkA(i / 4, i % 4)]),
                  a + (row + i / 4) * k + slice * kK + i % 4 * 8);
#pragma unroll
    for (int i = t; i < kK * kN / 8; i += 128)
      copyAsync16(sharedAddress(&stage.b[chunkB(i / 8, i % 8)]),
                  b + (slice * kK + i / 8) * n + column + i % 8 * 8);
  };

  for (int s = 0; s < kStages - 1; ++s) {
    if (s < slices)
      load(s);
    commit();
  }
  float acc[2][4][4] = {};
  int warpRow = warp / 2 * 32, warpColumn = warp % 2 * 32;
  for (int slice = 0; slice < slices; ++slice) {
#ifdef BUG_1 // one group too many is left in flight
    waitGroup<kStages - 1>();
#elif !defined(BUG_2) // no wait at all
    waitGroup<kStages - 2>();
#endif
#ifndef BUG_3 // the copies of other threads are not waited for
    __syncthreads();
#endif
    if (slice + kStages - 1 < slices)
      load(slice + kStages - 1);
#ifdef BUG_4 // no empty groups at the end: the count of the wait is off there
    if (slice + kStages - 1 < slices)
#endif
      commit();
    const Stage &stage = stages[slice % kStages];
#pragma unroll
    for (int kk = 0; kk < kK / 16; ++kk) {
      uint32_t fa[2][4], fb[2][4];
#pragma unroll
      for (int i = 0; i < 2; ++i)
        ldmatrixX4(fa[i], sharedAddress(
                              &stage.a[chunkA(warpRow + i * 16 + lane % 16, kk * 2 + lane / 16)]));
#pragma unroll
      for (int j = 0; j < 2; ++j)
        ldmatrixX4Transposed(
            fb[j],
            sharedAddress(
                &stage.b[chunkB(kk * 16 + lane % 16, (warpColumn + j * 16) / 8 + lane / 16)]));
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          mma16816(acc[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        int r = row + warpRow + i * 16 + h * 8 + lane / 4;
        int s = column + warpColumn + j * 8 + lane % 4 * 2;
        *reinterpret_cast<float2 *>(c + r * n + s) =
            make_float2(acc[i][j][2 * h], acc[i][j][2 * h + 1]);
      }
}
