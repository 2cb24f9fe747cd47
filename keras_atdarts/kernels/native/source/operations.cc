// The operations that TensorFlow gets. What each means is said where Python wraps it,
// in ../backend.py.

#include <cstdio>

#include "line_operations.h"
#include "pool_operations.h"
#include "stage_operations.h"

namespace atdarts {
namespace {

void register_operations() {
  register_operation<Stage>(
      "AtdartsStage",
      {"tensors: N * T", "lines: L * T", "depthwise: T", "pointwise: T", "scales: T",
       "offsets: T", "epsilon: T", "learning: T"},
      {"results: E * T", "line: T", "statistics: T", "kept: T"},
      {"N: int >= 1", "L: int >= 0", "E: int >= 1", "strides: int", "dilation: int"});
  register_operation<StageGradient>(
      "AtdartsStageGradient",
      {"slopes: E * T", "tensors: N * T", "lines: L * T", "depthwise: T",
       "pointwise: T", "scales: T", "results: E * T", "kept: T", "learning: T"},
      {"of_tensors: N * T", "of_depthwise: T", "of_pointwise: T", "of_scales: T",
       "of_offsets: T"},
      {"N: int >= 1", "L: int >= 0", "E: int >= 1", "strides: int", "dilation: int"});
  register_operation<Normalize>(
      "AtdartsNormalize", {"tensors: N * T", "scales: T", "offsets: T", "epsilon: T"},
      {"results: E * T", "line: T", "statistics: T", "kept: T"},
      {"N: int >= 1", "E: int >= 1", "has_statistics: bool"});
  register_operation<NormalizeGradient>(
      "AtdartsNormalizeGradient",
      {"slopes: E * T", "tensors: N * T", "scales: T", "kept: T"},
      {"of_tensors: N * T", "of_scales: T", "of_offsets: T"},
      {"N: int >= 1", "E: int >= 1", "has_statistics: bool"});
  register_operation<SumOfLines>(
      "AtdartsSumOfLines", {"tensors: N * T", "lines: L * T"}, {"result: T"},
      {"N: int >= 1", "L: int >= 0", "line_of: list(int)", "row_of: list(int)"});
  register_operation<Pool>("AtdartsPool", {"images: T"}, {"result: T"},
                           {"strides: int", "maximum: bool"});
  register_operation<PoolGradient>("AtdartsPoolGradient", {"slopes: T", "images: T"},
                                   {"of_images: T"}, {"strides: int", "maximum: bool"});
}

// Runs when TensorFlow loads the library. What cannot be registered is missing then,
// and TensorFlow says so where it is called.
const bool registered = [] {
  bool all = true;
  reporting(register_operations, [&](TF_Status* status) {
    all = false;
    std::fprintf(stderr, "keras_atdarts: the kernels were not registered: %s\n",
                 TF_Message(status));
  });
  return all;
}();

}  // namespace
}  // namespace atdarts
