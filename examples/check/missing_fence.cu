// The first block computes a value, the others wait for it on a flag.
//
// The mistake: nothing orders the value before the flag. Another block may see
// the flag and still read the old value.
extern "C" __global__ void broadcast(float *value, volatile int *ready, float *out) {
  if (blockIdx.x == 0) {
    if (threadIdx.x == 0) {
      *value = 42.0f;
      // __threadfence();
      *ready = 1;
    }
    return;
  }
  if (threadIdx.x == 0)
    while (*ready == 0) {
    }
  __syncthreads();
  out[(blockIdx.x - 1) * blockDim.x + threadIdx.x] = *value;
}
