// Three kernels around a matrix product; emulated.py says the same in numpy, and the tests compare the two.
// 16-bit values come as their bits, so that no header is needed.

__device__ __forceinline__ float half_bits(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

__device__ __forceinline__ float bfloat_bits(unsigned short bits) {
    return __uint_as_float((unsigned int)bits << 16);
}

// One block a query: rows of a tile whose approximate cosine reaches the query's threshold are put on its list.
// A row that may not answer has NaN for its inverse norm, which reaches nothing.
extern "C" __global__ void reach(const float* __restrict__ tile, long long pitch, int n_rows, long long first_row,
                                 const float* __restrict__ inverse, const float* __restrict__ threshold, int room,
                                 int* __restrict__ count, long long* __restrict__ row, float* __restrict__ approx) {
    const int query = blockIdx.x;
    const float limit = threshold[query];
    const float* scores = tile + (long long)query * pitch;
    const float* scale = inverse + first_row;
    long long* rows = row + (long long)query * room;
    float* found = approx + (long long)query * room;
    #pragma unroll 4
    for (int i = threadIdx.x; i < n_rows; i += blockDim.x) {
        const float score = scores[i] * scale[i];
        if (score >= limit) {
            const int place = atomicAdd(count + query, 1);
            if (place < room) {
                rows[place] = first_row + i;
                found[place] = score;
            }
        }
    }
}

// Whether entry j of a list comes before entry i: a higher score, or the same and a lower row.
__device__ __forceinline__ bool before(const float* scores, const long long* rows, int j, int i) {
    return scores[j] > scores[i] || (scores[j] == scores[i] && rows[j] < rows[i]);
}

// One block a query: the k-th best on its list (of different groups) raises the threshold, and what lies below leaves.
// Ranks are counted, not sorted: lists are short. Shared memory: room * (8 + 8 + 4 + 4) bytes.
extern "C" __global__ void tighten(int* __restrict__ count, long long* __restrict__ row, float* __restrict__ approx,
                                   float* __restrict__ threshold, const float* __restrict__ margin,
                                   const long long* __restrict__ group, int grouped, int k, int room,
                                   int* __restrict__ spilled) {
    extern __shared__ __align__(16) unsigned char shared[];
    long long* rows = (long long*)shared;
    long long* groups = rows + room;
    float* scores = (float*)(groups + room);
    int* heads = (int*)(scores + room);
    __shared__ int kept;
    __shared__ float level;
    const int query = blockIdx.x;
    long long* list = row + (long long)query * room;
    float* found = approx + (long long)query * room;
    const int all = count[query];
    const int n = all < room ? all : room;
    if (threadIdx.x == 0) {
        kept = 0;
        level = __int_as_float(0xff800000);
        if (all > room) spilled[query] = 1;
    }
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        rows[i] = list[i];
        scores[i] = found[i];
        groups[i] = grouped ? group[list[i]] : 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        bool best = true;
        for (int j = 0; grouped && best && j < n; j++) {
            best = groups[j] != groups[i] || !before(scores, rows, j, i);
        }
        heads[i] = best;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        if (!heads[i]) continue;
        int above = 0;
        for (int j = 0; j < n && above < k; j++) above += heads[j] && before(scores, rows, j, i);
        if (above == k - 1) level = scores[i];
    }
    __syncthreads();
    const float old = threshold[query];
    const float lower = level - margin[query];
    const float now = lower > old ? lower : old;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        if (scores[i] >= now) {
            const int place = atomicAdd(&kept, 1);
            list[place] = rows[i];
            found[place] = scores[i];
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        threshold[query] = now;
        count[query] = kept;
    }
}

// One warp a pair: the product of a query and a stored row in float64. KIND 0: half, 1: bfloat16, 2: float.
template <int KIND>
__device__ __forceinline__ void products(const float* queries, const void* stored, int dim, long long n_pairs,
                                         const long long* query, const long long* row, double* out) {
    const long long pair = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const int lane = threadIdx.x % 32;
    if (pair >= n_pairs) return;
    const float* left = queries + query[pair] * dim;
    const long long start = row[pair] * dim;
    double sum = 0.0;
    for (int i = lane; i < dim; i += 32) {
        float right;
        if (KIND == 2) right = ((const float*)stored)[start + i];
        else if (KIND == 1) right = bfloat_bits(((const unsigned short*)stored)[start + i]);
        else right = half_bits(((const unsigned short*)stored)[start + i]);
        sum += (double)left[i] * (double)right;
    }
    for (int offset = 16; offset; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset);
    if (lane == 0) out[pair] = sum;
}

#define PRODUCTS(NAME, KIND)                                                                                          \
    extern "C" __global__ void NAME(const float* queries, const void* stored, int dim, long long n_pairs,             \
                                    const long long* query, const long long* row, double* out) {                      \
        products<KIND>(queries, stored, dim, n_pairs, query, row, out);                                               \
    }
PRODUCTS(dots_float16, 0)
PRODUCTS(dots_bfloat16, 1)
PRODUCTS(dots_float32, 2)
