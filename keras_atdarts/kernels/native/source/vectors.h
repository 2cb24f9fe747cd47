// Vectors as wide as the registers, and memory that is aligned to them. Wider ones
// would be split by the compiler, which takes them through memory: ten times slower.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace atdarts {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kRegisters = 32;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kRegisters = 16;
#else  // NEON, SSE.
constexpr int kVectorBytes = 16, kRegisters = 16;
#endif

template <typename T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};

template <typename T>
using Vector = typename VectorOf<T>::type;

template <typename T>
constexpr int kLanes = kVectorBytes / sizeof(T);

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

// Large blocks of memory that a thread has used before. The system would take them
// back at once, and be asked for them again by the next kernel, page by page.
//
// A thread keeps up to `kMost` of them and `kMostBytes` in all, until it ends; the
// oldest go first. TensorFlow's threads live as long as the process, so these bounds
// times the number of threads are what stays in memory between two kernels.
class Blocks {
 public:
  static Blocks& of_thread() {
    static thread_local Blocks blocks;
    return blocks;
  }
  Blocks() { free_.reserve(kMost + 1); }  // `give` runs in destructors: it cannot fail.
  ~Blocks() {
    for (const Block& block : free_) std::free(block.memory);
  }

  void* take(size_t bytes) {
    for (Block& block : free_) {
      if (block.bytes != bytes) continue;
      void* memory = block.memory;
      kept_bytes_ -= bytes;
      free_.erase(free_.begin() + (&block - free_.data()));
      return memory;
    }
    void* memory = std::aligned_alloc(kVectorBytes, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }
  void give(void* memory, size_t bytes) {
    if (bytes < kLarge || bytes > kMostBytes) return std::free(memory);
    free_.push_back({memory, bytes});
    kept_bytes_ += bytes;
    while (free_.size() > kMost || kept_bytes_ > kMostBytes) {
      std::free(free_.front().memory);  // Of other sizes than now, probably.
      kept_bytes_ -= free_.front().bytes;
      free_.erase(free_.begin());
    }
  }

 private:
  struct Block {
    void* memory;
    size_t bytes;
  };
  static constexpr size_t kLarge = 1 << 15, kMost = 32, kMostBytes = 1 << 26;
  std::vector<Block> free_;
  size_t kept_bytes_ = 0;
};

// Numbers of a kernel's own, all zero at first.
template <typename T>
class Buffer {
 public:
  explicit Buffer(long count)
      : count_(std::max<long>(padded<T>(count), kLanes<T>)),
        numbers_(static_cast<T*>(Blocks::of_thread().take(bytes()))) {
    clear();
  }
  ~Buffer() { Blocks::of_thread().give(numbers_, bytes()); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void clear() { std::memset(numbers_, 0, bytes()); }
  T* data() { return numbers_; }
  const T* data() const { return numbers_; }
  T& operator[](long i) { return numbers_[i]; }
  const T& operator[](long i) const { return numbers_[i]; }

 private:
  size_t bytes() const { return count_ * sizeof(T); }

  const long count_;
  T* const numbers_;
};

}  // namespace atdarts
