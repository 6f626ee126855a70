/// Findings that are longer than the window they are decided by: keys, private key blocks, host names.
#pragma once

#include <cstdint>

#include <string_view>

#include "policy/detect/fold.h"
#include "policy/finding.h"

namespace sb::policy {

/// Where the open-ended candidate truly ends, and whether that is known yet.
struct TailEnd {
  std::size_t end = 0;  ///< in the raw text
  bool closed = false;
};

/// Whether `byte` may stand in such a tail.
bool in_tail(Tail tail, int byte);

/// Follows a finding's tail through a folded text from byte `at` of the raw text on, one byte class or the private key
/// grammar, incrementally: `state` starts as 0 and carries what is needed between calls. Where it is not `closed`, the
/// next call goes on from `end` of this one. A private key block waits for at most kWindowBytes more characters before
/// it says whether a mark belongs to it. With `stop`, it is not followed behind that byte of the raw text.
TailEnd follow_tail(Tail tail, const Fold& fold, std::size_t at, bool complete, std::uint32_t& state,
                    std::size_t stop = std::string_view::npos);

}  // namespace sb::policy
