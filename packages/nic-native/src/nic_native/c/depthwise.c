/* Depthwise convolutions (docs/determinism.md, "Products"): some channels of a position at a time, tap after tap. */
#include "depthwise.h"

#include "integers.h"

enum { RUN = 32 }; /* channels at a time: their sums stay in registers or close by */

INLINE void sum_32(const int16_t *x, const int16_t *weight, int64_t channels, int64_t pitch, int64_t kernel,
                   int64_t *sums) {
    int32_t sum[RUN] = {0};
    for (int64_t i = 0; i < kernel; i++, x += pitch)
        for (int64_t j = 0; j < kernel; j++, weight += channels)
            for (int c = 0; c < RUN; c++) sum[c] += (int32_t)x[j * channels + c] * weight[c];
    for (int c = 0; c < RUN; c++) sums[c] = sum[c];
}

INLINE void sum_64(const int16_t *x, const int16_t *weight, int64_t count, int64_t channels, int64_t pitch,
                   int64_t kernel, int64_t *sums) {
    for (int64_t c = 0; c < count; c++) sums[c] = 0;
    for (int64_t i = 0; i < kernel; i++, x += pitch)
        for (int64_t j = 0; j < kernel; j++, weight += channels)
            for (int64_t c = 0; c < count; c++) sums[c] += (int32_t)x[j * channels + c] * weight[c];
}

INLINE void line_body(const nic_depthwise *products, const int16_t *x, int64_t pitch, int64_t packed_channels,
                      int64_t columns, int64_t column, int32_t *out) {
    for (int64_t p = 0; p < columns; p++, x += products->stride * packed_channels, out += column) {
        for (int64_t c = 0; c < products->channels; c += RUN) {
            const int64_t left = products->channels - c, count = left < RUN ? left : RUN;
            int64_t sums[RUN];
            if (products->wide || count < RUN)
                sum_64(x + c, products->weight + c, count, packed_channels, pitch, products->kernel, sums);
            else
                sum_32(x + c, products->weight + c, packed_channels, pitch, products->kernel, sums);
            const int64_t *start = products->start + c, *shift = products->shift + c, *offset = products->offset + c;
            for (int64_t i = 0; i < count; i++)
                out[c + i] = saturated((int64_t)((uint64_t)(sums[i] + start[i]) >> shift[i]) - offset[i]);
        }
    }
}
NIC_VERSIONS(line,
             (const nic_depthwise *products, const int16_t *x, int64_t pitch, int64_t packed_channels, int64_t columns,
              int64_t column, int32_t *out),
             (products, x, pitch, packed_channels, columns, column, out))

void nic_multiply_depthwise(int32_t isa, const nic_depthwise *products, const nic_packed *packed,
                            const nic_target *target) {
    const int64_t pitch = packed->columns * packed->channels;
    for (int64_t image = 0; image < packed->count; image++)
        for (int64_t row = 0; row < target->rows; row++)
            line(isa, products, packed->values + (image * packed->rows + row * products->stride) * pitch, pitch,
                 packed->channels, target->columns, target->column,
                 target->values + image * target->image + row * target->row);
}
