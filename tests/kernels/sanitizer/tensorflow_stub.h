// A TensorFlow of a few hundred lines: what keras_atdarts/kernels/native/source calls,
// see tensorflow_api.h there.
//
// Every tensor is a block of exactly its size, so that the address sanitizer sees
// whatever is read or written beyond it. The numbers of results begin as marks: it is
// seen which of them were never written.
#pragma once

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow_api.h"

using Numbers = std::vector<int64_t>;

constexpr int kNotFound = 5, kOutOfRange = 11;  // Codes, as TensorFlow has them.

// How many objects the kernels hold: none, after a call.
inline long& open_objects() {
  static long count = 0;
  return count;
}

struct TF_Status {
  TF_Code code = TF_OK;
  std::string message;
};

struct TF_Tensor {
  TF_DataType type;
  Numbers sizes;
  std::shared_ptr<void> numbers;  // Null, if there are none.

  TF_Tensor(TF_DataType type, const Numbers& sizes) : type(type), sizes(sizes) {
    if (bytes() > 0) numbers = {std::malloc(bytes()), std::free};
  }
  size_t count() const {
    size_t product = 1;
    for (int64_t size : sizes) product *= size;
    return product;
  }
  size_t bytes() const { return count() * (type == TF_FLOAT ? 4 : 8); }
};

struct TF_OpKernelConstruction {
  std::map<std::string, Numbers> attributes;
  TF_Status failure;
};

struct TF_OpKernelContext {
  std::vector<TF_Tensor> inputs;
  std::vector<std::unique_ptr<TF_Tensor>> outputs;
  int failing_output = -1;  // For which there is no memory.
  TF_Status failure;
};

struct TF_OpDefinitionBuilder {
  std::string name;
  std::vector<std::string> attributes, inputs, outputs;
};

struct TF_KernelBuilder {
  void* (*create)(TF_OpKernelConstruction*);
  void (*compute)(void*, TF_OpKernelContext*);
  void (*destroy)(void*);
  TF_DataType type;
};

// What was registered.
struct Registry {
  static Registry& get() {
    static Registry registry;
    return registry;
  }
  std::map<std::string, TF_OpDefinitionBuilder> definitions;
  std::map<std::pair<std::string, TF_DataType>, TF_KernelBuilder> kernels;
};

inline void set_status(TF_Status* status, int code, const std::string& message) {
  status->code = TF_Code(code);
  status->message = message;
}

inline const Numbers* find_attribute(TF_OpKernelConstruction* construction,
                                     const char* name, TF_Status* status) {
  const auto found = construction->attributes.find(name);
  const bool is_there = found != construction->attributes.end();
  set_status(status, is_there ? TF_OK : kNotFound,
             is_there ? "" : std::string("There is no attribute ") + name);
  return is_there ? &found->second : nullptr;
}

extern "C" {

TF_Status* TF_NewStatus(void) {
  ++open_objects();
  return new TF_Status;
}
void TF_DeleteStatus(TF_Status* status) {
  --open_objects();
  delete status;
}
void TF_SetStatus(TF_Status* status, TF_Code code, const char* message) {
  set_status(status, code, message);
}
TF_Code TF_GetCode(const TF_Status* status) { return status->code; }
const char* TF_Message(const TF_Status* status) { return status->message.c_str(); }

TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char* name) {
  return new TF_OpDefinitionBuilder{name, {}, {}, {}};
}
void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder* builder, const char* text) {
  builder->attributes.push_back(text);
}
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder* builder, const char* text) {
  builder->inputs.push_back(text);
}
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder* builder,
                                     const char* text) {
  builder->outputs.push_back(text);
}
void TF_OpDefinitionBuilderSetShapeInferenceFunction(
    TF_OpDefinitionBuilder*, void (*)(TF_ShapeInferenceContext*, TF_Status*)) {}
void TF_ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext*, TF_Status*) {}
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder* builder, TF_Status* status) {
  set_status(status, TF_OK, "");
  Registry::get().definitions[builder->name] = *builder;
  delete builder;
}

