// What kernels.cu takes from CUDA, for a processor: a block's threads run side by side and meet at barriers.
// As fibers of one thread, which is quick, or with -DREAL_THREADS each as a thread of its own, for sanitizers.

#pragma once
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>
#ifdef REAL_THREADS
#include <condition_variable>
#include <thread>
#else
#include <ucontext.h>
#endif

#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static
#define __dynamic_shared__
#define asm(...) value = (float)std::bit_cast<_Float16>(bits) /* the one instruction that is written out */

struct Index { unsigned x; };
static thread_local Index threadIdx;
static Index blockIdx, blockDim;
static const int WARP = 32;
alignas(16) unsigned char shared[1 << 16];

static float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
static float __int_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
static int atomicAdd(int* at, int added) { return std::atomic_ref<int>(*at).fetch_add(added); }

static void wait_until(const std::function<bool()>& ready);
static void wake();

// Threads that wait for each other; one that has ended is waited for no longer.
struct Group {
    int alive = 0, arrived = 0;
    long turn = 0;
    double value[WARP];
    void pass_on() {
        if (alive && arrived == alive) arrived = 0, turn++, wake();
    }
    void meet() {
        const long mine = turn;
        arrived++, pass_on();
        wait_until([&] { return turn != mine; });
    }
    void leave() { alive--, pass_on(); }
};
static Group block;
static std::vector<Group> warps;

#ifdef REAL_THREADS
static std::mutex gate;
static std::condition_variable changed;
static thread_local std::unique_lock<std::mutex>* held;
static void wait_until(const std::function<bool()>& ready) { changed.wait(*held, ready); }
static void wake() { changed.notify_all(); }
struct Entered {  // groups are looked at by one thread at a time
    std::unique_lock<std::mutex> lock{gate};
    Entered() { held = &lock; }
};
#else
static std::vector<std::unique_ptr<ucontext_t>> fibers;
static ucontext_t scheduler;
static std::function<void()> body;
static std::vector<char> ended;
static void yield() { swapcontext(fibers[threadIdx.x].get(), &scheduler); }
static void wait_until(const std::function<bool()>& ready) { while (!ready()) yield(); }
static void wake() {}
struct Entered {};
#endif

static void __syncthreads() {
    Entered now;
    (void)now;
    block.meet();
}
static double __shfl_down_sync(unsigned, double value, int offset) {
    Entered now;
    (void)now;
    Group& warp = warps[threadIdx.x / WARP];
    const int lane = threadIdx.x % WARP;
    warp.value[lane] = value;
    warp.meet();
    const double found = lane + offset < WARP ? warp.value[lane + offset] : value;
    warp.meet();
    return found;
}

static void run_thread(unsigned number, const std::function<void()>& kernel) {
    threadIdx.x = number;
    kernel();
    Entered now;
    (void)now;
    warps[number / WARP].leave();
    block.leave();
}

#ifdef REAL_THREADS
static void run_block(int threads, const std::function<void()>& kernel) {
    std::vector<std::thread> all;
    for (int i = 0; i < threads; i++) all.emplace_back([&kernel, i] { run_thread(i, kernel); });
    for (std::thread& one : all) one.join();
}
#else
static void begin(int number) {
    static std::vector<std::unique_ptr<char[]>> stacks;
    const size_t room = 1 << 16;
    while ((int)fibers.size() <= number) {
        fibers.push_back(std::make_unique<ucontext_t>());
        stacks.push_back(std::make_unique<char[]>(room));
    }
    ucontext_t* fiber = fibers[number].get();
    getcontext(fiber);
    fiber->uc_stack.ss_sp = stacks[number].get();
    fiber->uc_stack.ss_size = room;
    fiber->uc_link = &scheduler;
    auto run = [](int own) { run_thread(own, body), ended[own] = 1; };
    makecontext(fiber, (void (*)())(void (*)(int))run, 1, number);
}
static void run_block(int threads, const std::function<void()>& kernel) {
    body = kernel;
    ended.assign(threads, 0);
    for (int i = 0; i < threads; i++) begin(i);
    for (int left = threads; left;) {  // each in turn, until it waits or ends
        left = 0;
        for (int i = 0; i < threads; i++) {
            if (ended[i]) continue;
            threadIdx.x = i;
            swapcontext(&scheduler, fibers[i].get());
            left += !ended[i];
        }
    }
}
#endif

static void launch(long long blocks, int threads, const std::function<void()>& kernel) {
    static std::mutex one_at_a_time;  // several devices are several threads, and all of this is there once
    const std::lock_guard<std::mutex> mine(one_at_a_time);
    blockDim.x = threads;
    for (long long at = 0; at < blocks; at++) {
        blockIdx.x = at;
        block = Group{};
        block.alive = threads;
        warps.assign(threads / WARP, Group{});
        for (Group& warp : warps) warp.alive = WARP;
        run_block(threads, kernel);
    }
}
