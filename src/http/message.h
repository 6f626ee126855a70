/// HTTP messages, free of any transport: what a handler sees and what a client sends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sb::http {

/// Fields in wire order; names compare case-insensitively (RFC 9110 section 5.1).
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  /// First value of `name`, or empty.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// Replaces all fields of that name with one.
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  void reserve(std::size_t fields) { fields_.reserve(fields); }

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Field> fields_;
};

struct Request {
  std::string method;  ///< "GET", "POST" ...
  std::string path;    ///< percent-decoded, starts with "/", no dot segments
  std::string query;   ///< raw, without "?"
  Headers headers;
  std::string body;  ///< whole, de-chunked, gunzipped; at most the configured limit
  std::string id;    ///< request id: the client's `x-request-id` if it is sane, else a new one
  std::string peer;  ///< "127.0.0.1:54321"
  bool tls = false;

  /// Decoded value of a query parameter.
  std::optional<std::string> query_param(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

std::string_view reason_phrase(int status);
/// "a%20b" -> "a b"; nothing where an escape is broken. `plus_is_space` for query strings.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);

}  // namespace sb::http
