/* Layers that divide by what they sum; see nic_latent/layers/norms.py. Values have no gaps. */
#ifndef NIC_NORMS_H
#define NIC_NORMS_H

#include "isa.h"

typedef struct {
    int64_t channels, narrow, largest, epsilon, shift;
    const int32_t *gain;
    const int64_t *bias;
} nic_norm;

/* work: room for one position's channels. */
NIC_EXPORT void nic_normalise(int32_t isa, const nic_norm *norm, const int32_t *x, int64_t positions, int32_t *work,
                              int32_t *out);

/* Adds the values of each channel at some positions to sums (channels,). */
NIC_EXPORT void nic_pool(int32_t isa, const int32_t *x, int64_t positions, int64_t channels, int64_t *sums);

#endif
