/// Applies a policy to JSON, leaf by leaf, in place: bytes outside the leaves that change stay as they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/guard.h"

namespace sb::policy {

/// What the document is, and so which members are text.
enum class JsonProfile : std::uint8_t {
  any,            ///< every string; long whole numbers too (a card number need not be quoted)
  chat_request,   ///< an OpenAI chat request: what the protocol owns (chat_shape.h) is not text
  chat_response,  ///< an OpenAI chat or embeddings answer: the same, none of the request's features
};

/// What triage wants to know of a request, read on the way.
struct RequestFeatures {
  std::uint32_t message_count = 0;
  std::uint32_t text_bytes = 0;  ///< of all messages' contents, unescaped
  bool has_tools = false;
  bool has_images = false;       ///< an image, audio or file part
  bool wants_json = false;       ///< response_format json_object or json_schema
  bool has_json_schema = false;  ///< response_format json_schema
};

struct JsonGuardResult {
  Verdict verdict = Verdict::allow;
  bool changed = false;
  std::string json;  ///< the new document; empty where nothing changed: go on with the original
  std::vector<GuardedFinding> findings;
  std::string fixed;           ///< chat_request only: a member in which something was found and that cannot be changed
  RequestFeatures features;    ///< chat_request only
  std::string last_user_text;  ///< chat_request only: the last user message after guarding, its text parts one a line
};

inline constexpr std::size_t kMaxJsonBytes = 32U << 20;
inline constexpr int kMaxJsonDepth = 64;

/// Strings that hold JSON (tool-call "arguments", structured answers) are read as JSON, three levels deep: see
/// JsonStreamGuard. Member names that the chat protocol does not define are text too, and told apart where they became
/// alike. Base64 payloads (images, audio) are not searched. Log probabilities become null where the document changed or
/// they spell what must not pass. On its way in, a chat request's references and seed get a stand-in where a value is
/// found in them; what else the protocol owns cannot be changed, nor can the address of a picture: then the verdict is
/// `block`, and `fixed` says which. Names of functions, parameters and values of enumerations are no prose.
/// Thread-safe: parsers are per thread. Errors: invalid_argument (no JSON, or deeper than kMaxJsonDepth), too_large
/// (kMaxJsonBytes), internal (a detector failed).
Result<JsonGuardResult> guard_json(const Policy& policy, GuardContext& context, std::string_view json,
                                   JsonProfile profile);

/// A text that stands alone, guarded as one in a document: JSON in it, whole or in a fence, stays JSON. Errors: as
/// guard_text.
Result<GuardResult> guard_text_or_json(const Policy& policy, GuardContext& context, std::string_view text);

/// Puts values back where their placeholders stand, tool-call arguments included; the original text where there are
/// none. `pieces`: which texts may be pieces of JSON, in chunks of a stream. Errors: as guard_json.
Result<std::string> restore_json(TokenVault& vault, std::string_view json, JsonPieces pieces = JsonPieces::arguments,
                                 JsonProfile profile = JsonProfile::chat_response);

/// The last user message's text of a chat request, unguarded; empty where there is none or the document is not one.
std::string last_user_text(std::string_view request_json);

}  // namespace sb::policy
