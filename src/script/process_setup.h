/// What every process that we start is given.
#pragma once

#include <sys/resource.h>

#include <string>
#include <vector>

namespace sb::script {

/// Of this process. Async-signal-safe: it may stand between fork and exec.
inline void limit(__rlimit_resource resource, rlim_t most) {
  const rlimit value{most, most};
  ::setrlimit(resource, &value);
}

/// As exec takes arguments and environment: null at the end. Borrows `texts`.
inline std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace sb::script
