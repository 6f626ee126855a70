#include "flow/outbound/request_texts.h"

#include <algorithm>

#include "base/bytes.h"
#include "http/message.h"

namespace sb::flow {
namespace {

/// As the other side reads it; as it stands where that is no text.
std::string decoded(std::string_view raw, bool plus_is_space) {
  auto text = http::percent_decode(raw, plus_is_space);
  return text && is_valid_utf8(*text) ? *std::move(text) : std::string(raw);
}

}  // namespace

RequestTexts::RequestTexts(const HttpQuestion& question, const json::object& secrets) : secrets_(secrets) {
  std::string_view url = question.url;
  url = url.substr(0, url.find('#'));
  const auto scheme = url.find("://");
  const auto begin = scheme == std::string_view::npos ? scheme : url.find_first_of("/?", scheme + 3);
  origin_ = url.substr(0, begin);
  url = begin == std::string_view::npos ? std::string_view() : url.substr(begin);
  const auto mark = url.find('?');
  if (const auto path = url.substr(0, mark); path.starts_with('/')) {
    has_path_ = true;
    for (const auto segment : split(path.substr(1), '/'))
      path_.push_back(text_of("path", decoded(segment, false), segment));
  }
  if (mark != std::string_view::npos) {
    for (const auto pair : split(url.substr(mark + 1), '&')) {
      const auto equals = pair.find('=');
      const auto value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
      query_.push_back(text_of(decoded(pair.substr(0, equals), true), decoded(value, true), pair));
    }
  }
  if (const auto* headers = question.headers.if_object()) {
    for (const auto& [name, value] : *headers) {
      const std::string text = value.is_string() ? std::string(value.get_string()) : to_text(value);
      headers_.push_back(text_of(std::string(name), text, {}));
    }
  }
}

RequestTexts::Text RequestTexts::text_of(std::string name, std::string_view value, std::string_view raw) const {
  return {std::move(name), secrets_.apart(value), std::string(raw)};
}

std::string RequestTexts::document(Part part) const {
  json::array all;
  for (const auto* texts : {&path_, &query_, &headers_}) {
    if (texts == &path_ && part == Part::beside_path) continue;
    for (const auto& text : *texts) {
      json::array pieces;
      for (const auto& piece : text.value.pieces) pieces.push_back(json::string(piece));
      all.push_back(json::object{{text.name, std::move(pieces)}});
    }
  }
  return to_text(all);
}

void RequestTexts::put_back(const json::value& document, HttpQuestion& question, Part part) const {
  std::size_t at = 0;
  struct Left {
    std::string name, value;
    bool changed;
  };
  const auto left = [&](const Text& text) {
    const auto& member = *document.as_array().at(at++).as_object().begin();
    Left out{std::string(member.key()), {}, member.key() != text.name};
    out.value = text.value.together(member.value().as_array());
    out.changed = out.changed || out.value != text.value.whole();
    return out;
  };
  std::string url = origin_;
  if (has_path_ && path_.empty()) url += '/';
  for (const auto& segment : path_) {
    if (part == Part::beside_path) {
      url += '/' + segment.raw;
      continue;
    }
    const auto now = left(segment);
    url += '/' + (now.changed ? http::percent_encode(now.value) : segment.raw);
  }
  char before = '?';
  for (const auto& pair : query_) {
    const auto now = left(pair);
    url += std::exchange(before, '&');
    url += now.changed ? http::percent_encode(now.name) + '=' + http::percent_encode(now.value) : pair.raw;
  }
  json::object headers;
  for (const auto& header : headers_) {
    auto now = left(header);
    headers[now.name] = std::move(now.value);
  }
  question.url = std::move(url);
  if (!headers_.empty()) question.headers = std::move(headers);
}

}  // namespace sb::flow
