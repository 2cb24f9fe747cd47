// A stage of an operation: ReLU, depthwise convolution, pointwise convolution and the
// statistics of a batch norm, on all edges that leave a node. The images go through all
// of it row by row, in the innermost cache.
#pragma once

#include <memory>
#include <vector>

#include "normalization.h"
#include "stage_inputs.h"

namespace atdarts {

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
  const Layout<T> layout = shape.new_layout<T>();
  StageInput<T> input(shape, inputs);
  Buffer<T> rows(shape.rows() * width * channels);
  Buffer<T> products(shape.rows() * width * filters);
  MomentsOfEdges<T> moments;
  for (long edge = 0; edge < shape.edges; ++edge) {
    moments.push_back(std::make_unique<Moments<T>>(filters));
  }
  for (long index = 0; index < shape.batch; index += layout.group) {
    for (long edge = 0; edge < shape.edges; ++edge) {
      input.read(index, edge);
      T* result = results[edge] + index * shape.new_image();
      for (long row = 0; row < shape.new_height(); row += shape.rows()) {
        const long end = std::min(row + shape.rows(), shape.new_height());
        const long pixels = (end - row) * width;
        const T* x =
            input.depthwise_rows(row, end, kernels[edge]->depthwise.data(), rows);
        product(x, kernels[edge]->pointwise.data(), pixels,
                layout.group * shape.channels, channels, filters, products.data());
        moments[edge]->add(products.data(), pixels * filters);
        // Only the rows below, which are written later: see `count_exact`.
        const long following = (shape.new_height() - end) * width * shape.filters;
        layout.write(products.data(), shape.new_image(), pixels, following,
                     result + row * width * shape.filters);
      }
    }
  }
  return moments;
}

}  // namespace atdarts
