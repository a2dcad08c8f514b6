/* SPDX-License-Identifier: MIT */
/* Runs a fuzzing target over files, without a fuzzer: replay FILE ... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { kMaxInput = 1 << 20 };

int main(int argc, char **argv) {
  static uint8_t data[kMaxInput];
  if (argc < 2) {
    fprintf(stderr, "usage: %s FILE ...\n", argv[0]);
    return 2;
  }
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (file == NULL) {
      perror(argv[i]);
      return 2;
    }
    const size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    /* A copy as long as the input, so that tools notice a read beyond its end. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL) return 2;
    for (size_t j = 0; j < size; j++) exact[j] = data[j];
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    printf("%s: fine\n", argv[i]);
  }
  return EXIT_SUCCESS;
}
