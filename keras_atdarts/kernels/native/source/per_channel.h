// Tensors that have a number for each channel, as kernels read and write them.
#pragma once

#include <vector>

#include "kernel.h"
#include "normalization.h"

namespace atdarts {

// Views of a tensor `(kinds, rows, channels)`.
template <typename T>
struct Rows {
  T* row(long kind, long index) const {
    return numbers + (kind * rows + index) * channels;
  }
  T* numbers;
  long rows, channels;
};

// A tensor `(edges, channels)`, or `(edges,)` for the same number in all channels.
template <typename T>
class PerChannel {
 public:
  PerChannel(const Input<T>& input, long edges, long channels)
      : channels_(channels), numbers_(edges * channels) {
    require(input.sizes == Sizes{edges} || input.sizes == Sizes{edges, channels}, "`",
            input.name, "` must have the shape ", Sizes{edges, channels}, " or ",
            Sizes{edges}, ", received ", input.sizes, ".");
    const long copies = edges * channels / count(input.sizes);
    for (long i = 0; i < edges * channels; ++i) {
      numbers_[i] = input.numbers[i / copies];
    }
  }
  const T* of(long edge) const { return numbers_.data() + edge * channels_; }

 private:
  const long channels_;
  Buffer<T> numbers_;
};

// The gradients of scales and offsets, in the shape that the scales have.
template <typename T>
class PerChannelGradients {
 public:
  PerChannelGradients(Tensors<T>& tensors, const Input<T>& scales, long channels)
      : channels_(channels),
        copies_(scales.sizes.size() == 1 ? channels : 1),
        of_scales_(tensors.output(scales.sizes)),
        of_offsets_(tensors.output(scales.sizes)) {}

  void write(long edge, const NormalizationGradient<T>& norm) {
    for (long c = 0; c < channels_; c += copies_) {
      double of_scale = 0, of_offset = 0;
      for (long copy = 0; copy < copies_; ++copy) {
        of_scale += norm.of_scale(c + copy);
        of_offset += norm.of_offset(c + copy);
      }
      of_scales_[(edge * channels_ + c) / copies_] = of_scale;
      of_offsets_[(edge * channels_ + c) / copies_] = of_offset;
    }
  }

 private:
  const long channels_, copies_;
  T *of_scales_, *of_offsets_;
};

// Allocates line, statistics and what is kept for the gradient.
template <typename T>
class StatisticsOutputs {
 public:
  StatisticsOutputs(Tensors<T>& tensors, long lines, long rows, long channels)
      : line_{tensors.output({3, lines, channels}), lines, channels},
        statistics_{tensors.output({2, rows, channels}), rows, channels},
        kept_{tensors.output({2, rows, channels}), rows, channels} {}

  Statistics<T> of(long line, long row) const {
    return {line_.row(0, line),      line_.row(1, line),      line_.row(2, line),
            statistics_.row(0, row), statistics_.row(1, row), kept_.row(0, row),
            kept_.row(1, row)};
  }

 private:
  Rows<T> line_, statistics_, kept_;
};

}  // namespace atdarts
