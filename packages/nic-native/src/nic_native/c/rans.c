/* The inner loops of the coder "interleaved". docs/format.md describes the stream, nic_core/coding/pure.py is the same in
 * Python, kernels.h says what each function is given.
 *
 * A state between two symbols is from 2^31 to 2^63 - 1. Loops are written once for a number n of states that is a
 * constant where they are used, so that compilers unroll them and keep the states in registers: the processor works on
 * all of them at once, since none waits for another. */
#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { PRECISION = 16, WORD = 32, MOST_STATES = 8 };

static const uint64_t LOWEST = (uint64_t)1 << 31;

INLINE uint32_t load_word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

INLINE void store_word(uint8_t *bytes, uint32_t word) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(word >> 8 * i);
}

int32_t nic_interface(void) {
    return NIC_INTERFACE;
}

/* Exact for 63 bits (Granlund and Montgomery 1994, as Giesen's ryg_rans has it): x / f = x * reciprocal >> 64 >> shift.
 * For f = 1 the product gives x - 1, which the bias makes good. */
static nic_divisor divisor_of(nic_interval interval) {
    const uint32_t f = interval.frequency;
    if (f == 1) return (nic_divisor){UINT64_MAX, (uint32_t)interval.start + 65535, 1, 0};
    uint8_t shift = 0;
    while ((uint32_t)1 << shift < f) shift++;
    const unsigned __int128 power = (unsigned __int128)1 << (shift + 63);
    return (nic_divisor){(uint64_t)((power + f - 1) / f), interval.start, (uint16_t)f, (uint8_t)(shift - 1)};
}

void nic_rans_prepare(const nic_tables *tables) {
    for (int64_t r = 0; r < tables->rows; r++) {
        const nic_row row = tables->row[r];
        const nic_interval *interval = tables->interval + row.base;
        for (uint32_t k = 0; k <= row.escape; k++) tables->divisor[row.base + k] = divisor_of(interval[k]);
        uint32_t k = 0;
        for (uint32_t b = 0; b < NIC_BUCKETS; b++) {
            const uint32_t low = b * (65536 / NIC_BUCKETS);
            while (low - interval[k].start >= interval[k].frequency && k < row.escape) k++;
            tables->bucket[r * NIC_BUCKETS + b] = (uint16_t)k;
        }
    }
}

int64_t nic_rans_place(const nic_tables *tables, const int32_t *symbols, const int32_t *indexes, int64_t count,
                       uint32_t *slots, uint8_t *escapes, int64_t *escape_bytes, int64_t *cost) {
    uint8_t *escape = escapes;
    int64_t i = 0;
    *cost = 0;
    for (; i < count; i++) {
        const uint32_t index = (uint32_t)indexes[i];
        if (index >= (uint64_t)tables->rows) break;
        const nic_row row = tables->row[index];
        const int64_t distance = (int64_t)symbols[i] - row.offset;
        uint32_t k = row.escape;
        if (distance >= 0 && distance < k) {
            k = (uint32_t)distance;
        } else {
            uint64_t zigzag = (uint64_t)(distance < 0 ? 2 * ~distance + 1 : 2 * (distance - k));
            for (; zigzag > 127; zigzag >>= 7) *escape++ = (uint8_t)(zigzag | 128);
            *escape++ = (uint8_t)zigzag;
        }
        slots[i] = row.base + k;
        *cost += tables->cost[row.base + k];
    }
    *escape_bytes = escape - escapes;
    return i;
}

INLINE uint8_t *encode_one(const nic_divisor *divisor, uint64_t *state, uint8_t *words) {
    uint64_t x = *state;
    if (x >= (uint64_t)divisor->frequency << (31 + WORD - PRECISION)) { /* it would outgrow 63 bits */
        words -= 4;
        store_word(words, (uint32_t)x);
        x >>= WORD;
    }
    const uint64_t quotient = (uint64_t)((unsigned __int128)x * divisor->reciprocal >> 64) >> divisor->shift;
    *state = x + divisor->bias + quotient * (65536 - (uint64_t)divisor->frequency);
    return words;
}

