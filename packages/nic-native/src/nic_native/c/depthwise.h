/* Convolutions whose every output reads one channel; values are packed as products.h says. */
#ifndef NIC_DEPTHWISE_H
#define NIC_DEPTHWISE_H

#include "products.h"

/* weight: (taps, packed channels). start, shift, offset, slope: as in nic_products, for packed channels.
 * wide: whether sums of all taps may need more than 32 bits. */
typedef struct {
    int64_t channels, kernel, stride, wide;
    const int16_t *weight;
    const int64_t *start, *shift, *offset;
} nic_depthwise;

NIC_EXPORT void nic_multiply_depthwise(int32_t isa, const nic_depthwise *products, const nic_packed *packed,
                                       const nic_target *target);

#endif
