// Calls of the kernels as TensorFlow makes them, and what comes of them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tensorflow_stub.h"

// The same numbers on every machine.
struct Random {
  int64_t between(int64_t least, int64_t most) {
    return least + int64_t(generator() % uint64_t(most - least + 1));
  }
  bool chance(int percent) { return between(1, 100) <= percent; }
  template <typename T>
  T one_of(const std::vector<T>& values) {
    return values[between(0, values.size() - 1)];
  }
  TF_Tensor tensor(TF_DataType type, const Numbers& sizes) {
    TF_Tensor tensor(type, sizes);
    for (size_t i = 0; i < tensor.count(); ++i) {
      const double number = between(-1000, 1000) / 500.0;
      if (type == TF_FLOAT) {
        static_cast<float*>(tensor.numbers.get())[i] = number;
      } else {
        static_cast<double*>(tensor.numbers.get())[i] = number;
      }
    }
    return tensor;
  }
  std::vector<TF_Tensor> tensors(int64_t count, TF_DataType type,
                                 const Numbers& sizes) {
    std::vector<TF_Tensor> result;
    for (int64_t i = 0; i < count; ++i) result.push_back(tensor(type, sizes));
    return result;
  }

  std::mt19937_64 generator;
};

struct Call {
  std::string name;
  TF_DataType type;
  std::map<std::string, Numbers> attributes;
  std::vector<TF_Tensor> inputs;
  int failing_output = -1;

  void add(const TF_Tensor& tensor) { inputs.push_back(tensor); }
  void add(const std::vector<TF_Tensor>& tensors) {
    inputs.insert(inputs.end(), tensors.begin(), tensors.end());
  }
};

inline std::string written(const Numbers& numbers) {
  std::string text = "(";
  for (int64_t number : numbers) text += std::to_string(number) + ", ";
  return text + ")";
}

inline std::string written(const Call& call) {
  std::string text = call.name + (call.type == TF_FLOAT ? " float" : " double");
  for (const auto& [name, values] : call.attributes) {
    text += " " + name + "=" + written(values);
  }
  for (const TF_Tensor& input : call.inputs) text += " " + written(input.sizes);
  return text;
}

[[noreturn]] inline void stop(const Call& call, const std::string& reason) {
  std::fprintf(stderr, "%s\n%s\n", written(call).c_str(), reason.c_str());
  std::exit(1);
}

struct Outcome {
  TF_Status status;
  std::vector<TF_Tensor> outputs;
};

// Returns how many tensors some texts like "results: E * T" stand for.
inline int64_t count_tensors(const std::vector<std::string>& texts,
                             std::map<std::string, Numbers> attributes) {
  int64_t count = 0;
  for (const std::string& text : texts) {
    const size_t begin = text.find(": ") + 2, end = text.find(" * ");
    count += end == std::string::npos
                 ? 1
                 : attributes.at(text.substr(begin, end - begin)).at(0);
  }
  return count;
}

inline bool is_written(const TF_Tensor& tensor) {
  const size_t size = tensor.type == TF_FLOAT ? 4 : 8;
  const std::string mark(size, '\xff');
  const char* numbers = static_cast<const char*>(tensor.numbers.get());
  for (size_t at = 0; at < tensor.bytes(); at += size) {
    if (std::memcmp(numbers + at, mark.data(), size) == 0) return false;
  }
  return true;
}

// Runs a call. If it succeeds, all its results must be there and be written.
inline Outcome run(const Call& call) {
  const TF_KernelBuilder& builder = Registry::get().kernels.at({call.name, call.type});
  TF_OpKernelConstruction construction{call.attributes, {}};
  void* kernel = builder.create(&construction);
  TF_OpKernelContext context{call.inputs, {}, call.failing_output, {}};
  if (construction.failure.code == TF_OK) builder.compute(kernel, &context);
  builder.destroy(kernel);
  if (open_objects() != 0) stop(call, "Tensors or statuses were not deleted.");
  Outcome outcome{construction.failure, {}};
  if (outcome.status.code != TF_OK) return outcome;
  outcome.status = context.failure;
  if (outcome.status.code != TF_OK) return outcome;
  const auto& texts = Registry::get().definitions.at(call.name).outputs;
  if (int64_t(context.outputs.size()) != count_tensors(texts, call.attributes)) {
    stop(call, "This is not the number of results that the definition has.");
  }
  for (const auto& output : context.outputs) {
    if (output == nullptr) stop(call, "A result is missing.");
    if (!is_written(*output)) stop(call, "Not all numbers of a result are written.");
    outcome.outputs.push_back(*output);
  }
  return outcome;
}

// Runs a call that must succeed.
inline std::vector<TF_Tensor> results(const Call& call) {
  const Outcome outcome = run(call);
  if (outcome.status.code != TF_OK) stop(call, outcome.status.message);
  return outcome.outputs;
}
