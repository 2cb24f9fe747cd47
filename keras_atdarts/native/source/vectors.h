// Vectors of 64 bytes, which the compiler splits where registers are narrower, and
// memory that is aligned to them.
#pragma once

#include <cstdlib>
#include <cstring>

namespace atdarts {

template <typename T>
struct VectorOf {
  typedef T type __attribute__((vector_size(64)));
};

template <typename T>
using Vector = typename VectorOf<T>::type;

template <typename T>
constexpr int kLanes = 64 / sizeof(T);

// `p` is aligned to a number, not to a vector.
template <typename T>
inline Vector<T> load(const T* p) {
  Vector<T> value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

template <typename T>
inline void store(T* p, Vector<T> value) {
  std::memcpy(p, &value, sizeof(value));
}

template <typename T>
inline Vector<T> relu(Vector<T> x) {
  const Vector<T> zero = {};
  return x < zero ? zero : x;  // Keeps nan.
}

// Rounded up to whole vectors.
template <typename T>
inline long padded(long count) {
  return (count + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// Numbers of a kernel's own, all zero at first.
template <typename T>
class Buffer {
 public:
  explicit Buffer(long count) : count_(padded<T>(count)) {
    numbers_ = static_cast<T*>(std::aligned_alloc(64, bytes()));
    clear();
  }
  ~Buffer() { std::free(numbers_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void clear() { std::memset(numbers_, 0, bytes()); }
  T* data() { return numbers_; }
  const T* data() const { return numbers_; }
  T& operator[](long i) { return numbers_[i]; }
  const T& operator[](long i) const { return numbers_[i]; }

 private:
  size_t bytes() const { return (count_ ? count_ : kLanes<T>) * sizeof(T); }

  long count_;
  T* numbers_;
};

}  // namespace atdarts
