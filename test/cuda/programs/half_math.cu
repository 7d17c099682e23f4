// Arithmetic on half2 and bfloat162: sums, products, fused forms, comparisons, minima with
// and without NaN, roundings, functions, and conversions from and to all else.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void half2Arithmetic(const __half2 *a, const __half2 *b, __half2 *out,
                                           int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  __half2 x = a[i], y = b[i];
  __half2 *row = out + i * 10;
  row[0] = __hadd2(x, y);
  row[1] = __hsub2(x, y);
  row[2] = __hmul2(x, y);
  row[3] = __hfma2(x, y, __float2half2_rn(0.5f));
  row[4] = __hmax2(x, y);
  row[5] = __hmin2(x, y);
  row[6] = __hneg2(__habs2(x));
  row[7] = __hadd2_sat(x, y);
  row[8] = __hfma2_relu(x, y, __float2half2_rn(-1.0f));
  row[9] = __lowhigh2highlow(x);
}

extern "C" __global__ void bfloat2Arithmetic(const __nv_bfloat162 *a, const __nv_bfloat162 *b,
                                             __nv_bfloat162 *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  __nv_bfloat162 x = a[i], y = b[i];
  __nv_bfloat162 *row = out + i * 8;
  row[0] = __hadd2(x, y);
  row[1] = __hsub2(x, y);
  row[2] = __hmul2(x, y);
  row[3] = __hfma2(x, y, __float2bfloat162_rn(0.5f));
  row[4] = __hmax2(x, y);
  row[5] = __hmin2_nan(x, y);
  row[6] = __hneg2(__habs2(x));
  row[7] = __halves2bfloat162(__high2bfloat16(x), __low2bfloat16(y));
}

extern "C" __global__ void comparisons(const __half2 *a, const __half2 *b, unsigned *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  __half2 x = a[i], y = b[i];
  unsigned bits = 0;
  bits |= __heq2_mask(x, y) & 0x00010001u;
  bits |= __hlt2_mask(x, y) & 0x00020002u;
  bits |= __hgeu2_mask(x, y) & 0x00040004u;
  bits |= (__hisnan(__low2half(x)) ? 8u : 0u) | (__hbne2(x, y) ? 0x10u : 0u);
  bits |= __hgt(__high2half(x), __high2half(y)) ? 0x20u : 0u;
  out[i] = bits;
}

extern "C" __global__ void halfFunctions(const __half *in, __half *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  __half x = in[i];
  __half *row = out + i * 10;
  row[0] = hexp(x);
  row[1] = hlog(__habs(x));
  row[2] = hsqrt(__habs(x));
  row[3] = hrsqrt(__hadd(__habs(x), __float2half(0.25f)));
  row[4] = hsin(x);
  row[5] = htanh(x);
  row[6] = hrcp(x);
  row[7] = hfloor(x);
  row[8] = hrint(x);
  row[9] = __hdiv(__float2half(1.5f), x);
}

extern "C" __global__ void halfConversions(const float *in, unsigned short *out, int *integers,
                                           float *floats, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = in[i];
  unsigned short *row = out + i * 8;
  row[0] = __half_as_ushort(__float2half_rn(x));
  row[1] = __half_as_ushort(__float2half_rz(x));
  row[2] = __half_as_ushort(__float2half_ru(x));
  row[3] = __half_as_ushort(__float2half_rd(x));
  row[4] = __bfloat16_as_ushort(__float2bfloat16_rn(x));
  row[5] = __bfloat16_as_ushort(__float2bfloat16_rz(x));
  row[6] = __half_as_ushort(__int2half_rn(__float_as_int(x) >> 12));
  row[7] = __half_as_ushort(__double2half((double)x * 1.0000001));
  __half h = __float2half_rn(x);
  integers[i * 2] = __half2int_rn(h);
  integers[i * 2 + 1] = __half2short_rd(h);
  floats[i * 2] = __half2float(h);
  floats[i * 2 + 1] = __bfloat162float(__float2bfloat16_ru(x));
}

// A dot product in half2 with a float sum every eight pairs.
extern "C" __global__ void dotHalf2(const __half2 *a, const __half2 *b, float *out, int pairs) {
  float total = 0;
  for (int start = threadIdx.x * 8; start < pairs; start += 32 * 8) {
    __half2 sum = __float2half2_rn(0.0f);
#pragma unroll
    for (int i = 0; i < 8; ++i)
      sum = __hfma2(a[start + i], b[start + i], sum);
    total += __low2float(sum) + __high2float(sum);
  }
  for (int d = 16; d; d /= 2)
    total += __shfl_down_sync(~0u, total, d);
  if (threadIdx.x == 0)
    *out = total;
}
