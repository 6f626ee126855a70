#include "policy/tagger/train/examples.h"

#include "base/errors.h"

namespace sb::policy::tagger {
Example to_example(const Document& document, Gazetteer gazetteer) {
  Example out;
  tokenise(document.text, out.tokens);
  out.allowed.assign(out.tokens.size(), static_cast<std::uint8_t>(bit(Label::none) | document.unlabelled));
  for (auto& token : out.tokens) {
    if (token.shape <= Shape::caseless) token.gazetteer = gazetteer.find(token.word);
  }
  for (const auto& span : document.spans) {
    for (std::size_t i = 0; i < out.tokens.size(); ++i) {
      if (out.tokens[i].begin < span.end && out.tokens[i].end > span.begin) out.allowed[i] = span.allowed;
    }
  }
  return out;
}

Document with_case(const Document& document, std::string (*fold)(std::string_view)) {
  Document out = document;
  out.text = fold(document.text);
  SB_ASSERT(out.text.size() == document.text.size());
  return out;
}

}  // namespace sb::policy::tagger
