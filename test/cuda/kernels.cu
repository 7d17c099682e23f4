// Ordinary CUDA C++ for the emulated device. The PTX beside it is what the
// tests run; make it again with
//   nvcc -ptx -arch=sm_80 -O3 -lineinfo kernels.cu -o kernels.ptx
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void vectorAdd(const float *a, const float *b, float *c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    c[i] = a[i] + b[i];
}

// One sum a block: shuffles within a warp, shared memory between warps.
extern "C" __global__ void reduceSum(const float *in, float *out, int n) {
  __shared__ float partial[32];
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    sum += in[i];
  for (int offset = 16; offset; offset >>= 1)
    sum += __shfl_down_sync(0xffffffffu, sum, offset);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0f;
    for (int offset = 16; offset; offset >>= 1)
      sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (threadIdx.x == 0)
      out[blockIdx.x] = sum;
  }
}

extern "C" __global__ void matmulTiled(const float *a, const float *b, float *c, int m, int n,
                                       int k) {
  __shared__ float tileA[16][16], tileB[16][17];
  int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int start = 0; start < k; start += 16) {
    int ka = start + threadIdx.x, kb = start + threadIdx.y;
    tileA[threadIdx.y][threadIdx.x] = row < m && ka < k ? a[row * k + ka] : 0.0f;
    tileB[threadIdx.y][threadIdx.x] = column < n && kb < k ? b[kb * n + column] : 0.0f;
    __syncthreads();
    for (int i = 0; i < 16; ++i)
      sum += tileA[threadIdx.y][i] * tileB[i][threadIdx.x];
    __syncthreads();
  }
  if (row < m && column < n)
    c[row * n + column] = sum;
}

