/// Random sentences from a grammar whose words may carry labels; the corpus folder's README tells its form.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "policy/tagger/train/corpus.h"
#include "policy/tagger/train/random.h"

namespace sb::policy::tagger {

class Grammar {
 public:
  /// Values that no line of the grammar gives: names from lists. Nothing where it does not know the symbol.
  using Source = std::function<std::string(std::string_view symbol)>;

  /// Adds the lines of a file. Errors: invalid_argument, naming file and line.
  Result<> add(const std::string& path);

  /// One random expansion of `symbol`. `scopes`: whose lines count, the first that has the symbol; "*" comes last.
  Document expand(std::string_view symbol, const std::vector<std::string>& scopes, const Source& source,
                  Random& random) const;

 private:
  struct Expansion;
  void expand_symbol(std::string_view symbol, Expansion& state) const;
  void expand_text(std::string_view text, Expansion& state) const;
  const std::vector<std::string>* alternatives(std::string_view symbol, const Expansion& state) const;

  std::map<std::string, std::vector<std::string>, std::less<>> lines_;  // "scope symbol" -> alternatives
};

}  // namespace sb::policy::tagger
