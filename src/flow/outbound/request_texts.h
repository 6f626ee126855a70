/// What a request says beside its body: path, query and headers, as a document that a policy can look at.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "flow/outbound/http_call.h"
#include "flow/outbound/operator_secrets.h"

namespace sb::flow {

/// The host is none of it: it is one that the configuration names. Nor is `authentication`.
class RequestTexts {
 public:
  /// Of a question whose query is in its URL. `secrets`: the run's. One that stands in a text is the operator's own
  /// word to that host: it stays as it is, and what stands around it is looked at.
  RequestTexts(const HttpQuestion& question, const json::object& secrets);

  enum class Part { all, beside_path };
  /// A list of objects with one member each: name and pieces of a text, percent-decoded.
  std::string document(Part part = Part::all) const;
  /// Puts the texts into `question` as the policy left them in the document; those that did not change keep their
  /// bytes, as all do that are not in it.
  void put_back(const json::value& document, HttpQuestion& question, Part part = Part::all) const;

 private:
  struct Text {
    std::string name;
    OperatorSecrets::Apart value;
    std::string raw;  ///< as it stands in the URL
  };
  Text text_of(std::string name, std::string_view value, std::string_view raw) const;

  OperatorSecrets secrets_;
  std::string origin_;
  bool has_path_ = false;
  std::vector<Text> path_, query_, headers_;
};

}  // namespace sb::flow
