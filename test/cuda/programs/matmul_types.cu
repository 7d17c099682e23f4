// One warp, one mma of each type, fragments gathered by hand: bf16, tf32, doubles, signed
// and unsigned bytes, nibbles, bits, and on sm_89 and later fp8.
#include <cstdint>

// Packs `count` neighbouring elements of `width` bits; element i is at p[i * step].
__device__ uint32_t pack(const int *p, int step, int count, int width) {
  uint32_t word = 0;
  for (int i = 0; i < count; ++i)
    word |= (p[i * step] & ((1u << width) - 1)) << (i * width);
  return word;
}

// A is m x k row-major, B k x 8 row-major, of ints that hold the elements' bits.
#define GATHER(width)                                                                              \
  constexpr int per = 32 / width;                                                                  \
  int lane = threadIdx.x, group = lane / 4, member = lane % 4;                                     \
  int k = 16 * 16 / width;                                                                         \
  uint32_t fa[4], fb[2];                                                                           \
  for (int i = 0; i < 4; ++i)                                                                      \
    fa[i] = pack(a + (group + i % 2 * 8) * k + member * per + i / 2 * (k / 2), 1, per, width);     \
  for (int i = 0; i < 2; ++i)                                                                      \
    fb[i] = pack(b + (member * per + i * (k / 2)) * 8 + group, 8, per, width);

#define INTEGERS(name, width, shape, types)                                                        \
  extern "C" __global__ void name(const int *a, const int *b, int *c) {                            \
    GATHER(width)                                                                                  \
    int d[4] = {};                                                                                 \
    asm volatile("mma.sync.aligned." shape ".row.col." types                                       \
                 " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                          \
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                                  \
                 : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));        \
    for (int i = 0; i < 4; ++i)                                                                    \
      c[(group + i / 2 * 8) * 8 + member * 2 + i % 2] = d[i];                                      \
  }

INTEGERS(mmaS8, 8, "m16n8k32", "s32.s8.s8.s32")
INTEGERS(mmaU8S8, 8, "m16n8k32", "s32.u8.s8.s32")
INTEGERS(mmaS4, 4, "m16n8k64", "s32.s4.s4.s32")
INTEGERS(mmaU4, 4, "m16n8k64", "s32.u4.u4.s32")

#define FLOATS(name, width, shape, types)                                                          \
  extern "C" __global__ void name(const int *a, const int *b, float *c) {                          \
    GATHER(width)                                                                                  \
    float d[4] = {};                                                                               \
    asm volatile("mma.sync.aligned." shape ".row.col." types                                       \
                 " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                          \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                  \
                 : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));        \
    for (int i = 0; i < 4; ++i)                                                                    \
      c[(group + i / 2 * 8) * 8 + member * 2 + i % 2] = d[i];                                      \
  }

FLOATS(mmaBf16, 16, "m16n8k16", "f32.bf16.bf16.f32")
#if __CUDA_ARCH__ >= 890
FLOATS(mmaE4m3, 8, "m16n8k32", "f32.e4m3.e4m3.f32")
FLOATS(mmaE5m2, 8, "m16n8k32", "f32.e5m2.e4m3.f32")
#endif

// tf32: a word an element; the low 13 bits do not count.
extern "C" __global__ void mmaTf32(const uint32_t *a, const uint32_t *b, float *c) {
  int lane = threadIdx.x, group = lane / 4, member = lane % 4;
  uint32_t fa[4], fb[2];
  for (int i = 0; i < 4; ++i)
    fa[i] = a[(group + i % 2 * 8) * 8 + member + i / 2 * 4];
  for (int i = 0; i < 2; ++i)
    fb[i] = b[(member + i * 4) * 8 + group];
  float d[4] = {};
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
  for (int i = 0; i < 4; ++i)
    c[(group + i / 2 * 8) * 8 + member * 2 + i % 2] = d[i];
}

extern "C" __global__ void mmaDouble(const double *a, const double *b, double *c) {
  int lane = threadIdx.x, group = lane / 4, member = lane % 4;
  double d[2] = {c[group * 8 + member * 2], c[group * 8 + member * 2 + 1]};
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+d"(d[0]), "+d"(d[1])
               : "d"(a[group * 4 + member]), "d"(b[member * 8 + group]));
  c[group * 8 + member * 2] = d[0];
  c[group * 8 + member * 2 + 1] = d[1];
}

// Distances between bit strings: 16 against 8, of 256 bits.
extern "C" __global__ void mmaBits(const uint32_t *a, const uint32_t *b, int *differ, int *both) {
  int lane = threadIdx.x, group = lane / 4, member = lane % 4;
  uint32_t fa[4], fb[2];
  for (int i = 0; i < 4; ++i)
    fa[i] = a[(group + i % 2 * 8) * 8 + member + i / 2 * 4];
  for (int i = 0; i < 2; ++i)
    fb[i] = b[group * 8 + member + i * 4];
  int x[4] = {}, y[4] = {};
  asm volatile("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.xor.popc "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(x[0]), "+r"(x[1]), "+r"(x[2]), "+r"(x[3])
               : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
  asm volatile("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(y[0]), "+r"(y[1]), "+r"(y[2]), "+r"(y[3])
               : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
  for (int i = 0; i < 4; ++i) {
    int at = (group + i / 2 * 8) * 8 + member * 2 + i % 2;
    differ[at] = x[i];
    both[at] = y[i];
  }
}
