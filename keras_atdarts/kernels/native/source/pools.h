// Pools of 3x3 pixels. A row of pixels is a row of numbers here: a neighbour is as many
// numbers away as there are channels, so that any number of channels fills vectors.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>

#include "vectors.h"

namespace atdarts {

struct PoolShape {
  long batch, height, width, channels;
  long strides;

  long new_height() const { return (height + strides - 1) / strides; }
  long new_width() const { return (width + strides - 1) / strides; }
  long row() const { return width * channels; }
  long new_row() const { return new_width() * channels; }
  long image() const { return height * row(); }
  long new_image() const { return new_height() * new_row(); }
};

// Rows of an image in a margin of one pixel, or more, that all have one number.
template <typename T>
class PoolRows {
 public:
  PoolRows(const PoolShape& shape, long height, T margin)
      : shape_(shape),
        pitch_(padded<T>(shape.row()) + 2 * padded<T>(shape.channels)),
        numbers_((height + 2) * pitch_) {
    if (margin == 0) return;
    std::fill_n(numbers_.data(), (height + 2) * pitch_, margin);
  }

  long pitch() const { return pitch_; }

  // From -1, the margin, to the height, the other one.
  T* row(long index) {
    return numbers_.data() + (index + 1) * pitch_ + padded<T>(shape_.channels);
  }

  void read(const T* x, long index) {
    std::memcpy(row(index), x, shape_.row() * sizeof(T));
  }

  // Every second pixel with a stride of 2.
  void write_strided(long index, T* y) {
    copy_strided(row(index), shape_.strides * shape_.channels, y, shape_.channels);
  }
  // The inverse; what is between the pixels stays as it is.
  void read_strided(const T* y, long index) {
    copy_strided(y, shape_.channels, row(index), shape_.strides * shape_.channels);
  }

 private:
  void copy_strided(const T* from, long step, T* to, long new_step) const {
    if (step == new_step) {
      std::memcpy(to, from, shape_.row() * sizeof(T));
      return;
    }
    for (long p = 0; p < shape_.new_width(); ++p, from += step, to += new_step) {
      std::copy_n(from, shape_.channels, to);
    }
  }

  const PoolShape shape_;
  const long pitch_;
  Buffer<T> numbers_;
};

// Writes the largest of three numbers each, `step` apart from `x` on, and if wanted which
// it was: -1, 0 or 1.
template <typename T>
void choose(const T* x, long step, long size, T* largest, T* choices = nullptr) {
  const Vector<T> before = Vector<T>{} - 1, here = {}, behind = Vector<T>{} + 1;
  for (long i = 0; i < size; i += kLanes<T>) {
    Vector<T> most = load(x + i), choice = before;
    const auto take_larger = [&](Vector<T> next, Vector<T> place) {
      const auto larger = (next > most) | (next != next);  // Keeps nan.
      most = larger ? next : most;
      choice = larger ? place : choice;
    };
    take_larger(load(x + step + i), here);
    take_larger(load(x + 2 * step + i), behind);
    store(largest + i, most);
    if (choices != nullptr) store(choices + i, choice);
  }
}

// Writes the sums of the slopes of those three that have chosen each number.
template <typename T>
void give_back(const T* choices, const T* slopes, long step, long size, T* sums) {
  const Vector<T> before = Vector<T>{} - 1, zero = {}, behind = Vector<T>{} + 1;
  for (long i = 0; i < size; i += kLanes<T>) {
    Vector<T> sum = load(choices + i) == zero ? load(slopes + i) : zero;
    sum += load(choices + i - step) == behind ? load(slopes + i - step) : zero;
    sum += load(choices + i + step) == before ? load(slopes + i + step) : zero;
    store(sums + i, sum);
  }
}

// The largest of 3x3 pixels, in both directions one after the other.
template <typename T>
class MaximumPool {
 public:
  explicit MaximumPool(const PoolShape& shape)
      : shape_(shape),
        x_(shape, 1, kLowest),
        of_rows_(shape, shape.height, kLowest),
        result_(shape, 1, 0) {}

  void forward(const T* x, T* y) {
    for (long row = 0; row < shape_.height; ++row) choose_in_row(x, row);
    for (long row = 0; row < shape_.height; row += shape_.strides) {
      choose_in_column(row);
      result_.write_strided(0, y);
      y += shape_.new_row();
    }
  }

