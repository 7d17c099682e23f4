// Stencils: one dimension with a halo in shared memory, two dimensions with corners,
// three dimensions with a queue of planes in registers, and a cellular automaton.

constexpr int kRadius = 3, kBlock = 128;

extern "C" __global__ void stencil1D(const int *in, int *out, int n) {
  __shared__ int line[kBlock + 2 * kRadius];
  int g = blockIdx.x * kBlock + threadIdx.x, l = threadIdx.x + kRadius;
  line[l] = g < n ? in[g] : 0;
  if (threadIdx.x < kRadius) {
    line[l - kRadius] = g >= kRadius ? in[g - kRadius] : 0;
#ifdef BUG_1 // the right halo of the last block lies behind the input
    line[l + kBlock] = in[g + kBlock];
#else
    line[l + kBlock] = g + kBlock < n ? in[g + kBlock] : 0;
#endif
  }
#ifndef BUG_2 // neighbours' words are read before they are there
  __syncthreads();
#endif
  if (g >= n)
    return;
  int sum = 0;
  for (int k = -kRadius; k <= kRadius; ++k)
    sum += (kRadius + 1 - abs(k)) * line[l + k];
  out[g] = sum;
}

// Jacobi steps on a 16x16 tile with a border of one.
extern "C" __global__ void jacobi2D(const float *in, float *out, int width, int height) {
  __shared__ float tile[18][18];
  int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
  auto at = [&](int column, int row) {
    column = min(max(column, 0), width - 1);
    row = min(max(row, 0), height - 1);
    return in[row * width + column];
  };
  int tx = threadIdx.x + 1, ty = threadIdx.y + 1;
  tile[ty][tx] = at(x, y);
  if (tx == 1)
    tile[ty][0] = at(x - 1, y);
  if (tx == 16)
    tile[ty][17] = at(x + 1, y);
  if (ty == 1)
    tile[0][tx] = at(x, y - 1);
  if (ty == 16)
    tile[17][tx] = at(x, y + 1);
  __syncthreads();
  if (x < width && y < height)
    out[y * width + x] =
        0.25f * (tile[ty][tx - 1] + tile[ty][tx + 1] + tile[ty - 1][tx] + tile[ty + 1][tx]);
}

// A 7-point stencil that walks along z: planes behind and ahead in registers, the plane
// at hand in shared memory.
extern "C" __global__ void heat3D(const float *in, float *out, int nx, int ny, int nz, float c) {
  __shared__ float plane[10][34];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
  int tx = threadIdx.x + 1, ty = threadIdx.y + 1;
  bool inside = x > 0 && x < nx - 1 && y > 0 && y < ny - 1;
  auto at = [&](int px, int py, int pz) {
    return px >= 0 && px < nx && py >= 0 && py < ny ? in[(pz * ny + py) * nx + px] : 0.0f;
  };
  float behind = at(x, y, 0), here = at(x, y, 1);
  for (int z = 1; z < nz - 1; ++z) {
    float ahead = at(x, y, z + 1);
#ifndef BUG_3 // the plane is overwritten while others still read the last one
    __syncthreads();
#endif
    plane[ty][tx] = here;
    if (tx == 1)
      plane[ty][0] = at(x - 1, y, z);
    if (tx == 32)
      plane[ty][33] = at(x + 1, y, z);
    if (ty == 1)
      plane[0][tx] = at(x, y - 1, z);
    if (ty == 8)
      plane[9][tx] = at(x, y + 1, z);
    __syncthreads();
    if (inside)
      out[(z * ny + y) * nx + x] =
          here + c * (plane[ty][tx - 1] + plane[ty][tx + 1] + plane[ty - 1][tx] +
                      plane[ty + 1][tx] + behind + ahead - 6.0f * here);
    behind = here;
    here = ahead;
  }
}

// Life on a torus, a bit a cell, 32 cells a word: additions bit by bit.
extern "C" __global__ void lifeBits(const unsigned *in, unsigned *out, int words, int rows) {
  int w = blockIdx.x * blockDim.x + threadIdx.x;
  if (w >= words * rows)
    return;
  int row = w / words, column = w % words;
  unsigned ones = 0, twos = 0, fours = 0;
  auto add = [&](unsigned bits) {
    unsigned carry = ones & bits;
    ones ^= bits;
    unsigned carry2 = twos & carry;
    twos ^= carry;
    fours |= carry2;
  };
  for (int dy = -1; dy <= 1; ++dy) {
    const unsigned *line = in + (row + dy + rows) % rows * words;
    unsigned left = line[(column + words - 1) % words], middle = line[column],
             right = line[(column + 1) % words];
    add(__funnelshift_l(left, middle, 1));
    add(__funnelshift_r(middle, right, 1));
    if (dy)
      add(middle);
  }
  out[w] = twos & ~fours & (ones | in[w]);
}
