// TensorFlow's view of a stage and its gradient, see ../operations.py.
#pragma once

#include <memory>
#include <vector>

#include "kernel.h"
#include "per_channel.h"
#include "stage.h"
#include "stage_gradient.h"

namespace atdarts {

template <typename T>
StageShape shape_of_stage(Tensors<T>& tensors, StageShape shape,
                          const std::vector<TF_Tensor*>& inputs,
                          const std::vector<TF_Tensor*>& lines,
                          const TF_Tensor* depthwise, const TF_Tensor* pointwise) {
  const long num_inputs = inputs.size();
  if (!tensors.expect(num_inputs == 1 || num_inputs == shape.edges,
                      "`tensors` must be one, or one for each edge.") ||
      !tensors.expect(shape.strides >= 1 && shape.dilation >= 1,
                      "Strides and dilation must be at least 1.")) {
    return shape;
  }
  if (!tensors.expect(TF_NumDims(inputs[0]) == 4, "`tensors` must be images.") ||
      !tensors.expect(have_sizes(inputs, sizes_of(inputs[0])),
                      "`tensors` must be of one shape.") ||
      !tensors.expect(TF_NumDims(depthwise) == 5 && TF_NumDims(pointwise) == 3,
                      "`depthwise` must have 5 axes and `pointwise` 3.")) {
    return shape;
  }
  shape.batch = TF_Dim(inputs[0], 0);
  shape.height = TF_Dim(inputs[0], 1);
  shape.width = TF_Dim(inputs[0], 2);
  shape.channels = TF_Dim(inputs[0], 3);
  shape.filters = TF_Dim(pointwise, 2);
  shape.kernel_size = TF_Dim(depthwise, 1);
  const std::vector<int64_t> of_lines = {3, shape.edges, shape.channels};
  tensors.expect(have_sizes(lines, of_lines),
                 "`lines` must be `(3, edges, channels)`.");
  tensors.expect(shape.height > 0 && shape.width > 0 && shape.channels > 0,
                 "`tensors` must have pixels and channels.");
  const std::vector<int64_t> of_depthwise = {shape.edges, shape.kernel_size,
                                             shape.kernel_size, shape.channels, 1};
  tensors.expect(shape.kernel_size % 2 == 1 ||
                     (shape.kernel_size == 0 && shape.strides == 1),
                 "Kernels must have odd sizes; without them there are no strides.");
  tensors.expect(sizes_of(depthwise) == of_depthwise,
                 "`depthwise` must be `(edges, size, size, channels, 1)`.");
  tensors.expect(TF_Dim(pointwise, 0) == shape.edges &&
                     TF_Dim(pointwise, 1) == shape.channels,
                 "`pointwise` must be `(edges, channels, filters)`.");
  return shape;
}

inline StageShape stage_attributes(Attributes& attributes) {
  StageShape shape = {};
  shape.edges = attributes.integer("E");
  shape.is_shared = attributes.integer("N") == 1;
  shape.reads_lines = attributes.integer("L") == 1;
  shape.strides = attributes.integer("strides");
  shape.dilation = attributes.integer("dilation");
  return shape;
}

template <typename T>
StageTensors<T> stage_tensors(const std::vector<TF_Tensor*>& inputs,
                              const std::vector<TF_Tensor*>& lines) {
  return {numbers<T>(inputs), lines.empty() ? nullptr : numbers<T>(lines[0])};
}

template <typename T>
class Stage {
 public:
  explicit Stage(Attributes& attributes) : shape_(stage_attributes(attributes)) {}

