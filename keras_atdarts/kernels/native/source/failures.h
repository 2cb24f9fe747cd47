// Why a call fails, and how TensorFlow hears of it.
//
// Within the library failures are exceptions. C calls it, which knows none: `reporting`
// stands wherever TensorFlow calls, and lets none of them through.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow_api.h"

namespace atdarts {

class Failure : public std::runtime_error {
 public:
  Failure(TF_Code code, const std::string& message)
      : std::runtime_error(message), code(code) {}
  const TF_Code code;
};

using Sizes = std::vector<int64_t>;  // A tensor's shape.

// As Python writes it.
inline std::ostream& operator<<(std::ostream& stream, const Sizes& sizes) {
  stream << '(';
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    stream << (axis > 0 ? ", " : "") << sizes[axis];
  }
  return stream << (sizes.size() == 1 ? ",)" : ")");
}

// Fails unless a condition holds. The message is only put together if it does not.
template <typename... Parts>
void require(bool condition, const Parts&... parts) {
  if (condition) return;
  std::ostringstream message;
  (message << ... << parts);
  throw Failure(TF_INVALID_ARGUMENT, message.str());
}

// A status that is freed.
class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  Status(TF_Code code, const char* message) : Status() {
    TF_SetStatus(status_, code, message);
  }
  ~Status() { TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;
  TF_Status* get() { return status_; }
  // Fails if what TensorFlow was asked for has failed.
  void check() const {
    if (TF_GetCode(status_) == TF_OK) return;
    throw Failure(TF_GetCode(status_), TF_Message(status_));
  }

 private:
  TF_Status* status_;
};

// Calls a function; `report` gets the status of what it throws.
template <typename Function, typename Report>
void reporting(Function function, Report report) {
  try {
    function();
  } catch (const Failure& failure) {
    report(Status(failure.code, failure.what()).get());
  } catch (const std::bad_alloc&) {
    report(Status(TF_RESOURCE_EXHAUSTED, "There is no memory for a kernel.").get());
  } catch (const std::exception& exception) {
    report(Status(TF_INTERNAL, exception.what()).get());
  } catch (...) {
    report(Status(TF_INTERNAL, "A kernel failed without a reason.").get());
  }
}

}  // namespace atdarts
