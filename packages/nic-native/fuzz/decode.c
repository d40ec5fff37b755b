/* Fuzzes the decoder of the coder "interleaved": no input may make it read or write outside its buffers.
 *
 *   cd packages/nic-native
 *   clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
 *       -o /tmp/fuzz-decode fuzz/decode.c src/nic_native/c/rans.c
 *   /tmp/fuzz-decode -max_len=1024 -runs=10000000
 *
 * With a compiler that has no libFuzzer, -DALONE instead of "fuzzer" gives a program that tries random inputs:
 *
 *   gcc -std=c11 -g -O1 -DALONE -fsanitize=address,undefined -fno-sanitize-recover=all \
 *       -o /tmp/fuzz-decode fuzz/decode.c src/nic_native/c/rans.c
 *   /tmp/fuzz-decode 10000000
 *
 * An input is 4 bytes that seed the tables, a byte each for the number of states and the sizes of the groups, and the
 * states, words and escapes. Every buffer is exactly as long as it has to be. What was decoded is coded again: a decoder
 * that ended where a stream should end must have read what the encoder writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/nic_native/c/kernels.h"

enum { ROWS = 6, HEAD = 6, MOST = 2048 };

static uint32_t next(uint32_t *seed) { /* xorshift */
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void *room(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) abort();
    return memory;
}

/* Returns tables of rows of 2 to 300 intervals, some of them with a likely escape. */
static nic_tables random_tables(uint32_t seed) {
    nic_row *row = room(ROWS * sizeof *row);
    uint32_t total = 0;
    seed |= 1;
    for (int r = 0; r < ROWS; r++) {
        const uint32_t escape = 1 + next(&seed) % (r % 2 ? 4 : 300);
        row[r] = (nic_row){total, escape, (int32_t)(next(&seed) % (1u << 25)) - (1 << 24)};
        total += escape + 1;
    }
    nic_interval *interval = room(total * sizeof *interval);
    uint16_t *cost = room(total * sizeof *cost);
    for (uint32_t k = 0; k < total; k++) cost[k] = 1;
    for (int r = 0; r < ROWS; r++) {
        uint32_t start = 0;
        for (uint32_t k = 0; k <= row[r].escape; k++) {
            const uint32_t left = row[r].escape - k, most = 65536 - start - left;
            const uint32_t f = left ? 1 + next(&seed) % (r % 3 ? most / 4 + 1 : 2) % most : most;
            interval[row[r].base + k] = (nic_interval){(uint16_t)start, (uint16_t)f};
            start += f;
        }
    }
    nic_tables tables = {ROWS, row, interval, cost, room(total * sizeof(nic_divisor)),
                         room(ROWS * NIC_BUCKETS * sizeof(uint16_t))};
    nic_rans_prepare(&tables);
    return tables;
}

static const nic_tables *tables_of(uint32_t seed) {
    enum { KINDS = 64 };
    static nic_tables made[KINDS];
    nic_tables *tables = made + seed % KINDS;
    if (!tables->rows) *tables = random_tables(seed % KINDS);
    return tables;
}

static void check(int sound) {
    if (!sound) abort();
}

/* Codes the symbols again and compares with what was read: words from `first` on and escapes up to the end. */
static void code_again(const nic_tables *tables, const int32_t *symbols, const int32_t *indexes, int64_t count, int64_t n,
                       const uint64_t *begin, const uint8_t *data, int64_t escapes_at, int64_t size) {
    uint32_t *slots = room((size_t)count * sizeof *slots);
    uint8_t *escapes = room((size_t)count * 5), *words = room((size_t)count * 4);
    int64_t escape_bytes, cost;
    uint64_t states[8];
    for (int64_t j = 0; j < n; j++) states[j] = (uint64_t)1 << 31;
    check(nic_rans_place(tables, symbols, indexes, count, slots, escapes, &escape_bytes, &cost) == count);
    const int64_t length = nic_rans_encode(tables, slots, count, states, n, 0, words + count * 4);
    check(length == escapes_at && !memcmp(words + count * 4 - length, data, (size_t)length));
    check(!memcmp(states, begin, (size_t)n * sizeof *states));
    check(escape_bytes <= size - escapes_at); /* a decoder also takes numbers with needless digits */
    free(slots);
    free(escapes);
    free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size) {
    if (input_size < HEAD) return 0;
    uint32_t seed;
    memcpy(&seed, input, 4);
    const nic_tables *tables = tables_of(seed);
    const int64_t n = (int64_t)1 << (input[4] & 3);
    const int64_t count = input[4] >= 248 ? MOST : (input[4] >> 2) * 8 + (input[5] & 7);
    input += HEAD;
    input_size -= HEAD;

    uint64_t states[8], begin[8];
    for (int64_t j = 0; j < n; j++) { /* small ones often, since a stream ends with them */
        uint64_t value = 0;
        const size_t taken = input_size < 5 ? input_size : 5;
        memcpy(&value, input, taken);
        input += taken;
        input_size -= taken;
        states[j] = ((uint64_t)1 << 31) + (value << (value & 1 ? 22 : 0)) % (((uint64_t)1 << 63) - ((uint64_t)1 << 31));
        begin[j] = states[j];
    }
    uint8_t *data = room(input_size);
    memcpy(data, input, input_size);
    int32_t *indexes = room((size_t)count * sizeof *indexes), *symbols = room((size_t)count * sizeof *symbols);
    for (int64_t i = 0; i < count; i++) indexes[i] = (int32_t)(next(&seed) % ROWS);
    if ((seed & 255) == 255 && count) indexes[count / 2] = (int32_t)seed;

    nic_cursor cursor = {data, 0, (int64_t)input_size, states, n, 0};
    int64_t done = 0;
    while (done < count) { /* in groups of any size */
        const int64_t left = count - done, group = 1 + next(&seed) % 40, asked = group < left ? group : left;
        const int64_t got = nic_rans_decode(tables, indexes + done, asked, &cursor, symbols + done);
        check(0 <= got && got <= asked && 0 <= cursor.words && cursor.words <= cursor.escapes);
        check(cursor.escapes <= (int64_t)input_size && cursor.turn == (done + got) % n);
        done += got;
        if (got < asked) break;
    }
    int at_end = done == count && cursor.words == cursor.escapes;
    for (int64_t j = 0; j < n; j++) at_end &= states[j] == (uint64_t)1 << 31;
    if (at_end) code_again(tables, symbols, indexes, count, n, begin, data, cursor.escapes, (int64_t)input_size);

    free(data);
    free(indexes);
    free(symbols);
    return 0;
}

#ifdef ALONE
int main(int argc, char **argv) {
    const long runs = argc > 1 ? atol(argv[1]) : 100000;
    uint32_t seed = 1;
    for (long run = 0; run < runs; run++) {
        uint8_t input[4096];
        const size_t size = next(&seed) % (run % 16 ? 200 : sizeof input);
        for (size_t i = 0; i < size; i++) input[i] = (uint8_t)(next(&seed) >> (run % 3 ? 9 : 27));
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("%ld inputs\n", runs);
    return 0;
}
#endif
