// Variables of a module: constant tables set by the host, initialised constants,
// counters in global memory, pointers between variables, strings, static in a function.

__constant__ float coefficients[8]; // set by the host
__constant__ int primes[6] = {2, 3, 5, 7, 11, 13};
__device__ int counter = 100;
__device__ double results[4];
__device__ int storage[4] = {4, 3, 2, 1};
__device__ int *pointer = &storage[2];
__device__ const char *words[3] = {"warp", "lane", "block"};

// Polynomials: constant memory read by all lanes at once, then by lanes apart.
extern "C" __global__ void polynomial(const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = in[i], y = 0.0f;
  for (int k = 7; k >= 0; --k)
    y = fmaf(y, x, coefficients[k]);
  out[i] = y + coefficients[i % 8];
}

__device__ int nextTicket() {
  static int tickets;
  return atomicAdd(&tickets, 1);
}

extern "C" __global__ void globals(int *out) {
  int t = threadIdx.x;
  atomicAdd(&counter, primes[t % 6]);
  if (t < 4)
    results[t] = 0.5 * primes[t];
  if (t == 0)
    *pointer = 77;
  out[t] = nextTicket() >= 0 ? words[t % 3][t % 4] : -1;
}

struct Settings {
  int rows, columns;
  float scale;
  const float *input;
  float *output;
  unsigned char flags[3];
};

// A structure of pointers and numbers as the only parameter.
extern "C" __global__ void byStructure(const Settings settings) {
  int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
  if (column >= settings.columns)
    return;
  float value = settings.input[row * settings.columns + column] * settings.scale;
  if (settings.flags[column % 3])
    value = -value;
  settings.output[row * settings.columns + column] = value;
}
