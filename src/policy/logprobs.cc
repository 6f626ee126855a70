#include "policy/logprobs.h"

#include <fmt/format.h>

#include "policy/json_walk.h"

namespace sb::policy {
namespace {

namespace od = simdjson::ondemand;

// Simdjson's errors end the reading: thrown here, caught in spell_logprobs.
class Speller {
 public:
  explicit Speller(SpeltLogprobs& out) : out_(out) {}

  // `said`: it belongs to a token of the answer, not to one that might have stood there.
  void read(od::value value, bool said, int depth) {
    if (depth > kMaxJsonDepth) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
    const auto type = value.type().value();
    if (type == od::json_type::object) {
      object(value.get_object(), said, depth);
    } else if (type == od::json_type::array) {
      for (od::value element : value.get_array()) {
        // Completions list their tokens.
        if (said && element.type() == od::json_type::string)
          out_.tokens += std::string_view(element.get_string());
        else
          read(element, said, depth + 1);
      }
    } else if (type == od::json_type::string) {
      beside(value.get_string());
    }
  }

  void object(od::object object, bool said, int depth) {
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      od::value value = field.value();
      if (said && key == "token" && value.type() == od::json_type::string) {
        out_.tokens += std::string_view(value.get_string());
        continue;
      }
      if (!said) beside(key);
      read(value, said && key != "top_logprobs", depth + 1);
    }
  }

 private:
  void beside(std::string_view text) { out_.beside.append(text).append(1, '\n'); }

  SpeltLogprobs& out_;
};

}  // namespace

Result<SpeltLogprobs> spell_logprobs(std::string_view json) {
  thread_local JsonSlot slot;  // the thread's own is where `json` stands
  SpeltLogprobs spelt;
  try {
    auto document = slot.iterate(json).value();
    Speller(spelt).object(document.get_object(), true, 1);
  } catch (const simdjson::simdjson_error& error) {
    return fail(Errc::invalid_argument, fmt::format("invalid JSON: {}", error.what()));
  }
  slot.shrink();
  return spelt;
}

}  // namespace sb::policy
