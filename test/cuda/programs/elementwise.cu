// Element-wise loops: bounds checks, grid-stride loops, float4 accesses, read-only
// loads and pointers that the compiler may assume not to overlap.

extern "C" __global__ void vectorAdd(const float *a, const float *b, float *c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
#ifdef BUG_1 // off by one: the last block writes past the end
  if (i <= n)
#else
  if (i < n)
#endif
    c[i] = a[i] + b[i];
}

extern "C" __global__ void saxpyGridStride(float alpha, const float *__restrict__ x,
                                           float *__restrict__ y, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    y[i] = alpha * x[i] + y[i];
}

// Four floats an access; the rest one by one.
extern "C" __global__ void scaleVector4(const float *in, float *out, float factor, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int quads = n / 4;
  if (i < quads) {
#ifdef BUG_2 // misaligned: vectors that start at the second float
    float4 v = reinterpret_cast<const float4 *>(in + 1)[i];
#else
    float4 v = reinterpret_cast<const float4 *>(in)[i];
#endif
    v.x *= factor;
    v.y *= factor;
    v.z *= factor;
    v.w *= factor;
    reinterpret_cast<float4 *>(out)[i] = v;
  }
  if (i < n % 4)
    out[quads * 4 + i] = in[quads * 4 + i] * factor;
}

// A gather through an index table, with the read-only and streaming loads.
extern "C" __global__ void gather(const int *index, const double *table, double *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    __stcs(out + i, __ldg(table + __ldcs(index + i)));
}

struct Particle {
  float3 position;
  float mass;
  float3 velocity;
  short kind;
  char alive;
};

// An array of structures, 32 bytes each, read and written by members.
extern "C" __global__ void moveParticles(Particle *particles, float dt, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  Particle p = particles[i];
  if (!p.alive)
    return;
  p.position.x += dt * p.velocity.x;
  p.position.y += dt * p.velocity.y;
  p.position.z += dt * p.velocity.z;
  if (p.position.x > 1.0f) {
    p.alive = 0;
    p.kind = -p.kind;
  }
  particles[i] = p;
}

// Bytes of a picture: RGBA to grey with integer weights, saturating.
extern "C" __global__ void rgbaToGrey(const uchar4 *in, unsigned char *out, int width, int height,
                                      int brighter) {
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height)
    return;
  uchar4 p = in[y * width + x];
  int grey = (77 * p.x + 150 * p.y + 29 * p.z + 128) >> 8;
  out[y * width + x] = min(max(grey + brighter, 0), 255);
}
