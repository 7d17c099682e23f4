// Conversions of the narrow floating-point formats: fp8 in both kinds, vectors of them,
// from and to halves, bfloat16 and floats, saturating or not; scales by rows.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

// All 256 codes to half; `kind` 0 is e4m3, 1 is e5m2.
extern "C" __global__ void decode(unsigned short *halves, float *floats) {
  int code = threadIdx.x, kind = blockIdx.x;
  __nv_fp8_storage_t storage = static_cast<__nv_fp8_storage_t>(code);
  __half_raw raw = __nv_cvt_fp8_to_halfraw(storage, kind ? __NV_E5M2 : __NV_E4M3);
  halves[kind * 256 + code] = raw.x;
  if (kind) {
    __nv_fp8_e5m2 value;
    value.__x = storage;
    floats[kind * 256 + code] = static_cast<float>(value);
  } else {
    __nv_fp8_e4m3 value;
    value.__x = storage;
    floats[kind * 256 + code] = static_cast<float>(value);
  }
}

extern "C" __global__ void encodeHalves(const unsigned short *in, unsigned char *e4m3,
                                        unsigned char *e5m2, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  __half_raw raw;
  raw.x = in[i];
  e4m3[i] = __nv_cvt_halfraw_to_fp8(raw, __NV_SATFINITE, __NV_E4M3);
  e5m2[i] = __nv_cvt_halfraw_to_fp8(raw, __NV_SATFINITE, __NV_E5M2);
}

extern "C" __global__ void encodeFloats(const float *in, unsigned char *saturating,
                                        unsigned char *e5m2, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  saturating[i] = __nv_fp8_e4m3(in[i]).__x;
  e5m2[i] = __nv_cvt_float_to_fp8(in[i], __NV_SATFINITE, __NV_E5M2);
}

// Rows quantised to e4m3 with one scale each: a block a row, four values a thread.
extern "C" __global__ void quantiseRows(const float4 *in, __nv_fp8x4_e4m3 *out, float *scales,
                                        int quads) {
  __shared__ float most[32];
  float4 v = threadIdx.x < quads ? in[blockIdx.x * quads + threadIdx.x] : make_float4(0, 0, 0, 0);
  float largest = fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
  for (int d = 16; d; d /= 2)
    largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, d));
  if (threadIdx.x % 32 == 0)
    most[threadIdx.x / 32] = largest;
#ifndef BUG_1 // the other warps' maxima are not there yet
  __syncthreads();
#endif
  for (int w = 0; w < blockDim.x / 32; ++w)
    largest = fmaxf(largest, most[w]);
  // A power of two, so that scaling is exact.
  float scale = exp2f(ceilf(log2f(largest / 448.0f)));
  if (threadIdx.x < quads)
    out[blockIdx.x * quads + threadIdx.x] =
        __nv_fp8x4_e4m3(make_float4(v.x / scale, v.y / scale, v.z / scale, v.w / scale));
  if (threadIdx.x == 0)
    scales[blockIdx.x] = scale;
}

// Products of fp8 pairs through half2, summed in float.
extern "C" __global__ void dotPairs(const __nv_fp8x2_storage_t *a, const __nv_fp8x2_storage_t *b,
                                    float *out, int pairs) {
  float sum = 0;
  for (int i = threadIdx.x; i < pairs; i += 32) {
    __half2 x = __nv_cvt_fp8x2_to_halfraw2(a[blockIdx.x * pairs + i], __NV_E4M3);
    __half2 y = __nv_cvt_fp8x2_to_halfraw2(b[blockIdx.x * pairs + i], __NV_E5M2);
    float2 fx = __half22float2(x), fy = __half22float2(y);
    sum = fmaf(fx.x, fy.x, fmaf(fx.y, fy.y, sum));
  }
  for (int d = 16; d; d /= 2)
    sum += __shfl_xor_sync(~0u, sum, d);
  if (threadIdx.x == 0)
    out[blockIdx.x] = sum;
}

extern "C" __global__ void fromBfloat(const __nv_bfloat162 *in, __nv_fp8x2_storage_t *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    out[i] = __nv_cvt_bfloat16raw2_to_fp8x2(in[i], __NV_SATFINITE, __NV_E4M3);
}
