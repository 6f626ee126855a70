/// A provider of models that outlives the server's crashes: it is slow, refuses, is away, loses answers, and keeps a
/// bill of its own.
///
/// It charges an answer once for its idempotency key, however often it gives it, and what it read of each call whose
/// answer is lost. So the server's books are never above its bill, and below it by what crashes made them forget.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "model/provider.h"
#include "simulation/draws.h"
#include "simulation/history.h"

namespace sb::simulation {

inline constexpr model::Price kPrice{1'000'000, 250'000, 3'000'000};

class SimulatedModels {
 public:
  SimulatedModels(Draws& draws, History& history, std::uint64_t faults_in_ten)
      : draws_(draws), history_(history), faults_in_ten_(faults_in_ten) {}

  /// For one engine; borrows this.
  std::unique_ptr<model::Provider> provider();
  /// Told of each call, by its idempotency key and body, before anything else.
  std::function<void(std::string_view key, std::string_view body)> on_call;
  /// Told of each answer that a caller got.
  std::function<void(std::string_view key)> on_answer;

  MicroMoney bill() const { return bill_; }
  std::size_t calls() const { return calls_; }
  /// A call with this key was refused, lost or not taken at least once.
  bool failed(const std::string& run) const { return failed_.contains(run); }

 private:
  class One;
  Task<Result<model::ChatReply>> chat(std::string key, std::string body);
  Result<model::ChatReply> outcome_of(const std::string& key, const std::string& body);

  Draws& draws_;
  History& history_;
  const std::uint64_t faults_in_ten_;
  std::map<std::string, model::ChatReply> answers_;  ///< by idempotency key
  std::set<std::string> never_;                      ///< keys that are refused for good
  std::set<std::string> failed_;                     ///< runs
  MicroMoney bill_ = 0;
  std::size_t calls_ = 0;
};

}  // namespace sb::simulation
