/* Layers that treat every value alike (docs/determinism.md, "Values one by one" and "Functions by table").
 *
 * Arithmetic shifts of 64 bits are what older vectors lack. So sums s of at most 2^62 are shifted as s + 2^62, which has
 * no sign, and 2^62 shifted is taken away again: both shifts are exact there. */
#include <string.h>

#include "elementwise.h"
#include "integers.h"

#define LIFT ((int64_t)1 << 62)

INLINE int32_t settled(int64_t sum, int64_t lift, int64_t shift, int64_t lifted) {
    return saturated((int64_t)(((uint64_t)sum + (uint64_t)lift) >> shift) - lifted);
}

/* What `settled` adds before and takes away after a shift. */
INLINE int64_t lift_of(int64_t shift) {
    return LIFT + (((int64_t)1 << shift) >> 1);
}

INLINE void leaky_body(const int32_t *x, int64_t count, int64_t slope, int32_t *out) {
    if (slope) {
        for (int64_t i = 0; i < count; i++) {
            const int32_t below = (int32_t)((uint64_t)(x[i] * slope + (1 << 15)) >> 16); /* the low half alone is kept */
            out[i] = x[i] < 0 ? below : x[i];
        }
    } else {
        for (int64_t i = 0; i < count; i++) out[i] = x[i] < 0 ? 0 : x[i];
    }
}
NIC_VERSIONS(leaky, (const int32_t *x, int64_t count, int64_t slope, int32_t *out), (x, count, slope, out))

void nic_leaky(int32_t isa, const int32_t *x, int64_t count, int64_t slope, int32_t *out) {
    leaky(isa, x, count, slope, out);
}

enum { MOST = 256 }; /* channels that are summed at a time */

/* Adds one input's channels, aligned, to sums. */
INLINE void align_body(const int32_t *x, int64_t step, int64_t count, int64_t shift, int64_t *sums) {
    if (shift <= 0) {
        const int64_t factor = (int64_t)1 << -shift;
        if (step) for (int64_t i = 0; i < count; i++) sums[i] += x[i] * factor;
        else for (int64_t i = 0; i < count; i++) sums[i] += *x * factor;
    } else if (shift < 32) {
        const int32_t bits = (int32_t)shift;
        if (step) for (int64_t i = 0; i < count; i++) sums[i] += (x[i] >> bits) + (x[i] >> (bits - 1) & 1);
        else for (int64_t i = 0; i < count; i++) sums[i] += (*x >> bits) + (*x >> (bits - 1) & 1);
    } /* beyond, less than half a step is left of any value */
}
NIC_VERSIONS(align, (const int32_t *x, int64_t step, int64_t count, int64_t shift, int64_t *sums),
             (x, step, count, shift, sums))

INLINE void saturate_body(const int64_t *sums, int64_t count, int32_t *out) {
    for (int64_t i = 0; i < count; i++) out[i] = saturated(sums[i]);
}
NIC_VERSIONS(saturate, (const int64_t *sums, int64_t count, int32_t *out), (sums, count, out))

INLINE const int32_t *at(const nic_operand *x, int64_t image, int64_t row, int64_t column) {
    return x->values + image * x->image + row * x->row + column * x->column;
}

void nic_add(int32_t isa, const nic_operand *inputs, const int64_t *shifts, int64_t n, const nic_shape *shape,
             int64_t pitch, int32_t *out) {
    for (int64_t image = 0; image < shape->count; image++)
        for (int64_t row = 0; row < shape->rows; row++)
            for (int64_t column = 0; column < shape->columns; column++, out += pitch)
                for (int64_t c = 0; c < shape->channels; c += MOST) {
                    const int64_t left = shape->channels - c, count = left < MOST ? left : MOST;
                    int64_t sums[MOST];
                    memset(sums, 0, (size_t)count * sizeof *sums);
                    for (int64_t i = 0; i < n; i++) {
                        const int64_t step = inputs[i].channel;
                        align(isa, at(inputs + i, image, row, column) + c * step, step, count, shifts[i], sums);
                    }
                    saturate(isa, sums, count, out + c);
                }
}

INLINE void times_body(const int32_t *x, int64_t x_step, const int32_t *y, int64_t y_step, int64_t count, int64_t shift,
                       int32_t *out) {
    const int64_t lift = lift_of(shift), lifted = LIFT >> shift;
    if (x_step && y_step)
        for (int64_t i = 0; i < count; i++) out[i] = settled((int64_t)x[i] * y[i], lift, shift, lifted);
    else
        for (int64_t i = 0; i < count; i++) out[i] = settled((int64_t)x[i * x_step] * y[i * y_step], lift, shift, lifted);
}
NIC_VERSIONS(times,
             (const int32_t *x, int64_t x_step, const int32_t *y, int64_t y_step, int64_t count, int64_t shift,
              int32_t *out),
             (x, x_step, y, y_step, count, shift, out))

void nic_times(int32_t isa, const nic_operand *inputs, int64_t shift, const nic_shape *shape, int32_t *out) {
    for (int64_t image = 0; image < shape->count; image++)
        for (int64_t row = 0; row < shape->rows; row++)
            for (int64_t column = 0; column < shape->columns; column++, out += shape->channels)
                times(isa, at(inputs, image, row, column), inputs[0].channel, at(inputs + 1, image, row, column),
                      inputs[1].channel, shape->channels, shift, out);
}

INLINE void affine_body(const int32_t *x, int64_t positions, int64_t channels, const int32_t *weight,
                        const int64_t *bias, int64_t shift, int32_t *out) {
    const int64_t lift = lift_of(shift), lifted = LIFT >> shift;
    for (int64_t p = 0; p < positions; p++, x += channels, out += channels)
        for (int64_t c = 0; c < channels; c++)
            out[c] = settled((int64_t)x[c] * weight[c] + bias[c], lift, shift, lifted);
}
NIC_VERSIONS(affine,
             (const int32_t *x, int64_t positions, int64_t channels, const int32_t *weight, const int64_t *bias,
              int64_t shift, int32_t *out),
             (x, positions, channels, weight, bias, shift, out))

void nic_affine(int32_t isa, const int32_t *x, int64_t positions, int64_t channels, const int32_t *weight,
                const int64_t *bias, int64_t shift, int32_t *out) {
    affine(isa, x, positions, channels, weight, bias, shift, out);
}

INLINE void steps_below_body(const int32_t *steps, int64_t n, const int32_t *x, int64_t count, int32_t *out) {
    for (int64_t first = 0; first < count; first += MOST) { /* comparing with all is less work than searching */
        const int64_t left = count - first, some = left < MOST ? left : MOST;
        int32_t below[MOST] = {0};
        for (int64_t s = 0; s < n; s++)
            for (int64_t i = 0; i < some; i++) below[i] += steps[s] < x[first + i];
        memcpy(out + first, below, (size_t)some * sizeof *below);
    }
}
NIC_VERSIONS(steps_below, (const int32_t *steps, int64_t n, const int32_t *x, int64_t count, int32_t *out),
             (steps, n, x, count, out))

void nic_steps_below(int32_t isa, const int32_t *steps, int64_t n, const int32_t *x, int64_t count, int32_t *out) {
    steps_below(isa, steps, n, x, count, out);
}