  void compute(TF_OpKernelContext* context) const {
    Tensors<T> tensors(context);
    const auto inputs = tensors.inputs(shape_.is_shared ? 1 : shape_.edges);
    const auto lines = tensors.inputs(shape_.reads_lines);
    const auto *depthwise = tensors.input(), *pointwise = tensors.input();
    const auto *scales = tensors.input(), *offsets = tensors.input();
    const auto* epsilon = tensors.input();
    if (!tensors.ok()) return;
    const StageShape shape =
        shape_of_stage(tensors, shape_, inputs, lines, depthwise, pointwise);
    if (!tensors.ok()) return;
    const auto results =
        tensors.outputs(shape.edges, {shape.batch, shape.new_height(),
                                      shape.new_width(), shape.filters});
    const StatisticsOutputs<T> statistics(tensors, shape.edges, shape.edges,
                                          shape.filters);
    const PerChannel<T> scale(tensors, scales, shape.edges, shape.filters);
    const PerChannel<T> offset(tensors, offsets, shape.edges, shape.filters);
    if (!tensors.ok()) return;
    const auto sources = stage_tensors<T>(inputs, lines);
    const auto moments = run_stage(shape, sources, numbers<T>(depthwise),
                                   numbers<T>(pointwise), results);
    for (long edge = 0; edge < shape.edges; ++edge) {
      const Distributions distributions =
          moments[edge]->finish(shape.filters, shape.group<T>(), *numbers<T>(epsilon));
      write_statistics(distributions, statistics.of(edge, edge));
      write_line(distributions, scale.of(edge), offset.of(edge),
                 statistics.of(edge, edge));
    }
  }

 private:
  const StageShape shape_;
};

template <typename T>
class StageGradient {
 public:
  explicit StageGradient(Attributes& attributes)
      : shape_(stage_attributes(attributes)) {}

  void compute(TF_OpKernelContext* context) const {
    Tensors<T> tensors(context);
    const auto slopes = tensors.inputs(shape_.edges);
    const auto inputs = tensors.inputs(shape_.is_shared ? 1 : shape_.edges);
    const auto lines = tensors.inputs(shape_.reads_lines);
    const auto *depthwise = tensors.input(), *pointwise = tensors.input();
    const auto* scales = tensors.input();
    const auto results = tensors.inputs(shape_.edges);
    const auto *kept = tensors.input(), *learning = tensors.input();
    if (!tensors.ok()) return;
    const StageShape shape =
        shape_of_stage(tensors, shape_, inputs, lines, depthwise, pointwise);
    const std::vector<int64_t> new_sizes = {shape.batch, shape.new_height(),
                                            shape.new_width(), shape.filters};
    if (!tensors.ok() ||
        !tensors.expect(have_sizes(slopes, new_sizes) && have_sizes(results, new_sizes),
                        "Gradients must have the shape of the results.")) {
      return;
    }
    const auto of_tensors = tensors.outputs(inputs.size(), sizes_of(inputs[0]));
    T* of_depthwise = tensors.output(sizes_of(depthwise));
    T* of_pointwise = tensors.output(sizes_of(pointwise));
    PerChannelGradients<T> per_channel(tensors, scales, shape.filters);
    const PerChannel<T> scale(tensors, scales, shape.edges, shape.filters);
    if (!tensors.ok()) return;

    const Rows<const T> statistics{numbers<T>(kept), shape.edges, shape.filters};
    NormsOfEdges<T> norms(shape.edges);
    for (long edge = 0; edge < shape.edges; ++edge) {
      norms[edge] = std::make_unique<NormalizationGradient<T>>(
          numbers<T>(slopes[edge]), numbers<T>(results[edge]),
          shape.batch * shape.new_image(), shape.filters, statistics.row(0, edge),
          statistics.row(1, edge), scale.of(edge));
      per_channel.write(edge, *norms[edge]);
    }
    const auto sources = stage_tensors<T>(inputs, lines);
    StageBackward<T> backward(shape, sources, numbers<T>(depthwise),
                              numbers<T>(pointwise), *numbers<T>(learning) != 0);
    backward.run(numbers<T>(slopes), numbers<T>(results), norms, of_tensors);
    backward.write_kernels(of_depthwise, of_pointwise);
  }

 private:
  const StageShape shape_;
};

}  // namespace atdarts
