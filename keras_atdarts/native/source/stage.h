// A stage of an operation: ReLU, depthwise convolution, pointwise convolution and the
// statistics of a batch norm, on all edges that leave a node. The images go through all
// of it row by row, in the innermost cache.
#pragma once

#include <memory>
#include <vector>

#include "convolutions.h"
#include "images.h"
#include "normalization.h"

namespace atdarts {

struct StageShape {
  long edges;        // Of which each has kernels and a result of its own.
  bool is_shared;    // Whether all edges read the same tensor.
  bool reads_lines;  // Whether what is read is a batch norm's, see `Statistics`.
  long batch, height, width, channels, filters;
  long kernel_size;  // 0: there is no depthwise convolution.
  long strides, dilation;

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

// An edge's kernels, in whole vectors.
template <typename T>
class StageKernels {
 public:
  StageKernels(const StageShape& shape, const T* depthwise, const T* pointwise)
      : channels(padded<T>(shape.channels)),
        filters(padded<T>(shape.filters)),
        depthwise(shape.kernel_size * shape.kernel_size * channels),
        turned(shape.kernel_size * shape.kernel_size * channels),
        pointwise(channels * filters),
        transposed(filters * channels) {
    const long taps = shape.kernel_size * shape.kernel_size;
    for (long tap = 0; tap < taps; ++tap) {
      for (long c = 0; c < shape.channels; ++c) {
        const T value = depthwise[tap * shape.channels + c];
        this->depthwise[tap * channels + c] = value;
        turned[(taps - 1 - tap) * channels + c] = value;
      }
    }
    for (long c = 0; c < shape.channels; ++c) {
      for (long f = 0; f < shape.filters; ++f) {
        const T value = pointwise[c * shape.filters + f];
        this->pointwise[c * filters + f] = value;
        transposed[f * channels + c] = value;
      }
    }
  }

  const long channels, filters;
  Buffer<T> depthwise, turned, pointwise, transposed;
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

// What a stage reads: a tensor that the edges share, or one of each, and the factors
// and shifts of the lines if they are.
template <typename T>
struct StageTensors {
  std::vector<const T*> tensors;
  const T* line;
};

// Reads what the depthwise convolution sees, of one image after the other.
template <typename T>
class StageInput {
 public:
  StageInput(const StageShape& shape, const StageTensors<T>& inputs)
      : shape_(shape),
        tensors_(inputs.tensors),
        factors_(shape.edges * padded<T>(shape.channels)),
        shifts_(shape.edges * padded<T>(shape.channels)),
        image(shape.height, shape.width, shape.channels, shape.margin()) {
    if (!shape.reads_lines) return;
    const T* factors = inputs.line;
    const T* shifts = inputs.line + shape.edges * shape.channels;
    for (long edge = 0; edge < shape.edges; ++edge) {
      for (long c = 0; c < shape.channels; ++c) {
        factors_[edge * image.channels() + c] = factors[edge * shape.channels + c];
        shifts_[edge * image.channels() + c] = shifts[edge * shape.channels + c];
      }
    }
  }

  void read(long index, long edge) {
    if (shape_.is_shared && edge > 0) return;  // It is there already.
    const T* x = tensors_[shape_.is_shared ? 0 : edge] + index * shape_.image();
    const long following = (shape_.batch - 1 - index) * shape_.image();
    if (shape_.reads_lines) {
      image.read_line(x, shape_.channels, following,
                      factors_.data() + edge * image.channels(),
                      shifts_.data() + edge * image.channels());
    } else {
      image.read(x, shape_.channels, following);
    }
  }

  // Asks for what the next image has of some rows of results.
  void prefetch(long index, long edge, long row, long end) const {
    if (index + 1 == shape_.batch || (shape_.is_shared && edge > 0)) return;
    const long row_size = shape_.strides * shape_.width * shape_.channels;
    const long start = (index + 1) * shape_.image() + row * row_size;
    atdarts::prefetch(tensors_[shape_.is_shared ? 0 : edge] + start,
                      (end - row) * row_size);
  }

  // Returns what the pointwise convolution reads of some rows.
  const T* depthwise_rows(long begin, long end, const T* kernel, Buffer<T>& result) {
    if (shape_.kernel_size == 0) return image.at(begin, 0);
    const long width = shape_.new_width();
    for (long row = begin; row < end; ++row) {
      depthwise_row(walk(), image.corner(row * shape_.strides, 0), kernel, width,
                    result.data() + (row - begin) * width * image.channels());
    }
    return result.data();
  }

