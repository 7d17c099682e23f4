// Convolutions: separable with constant weights and a halo, 3x3 with channels, and an
// implicit matrix product; integers where the result is compared bit for bit.

__constant__ float weights[17]; // set by the host

constexpr int kRadius = 8, kWidth = 64;

extern "C" __global__ void convolveRows(const float *in, float *out, int width) {
  __shared__ float line[kWidth + 2 * kRadius];
  const float *row = in + blockIdx.y * width;
  int start = blockIdx.x * kWidth - kRadius;
#ifdef BUG_2 // one word past the shared line
  for (int i = threadIdx.x; i <= kWidth + 2 * kRadius; i += blockDim.x) {
#else
  for (int i = threadIdx.x; i < kWidth + 2 * kRadius; i += blockDim.x) {
#endif
    int x = start + i;
    line[i] = x >= 0 && x < width ? row[x] : 0.0f;
  }
#ifndef BUG_1 // the line is read before it is there
  __syncthreads();
#endif
  int x = blockIdx.x * kWidth + threadIdx.x;
  if (x >= width)
    return;
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k <= 2 * kRadius; ++k)
    sum += weights[k] * line[threadIdx.x + k];
  out[blockIdx.y * width + x] = sum;
}

// Columns: a tile of 16 columns, each thread makes four results.
extern "C" __global__ void convolveColumns(const float *in, float *out, int width, int height) {
  __shared__ float tile[16][32 + 2 * kRadius + 1];
  int x = blockIdx.x * 16 + threadIdx.x, y0 = blockIdx.y * 32;
  for (int j = threadIdx.y; j < 32 + 2 * kRadius; j += 8) {
    int y = y0 + j - kRadius;
    tile[threadIdx.x][j] = x < width && y >= 0 && y < height ? in[y * width + x] : 0.0f;
  }
  __syncthreads();
  for (int j = threadIdx.y; j < 32; j += 8) {
    float sum = 0.0f;
    for (int k = 0; k <= 2 * kRadius; ++k)
      sum += weights[k] * tile[threadIdx.x][j + k];
    if (x < width && y0 + j < height)
      out[(y0 + j) * width + x] = sum;
  }
}

// 3x3 with channels, NCHW: the filters of one output channel in dynamic shared memory.
extern "C" __global__ void convolve3x3(const signed char *in, const signed char *filters, int *out,
                                       int channels, int height, int width) {
  extern __shared__ signed char filter[];
  int k = blockIdx.z;
  for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < channels * 9;
       i += blockDim.x * blockDim.y)
    filter[i] = filters[k * channels * 9 + i];
  __syncthreads();
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height)
    return;
  int sum = 0;
  for (int c = 0; c < channels; ++c)
    for (int dy = -1; dy <= 1; ++dy)
      for (int dx = -1; dx <= 1; ++dx) {
        int yy = y + dy, xx = x + dx;
        if (yy >= 0 && yy < height && xx >= 0 && xx < width)
          sum += in[(c * height + yy) * width + xx] * filter[c * 9 + (dy + 1) * 3 + dx + 1];
      }
  out[(k * height + y) * width + x] = sum;
}

// Max pooling 2x2 with the place of the largest, and bytes of bilinear resizing.
extern "C" __global__ void maxPool(const float *in, float *out, int *where, int height, int width) {
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
  int ow = width / 2;
  if (x >= ow)
    return;
  float best = -INFINITY;
  int place = -1;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    int at = (2 * y + k / 2) * width + 2 * x + k % 2;
    if (in[at] > best) {
      best = in[at];
      place = at;
    }
  }
  out[y * ow + x] = best;
  where[y * ow + x] = place;
}
