/* Convolutions as sums of products of narrowed inputs (docs/determinism.md, "Products").
 *
 * Inputs are narrowed to 16 bits and copied with a border of zeros, so that all that a row of taps reads lies side by
 * side. Then each group of positions meets each panel of outputs, block of the sum by block: a block's weights stay in
 * the nearest cache while the group's tiles pass. Small inputs have long blocks, and zeros none. */
#include <string.h>

#include "integers.h"
#include "products.h"

enum { GROUP = 48 }; /* positions: a multiple of every tile's */

/* The channels of one input at `columns` positions of a row, narrowed; they go `pitch` values apart. */
INLINE void narrow_body(const int32_t *values, int64_t column, int64_t columns, int64_t channels, int32_t bits,
                        int32_t largest, int64_t pitch, int16_t *narrowed, int32_t *seen) {
    int32_t found = 0;
    if (column == channels && pitch == channels) { /* no gaps on either side */
        channels *= columns;
        columns = 1;
    }
    for (int64_t c = 0; c < columns; c++, values += column, narrowed += pitch) {
        if (bits > 31) { /* whatever the value, less than half a step is left of it */
            memset(narrowed, 0, (size_t)channels * sizeof *narrowed);
        } else if (bits) {
            for (int64_t i = 0; i < channels; i++) {
                const int32_t value = limited((values[i] >> bits) + (values[i] >> (bits - 1) & 1), largest);
                narrowed[i] = (int16_t)value;
                found |= value < 0 ? -value : value;
            }
        } else {
            for (int64_t i = 0; i < channels; i++) {
                const int32_t value = limited(values[i], largest);
                narrowed[i] = (int16_t)value;
                found |= value < 0 ? -value : value;
            }
        }
    }
    *seen |= found;
}
NIC_VERSIONS(narrow,
             (const int32_t *values, int64_t column, int64_t columns, int64_t channels, int32_t bits, int32_t largest,
              int64_t pitch, int16_t *narrowed, int32_t *seen),
             (values, column, columns, channels, bits, largest, pitch, narrowed, seen))

void nic_pack(int32_t isa, const nic_view *inputs, const int32_t *narrowing, int64_t n, int64_t rows, int64_t columns,
              int32_t largest, int64_t first_row, int64_t first_column, const nic_packed *packed) {
    const int64_t pitch = packed->channels, line = packed->columns * pitch, stop = columns - first_column;
    const int64_t left = first_column < 0 ? -first_column : 0, right = stop < packed->columns ? stop : packed->columns;
    int16_t *values = packed->values;
    int32_t *seen = packed->seen;
    for (int64_t image = 0; image < packed->count; image++) {
        for (int64_t r = 0; r < packed->rows; r++, values += line, seen++) {
            const int64_t row = r + first_row;
            *seen = 0;
            if (row < 0 || row >= rows || left >= right) {
                memset(values, 0, (size_t)line * sizeof *values);
                continue;
            }
            memset(values, 0, (size_t)(left * pitch) * sizeof *values);
            memset(values + right * pitch, 0, (size_t)((packed->columns - right) * pitch) * sizeof *values);
            int16_t *to = values + left * pitch;
            const int16_t *const end = to + pitch;
            for (int64_t i = 0; i < n; to += inputs[i++].channels) {
                const nic_view *x = inputs + i;
                narrow(isa, x->values + image * x->image + row * x->row + (left + first_column) * x->column, x->column,
                       right - left, x->channels, narrowing[i], largest, pitch, to, seen);
            }
            if (to < end)
                for (int64_t c = left; c < right; c++) values[c * pitch + pitch - 1] = 0;
        }
    }
}

/* Adds the magnitudes of the pairs at `weight`, of all panels, to sums; returns the greatest of these in `greatest`. */
INLINE void grow_body(const int16_t *weight, int64_t panels, int64_t pairs, uint32_t *sums, uint32_t *greatest) {
    uint32_t found = 0;
    for (int64_t p = 0; p < panels; p++, weight += pairs * 2 * NIC_PANEL, sums += NIC_PANEL)
        for (int o = 0; o < NIC_PANEL; o++) {
            const int32_t first = weight[2 * o], second = weight[2 * o + 1];
            sums[o] += (uint32_t)((first < 0 ? -first : first) + (second < 0 ? -second : second));
            found = sums[o] > found ? sums[o] : found;
        }
    *greatest = found;
}
NIC_VERSIONS(grow, (const int16_t *weight, int64_t panels, int64_t pairs, uint32_t *sums, uint32_t *greatest),
             (weight, panels, pairs, sums, greatest))

