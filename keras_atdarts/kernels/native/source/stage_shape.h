// The sizes of a stage, see stage.h.
#pragma once

#include <algorithm>

#include "images.h"

namespace atdarts {

struct StageShape {
  long edges;        // Of which each has kernels and a result of its own.
  bool is_shared;    // Whether all edges read the same tensor.
  bool reads_lines;  // Whether what is read is a batch norm's, see `Statistics`.
  long batch, height, width, channels, filters;
  long kernel_size;  // 0: there is no depthwise convolution.
  long strides, dilation;

  // How many images are worked on side by side, see `Layout`.
  template <typename T>
  long group() const {
    long group = 1;
    while (2 * group * std::max(channels, filters) <= kLanes<T> &&
           batch % (2 * group) == 0) {
      group *= 2;
    }
    return group;
  }
  template <typename T>
  Layout<T> layout() const {
    return {channels, group<T>()};
  }
  template <typename T>
  Layout<T> new_layout() const {
    return {filters, group<T>()};
  }

  long margin() const { return dilation * (kernel_size / 2); }
  long new_height() const { return (height + strides - 1) / strides; }
  long new_width() const { return (width + strides - 1) / strides; }
  long new_pixels() const { return new_height() * new_width(); }
  long image() const { return height * width * channels; }
  long new_image() const { return new_pixels() * filters; }
  long depthwise_size() const { return kernel_size * kernel_size * channels; }
  // Rows whose pixels are worked on together.
  long rows() const { return std::max<long>(1, 64 / new_width()); }
};

}  // namespace atdarts
