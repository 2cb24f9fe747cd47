// Batch normalization, kept as a line for each channel:
// `factor * (x - origin) + offset`. With `origin * factor` in one, large means would
// cost exactness.
#pragma once

#include <cmath>

#include "pixels.h"

namespace atdarts {

// Of the channels of one tensor, in its own numbers of one kind after the other.
template <typename T>
struct Statistics {
  T* factors;     // Of the line.
  T* origins;
  T* offsets;
  T* means;
  T* variances;   // Unbiased.
  T* kept_means;  // For the gradient.
  T* kept_inverses;
};

// How the numbers of a channel are distributed; at first, those of one that is not
// normalised.
struct Distribution {
  double mean = 0;
  double variance = 1;  // Unbiased.
  double inverse = 1;   // Of the standard deviation.
};

using Distributions = std::vector<Distribution>;  // Of all channels.

template <typename T>
void write_statistics(const Distributions& channels, const Statistics<T>& result) {
  for (size_t c = 0; c < channels.size(); ++c) {
    result.means[c] = result.kept_means[c] = channels[c].mean;
    result.variances[c] = channels[c].variance;
    result.kept_inverses[c] = channels[c].inverse;
  }
}

// Offsets make up for what origins are rounded by, which all numbers of a channel would
// have in common.
template <typename T>
void write_line(const Distributions& channels, const T* scales, const T* offsets,
                const Statistics<T>& result) {
  for (size_t c = 0; c < channels.size(); ++c) {
    const double mean = channels[c].mean;
    result.factors[c] = scales[c] * channels[c].inverse;
    result.origins[c] = mean;
    const double rounded_by = result.origins[c] - mean;
    result.offsets[c] = offsets[c] + result.factors[c] * rounded_by;
  }
}

// Sums of numbers and of their squares, as distances from the mean of the first ones:
// a variance far smaller than the mean would be lost in the squares.
template <typename T>
class Moments {
 public:
  explicit Moments(long channels)
      : channels_(channels),
        tile_(Tile::of<T>(channels)),
        origin_(tile_.size),
        sums_(channels) {}

  // `count` numbers, of which the first is the first channel's.
  void add(const T* x, long count) {
    if (count_ == 0) set_origin(x, std::min(count, kFirst * channels_));
    count_ += count;
    const T* const origin = origin_.data();
    sums_.add(
        count,
        [=](long i, long at, Vector<T>* terms) {
          const Vector<T> value = load(x + at) - load(origin + i);
          terms[0] = value;
          terms[1] = value * value;
        },
        [=](long i, long at, T* terms) {
          const T value = x[at] - origin[i];
          terms[0] = value;
          terms[1] = value * value;
        });
  }

  // Returns how the first `channels` are distributed, if each stands there `copies`
  // times.
  Distributions finish(long channels, long copies, double epsilon) {
    sums_.flush();
    const double count = double(count_) / channels_;  // Of one copy.
    Distributions result(channels);
    for (long c = 0; c < channels; ++c) {
      double mean = 0, variance = 0;
      for (long i = c; i < copies * channels; i += channels) {
        mean += mean_of(i, count) / copies;
      }
      for (long i = c; i < copies * channels; i += channels) {
        const double distance = sums_.total(0, i) / count;
        const double within = sums_.total(1, i) / count - distance * distance;
        const double between = mean_of(i, count) - mean;
        variance += (std::fmax(within, 0.0) + between * between) / copies;
      }
      const double all = count * copies, unbiased = all / std::fmax(all - 1, 1.0);
      result[c] = {mean, variance * unbiased, 1 / std::sqrt(variance + epsilon)};
    }
    return result;
  }

 private:
  double mean_of(long channel, double count) const {
    return origin_[channel] + sums_.total(0, channel) / count;
  }

  void set_origin(const T* x, long count) {
    Buffer<T> means(channels_);
    for (long i = 0; i < count; ++i) means[i % channels_] += x[i] / (count / channels_);
    fill_tile(tile_, means.data(), origin_.data());
  }

  static constexpr long kFirst = 16;  // Pixels.
  const long channels_;
  const Tile tile_;
  Buffer<T> origin_;
  long count_ = 0;
  ChannelSums<T, 2> sums_;
};

// What the gradient of a batch norm needs of the whole batch, for a tensor `x` whose
// normalised result had the gradient `slope`. Without statistics of the batch, it is
// the gradient of a line.
template <typename T>
class NormalizationGradient {
 public:
  NormalizationGradient(const T* slope, const T* x, long count, long channels,
                        const T* means, const T* inverses, const T* scales,
                        bool has_statistics = true)
      : tile_(Tile::of<T>(channels)),
        means_(tile_.size),
        inverses_(tile_.size),
        factors_(tile_.size),
        mean_slopes_(tile_.size),
        projections_(tile_.size),
        sums_(channels) {
    fill_tile(tile_, means, means_.data());
    fill_tile(tile_, inverses, inverses_.data());
    const T* const middle = means_.data();
    sums_.add(
        count,
        [=](long i, long at, Vector<T>* terms) {
          const Vector<T> g = load(slope + at);
          terms[0] = g;
          terms[1] = g * (load(x + at) - load(middle + i));
        },
        [=](long i, long at, T* terms) {
          terms[0] = slope[at];
          terms[1] = slope[at] * (x[at] - middle[i]);
        });
    sums_.flush();
    const double pixels = double(count) / channels;
    for (long i = 0; i < tile_.size; ++i) {
      const long c = i % channels;
      const double inverse = inverses[c];
      factors_[i] = scales[c] * inverse;
      if (!has_statistics) continue;
      mean_slopes_[i] = sums_.total(0, c) / pixels;
      projections_[i] = sums_.total(1, c) / pixels * inverse * inverse;
    }
  }

  double of_scale(long c) const { return sums_.total(1, c) * inverses_[c]; }
  double of_offset(long c) const { return sums_.total(0, c); }

  // Writes the gradient of `count` numbers, which begin at a tile's beginning.
  void apply(const T* slope, const T* x, long count, T* gradient) const {
    const long size = tile_.size;
    const T *const means = means_.data(), *const factors = factors_.data(),
                  *const totals = mean_slopes_.data(),
                  *const projections = projections_.data();
    long at = 0;
    for (; at + size <= count; at += size) {
#pragma GCC unroll 4
      for (long i = 0; i < size; i += kLanes<T>) {
        const Vector<T> centred = load(x + at + i) - load(means + i);
        const Vector<T> rest = load(slope + at + i) - load(totals + i);
        store(gradient + at + i,
              Vector<T>(load(factors + i) * (rest - centred * load(projections + i))));
      }
    }
    for (long i = 0; at + i < count; ++i) {
      const T rest = slope[at + i] - totals[i];
      const T centred = x[at + i] - means[i];
      gradient[at + i] = factors[i] * (rest - centred * projections[i]);
    }
  }

 private:
  const Tile tile_;
  Buffer<T> means_, inverses_, factors_, mean_slopes_, projections_;
  ChannelSums<T, 2> sums_;
};

}  // namespace atdarts
