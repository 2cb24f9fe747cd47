// TensorFlow's view of batch norms and sums of lines, see ../operations.py.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"
#include "per_channel.h"

namespace atdarts {

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
    if (!tensors.expect(count_ == 1 || count_ == edges_,
                        "`tensors` must be one, or one for each edge.") ||
        !tensors.expect(have_sizes(inputs, sizes), "`tensors` must be of one shape.")) {
      return;
    }
    const long channels = sizes.back();
    for (long edge = 0; edge < edges_; ++edge) {
      tensors.forward(inputs[count_ == 1 ? 0 : edge]);
    }
    const StatisticsOutputs<T> statistics(tensors, edges_, count_, channels);
    const PerChannel<T> scale(tensors, scales, edges_, channels);
    const PerChannel<T> offset(tensors, offsets, edges_, channels);
    if (!tensors.ok()) return;
    const long edges_of_row = edges_ / count_;  // All of them, if they share a tensor.
    for (long row = 0; row < count_; ++row) {
      Distributions distributions(channels);
      if (has_statistics_) {
        Moments<T> moments(channels);
        moments.add(numbers<T>(inputs[row]), count(sizes));
        distributions = moments.finish(channels, 1, *numbers<T>(epsilon));
      }
      write_statistics(distributions, statistics.of(row, row));
      for (long i = 0; i < edges_of_row; ++i) {
        const long edge = row + i;
        write_line(distributions, scale.of(edge), offset.of(edge),
                   statistics.of(edge, row));
      }
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
    if (!tensors.expect(have_sizes(slopes, sizes) && have_sizes(inputs, sizes),
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
                        "All that is added must have one shape.") ||
        !tensors.expect(are_lines(lines, sizes.back()),
                        "Each tensor must have its row in one of the lines.")) {
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
  bool are_lines(const std::vector<TF_Tensor*>& lines, long channels) const {
    for (long i = 0; i < count_; ++i) {
      if (line_of_[i] < 0) continue;
      if (line_of_[i] >= lines_ || row_of_[i] < 0) return false;
      const auto sizes = sizes_of(lines[line_of_[i]]);
      if (sizes.size() != 3 || row_of_[i] >= sizes[1] || sizes[2] != channels) {
        return false;
      }
    }
    return true;
  }

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

}  // namespace atdarts
