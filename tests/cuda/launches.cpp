// The kernels of kernels.cu, to be called by ctypes: a grid, a block, and what the kernel takes.

#include "processor.hpp"
#include KERNELS

extern "C" void launch_reach(long long blocks, int threads, const float* tile, long long pitch, int n_rows,
                             long long first_row, const float* inverse, const float* threshold, int room, int* count,
                             long long* row, float* approx) {
    launch(blocks, threads,
           [=] { reach(tile, pitch, n_rows, first_row, inverse, threshold, room, count, row, approx); });
}

extern "C" void launch_tighten(long long blocks, int threads, int* count, long long* row, float* approx,
                               float* threshold, const float* margin, const long long* group, int grouped, int k,
                               int room, int* spilled) {
    if (room > (int)(sizeof shared / 24)) abort();
    launch(blocks, threads,
           [=] { tighten(count, row, approx, threshold, margin, group, grouped, k, room, spilled); });
}

#define LAUNCHED(NAME)                                                                                                \
    extern "C" void launch_##NAME(long long blocks, int threads, const float* queries, const void* stored, int dim,    \
                                  long long n_pairs, const long long* query, const long long* row, double* out) {      \
        launch(blocks, threads, [=] { NAME(queries, stored, dim, n_pairs, query, row, out); });                        \
    }
LAUNCHED(dots_float16)
LAUNCHED(dots_bfloat16)
LAUNCHED(dots_float32)
