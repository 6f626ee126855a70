#include "audit/leaf.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/canonical_json.h"
#include "base/json.h"

namespace sb::audit {
namespace {

template <class Integer>
void append_integer(std::string& out, Integer value) {
  std::array<char, 24> buffer;
  out.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
}

// Takes the members of a leaf in their fixed order.
class Members {
 public:
  explicit Members(std::string_view text) : rest_(text) {}

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  /// The member's name with quotes and colon, after a comma where one is due.
  bool member(std::string_view name) {
    const std::string_view at = rest_;
    if (!first_ && !take(",")) return false;
    if (take(name)) {
      first_ = false;
      return true;
    }
    rest_ = at;
    return false;
  }
  bool string(std::string_view& value) {
    if (!take("\"")) return false;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\')
        ++i;
      else if (rest_[i] == '"') {
        value = rest_.substr(0, i);
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }
  template <class Integer>
  bool integer(Integer& value) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }
  /// Any value up to the comma or brace that ends it.
  bool value(std::string_view& text) {
    const std::string_view from = rest_;
    if (!skip_value()) return false;
    text = from.substr(0, from.size() - rest_.size());
    return true;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  bool skip_value() {
    int depth = 0;
    std::string_view ignored;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '"') {
        if (!string(ignored)) return false;
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}')) return true;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      rest_.remove_prefix(1);
    }
    return false;
  }

  std::string_view rest_;
  bool first_ = true;
};

bool parse(Members& in, LeafFields& leaf) {
  std::string_view ignored;
  std::uint32_t step = 0;
  if (!in.take("{")) return false;
  if (in.member("\"actor\":") && !in.string(leaf.actor)) return false;
  if (in.member("\"attempt\":") && !in.integer(leaf.attempt)) return false;
  if (!in.member("\"kind\":") || !in.string(leaf.kind)) return false;
  if (in.member("\"payload_commit\":") && !in.string(leaf.payload_commit)) return false;
  if (in.member("\"prev_state\":") && !in.string(leaf.prev_state)) return false;
  if (in.member("\"run\":") && !in.string(leaf.run)) return false;
  if (!in.member("\"seq\":") || !in.integer(leaf.seq)) return false;
  if (in.member("\"step\":")) {
    if (!in.integer(step)) return false;
    leaf.step = step;
  }
  if (in.member("\"summary\":") && !in.value(leaf.summary)) return false;
  if (in.member("\"tenant\":") && !in.string(leaf.tenant)) return false;
  if (!in.member("\"time\":") || !in.integer(leaf.time_us)) return false;
  if (in.member("\"versions\":") && !in.value(ignored)) return false;
  return in.take("}") && in.at_end();
}

}  // namespace

void append_leaf_text(std::string& out, LeafIndex index, const store::LeafDraft& draft) {
  out += '{';
  bool first = true;
  const auto member = [&](std::string_view name) {
    if (!std::exchange(first, false)) out += ',';
    out += name;
  };
  const auto text = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    member(name);
    append_json_string(out, value);
  };
  const auto document = [&](std::string_view name, const CanonicalJson& value) {
    if (value.empty()) return;
    member(name);
    out += value.text();
  };
  text("\"actor\":", draft.actor);
  if (draft.attempt > 0) {
    member("\"attempt\":");
    append_integer(out, draft.attempt);
  }
  member("\"kind\":");
  append_json_string(out, draft.kind);
  text("\"payload_commit\":", draft.payload_commit);
  text("\"prev_state\":", draft.prev_state);
  if (draft.run) text("\"run\":", draft.run->to_string());
  member("\"seq\":");
  append_integer(out, static_cast<std::uint64_t>(index));
  if (draft.step) {
    member("\"step\":");
    append_integer(out, static_cast<std::uint32_t>(*draft.step));
  }
  document("\"summary\":", draft.summary);
  text("\"tenant\":", draft.tenant);
  member("\"time\":");
  append_integer(out, draft.time_us);
  document("\"versions\":", draft.versions);
  out += '}';
}

std::string encode_leaf(LeafIndex index, const store::LeafDraft& draft) {
  std::string out;
  append_leaf_text(out, index, draft);
  return out;
}

Result<LeafFields> parse_leaf(std::string_view text) {
  Members in(text);
  LeafFields leaf;
  if (!parse(in, leaf)) return fail(Errc::corrupt, "an audit leaf is not of the form that this program writes");
  return leaf;
}

}  // namespace sb::audit
