// A thin layer over TensorFlow's interface in C: attributes, inputs and outputs.
#pragma once

#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "failures.h"

namespace atdarts {

// No more edges or tensors, and no more channels, so that what is made of products of
// these numbers cannot overflow.
constexpr int64_t kMostTensors = 1 << 20, kMostChannels = 1 << 20;

// What a kernel is told when the graph is made.
class Attributes {
 public:
  explicit Attributes(TF_OpKernelConstruction* construction)
      : construction_(construction) {}

  long integer(const char* name, int64_t least, int64_t most = kMostTensors) {
    int64_t value = 0;
    TF_OpKernelConstruction_GetAttrInt64(construction_, name, &value, status_.get());
    status_.check();
    require(value >= least && value <= most, "`", name, "` must be from ", least,
            " to ", most, ", received ", value, ".");
    return value;
  }
  bool boolean(const char* name) {
    unsigned char value = 0;
    TF_OpKernelConstruction_GetAttrBool(construction_, name, &value, status_.get());
    status_.check();
    return value;
  }
  std::vector<int64_t> integers(const char* name) {
    int32_t count = 0, total = 0;
    TF_OpKernelConstruction_GetAttrSize(construction_, name, &count, &total,
                                        status_.get());
    status_.check();
    std::vector<int64_t> values(count);
    if (values.empty()) return values;
    TF_OpKernelConstruction_GetAttrInt64List(construction_, name, values.data(), count,
                                             status_.get());
    status_.check();
    return values;
  }

 private:
  TF_OpKernelConstruction* construction_;
  Status status_;
};

// How many edges there are, and how many tensors they read.
struct EdgesAttributes {
  explicit EdgesAttributes(Attributes& attributes)
      : edges(attributes.integer("E", 1)), num_tensors(attributes.integer("N", 1)) {
    require(num_tensors == 1 || num_tensors == edges,
            "`tensors` must be 1, or 1 for each of ", edges, " edges, received ",
            num_tensors, ".");
  }

  const long edges;
  const long num_tensors;  // 1: all edges read the same tensor.
};

// A tensor that a kernel is given, by its name in the operation's definition.
template <typename T>
struct Input {
  const char* name;
  TF_Tensor* tensor;
  Sizes sizes;
  const T* numbers;

  void expect_sizes(const Sizes& expected) const {
    require(sizes == expected, "`", name, "` must have the shape ", expected,
            ", received ", sizes, ".");
  }
  void expect_rank(size_t rank) const {
    require(sizes.size() == rank, "`", name, "` must have ", rank,
            " axes, received the shape ", sizes, ".");
  }
  // `(batch, ..., channels)`; the batch may be empty.
  void expect_pixels() const {
    require(sizes.size() >= 2, "`", name,
            "` must be `(batch, ..., channels)`, received the shape ", sizes, ".");
    for (size_t axis = 1; axis < sizes.size(); ++axis) {
      require(sizes[axis] > 0, "`", name,
              "` must have pixels and channels, received the shape ", sizes, ".");
    }
    require(sizes.back() <= kMostChannels, "`", name, "` must have up to ",
            kMostChannels, " channels, received the shape ", sizes, ".");
  }
  T scalar() const {
    expect_sizes({});
    return *numbers;
  }
};

template <typename T>
using Inputs = std::vector<Input<T>>;

template <typename T>
void expect_sizes(const Inputs<T>& inputs, const Sizes& expected) {
  for (const Input<T>& input : inputs) input.expect_sizes(expected);
}

template <typename T>
std::vector<const T*> numbers(const Inputs<T>& inputs) {
  std::vector<const T*> result;
  for (const Input<T>& input : inputs) result.push_back(input.numbers);
  return result;
}

inline long count(const Sizes& sizes) {
  long product = 1;
  for (int64_t size : sizes) product *= size;
  return product;
}

template <typename T>
constexpr TF_DataType kType = std::is_same_v<T, float> ? TF_FLOAT : TF_DOUBLE;

// The tensors of one call of a kernel, in the order of the operation's definition. All
// inputs are to be checked before the first output: its size is what they say.
template <typename T>
class Tensors {
 public:
  explicit Tensors(TF_OpKernelContext* context) : context_(context) {}

