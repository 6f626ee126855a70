/// What is known of one question to a model and of its answer, until the run asks the next one.
#pragma once

#include <optional>
#include <string>

#include "base/crypto.h"
#include "flow/data.h"
#include "flow/likeness_index.h"
#include "model/price.h"

namespace sb::flow {

/// Made anew by each call of a model: nothing is left of the one before. What looks at the answer afterwards, the task
/// behind it or the end of the run, finds here what it needs.
struct ModelCall {
  Data request;            ///< policed: the run's input, or what the flow asks in its own words
  bool own_words = false;  ///< that is the flow's question: neither its answer nor its route is the caller's

  // Whether the answer may be used again.
  std::optional<Digest> request_hash{};  ///< what it is known by; nothing: it is not to be given to others
  std::optional<Question> question{};    ///< where the answer to one like it would do
  std::optional<Data> answer{};  ///< the one that `request_hash` knows: another one is not to be given to others
  bool again = false;            ///< it was what another run was answered
  bool alike = false;            ///< ... to another question, like this one
  bool found = false;            ///< the policy found something in it
  model::Usage usage{};

  // What the policy does not let pass for its form.
  struct Correction {
    std::string complaint;
    Data answer;  ///< policed
  };
  std::optional<Correction> correction{};  ///< what the model may correct, once
  bool repaired = false;                   ///< that round was used up
  bool formless = false;                   ///< the last answer had not the form that a check asks for
};

}  // namespace sb::flow
