/* Reads f32 numbers from stdin and writes what ggml's reference quantiser makes of them: ggml_quantize TYPE. */
#include "ggml-quants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char * name;
    int elements, bytes;
    void (*run)();
} types[] = {
    { "Q4_K", 256, sizeof(block_q4_K), (void (*)()) quantize_row_q4_K_ref },
    { "Q5_K", 256, sizeof(block_q5_K), (void (*)()) quantize_row_q5_K_ref },
    { "Q6_K", 256, sizeof(block_q6_K), (void (*)()) quantize_row_q6_K_ref },
    { "Q8_0", 32, sizeof(block_q8_0), (void (*)()) quantize_row_q8_0_ref },
    { "Q5_0", 32, sizeof(block_q5_0), (void (*)()) quantize_row_q5_0_ref },
    { "Q5_1", 32, sizeof(block_q5_1), (void (*)()) quantize_row_q5_1_ref },
};

int main(int argc, char ** argv) {
    for (size_t t = 0; argc == 2 && t < sizeof(types) / sizeof(types[0]); t++) {
        if (strcmp(argv[1], types[t].name) != 0) continue;
        float x[256];
        while (fread(x, sizeof(float), types[t].elements, stdin) == (size_t) types[t].elements) {
            char block[512] = { 0 };
            ((void (*)(const float *, void *, int64_t)) types[t].run)(x, block, types[t].elements);
            fwrite(block, 1, types[t].bytes, stdout);
        }
        return 0;
    }
    return 1;
}
