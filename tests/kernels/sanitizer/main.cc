// Runs all kernels, on odd shapes and on calls that they must refuse.
//
// `make sanitize` compiles this together with the kernels, under the sanitizers of
// addresses and of undefined behaviour. A report of theirs ends it, as does a call that
// does not do what it should.

#include <algorithm>
#include <limits>

#include "calls.h"

// So that too much memory is refused, and not looked for.
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1:max_allocation_size_mb=256";
}
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }

namespace {

TF_DataType draw_type(Random& random) {
  return random.chance(50) ? TF_FLOAT : TF_DOUBLE;
}

int64_t draw_batch(Random& random) {
  return random.one_of<int64_t>({0, 1, 1, 2, 3, 4, 5, 8});
}

// Few channels often: several images stand side by side then.
int64_t draw_channels(Random& random) {
  return random.chance(40) ? random.between(1, 8) : random.between(1, 40);
}

Numbers draw_scales(Random& random, int64_t edges, int64_t channels) {
  return random.chance(30) ? Numbers{edges} : Numbers{edges, channels};
}

// Each of these returns a call and its gradient.
using Pair = std::vector<Call>;

struct StageSizes {
  int64_t batch, height, width, channels, filters, edges, kernel, strides, dilation;
  bool is_shared, reads_lines;
};

StageSizes draw_stage(Random& random) {
  StageSizes sizes = {draw_batch(random),     random.between(1, 9),
                      random.between(1, 9),   draw_channels(random),
                      draw_channels(random),  random.between(1, 4),
                      random.one_of<int64_t>({0, 1, 3, 3, 5, 5, 7, 9}),
                      random.between(1, 3),   random.between(1, 3),
                      random.chance(40),      random.chance(50)};
  if (sizes.kernel == 0) sizes.strides = 1;
  return sizes;
}

Pair stage(Random& random, const StageSizes& sizes, const Numbers& scales_sizes,
           TF_DataType type) {
  const int64_t count = sizes.is_shared ? 1 : sizes.edges;
  const int64_t lines = sizes.reads_lines;
  const Numbers of_results = {
      sizes.batch, (sizes.height + sizes.strides - 1) / sizes.strides,
      (sizes.width + sizes.strides - 1) / sizes.strides, sizes.filters};
  Call call = {"AtdartsStage",
               type,
               {{"N", {count}},
                {"L", {lines}},
                {"E", {sizes.edges}},
                {"strides", {sizes.strides}},
                {"dilation", {sizes.dilation}}},
               {}};
  Call gradient = call;
  gradient.name = "AtdartsStageGradient";
  const auto scales = random.tensor(type, scales_sizes);
  const auto learning = random.tensor(type, {});
  call.add(random.tensors(
      count, type, {sizes.batch, sizes.height, sizes.width, sizes.channels}));
  call.add(random.tensors(lines, type, {3, sizes.edges, sizes.channels}));
  call.add(random.tensor(
      type, {sizes.edges, sizes.kernel, sizes.kernel, sizes.channels, 1}));
  call.add(random.tensor(type, {sizes.edges, sizes.channels, sizes.filters}));
  gradient.add(random.tensors(sizes.edges, type, of_results));
  gradient.add(call.inputs);
  gradient.add(scales);
  call.add(scales);
  call.add(random.tensor(type, scales_sizes));
  call.add(random.tensor(type, {}));
  call.add(learning);
  const auto outputs = results(call);
  for (int64_t edge = 0; edge < sizes.edges; ++edge) gradient.add(outputs[edge]);
  gradient.add(outputs.back());
  gradient.add(learning);
  return {call, gradient};
}

Pair normalize(Random& random, const Numbers& sizes, int64_t edges, bool is_shared,
               const Numbers& scales_sizes, TF_DataType type) {
  const int64_t count = is_shared ? 1 : edges;
  const int64_t has_statistics = random.chance(50);
  Call call = {"AtdartsNormalize",
               type,
               {{"N", {count}}, {"E", {edges}}, {"has_statistics", {has_statistics}}},
               {}};
  Call gradient = call;
  gradient.name = "AtdartsNormalizeGradient";
  call.add(random.tensors(count, type, sizes));
  call.add(random.tensor(type, scales_sizes));
  gradient.add(random.tensors(edges, type, sizes));
  gradient.add(call.inputs);
  call.add(random.tensor(type, scales_sizes));
  call.add(random.tensor(type, {}));
  gradient.add(results(call).back());
  return {call, gradient};
}

Pair pool(Random& random, const Numbers& sizes, int64_t strides, bool is_maximum,
          TF_DataType type) {
  Call call = {"AtdartsPool",
               type,
               {{"strides", {strides}}, {"maximum", {is_maximum}}},
               random.tensors(1, type, sizes)};
  Call gradient = call;
  gradient.name = "AtdartsPoolGradient";
  gradient.inputs = {random.tensor(type, results(call)[0].sizes), call.inputs[0]};
  return {call, gradient};
}

// The gradient of a sum needs no kernel.
Pair sum(Random& random, const Numbers& sizes, int64_t count, int64_t lines,
         TF_DataType type) {
  Call call = {"AtdartsSumOfLines", type, {{"N", {count}}, {"L", {lines}}}, {}};
  call.add(random.tensors(count, type, sizes));
  for (int64_t i = 0; i < lines; ++i) {
    call.add(random.tensor(type, {3, random.between(1, 4), sizes.back()}));
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t line = random.between(-1, lines - 1);
    const int64_t edges = line < 0 ? 1 : call.inputs[count + line].sizes[1];
    call.attributes["line_of"].push_back(line);
    call.attributes["row_of"].push_back(random.between(0, edges - 1));
  }
  return {call};
}

Pair draw_pair(Random& random) {
  const TF_DataType type = draw_type(random);
  if (random.chance(55)) {
    const StageSizes of_stage = draw_stage(random);
    const Numbers scales = draw_scales(random, of_stage.edges, of_stage.filters);
    return stage(random, of_stage, scales, type);
  }
  Numbers sizes = {draw_batch(random), random.between(1, 9), random.between(1, 9),
                   draw_channels(random)};
  if (random.chance(40)) {
    return pool(random, sizes, random.between(1, 2), random.chance(50), type);
  }
  // Batch norms and sums take any number of axes.
  if (random.chance(20)) sizes.erase(sizes.begin() + 1);
  if (random.chance(50)) {
    return sum(random, sizes, random.between(1, 9), random.between(0, 3), type);
  }
  const int64_t edges = random.between(1, 4);
  const Numbers scales = draw_scales(random, edges, sizes.back());
  return normalize(random, sizes, edges, random.chance(50), scales, type);
}

const std::vector<int64_t> kOddNumbers = {std::numeric_limits<int64_t>::min(),
                                          -2,
                                          -1,
                                          0,
                                          1,
                                          2,
                                          3,
                                          4,
                                          257,
                                          int64_t(1) << 20,
                                          int64_t(1) << 40,
                                          std::numeric_limits<int64_t>::max()};

void replace(Random& random, TF_Tensor& tensor, const Numbers& sizes) {
  double count = 1;
  for (int64_t size : sizes) count *= size;
  if (count > 1e6) return;  // There is no such tensor.
  tensor = random.tensor(tensor.type, sizes);
}

void alter_input(Random& random, Call& call) {
  if (call.inputs.empty()) return;
  TF_Tensor& input = call.inputs[random.between(0, call.inputs.size() - 1)];
  Numbers sizes = input.sizes;
  switch (random.between(0, 5)) {
    case 0:
      return replace(random, input, {});
    case 1:
      if (!sizes.empty()) sizes.pop_back();
      return replace(random, input, sizes);
    case 2:
      sizes.insert(sizes.begin() + random.between(0, sizes.size()), 1);
      return replace(random, input, sizes);
    case 3:  // So large that only an empty batch can have it.
      if (sizes.size() < 3) return call.inputs.pop_back();
      sizes[0] = 0;
      sizes[random.between(1, sizes.size() - 1)] =
          int64_t(1) << random.one_of<int64_t>({31, 40, 62});
      return replace(random, input, sizes);
    default:
      if (sizes.empty()) return call.inputs.pop_back();
      int64_t& size = sizes[random.between(0, sizes.size() - 1)];
      size = std::max<int64_t>(0, size + random.one_of<int64_t>({-100, -1, 1, 2}));
      return replace(random, input, sizes);
  }
}

void alter_attribute(Random& random, Call& call) {
  if (call.attributes.empty()) return;
  auto each = call.attributes.begin();
  std::advance(each, random.between(0, call.attributes.size() - 1));
  Numbers& values = each->second;
  const bool is_list = each->first == "line_of" || each->first == "row_of";
  if (is_list && random.chance(30)) {
    values.resize(random.between(0, values.size() + 1));
  } else if (random.chance(5)) {
    call.attributes.erase(each);
  } else if (!values.empty()) {
    values[random.between(0, values.size() - 1)] = random.one_of(kOddNumbers);
  }
}

// Returns a call in which something else stands. Mostly it fits no longer.
Call altered(Random& random, Call call) {
  do {
    if (random.chance(10)) {
      call.failing_output = random.between(0, 5);
    } else if (random.chance(70)) {
      alter_input(random, call);
    } else {
      alter_attribute(random, call);
    }
  } while (random.chance(20));
  return call;
}

// Whether a call may be refused like this: with a reason, which is not a fault of the
// kernels' own.
bool is_refusal(const TF_Status& status) {
  const std::vector<int> codes = {TF_INVALID_ARGUMENT, TF_RESOURCE_EXHAUSTED, kNotFound,
                                  kOutOfRange};
  return std::count(codes.begin(), codes.end(), status.code) && !status.message.empty();
}

void expect_refusal(const Call& call, TF_Code code) {
  const Outcome outcome = run(call);
  if (outcome.status.code != code || outcome.status.message.empty()) {
    stop(call, "This had to be refused, and the code was " +
                   std::to_string(outcome.status.code) + ": " + outcome.status.message);
  }
}

// Changes each axis of each input of a call in which all sizes belong together, except
// those of `free` inputs. Returns how many calls were refused.
long refuse_sizes(Random& random, const Call& call, const std::vector<size_t>& free) {
  long refused = 0;
  const auto refuse = [&](size_t input, const Numbers& sizes) {
    Call now = call;
    replace(random, now.inputs[input], sizes);
    expect_refusal(now, TF_INVALID_ARGUMENT);
    ++refused;
  };
  for (size_t input = 0; input < call.inputs.size(); ++input) {
    const Numbers& sizes = call.inputs[input].sizes;
    refuse(input, sizes.empty() ? Numbers{1} : Numbers{});
    if (std::count(free.begin(), free.end(), input)) continue;
    for (size_t axis = 0; axis <= sizes.size(); ++axis) {
      Numbers more = sizes;
      more.insert(more.begin() + axis, 1);
      refuse(input, more);
    }
    for (size_t axis = 0; axis < sizes.size(); ++axis) {
      Numbers fewer = sizes;
      fewer.erase(fewer.begin() + axis);
      refuse(input, fewer);
      for (int64_t size : {int64_t(0), sizes[axis] - 1, sizes[axis] + 1}) {
        Numbers other = sizes;
        other[axis] = size;
        if (size != sizes[axis]) refuse(input, other);
      }
    }
  }
  return refused;
}

long refuse_attributes(const Call& call,
                       const std::map<std::string, std::vector<Numbers>>& wrong) {
  long refused = 0;
  for (const auto& [name, values] : wrong) {
    for (const Numbers& value : values) {
      Call now = call;
      now.attributes.at(name) = value;
      expect_refusal(now, TF_INVALID_ARGUMENT);
      ++refused;
    }
  }
  return refused;
}

std::vector<Numbers> one_by_one(const Numbers& numbers) {
  std::vector<Numbers> result;
  for (int64_t number : numbers) result.push_back({number});
  return result;
}

// Calls that must be refused, whatever numbers are drawn.
long refuse(Random& random) {
  const int64_t least = std::numeric_limits<int64_t>::min();
  const int64_t most = std::numeric_limits<int64_t>::max();
  const auto counts = one_by_one({least, -1, 0, most});
  const auto steps = one_by_one({least, -1, 0, 257, most});
  const StageSizes sizes = {3, 4, 5, 6, 7, 2, 3, 2, 1, false, true};
  long refused = 0;
  for (TF_DataType type : {TF_FLOAT, TF_DOUBLE}) {
    for (Call call : stage(random, sizes, {2, 7}, type)) {
      // Scales and offsets have two shapes that they may have.
      const bool is_first = call.name == "AtdartsStage";
      const std::vector<size_t> free = {is_first ? size_t(5) : size_t(7), 6};
      refused += refuse_sizes(random, call, is_first ? free : std::vector<size_t>{7});
      refused += refuse_attributes(call, {{"E", counts},
                                          {"N", counts},
                                          {"L", one_by_one({least, -1, 2, most})},
                                          {"strides", steps},
                                          {"dilation", steps}});
    }
    for (Call call : normalize(random, {3, 4, 5, 6}, 2, false, {2, 6}, type)) {
      const bool is_first = call.name == "AtdartsNormalize";
      const std::vector<size_t> free = {is_first ? size_t(2) : size_t(4), 3};
      refused += refuse_sizes(random, call, is_first ? free : std::vector<size_t>{4});
      refused += refuse_attributes(call, {{"E", counts}, {"N", counts}});
    }
    for (Call call : pool(random, {3, 4, 5, 6}, 2, true, type)) {
      if (call.inputs.size() > 1) refused += refuse_sizes(random, call, {1});
      refused += refuse_attributes(
          call, {{"strides", one_by_one({least, -1, 0, 3, most})}});
      for (int axis = 1; axis < 4; ++axis) {
        Numbers empty = call.inputs.back().sizes;
        empty[axis] = 0;
        replace(random, call.inputs.back(), empty);
        expect_refusal(call, TF_INVALID_ARGUMENT);
      }
    }
    Call call = sum(random, {3, 4, 5, 6}, 3, 1, type)[0];
    call.attributes["line_of"] = {0, 0, -1};
    call.attributes["row_of"] = {0, call.inputs[3].sizes[1] - 1, 0};
    refused += refuse_sizes(random, call, {3});
    refused += refuse_attributes(
        call,
        {{"N", counts},
         {"L", one_by_one({least, -1, most})},
         {"line_of", {{}, {0}, {0, 0, 0, 0}, {1, 0, 0}, {0, -2, 0}, {0, most, 0}}},
         {"row_of", {{}, {0}, {0, 0, 0, 0}, {9, 0, 0}, {0, -1, 0}, {0, most, 0}}}});
    replace(random, call.inputs[3], {2, 4, 6});
    expect_refusal(call, TF_INVALID_ARGUMENT);
    // Margins of 1,024 pixels need more memory than there may be, see above. The
    // address sanitizer mentions each of these blocks.
    StageSizes wide = {1, 1, 1, 16, 1, 1, 9, 1, 1, false, false};
    for (Call call : stage(random, wide, {1, 1}, type)) {
      call.attributes["dilation"] = {256};
      expect_refusal(call, TF_RESOURCE_EXHAUSTED);
    }
    for (Call call : stage(random, sizes, {2, 7}, type)) {
      for (call.failing_output = 0; call.failing_output < 4; ++call.failing_output) {
        expect_refusal(call, TF_RESOURCE_EXHAUSTED);
      }
    }
  }
  return refused;
}

}  // namespace

int main() {
  if (Registry::get().definitions.size() != 7 || Registry::get().kernels.size() != 14) {
    std::fprintf(stderr, "There must be 7 operations with 2 kernels each.\n");
    return 1;
  }
  Random random;  // It begins with the same seed always.
  const long shapes = 4000;
  long calls = 0, others = 0, accepted = 0;
  for (long i = 0; i < shapes; ++i) {
    for (const Call& call : draw_pair(random)) {
      results(call);
      ++calls;
      for (int time = 0; time < 4; ++time, ++others) {
        const Call other = altered(random, call);
        const Outcome outcome = run(other);
        accepted += outcome.status.code == TF_OK;
        if (outcome.status.code != TF_OK && !is_refusal(outcome.status)) {
          stop(other, "The code was " + std::to_string(outcome.status.code) + ": " +
                          outcome.status.message);
        }
      }
    }
  }
  const long refused = refuse(random);
  std::printf(
      "sanitize: %ld shapes in %ld calls of all kernels; %ld altered calls, of which "
      "%ld fitted still; %ld calls that had to be refused. No error.\n",
      shapes, calls, others, accepted, refused);
  return 0;
}
