// The inner loops of convolutions, on numbers that are aligned to vectors: channels
// are rounded up, and what is beyond the last one is zero.
#pragma once

#include <algorithm>
#include <type_traits>

#include "vectors.h"

namespace atdarts {

// How to walk over an image for a depthwise convolution.
struct Walk {
  long kernel_size;
  long pixel;       // From the window of one result to that of the next.
  long tap_row;     // From one row of the kernel to the next.
  long tap_column;  // From one column of the kernel to the next.
  long channels;    // Rounded up.
};

template <typename T, int P, bool kAdd>
inline void depthwise_block(const Walk& walk, const T* x, const T* kernel, T* y) {
  Vector<T> sums[P] = {};
  if (kAdd) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sums[p] = load(y + p * walk.channels);
  }
  const T* weight = kernel;
  for (long i = 0; i < walk.kernel_size; ++i) {
    const T* tap = x + i * walk.tap_row;
    for (long j = 0; j < walk.kernel_size; ++j) {
      const Vector<T> w = load(weight);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums[p] += w * load(tap + p * walk.pixel);
      tap += walk.tap_column;
      weight += walk.channels;
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) store(y + p * walk.channels, sums[p]);
}

// Convolves each channel of a row of pixels. `x` is where the first result's window
// begins; `kernel` is `(size, size, channels)`; results may be added to what is there.
template <typename T, bool kAdd = false>
void depthwise_row(const Walk& walk, const T* x, const T* kernel, long width, T* y) {
  for (long c = 0; c < walk.channels; c += kLanes<T>) {
    long p = 0;
    for (; p + 8 <= width; p += 8) {
      depthwise_block<T, 8, kAdd>(walk, x + p * walk.pixel + c, kernel + c,
                                  y + p * walk.channels + c);
    }
    for (; p + 4 <= width; p += 4) {
      depthwise_block<T, 4, kAdd>(walk, x + p * walk.pixel + c, kernel + c,
                                  y + p * walk.channels + c);
    }
    for (; p < width; ++p) {
      depthwise_block<T, 1, kAdd>(walk, x + p * walk.pixel + c, kernel + c,
                                  y + p * walk.channels + c);
    }
  }
}

template <typename T, int K>
inline void depthwise_kernel_row(const Walk& walk, const T* x, const T* slope,
                                 long width, T* gradient) {
  Vector<T> sums[K];
#pragma GCC unroll 8
  for (int j = 0; j < K; ++j) sums[j] = load(gradient + j * walk.channels);
  for (long p = 0; p < width; ++p) {
    const Vector<T> g = load(slope + p * walk.channels);
    const T* tap = x + p * walk.pixel;
#pragma GCC unroll 8
    for (int j = 0; j < K; ++j) sums[j] += g * load(tap + j * walk.tap_column);
  }
#pragma GCC unroll 8
  for (int j = 0; j < K; ++j) store(gradient + j * walk.channels, sums[j]);
}

// Adds to the gradient of the kernel of `depthwise_row` what a row of pixels
// contributes, whose gradient is `slope`.
template <typename T>
void depthwise_kernel_gradient(const Walk& walk, const T* x, const T* slope, long width,
                               T* gradient) {
  for (long c = 0; c < walk.channels; c += kLanes<T>) {
    for (long i = 0; i < walk.kernel_size; ++i) {
      const T* taps = x + i * walk.tap_row + c;
      T* row = gradient + i * walk.kernel_size * walk.channels + c;
      switch (walk.kernel_size) {
        case 3:
          depthwise_kernel_row<T, 3>(walk, taps, slope + c, width, row);
          break;
        case 5:
          depthwise_kernel_row<T, 5>(walk, taps, slope + c, width, row);
          break;
        case 7:
          depthwise_kernel_row<T, 7>(walk, taps, slope + c, width, row);
          break;
        default:
          for (long j = 0; j < walk.kernel_size; ++j) {
            depthwise_kernel_row<T, 1>(walk, taps + j * walk.tap_column, slope + c,
                                       width, row + j * walk.channels);
          }
      }
    }
  }
}

// Rows of a block of a product: with three vectors each, their sums fill most registers.
constexpr int kRows = kRegisters >= 32 ? 8 : 4;

template <typename T, int P, int F, bool kAdd>
inline void product_block(const T* x, const T* matrix, long depth, long x_width,
                          long y_width, T* y) {
  Vector<T> sums[P][F] = {};
  for (long k = 0; k < depth; ++k) {
    Vector<T> row[F];
#pragma GCC unroll 4
    for (int f = 0; f < F; ++f) row[f] = load(matrix + k * y_width + f * kLanes<T>);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const T factor = x[p * x_width + k];
#pragma GCC unroll 4
      for (int f = 0; f < F; ++f) sums[p][f] += factor * row[f];
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
    for (int f = 0; f < F; ++f) {
      T* result = y + p * y_width + f * kLanes<T>;
      store(result, kAdd ? Vector<T>(load(result) + sums[p][f]) : sums[p][f]);
    }
  }
}

template <typename T, int F, bool kAdd>
void product_columns(const T* x, const T* matrix, long pixels, long depth, long x_width,
                     long y_width, T* y) {
  long p = 0;
  for (; p + kRows <= pixels; p += kRows) {
    product_block<T, kRows, F, kAdd>(x + p * x_width, matrix, depth, x_width, y_width,
                                 y + p * y_width);
  }
  for (; p + 4 <= pixels; p += 4) {
    product_block<T, 4, F, kAdd>(x + p * x_width, matrix, depth, x_width, y_width,
                                 y + p * y_width);
  }
  for (; p + 2 <= pixels; p += 2) {
    product_block<T, 2, F, kAdd>(x + p * x_width, matrix, depth, x_width, y_width,
                                 y + p * y_width);
  }
  for (; p < pixels; ++p) {
    product_block<T, 1, F, kAdd>(x + p * x_width, matrix, depth, x_width, y_width,
                                 y + p * y_width);
  }
}

// Calls `function` with the first vector of some and their number, as a constant, until
// all are done: three at once where that leaves no single one.
template <typename Function>
void in_blocks(long vectors, Function function) {
  long first = 0;
  while (first < vectors) {
    const long left = vectors - first;
    if (left >= 3 && left != 4) {
      function(first, std::integral_constant<int, 3>());
      first += 3;
    } else if (left >= 2) {
      function(first, std::integral_constant<int, 2>());
      first += 2;
    } else {
      function(first, std::integral_constant<int, 1>());
      first += 1;
    }
  }
}

constexpr long kShortProduct = 16;  // Terms that are added up before they are joined.

// `y = x * matrix` with `x` of `(pixels, x_width)`, of which `depth` columns count, and
// `matrix` of `(depth, y_width)`. Some columns at a time: sums of many numbers that are
// sums of a few are rounded less.
template <typename T>
void product(const T* x, const T* matrix, long pixels, long depth, long x_width,
             long y_width, T* y) {
  for (long k = 0; k < depth; k += kShortProduct) {
    const long terms = std::min(depth - k, kShortProduct);
    in_blocks(y_width / kLanes<T>, [&](long first, auto vectors) {
      const long f = first * kLanes<T>;
      const T *from = x + k, *of_columns = matrix + k * y_width + f;
      if (k == 0) {
        product_columns<T, vectors, false>(from, of_columns, pixels, terms, x_width,
                                           y_width, y + f);
      } else {
        product_columns<T, vectors, true>(from, of_columns, pixels, terms, x_width,
                                          y_width, y + f);
      }
    });
  }
}

template <typename T, int C, int F>
inline void outer_block(const T* x, const T* slope, long pixels, long x_width,
                        long y_width, T* gradient) {
  Vector<T> sums[C][F];
#pragma GCC unroll 8
  for (int c = 0; c < C; ++c) {
#pragma GCC unroll 4
    for (int f = 0; f < F; ++f) {
      sums[c][f] = load(gradient + c * y_width + f * kLanes<T>);
    }
  }
  for (long p = 0; p < pixels; ++p) {
    Vector<T> row[F];
#pragma GCC unroll 4
    for (int f = 0; f < F; ++f) row[f] = load(slope + p * y_width + f * kLanes<T>);
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      const T factor = x[p * x_width + c];
#pragma GCC unroll 4
      for (int f = 0; f < F; ++f) sums[c][f] += factor * row[f];
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < C; ++c) {
#pragma GCC unroll 4
    for (int f = 0; f < F; ++f) {
      store(gradient + c * y_width + f * kLanes<T>, sums[c][f]);
    }
  }
}

// `gradient += transposed(x) * slope`: what `product` has as the matrix' gradient.
template <typename T>
void matrix_gradient(const T* x, const T* slope, long pixels, long depth, long x_width,
                     long y_width, T* gradient) {
  in_blocks(y_width / kLanes<T>, [&](long first, auto vectors) {
    const long f = first * kLanes<T>;
    long c = 0;
    for (; c + kRows <= depth; c += kRows) {
      outer_block<T, kRows, vectors>(x + c, slope + f, pixels, x_width, y_width,
                                 gradient + c * y_width + f);
    }
    for (; c + 4 <= depth; c += 4) {
      outer_block<T, 4, vectors>(x + c, slope + f, pixels, x_width, y_width,
                                 gradient + c * y_width + f);
    }
    for (; c < depth; ++c) {
      outer_block<T, 1, vectors>(x + c, slope + f, pixels, x_width, y_width,
                                 gradient + c * y_width + f);
    }
  });
}

}  // namespace atdarts
