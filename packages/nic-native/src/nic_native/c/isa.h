/* Instruction sets: what a function is compiled for, and which of its versions runs.
 *
 * Every function gives the same integers in every version. The caller says which one runs, at most nic_best_isa(). */
#ifndef NIC_ISA_H
#define NIC_ISA_H

#include "kernels.h"

enum { NIC_PLAIN, NIC_AVX2, NIC_AVX512, NIC_VNNI };

#if defined(__x86_64__) || defined(_M_X64)
#define NIC_X86 1
#define FOR_AVX2 __attribute__((target("avx2")))
#if defined(__clang__) && __clang_major__ >= 18 && __clang_major__ <= 21
#define NIC_512 "avx2,avx512f,avx512bw,avx512dq,avx512vl,evex512" /* there vectors of 512 bits are a set of their own */
#else
#define NIC_512 "avx2,avx512f,avx512bw,avx512dq,avx512vl"
#endif
#define FOR_AVX512 __attribute__((target(NIC_512)))
#define FOR_VNNI __attribute__((target(NIC_512 ",avx512vnni")))
#endif

#define INLINE static inline __attribute__((always_inline))

/* Defines `name`, which runs the version of `name_body` that `isa` says: an INLINE function, which the compiler turns
 * into vectors for each set. Parameters and arguments are in parentheses. */
#ifdef NIC_X86
#define NIC_VERSIONS(name, parameters, arguments)                             \
    FOR_AVX512 static void name##_avx512 parameters { name##_body arguments; } \
    FOR_AVX2 static void name##_avx2 parameters { name##_body arguments; }     \
    static void name##_plain parameters { name##_body arguments; }             \
    static void name(int32_t isa, NIC_UNPACK parameters) {                     \
        if (isa >= NIC_AVX512) name##_avx512 arguments;                        \
        else if (isa == NIC_AVX2) name##_avx2 arguments;                       \
        else name##_plain arguments;                                           \
    }
#else
#define NIC_VERSIONS(name, parameters, arguments)          \
    static void name(int32_t isa, NIC_UNPACK parameters) { \
        (void)isa;                                         \
        name##_body arguments;                             \
    }
#endif
#define NIC_UNPACK(...) __VA_ARGS__

/* The last set that this processor has. */
NIC_EXPORT int32_t nic_best_isa(void);

#endif
