// Scales an array by way of shared memory, filled with asynchronous copies.
//
// The mistake: one group of copies is committed, and the wait allows one to be
// still in flight, so it waits for nothing. `cp.async.wait_group 0` would do.
extern "C" __global__ void scale(const float4 *in, float4 *out, float factor) {
  __shared__ float4 tile[64];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(&tile[threadIdx.x]));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(in + i) : "memory");
  asm volatile("cp.async.commit_group;" ::: "memory");
  asm volatile("cp.async.wait_group 1;" ::: "memory");
  float4 v = tile[threadIdx.x];
  out[i] = make_float4(v.x * factor, v.y * factor, v.z * factor, v.w * factor);
}