void nic_blocks(int32_t isa, const int16_t *weight, int64_t panels, int64_t pairs, int64_t largest, int64_t most,
                uint32_t *sums, int64_t *ends, int64_t *count) {
    const uint32_t limit = (uint32_t)(INT32_MAX / largest);
    const size_t room = (size_t)(panels * NIC_PANEL) * sizeof *sums;
    int64_t n = 0, start = 0;
    memset(sums, 0, room);
    for (int64_t k = 0; k < pairs; k++) {
        uint32_t greatest;
        grow(isa, weight + k * 2 * NIC_PANEL, panels, pairs, sums, &greatest);
        if (k > start && (greatest > limit || k - start == most)) { /* one pair always fits */
            ends[n++] = start = k--;
            memset(sums, 0, room);
        }
    }
    ends[n++] = pairs;
    *count = n;
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

/* Which of the pairs of the taps comes next. */
typedef struct {
    int64_t tap_row, within;
} nic_place;

/* Writes where the next `pairs` of them lie and moves on; returns how many runs. */
static int64_t runs_of(const nic_products *products, const nic_packed *packed, int64_t pairs, nic_place *at,
                       nic_run *runs) {
    const int64_t line = products->tap_columns * packed->channels / 2, pitch = packed->columns * packed->channels;
    int64_t n = 0;
    while (pairs) {
        const int64_t left = line - at->within, taken = left < pairs ? left : pairs;
        runs[n++] = (nic_run){at->tap_row * pitch + 2 * at->within, taken};
        pairs -= taken;
        at->within += taken;
        if (taken == left) *at = (nic_place){at->tap_row + 1, 0};
    }
    return n;
}

static int64_t bits_of(int32_t seen) {
    int64_t bits = 0;
    while (seen >> bits) bits++;
    return bits;
}

void nic_multiply(int32_t isa, const nic_products *products, const nic_packed *packed, const nic_target *target) {
    const nic_tile tile = nic_tile_of(isa);
    const int64_t pairs = products->tap_rows * products->tap_columns * packed->channels / 2;
    const int64_t positions = packed->count * target->rows * target->columns;
    int64_t image = 0, row = 0, column = 0;
    for (int64_t done = 0; done < positions; done += GROUP) {
        const int64_t count = positions - done < GROUP ? positions - done : GROUP;
        const int16_t *x[GROUP];
        int64_t places[GROUP];
        int32_t seen = 0;
        for (int64_t p = 0; p < count; p++) {
            const int64_t below = image * packed->rows + row * products->stride + products->first_row;
            const int64_t right = column * products->stride + products->first_column;
            x[p] = packed->values + (below * packed->columns + right) * packed->channels;
            places[p] = image * target->image + row * target->row + column * target->column;
            if (p == 0 || column == 0)
                for (int64_t tap = 0; tap < products->tap_rows; tap++) seen |= packed->seen[below + tap];
            if (++column < target->columns) continue;
            column = 0;
            if (++row < target->rows) continue;
            row = 0;
            image++;
        }
        for (int64_t p = count; p < GROUP; p++) x[p] = x[0]; /* computed where they fill a tile, and not written */
        const int64_t bits = bits_of(seen), *const end = products->block + products->blocks[bits + 1];
        for (int64_t first = 0; first < products->outputs; first += NIC_PANEL) {
            const int16_t *weight = products->weight + first * pairs * 2;
            int64_t sums[GROUP * NIC_PANEL] = {0}, from = 0;
            nic_place at = {0, 0};
            for (const int64_t *block = products->block + products->blocks[bits]; block < end; from = *block++) {
                nic_run runs[NIC_MOST_TAP_ROWS];
                const int64_t n = runs_of(products, packed, *block - from, &at, runs);
                for (int64_t p = 0; p < count; p += tile.positions)
                    tile.add(x + p, runs, n, weight + from * 2 * NIC_PANEL, sums + p * NIC_PANEL);
            }
            finish(isa, sums, count, products, first, places, target->values);
        }
    }
}
