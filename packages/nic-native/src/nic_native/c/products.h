/* Layers that sum products: convolutions, as products.c computes them. */
#ifndef NIC_PRODUCTS_H
#define NIC_PRODUCTS_H

#include "isa.h"

/* Values (count, rows, columns, channels) wherever they lie: how many entries lie between two neighbours on each of the
 * first three axes. Channels lie side by side. */
typedef struct {
    const int32_t *values;
    int64_t image, row, column, channels;
} nic_view;

/* Narrowed inputs (count, rows, columns, channels) without gaps. Channels are even in number: the last may be padding.
 * seen: for each row of each picture, all bits that magnitudes in it have. */
typedef struct {
    int64_t count, rows, columns, channels;
    int16_t *values;
    int32_t *seen;
} nic_packed;

enum {
    NIC_PANEL = 16, /* outputs that are computed together */
    NIC_MOST_TAP_ROWS = 64
};

/* One convolution of packed values. Output (row, column) reads `tap_rows` x `tap_columns` positions from
 * (row * stride + first_row, column * stride + first_column) on.
 *
 * weight: (panels, tap_rows, tap_columns, channels / 2, NIC_PANEL, 2), zeros for outputs that only fill a panel.
 * block: the ends of blocks of the sum, counted in pairs of weights. The sum of one block needs no more than 32 bits;
 *     blocks are added in 64. Those for inputs of b bits, 0 to 15, begin at blocks[b] and end before blocks[b + 1].
 * start, shift, offset: for each output, the padded ones too, the 64-bit sum becomes (sum + start >> shift) - offset, of
 *     which sum + start is never negative: logical shifts do, which vectors have.
 * slope: of values below zero, in 2^-16, see nic_latent's `Leaky`; 2^16 leaves them. */
typedef struct {
    int64_t outputs, tap_rows, tap_columns, stride, first_row, first_column, slope;
    const int64_t *block, *blocks;
    const int16_t *weight;
    const int64_t *start, *shift, *offset;
} nic_products;

/* Where outputs go: (count, rows, columns, outputs), with entries between neighbours as in nic_view. */
typedef struct {
    int32_t *values;
    int64_t rows, columns, image, row, column;
} nic_target;

/* Narrows inputs to +-largest, at most 32767, and joins them into `packed`. Its row r and column c are those of the inputs
 * at (r + first_row, c + first_column), zeros beyond the border. */
NIC_EXPORT void nic_pack(int32_t isa, const nic_view *inputs, const int32_t *narrow, int64_t n, int64_t rows,
                         int64_t columns, int32_t largest, int64_t first_row, int64_t first_column,
                         const nic_packed *packed);

NIC_EXPORT void nic_multiply(int32_t isa, const nic_products *products, const nic_packed *packed,
                             const nic_target *target);

/* Writes the ends of blocks of `most` pairs at most, for magnitudes of inputs up to `largest`, and how many there are.
 * sums: room for the outputs of all panels. ends: room for as many as there are pairs. */
NIC_EXPORT void nic_blocks(int32_t isa, const int16_t *weight, int64_t panels, int64_t pairs, int64_t largest,
                           int64_t most, uint32_t *sums, int64_t *ends, int64_t *count);

/* The inner loop. Adds sums of products of some positions and one panel to sums (positions, NIC_PANEL).
 * x: the first value of each position. runs: `pairs` pairs of values from `offset` on, one after another. */
typedef struct {
    int64_t offset, pairs;
} nic_run;

typedef struct {
    void (*add)(const int16_t *const *x, const nic_run *runs, int64_t n, const int16_t *weight, int64_t *sums);
    int64_t positions;
} nic_tile;

nic_tile nic_tile_of(int32_t isa);

#endif
