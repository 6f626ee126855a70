#include "flow/outbound/asyncapi.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/yaml.h"
#include "flow/outbound/asyncapi_message.h"
#include "flow/outbound/described_api.h"

namespace sb::flow {
namespace {

std::unexpected<Error> no_such(std::string detail) {
  return fail(Errc::invalid_argument, std::move(detail));
}

/// What is published to: a channel, and the operation of it.
struct Target {
  std::string address;  ///< empty: the document says none
  const json::value* channel = nullptr;
  const json::value* operation = nullptr;
  std::vector<const json::value*> messages;  ///< empty: any
};

struct NamedServer {
  std::string_view name;
  const json::value* server;
};

/// One call against one document.
class AsyncApiReading {
 public:
  AsyncApiReading(const json::value& document, const json::value& with) : document_(document), with_(with) {
    if (const auto* payload = part("payload")) payload_ = *payload;
    if (const auto* headers = part("headers")) headers_ = *headers;
  }

  Result<Publication> publication() {
    if (!headers_.is_object()) return no_such("the message's headers are no object");
    SB_TRY(const auto target, is_second() ? channel_of_2() : operation_of_3());
    SB_CHECK(check_references(document_, *target.channel, work_));
    SB_CHECK(check_references(document_, *target.operation, work_));
    SB_TRY(const auto server, server_for(*target.channel));
    Publication made;
    made.protocol = *asyncapi_protocol(string_member(*server.server, "protocol"));
    made.payload = payload_;
    made.headers = headers_.get_object();
    SB_TRY(const auto message, message_of(target));
    made.content_type = message ? message->content_type()
                                : std::string(string_member(document_, "defaultContentType", "application/json"));
    made.is_json = is_json_type(made.content_type);
    if (!made.is_json && !payload_.is_string())
      return no_such(fmt::format("a message of `{}` has a text as its payload", made.content_type));
    SB_CHECK(made.protocol == AsyncApiProtocol::http ? over_http(target, *server.server, made)
                                                     : over_kafka(target, *server.server, message, made));
    return made;
  }

 private:
  const json::value* part(std::string_view key) const {
    const auto* message = find_member(with_, "message");
    return message ? find_member(*message, key) : nullptr;
  }
  bool is_second() const { return string_member(document_, "asyncapi").starts_with("2."); }

  // 2.x: a channel's name is its address. `publish` is what others may send to the application.
  Result<Target> channel_of_2() const {
    const auto name = string_member(with_, "channel");
    if (name.empty()) return no_such("the document is AsyncAPI 2: `channel` says what to publish to");
    const auto* channels = find_member(document_, "channels");
    Target target;
    target.address = name;
    target.channel = channels ? follow_ref(document_, find_member(*channels, name)) : nullptr;
    if (!target.channel) return no_such(fmt::format("the document has no channel `{}`", name));
    target.operation = find_member(*target.channel, "publish");
    if (!target.operation) return no_such(fmt::format("nothing may be published to the channel `{}`", name));
    const auto* said = follow_ref(document_, find_member(*target.operation, "message"));
    if (const auto* many = said ? find_member(*said, "oneOf") : nullptr) {
      SB_CHECK(add_all(*many, target));
    } else if (said) {
      target.messages.push_back(said);
    }
    return target;
  }

  Result<Target> operation_of_3() const {
    if (!string_member(document_, "asyncapi").starts_with("3.")) return no_such("the document is no AsyncAPI 2 or 3");
    const auto name = string_member(with_, "operation");
    if (name.empty()) return no_such("the document is AsyncAPI 3: `operation` says what to publish");
    const auto* operations = find_member(document_, "operations");
    Target target;
    target.operation = operations ? follow_ref(document_, find_member(*operations, name)) : nullptr;
    if (!target.operation) return no_such(fmt::format("the document has no operation `{}`", name));
    target.channel = follow_ref(document_, find_member(*target.operation, "channel"));
    if (!target.channel) return no_such(fmt::format("the operation `{}` has no channel in the document", name));
    target.address = string_member(*target.channel, "address");
    const auto* messages = find_member(*target.operation, "messages");
    if (!messages) messages = find_member(*target.channel, "messages");
    if (messages) SB_CHECK(add_all(*messages, target));
    return target;
  }

