// TensorFlow's view of pools, see ../backend.py.
#pragma once

#include <vector>

#include "kernel.h"
#include "pools.h"

namespace atdarts {

struct PoolAttributes {
  explicit PoolAttributes(Attributes& attributes)
      : strides(attributes.integer("strides", 1, 2)),
        is_maximum(attributes.boolean("maximum")) {}

  template <typename T>
  PoolShape shape_of(const Input<T>& images) const {
    images.expect_rank(4);
    images.expect_pixels();
    const Sizes& sizes = images.sizes;
    return {sizes[0], sizes[1], sizes[2], sizes[3], strides};
  }

  static Sizes new_sizes(const PoolShape& shape) {
    return {shape.batch, shape.new_height(), shape.new_width(), shape.channels};
  }

  const long strides;
  const bool is_maximum;
};

template <typename T>
class Pool : PoolAttributes {
 public:
  using PoolAttributes::PoolAttributes;

  void compute(Tensors<T>& tensors) const {
    const auto images = tensors.input("images");
    const PoolShape shape = shape_of(images);
    T* result = tensors.output(new_sizes(shape));
    if (shape.batch == 0) return;
    if (is_maximum) {
      run<MaximumPool<T>>(shape, images.numbers, result);
    } else {
      run<AveragePool<T>>(shape, images.numbers, result);
    }
  }

 private:
  template <typename Kind>
  static void run(const PoolShape& shape, const T* x, T* result) {
    Kind pool(shape);
    for (long i = 0; i < shape.batch; ++i) {
      pool.forward(x + i * shape.image(), result + i * shape.new_image());
    }
  }
};

template <typename T>
class PoolGradient : PoolAttributes {
 public:
  using PoolAttributes::PoolAttributes;

  void compute(Tensors<T>& tensors) const {
    const auto slopes = tensors.input("slopes"), images = tensors.input("images");
    const PoolShape shape = shape_of(images);
    slopes.expect_sizes(new_sizes(shape));
    T* gradient = tensors.output(images.sizes);
    if (shape.batch == 0) return;
    if (is_maximum) {
      run<MaximumPoolGradient<T>>(shape, slopes.numbers, images.numbers, gradient);
    } else {
      run<AveragePool<T>>(shape, slopes.numbers, images.numbers, gradient);
    }
  }

 private:
  template <typename Kind>
  static void run(const PoolShape& shape, const T* slope, const T* x, T* gradient) {
    Kind pool(shape);
    for (long i = 0; i < shape.batch; ++i) {
      pool.backward(x + i * shape.image(), slope + i * shape.new_image(),
                    gradient + i * shape.image());
    }
  }
};

}  // namespace atdarts