TF_KernelBuilder* TF_NewKernelBuilder(const char*, const char*,
                                      void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*),
                                      void (*destroy)(void*)) {
  return new TF_KernelBuilder{create, compute, destroy, TF_FLOAT};
}
void TF_KernelBuilder_TypeConstraint(TF_KernelBuilder* builder, const char*,
                                     TF_DataType type, TF_Status* status) {
  set_status(status, TF_OK, "");
  builder->type = type;
}
void TF_RegisterKernelBuilder(const char* name, TF_KernelBuilder* builder,
                              TF_Status* status) {
  set_status(status, TF_OK, "");
  Registry::get().kernels.insert({{name, builder->type}, *builder});
  delete builder;
}

void TF_OpKernelConstruction_GetAttrInt64(TF_OpKernelConstruction* construction,
                                          const char* name, int64_t* value,
                                          TF_Status* status) {
  const Numbers* found = find_attribute(construction, name, status);
  if (found != nullptr) *value = found->at(0);
}
void TF_OpKernelConstruction_GetAttrBool(TF_OpKernelConstruction* construction,
                                         const char* name, unsigned char* value,
                                         TF_Status* status) {
  const Numbers* found = find_attribute(construction, name, status);
  if (found != nullptr) *value = found->at(0);
}
void TF_OpKernelConstruction_GetAttrSize(TF_OpKernelConstruction* construction,
                                         const char* name, int32_t* list_size,
                                         int32_t* total_size, TF_Status* status) {
  const Numbers* found = find_attribute(construction, name, status);
  if (found != nullptr) *list_size = *total_size = found->size();
}
void TF_OpKernelConstruction_GetAttrInt64List(TF_OpKernelConstruction* construction,
                                              const char* name, int64_t* values,
                                              int max_values, TF_Status* status) {
  const Numbers* found = find_attribute(construction, name, status);
  for (int i = 0; found != nullptr && i < max_values; ++i) values[i] = found->at(i);
}
void TF_OpKernelConstruction_Failure(TF_OpKernelConstruction* construction,
                                     TF_Status* status) {
  construction->failure = *status;
}

void TF_GetInput(TF_OpKernelContext* context, int index, TF_Tensor** tensor,
                 TF_Status* status) {
  if (index < 0 || index >= int(context->inputs.size())) {
    return set_status(status, kOutOfRange, "There is no such input.");
  }
  set_status(status, TF_OK, "");
  ++open_objects();
  *tensor = new TF_Tensor(context->inputs[index]);
}
void TF_SetOutput(TF_OpKernelContext* context, int index, const TF_Tensor* tensor,
                  TF_Status* status) {
  set_status(status, TF_OK, "");
  if (int(context->outputs.size()) <= index) context->outputs.resize(index + 1);
  context->outputs[index] = std::make_unique<TF_Tensor>(*tensor);
}
TF_Tensor* TF_AllocateOutput(TF_OpKernelContext* context, int index, TF_DataType type,
                             const int64_t* sizes, int rank, size_t bytes,
                             TF_Status* status) {
  const TF_Tensor tensor(type, Numbers(sizes, sizes + rank));
  if (index == context->failing_output || bytes != tensor.bytes()) {
    set_status(status, TF_RESOURCE_EXHAUSTED, "There is no memory for a result.");
    return nullptr;
  }
  if (bytes > 0) std::memset(tensor.numbers.get(), 0xff, bytes);
  TF_SetOutput(context, index, &tensor, status);
  ++open_objects();
  return new TF_Tensor(tensor);
}
void TF_OpKernelContext_Failure(TF_OpKernelContext* context, TF_Status* status) {
  context->failure = *status;
}

int TF_NumDims(const TF_Tensor* tensor) { return tensor->sizes.size(); }
int64_t TF_Dim(const TF_Tensor* tensor, int axis) { return tensor->sizes.at(axis); }
void* TF_TensorData(const TF_Tensor* tensor) { return tensor->numbers.get(); }
void TF_DeleteTensor(TF_Tensor* tensor) {
  --open_objects();
  delete tensor;
}

}  // extern "C"
