// TensorFlow's view of batch norms and sums of lines, see ../backend.py.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"
#include "per_channel.h"

namespace atdarts {

struct NormalizeAttributes : EdgesAttributes {
  explicit NormalizeAttributes(Attributes& attributes)
      : EdgesAttributes(attributes),
        has_statistics(attributes.boolean("has_statistics")) {}

  const bool has_statistics;
};

template <typename T>
class Normalize : NormalizeAttributes {
 public:
  using NormalizeAttributes::NormalizeAttributes;

  void compute(Tensors<T>& tensors) const {
    const auto inputs = tensors.inputs("tensors", num_tensors);
    const auto scales = tensors.input("scales"), offsets = tensors.input("offsets");
    const T epsilon = tensors.input("epsilon").scalar();
    const Sizes& sizes = inputs[0].sizes;
    inputs[0].expect_pixels();
    expect_sizes(inputs, sizes);
    const long channels = sizes.back(), size = count(sizes);
    const PerChannel<T> scale(scales, edges, channels);
    const PerChannel<T> offset(offsets, edges, channels);
    for (long edge = 0; edge < edges; ++edge) {
      tensors.forward(inputs[num_tensors == 1 ? 0 : edge]);
    }
    const StatisticsOutputs<T> statistics(tensors, edges, num_tensors, channels);
    const long edges_of_row = edges / num_tensors;  // All, if they share a tensor.
    for (long row = 0; row < num_tensors; ++row) {
      Distributions distributions(channels);
      if (has_statistics) {
        Moments<T> moments(channels);
        moments.add(inputs[row].numbers, size);
        distributions = moments.finish(channels, 1, epsilon);
      }
      write_statistics(distributions, statistics.of(row, row));
      for (long i = 0; i < edges_of_row; ++i) {
        const long edge = row + i;
        write_line(distributions, scale.of(edge), offset.of(edge),
                   statistics.of(edge, row));
      }
    }
  }
};

template <typename T>
class NormalizeGradient : NormalizeAttributes {
 public:
  using NormalizeAttributes::NormalizeAttributes;

  void compute(Tensors<T>& tensors) const {
    const auto slopes = tensors.inputs("slopes", edges);
    const auto inputs = tensors.inputs("tensors", num_tensors);
    const auto scales = tensors.input("scales"), kept = tensors.input("kept");
    const Sizes& sizes = inputs[0].sizes;
    inputs[0].expect_pixels();
    expect_sizes(inputs, sizes);
    expect_sizes(slopes, sizes);
    const long channels = sizes.back(), size = count(sizes);
    kept.expect_sizes({2, num_tensors, channels});
    const PerChannel<T> scale(scales, edges, channels);
    const auto of_tensors = tensors.outputs(num_tensors, sizes);
    PerChannelGradients<T> per_channel(tensors, scales, channels);
    const Rows<const T> statistics{kept.numbers, num_tensors, channels};
    const auto norm_of = [&](const T* slope, long row, const T* scale_now) {
      return NormalizationGradient<T>(slope, inputs[row].numbers, size, channels,
                                      statistics.row(0, row), statistics.row(1, row),
                                      scale_now, has_statistics);
    };
    if (edges == num_tensors) {
      for (long edge = 0; edge < edges; ++edge) {
        const T* slope = slopes[edge].numbers;
        const auto norm = norm_of(slope, edge, scale.of(edge));
        norm.apply(slope, inputs[edge].numbers, size, of_tensors[edge]);
        per_channel.write(edge, norm);
      }
      return;
    }
    Buffer<T> ones(channels);
    std::fill_n(ones.data(), channels, T(1));
    for (long edge = 0; edge < edges; ++edge) {
      per_channel.write(edge, norm_of(slopes[edge].numbers, 0, ones.data()));
    }
    T* joined = of_tensors[0];
    join(numbers(slopes), scale, size, channels, joined);
    norm_of(joined, 0, ones.data()).apply(joined, inputs[0].numbers, size, joined);
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
    std::fill_n(result, size, T(0));
    add_lines(lines, size, tile.size, result);
  }
};

template <typename T>
class SumOfLines {
 public:
  explicit SumOfLines(Attributes& attributes)
      : count_(attributes.integer("N", 1)),
        lines_(attributes.integer("L", 0)),
        line_of_(attributes.integers("line_of")),
        row_of_(attributes.integers("row_of")) {
    for (const auto& [name, values] :
         {std::pair{"line_of", &line_of_}, std::pair{"row_of", &row_of_}}) {
      require(long(values->size()) == count_, "`", name, "` must have ", count_,
              " numbers, one for each of `tensors`, received ", *values, ".");
    }
    for (int64_t line : line_of_) {
      require(line >= -1 && line < lines_, "`line_of` must be from -1 to ", lines_ - 1,
              ", received ", line_of_, ".");
    }
  }

  void compute(Tensors<T>& tensors) const {
    const auto inputs = tensors.inputs("tensors", count_);
    const auto lines = tensors.inputs("lines", lines_);
    const Sizes& sizes = inputs[0].sizes;
    inputs[0].expect_pixels();
    expect_sizes(inputs, sizes);
    const long channels = sizes.back(), size = count(sizes);
    expect_lines(lines, channels);
    T* result = tensors.output(sizes);
    const Tile tile = Tile::of<T>(channels);
    Buffer<T> factors(count_ * tile.size), origins(count_ * tile.size);
    Buffer<T> offsets(tile.size);
    for (long i = 0; i < count_; ++i) {
      fill(tile, lines, i, factors.data() + i * tile.size,
           origins.data() + i * tile.size, offsets.data());
    }
    for (long start = 0; start < size; start += tile.chunk()) {
      const long numbers_now = std::min(tile.chunk(), size - start);
      for (long at = 0; at < numbers_now; at += tile.size) {
        std::copy_n(offsets.data(), std::min(tile.size, numbers_now - at),
                    result + start + at);
      }
      std::vector<LineThrough<T>> lines_now;
      for (long i = 0; i < count_; ++i) {
        lines_now.push_back({inputs[i].numbers + start, factors.data() + i * tile.size,
                             origins.data() + i * tile.size});
      }
      add_lines(lines_now, numbers_now, tile.size, result + start);
    }
  }

 private:
  void expect_lines(const Inputs<T>& lines, long channels) const {
    for (const Input<T>& line : lines) {
      line.expect_rank(3);
      line.expect_sizes({3, line.sizes[1], channels});
    }
    for (long i = 0; i < count_; ++i) {
      if (line_of_[i] < 0) continue;
      const long rows = lines[line_of_[i]].sizes[1];
      require(row_of_[i] >= 0 && row_of_[i] < rows, "`row_of` must be from 0 to ",
              rows - 1, " in a line of ", rows, " edges, received ", row_of_, ".");
    }
  }

  // Adds the offsets to those of all that is added.
  void fill(const Tile& tile, const Inputs<T>& lines, long i, T* factors, T* origins,
            T* offsets) const {
    if (line_of_[i] < 0) {
      std::fill_n(factors, tile.size, T(1));
      return;
    }
    const Input<T>& line = lines[line_of_[i]];
    const Rows<const T> rows{line.numbers, line.sizes[1], tile.channels};
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
