/* Functions by table (docs/determinism.md). Arguments are limited before they are shifted left, so 32 bits hold them. */
#include "elementwise.h"
#include "functions.h"
#include "integers.h"

enum { ONE = 1 << 24 };

INLINE void function_body(const int function, const int32_t *table, int64_t grid, const int32_t *x, int64_t count,
                          int32_t *out) {
    const int32_t left = grid < 20 ? (int32_t)(20 - grid) : 0, right = grid > 20 ? (int32_t)(grid - 20) : 0;
    for (int64_t i = 0; i < count; i++) {
        const int32_t value = x[i], magnitude = value < 0 ? -value : value;
        const int32_t found = looked_up(table, argument_of(magnitude, left, right));
        if (function == NIC_GELU) {
            /* Between 0 and 0.17 on grid 24: on grid 30 it still fits, and so does what it is taken from. */
            const int32_t below = grid < 24 ? rounded_shift_32(found, (int32_t)(24 - grid)) : found << (grid - 24);
            out[i] = (value < 0 ? 0 : value) - below;
        } else if (function == NIC_SIGMOID) {
            out[i] = value < 0 ? found : ONE - found;
        } else {
            out[i] = value < 0 ? -found : found;
        }
    }
}

INLINE void gelu_body(const int32_t *table, int64_t grid, const int32_t *x, int64_t count, int32_t *out) {
    function_body(NIC_GELU, table, grid, x, count, out);
}
INLINE void sigmoid_body(const int32_t *table, int64_t grid, const int32_t *x, int64_t count, int32_t *out) {
    function_body(NIC_SIGMOID, table, grid, x, count, out);
}
INLINE void tanh__body(const int32_t *table, int64_t grid, const int32_t *x, int64_t count, int32_t *out) {
    function_body(NIC_TANH, table, grid, x, count, out);
}
#define PARAMETERS (const int32_t *table, int64_t grid, const int32_t *x, int64_t count, int32_t *out)
NIC_VERSIONS(gelu, PARAMETERS, (table, grid, x, count, out))
NIC_VERSIONS(sigmoid, PARAMETERS, (table, grid, x, count, out))
NIC_VERSIONS(tanh_, PARAMETERS, (table, grid, x, count, out))

void nic_function(int32_t isa, int32_t function, const int32_t *table, int64_t grid, const int32_t *x, int64_t count,
                  int32_t *out) {
    switch (function) {
        case NIC_GELU: gelu(isa, table, grid, x, count, out); break;
        case NIC_SIGMOID: sigmoid(isa, table, grid, x, count, out); break;
        default: tanh_(isa, table, grid, x, count, out); break;
    }
}
