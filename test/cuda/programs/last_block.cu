// Reductions in one launch: every block publishes its part, the last one to finish
// adds the parts up. A fence before the ticket is what makes the parts visible.
#include <climits>
#include <cuda/atomic>

__device__ unsigned finished = 0;

__device__ int blockSum(int value) {
  __shared__ int partial[32];
  for (int offset = 16; offset; offset >>= 1)
    value += __shfl_down_sync(~0u, value, offset);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0;
  if (threadIdx.x < 32)
    for (int offset = 16; offset; offset >>= 1)
      value += __shfl_down_sync(~0u, value, offset);
  __syncthreads();
  return value; // of thread 0
}

// As in the CUDA programming guide: volatile parts, __threadfence, atomicInc that wraps.
extern "C" __global__ void sumThreadfence(const int *in, int n, volatile int *parts, int *total) {
  __shared__ bool isLast;
  int sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    sum += in[i];
  sum = blockSum(sum);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = sum;
    __threadfence();
    isLast = atomicInc(&finished, gridDim.x - 1) == gridDim.x - 1;
  }
#ifndef BUG_2 // isLast is read while thread 0 works on it
  __syncthreads();
#endif
  if (!isLast)
    return;
  sum = 0;
  for (int i = threadIdx.x; i < gridDim.x; i += blockDim.x)
    sum += parts[i];
  sum = blockSum(sum);
  if (threadIdx.x == 0)
    *total = sum;
}

// All threads write, each fences for itself, then one takes the ticket.
extern "C" __global__ void columnSums(const int *in, int rows, int columns, int *parts,
                                      unsigned *ticket, int *sums) {
  __shared__ bool isLast;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    int sum = 0;
    for (int r = blockIdx.x; r < rows; r += gridDim.x)
      sum += in[r * columns + c];
    parts[blockIdx.x * columns + c] = sum;
  }
#ifndef BUG_1 // the parts may become visible after the ticket
  __threadfence();
#endif
  __syncthreads();
  if (threadIdx.x == 0)
    isLast = atomicAdd(ticket, 1) == gridDim.x - 1;
  __syncthreads();
  if (isLast) {
    __threadfence();
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
      int sum = 0;
      for (int b = 0; b < gridDim.x; ++b)
        sum += parts[b * columns + c];
      sums[c] = sum;
    }
  }
}

// The same in the words of the C++ memory model: the barrier carries the other
// threads' writes to the thread whose acquire-release ticket publishes them.
extern "C" __global__ void columnMaxima(const int *in, int rows, int columns, int *parts,
                                        unsigned *ticket, int *maxima) {
  __shared__ unsigned place;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    int most = INT_MIN;
    for (int r = blockIdx.x; r < rows; r += gridDim.x)
      most = max(most, in[r * columns + c]);
    parts[blockIdx.x * columns + c] = most;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    cuda::atomic_ref<unsigned, cuda::thread_scope_device> tickets(*ticket);
#ifdef BUG_3 // orders nothing
    place = tickets.fetch_add(1, cuda::memory_order_relaxed);
#else
    place = tickets.fetch_add(1, cuda::memory_order_acq_rel);
#endif
  }
  __syncthreads();
  if (place != gridDim.x - 1)
    return;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    int most = INT_MIN;
    for (int b = 0; b < gridDim.x; ++b)
      most = max(most, parts[b * columns + c]);
    maxima[c] = most;
  }
}
