/* Which instruction sets this processor has, and its system keeps the registers of.
 *
 * Asked by hand: not every compiler's runtime brings what __builtin_cpu_supports needs into a shared library. */
#include "isa.h"

#ifdef NIC_X86
#include <cpuid.h>

enum { OSXSAVE = 1 << 27, AVX = 1 << 28, AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, VNNI = 1 << 11 };
#define AVX512BW_VL (1u << 30 | 1u << 31)
enum { KEPT_256 = 0x6, KEPT_512 = 0xe6 };

int32_t nic_best_isa(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (OSXSAVE | AVX)) != (OSXSAVE | AVX)) return NIC_PLAIN;
    unsigned kept, high;
    __asm__ volatile("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2) || (kept & KEPT_256) != KEPT_256) return NIC_PLAIN;
    const unsigned wanted = AVX512F | AVX512DQ | AVX512BW_VL;
    if ((b & wanted) != wanted || (kept & KEPT_512) != KEPT_512) return NIC_AVX2;
    return c & VNNI ? NIC_VNNI : NIC_AVX512;
}
#else
int32_t nic_best_isa(void) {
    return NIC_PLAIN;
}
#endif
