// Irregular and scientific work: sparse products, a search of a graph, Fourier
// transforms, bodies under gravity, random numbers, a fractal, string matching.
#include <cstdint>

extern "C" __global__ void csrScalar(const int *rowStart, const int *column, const double *value,
                                     const double *x, double *y, int rows) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows)
    return;
  double sum = 0;
  for (int i = rowStart[row]; i < rowStart[row + 1]; ++i)
    sum += value[i] * x[column[i]];
  y[row] = sum;
}

// Eight lanes a row.
extern "C" __global__ void csrVector(const int *rowStart, const int *column, const double *value,
                                     const double *x, double *y, int rows) {
  int thread = blockIdx.x * blockDim.x + threadIdx.x, row = thread / 8, lane = thread % 8;
  double sum = 0;
  if (row < rows)
    for (int i = rowStart[row] + lane; i < rowStart[row + 1]; i += 8)
      sum += value[i] * x[column[i]];
  for (int d = 4; d; d /= 2)
    sum += __shfl_down_sync(~0u, sum, d, 8);
  if (row < rows && lane == 0)
    y[row] = sum;
}

// One step of a breadth-first search: a queue in, a queue out.
extern "C" __global__ void searchStep(const int *edgeStart, const int *edges, int *depth,
                                      const int *queue, const int *queueSize, int *next,
                                      int *nextSize, int level) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= *queueSize)
    return;
  int node = queue[i];
  for (int e = edgeStart[node]; e < edgeStart[node + 1]; ++e)
    if (atomicCAS(&depth[edges[e]], -1, level) == -1)
      next[atomicAdd(nextSize, 1)] = edges[e];
}

// A Fourier transform of 256 complex numbers a block, radix 2, in shared memory.
extern "C" __global__ void fft256(const float2 *in, float2 *out) {
  __shared__ float2 data[256];
  int t = threadIdx.x; // 128 threads
  for (int i = t; i < 256; i += 128)
    data[__brev(i) >> 24] = in[blockIdx.x * 256 + i];
  for (int half = 1; half < 256; half *= 2) {
#ifdef BUG_1 // the first steps stay within a warp, but not within a lane
    if (half > 16)
#endif
      __syncthreads();
    int low = t / half * half * 2 + t % half, high = low + half;
    float s, c;
    sincospif(-(float)(t % half) / half, &s, &c);
    float2 a = data[low], b = data[high];
    float2 turned = make_float2(b.x * c - b.y * s, b.x * s + b.y * c);
    data[low] = make_float2(a.x + turned.x, a.y + turned.y);
    data[high] = make_float2(a.x - turned.x, a.y - turned.y);
  }
  __syncthreads();
  for (int i = t; i < 256; i += 128)
    out[blockIdx.x * 256 + i] = data[i];
}

// Gravity of all bodies on all, a tile of them at a time.
extern "C" __global__ void gravity(const float4 *bodies, float3 *forces, int n) {
  extern __shared__ float4 tile[];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float4 me = bodies[min(i, n - 1)];
  float3 force = make_float3(0, 0, 0);
  for (int start = 0; start < n; start += blockDim.x) {
    int j = start + threadIdx.x;
    tile[threadIdx.x] = j < n ? bodies[j] : make_float4(0, 0, 0, 0);
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < blockDim.x; ++k) {
      float4 other = tile[k];
      float dx = other.x - me.x, dy = other.y - me.y, dz = other.z - me.z;
      float inverse = rsqrtf(dx * dx + dy * dy + dz * dz + 0.01f);
      float pull = other.w * inverse * inverse * inverse;
      force.x += dx * pull;
      force.y += dy * pull;
      force.z += dz * pull;
    }
    __syncthreads();
  }
  if (i < n)
    forces[i] = force;
}

// Philox 4x32-10, counters by thread; then points in a circle are counted.
__device__ uint4 philox(uint4 counter, uint2 key) {
  for (int round = 0; round < 10; ++round) {
    unsigned high0 = __umulhi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
    unsigned high1 = __umulhi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
    counter = make_uint4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key.x += 0x9E3779B9u;
    key.y += 0xBB67AE85u;
  }
  return counter;
}
extern "C" __global__ void randomNumbers(uint4 *out, unsigned long long *inCircle, uint2 key) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  uint4 r = philox(make_uint4(i, 0, 0, 0), key);
  out[i] = r;
  unsigned long long x = r.x >> 8, y = r.y >> 8;
  bool inside = x * x + y * y < 1ull << 48;
  unsigned count = __popc(__ballot_sync(~0u, inside));
  if (threadIdx.x % 32 == 0)
    atomicAdd(inCircle, count);
}

// Escape times in fixed point, so that they compare exactly.
extern "C" __global__ void mandelbrot(int *out, int width, int height, int limit) {
  int px = blockIdx.x * blockDim.x + threadIdx.x, py = blockIdx.y * blockDim.y + threadIdx.y;
  if (px >= width || py >= height)
    return;
  constexpr int kOne = 1 << 24;
  long long cx = (long long)px * 3 * kOne / width - 2 * kOne;
  long long cy = (long long)py * 2 * kOne / height - kOne;
  long long x = 0, y = 0;
  int count = 0;
  while (count < limit && x * x + y * y <= 4ll * kOne * kOne) {
    long long next = ((x * x - y * y) >> 24) + cx;
    y = ((2 * x * y) >> 24) + cy;
    x = next;
    ++count;
  }
  out[py * width + px] = count;
}

// Levenshtein distances along anti-diagonals, a pair of words a block.
extern "C" __global__ void editDistance(const char *a, const char *b, int *out, int length) {
  extern __shared__ int diagonals[]; // three of length + 1
  int t = threadIdx.x, size = length + 1;
  a += blockIdx.x * length;
  b += blockIdx.x * length;
  for (int d = 0; d <= 2 * length; ++d) {
#ifdef BUG_3 // a fourth row that the launch gave no room for
    int *now = diagonals + d % 4 * size, *last = diagonals + (d + 3) % 4 * size,
        *before = diagonals + (d + 2) % 4 * size;
#else
    int *now = diagonals + d % 3 * size, *last = diagonals + (d + 2) % 3 * size,
        *before = diagonals + (d + 1) % 3 * size;
#endif
    int i = t, j = d - t;
    if (i <= length && j >= 0 && j <= length) {
      int best;
      if (i == 0 || j == 0)
        best = i + j;
      else
        best = min(min(last[i - 1], last[i]) + 1, before[i - 1] + (a[i - 1] != b[j - 1]));
      now[i] = best;
    }
#ifndef BUG_2 // no barrier between the diagonals
    __syncthreads();
#endif
  }
  if (t == length)
    out[blockIdx.x] = diagonals[2 * length % 3 * size + length];
}
