/* Layers that treat every value alike; see nic_latent/layers/elementwise.py and functions.py. */
#ifndef NIC_ELEMENTWISE_H
#define NIC_ELEMENTWISE_H

#include "isa.h"

/* Values (count, rows, columns, channels) by the entries between neighbours on each axis, 0 where one serves all. */
typedef struct {
    const int32_t *values;
    int64_t image, row, column, channel;
} nic_operand;

/* count, rows, columns, channels of the output, which has no gaps. */
typedef struct {
    int64_t count, rows, columns, channels;
} nic_shape;

NIC_EXPORT void nic_leaky(int32_t isa, const int32_t *x, int64_t count, int64_t slope, int32_t *out);

/* shifts: of each of the n inputs, right where above 0. pitch: entries of `out` from one position to the next. */
NIC_EXPORT void nic_add(int32_t isa, const nic_operand *inputs, const int64_t *shifts, int64_t n, const nic_shape *shape,
                        int64_t pitch, int32_t *out);

NIC_EXPORT void nic_times(int32_t isa, const nic_operand *inputs, int64_t shift, const nic_shape *shape, int32_t *out);

NIC_EXPORT void nic_affine(int32_t isa, const int32_t *x, int64_t positions, int64_t channels, const int32_t *weight,
                           const int64_t *bias, int64_t shift, int32_t *out);

/* How many of n rising steps lie below each value. */
NIC_EXPORT void nic_steps_below(int32_t isa, const int32_t *steps, int64_t n, const int32_t *x, int64_t count,
                                int32_t *out);

enum { NIC_GELU, NIC_SIGMOID, NIC_TANH };

/* table: 4097 entries of the function; grid: of x, 0 to 30. */
NIC_EXPORT void nic_function(int32_t isa, int32_t function, const int32_t *table, int64_t grid, const int32_t *x,
                             int64_t count, int32_t *out);

#endif
