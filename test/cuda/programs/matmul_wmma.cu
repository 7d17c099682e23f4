// Matrix products through nvcuda::wmma: all shapes of halves, bfloat16, tf32, doubles and
// bytes; fragments from global and from shared memory, row and column major.
#include <mma.h>
using namespace nvcuda;

// C = A B + C; A row-major, B column-major, a warp a 16x16 tile of C.
extern "C" __global__ void wmmaHalf(const half *a, const half *b, float *c, int m, int n, int k) {
  int row = blockIdx.y * 16, column = (blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32) * 16;
  if (column >= n)
    return;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc;
  wmma::load_matrix_sync(acc, c + row * n + column, n, wmma::mem_row_major);
  for (int i = 0; i < k; i += 16) {
    wmma::load_matrix_sync(fa, a + row * k + i, k);
    wmma::load_matrix_sync(fb, b + column * k + i, k);
    wmma::mma_sync(acc, fa, fb, acc);
  }
  wmma::store_matrix_sync(c + row * n + column, acc, n, wmma::mem_row_major);
}

// Through shared memory with a skew; half accumulators; the result scaled element-wise.
extern "C" __global__ void wmmaShared(const half *a, const half *b, half *c, int n, int k,
                                      float scale) {
  constexpr int kSkew = 8;
  __shared__ __align__(32) half sa[32][16 + kSkew], sb[16][32 + kSkew];
  int warp = threadIdx.x / 32, row = warp / 2 * 16, column = warp % 2 * 16;
  wmma::fragment<wmma::accumulator, 16, 16, 16, half> acc;
  wmma::fill_fragment(acc, __float2half(0.0f));
  for (int start = 0; start < k; start += 16) {
    for (int i = threadIdx.x; i < 512; i += blockDim.x) {
      sa[i / 16][i % 16] = a[(blockIdx.y * 32 + i / 16) * k + start + i % 16];
      sb[i / 32][i % 32] = b[(start + i / 32) * n + blockIdx.x * 32 + i % 32];
    }
#ifndef BUG_1 // fragments are loaded before the tile is there
    __syncthreads();
#endif
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> fb;
    wmma::load_matrix_sync(fa, &sa[row][0], 16 + kSkew);
    wmma::load_matrix_sync(fb, &sb[0][column], 32 + kSkew);
    wmma::mma_sync(acc, fa, fb, acc);
    __syncthreads();
  }
  for (int i = 0; i < acc.num_elements; ++i)
    acc.x[i] = __hmul(acc.x[i], __float2half(scale));
  wmma::store_matrix_sync(c + (blockIdx.y * 32 + row) * n + blockIdx.x * 32 + column, acc, n,
                          wmma::mem_row_major);
}

// The flat shapes, and A column-major.
extern "C" __global__ void wmmaFlat(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *wide,
                                    float *tall, int k) {
  wmma::fragment<wmma::accumulator, 8, 32, 16, float> accWide;
  wmma::fragment<wmma::accumulator, 32, 8, 16, float> accTall;
  wmma::fill_fragment(accWide, 0.0f);
  wmma::fill_fragment(accTall, 0.0f);
  for (int i = 0; i < k; i += 16) {
    wmma::fragment<wmma::matrix_a, 8, 32, 16, __nv_bfloat16, wmma::col_major> a8;
    wmma::fragment<wmma::matrix_b, 8, 32, 16, __nv_bfloat16, wmma::row_major> b32;
    wmma::load_matrix_sync(a8, a + i * 8, 8);    // k x 8
    wmma::load_matrix_sync(b32, b + i * 32, 32); // k x 32
    wmma::mma_sync(accWide, a8, b32, accWide);
    wmma::fragment<wmma::matrix_a, 32, 8, 16, __nv_bfloat16, wmma::col_major> a32;
    wmma::fragment<wmma::matrix_b, 32, 8, 16, __nv_bfloat16, wmma::row_major> b8;
    wmma::load_matrix_sync(a32, b + i * 32, 32);
    wmma::load_matrix_sync(b8, a + i * 8, 8);
    wmma::mma_sync(accTall, a32, b8, accTall);
  }
  wmma::store_matrix_sync(wide, accWide, 32, wmma::mem_row_major);
  wmma::store_matrix_sync(tall, accTall, 32, wmma::mem_col_major);
}

extern "C" __global__ void wmmaBytes(const signed char *a, const unsigned char *b, int *c, int n,
                                     int k) {
  wmma::fragment<wmma::accumulator, 16, 16, 16, int> acc;
  wmma::fill_fragment(acc, 0);
  int row = blockIdx.y * 16, column = blockIdx.x * 16;
  for (int i = 0; i < k; i += 16) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, signed char, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, signed char, wmma::row_major> fb;
    wmma::load_matrix_sync(fa, a + row * k + i, k);
    wmma::load_matrix_sync(fb, reinterpret_cast<const signed char *>(b) + i * n + column, n);
    wmma::mma_sync(acc, fa, fb, acc);
  }
  wmma::store_matrix_sync(c + row * n + column, acc, n, wmma::mem_row_major);
}

extern "C" __global__ void wmmaTf32(const float *a, const float *b, float *c, int n, int k) {
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> acc;
  wmma::fill_fragment(acc, 0.0f);
  int row = blockIdx.y * 16, column = blockIdx.x * 16;
  for (int i = 0; i < k; i += 8) {
    wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fb;
    wmma::load_matrix_sync(fa, a + row * k + i, k);
    wmma::load_matrix_sync(fb, b + i * n + column, n);
    for (float &x : fa.x)
      x = wmma::__float_to_tf32(x);
    for (float &x : fb.x)
      x = wmma::__float_to_tf32(x);
    wmma::mma_sync(acc, fa, fb, acc);
  }
  wmma::store_matrix_sync(c + row * n + column, acc, n, wmma::mem_row_major);
}

extern "C" __global__ void wmmaDouble(const double *a, const double *b, double *c, int n, int k) {
  wmma::fragment<wmma::accumulator, 8, 8, 4, double> acc;
  wmma::fill_fragment(acc, 0.0);
  int row = blockIdx.y * 8, column = blockIdx.x * 8;
  for (int i = 0; i < k; i += 4) {
    wmma::fragment<wmma::matrix_a, 8, 8, 4, double, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 8, 8, 4, double, wmma::row_major> fb;
    wmma::load_matrix_sync(fa, a + row * k + i, k);
    wmma::load_matrix_sync(fb, b + i * n + column, n);
    wmma::mma_sync(acc, fa, fb, acc);
  }
  wmma::store_matrix_sync(c + row * n + column, acc, n, wmma::mem_row_major);
}
