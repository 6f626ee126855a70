#include "policy/tagger/sight.h"

#include <algorithm>

namespace sb::policy::tagger {
namespace {

constexpr Token kNothing;

}  // namespace

Neighbourhood neighbours(std::span<const Token> tokens, std::size_t at, Sight sight, Looked& looked) {
  const Token& token = tokens[at];
  sight = sight.within(Sight::around(token));
  Neighbourhood out;
  out.tokens.fill(&kNothing);
  out.tokens[kBack] = &token;
  looked = {token.begin, token.end, false};
  for (std::size_t back = 1; back <= kBack && back <= at; ++back) {
    const Token& other = tokens[at - back];
    if (!sight.has_start_of(other)) break;
    out.tokens[kBack - back] = &other;
    looked.low = Sight::before(other.begin);
  }
  for (std::size_t ahead = 1; ahead <= kAhead; ++ahead) {
    if (at + ahead >= tokens.size()) {
      looked.wanted_more = true;
      break;
    }
    const Token& other = tokens[at + ahead];
    if (!sight.has_end_of(other)) break;
    out.tokens[kBack + ahead] = &other;
    looked.end = other.end;
  }
  const std::int64_t field = Sight::before(token.field_begin);
  if (token.field != 0 && field >= sight.low && field >= token.begin - kFieldSightBytes) {
    out.field = token.field;
    looked.low = std::min(looked.low, field);
  }
  return out;
}

}  // namespace sb::policy::tagger
