/* Which instruction sets this processor has. */
#include "isa.h"

int32_t nic_best_isa(void) {
#ifdef NIC_X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2")) return NIC_PLAIN;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return NIC_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? NIC_VNNI : NIC_AVX512;
#else
    return NIC_PLAIN;
#endif
}