  // A list, or a map by names.
  Result<> add_all(const json::value& messages, Target& target) const {
    constexpr std::size_t kMost = 100;  // each is held against its schemas
    const auto add = [&](const json::value& entry) -> Result<> {
      if (target.messages.size() == kMost)
        return no_such(fmt::format("the document describes more than {} messages there", kMost));
      const auto* message = follow_ref(document_, &entry);
      if (!message) return no_such(fmt::format("`{}` is no part of the document", string_member(entry, "$ref")));
      target.messages.push_back(message);
      return {};
    };
    if (const auto* list = messages.if_array()) {
      for (const auto& entry : *list) SB_CHECK(add(entry));
    } else if (const auto* map = messages.if_object()) {
      for (const auto& [name, entry] : *map) SB_CHECK(add(entry));
    }
    return {};
  }

  // The first that the message is; where there is none, why it is not the last.
  Result<std::optional<AsyncApiMessage>> message_of(const Target& target) {
    Result<> objection;
    for (const auto* described : target.messages) {
      AsyncApiMessage message(document_, *described, work_);
      objection = message.check(payload_, headers_);
      if (objection) return message;
    }
    if (!objection) return std::unexpected(objection.error());
    return std::nullopt;
  }

  // Those of the channel, where it names some; else all.
  Result<std::vector<NamedServer>> servers_of(const json::value& channel) const {
    constexpr std::size_t kMost = 100;  // each of all is looked for among those of the channel
    std::vector<NamedServer> found;
    const auto* all = find_member(document_, "servers");
    if (!all || !all->is_object()) return found;
    const auto* some = find_member(channel, "servers");
    const bool chosen = some && some->is_array() && !some->get_array().empty();
    if (all->get_object().size() > kMost || (chosen && some->get_array().size() > kMost))
      return no_such(fmt::format("the document has more than {} servers", kMost));
    for (const auto& [name, entry] : all->get_object()) {
      const auto is_this = [&](const json::value& one) {
        return one.is_string() ? one.get_string() == name
                               : string_member(one, "$ref") == "#" + pointer_append("/servers", name);
      };
      if (chosen && std::ranges::none_of(some->get_array(), is_this)) continue;
      if (const auto* server = follow_ref(document_, &entry)) found.push_back({name, server});
    }
    return found;
  }

  Result<NamedServer> server_for(const json::value& channel) const {
    const auto* wanted = find_member(with_, "server");
    const auto name = wanted ? string_member(*wanted, "name") : std::string_view();
    const auto protocol = asyncapi_protocol(string_member(with_, "protocol"));
    std::vector<std::string_view> others;
    SB_TRY(const auto servers, servers_of(channel));
    for (const auto& one : servers) {
      if (wanted && one.name != name) continue;
      const auto spoken = asyncapi_protocol(string_member(*one.server, "protocol"));
      if (spoken && (wanted || !protocol || spoken == protocol)) return one;
      others.push_back(string_member(*one.server, "protocol"));
    }
    if (wanted && others.empty()) return no_such(fmt::format("the channel has no server `{}`", name));
    return no_such(fmt::format("no server of the channel speaks {}: its protocols are {}",
                               protocol && !wanted ? string_member(with_, "protocol") : "http or kafka",
                               others.empty() ? "none" : fmt::format("{}", fmt::join(others, ", "))));
  }

  Result<std::string> with_variables(std::string text, const json::value& server) const {
    const auto* wanted = find_member(with_, "server");
    const auto* given = wanted ? find_member(*wanted, "variables") : nullptr;
    SB_TRY(auto filled, with_server_variables(std::move(text), server, given ? *given : json::value(nullptr)));
    if (filled.find('{') != std::string::npos)
      return no_such(
          fmt::format("the server's address `{}` has a variable that the document does not declare", filled));
    return filled;
  }

