// The gradient of a stage, see stage.h.
#pragma once

#include <memory>
#include <vector>

#include "normalization.h"
#include "stage_inputs.h"

namespace atdarts {

// Adds up the gradients of an edge's kernels.
template <typename T>
class StageKernelGradients {
 public:
  explicit StageKernelGradients(const StageShape& shape)
      : shape_(shape),
        channels_(shape.layout<T>().width),
        filters_(shape.new_layout<T>().width),
        depthwise(shape.kernel_size * shape.kernel_size * channels_),
        pointwise(channels_ * filters_),
        depthwise_total_(shape.depthwise_size()),
        pointwise_total_(shape.channels * shape.filters) {}

  // In double precision, after each group of images.
  void flush() {
    const long taps = shape_.kernel_size * shape_.kernel_size;
    for (long image = 0; image < shape_.group<T>(); ++image) {
      const long channel = image * shape_.channels, filter = image * shape_.filters;
      add(depthwise.data() + channel, taps, shape_.channels, channels_,
          depthwise_total_);
      add(pointwise.data() + channel * filters_ + filter, shape_.channels,
          shape_.filters, filters_, pointwise_total_);
    }
    depthwise.clear();
    pointwise.clear();
  }

  void write(T* of_depthwise, T* of_pointwise) const {
    for (long i = 0; i < shape_.depthwise_size(); ++i) {
      of_depthwise[i] = depthwise_total_[i];
    }
    for (long i = 0; i < shape_.channels * shape_.filters; ++i) {
      of_pointwise[i] = pointwise_total_[i];
    }
  }

 private:
  static void add(const T* sums, long rows, long columns, long width,
                  Buffer<double>& totals) {
    for (long row = 0; row < rows; ++row) {
      for (long i = 0; i < columns; ++i) {
        totals[row * columns + i] += sums[row * width + i];
      }
    }
  }

  const StageShape& shape_;
  const long channels_, filters_;

 public:
  Buffer<T> depthwise, pointwise;  // Of one group of images.

 private:
  Buffer<double> depthwise_total_, pointwise_total_;
};

template <typename T>
using GradientsOfEdges = std::vector<std::unique_ptr<StageKernelGradients<T>>>;

template <typename T>
using NormsOfEdges = std::vector<std::unique_ptr<NormalizationGradient<T>>>;

// The backward pass of `run_stage`, group by group of images and edge by edge.
template <typename T>
class StageBackward {
 public:
  StageBackward(const StageShape& shape, const StageTensors<T>& inputs,
                const T* depthwise, const T* pointwise, bool of_kernels)
      : shape_(shape),
        input_(shape, inputs),
        of_kernels_(of_kernels),
        kernels_(read_kernels(shape, depthwise, pointwise)),
        layout_(shape.layout<T>()),
        new_layout_(shape.new_layout<T>()),
        channels_(layout_.width),
        filters_(new_layout_.width),
        of_results_(shape.rows() * shape.new_width() * shape.filters * layout_.group),
        packed_slopes_(shape.rows() * shape.new_width() * filters_),
        of_rows_(shape.rows() * shape.new_width() * channels_),
        rows_(shape.rows() * shape.new_width() * channels_),
        spread_image_(shape.height, shape.width, layout_, shape.margin()),
        of_image_(shape.height * shape.width * channels_) {
    for (long edge = 0; edge < shape.edges; ++edge) {
      gradients_.push_back(std::make_unique<StageKernelGradients<T>>(shape));
    }
  }

  // `norms` are those of the edges' results; `of_tensors` gets the gradients of what
  // was read, as a batch norm's result if it was one.
  void run(const std::vector<const T*>& slopes, const std::vector<const T*>& results,
           const NormsOfEdges<T>& norms, const std::vector<T*>& of_tensors) {
    for (long index = 0; index < shape_.batch; index += layout_.group) {
      for (long edge = 0; edge < shape_.edges; ++edge) {
        const long start = index * shape_.new_image();
        const bool is_first = !shape_.is_shared || edge == 0;
        input_.read(index, edge);
        through_products(edge, slopes[edge] + start, results[edge] + start,
                         *norms[edge], is_first);
        if (shape_.kernel_size > 0) through_depthwise(edge, is_first);
        if (of_kernels_) gradients_[edge]->flush();
        if (!shape_.is_shared || edge == shape_.edges - 1) {
          write_image(of_tensors[shape_.is_shared ? 0 : edge] + index * shape_.image());
        }
      }
    }
  }

  void write_kernels(T* of_depthwise, T* of_pointwise) const {
    for (long edge = 0; edge < shape_.edges; ++edge) {
      gradients_[edge]->write(of_depthwise + edge * shape_.depthwise_size(),
                              of_pointwise + edge * shape_.channels * shape_.filters);
    }
  }