  Input<T> input(const char* name) {
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context_, next_input_++, &tensor, status_.get());
    keep(tensor);
    status_.check();
    Sizes sizes;
    for (int axis = 0; axis < TF_NumDims(tensor); ++axis) {
      sizes.push_back(TF_Dim(tensor, axis));
    }
    return {name, tensor, sizes, static_cast<const T*>(TF_TensorData(tensor))};
  }
  Inputs<T> inputs(const char* name, long count) {
    Inputs<T> result;
    for (long i = 0; i < count; ++i) result.push_back(input(name));
    return result;
  }

  T* output(const Sizes& sizes) {
    // TensorFlow ends the process if the size overflows, instead of failing. Doubles
    // do not overflow.
    double bytes = sizeof(T);
    for (int64_t size : sizes) bytes *= size;
    if (!(bytes < kMostBytes)) {
      throw Failure(TF_RESOURCE_EXHAUSTED, "A result would be too large.");
    }
    TF_Tensor* tensor =
        TF_AllocateOutput(context_, next_output_++, kType<T>, sizes.data(),
                          sizes.size(), sizeof(T) * count(sizes), status_.get());
    keep(tensor);
    status_.check();
    return static_cast<T*>(TF_TensorData(tensor));
  }
  std::vector<T*> outputs(long count, const Sizes& sizes) {
    std::vector<T*> result;
    for (long i = 0; i < count; ++i) result.push_back(output(sizes));
    return result;
  }
  // The next output is the same memory as an input.
  void forward(const Input<T>& input) {
    TF_SetOutput(context_, next_output_++, input.tensor, status_.get());
    status_.check();
  }

 private:
  struct Delete {
    void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
  };
  using Owner = std::unique_ptr<TF_Tensor, Delete>;

  void keep(TF_Tensor* tensor) {
    Owner owner(tensor);
    if (owner != nullptr) open_.push_back(std::move(owner));
  }

  static constexpr double kMostBytes = 1e18;
  TF_OpKernelContext* context_;
  Status status_;
  std::vector<Owner> open_;
  int next_input_ = 0, next_output_ = 0;
};

// `Kernel` is made of `Attributes` and has `compute(Tensors<T>&)`.
template <template <typename> class Kernel, typename T>
void register_kernel(const char* name) {
  TF_KernelBuilder* builder = TF_NewKernelBuilder(
      name, "CPU",
      [](TF_OpKernelConstruction* construction) -> void* {
        Kernel<T>* kernel = nullptr;
        reporting(
            [&] {
              Attributes attributes(construction);
              kernel = new Kernel<T>(attributes);
            },
            [&](TF_Status* status) {
              TF_OpKernelConstruction_Failure(construction, status);
            });
        return kernel;
      },
      [](void* kernel, TF_OpKernelContext* context) {
        reporting(
            [&] {
              Tensors<T> tensors(context);
              static_cast<const Kernel<T>*>(kernel)->compute(tensors);
            },
            [&](TF_Status* status) { TF_OpKernelContext_Failure(context, status); });
      },
      [](void* kernel) { delete static_cast<Kernel<T>*>(kernel); });
  Status status;
  TF_KernelBuilder_TypeConstraint(builder, "T", kType<T>, status.get());
  status.check();
  TF_RegisterKernelBuilder(name, builder, status.get());
  status.check();
}

// Registers an operation and its kernels, see `register_kernel`.
template <template <typename> class Kernel>
void register_operation(const char* name, std::initializer_list<const char*> inputs,
                        std::initializer_list<const char*> outputs,
                        std::initializer_list<const char*> attributes) {
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(name);
  for (auto attribute : attributes) {
    TF_OpDefinitionBuilderAddAttr(definition, attribute);
  }
  TF_OpDefinitionBuilderAddAttr(definition, "T: {float, double}");
  for (auto input : inputs) TF_OpDefinitionBuilderAddInput(definition, input);
  for (auto output : outputs) TF_OpDefinitionBuilderAddOutput(definition, output);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(
      definition, TF_ShapeInferenceContextSetUnknownShape);
  Status status;
  TF_RegisterOpDefinition(definition, status.get());
  status.check();
  register_kernel<Kernel, float>(name);
  register_kernel<Kernel, double>(name);
}

}  // namespace atdarts