 protected:
  void choose_in_row(const T* x, long row, T* choices = nullptr) {
    const long step = shape_.channels;
    x_.read(x + row * shape_.row(), 0);
    choose(x_.row(0) - step, step, shape_.row(), of_rows_.row(row), choices);
  }
  void choose_in_column(long row, T* choices = nullptr) {
    choose(of_rows_.row(row - 1), of_rows_.pitch(), shape_.row(), result_.row(0),
           choices);
  }

  static constexpr T kLowest = -std::numeric_limits<T>::infinity();
  const PoolShape shape_;
  PoolRows<T> x_, of_rows_, result_;
};

// Of equal numbers the gradient is the first's, row by row.
template <typename T>
class MaximumPoolGradient : MaximumPool<T> {
 public:
  explicit MaximumPoolGradient(const PoolShape& shape)
      : MaximumPool<T>(shape),
        column_choices_(shape, shape.height, 0),
        row_choices_(shape, shape.height, 0),
        slopes_(shape, shape.height, 0),
        row_slopes_(shape, 1, 0) {}

  void backward(const T* x, const T* slope, T* gradient) {
    const PoolShape& shape = this->shape_;
    for (long row = 0; row < shape.height; ++row) {
      this->choose_in_row(x, row, column_choices_.row(row));
    }
    for (long row = 0; row < shape.height; row += shape.strides) {
      this->choose_in_column(row, row_choices_.row(row));
      slopes_.read_strided(slope, row);
      slope += shape.new_row();
    }
    T* const result = this->result_.row(0);
    for (long row = 0; row < shape.height; ++row) {
      give_back(row_choices_.row(row), slopes_.row(row), slopes_.pitch(), shape.row(),
                row_slopes_.row(0));
      give_back(column_choices_.row(row), row_slopes_.row(0), shape.channels, shape.row(),
                result);
      std::memcpy(gradient + row * shape.row(), result, shape.row() * sizeof(T));
    }
  }

 private:
  PoolRows<T> column_choices_, row_choices_, slopes_, row_slopes_;
};

// The average of 3x3 pixels, at margins of those that there are. Its gradient is an
// average as well, of slopes that are divided before they are added.
template <typename T>
class AveragePool {
 public:
  explicit AveragePool(const PoolShape& shape)
      : shape_(shape),
        size_(shape.row()),
        x_(shape, 1, 0),
        of_rows_(shape, shape.height, 0),
        result_(shape, 1, 0),
        columns_(shape.row()) {
    std::fill_n(columns_.data(), padded<T>(size_), T(1));
    for (long i = 0; i < size_; ++i) {
      columns_[i] = count_neighbours(i / shape.channels, shape.width);
    }
  }

  void forward(const T* x, T* y) {
    for (long row = 0; row < shape_.height; ++row) {
      x_.read(x + row * shape_.row(), 0);
      add(x_.row(0), shape_.channels, of_rows_.row(row));
    }
    for (long row = 0; row < shape_.height; row += shape_.strides) {
      add(of_rows_.row(row), of_rows_.pitch(), result_.row(0));
      divide(row, result_.row(0));
      result_.write_strided(0, y);
      y += shape_.new_row();
    }
  }

  void backward(const T*, const T* slope, T* gradient) {
    for (long row = 0; row < shape_.height; row += shape_.strides) {
      x_.read_strided(slope, 0);
      divide(row, x_.row(0));
      add(x_.row(0), shape_.channels, of_rows_.row(row));
      slope += shape_.new_row();
    }
    for (long row = 0; row < shape_.height; ++row) {
      add(of_rows_.row(row), of_rows_.pitch(), result_.row(0));
      std::memcpy(gradient + row * shape_.row(), result_.row(0),
                  shape_.row() * sizeof(T));
    }
  }

 private:
  static long count_neighbours(long place, long size) {
    return 1 + (place > 0) + (place + 1 < size);
  }

  void add(const T* x, long step, T* sums) const {
    for (long i = 0; i < size_; i += kLanes<T>) {
      store(sums + i, Vector<T>(load(x + i - step) + load(x + i) + load(x + i + step)));
    }
  }

  // By the number of pixels that the average is of.
  void divide(long row, T* x) const {
    const T rows = count_neighbours(row, shape_.height);
    for (long i = 0; i < size_; i += kLanes<T>) {
      store(x + i, Vector<T>(load(x + i) / (load(columns_.data() + i) * rows)));
    }
  }

  const PoolShape shape_;
  const long size_;  // Numbers in a row.
  PoolRows<T> x_, of_rows_, result_;
  Buffer<T> columns_;  // How many columns each number's average is of.
};

}  // namespace atdarts
