// What a stage reads: its kernels and its images.
#pragma once

#include <memory>
#include <vector>

#include "convolutions.h"
#include "stage_shape.h"

namespace atdarts {

// An edge's kernels, in whole vectors: again for each image of a group, of which none
// sees the others.
template <typename T>
class StageKernels {
 public:
  StageKernels(const StageShape& shape, const T* depthwise, const T* pointwise)
      : channels(shape.layout<T>().width),
        filters(shape.new_layout<T>().width),
        depthwise(shape.kernel_size * shape.kernel_size * channels),
        turned(shape.kernel_size * shape.kernel_size * channels),
        pointwise(channels * filters),
        transposed(filters * channels) {
    for (long image = 0; image < shape.group<T>(); ++image) {
      fill(shape, depthwise, pointwise, image * shape.channels, image * shape.filters);
    }
  }

  const long channels, filters;
  Buffer<T> depthwise, turned, pointwise, transposed;

 private:
  void fill(const StageShape& shape, const T* of_channels, const T* of_pixels,
            long first_channel, long first_filter) {
    const long taps = shape.kernel_size * shape.kernel_size;
    for (long tap = 0; tap < taps; ++tap) {
      for (long c = 0; c < shape.channels; ++c) {
        const T value = of_channels[tap * shape.channels + c];
        depthwise[tap * channels + first_channel + c] = value;
        turned[(taps - 1 - tap) * channels + first_channel + c] = value;
      }
    }
    for (long c = 0; c < shape.channels; ++c) {
      for (long f = 0; f < shape.filters; ++f) {
        const T value = of_pixels[c * shape.filters + f];
        pointwise[(first_channel + c) * filters + first_filter + f] = value;
        transposed[(first_filter + f) * channels + first_channel + c] = value;
      }
    }
  }
};

template <typename T>
using KernelsOfEdges = std::vector<std::unique_ptr<StageKernels<T>>>;

template <typename T>
KernelsOfEdges<T> read_kernels(const StageShape& shape, const T* depthwise,
                               const T* pointwise) {
  KernelsOfEdges<T> kernels;
  for (long edge = 0; edge < shape.edges; ++edge) {
    kernels.push_back(std::make_unique<StageKernels<T>>(
        shape, depthwise + edge * shape.depthwise_size(),
        pointwise + edge * shape.channels * shape.filters));
  }
  return kernels;
}

// What a stage reads: a tensor that the edges share, or one of each, and their lines if
// they are batch norms': factors, origins and offsets of all edges.
template <typename T>
struct StageTensors {
  std::vector<const T*> tensors;
  const T* line;
};

// Reads what the depthwise convolution sees, of one group of images after the other.
template <typename T>
class StageInput {
 public:
  StageInput(const StageShape& shape, const StageTensors<T>& inputs)
      : shape_(shape),
        layout_(shape.layout<T>()),
        tensors_(inputs.tensors),
        factors_(shape.edges * layout_.width),
        origins_(shape.edges * layout_.width),
        offsets_(shape.edges * layout_.width),
        image(shape.height, shape.width, layout_, shape.margin()) {
    if (!shape.reads_lines) return;
    const T* factors = inputs.line;
    const T* origins = factors + shape.edges * shape.channels;
    const T* offsets = origins + shape.edges * shape.channels;
    for (long edge = 0; edge < shape.edges; ++edge) {
      for (long i = 0; i < layout_.group * shape.channels; ++i) {
        const long c = edge * shape.channels + i % shape.channels;
        factors_[edge * layout_.width + i] = factors[c];
        origins_[edge * layout_.width + i] = origins[c];
        offsets_[edge * layout_.width + i] = offsets[c];
      }
    }
  }

  // Reads the images from `index`.
  void read(long index, long edge) {
    if (shape_.is_shared && edge > 0) return;  // They are there already.
    const T* x = tensors_[shape_.is_shared ? 0 : edge] + index * shape_.image();
    const long following = (shape_.batch - 1 - index) * shape_.image();
    if (shape_.reads_lines) {
      const long start = edge * layout_.width;
      image.read_line(x, following, factors_.data() + start, origins_.data() + start,
                      offsets_.data() + start);
    } else {
      image.read(x, following);
    }
  }

  // Returns what the pointwise convolution reads of some rows.
  const T* depthwise_rows(long begin, long end, const T* kernel, Buffer<T>& result) {
    if (shape_.kernel_size == 0) return image.at(begin, 0);
    const long width = shape_.new_width();
    for (long row = begin; row < end; ++row) {
      depthwise_row(walk(), image.corner(row * shape_.strides, 0), kernel, width,
                    result.data() + (row - begin) * width * layout_.width);
    }
    return result.data();
  }

  Walk walk() const {
    return {shape_.kernel_size, shape_.strides * layout_.width,
            shape_.dilation * image.pitch(), shape_.dilation * layout_.width,
            layout_.width};
  }

 private:
  const StageShape& shape_;
  const Layout<T> layout_;
  const std::vector<const T*>& tensors_;
  Buffer<T> factors_, origins_, offsets_;

 public:
  PaddedImage<T> image;
};

}  // namespace atdarts
