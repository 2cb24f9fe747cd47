// A thin layer over TensorFlow's interface in C: attributes, inputs and outputs.
#pragma once

#include <initializer_list>
#include <vector>

#include "tensorflow_api.h"

namespace atdarts {

// A status that is freed, and told to whom it concerns.
class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;
  TF_Status* get() { return status_; }
  bool ok() const { return TF_GetCode(status_) == TF_OK; }

 private:
  TF_Status* status_;
};

// What a kernel is told when the graph is made.
class Attributes {
 public:
  explicit Attributes(TF_OpKernelConstruction* construction)
      : construction_(construction) {}
  ~Attributes() {
    if (!status_.ok()) TF_OpKernelConstruction_Failure(construction_, status_.get());
  }

  long integer(const char* name) {
    int64_t value = 0;
    if (!status_.ok()) return value;
    TF_OpKernelConstruction_GetAttrInt64(construction_, name, &value, status_.get());
    return value;
  }
  bool boolean(const char* name) {
    unsigned char value = 0;
    if (!status_.ok()) return value;
    TF_OpKernelConstruction_GetAttrBool(construction_, name, &value, status_.get());
    return value;
  }
  std::vector<int64_t> integers(const char* name) {
    int32_t count = 0, total = 0;
    if (!status_.ok()) return {};
    TF_OpKernelConstruction_GetAttrSize(construction_, name, &count, &total,
                                        status_.get());
    std::vector<int64_t> values(status_.ok() ? count : 0);
    if (values.empty()) return values;
    TF_OpKernelConstruction_GetAttrInt64List(construction_, name, values.data(), count,
                                             status_.get());
    return values;
  }

 private:
  TF_OpKernelConstruction* construction_;
  Status status_;
};

// The tensors of one call of a kernel, in the order of the operation's definition.
template <typename T>
class Tensors {
 public:
  explicit Tensors(TF_OpKernelContext* context) : context_(context) {}
  ~Tensors() {
    if (!status_.ok()) TF_OpKernelContext_Failure(context_, status_.get());
    for (TF_Tensor* tensor : open_) TF_DeleteTensor(tensor);
  }
  Tensors(const Tensors&) = delete;
  Tensors& operator=(const Tensors&) = delete;

  // Of the next input.
  TF_Tensor* input() {
    if (!ok()) return nullptr;  // The next call would forget the status.
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context_, next_input_++, &tensor, status_.get());
    if (tensor != nullptr) open_.push_back(tensor);
    return tensor;
  }
  std::vector<TF_Tensor*> inputs(long count) {
    std::vector<TF_Tensor*> tensors;
    for (long i = 0; i < count; ++i) tensors.push_back(input());
    return tensors;
  }
  // Of the next output.
  T* output(const std::vector<int64_t>& sizes) {
    if (!ok()) return nullptr;
    size_t bytes = sizeof(T);
    for (int64_t size : sizes) bytes *= size;
    const TF_DataType type = sizeof(T) == sizeof(float) ? TF_FLOAT : TF_DOUBLE;
    TF_Tensor* tensor = TF_AllocateOutput(context_, next_output_++, type, sizes.data(),
                                          sizes.size(), bytes, status_.get());
    if (tensor == nullptr) return nullptr;
    open_.push_back(tensor);
    return static_cast<T*>(TF_TensorData(tensor));
  }
  std::vector<T*> outputs(long count, const std::vector<int64_t>& sizes) {
    std::vector<T*> numbers;
    for (long i = 0; i < count; ++i) numbers.push_back(output(sizes));
    return numbers;
  }
  // The next output is the same memory as an input.
  void forward(TF_Tensor* tensor) {
    if (ok()) TF_SetOutput(context_, next_output_++, tensor, status_.get());
  }

  bool ok() const { return status_.ok(); }
  // Returns whether a condition holds; if not, the call fails with a message.
  bool expect(bool condition, const char* message) {
    if (!condition && ok()) TF_SetStatus(status_.get(), TF_INVALID_ARGUMENT, message);
    return ok();
  }

 private:
  TF_OpKernelContext* context_;
  Status status_;
  std::vector<TF_Tensor*> open_;
  int next_input_ = 0, next_output_ = 0;
};

template <typename T>
const T* numbers(const TF_Tensor* tensor) {
  return static_cast<const T*>(TF_TensorData(tensor));
}

template <typename T>
std::vector<const T*> numbers(const std::vector<TF_Tensor*>& tensors) {
  std::vector<const T*> result;
  for (const TF_Tensor* tensor : tensors) result.push_back(numbers<T>(tensor));
  return result;
}

inline std::vector<int64_t> sizes_of(const TF_Tensor* tensor) {
  std::vector<int64_t> sizes;
  for (int axis = 0; axis < TF_NumDims(tensor); ++axis) {
    sizes.push_back(TF_Dim(tensor, axis));
  }
  return sizes;
}

inline long count(const std::vector<int64_t>& sizes) {
  long product = 1;
  for (int64_t size : sizes) product *= size;
  return product;
}

inline bool have_sizes(const std::vector<TF_Tensor*>& tensors,
                       const std::vector<int64_t>& sizes) {
  for (const TF_Tensor* tensor : tensors) {
    if (sizes_of(tensor) != sizes) return false;
  }
  return true;
}

// `Kernel` is made of `Attributes` and has `compute(TF_OpKernelContext*)`.
template <typename Kernel>
void register_kernel(const char* name, TF_DataType type) {
  Status status;
  TF_KernelBuilder* builder = TF_NewKernelBuilder(
      name, "CPU",
      [](TF_OpKernelConstruction* construction) -> void* {
        Attributes attributes(construction);
        return new Kernel(attributes);
      },
      [](void* kernel, TF_OpKernelContext* context) {
        static_cast<const Kernel*>(kernel)->compute(context);
      },
      [](void* kernel) { delete static_cast<Kernel*>(kernel); });
  TF_KernelBuilder_TypeConstraint(builder, "T", type, status.get());
  TF_RegisterKernelBuilder(name, builder, status.get());
}

// Registers an operation and its kernels, see `register_kernel`.
template <template <typename> class Kernel>
void register_operation(const char* name, std::initializer_list<const char*> inputs,
                        std::initializer_list<const char*> outputs,
                        std::initializer_list<const char*> attributes) {
  Status status;
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(name);
  for (auto attribute : attributes) {
    TF_OpDefinitionBuilderAddAttr(definition, attribute);
  }
  TF_OpDefinitionBuilderAddAttr(definition, "T: {float, double}");
  for (auto input : inputs) TF_OpDefinitionBuilderAddInput(definition, input);
  for (auto output : outputs) TF_OpDefinitionBuilderAddOutput(definition, output);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(
      definition, TF_ShapeInferenceContextSetUnknownShape);
  TF_RegisterOpDefinition(definition, status.get());
  register_kernel<Kernel<float>>(name, TF_FLOAT);
  register_kernel<Kernel<double>>(name, TF_DOUBLE);
}

}  // namespace atdarts
