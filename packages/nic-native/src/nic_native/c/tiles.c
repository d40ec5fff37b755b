/* The inner loops of products: 16-bit pairs, 32-bit sums, see nic_tile. */
#include <string.h>

#include "products.h"

enum { PLAIN_POSITIONS = 2, AVX2_POSITIONS = 6, AVX512_POSITIONS = 12 };

static void add_plain(const int16_t *const *x, const nic_run *runs, int64_t n, const int16_t *weight, int64_t *sums) {
    int32_t sum[PLAIN_POSITIONS][NIC_PANEL] = {{0}};
    for (int64_t r = 0; r < n; r++) {
        for (int64_t k = 0; k < runs[r].pairs; k++, weight += 2 * NIC_PANEL) {
            for (int p = 0; p < PLAIN_POSITIONS; p++) {
                const int32_t first = x[p][runs[r].offset + 2 * k], second = x[p][runs[r].offset + 2 * k + 1];
                for (int o = 0; o < NIC_PANEL; o++) sum[p][o] += first * weight[2 * o] + second * weight[2 * o + 1];
            }
        }
    }
    for (int p = 0; p < PLAIN_POSITIONS; p++)
        for (int o = 0; o < NIC_PANEL; o++) sums[p * NIC_PANEL + o] += sum[p][o];
}

#ifdef NIC_X86
#include <immintrin.h>

INLINE int32_t pair_at(const int16_t *x) {
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return pair;
}

FOR_AVX2 static void add_avx2(const int16_t *const *x, const nic_run *runs, int64_t n, const int16_t *weight,
                              int64_t *sums) {
    __m256i sum[AVX2_POSITIONS][2];
    const int16_t *at[AVX2_POSITIONS];
    for (int p = 0; p < AVX2_POSITIONS; p++) sum[p][0] = sum[p][1] = _mm256_setzero_si256();
    for (int64_t r = 0; r < n; r++) {
        for (int p = 0; p < AVX2_POSITIONS; p++) at[p] = x[p] + runs[r].offset;
        for (int64_t k = 0; k < runs[r].pairs; k++, weight += 2 * NIC_PANEL) {
            const __m256i low = _mm256_loadu_si256((const __m256i *)weight);
            const __m256i high = _mm256_loadu_si256((const __m256i *)(weight + NIC_PANEL));
#pragma GCC unroll 6
            for (int p = 0; p < AVX2_POSITIONS; p++) {
                const __m256i pair = _mm256_set1_epi32(pair_at(at[p] + 2 * k));
                sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(low, pair));
                sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(high, pair));
            }
        }
    }
    for (int p = 0; p < AVX2_POSITIONS; p++) {
        for (int half = 0; half < 4; half++) {
            const __m256i found = sum[p][half >> 1];
            const __m128i four = half & 1 ? _mm256_extracti128_si256(found, 1) : _mm256_castsi256_si128(found);
            __m256i *wide = (__m256i *)(sums + p * NIC_PANEL + half * 4);
            _mm256_storeu_si256(wide, _mm256_add_epi64(_mm256_loadu_si256(wide), _mm256_cvtepi32_epi64(four)));
        }
    }
}

FOR_AVX512 INLINE void widen_avx512(const __m512i *sum, int64_t *sums) {
    for (int p = 0; p < AVX512_POSITIONS; p++) {
        for (int half = 0; half < 2; half++) {
            const __m256i eight = half ? _mm512_extracti64x4_epi64(sum[p], 1) : _mm512_castsi512_si256(sum[p]);
            int64_t *wide = sums + p * NIC_PANEL + half * 8;
            _mm512_storeu_si512(wide, _mm512_add_epi64(_mm512_loadu_si512(wide), _mm512_cvtepi32_epi64(eight)));
        }
    }
}

/* Both sets share all but the step: VNNI multiplies and adds in one. */
#define ADD_AVX512(STEP)                                                                 \
    __m512i sum[AVX512_POSITIONS];                                                       \
    const int16_t *at[AVX512_POSITIONS];                                                 \
    for (int p = 0; p < AVX512_POSITIONS; p++) sum[p] = _mm512_setzero_si512();          \
    for (int64_t r = 0; r < n; r++) {                                                    \
        for (int p = 0; p < AVX512_POSITIONS; p++) at[p] = x[p] + runs[r].offset;        \
        for (int64_t k = 0; k < runs[r].pairs; k++, weight += 2 * NIC_PANEL) {           \
            const __m512i panel = _mm512_loadu_si512(weight);                            \
            _Pragma("GCC unroll 12") for (int p = 0; p < AVX512_POSITIONS; p++) sum[p] = \
                STEP(sum[p], panel, _mm512_set1_epi32(pair_at(at[p] + 2 * k)));          \
        }                                                                                \
    }                                                                                    \
    widen_avx512(sum, sums);

#define MULTIPLY_ADD(sum, panel, pair) _mm512_add_epi32(sum, _mm512_madd_epi16(panel, pair))

FOR_AVX512 static void add_avx512(const int16_t *const *x, const nic_run *runs, int64_t n, const int16_t *weight,
                                  int64_t *sums) {
    ADD_AVX512(MULTIPLY_ADD)
}

FOR_VNNI static void add_vnni(const int16_t *const *x, const nic_run *runs, int64_t n, const int16_t *weight,
                              int64_t *sums) {
    ADD_AVX512(_mm512_dpwssd_epi32)
}
#endif

nic_tile nic_tile_of(int32_t isa) {
#ifdef NIC_X86
    switch (isa) {
        case NIC_VNNI: return (nic_tile){add_vnni, AVX512_POSITIONS};
        case NIC_AVX512: return (nic_tile){add_avx512, AVX512_POSITIONS};
        case NIC_AVX2: return (nic_tile){add_avx2, AVX2_POSITIONS};
        default: break;
    }
#endif
    (void)isa;
    return (nic_tile){add_plain, PLAIN_POSITIONS};
}
