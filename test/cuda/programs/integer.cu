// Integer intrinsics: high products, bit counts and reversals, byte permutes, funnel
// shifts, dot products of bytes, SIMD within a word, 64- and 128-bit arithmetic.
#include <cstdint>

extern "C" __global__ void bitTricks(const uint32_t *in, const uint32_t *other, uint32_t *out,
                                     int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  uint32_t a = in[i], b = other[i];
  uint32_t *row = out + i * 12;
  row[0] = __popc(a);
  row[1] = __clz(a);
  row[2] = __ffs(a);
  row[3] = __brev(a);
  row[4] = __byte_perm(a, b, 0x5140);
  row[5] = __funnelshift_l(a, b, b & 31);
  row[6] = __funnelshift_rc(a, b, b & 63);
  row[7] = (a & b) | (~a & 0x0f0f0f0f) ^ b; // becomes one lop3
  row[8] = __umulhi(a, b);
  row[9] = (uint32_t)__mulhi((int)a, (int)b);
  row[10] = __usad(a, b, 7u);
  row[11] = (uint32_t)__sad((int)a, (int)b, 9u);
}

extern "C" __global__ void divisions(const int64_t *in, const int64_t *other, int64_t *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  int64_t a = in[i], b = other[i];
  int64_t *row = out + i * 8;
  row[0] = a / b;
  row[1] = a % b;
  row[2] = (int64_t)((uint64_t)a / (uint64_t)b);
  row[3] = (int64_t)((uint64_t)a % (uint64_t)b);
  row[4] = (int)a / ((int)b | 1);
  row[5] = (uint32_t)a % ((uint32_t)b | 1u);
  row[6] = (int64_t)__umul64hi((uint64_t)a, (uint64_t)b);
  row[7] = a / 7 + (int)a % 10; // by constants: multiplications
}

extern "C" __global__ void bytesInWords(const uint32_t *in, const uint32_t *other, uint32_t *out,
                                        int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  uint32_t a = in[i], b = other[i];
  uint32_t *row = out + i * 8;
  row[0] = __dp4a((int)a, (int)b, 1000);
  row[1] = __dp4a(a, b, 5u);
  row[2] = __dp2a_lo((int)a, (int)b, -3);
  row[3] = __vadd4(a, b);
  row[4] = __vabsdiffu4(a, b);
  row[5] = __vmaxs2(a, b);
  row[6] = __vcmpgtu4(a, b);
  row[7] = __vavgu4(a, b);
}

// 128 bits: a product kept whole, then shifted and divided by a constant.
extern "C" __global__ void wideProducts(const uint64_t *in, const uint64_t *other, uint64_t *out,
                                        int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  unsigned __int128 p = (unsigned __int128)in[i] * other[i];
  p += ((unsigned __int128)in[i] << 64) | other[i];
  unsigned shift = other[i] & 127;
  unsigned __int128 q = p >> shift;
  out[i * 4] = (uint64_t)p;
  out[i * 4 + 1] = (uint64_t)(p >> 64);
  out[i * 4 + 2] = (uint64_t)q;
  out[i * 4 + 3] = (uint64_t)(q >> 64);
}

// Loops with data-dependent ends and a switch.
extern "C" __global__ void collatz(const uint32_t *in, uint32_t *steps, uint32_t *digits, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  uint64_t value = in[i];
  uint32_t count = 0;
  while (value != 1) {
    value = value & 1 ? 3 * value + 1 : value / 2;
    ++count;
  }
  steps[i] = count;
  uint32_t sum = 0;
  for (uint32_t v = in[i]; v; v /= 10) {
    switch (v % 10) {
    case 0:
      sum += 6;
      break;
    case 1:
      sum ^= 2;
      break;
    case 2:
      sum += 5;
      break;
    case 3:
      sum *= 5;
      break;
    case 4:
      sum -= 4;
      break;
    case 5:
      sum |= 5;
      break;
    case 6:
      sum += v;
      break;
    case 7:
      sum = ~sum;
      break;
    case 8:
      sum <<= 1;
      break;
    default:
      sum >>= 1;
      break;
    }
  }
  digits[i] = sum;
}
