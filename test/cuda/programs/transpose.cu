// Transposes: straight, through a padded tile, through a swizzled tile, in place by pairs
// of tiles; bytes four at a time.

constexpr int kTile = 32, kRows = 8;

extern "C" __global__ void transposeNaive(const float *in, float *out, int rows, int columns) {
  int x = blockIdx.x * kTile + threadIdx.x, y = blockIdx.y * kTile + threadIdx.y;
  for (int j = 0; j < kTile; j += kRows)
    if (x < columns && y + j < rows)
      out[x * rows + y + j] = in[(y + j) * columns + x];
}

extern "C" __global__ void transposePadded(const float *in, float *out, int rows, int columns) {
  __shared__ float tile[kTile][kTile + 1];
  int x = blockIdx.x * kTile + threadIdx.x, y = blockIdx.y * kTile + threadIdx.y;
  for (int j = 0; j < kTile; j += kRows)
    if (x < columns && y + j < rows)
      tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * columns + x];
#ifndef BUG_1 // no barrier between writing and reading the tile
  __syncthreads();
#endif
  x = blockIdx.y * kTile + threadIdx.x;
  y = blockIdx.x * kTile + threadIdx.y;
  for (int j = 0; j < kTile; j += kRows)
#ifdef BUG_2 // the columns' bound is forgotten: parts of the tile nobody wrote
    if (x < rows)
      out[(y + j) * rows + x] = tile[threadIdx.x][threadIdx.y + j];
#else
    if (x < rows && y + j < columns)
      out[(y + j) * rows + x] = tile[threadIdx.x][threadIdx.y + j];
#endif
}

extern "C" __global__ void transposeSwizzled(const double *in, double *out, int size) {
  __shared__ double tile[kTile][kTile];
  int x = blockIdx.x * kTile + threadIdx.x, y = blockIdx.y * kTile + threadIdx.y;
  for (int j = 0; j < kTile; j += kRows)
    tile[threadIdx.y + j][threadIdx.x ^ (threadIdx.y + j)] = in[(y + j) * size + x];
  __syncthreads();
  x = blockIdx.y * kTile + threadIdx.x;
  y = blockIdx.x * kTile + threadIdx.y;
  for (int j = 0; j < kTile; j += kRows)
    out[(y + j) * size + x] = tile[threadIdx.x][(threadIdx.y + j) ^ threadIdx.x];
}

// In place: the block of a tile above the diagonal swaps it with its mirror image.
extern "C" __global__ void transposeInPlace(int *data, int size) {
  __shared__ int upper[kTile][kTile + 1], lower[kTile][kTile + 1];
  if (blockIdx.x < blockIdx.y)
    return;
  int ux = blockIdx.x * kTile + threadIdx.x, uy = blockIdx.y * kTile + threadIdx.y;
  int lx = blockIdx.y * kTile + threadIdx.x, ly = blockIdx.x * kTile + threadIdx.y;
  for (int j = 0; j < kTile; j += kRows) {
    upper[threadIdx.y + j][threadIdx.x] = data[(uy + j) * size + ux];
    lower[threadIdx.y + j][threadIdx.x] = data[(ly + j) * size + lx];
  }
#ifndef BUG_3 // the tile is written back before the others have read it
  __syncthreads();
#endif
  for (int j = 0; j < kTile; j += kRows) {
    data[(ly + j) * size + lx] = upper[threadIdx.x][threadIdx.y + j];
    if (blockIdx.x != blockIdx.y)
      data[(uy + j) * size + ux] = lower[threadIdx.x][threadIdx.y + j];
  }
}

// Bytes: each thread takes a 4x4 square through registers.
extern "C" __global__ void transposeBytes(const unsigned *in, unsigned *out, int size) {
  int words = size / 4;
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= words || y >= words)
    return;
  unsigned a = in[(4 * y) * words + x], b = in[(4 * y + 1) * words + x],
           c = in[(4 * y + 2) * words + x], d = in[(4 * y + 3) * words + x];
  unsigned ab0 = __byte_perm(a, b, 0x5140), ab1 = __byte_perm(a, b, 0x7362);
  unsigned cd0 = __byte_perm(c, d, 0x5140), cd1 = __byte_perm(c, d, 0x7362);
  out[(4 * x) * words + y] = __byte_perm(ab0, cd0, 0x5410);
  out[(4 * x + 1) * words + y] = __byte_perm(ab0, cd0, 0x7632);
  out[(4 * x + 2) * words + y] = __byte_perm(ab1, cd1, 0x5410);
  out[(4 * x + 3) * words + y] = __byte_perm(ab1, cd1, 0x7632);
}