  Walk walk() const {
    return {shape_.kernel_size, shape_.strides * image.channels(),
            shape_.dilation * image.pitch(), shape_.dilation * image.channels(),
            image.channels()};
  }

 private:
  const StageShape& shape_;
  const std::vector<const T*>& tensors_;
  Buffer<T> factors_, shifts_;

 public:
  PaddedImage<T> image;
};

template <typename T>
using MomentsOfEdges = std::vector<std::unique_ptr<Moments<T>>>;

// Computes the results of all edges, before their batch norms, and returns their
// moments.
template <typename T>
MomentsOfEdges<T> run_stage(const StageShape& shape, const StageTensors<T>& inputs,
                            const T* depthwise, const T* pointwise,
                            const std::vector<T*>& results) {
  const auto kernels = read_kernels(shape, depthwise, pointwise);
  const long channels = kernels[0]->channels, filters = kernels[0]->filters;
  const long width = shape.new_width();
  StageInput<T> input(shape, inputs);
  Buffer<T> rows(shape.rows() * width * channels);
  Buffer<T> products(shape.rows() * width * filters);
  MomentsOfEdges<T> moments;
  for (long edge = 0; edge < shape.edges; ++edge) {
    moments.push_back(std::make_unique<Moments<T>>(filters));
  }
  for (long index = 0; index < shape.batch; ++index) {
    for (long edge = 0; edge < shape.edges; ++edge) {
      input.read(index, edge);
      T* result = results[edge] + index * shape.new_image();
      for (long row = 0; row < shape.new_height(); row += shape.rows()) {
        const long end = std::min(row + shape.rows(), shape.new_height());
        const long pixels = (end - row) * width;
        input.prefetch(index, edge, row, end);
        const T* x =
            input.depthwise_rows(row, end, kernels[edge]->depthwise.data(), rows);
        product(x, kernels[edge]->pointwise.data(), pixels, shape.channels, channels,
                filters, products.data());
        moments[edge]->add(products.data(), pixels * filters);
        const long following = (shape.new_height() - end) * width * shape.filters;
        pack(products.data(), pixels, shape.filters, filters, following,
             result + row * width * shape.filters);
      }
    }
  }
  return moments;
}

// Adds up the gradients of an edge's kernels.
template <typename T>
class StageKernelGradients {
 public:
  StageKernelGradients(const StageShape& shape, const StageKernels<T>& kernels)
      : shape_(shape),
        channels_(kernels.channels),
        filters_(kernels.filters),
        depthwise(shape.kernel_size * shape.kernel_size * channels_),
        pointwise(channels_ * filters_),
        depthwise_total_(shape.depthwise_size()),
        pointwise_total_(shape.channels * shape.filters) {}

  // In double precision, image by image.
  void flush() {
    const long taps = shape_.kernel_size * shape_.kernel_size;
    add(taps, shape_.channels, channels_, depthwise, depthwise_total_);
    add(shape_.channels, shape_.filters, filters_, pointwise, pointwise_total_);
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
  static void add(long rows, long columns, long width, Buffer<T>& sums,
                  Buffer<double>& totals) {
    for (long row = 0; row < rows; ++row) {
      for (long i = 0; i < columns; ++i) {
        totals[row * columns + i] += sums[row * width + i];
      }
    }
    sums.clear();
  }

  const StageShape& shape_;
  const long channels_, filters_;

 public:
  Buffer<T> depthwise, pointwise;  // Of one image.

 private:
  Buffer<double> depthwise_total_, pointwise_total_;
};

template <typename T>
using GradientsOfEdges = std::vector<std::unique_ptr<StageKernelGradients<T>>>;

template <typename T>
using NormsOfEdges = std::vector<std::unique_ptr<NormalizationGradient<T>>>;

// The backward pass of `run_stage`, image by image and edge by edge.
template <typename T>
class StageBackward {
 public:
  StageBackward(const StageShape& shape, const StageTensors<T>& inputs,
                const T* depthwise, const T* pointwise, bool of_kernels)
      : shape_(shape),
        input_(shape, inputs),
        of_kernels_(of_kernels),
        kernels_(read_kernels(shape, depthwise, pointwise)),
        channels_(kernels_[0]->channels),
        filters_(kernels_[0]->filters),
        of_results_(shape.rows() * shape.new_width() * shape.filters),
        of_products_(shape.rows() * shape.new_width() * filters_),
        of_rows_(shape.rows() * shape.new_width() * channels_),
        rows_(shape.rows() * shape.new_width() * channels_),
        spread_(shape.height, shape.width, shape.channels, shape.margin()),
        of_image_(shape.height * shape.width * channels_) {
    for (const auto& kernels : kernels_) {
      gradients_.push_back(std::make_unique<StageKernelGradients<T>>(shape, *kernels));
    }
  }

