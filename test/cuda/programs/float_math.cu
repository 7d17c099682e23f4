// The maths library on floats and doubles: IEEE operations with directed rounding,
// functions with reductions and slow paths, fast intrinsics, classification.
#include <cmath>

extern "C" __global__ void floatFunctions(const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = in[i];
  float *row = out + i * 12;
  row[0] = sinf(x);
  row[1] = cosf(x);
  row[2] = expf(x);
  row[3] = logf(fabsf(x));
  row[4] = tanhf(x);
  row[5] = erff(x);
  row[6] = powf(fabsf(x), 1.7f);
  row[7] = atan2f(x, 1.5f);
  row[8] = cbrtf(x);
  row[9] = log1pf(fabsf(x));
  row[10] = exp2f(x * 0.25f);
  row[11] = lgammaf(fabsf(x) + 0.5f);
}

// Large arguments take the Payne-Hanek path with a table in local or constant memory.
extern "C" __global__ void largeSines(const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    sincosf(in[i], &out[2 * i], &out[2 * i + 1]);
}

extern "C" __global__ void ieeeOperations(const float *a, const float *b, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = a[i], y = b[i];
  float *row = out + i * 10;
  row[0] = x / y;
  row[1] = sqrtf(fabsf(x));
  row[2] = __fadd_rd(x, y);
  row[3] = __fmul_ru(x, y);
  row[4] = __fmaf_rz(x, y, 1.0f);
  row[5] = __frcp_rn(y);
  row[6] = fmodf(x, y);
  row[7] = rintf(x) + truncf(y);
  row[8] = fminf(x, y) + copysignf(2.0f, x);
  row[9] = ldexpf(x, 3) + (isnan(x) ? 1.0f : 0.0f) + (signbit(y) ? 4.0f : 0.0f);
}

extern "C" __global__ void fastFunctions(const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = in[i];
  float *row = out + i * 6;
  row[0] = __expf(x);
  row[1] = __logf(fabsf(x) + 1.0f);
  row[2] = __sinf(x);
  row[3] = __fdividef(x, 3.0f);
  row[4] = rsqrtf(fabsf(x) + 0.1f);
  row[5] = __saturatef(x);
}

extern "C" __global__ void doubleFunctions(const double *in, double *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  double x = in[i];
  double *row = out + i * 8;
  row[0] = sin(x);
  row[1] = exp(x);
  row[2] = log(fabs(x));
  row[3] = sqrt(fabs(x));
  row[4] = 1.0 / x;
  row[5] = fma(x, x, -1.0);
  row[6] = tanh(x);
  row[7] = (double)(float)x + (double)__double2int_rd(x) + floor(x);
}

// Conversions with every rounding, and the bits of a float.
extern "C" __global__ void conversions(const float *in, int *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = in[i];
  int *row = out + i * 8;
  row[0] = __float2int_rn(x);
  row[1] = __float2int_ru(x);
  row[2] = (int)x;
  row[3] = (int)__float2uint_rd(fabsf(x));
  row[4] = __float_as_int(__int2float_rz(__float_as_int(x)));
  row[5] = (int)(unsigned char)(int)x;
  row[6] = (int)(__float2ll_rn(x * 65536.0f) >> 16);
  row[7] = __float_as_int((float)(short)__float_as_int(x));
}
