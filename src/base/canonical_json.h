/// JSON in its canonical form, RFC 8785 (pure): one text for one value, so that a hash of it means something.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb {

/// Appends the JSON text `text` in canonical form; text that is canonical already is only copied (one pass, no
/// parsing). Errors: invalid_argument (not JSON, a member twice, an integer beyond 64 bits); then nothing was appended.
Result<> append_canonical_text(std::string& out, std::string_view text);
/// The same without the look for canonical text.
Result<> append_rewritten(std::string& out, std::string_view text);

/// A JSON text that is in canonical form, as what is hashed and kept for ever has to be.
class CanonicalJson {
 public:
  CanonicalJson() = default;
  /// Of any JSON text; one that is none, or has no canonical form, becomes a string.
  CanonicalJson(std::string text);
  CanonicalJson(const char* text) : CanonicalJson(std::string(text)) {}

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(std::string_view text) const { return text_ == text; }

 private:
  std::string text_;
};

/// Whether `text` is known to be canonical. May say no of a few canonical texts (rare numbers), never yes of others.
bool is_canonical(std::string_view text);

}  // namespace sb
