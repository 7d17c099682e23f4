// Matrix products on the ordinary cores: a tile in shared memory, registers on top of it,
// two buffers with vector loads, batched in doubles, and a matrix by a vector.

template <typename T, int kTile>
__device__ void tiled(const T *a, const T *b, T *c, int m, int n, int k) {
  __shared__ T tileA[kTile][kTile], tileB[kTile][kTile];
  int row = blockIdx.y * kTile + threadIdx.y, column = blockIdx.x * kTile + threadIdx.x;
  T sum = 0;
  for (int start = 0; start < k; start += kTile) {
    int ka = start + threadIdx.x, kb = start + threadIdx.y;
    tileA[threadIdx.y][threadIdx.x] = row < m && ka < k ? a[row * k + ka] : T(0);
    tileB[threadIdx.y][threadIdx.x] = column < n && kb < k ? b[kb * n + column] : T(0);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kTile; ++i)
      sum += tileA[threadIdx.y][i] * tileB[i][threadIdx.x];
#ifndef BUG_1 // the next tile overwrites what others still read
    __syncthreads();
#endif
  }
  if (row < m && column < n)
    c[row * n + column] = sum;
}
extern "C" __global__ void matmulInt(const int *a, const int *b, int *c, int m, int n, int k) {
  tiled<int, 16>(a, b, c, m, n, k);
}
extern "C" __global__ void matmulDouble(const double *a, const double *b, double *c, int m, int n,
                                        int k) {
  tiled<double, 8>(a, b, c, m, n, k);
}

// 64x64 of C a block of 256 threads, 4x4 a thread; A transposed in shared memory, the
// next slice is loaded into registers while this one is multiplied.
extern "C" __global__ void __launch_bounds__(256)
    sgemm64(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c, int m,
            int n, int k) {
  constexpr int kSlice = 16;
#ifdef BUG_3 // rows of 65 floats: no vector starts at a multiple of 16 bytes
  __shared__ __align__(16) float sa[2][kSlice][64 + 1], sb[2][kSlice][64];
#else
  __shared__ __align__(16) float sa[2][kSlice][64 + 4], sb[2][kSlice][64];
#endif
  int t = threadIdx.x;
  int row = blockIdx.y * 64, column = blockIdx.x * 64;
  int la = t / 4, ka = t % 4 * 4;   // A: 64 rows, 4 quads of k
  int kb = t / 16, lb = t % 16 * 4; // B: 16 rows of k, 16 quads
  int ty = t / 16 * 4, tx = t % 16 * 4;
  float acc[4][4] = {};
  float4 nextA = *reinterpret_cast<const float4 *>(a + (row + la) * k + ka);
  float4 nextB = *reinterpret_cast<const float4 *>(b + kb * n + column + lb);
  int buffer = 0;
  for (int start = 0; start < k; start += kSlice) {
    sa[buffer][ka][la] = nextA.x;
    sa[buffer][ka + 1][la] = nextA.y;
    sa[buffer][ka + 2][la] = nextA.z;
    sa[buffer][ka + 3][la] = nextA.w;
    *reinterpret_cast<float4 *>(&sb[buffer][kb][lb]) = nextB;
#ifndef BUG_2 // the only barrier of a double-buffered loop
    __syncthreads();
#endif
    if (start + kSlice < k) {
      nextA = *reinterpret_cast<const float4 *>(a + (row + la) * k + start + kSlice + ka);
      nextB = *reinterpret_cast<const float4 *>(b + (start + kSlice + kb) * n + column + lb);
    }
#pragma unroll
    for (int i = 0; i < kSlice; ++i) {
      float4 va = *reinterpret_cast<const float4 *>(&sa[buffer][i][ty]);
      float4 vb = *reinterpret_cast<const float4 *>(&sb[buffer][i][tx]);
      float fa[4] = {va.x, va.y, va.z, va.w}, fb[4] = {vb.x, vb.y, vb.z, vb.w};
#pragma unroll
      for (int r = 0; r < 4; ++r)
#pragma unroll
        for (int s = 0; s < 4; ++s)
          acc[r][s] = fmaf(fa[r], fb[s], acc[r][s]);
    }
    buffer ^= 1;
  }
#pragma unroll
  for (int r = 0; r < 4; ++r)
    *reinterpret_cast<float4 *>(c + (row + ty + r) * n + column + tx) =
        make_float4(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
}

// A warp a row; the vector in dynamic shared memory.
extern "C" __global__ void gemv(const float *a, const float *x, float *y, int rows, int columns) {
  extern __shared__ float sx[];
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    sx[i] = x[i];
  __syncthreads();
  int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= rows)
    return;
  float sum = 0;
  for (int i = lane; i < columns; i += 32)
    sum = fmaf(a[row * columns + i], sx[i], sum);
  for (int d = 16; d; d /= 2)
    sum += __shfl_xor_sync(~0u, sum, d);
  if (lane == 0)
    y[row] = sum;
}

// Gauss-Jordan on one small matrix a block, with partial pivoting by one warp.
extern "C" __global__ void solve(const double *matrices, const double *right, double *out, int n) {
  extern __shared__ double m[]; // n rows of n + 1
  __shared__ int pivot;
  int t = threadIdx.x, width = n + 1;
  for (int i = t; i < n * n; i += blockDim.x)
    m[i / n * width + i % n] = matrices[blockIdx.x * n * n + i];
  if (t < n)
    m[t * width + n] = right[blockIdx.x * n + t];
  for (int c = 0; c < n; ++c) {
    __syncthreads();
    if (t < 32) {
      double best = t >= c && t < n ? fabs(m[t * width + c]) : -1.0;
      int place = t;
      for (int d = 16; d; d /= 2) {
        double other = __shfl_xor_sync(~0u, best, d);
        int otherPlace = __shfl_xor_sync(~0u, place, d);
        if (other > best || (other == best && otherPlace < place)) {
          best = other;
          place = otherPlace;
        }
      }
      if (t == 0)
        pivot = place;
    }
    __syncthreads();
    int p = pivot;
    if (p != c && t < width) {
      double swap = m[p * width + t];
      m[p * width + t] = m[c * width + t];
      m[c * width + t] = swap;
    }
    __syncthreads();
    double factor = t < n && t != c ? m[t * width + c] / m[c * width + c] : 0.0;
    if (t < n && t != c)
      for (int j = c; j < width; ++j)
        m[t * width + j] -= factor * m[c * width + j];
  }
  __syncthreads();
  if (t < n)
    out[blockIdx.x * n + t] = m[t * width + n] / m[t * width + t];
}