extern "C" __global__ void histogram(const unsigned char *in, unsigned *bins, int n) {
  __shared__ unsigned local[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    local[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[in[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    atomicAdd(&bins[i], local[i]);
}

// One row a block.
extern "C" __global__ void softmax(const float *in, float *out, int columns) {
  extern __shared__ float scratch[];
  const float *row = in + blockIdx.x * columns;
  float most = -INFINITY;
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    most = fmaxf(most, row[i]);
  scratch[threadIdx.x] = most;
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2) {
    if (threadIdx.x < half)
      scratch[threadIdx.x] = fmaxf(scratch[threadIdx.x], scratch[threadIdx.x + half]);
    __syncthreads();
  }
  most = scratch[0];
  __syncthreads();
  float sum = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    sum += expf(row[i] - most);
  scratch[threadIdx.x] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2) {
    if (threadIdx.x < half)
      scratch[threadIdx.x] += scratch[threadIdx.x + half];
    __syncthreads();
  }
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    out[blockIdx.x * columns + i] = expf(row[i] - most) / scratch[0];
}

// The last block to finish adds the partial sums: fences and a counter.
__device__ unsigned finished;
extern "C" __global__ void lastBlockSum(const int *in, int *partial, int *out, int n) {
  __shared__ bool isLast;
  int sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    sum += in[i];
  sum = __reduce_add_sync(0xffffffffu, sum);
  if (threadIdx.x % 32 == 0)
    atomicAdd(&partial[blockIdx.x], sum);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0)
    isLast = atomicInc(&finished, gridDim.x - 1) == gridDim.x - 1;
  __syncthreads();
  if (isLast && threadIdx.x == 0) {
    int total = 0;
    for (int i = 0; i < gridDim.x; ++i)
      total += __ldcg(&partial[i]);
    *out = total;
  }
}

// Device functions that stay calls, local arrays, 64-bit and double arithmetic.
__device__ __noinline__ long long collatz(long long n) {
  long long steps = 0;
  while (n != 1) {
    n = n % 2 ? 3 * n + 1 : n / 2;
    ++steps;
  }
  return steps;
}
extern "C" __global__ void mixed(long long *steps, double *roots, int *sorted, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  steps[i] = collatz(i + 1);
  roots[i] = sqrt((double)i) / (i + 0.5) + pow(1.5, (double)(i % 7));
  int values[9];
  for (int k = 0; k < 9; ++k)
    values[k] = (i * 7919 + k * 104729) % 1000;
  for (int k = 1; k < 9; ++k)
    for (int j = k; j > 0 && values[j - 1] > values[j]; --j) {
      int swapped = values[j];
      values[j] = values[j - 1];
      values[j - 1] = swapped;
    }
  for (int k = 0; k < 9; ++k)
    sorted[i * 9 + k] = values[k];
}

// half2 and bf16 arithmetic and conversions.
extern "C" __global__ void halves(const __half2 *a, const __half2 *b, __half2 *c,
                                  __nv_bfloat16 *d, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  c[i] = __hfma2(a[i], b[i], __hmul2(a[i], __float2half2_rn(0.5f)));
  d[i] = __float2bfloat16(__low2float(c[i]) + __high2float(b[i]));
}

extern "C" __global__ void printing(int n) {
  if (threadIdx.x < n)
    printf("thread %d of %s: %5.2f\n", threadIdx.x, "block", threadIdx.x * 0.25);
}

// C = A * B^T, f16 with f32 sums: 64x64 tiles, 3 stages of cp.async, ldmatrix,
// mma.m16n8k16. K must be a multiple of 32; 128 threads.
__device__ __forceinline__ unsigned sharedAddress(const void *pointer) {
  return (unsigned)__cvta_generic_to_shared(pointer);
}
extern "C" __global__ void __launch_bounds__(128)
    matmulTensor(const __half *a, const __half *b, float *c, int n, int k) {
  constexpr int stages = 3, pitch = 40;
  __shared__ __align__(128) __half tileA[stages][64][pitch], tileB[stages][64][pitch];
  int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  int rowBase = blockIdx.y * 64, columnBase = blockIdx.x * 64;
  auto fetch = [&](int stage, int start) {
    for (int chunk = thread; chunk < 256; chunk += 128) {
      int row = chunk / 4, part = chunk % 4 * 8;
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                       sharedAddress(&tileA[stage][row][part])),
                   "l"(a + (rowBase + row) * k + start + part));
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                       sharedAddress(&tileB[stage][row][part])),
                   "l"(b + (columnBase + row) * k + start + part));
    }
  };
  float sums[8][4] = {};
  int steps = k / 32;
  for (int s = 0; s < stages - 1; ++s) {
    if (s < steps)
      fetch(s, s * 32);
    asm volatile("cp.async.commit_group;");
  }
  for (int step = 0; step < steps; ++step) {
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();
    if (step + stages - 1 < steps)
      fetch((step + stages - 1) % stages, (step + stages - 1) * 32);
    asm volatile("cp.async.commit_group;");
    int stage = step % stages;
    for (int kk = 0; kk < 32; kk += 16) {
      unsigned fa[4], fb[4];
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3])
                   : "r"(sharedAddress(&tileA[stage][warp * 16 + lane % 16][kk + lane / 16 * 8])));
      for (int j = 0; j < 8; j += 2) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(fb[0]), "=r"(fb[1]), "=r"(fb[2]), "=r"(fb[3])
                     : "r"(sharedAddress(
                         &tileB[stage][j * 8 + lane % 8 + lane / 16 * 8][kk + lane / 8 % 2 * 8])));
        for (int h = 0; h < 2; ++h)
          asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                       "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                       : "+f"(sums[j + h][0]), "+f"(sums[j + h][1]), "+f"(sums[j + h][2]),
                         "+f"(sums[j + h][3])
                       : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[2 * h]),
                         "r"(fb[2 * h + 1]));
      }
    }
  }
  for (int j = 0; j < 8; ++j)
    for (int r = 0; r < 4; ++r)
      c[(rowBase + warp * 16 + lane / 4 + r / 2 * 8) * n + columnBase + j * 8 + lane % 4 * 2 +
        r % 2] = sums[j][r];
}
