/* Pixel-shift self-attention of one image, as a library would export it.

   This device wraps around by a mask, which is right where a side is a power of two. With
   -DREMAINDER it divides instead, and is right for all sides. */

#ifdef REMAINDER
#define WRAP(i, n) (((i) + (n)) % (n))
#else
#define WRAP(i, n) ((i) & ((n) - 1))
#endif

static const int down[4] = {0, 0, -1, 1}, right[4] = {-1, 1, 0, 0};

void pssa(const double *x, const double *w, double *y, int channels, int height, int width,
          int outputs, int side) {
  for (int o = 0; o < outputs; o++)
    for (int i = 0; i < height; i++)
      for (int j = 0; j < width; j++) {
        double sum = 0;
        for (int d = 0; d < 4; d++)
          for (int c = 0; c < channels; c++)
            for (int u = 0; u < side; u++)
              for (int v = 0; v < side; v++) {
                int p = i + u - side / 2, q = j + v - side / 2; /* zeros around the image */
                if (p < 0 || p >= height || q < 0 || q >= width) continue;
                const double *map = x + c * height * width;
                double product = map[p * width + q] *
                                 map[WRAP(p + down[d], height) * width + WRAP(q + right[d], width)];
                sum += w[(((o * 4 + d) * channels + c) * side + u) * side + v] * product;
              }
        y[(o * height + i) * width + j] = sum;
      }
}
