#include "policy/detect/custom.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/check_digits.h"
#include "policy/detect/literal.h"
#include "policy/detect/pattern.h"
#include "policy/policy.h"

namespace sb::policy {
namespace {

struct Scheme {
  std::string_view name;
  CheckFunction valid;
};

// The schemes that numbers without a country's peculiarities use; a compact value goes in.
constexpr Scheme kSchemes[] = {
    {"luhn", check::luhn},         {"mod97", check::iso7064_97},       {"mod11", check::mod11_weighted},
    {"verhoeff", check::verhoeff}, {"mod11_10", check::iso7064_11_10},
};

class PatternDetector final : public Detector {
 public:
  PatternDetector(CustomDetector description, std::optional<Pattern> pattern, CheckFunction check)
      : it_(std::move(description)), pattern_(std::move(pattern)), check_(check), words_(it_.words) {
    for (auto& word : it_.context) word = sb::to_lower(word);
    wake_ = words_.first_bytes();
    if (!pattern_) return;
    wake_ += pattern_->first_bytes();
    cost_ = pattern_->cost(check_ != nullptr);
  }

  std::string_view name() const override { return it_.name; }
  bool reports(std::string_view type) const override { return type == it_.type; }
  std::vector<std::string_view> types() const override {
    if (it_.type == kDeniedType) return {};  // no rule speaks of it by its type
    return {it_.type};
  }
  std::size_t cost() const override { return cost_; }
  std::string_view wake_bytes() const override { return wake_; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    const int first = byte_of(text, at);
    if (is_alnum(first) && !begins_word(text, at)) return;
    window.begin(at);
    std::size_t end = words_.match(window, at);
    if (pattern_)
      end = std::max(end, pattern_->match(window, at, [&](std::size_t to) { return ends(window, at, to); }));
    if (end == 0 || (!it_.context.empty() && !in_context(window, at))) return;
    const bool open = pattern_ && end >= window.limit();
    const Tail tail = open ? pattern_->tail_behind(text.substr(at, end - at)) : Tail::none;
    out.push_back({it_.type, it_.name, it_.name, {at, end}, it_.score, tail});
  }

 private:
  bool ends(ScanWindow& window, std::size_t start, std::size_t end) const {
    if (is_alnum(byte_of(window.text(), end - 1)) && is_alnum(window.at(end))) return false;
    if (check_ == nullptr) return true;
    std::string compact;
    for (std::size_t i = start; i < end; ++i) {
      if (is_alnum(byte_of(window.text(), i))) compact += static_cast<char>(to_upper(byte_of(window.text(), i)));
    }
    return check_(compact);
  }

  bool in_context(const ScanWindow& window, std::size_t at) const {
    const auto near = sb::to_lower(window.before(at));
    const auto label = sb::to_lower(window.label());
    const auto names = [](std::string_view where, std::string_view word) {
      for (auto found = where.find(word); found != std::string_view::npos; found = where.find(word, found + 1)) {
        if ((found == 0 || !is_letter(byte_of(where, found - 1))) && !is_letter(byte_of(where, found + word.size())))
          return true;
      }
      return false;
    };
    return std::ranges::any_of(it_.context, [&](const auto& word) { return names(near, word) || names(label, word); });
  }

  CustomDetector it_;
  std::optional<Pattern> pattern_;
  CheckFunction check_;
  WordSet words_;
  std::string wake_;
  std::size_t cost_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Detector>> make_custom_detector(CustomDetector description) {
  if (description.pattern.empty() && description.words.empty())
    return fail(Errc::invalid_argument, "a detector needs a \"pattern\" or \"words\"");
  for (const auto& word : description.words) {
    if (word.size() < 2 || word.size() > WordSet::kMaxWordBytes)
      return fail(Errc::invalid_argument, fmt::format("\"words\": each has 2 to {} bytes", WordSet::kMaxWordBytes));
  }
  CheckFunction check = nullptr;
  if (!description.check.empty()) {
    const auto* found = std::ranges::find(kSchemes, description.check, &Scheme::name);
    if (found == std::end(kSchemes)) {
      return fail(Errc::invalid_argument, fmt::format("\"check\": unknown scheme \"{}\"; known: {}", description.check,
                                                      fmt::join(custom_checks(), ", ")));
    }
    check = found->valid;
  }
  std::optional<Pattern> pattern;
  if (!description.pattern.empty()) {
    auto compiled = Pattern::compile(description.pattern);
    if (!compiled) return fail(Errc::invalid_argument, "\"pattern\": " + compiled.error().detail);
    pattern = std::move(*compiled);
  }
  return std::make_shared<PatternDetector>(std::move(description), std::move(pattern), check);
}

std::vector<std::string> custom_checks() {
  std::vector<std::string> names;
  for (const auto& scheme : kSchemes) names.emplace_back(scheme.name);
  return names;
}

}  // namespace sb::policy
