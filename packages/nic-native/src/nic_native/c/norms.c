/* Norms over the channels of each position, and sums over positions (docs/determinism.md, "Normalisation"). */
#include "norms.h"

#include <math.h>

#include "integers.h"

#define LIFT ((int64_t)1 << 62)

/* floor(sqrt(v)) of 2^60 to 2^62 - 1: whatever the processor's root rounds to, it is put right. */
static int64_t root_of(int64_t v) {
    int64_t root = (int64_t)sqrt((double)v);
    while (root * root > v) root--;
    while ((root + 1) * (root + 1) <= v) root++;
    return root;
}

INLINE void normalise_body(const nic_norm *norm, const int32_t *x, int64_t positions, int32_t *work, int32_t *out) {
    const int64_t channels = norm->channels;
    const int32_t narrow = (int32_t)norm->narrow;
    const int32_t largest = norm->largest > NIC_LARGEST ? NIC_LARGEST : (int32_t)norm->largest;
    const int64_t lift = LIFT + (((int64_t)1 << norm->shift) >> 1), lifted = LIFT >> norm->shift;
    for (int64_t p = 0; p < positions; p++, x += channels, out += channels) {
        int64_t sum = 0, squares = 0;
        for (int64_t c = 0; c < channels; c++) {
            work[c] = limited(rounded_shift_32(x[c], narrow), largest);
            sum += work[c];
            squares += (int64_t)work[c] * work[c];
        }
        const int64_t variance = channels * squares - sum * sum + norm->epsilon;
        int64_t z = 0;
        while (variance << (2 * z) < (int64_t)1 << 60) z++;
        const int64_t root = root_of(variance << (2 * z)), reciprocal = (((int64_t)1 << 61) + (root >> 1)) / root;
        const int64_t bits = 45 - z, raised = LIFT + (((int64_t)1 << bits) >> 1), lowered = LIFT >> bits;
        for (int64_t c = 0; c < channels; c++) { /* products of 32 bits, which vectors have */
            const int64_t distance = channels * work[c] - sum;
            const uint64_t size = (uint64_t)(uint32_t)(distance < 0 ? -distance : distance) * (uint32_t)reciprocal;
            const uint64_t product = distance < 0 ? -size : size;
            const int32_t normal = (int32_t)((int64_t)((product + (uint64_t)raised) >> bits) - lowered);
            const uint64_t gained = (uint64_t)((int64_t)normal * norm->gain[c] + norm->bias[c]) + (uint64_t)lift;
            out[c] = saturated((int64_t)(gained >> norm->shift) - lifted);
        }
    }
}
NIC_VERSIONS(normalise, (const nic_norm *norm, const int32_t *x, int64_t positions, int32_t *work, int32_t *out),
             (norm, x, positions, work, out))

void nic_normalise(int32_t isa, const nic_norm *norm, const int32_t *x, int64_t positions, int32_t *work,
                   int32_t *out) {
    normalise(isa, norm, x, positions, work, out);
}

INLINE void pool_body(const int32_t *x, int64_t positions, int64_t channels, int64_t *sums) {
    for (int64_t p = 0; p < positions; p++, x += channels)
        for (int64_t c = 0; c < channels; c++) sums[c] += x[c];
}
NIC_VERSIONS(pool, (const int32_t *x, int64_t positions, int64_t channels, int64_t *sums),
             (x, positions, channels, sums))

void nic_pool(int32_t isa, const int32_t *x, int64_t positions, int64_t channels, int64_t *sums) {
    pool(isa, x, positions, channels, sums);
}
