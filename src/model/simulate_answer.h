/// What the simulator says: texts, tool calls, embeddings, and their OpenAI wire forms. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "model/simulate.h"
#include "model/simulate_request.h"

namespace sb::model {

inline constexpr std::string_view kSimulatedFingerprint = "signalbox-simulated";

struct SimulatedAnswer {
  std::string text;
  std::string tool_name;                 ///< set: the answer is a call of this tool
  std::string tool_arguments;            ///< JSON text
  std::string finish_reason{"stop"};     ///< where it is no call of a tool
  std::vector<std::string_view> tokens;  ///< of `text`, or of `tool_arguments`: views into them

  SimulatedAnswer() = default;
  SimulatedAnswer(const SimulatedAnswer&) = delete;
  SimulatedAnswer& operator=(const SimulatedAnswer&) = delete;
};

/// In this order: a tool call where one is required or asked for, JSON for the response_format, the echo, a scripted
/// answer, the default text.
void answer_request(const SimulatedRequest& request, const std::vector<ScriptedAnswer>& script,
                    SimulatedAnswer& answer);

/// What every reply or chunk of one request begins with.
struct SimulatedFrame {
  std::string id;            ///< "chatcmpl-sim-1"
  std::int64_t created = 0;  ///< Unix seconds
  std::string_view model;
};

std::string completion_body(const SimulatedFrame& frame, const SimulatedRequest& request, const SimulatedAnswer& answer,
                            bool with_usage);

/// Chunks of one stream, in order, as JSON.
class ChunkWriter {
 public:
  ChunkWriter(const SimulatedFrame& frame, bool include_usage);
  std::string first(int choice, const SimulatedAnswer& answer) const;
  std::string token(int choice, const SimulatedAnswer& answer, std::size_t index, bool logprobs) const;
  std::string last(int choice, const SimulatedAnswer& answer) const;
  std::string usage(const SimulatedRequest& request, const SimulatedAnswer& answer) const;

 private:
  std::string chunk(int choice, std::string_view delta, std::string_view logprobs, std::string_view finish) const;

  std::string head_;  // up to `"choices":[`
  std::string tail_;
};

/// {"object":"list","data":[...]} for an embeddings request: the same text always has the same vector, of unit length,
/// and texts that share words lie near each other. Errors: invalid_argument.
Result<std::string> embeddings_body(std::string_view request_body);

std::string models_body(const std::vector<std::string>& models);

}  // namespace sb::model