 private:
  // From an image's results to what their products were made of; without a depthwise
  // convolution that is the image.
  void through_products(long edge, const T* slopes, const T* results,
                        const NormalizationGradient<T>& norm, bool is_first) {
    const StageKernels<T>& kernels = *kernels_[edge];
    const long width = shape_.new_width();
    for (long row = 0; row < shape_.new_height(); row += shape_.rows()) {
      const long end = std::min(row + shape_.rows(), shape_.new_height());
      const long pixels = (end - row) * width;
      const T* slope = of_products(norm, slopes + row * width * shape_.filters,
                                   results + row * width * shape_.filters, pixels);
      product(slope, kernels.transposed.data(), pixels,
              new_layout_.group * shape_.filters, filters_, channels_, of_rows_.data());
      if (of_kernels_) {
        const T* x = input_.depthwise_rows(row, end, kernels.depthwise.data(), rows_);
        matrix_gradient(x, slope, pixels, layout_.group * shape_.channels, channels_,
                        filters_, gradients_[edge]->pointwise.data());
      }
      if (shape_.kernel_size == 0) {
        add(of_rows_.data(), pixels * channels_, is_first,
            of_image_.data() + row * width * channels_);
        continue;
      }
      for (long each = row; each < end; ++each) {
        spread(edge, each, of_rows_.data() + (each - row) * width * channels_);
      }
    }
  }

  // Returns the gradient of some pixels before their batch norm, in whole vectors.
  const T* of_products(const NormalizationGradient<T>& norm, const T* slopes,
                       const T* results, long pixels) {
    const long size = pixels * shape_.filters;
    for (long image = 0; image < new_layout_.group; ++image) {
      const long start = image * shape_.new_image();
      norm.apply(slopes + start, results + start, size,
                 of_results_.data() + image * size);
    }
    if (new_layout_.is_plain()) return of_results_.data();
    new_layout_.read(of_results_.data(), size, pixels, 0, packed_slopes_.data());
    return packed_slopes_.data();
  }

  // Puts the gradient of a row of the depthwise convolution's results where their
  // windows' centres are.
  void spread(long edge, long row, const T* slope) {
    const long width = shape_.new_width();
    if (of_kernels_) {
      depthwise_kernel_gradient(input_.walk(),
                                input_.image.corner(row * shape_.strides, 0), slope,
                                width, gradients_[edge]->depthwise.data());
    }
    T* target = spread_image_.at(row * shape_.strides, 0);
    const long channels = channels_, step = shape_.strides * channels;
    for (long p = 0; p < width; ++p, target += step, slope += channels) {
      for (long c = 0; c < channels; c += kLanes<T>) store(target + c, load(slope + c));
    }
  }

  // The image's gradient is a convolution as well, with the kernel turned around.
  void through_depthwise(long edge, bool is_first) {
    const Walk walk = {shape_.kernel_size, channels_,
                       shape_.dilation * spread_image_.pitch(),
                       shape_.dilation * channels_, channels_};
    const T* kernel = kernels_[edge]->turned.data();
    for (long row = 0; row < shape_.height; ++row) {
      T* sum = of_image_.data() + row * shape_.width * channels_;
      if (is_first) {
        depthwise_row(walk, spread_image_.corner(row, 0), kernel, shape_.width, sum);
      } else {
        depthwise_row<T, true>(walk, spread_image_.corner(row, 0), kernel, shape_.width,
                               sum);
      }
    }
  }

  static void add(const T* x, long count, bool is_first, T* sum) {
    for (long i = 0; i < count; i += kLanes<T>) {
      store(sum + i, is_first ? load(x + i) : Vector<T>(load(sum + i) + load(x + i)));
    }
  }

  // Where ReLU was zero, the gradient is.
  void write_image(T* of_tensor) {
    const Vector<T> zero = {};
    const long row_size = shape_.width * channels_;
    T* target = layout_.is_plain() ? of_tensor : of_image_.data();
    for (long row = 0; row < shape_.height; ++row) {
      const T* x = input_.image.at(row, 0);
      const T* slope = of_image_.data() + row * row_size;
      for (long i = 0; i < row_size; i += kLanes<T>) {
        store(target + row * row_size + i, load(x + i) > zero ? load(slope + i) : zero);
      }
    }
    if (target == of_tensor) return;
    layout_.write(target, shape_.image(), shape_.height * shape_.width, 0, of_tensor);
  }

  const StageShape& shape_;
  StageInput<T> input_;
  const bool of_kernels_;
  const KernelsOfEdges<T> kernels_;
  const Layout<T> layout_, new_layout_;
  const long channels_, filters_;  // In whole vectors, of a group.
  Buffer<T> of_results_, packed_slopes_, of_rows_, rows_;
  PaddedImage<T> spread_image_;
  Buffer<T> of_image_;
  GradientsOfEdges<T> gradients_;
};

}  // namespace atdarts
