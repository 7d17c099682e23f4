// Reverses each block's part of an array by way of shared memory.
//
// The mistake: threads read what other threads write, and nothing makes them
// wait for it.
extern "C" __global__ void reverse(const float *in, float *out) {
  __shared__ float tile[256];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  tile[threadIdx.x] = in[i];
  // __syncthreads();
  out[i] = tile[blockDim.x - 1 - threadIdx.x];
}
