/* Looking up in a table of 4097 entries (docs/determinism.md, "Functions by table"). */
#ifndef NIC_FUNCTIONS_H
#define NIC_FUNCTIONS_H

#include "integers.h"

enum { NIC_END = 1 << 24, NIC_PLACES = 12, NIC_LAST = 4095 };

/* A magnitude, not negative, on grid 20: `left` bits to the left, exactly, or `right` bits to the right, rounded. */
INLINE int32_t argument_of(int32_t magnitude, int32_t left, int32_t right) {
    const int32_t end = NIC_END >> left, below = rounded_shift_32(magnitude, right);
    return (below < end ? below : end) << left;
}

/* The table at an argument from 0 to NIC_END. Neighbouring entries differ by 2^16 at most. */
INLINE int32_t looked_up(const int32_t *table, int32_t argument) {
    const int32_t place = argument >> NIC_PLACES, i = place < NIC_LAST ? place : NIC_LAST;
    const int32_t fraction = argument - (i << NIC_PLACES);
    return table[i] + (((table[i + 1] - table[i]) * fraction + (1 << (NIC_PLACES - 1))) >> NIC_PLACES);
}

#endif