  // `{name}` in an address: from the message where the document says so, else the default.
  Result<std::string> filled_address(const Target& target, bool is_url) const {
    std::string out;
    std::string_view left = target.address;
    const auto* declared = find_member(*target.channel, "parameters");
    for (auto open = left.find('{'); open != std::string_view::npos; open = left.find('{')) {
      const auto close = left.find('}', open);
      if (close == std::string_view::npos) return no_such("the channel's address lacks a `}`");
      const auto name = left.substr(open + 1, close - open - 1);
      const auto* parameter = declared ? follow_ref(document_, find_member(*declared, name)) : nullptr;
      const auto* value = parameter ? parameter_value(*parameter) : nullptr;
      const auto text = value ? parameter_text(*value) : std::string();
      if (text.empty()) return no_such(fmt::format("parameter `{}` of the channel's address has no value", name));
      out += left.substr(0, open);
      out += is_url ? http::percent_encode(text) : text;
      left.remove_prefix(close + 1);
    }
    return out.append(left);
  }

  const json::value* parameter_value(const json::value& parameter) const {
    if (const auto location = string_member(parameter, "location"); !location.empty()) {
      if (const auto* found = at_location(location, payload_, headers_)) return found;
    }
    if (const auto* found = find_member(parameter, "default")) return found;
    const auto* schema = follow_ref(document_, find_member(parameter, "schema"));
    return schema ? find_member(*schema, "default") : nullptr;
  }

  Result<> over_http(const Target& target, const json::value& server, Publication& made) const {
    const auto protocol = string_member(server, "protocol");
    std::string url(string_member(server, "url"));  // 2.x
    if (url.empty()) url = fmt::format("{}{}", string_member(server, "host"), string_member(server, "pathname"));
    if (url.find("://") == std::string::npos) url = fmt::format("{}://{}", protocol, url);
    SB_TRY(made.server, with_variables(std::move(url), server));
    while (made.server.ends_with('/')) made.server.pop_back();
    SB_TRY(made.address, filled_address(target, true));
    if (!made.address.empty() && !made.address.starts_with('/')) made.address.insert(0, 1, '/');
    if (const auto* binding = asyncapi_binding(document_, with_traits(document_, *target.operation), "http"))
      made.method = string_member(*binding, "method", made.method);
    return {};
  }

  Result<> over_kafka(const Target& target, const json::value& server, const std::optional<AsyncApiMessage>& message,
                      Publication& made) const {
    std::string brokers(string_member(server, "host"));  // 3.x
    if (brokers.empty()) brokers = string_member(server, "url");
    if (const auto scheme = brokers.find("://"); scheme != std::string::npos) brokers.erase(0, scheme + 3);
    brokers.resize(std::min(brokers.find('/'), brokers.size()));
    SB_TRY(made.server, with_variables(std::move(brokers), server));
    if (find_member(*target.operation, "reply")) return no_such("the operation has a reply: not supported over kafka");
    const auto* binding = asyncapi_binding(document_, {target.channel}, "kafka");
    const auto topic = binding ? string_member(*binding, "topic") : std::string_view();
    if (topic.empty()) {
      SB_TRY(made.address, filled_address(target, false));
    } else {
      made.address = topic;
    }
    if (made.address.empty()) return no_such("the channel has no address");
    if (message) {
      SB_TRY(made.key, message->record_key(payload_, headers_));
    }
    return {};
  }

  const json::value& document_;
  const json::value& with_;
  AsyncApiWork work_;
  json::value payload_;
  json::value headers_ = json::object();
};

}  // namespace

std::optional<AsyncApiProtocol> asyncapi_protocol(std::string_view name) {
  if (name == "http" || name == "https") return AsyncApiProtocol::http;
  if (name == "kafka" || name == "kafka-secure") return AsyncApiProtocol::kafka;
  return std::nullopt;
}

Outcome<Publication> asyncapi_publication(const json::value& document, const json::value& with) {
  auto made = AsyncApiReading(document, with).publication();
  if (made) return *std::move(made);
  return std::unexpected(
      standard_problem("validation", 400, "The AsyncAPI call is not valid", std::move(made.error().detail)));
}

}  // namespace sb::flow
