#include "policy/chat_shape.h"

#include <algorithm>
#include <span>

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

using enum MemberKind;
using P = ChatPlace;

constexpr ChatMember kRequest[] = {
    {"model", identifier},
    {"messages", text, P::message},
    {"tools", text, P::tool},
    {"functions", text, P::function},
    {"tool_choice", text, P::tool},
    {"function_call", text, P::function},
    {"response_format", text, P::response_format},
    {"audio", text, P::media},
    {"service_tier", identifier},
    {"temperature", number},
    {"top_p", number},
    {"top_k", number},
    {"min_p", number},
    {"n", number},
    {"seed", number},
    {"max_tokens", number},
    {"max_completion_tokens", number},
    {"presence_penalty", number},
    {"frequency_penalty", number},
    {"repetition_penalty", number},
    {"top_logprobs", number},
    {"logit_bias", number},
    {"logprobs"},
    {"stream"},
    {"stream_options"},
    {"parallel_tool_calls"},
    {"stop"},
    {"user"},
    {"store"},
    {"metadata"},
    {"modalities"},
    {"prediction"},
    {"reasoning_effort"},
    {"safety_identifier"},
    {"prompt_cache_key"},
    {"verbosity"},
    {"web_search_options"},
};
constexpr ChatMember kResponse[] = {
    {"id", identifier},           {"object", identifier},
    {"created", number},          {"model", identifier},
    {"choices", text, P::choice}, {"usage", text, P::usage},
    {"service_tier", identifier}, {"system_fingerprint", identifier},
    {"data", text, P::vector},
};
constexpr ChatMember kMessage[] = {
    {"role", identifier},
    {"content", text, P::part},
    {"name"},
    {"refusal"},
    {"tool_calls", text, P::tool_call},
    {"tool_call_id", reference},
    {"function_call", text, P::function},
    {"reasoning_content"},
    {"reasoning"},
    {"reasoning_details", text, P::reasoning},
    {"audio", text, P::audio},
    {"images", text, P::part},
    {"annotations"},
};
constexpr ChatMember kPart[] = {
    {"type", identifier},
    {"text"},
    {"refusal"},
    {"image_url", payload, P::media},
    {"input_audio", text, P::media},
    {"file", text, P::media},
    {"audio_url", payload, P::media},
    {"video_url", payload, P::media},
};
constexpr ChatMember kMedia[] = {
    {"url", payload},       {"detail", identifier},  {"data", payload}, {"format", identifier},
    {"file_data", payload}, {"file_id", identifier}, {"filename"},      {"voice"},
};
constexpr ChatMember kAudio[] = {{"id", identifier}, {"data", payload}, {"transcript"}, {"expires_at", number}};
constexpr ChatMember kReasoning[] = {
    {"type", identifier}, {"id", identifier}, {"format", identifier}, {"index", number}, {"text"},
    {"summary"},          {"data", payload},  {"signature", payload},
};
constexpr ChatMember kTool[] = {{"type", identifier}, {"function", text, P::function}, {"custom", text, P::function}};
constexpr ChatMember kToolCall[] = {{"id", reference},
                                    {"type", identifier},
                                    {"index", number},
                                    {"function", text, P::function},
                                    {"custom", text, P::function}};
constexpr ChatMember kFunction[] = {
    {"name"},  {"description"}, {"parameters", text, P::schema}, {"arguments"}, {"strict"},
    {"input"}, {"format"},      {"schema", text, P::schema}};
constexpr ChatMember kResponseFormat[] = {{"type", identifier}, {"json_schema", text, P::function}};
constexpr ChatMember kChoice[] = {
    {"index", number},
    {"delta", text, P::message},
    {"logprobs", text, P::logprobs},
    {"finish_reason", identifier},
    {"message", text, P::message},
    {"text"},
};
constexpr ChatMember kLogprobs[] = {{"content", text, P::logprobs},
                                    {"refusal", text, P::logprobs},
                                    {"top_logprobs", text, P::logprobs},
                                    {"token"},
                                    {"logprob"},
                                    {"bytes"}};
constexpr ChatMember kVector[] = {{"object", identifier}, {"index", number}, {"embedding", payload}};
constexpr ChatMember kUsage[] = {
    {"prompt_tokens", number, P::usage},
    {"completion_tokens", number, P::usage},
    {"total_tokens", number, P::usage},
    {"prompt_tokens_details", number, P::usage},
    {"completion_tokens_details", number, P::usage},
};

