// TensorFlow's view of a stage and its gradient, see ../backend.py.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "kernel.h"
#include "per_channel.h"
#include "stage.h"
#include "stage_gradient.h"

namespace atdarts {

constexpr int64_t kMostSteps = 256;   // Of strides and dilation.
constexpr double kMostNumbers = 4e9;  // Of an image with its margins.

template <typename T>
struct StageAttributes : EdgesAttributes {
  explicit StageAttributes(Attributes& attributes)
      : EdgesAttributes(attributes),
        num_lines(attributes.integer("L", 0, 1)),
        strides(attributes.integer("strides", 1, kMostSteps)),
        dilation(attributes.integer("dilation", 1, kMostSteps)) {}

  // Returns the sizes, of which all are in a range that the kernels can do with.
  StageShape shape_of(const Inputs<T>& inputs, const Inputs<T>& lines,
                      const Input<T>& depthwise, const Input<T>& pointwise) const {
    inputs[0].expect_rank(4);
    inputs[0].expect_pixels();
    expect_sizes(inputs, inputs[0].sizes);
    depthwise.expect_rank(5);
    pointwise.expect_rank(3);
    const Sizes& sizes = inputs[0].sizes;
    const StageShape shape = {edges,    num_tensors == 1,   num_lines == 1,
                              sizes[0], sizes[1],           sizes[2],
                              sizes[3], pointwise.sizes[2], depthwise.sizes[1],
                              strides,  dilation};
    expect_sizes(lines, {3, edges, shape.channels});
    depthwise.expect_sizes(
        {edges, shape.kernel_size, shape.kernel_size, shape.channels, 1});
    require(shape.kernel_size % 2 == 1 || (shape.kernel_size == 0 && strides == 1),
            "`depthwise` must have an odd size, or the size 0 with strides of 1, "
            "received the shape ",
            depthwise.sizes, " with strides of ", strides, ".");
    pointwise.expect_sizes({edges, shape.channels, shape.filters});
    require(shape.filters >= 1 && shape.filters <= kMostChannels,
            "`pointwise` must have from 1 to ", kMostChannels,
            " filters, received the shape ", pointwise.sizes, ".");
    const double margins = 2.0 * dilation * (shape.kernel_size / 2);
    const double pixels = (shape.height + margins) * (shape.width + margins);
    const double size = pixels * padded<T>(std::max(shape.channels, shape.filters));
    require(size < kMostNumbers, "`tensors` of the shape ", sizes, " with margins of ",
            margins / 2, " are too large.");
    return shape;
  }

  static Sizes new_sizes(const StageShape& shape) {
    return {shape.batch, shape.new_height(), shape.new_width(), shape.filters};
  }

  static StageTensors<T> sources(const Inputs<T>& inputs, const Inputs<T>& lines) {
    return {numbers(inputs), lines.empty() ? nullptr : lines[0].numbers};
  }

  const long num_lines;  // 1: what is read are batch norms' results, by their line.
  const long strides, dilation;
};

template <typename T>
class Stage : StageAttributes<T> {
 public:
  using StageAttributes<T>::StageAttributes;

  void compute(Tensors<T>& tensors) const {
    const auto inputs = tensors.inputs("tensors", this->num_tensors);
    const auto lines = tensors.inputs("lines", this->num_lines);
    const auto depthwise = tensors.input("depthwise");
    const auto pointwise = tensors.input("pointwise");
    const auto scales = tensors.input("scales"), offsets = tensors.input("offsets");
    const T epsilon = tensors.input("epsilon").scalar();
    tensors.input("learning").scalar();  // Which the gradient reads.
    const StageShape shape = this->shape_of(inputs, lines, depthwise, pointwise);
    const PerChannel<T> scale(scales, shape.edges, shape.filters);
    const PerChannel<T> offset(offsets, shape.edges, shape.filters);
    const auto results = tensors.outputs(shape.edges, this->new_sizes(shape));
    const StatisticsOutputs<T> statistics(tensors, shape.edges, shape.edges,
                                          shape.filters);
    const auto sources = this->sources(inputs, lines);
    const auto moments =
        run_stage(shape, sources, depthwise.numbers, pointwise.numbers, results);
    for (long edge = 0; edge < shape.edges; ++edge) {
      const Distributions distributions =
          moments[edge]->finish(shape.filters, shape.group<T>(), epsilon);
      write_statistics(distributions, statistics.of(edge, edge));
      write_line(distributions, scale.of(edge), offset.of(edge),
                 statistics.of(edge, edge));
    }
  }
};

template <typename T>
class StageGradient : StageAttributes<T> {
 public:
  using StageAttributes<T>::StageAttributes;

  void compute(Tensors<T>& tensors) const {
    const auto slopes = tensors.inputs("slopes", this->edges);
    const auto inputs = tensors.inputs("tensors", this->num_tensors);
    const auto lines = tensors.inputs("lines", this->num_lines);
    const auto depthwise = tensors.input("depthwise");
    const auto pointwise = tensors.input("pointwise");
    const auto scales = tensors.input("scales");
    const auto results = tensors.inputs("results", this->edges);
    const auto kept = tensors.input("kept");
    const T learning = tensors.input("learning").scalar();
    const StageShape shape = this->shape_of(inputs, lines, depthwise, pointwise);
    expect_sizes(slopes, this->new_sizes(shape));
    expect_sizes(results, this->new_sizes(shape));
    kept.expect_sizes({2, shape.edges, shape.filters});
    const PerChannel<T> scale(scales, shape.edges, shape.filters);
    const auto of_tensors = tensors.outputs(inputs.size(), inputs[0].sizes);
    T* of_depthwise = tensors.output(depthwise.sizes);
    T* of_pointwise = tensors.output(pointwise.sizes);
    PerChannelGradients<T> per_channel(tensors, scales, shape.filters);

    const Rows<const T> statistics{kept.numbers, shape.edges, shape.filters};
    NormsOfEdges<T> norms(shape.edges);
    for (long edge = 0; edge < shape.edges; ++edge) {
      norms[edge] = std::make_unique<NormalizationGradient<T>>(
          slopes[edge].numbers, results[edge].numbers, shape.batch * shape.new_image(),
          shape.filters, statistics.row(0, edge), statistics.row(1, edge),
          scale.of(edge));
      per_channel.write(edge, *norms[edge]);
    }
    const auto sources = this->sources(inputs, lines);
    StageBackward<T> backward(shape, sources, depthwise.numbers, pointwise.numbers,
                              learning != 0);
    backward.run(numbers(slopes), numbers(results), norms, of_tensors);
    backward.write_kernels(of_depthwise, of_pointwise);
  }
};

}  // namespace atdarts