INLINE uint8_t *encode(const int n, const nic_divisor *divisors, const uint32_t *slots, int64_t count, uint64_t *states,
                       int64_t turn, uint8_t *words) {
    uint64_t x[MOST_STATES]; /* turned, so that the last symbol falls to the last of them */
    for (int j = 0; j < n; j++) x[j] = states[(turn + count + j) % n];
    int64_t i = count;
    for (; i >= n; i -= n) {
#pragma GCC unroll 8
        for (int j = n - 1; j >= 0; j--) words = encode_one(divisors + slots[i - n + j], x + j, words);
    }
#pragma GCC unroll 8
    for (int j = n - 1; j > 0; j--)
        if (i > 0) words = encode_one(divisors + slots[--i], x + j, words);
    for (int j = 0; j < n; j++) states[(turn + count + j) % n] = x[j];
    return words;
}

int64_t nic_rans_encode(const nic_tables *tables, const uint32_t *slots, int64_t count, uint64_t *states, int64_t n,
                        int64_t turn, uint8_t *end) {
    switch (n) {
        case 1: return end - encode(1, tables->divisor, slots, count, states, turn, end);
        case 2: return end - encode(2, tables->divisor, slots, count, states, turn, end);
        case 4: return end - encode(4, tables->divisor, slots, count, states, turn, end);
        case 8: return end - encode(8, tables->divisor, slots, count, states, turn, end);
        default: return 0;
    }
}

/* Reads an escaped integer, whose bytes lie in reverse before *escapes and not before `words`; 0 where it is none. */
static int escaped(const nic_row *row, const uint8_t *words, const uint8_t **escapes, int32_t *symbol) {
    uint64_t zigzag = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        if (*escapes == words) return 0;
        const uint8_t byte = *--*escapes;
        zigzag |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            const int64_t half = (int64_t)(zigzag >> 1);
            const int64_t value = zigzag & 1 ? row->offset - 1 - half : (int64_t)row->offset + row->escape + half;
            *symbol = (int32_t)value;
            return value >= INT32_MIN && value <= INT32_MAX;
        }
    }
    return 0;
}

INLINE int decode_one(const nic_tables *tables, uint32_t index, uint64_t *state, const uint8_t **words,
                      const uint8_t **escapes, int32_t *symbol) {
    if (index >= (uint64_t)tables->rows) return 0;
    const nic_row *row = tables->row + index;
    const nic_interval *interval = tables->interval + row->base;
    const uint32_t low = *state % 65536;
    uint32_t k = tables->bucket[(uint64_t)index * NIC_BUCKETS + low / (65536 / NIC_BUCKETS)];
    while (low - interval[k].start >= interval[k].frequency && k < row->escape) k++;
    uint64_t x = interval[k].frequency * (*state >> PRECISION) + (low - interval[k].start);
    if (x < LOWEST) {
        if (*escapes - *words < 4) return 0;
        x = x << WORD | load_word(*words);
        *words += 4;
    }
    *state = x;
    *symbol = row->offset + (int32_t)k;
    return k != row->escape || escaped(row, *words, escapes, symbol);
}

INLINE int64_t decode(const int n, const nic_tables *tables, const int32_t *indexes, int64_t count, nic_cursor *cursor,
                      int32_t *symbols) {
    const uint8_t *words = cursor->data + cursor->words, *escapes = cursor->data + cursor->escapes;
    const int64_t turn = cursor->turn;
    uint64_t x[MOST_STATES]; /* turned, so that the next symbol falls to the first of them */
    for (int j = 0; j < n; j++) x[j] = cursor->states[(turn + j) % n];
    int64_t i = 0;
    while (count - i >= n) {
#pragma GCC unroll 8
        for (int j = 0; j < n; j++, i++)
            if (!decode_one(tables, (uint32_t)indexes[i], x + j, &words, &escapes, symbols + i)) goto end;
    }
#pragma GCC unroll 8
    for (int j = 0; j < n - 1; j++) {
        if (i == count || !decode_one(tables, (uint32_t)indexes[i], x + j, &words, &escapes, symbols + i)) break;
        i++;
    }
end:
    for (int j = 0; j < n; j++) cursor->states[(turn + j) % n] = x[j];
    cursor->words = words - cursor->data;
    cursor->escapes = escapes - cursor->data;
    cursor->turn = (turn + i) % n;
    return i;
}

int64_t nic_rans_decode(const nic_tables *tables, const int32_t *indexes, int64_t count, nic_cursor *cursor,
                        int32_t *symbols) {
    switch (cursor->n) {
        case 1: return decode(1, tables, indexes, count, cursor, symbols);
        case 2: return decode(2, tables, indexes, count, cursor, symbols);
        case 4: return decode(4, tables, indexes, count, cursor, symbols);
        case 8: return decode(8, tables, indexes, count, cursor, symbols);
        default: return 0;
    }
}
