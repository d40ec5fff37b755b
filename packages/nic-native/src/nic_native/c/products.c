/* Convolutions as sums of products of narrowed inputs (docs/determinism.md, "Products").
 *
 * Inputs are narrowed to 16 bits and copied with a border of zeros, so that all that a row of taps reads lies side by
 * side. Then each group of positions meets each panel of outputs, block of the sum by block: a block's weights stay in
 * the nearest cache while the group's tiles pass. */
#include <string.h>

#include "integers.h"
#include "products.h"

enum { GROUP = 48 }; /* positions: a multiple of every tile's */

/* A position's channels of one input, narrowed. */
INLINE void narrow_body(const int32_t *values, int64_t count, int32_t bits, int32_t largest, int16_t *narrowed) {
    if (bits > 31) { /* whatever the value, less than half a step is left of it */
        memset(narrowed, 0, (size_t)count * sizeof *narrowed);
    } else if (bits) {
        for (int64_t i = 0; i < count; i++)
            narrowed[i] = (int16_t)limited((values[i] >> bits) + (values[i] >> (bits - 1) & 1), largest);
    } else {
        for (int64_t i = 0; i < count; i++) narrowed[i] = (int16_t)limited(values[i], largest);
    }
}
NIC_VERSIONS(narrow, (const int32_t *values, int64_t count, int32_t bits, int32_t largest, int16_t *narrowed),
             (values, count, bits, largest, narrowed))

void nic_pack(int32_t isa, const nic_view *inputs, const int32_t *narrowing, int64_t n, int64_t rows, int64_t columns,
              int32_t largest, const nic_packed *shape, int64_t first_row, int64_t first_column, int16_t *packed) {
    const int64_t line = shape->columns * shape->channels;
    for (int64_t image = 0; image < shape->count; image++) {
        for (int64_t r = 0; r < shape->rows; r++, packed += line) {
            const int64_t row = r + first_row;
            if (row < 0 || row >= rows) {
                memset(packed, 0, (size_t)line * sizeof *packed);
                continue;
            }
            for (int64_t c = 0; c < shape->columns; c++) {
                const int64_t column = c + first_column;
                int16_t *to = packed + c * shape->channels;
                if (column < 0 || column >= columns) {
                    memset(to, 0, (size_t)shape->channels * sizeof *to);
                    continue;
                }
                int16_t *const end = to + shape->channels;
                for (int64_t i = 0; i < n; i++) {
                    const nic_view *x = inputs + i;
                    narrow(isa, x->values + image * x->image + row * x->row + column * x->column, x->channels,
                           narrowing[i], largest, to);
                    to += x->channels;
                }
                if (to < end) *to = 0;
            }
        }
    }
}

/* What becomes of the 64-bit sums of a panel at some positions, whose outputs begin at `places`. */
INLINE void finish_body(const int64_t *sums, int64_t count, const nic_products *products, int64_t first,
                        const int64_t *places, int32_t *values) {
    const int64_t *start = products->start + first, *shift = products->shift + first, *offset = products->offset + first;
    const int64_t slope = products->slope, left = products->outputs - first, width = left < NIC_PANEL ? left : NIC_PANEL;
    for (int64_t p = 0; p < count; p++, sums += NIC_PANEL) {
        int32_t out[NIC_PANEL];
#pragma GCC unroll 1 /* or no vectors would be made of it */
        for (int o = 0; o < NIC_PANEL; o++)
            out[o] = saturated((int64_t)((uint64_t)(sums[o] + start[o]) >> shift[o]) - offset[o]);
        if (slope != 1 << 16)
#pragma GCC unroll 1
            for (int o = 0; o < NIC_PANEL; o++)
                out[o] = out[o] < 0 ? (int32_t)((uint64_t)(out[o] * slope + (1 << 15)) >> 16) : out[o];
        if (width == NIC_PANEL) memcpy(values + places[p] + first, out, sizeof out);
        else memcpy(values + places[p] + first, out, (size_t)width * sizeof *out);
    }
}
NIC_VERSIONS(finish,
             (const int64_t *sums, int64_t count, const nic_products *products, int64_t first, const int64_t *places,
              int32_t *values),
             (sums, count, products, first, places, values))

/* Writes what lies from pair `from` to pair `to` of the taps; returns how many runs. */
static int64_t runs_of(const nic_products *products, const nic_packed *shape, int64_t from, int64_t to, nic_run *runs) {
    const int64_t line = products->tap_columns * shape->channels / 2, pitch = shape->columns * shape->channels;
    int64_t n = 0;
    while (from < to) {
        const int64_t tap_row = from / line, within = from % line;
        const int64_t pairs = line - within < to - from ? line - within : to - from;
        runs[n++] = (nic_run){tap_row * pitch + 2 * within, pairs};
        from += pairs;
    }
    return n;
}

void nic_multiply(int32_t isa, const nic_products *products, const nic_packed *shape, const int16_t *packed,
                  const nic_target *target) {
    const nic_tile tile = nic_tile_of(isa);
    const int64_t pairs = products->tap_rows * products->tap_columns * shape->channels / 2;
    const int64_t positions = shape->count * target->rows * target->columns;
    int64_t image = 0, row = 0, column = 0;
    for (int64_t done = 0; done < positions; done += GROUP) {
        const int64_t count = positions - done < GROUP ? positions - done : GROUP;
        const int16_t *x[GROUP];
        int64_t places[GROUP];
        for (int64_t p = 0; p < count; p++) {
            const int64_t below = row * products->stride + products->first_row;
            const int64_t right = column * products->stride + products->first_column;
            x[p] = packed + ((image * shape->rows + below) * shape->columns + right) * shape->channels;
            places[p] = image * target->image + row * target->row + column * target->column;
            if (++column < target->columns) continue;
            column = 0;
            if (++row < target->rows) continue;
            row = 0;
            image++;
        }
        for (int64_t p = count; p < GROUP; p++) x[p] = x[0]; /* computed where they fill a tile, and not written */
        for (int64_t first = 0; first < products->outputs; first += NIC_PANEL) {
            const int16_t *weight = products->weight + first * pairs * 2;
            int64_t sums[GROUP * NIC_PANEL] = {0};
            for (int64_t b = 0, from = 0; b < products->blocks; from = products->block[b++]) {
                nic_run runs[NIC_MOST_TAP_ROWS];
                const int64_t n = runs_of(products, shape, from, products->block[b], runs);
                for (int64_t p = 0; p < count; p += tile.positions)
                    tile.add(x + p, runs, n, weight + from * 2 * NIC_PANEL, sums + p * NIC_PANEL);
            }
            finish(isa, sums, count, products, first, places, target->values);
        }
    }
}
