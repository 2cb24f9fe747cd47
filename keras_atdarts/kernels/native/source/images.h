// Images as the convolutions read them: zeros around, channels in whole vectors.
#pragma once

#include <algorithm>

#include "vectors.h"

namespace atdarts {

template <typename T>
Vector<T> lanes_below(long count) {
  Vector<T> ones = {};
  for (int i = 0; i < kLanes<T>; ++i) ones[i] = i < count ? 1 : 0;
  return ones;
}

// Whole vectors reach beyond a pixel's last channel, into the pixels behind it. Behind
// the last of some pixels it depends on `following`, by which a caller promises that
// the same tensor has so many numbers more, at least, after those pixels. Fewer than
// there are is safe and slower; 0 means that nothing may be touched. Of the numbers
// beyond,
//
// - `unpack` reads some, and puts zeros in their place;
// - `pack` writes some, so all that follows must be written later, by the same thread:
//   pixels come in their order, and what is written already is no `following`.
//
// Returns how many of the last pixels must therefore be copied to the number.
inline long count_exact(long pixels, long channels, long width, long following) {
  const long beyond = width - channels - following;
  return beyond <= 0 ? 0 : std::min(pixels, (beyond + channels - 1) / channels);
}

// Reads pixels of `channels` numbers each into pixels of `width` numbers, in whole
// vectors. For `following` see `count_exact`.
template <typename T>
void unpack(const T* x, long pixels, long channels, long width, long following, T* y) {
  if (channels == width) {
    std::memcpy(y, x, pixels * channels * sizeof(T));
    return;
  }
  const Vector<T> zero = {};
  const Vector<T> wanted = lanes_below<T>(channels % kLanes<T>);
  const long exact = count_exact(pixels, channels, width, following);
  long p = 0;
  for (; p < pixels - exact; ++p, x += channels, y += width) {
    long c = 0;
    for (; c + kLanes<T> <= channels; c += kLanes<T>) store(y + c, load(x + c));
    store(y + c, wanted > zero ? load(x + c) : zero);
  }
  for (; p < pixels; ++p, x += channels, y += width) {
    std::memcpy(y, x, channels * sizeof(T));
    std::memset(y + channels, 0, (width - channels) * sizeof(T));
  }
}

// The inverse of `unpack`. Each pixel's surplus is written over by the next one.
template <typename T>
void pack(const T* x, long pixels, long channels, long width, long following, T* y) {
  if (channels == width) {
    std::memcpy(y, x, pixels * channels * sizeof(T));
    return;
  }
  const long exact = count_exact(pixels, channels, width, following);
  long p = 0;
  for (; p < pixels - exact; ++p, x += width, y += channels) {
    for (long c = 0; c < width; c += kLanes<T>) store(y + c, load(x + c));
  }
  for (; p < pixels; ++p, x += width, y += channels) {
    std::memcpy(y, x, channels * sizeof(T));
  }
}

// The same for few channels: each pixel's numbers go to `y`, `y + width` and so on.
template <typename T, int C>
void scatter(const T* x, long pixels, long width, T* y) {
  for (long p = 0; p < pixels; ++p, x += C, y += width) {
    std::memcpy(y, x, C * sizeof(T));
  }
}

template <typename T, int C>
void gather(const T* x, long pixels, long width, T* y) {
  for (long p = 0; p < pixels; ++p, x += width, y += C) {
    std::memcpy(y, x, C * sizeof(T));
  }
}

// How the numbers of a pixel lie in whole vectors. If the channels are few, those of
// several images stand side by side, as if they were channels of one.
template <typename T>
struct Layout {
  Layout(long channels, long group)
      : channels(channels), group(group), width(padded<T>(channels * group)) {}

  // Reads pixels of a group of images, each `image` numbers after the one before. For
  // `following`, here and below, see `count_exact`.
  void read(const T* x, long image, long pixels, long following, T* y) const {
    if (group == 1) return unpack(x, pixels, channels, width, following, y);
    for (long i = 0; i < group; ++i, x += image, y += channels) {
      switch (channels) {
        case 4:
          scatter<T, 4>(x, pixels, width, y);
          break;
        case 8:
          scatter<T, 8>(x, pixels, width, y);
          break;
        default:
          for (long c = 0; c < channels; ++c) {
            for (long p = 0; p < pixels; ++p) y[p * width + c] = x[p * channels + c];
          }
      }
    }
  }

  // The inverse of `read`.
  void write(const T* x, long image, long pixels, long following, T* y) const {
    if (group == 1) return pack(x, pixels, channels, width, following, y);
    for (long i = 0; i < group; ++i, x += channels, y += image) {
      switch (channels) {
        case 4:
          gather<T, 4>(x, pixels, width, y);
          break;
        case 8:
          gather<T, 8>(x, pixels, width, y);
          break;
        default:
          for (long c = 0; c < channels; ++c) {
            for (long p = 0; p < pixels; ++p) y[p * channels + c] = x[p * width + c];
          }
      }
    }
  }

  // Whether the numbers lie as they do in memory.
  bool is_plain() const { return group == 1 && channels == width; }

  long channels, group, width;
};

// A group of images with a margin of zeros.
template <typename T>
class PaddedImage {
 public:
  PaddedImage(long height, long width, const Layout<T>& layout, long margin)
      : height_(height),
        width_(width),
        layout_(layout),
        margin_(margin),
        numbers_((height + 2 * margin) * pitch()) {}

  // From a row's beginning to that of the next one.
  long pitch() const { return (width_ + 2 * margin_) * layout_.width; }

  // A pixel of the image, without the margin.
  T* at(long row, long column) {
    return corner(row, column) + margin_ * (pitch() + layout_.width);
  }
  // The first pixel of a window around that pixel that is as large as the margins.
  T* corner(long row, long column) {
    return numbers_.data() + row * pitch() + column * layout_.width;
  }

  // Reads the ReLU of images, after which the tensor goes on for `following` numbers.
  void read(const T* x, long following) {
    const long size = width_ * layout_.width;
    for (long row = 0; row < height_; ++row) {
      T* to = at(row, 0);
      const T* from = read_row(x, row, following, to);
      for (long i = 0; i < size; i += kLanes<T>) {
        store(to + i, relu<T>(load(from + i)));
      }
    }
  }

  // Reads the ReLU of a line, whose numbers beyond the last channel are zero.
  void read_line(const T* x, long following, const T* factors, const T* origins,
                 const T* offsets) {
    const long size = width_ * layout_.width, step = layout_.width;
    for (long row = 0; row < height_; ++row) {
      T* to = at(row, 0);
      const T* from = read_row(x, row, following, to);
      for (long c = 0; c < step; c += kLanes<T>) {
        const Vector<T> factor = load(factors + c), origin = load(origins + c),
                        offset = load(offsets + c);
        for (long i = c; i < size; i += step) {
          store(to + i, relu<T>(factor * (load(from + i) - origin) + offset));
        }
      }
    }
  }

 private:
  // Returns a row in whole vectors: where it is, or in `buffer`.
  const T* read_row(const T* x, long row, long following, T* buffer) {
    const long row_size = width_ * layout_.channels;
    if (layout_.is_plain()) return x + row * row_size;
    // The image's rows below follow as well.
    const long rest = (height_ - 1 - row) * row_size + following;
    layout_.read(x + row * row_size, height_ * row_size, width_, rest, buffer);
    return buffer;
  }

  const long height_, width_;
  const Layout<T> layout_;
  const long margin_;
  Buffer<T> numbers_;
};

}  // namespace atdarts
