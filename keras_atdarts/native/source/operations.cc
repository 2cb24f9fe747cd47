// TensorFlow's view of the kernels. What each operation means is said where Python
// wraps it, in ../operations.py.

#include <memory>

#include "kernel.h"
#include "stage.h"

namespace atdarts {
namespace {

// Views of a tensor `(kinds, rows, channels)`.
template <typename T>
struct Rows {
  T* row(long kind, long index) const {
    return numbers + (kind * rows + index) * channels;
  }
  T* numbers;
  long rows, channels;
};

template <typename T>
StageShape shape_of_stage(Tensors<T>& tensors, StageShape shape,
                          const std::vector<TF_Tensor*>& inputs,
                          const TF_Tensor* depthwise, const TF_Tensor* pointwise) {
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

StageShape stage_attributes(Attributes& attributes) {
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

// A tensor `(edges, channels)`, or `(edges,)` for the same number in all channels.
template <typename T>
class PerChannel {
 public:
  PerChannel(Tensors<T>& tensors, const TF_Tensor* tensor, long edges, long channels)
      : channels_(channels), numbers_(edges * channels) {
    const long size = count(sizes_of(tensor));
    if (!tensors.expect(size == edges || size == edges * channels,
                        "Scales and offsets must be `(edges, channels)` or `(edges,)`.")) {
      return;
    }
    const long copies = edges * channels / size;
    for (long i = 0; i < edges * channels; ++i) {
      numbers_[i] = numbers<T>(tensor)[i / copies];
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
  PerChannelGradients(Tensors<T>& tensors, const TF_Tensor* scales, long channels)
      : channels_(channels),
        copies_(TF_NumDims(scales) == 1 ? channels : 1),
        of_scales_(tensors.output(sizes_of(scales))),
        of_offsets_(tensors.output(sizes_of(scales))) {}

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
        shape_of_stage(tensors, shape_, inputs, depthwise, pointwise);
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
      moments[edge]->finish(shape.filters, shape.group<T>(), *numbers<T>(epsilon),
                            scale.of(edge), offset.of(edge), statistics.of(edge, edge));
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
        shape_of_stage(tensors, shape_, inputs, depthwise, pointwise);
    if (!tensors.ok() ||
        !tensors.expect(have_sizes(slopes, sizes_of(results[0])),
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

template <typename T>
class Normalize {
 public:
  explicit Normalize(Attributes& attributes)
      : edges_(attributes.integer("E")),
        count_(attributes.integer("N")),
        has_statistics_(attributes.boolean("has_statistics")) {}

  void compute(TF_OpKernelContext* context) const {
    Tensors<T> tensors(context);
    const auto inputs = tensors.inputs(count_);
    const auto *scales = tensors.input(), *offsets = tensors.input();
    const auto* epsilon = tensors.input();
    if (!tensors.ok()) return;
    const auto sizes = sizes_of(inputs[0]);
    const long channels = sizes.back();
    for (long edge = 0; edge < edges_; ++edge) {
      tensors.forward(inputs[count_ == 1 ? 0 : edge]);
    }
    const StatisticsOutputs<T> statistics(tensors, edges_, count_, channels);
    const PerChannel<T> scale(tensors, scales, edges_, channels);
    const PerChannel<T> offset(tensors, offsets, edges_, channels);
    if (!tensors.ok()) return;
    for (long row = 0; row < count_; ++row) {
      const Statistics<T> result = statistics.of(row, row);
      if (has_statistics_) {
        Moments<T> moments(channels);
        moments.add(numbers<T>(inputs[row]), count(sizes));
        moments.finish(channels, 1, *numbers<T>(epsilon), scale.of(row), offset.of(row),
                       result);
      } else {
        neutral_statistics(channels, scale.of(row), offset.of(row), result);
      }
    }
    for (long edge = count_; edge < edges_; ++edge) {  // All share one tensor.
      other_line(channels, scale.of(edge), offset.of(edge), statistics.of(edge, 0));
    }
  }

 private:
  const long edges_, count_;
  const bool has_statistics_;
};

template <typename T>
class NormalizeGradient {
 public:
  explicit NormalizeGradient(Attributes& attributes)
      : edges_(attributes.integer("E")),
        count_(attributes.integer("N")),
        has_statistics_(attributes.boolean("has_statistics")) {}

  void compute(TF_OpKernelContext* context) const {
    Tensors<T> tensors(context);
    const auto slopes = tensors.inputs(edges_);
    const auto inputs = tensors.inputs(count_);
    const auto *scales = tensors.input(), *kept = tensors.input();
    if (!tensors.ok()) return;
    const auto sizes = sizes_of(inputs[0]);
    if (!tensors.expect(have_sizes(slopes, sizes),
                        "Gradients must have the shape of the results.")) {
      return;
    }
    const long channels = sizes.back(), size = count(sizes);
    const auto of_tensors = tensors.outputs(count_, sizes);
    PerChannelGradients<T> per_channel(tensors, scales, channels);
    const PerChannel<T> scale(tensors, scales, edges_, channels);
    if (!tensors.ok()) return;
    const Rows<const T> statistics{numbers<T>(kept), count_, channels};
    const auto norm_of = [&](const T* slope, long row, const T* scale_now) {
      return NormalizationGradient<T>(slope, numbers<T>(inputs[row]), size, channels,
                                      statistics.row(0, row), statistics.row(1, row),
                                      scale_now, has_statistics_);
    };
    if (edges_ == count_) {
      for (long edge = 0; edge < edges_; ++edge) {
        const T* slope = numbers<T>(slopes[edge]);
        const auto norm = norm_of(slope, edge, scale.of(edge));
        norm.apply(slope, numbers<T>(inputs[edge]), size, of_tensors[edge]);
        per_channel.write(edge, norm);
      }
      return;
    }
    Buffer<T> ones(channels);
    std::fill_n(ones.data(), channels, T(1));
    for (long edge = 0; edge < edges_; ++edge) {
      per_channel.write(edge, norm_of(numbers<T>(slopes[edge]), 0, ones.data()));
    }
    T* joined = of_tensors[0];
    join(numbers<T>(slopes), scale, size, channels, joined);
    norm_of(joined, 0, ones.data())
        .apply(joined, numbers<T>(inputs[0]), size, joined);
  }

 private:
  // Adds up, times their scales, the gradients of all that is made of one tensor.
  static void join(const std::vector<const T*>& slopes, const PerChannel<T>& scale,
                   long size, long channels, T* result) {
    const Tile tile = Tile::of<T>(channels);
    Buffer<T> factors(slopes.size() * tile.size), origins(tile.size);
    std::vector<LineThrough<T>> lines;
    for (size_t edge = 0; edge < slopes.size(); ++edge) {
      T* of_edge = factors.data() + edge * tile.size;
      fill_tile(tile, scale.of(edge), of_edge);
      lines.push_back({slopes[edge], of_edge, origins.data()});
    }
    std::memset(result, 0, size * sizeof(T));
    add_lines(lines, size, tile.size, result);
  }

  const long edges_, count_;
  const bool has_statistics_;
};

template <typename T>
class SumOfLines {
 public:
  explicit SumOfLines(Attributes& attributes)
      : count_(attributes.integer("N")),
        lines_(attributes.integer("L")),
        line_of_(attributes.integers("line_of")),
        row_of_(attributes.integers("row_of")) {}

  void compute(TF_OpKernelContext* context) const {
    Tensors<T> tensors(context);
    const auto inputs = tensors.inputs(count_);
    const auto lines = tensors.inputs(lines_);
    if (!tensors.ok()) return;
    const auto sizes = sizes_of(inputs[0]);
    if (!tensors.expect(have_sizes(inputs, sizes),
                        "All that is added must have one shape.")) {
      return;
    }
    T* result = tensors.output(sizes);
    if (!tensors.ok()) return;
    const Tile tile = Tile::of<T>(sizes.back());
    Buffer<T> factors(count_ * tile.size), origins(count_ * tile.size);
    Buffer<T> offsets(tile.size);
    for (long i = 0; i < count_; ++i) {
      fill(tile, lines, i, factors.data() + i * tile.size,
           origins.data() + i * tile.size, offsets.data());
    }
    const long size = count(sizes);
    for (long start = 0; start < size; start += tile.chunk()) {
      const long numbers_now = std::min(tile.chunk(), size - start);
      for (long at = 0; at < numbers_now; at += tile.size) {
        std::copy_n(offsets.data(), std::min(tile.size, numbers_now - at),
                    result + start + at);
      }
      std::vector<LineThrough<T>> lines_now;
      for (long i = 0; i < count_; ++i) {
        lines_now.push_back({numbers<T>(inputs[i]) + start,
                             factors.data() + i * tile.size,
                             origins.data() + i * tile.size});
      }
      add_lines(lines_now, numbers_now, tile.size, result + start);
    }
  }

 private:
  // Adds the offsets to those of all that is added.
  void fill(const Tile& tile, const std::vector<TF_Tensor*>& lines, long i, T* factors,
            T* origins, T* offsets) const {
    if (line_of_[i] < 0) {
      std::fill_n(factors, tile.size, T(1));
      return;
    }
    const TF_Tensor* line = lines[line_of_[i]];
    const Rows<const T> rows{numbers<T>(line), TF_Dim(line, 1), tile.channels};
    fill_tile(tile, rows.row(0, row_of_[i]), factors);
    fill_tile(tile, rows.row(1, row_of_[i]), origins);
    for (long at = 0; at < tile.size; ++at) {
      offsets[at] += rows.row(2, row_of_[i])[at % tile.channels];
    }
  }

  const long count_, lines_;
  const std::vector<int64_t> line_of_, row_of_;
};

// Runs when TensorFlow loads the library.
const bool registered = [] {
  register_operation<Stage>(
      "AtdartsStage",
      {"tensors: N * T", "lines: L * T", "depthwise: T", "pointwise: T", "scales: T",
       "offsets: T", "epsilon: T", "learning: T"},
      {"results: E * T", "line: T", "statistics: T", "kept: T"},
      {"N: int >= 1", "L: int >= 0", "E: int >= 1", "strides: int", "dilation: int"});
  register_operation<StageGradient>(
      "AtdartsStageGradient",
      {"slopes: E * T", "tensors: N * T", "lines: L * T", "depthwise: T",
       "pointwise: T", "scales: T", "results: E * T", "kept: T", "learning: T"},
      {"of_tensors: N * T", "of_depthwise: T", "of_pointwise: T", "of_scales: T",
       "of_offsets: T"},
      {"N: int >= 1", "L: int >= 0", "E: int >= 1", "strides: int", "dilation: int"});
  register_operation<Normalize>(
      "AtdartsNormalize", {"tensors: N * T", "scales: T", "offsets: T", "epsilon: T"},
      {"results: E * T", "line: T", "statistics: T", "kept: T"},
      {"N: int >= 1", "E: int >= 1", "has_statistics: bool"});
  register_operation<NormalizeGradient>(
      "AtdartsNormalizeGradient",
      {"slopes: E * T", "tensors: N * T", "scales: T", "kept: T"},
      {"of_tensors: N * T", "of_scales: T", "of_offsets: T"},
      {"N: int >= 1", "E: int >= 1", "has_statistics: bool"});
  register_operation<SumOfLines>(
      "AtdartsSumOfLines", {"tensors: N * T", "lines: L * T"}, {"result: T"},
      {"N: int >= 1", "L: int >= 0", "line_of: list(int)", "row_of: list(int)"});
  return true;
}();

}  // namespace
}  // namespace atdarts
