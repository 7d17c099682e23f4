// Device-wide primitives of CUB: the kernels themselves, instantiated with the types that
// DeviceReduce::Sum, DeviceScan::InclusiveSum, DeviceRadixSort::SortKeys and
// DeviceHistogram::HistogramEven pick. The tests launch them as the host side of CUB does;
// cases/cub.py says how.
#define CUB_DISABLE_NAMESPACE_MAGIC // names without the version and the architecture
#define CUB_IGNORE_NAMESPACE_MAGIC_ERROR
#include <cub/device/device_histogram.cuh>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>

using Plus = cuda::std::plus<>;
using Identity = cuda::std::__identity;
using cub::NullType;
namespace detail = cub::detail;

using ReducePolicy = detail::reduce::policy_hub<int, unsigned, Plus>::MaxPolicy;
template __global__ void
detail::reduce::DeviceReduceKernel<ReducePolicy, int *, unsigned, Plus, int, Identity>(
    int *, int *, unsigned, cub::GridEvenShare<unsigned>, Plus, Identity);
template __global__ void
detail::reduce::DeviceReduceSingleTileKernel<ReducePolicy, int *, int *, unsigned, Plus, int, int,
                                             Identity>(int *, int *, unsigned, Plus, int, Identity);

using ScanPolicy = detail::scan::policy_hub<int, int, int, unsigned, Plus>::MaxPolicy;
using ScanState = cub::ScanTileState<int>;
template __global__ void detail::scan::DeviceScanInitKernel<ScanState>(ScanState, int);
template __global__ void
detail::scan::DeviceScanKernel<ScanPolicy, int *, int *, ScanState, Plus, NullType, unsigned, int,
                               false, NullType>(int *, int *, ScanState, int, Plus, NullType,
                                                unsigned);

using SortPolicy = detail::radix::policy_hub<unsigned, NullType, unsigned>::MaxPolicy;
using Decomposer = detail::identity_decomposer_t;
template __global__ void
detail::radix_sort::DeviceRadixSortHistogramKernel<SortPolicy, cub::SortOrder::Ascending, unsigned,
                                                   unsigned, Decomposer>(unsigned *,
                                                                         const unsigned *, unsigned,
                                                                         int, int, Decomposer);
template __global__ void
detail::radix_sort::DeviceRadixSortExclusiveSumKernel<SortPolicy, unsigned>(unsigned *);
template __global__ void
detail::radix_sort::DeviceRadixSortOnesweepKernel<SortPolicy, cub::SortOrder::Ascending, unsigned,
                                                  NullType, unsigned, int, int, Decomposer>(
    int *, int *, unsigned *, const unsigned *, unsigned *, const unsigned *, NullType *,
    const NullType *, int, int, int, Decomposer);
template __global__ void
detail::radix_sort::DeviceRadixSortSingleTileKernel<SortPolicy, cub::SortOrder::Ascending, unsigned,
                                                    NullType, unsigned, Decomposer>(
    const unsigned *, unsigned *, const NullType *, NullType *, unsigned, int, int, Decomposer);

using Histogram = cub::DispatchHistogram<1, 1, unsigned char *, int, int, int>;
using HistogramPolicy = detail::histogram::policy_hub<unsigned char, int, 1, 1, true>::MaxPolicy;
template <typename T> using One = cuda::std::array<T, 1>;
template __global__ void
    detail::histogram::DeviceHistogramInitKernel<1, int, int>(One<int>, One<int *>,
                                                              cub::GridQueue<int>);
template __global__ void detail::histogram::DeviceHistogramSweepKernel<
    HistogramPolicy, 256, 1, 1, unsigned char *, int, Histogram::PassThruTransform,
    Histogram::ScaleTransform, int>(unsigned char *, One<int>, One<int>, One<int *>, One<int *>,
                                    One<Histogram::ScaleTransform>,
                                    One<Histogram::PassThruTransform>, int, int, int, int,
                                    cub::GridQueue<int>);