std::span<const ChatMember> members_of(ChatPlace place) {
  switch (place) {
    case P::other:
    case P::schema:
      return {};
    case P::request:
      return kRequest;
    case P::response:
      return kResponse;
    case P::message:
      return kMessage;
    case P::part:
      return kPart;
    case P::media:
      return kMedia;
    case P::audio:
      return kAudio;
    case P::reasoning:
      return kReasoning;
    case P::tool:
      return kTool;
    case P::tool_call:
      return kToolCall;
    case P::function:
      return kFunction;
    case P::response_format:
      return kResponseFormat;
    case P::choice:
      return kChoice;
    case P::logprobs:
      return kLogprobs;
    case P::vector:
      return kVector;
    case P::usage:
      return kUsage;
  }
  return {};
}

constexpr std::size_t kLeastPayloadBytes = 64;
constexpr std::size_t kLongestName = 256;

// A person's words are no name: they have a blank or an "@" in them, or what else no identifier has.
bool is_identifier(std::string_view text) {
  return text.size() <= kLongestName && std::ranges::all_of(text, [](char c) {
           return is_alnum(static_cast<unsigned char>(c)) || std::string_view("._:/+-=~").contains(c);
         });
}

bool is_base64(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return is_alnum(byte) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
  });
}

// "data:image/png;base64,...": between the words there is room for nothing but the name of a type that is no text.
bool is_data_url(std::string_view text) {
  constexpr std::string_view kBegin = "data:", kMark = ";base64,";
  constexpr std::size_t kLongestType = 96, kMostDigits = 4;
  if (!text.starts_with(kBegin)) return false;
  const auto mark = text.substr(0, kBegin.size() + kLongestType).find(kMark);
  if (mark == std::string_view::npos) return false;
  const auto type = text.substr(kBegin.size(), mark - kBegin.size());
  static constexpr std::string_view kKinds[] = {"image/", "audio/", "video/", "font/", "application/"};
  const auto is_named = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '+' || c == '-' || c == '/';
  };
  const auto digits = std::ranges::count_if(type, [](char c) { return c >= '0' && c <= '9'; });
  return std::ranges::any_of(kKinds, [&](std::string_view kind) { return type.starts_with(kind); }) &&
         std::ranges::all_of(type, is_named) && digits <= static_cast<std::ptrdiff_t>(kMostDigits) &&
         type != "application/json" && is_base64(text.substr(mark + kMark.size()));
}

}  // namespace

const ChatMember* chat_member(ChatPlace place, std::string_view key) {
  for (const auto& member : members_of(place)) {
    if (member.key.size() == key.size() && member.key[0] == key[0] && member.key == key) return &member;
  }
  return nullptr;
}

ChatPlace place_inside(ChatPlace place, const ChatMember* member) {
  if (member) return member->inside;
  return place == P::usage || place == P::schema ? place : P::other;
}

bool is_protocol_number(ChatPlace place, const ChatMember* member) {
  return member ? member->kind == number : place == P::usage;
}

bool is_passed_over(const ChatMember* member, std::string_view text) {
  if (!member) return false;
  if (member->kind == identifier || member->kind == reference) return is_identifier(text);
  return member->kind == payload && text.size() >= kLeastPayloadBytes && (is_base64(text) || is_data_url(text));
}

bool is_program_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, [](char c) {
    return is_alnum(static_cast<unsigned char>(c)) || std::string_view("_-.:/$").contains(c);
  });
}

bool holds_program_names(std::string_view key) {
  static constexpr std::string_view kKeys[] = {"enum", "const", "required", "type", "format", "$ref", "$schema", "$id"};
  return std::ranges::find(kKeys, key) != std::end(kKeys);
}

bool is_protocol_word(std::string_view text) {
  static constexpr std::string_view kWords[] = {"user", "assistant", "system",      "developer",   "tool",  "function",
                                                "text", "image_url", "input_audio", "file",        "auto",  "low",
                                                "high", "default",   "json_object", "json_schema", "custom"};
  return std::ranges::find(kWords, text) != std::end(kWords);
}

bool is_media(std::string_view text) {
  if (text.size() < kLeastPayloadBytes) return false;
  // PNG, JPEG, GIF, RIFF (WebP, WAV), PDF, Ogg, MP3 with tags, FLAC, ZIP (office documents).
  static constexpr std::string_view kBeginnings[] = {"iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "JVBERi0",
                                                     "T2dnUw",      "SUQz", "ZkxhQw", "UEsDB"};
  const bool begins =
      std::ranges::any_of(kBeginnings, [&](std::string_view beginning) { return text.starts_with(beginning); });
  return begins ? is_base64(text) : is_data_url(text);
}

}  // namespace sb::policy
