// printf from the device with all kinds of conversions, and assertions that hold.
#include <cassert>
#include <cstdio>

extern "C" __global__ void report(const int *in, int n) {
  int i = threadIdx.x;
#ifdef BUG_1 // the assertion fails at the third value
  assert(in[i] != in[2]);
#else
  assert(i < n);
#endif
  if (i >= n)
    return;
  printf("thread %d of %u: %d %x %5d|%-4d|\n", i, blockDim.x, in[i], in[i], in[i], in[i]);
  if (i == 0) {
    printf("%s has %c, 100%% of %lld and %llu\n", "printf", 'c', -1234567890123ll,
           18446744073709551615ull);
    printf("%.3f %g %e\n", 1.5f, 0.25, 12345.678);
    printf("no arguments\n");
  }
}

extern "C" __global__ void trapIf(const int *in, int *out) {
  if (in[threadIdx.x] < 0)
    __trap();
  out[threadIdx.x] = in[threadIdx.x] + 1;
}
