/* What the compiled kernels are given: every buffer is the caller's, nothing is allocated here.
 *
 * NIC_INTERFACE changes with any declaration below: nic_native/library.py refuses a library that has another. */
#ifndef NIC_KERNELS_H
#define NIC_KERNELS_H

#include <stdint.h>

#define NIC_INTERFACE 4

#if defined(_WIN32)
#define NIC_EXPORT __declspec(dllexport)
#else
#define NIC_EXPORT __attribute__((visibility("default")))
#endif

/* A row of the tables: its intervals begin at base, the last of them, the escape, is at base + escape. */
typedef struct {
    uint32_t base, escape;
    int32_t offset; /* the integer of the first interval */
} nic_row;

typedef struct {
    uint16_t start, frequency;
} nic_interval;

/* An interval for encoding: division by its frequency as a multiplication. */
typedef struct {
    uint64_t reciprocal;
    uint32_t bias;
    uint16_t frequency;
    uint8_t shift;
} nic_divisor;

enum { NIC_BUCKETS = 256 };

/* Intervals of all rows lie one after another. A row's frequencies are at least 1, rise from start 0 and add up to 2^16. */
typedef struct {
    int64_t rows;
    const nic_row *row;
    const nic_interval *interval;
    const uint16_t *cost;   /* of each interval, in whatever unit */
    nic_divisor *divisor;   /* one for each interval; nic_rans_prepare writes them */
    uint16_t *bucket;       /* NIC_BUCKETS a row: the interval where each begins; nic_rans_prepare writes them */
} nic_tables;

/* Where the decoding of one stream stands: words lie from `words` on, escapes' bytes before `escapes`. */
typedef struct {
    const uint8_t *data;
    int64_t words, escapes;
    uint64_t *states;
    int64_t n, turn; /* states: 1, 2, 4 or 8; and which of them holds the next symbol */
} nic_cursor;

NIC_EXPORT int32_t nic_interface(void);

NIC_EXPORT void nic_rans_prepare(const nic_tables *tables);

/* Finds the interval of each symbol. Returns how many symbols: fewer than count where an index is no row.
 * escapes: room for 5 bytes a symbol; escape_bytes says how many it took. cost: the sum over all symbols. */
NIC_EXPORT int64_t nic_rans_place(const nic_tables *tables, const int32_t *symbols, const int32_t *indexes, int64_t count,
                                  uint32_t *slots, uint8_t *escapes, int64_t *escape_bytes, int64_t *cost);

/* Codes intervals, the last first, and writes words before `end`: room for 4 bytes a symbol. Returns how many bytes.
 * turn: which of the n states, 1, 2, 4 or 8, takes the first symbol. */
NIC_EXPORT int64_t nic_rans_encode(const nic_tables *tables, const uint32_t *slots, int64_t count, uint64_t *states,
                                   int64_t n, int64_t turn, uint8_t *end);

/* Decodes symbols and moves the cursor. Returns how many: fewer than count where an index is no row, where the stream
 * has ended, or where it holds an escape that is none. */
NIC_EXPORT int64_t nic_rans_decode(const nic_tables *tables, const int32_t *indexes, int64_t count, nic_cursor *cursor,
                                   int32_t *symbols);

#endif
