/// The words of a question that another must have too, to the letter and in the same order, before an answer to the one
/// may be the other's (pure).
///
/// Sentence vectors lie close together where one word differs that changes everything: a number, a currency, a name, a
/// "not". So nothing may differ but a closed list of words that only say that somebody asks: "can you tell me",
/// "please", "the", "i want". Whatever is not on it is kept: names and products nobody has listed, typing errors, other
/// languages.
#pragma once

#include <string>
#include <string_view>

namespace sb::triage {

/// Changes whenever `kept_words` does: what was learnt under one is not for another.
inline constexpr int kKeptWordsVersion = 1;

/// Kept words, a blank between them. "don't" keeps "not". A name keeps its capitals. In a text that speaks of words
/// (quotes, "translate ...", "say ...") all are kept. Empty: there is nothing to tell the question by.
std::string kept_words(std::string_view text);

}  // namespace sb::triage
