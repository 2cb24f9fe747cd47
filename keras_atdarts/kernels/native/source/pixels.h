// Loops over all numbers of images, where each channel has constants of its own.
//
// Any number of channels fills whole vectors after some pixels: a tile. A tile has
// several vectors, so that sums do not wait for each other.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "vectors.h"

namespace atdarts {

constexpr long kChunk = 4096;  // Numbers that are worked on in the innermost cache.
constexpr long kShortSum = 256;  // Numbers that are added up in single precision.

struct Tile {
  template <typename T>
  static Tile of(long channels) {
    const long lanes = kLanes<T>;
    const long whole = channels * (lanes / std::gcd(channels, lanes));
    return {channels, whole * ((8 * lanes + whole - 1) / whole)};
  }
  // Whole tiles that are about a chunk.
  long chunk() const { return std::max<long>(1, kChunk / size) * size; }

  long channels;
  long size;  // Numbers in a tile.
};

// Returns the numbers of all channels, repeated until they fill a tile.
template <typename T>
void fill_tile(const Tile& tile, const T* of_channels, T* numbers) {
  for (long i = 0; i < tile.size; ++i) numbers[i] = of_channels[i % tile.channels];
}

// Numbers and the line through them: `factor * (number - origin)`.
template <typename T>
struct LineThrough {
  const T* numbers;
  const T* factors;  // Tiles.
  const T* origins;
};

// Adds N lines to `y`, of `count` numbers that begin at a tile's beginning.
template <typename T, int N>
void add_block(const LineThrough<T>* lines, long count, long size, T* y) {
  LineThrough<T> own[N];  // In registers.
  std::copy_n(lines, N, own);
  long start = 0;
  for (; start + size <= count; start += size) {
#pragma GCC unroll 2
    for (long i = 0; i < size; i += kLanes<T>) {
      Vector<T> sum = {};
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const Vector<T> distance =
            load(own[n].numbers + start + i) - load(own[n].origins + i);
        sum += load(own[n].factors + i) * distance;
      }
      store(y + start + i, load(y + start + i) + sum);
    }
  }
  for (long i = 0; start + i < count; ++i) {
    T sum = 0;
    for (int n = 0; n < N; ++n) {
      sum += own[n].factors[i] * (own[n].numbers[start + i] - own[n].origins[i]);
    }
    y[start + i] += sum;
  }
}

// Adds lines to `y`, some at once: sums of a few are rounded less.
template <typename T>
void add_lines(const std::vector<LineThrough<T>>& lines, long count, long size, T* y) {
  const LineThrough<T>* line = lines.data();
  const LineThrough<T>* const end = line + lines.size();
  for (; line + 6 <= end; line += 6) add_block<T, 6>(line, count, size, y);
  for (; line + 2 <= end; line += 2) add_block<T, 2>(line, count, size, y);
  if (line < end) add_block<T, 1>(line, count, size, y);
}

// Adds up functions of the numbers of each channel: in short sums first, then in double
// precision.
template <typename T, int N>
class ChannelSums {
 public:
  explicit ChannelSums(long channels)
      : tile_(Tile::of<T>(channels)), sums_(N * tile_.size), totals_(N * channels) {}

  // Of numbers 0 to `count`, of which the first is the first channel's. `terms(i, at)`
  // writes N vectors, of the numbers `at` that are at `i` in a tile; `scalars` the same
  // of one number.
  template <typename Terms, typename Scalars>
  void add(long count, Terms terms, Scalars scalars) {
    const long size = tile_.size;
    T* const sums = sums_.data();
    long start = 0;
    while (start + size <= count) {
      const long stop = std::min(count, start + (kShortSum - added_) * size);
      for (; start + size <= stop; start += size, ++added_) {
#pragma GCC unroll 4
        for (long i = 0; i < size; i += kLanes<T>) {
          Vector<T> values[N];
          terms(i, start + i, values);
          for (int n = 0; n < N; ++n) {
            store(sums + n * size + i, load(sums + n * size + i) + values[n]);
          }
        }
      }
      if (added_ >= kShortSum) flush();
    }
    for (long i = 0; start + i < count; ++i) {
      T values[N];
      scalars(i, start + i, values);
      for (int n = 0; n < N; ++n) sums[n * size + i] += values[n];
    }
    if (start < count && ++added_ >= kShortSum) flush();
  }

  void flush() {
    const long channels = tile_.channels;
    for (int n = 0; n < N; ++n) {
      double* totals = totals_.data() + n * channels;
      const T* sums = sums_.data() + n * tile_.size;
      for (long start = 0; start < tile_.size; start += channels) {
        for (long c = 0; c < channels; ++c) totals[c] += sums[start + c];
      }
    }
    sums_.clear();
    added_ = 0;
  }

  // After `flush`.
  double total(int n, long channel) const {
    return totals_[n * tile_.channels + channel];
  }

 private:
  const Tile tile_;
  Buffer<T> sums_;
  Buffer<double> totals_;
  long added_ = 0;  // To each of the sums.
};

}  // namespace atdarts
