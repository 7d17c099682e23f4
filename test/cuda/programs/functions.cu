// Calls that stay calls: noinline functions, recursion, function pointers, virtual
// functions, structures by value, arrays in local memory, alloca.
#include <cstdint>

__noinline__ __device__ int addThrice(int a, int b) { return a + 3 * b; }

__noinline__ __device__ int ackermann(int m, int n) {
#ifndef BUG_2 // nothing ends the recursion
  if (m == 0)
    return n + 1;
#endif
  if (n == 0)
    return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

// Each lane recurses to its own depth.
extern "C" __global__ void recursion(const int *in, int *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    out[i] = addThrice(ackermann(2, in[i]), i);
}

typedef float (*Unary)(float);
__device__ float square(float x) { return x * x; }
__device__ float negate(float x) { return -x; }
__device__ float half(float x) { return 0.5f * x; }
__device__ float successor(float x) { return x + 1.0f; }
__device__ Unary table[4] = {square, negate, half, successor};

// Lanes of a warp call different functions.
extern "C" __global__ void functionPointers(const int *which, const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    out[i] = table[which[i] & 3](in[i]);
}

struct Shape {
  __device__ virtual float area() const = 0;
  __device__ virtual int corners() const { return 0; }
};
struct Circle : Shape {
  float radius;
  __device__ Circle(float r) : radius(r) {}
  __device__ float area() const override { return 3.0f * radius * radius; }
};
struct Box : Shape {
  float width, height;
  __device__ Box(float w, float h) : width(w), height(h) {}
  __device__ float area() const override { return width * height; }
  __device__ int corners() const override { return 4; }
};

__noinline__ __device__ float describe(const Shape &shape) {
  return shape.area() + 1000.0f * shape.corners();
}

extern "C" __global__ void virtualFunctions(const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  Circle circle(in[i]);
  Box box(in[i], 2.0f);
  const Shape &shape = i % 3 ? static_cast<const Shape &>(circle) : box;
  out[i] = describe(shape);
}

struct Big {
  int values[12];
  double scale;
  char name[5];
};

__noinline__ __device__ Big rotate(Big big, int by) {
  Big result = big;
  for (int i = 0; i < 12; ++i)
    result.values[(i + by) % 12] = big.values[i];
  result.scale *= by;
  result.name[by % 5] = '!';
  return result;
}

// Structures by value through a call, and one as a parameter of the kernel.
extern "C" __global__ void structures(Big big, int *values, double *scales, char *names) {
  int i = threadIdx.x;
  Big mine = rotate(big, i % 12);
  for (int k = 0; k < 12; ++k)
    values[i * 12 + k] = mine.values[k];
  scales[i] = mine.scale;
  for (int k = 0; k < 5; ++k)
    names[i * 5 + k] = mine.name[k];
}

// An array that is indexed dynamically lives in local memory: insertion sort of 24
// values a thread, each thread its own.
extern "C" __global__ void localSort(const int *in, int *out) {
  int values[24];
  int base = (blockIdx.x * blockDim.x + threadIdx.x) * 24;
  for (int i = 0; i < 24; ++i) {
    int value = in[base + i], at = i;
    while (at > 0 && values[at - 1] > value) {
      values[at] = values[at - 1];
      --at;
    }
    values[at] = value;
  }
  for (int i = 0; i < 24; ++i)
    out[base + i] = values[i];
}

// The depth-first walk of an implicit tree with an explicit stack.
extern "C" __global__ void treeWalk(const int *weight, int nodes, int *sums, const int *roots) {
  int stack[32], top = 0, sum = 0;
  stack[top++] = roots[threadIdx.x];
#ifdef BUG_1 // a stack slot is read before anything was pushed there
  sum += stack[(top + roots[threadIdx.x]) % 32];
#endif
  while (top) {
    int node = stack[--top];
    sum += weight[node];
    if (2 * node + 2 < nodes) {
      stack[top++] = 2 * node + 1;
      stack[top++] = 2 * node + 2;
    }
  }
  sums[threadIdx.x] = sum;
}
