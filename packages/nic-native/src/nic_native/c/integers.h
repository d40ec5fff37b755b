/* The few operations on whole numbers that every layer is made of (docs/determinism.md, "Numbers").
 *
 * Right shifts of negative numbers are arithmetic, as every compiler that this is built with has them. */
#ifndef NIC_INTEGERS_H
#define NIC_INTEGERS_H

#include "isa.h"

#define NIC_LARGEST INT32_MAX /* values are saturated to +- this */

/* floor((value + half) >> bits), 0 to 62 bits. */
INLINE int64_t rounded_shift(int64_t value, int64_t bits) {
    const int64_t half = ((int64_t)1 << bits) >> 1;
    return (value + half) >> bits;
}

INLINE int32_t saturated(int64_t value) {
    value = value < -(int64_t)NIC_LARGEST ? -(int64_t)NIC_LARGEST : value;
    return (int32_t)(value > NIC_LARGEST ? NIC_LARGEST : value);
}

/* The same for 0 to 31 bits without leaving 32: shifted, and one more where the last bit that was lost is set. */
INLINE int32_t rounded_shift_32(int32_t value, int32_t bits) {
    return bits ? (value >> bits) + (value >> (bits - 1) & 1) : value;
}

INLINE int32_t limited(int32_t value, int32_t largest) {
    value = value < -largest ? -largest : value;
    return value > largest ? largest : value;
}

#endif