  // `norms` are those of the edges' results; `of_tensors` gets the gradients of what
  // was read, as a batch norm's result if it was one.
  void run(const std::vector<const T*>& slopes, const std::vector<const T*>& results,
           const NormsOfEdges<T>& norms, const std::vector<T*>& of_tensors) {
    for (long index = 0; index < shape_.batch; ++index) {
      for (long edge = 0; edge < shape_.edges; ++edge) {
        const long start = index * shape_.new_image();
        const bool is_first = !shape_.is_shared || edge == 0;
        input_.read(index, edge);
        through_products(index, edge, slopes[edge] + start, results[edge] + start,
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
  void through_products(long index, long edge, const T* slopes, const T* results,
                        const NormalizationGradient<T>& norm, bool is_first) {
    const StageKernels<T>& kernels = *kernels_[edge];
    const long width = shape_.new_width();
    for (long row = 0; row < shape_.new_height(); row += shape_.rows()) {
      const long end = std::min(row + shape_.rows(), shape_.new_height());
      const long pixels = (end - row) * width;
      input_.prefetch(index, edge, row, end);
      prefetch(slopes + end * width * shape_.filters, pixels * shape_.filters);
      prefetch(results + end * width * shape_.filters, pixels * shape_.filters);
      const T* slope = of_products(norm, slopes + row * width * shape_.filters,
                                   results + row * width * shape_.filters, pixels);
      product(slope, kernels.transposed.data(), pixels, shape_.filters, filters_,
              channels_, of_rows_.data());
      if (of_kernels_) {
        const T* x = input_.depthwise_rows(row, end, kernels.depthwise.data(), rows_);
        matrix_gradient(x, slope, pixels, channels_, filters_,
                        gradients_[edge]->pointwise.data());
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
    norm.apply(slopes, results, pixels * shape_.filters, of_results_.data());
    if (shape_.filters == filters_) return of_results_.data();
    unpack(of_results_.data(), pixels, shape_.filters, filters_, 0,
           of_products_.data());
    return of_products_.data();
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
    T* target = spread_.at(row * shape_.strides, 0);
    const long channels = channels_, step = shape_.strides * channels;
    for (long p = 0; p < width; ++p, target += step, slope += channels) {
      for (long c = 0; c < channels; c += kLanes<T>) store(target + c, load(slope + c));
    }
  }

  // The image's gradient is a convolution as well, with the kernel turned around.
  void through_depthwise(long edge, bool is_first) {
    const Walk walk = {shape_.kernel_size, channels_,
                       shape_.dilation * spread_.pitch(), shape_.dilation * channels_,
                       channels_};
    const T* kernel = kernels_[edge]->turned.data();
    for (long row = 0; row < shape_.height; ++row) {
      T* sum = of_image_.data() + row * shape_.width * channels_;
      if (is_first) {
        depthwise_row(walk, spread_.corner(row, 0), kernel, shape_.width, sum);
      } else {
        depthwise_row<T, true>(walk, spread_.corner(row, 0), kernel, shape_.width, sum);
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
    T* target = shape_.channels == channels_ ? of_tensor : of_image_.data();
    for (long row = 0; row < shape_.height; ++row) {
      const T* x = input_.image.at(row, 0);
      const T* slope = of_image_.data() + row * row_size;
      for (long i = 0; i < row_size; i += kLanes<T>) {
        store(target + row * row_size + i, load(x + i) > zero ? load(slope + i) : zero);
      }
    }
    if (target == of_tensor) return;
    pack(target, shape_.height * shape_.width, shape_.channels, channels_, 0, of_tensor);
  }

  const StageShape& shape_;
  StageInput<T> input_;
  const bool of_kernels_;
  const KernelsOfEdges<T> kernels_;
  const long channels_, filters_;
  Buffer<T> of_results_, of_products_, of_rows_, rows_;
  PaddedImage<T> spread_;
  Buffer<T> of_image_;
  GradientsOfEdges<T> gradients_;
};

}  // namespace atdarts
