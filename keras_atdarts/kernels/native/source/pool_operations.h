// TensorFlow's view of pools, see ../operations.py.
#pragma once

#include <vector>

#include "kernel.h"
#include "pools.h"

namespace atdarts {

template <typename T>
PoolShape shape_of_pool(Tensors<T>& tensors, const TF_Tensor* images, long strides) {
  if (!tensors.expect(TF_NumDims(images) == 4, "`images` must have 4 axes.") ||
      !tensors.expect(strides == 1 || strides == 2, "Strides must be 1 or 2.")) {
    return {};
  }
  const auto sizes = sizes_of(images);
  tensors.expect(sizes[1] > 0 && sizes[2] > 0 && sizes[3] > 0,
                 "`images` must have pixels and channels.");
  return {sizes[0], sizes[1], sizes[2], sizes[3], strides};
}

struct PoolAttributes {
  explicit PoolAttributes(Attributes& attributes)
      : strides(attributes.integer("strides")),
        is_maximum(attributes.boolean("maximum")) {}

  const long strides;
  const bool is_maximum;
};

template <typename T>
class Pool : PoolAttributes {
 public:
  using PoolAttributes::PoolAttributes;

  void compute(TF_OpKernelContext* context) const {
    Tensors<T> tensors(context);
    const TF_Tensor* images = tensors.input();
    if (!tensors.ok()) return;
    const PoolShape shape = shape_of_pool(tensors, images, strides);
    if (!tensors.ok()) return;
    T* result = tensors.output(
        {shape.batch, shape.new_height(), shape.new_width(), shape.channels});
    if (!tensors.ok()) return;
    if (is_maximum) {
      run<MaximumPool<T>>(shape, numbers<T>(images), result);
    } else {
      run<AveragePool<T>>(shape, numbers<T>(images), result);
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

  void compute(TF_OpKernelContext* context) const {
    Tensors<T> tensors(context);
    const TF_Tensor *slopes = tensors.input(), *images = tensors.input();
    if (!tensors.ok()) return;
    const PoolShape shape = shape_of_pool(tensors, images, strides);
    if (!tensors.ok()) return;
    const std::vector<int64_t> new_sizes = {shape.batch, shape.new_height(),
                                            shape.new_width(), shape.channels};
    if (!tensors.expect(sizes_of(slopes) == new_sizes,
                        "The gradient must have the shape of the result.")) {
      return;
    }
    T* gradient = tensors.output(sizes_of(images));
    if (!tensors.ok()) return;
    if (is_maximum) {
      run<MaximumPoolGradient<T>>(shape, numbers<T>(slopes), numbers<T>(images),
                                  gradient);
    } else {
      run<AveragePool<T>>(shape, numbers<T>(slopes), numbers<T>(images), gradient);
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
