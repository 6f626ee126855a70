#include "flow/outbound/asyncapi.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flow/outbound/described_api.h"

namespace sb::flow {
namespace {

json::value document_of(std::string_view text) {
  auto document = read_description(text);
  EXPECT_TRUE(document) << document.error().detail;
  return document ? *std::move(document) : json::value();
}

constexpr std::string_view kSecond = R"(
asyncapi: 2.6.0
defaultContentType: application/json
servers:
  queue: {url: 'amqp.example:5672', protocol: amqp}
  web:
    url: '{stage}.example:8443/v1/'
    protocol: https
    variables: {stage: {default: live, enum: [live, test]}}
  stream: {url: 'kafka-1.example:9092', protocol: kafka-secure}
channels:
  orders/{country}/new:
    parameters: {country: {location: '$message.payload#/to/country', schema: {type: string, default: de}}}
    publish:
      bindings: {http: {type: request, method: PUT}}
      message: {$ref: '#/components/messages/order'}
  heard: {subscribe: {message: {payload: {type: string}}}}
  two:
    servers: [stream]
    bindings: {kafka: {topic: orders.two}}
    publish:
      message:
        oneOf:
          - {payload: {type: string}, contentType: text/plain}
          - $ref: '#/components/messages/order'
components:
  schemas:
    order:
      type: object
      required: [id]
      properties: {id: {type: integer}, parts: {type: array, items: {$ref: '#/components/schemas/order'}}}
  messages:
    order:
      payload: {$ref: '#/components/schemas/order'}
      traits: [{headers: {type: object, properties: {trace: {type: string}}}}]
      correlationId: {location: '$message.payload#/id'}
      bindings: {kafka: {key: {type: integer, maximum: 99}}}
)";

constexpr std::string_view kThird = R"(
asyncapi: 3.0.0
servers:
  web: {host: api.example, pathname: /hook, protocol: http}
  stream: {host: 'kafka-1.example:9092', protocol: kafka}
channels:
  signups:
    address: users.{region}.signups
    parameters: {region: {default: eu}}
    messages: {joined: {payload: {schemaFormat: application/schema+json;version=draft-07, schema: {required: [name]}}}}
  nowhere: {address: null}
  plain: {address: plain, servers: [{$ref: '#/servers/web'}], messages: {any: {$ref: '#/components/messages/any'}}}
  bound: {address: bound, bindings: {$ref: 'https://other.example/x.yaml#/bindings'}}
  shaped: {address: shaped, messages: {far: {payload: {$ref: './far.json'}}}}
  coded: {address: coded, messages: {avro: {payload: {schemaFormat: application/vnd.apache.avro, schema: {}}}}}
operations:
  join: {action: send, channel: {$ref: '#/channels/signups'}, messages: [{$ref: '#/channels/signups/messages/joined'}]}
  tell: {action: receive, channel: {$ref: '#/channels/plain'}}
  ask: {action: send, channel: {$ref: '#/channels/signups'}, reply: {}}
  lost: {action: send, channel: {$ref: '#/channels/nowhere'}}
  code: {action: send, channel: {$ref: '#/channels/coded'}}
  bind: {action: send, channel: {$ref: '#/channels/bound'}}
  shape: {action: send, channel: {$ref: '#/channels/shaped'}}
  trace: {action: send, channel: {$ref: '#/channels/plain'}, traits: [{$ref: './traits.yaml'}]}
  elsewhere: {action: send, channel: {$ref: 'https://other.example/x.yaml#/channels/a'}}
components:
  messages: {any: {contentType: text/plain, bindings: {kafka: {key: {const: fixed}}}}}
)";

Outcome<Publication> published(std::string_view document, std::string_view with) {
  return asyncapi_publication(document_of(document), document_of(with));
}
std::string refusal_of(std::string_view document, std::string_view with) {
  const auto made = published(document, with);
  EXPECT_FALSE(made) << with;
  if (made) return {};
  EXPECT_EQ(made.error().status, 400);
  return made.error().detail;
}

constexpr std::string_view kNewOrder = "channel: 'orders/{country}/new'\n";

TEST(AsyncApi, AChannelOfASecondVersionIsAPathAtItsServer) {
  const auto made = published(
      kSecond, std::string(kNewOrder) + "message: {payload: {id: 7, to: {country: 'a/b'}}, headers: {trace: t1}}");
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->protocol, AsyncApiProtocol::http) << "the first server that we can speak to";
  EXPECT_EQ(made->server + made->address, "https://live.example:8443/v1/orders/a%2Fb/new");
  EXPECT_EQ(made->method, "PUT");
  EXPECT_EQ(made->content_type, "application/json");
  EXPECT_EQ(to_text(made->payload), R"({"id":7,"to":{"country":"a/b"}})");
  EXPECT_EQ(to_text(made->headers), R"({"trace":"t1"})");
}

TEST(AsyncApi, AServerIsChosenByNameWithItsVariablesOrByProtocol) {
  const std::string message = std::string(kNewOrder) + "message: {payload: {id: 7}}\n";
  EXPECT_EQ(published(kSecond, message + "server: {name: web, variables: {stage: test}}\nprotocol: kafka")->server,
            "https://test.example:8443/v1")
      << "where a server is named, the protocol is left alone";
  const auto stream = published(kSecond, message + "protocol: kafka");
  ASSERT_TRUE(stream) << stream.error().detail;
  EXPECT_EQ(stream->protocol, AsyncApiProtocol::kafka);
  EXPECT_EQ(stream->server, "kafka-1.example:9092");
  EXPECT_EQ(stream->address, "orders/de/new");
  EXPECT_EQ(stream->key, "7");
  EXPECT_NE(refusal_of(kSecond, message + "server: {name: web, variables: {stage: evil}}").find("`stage` cannot"),
            std::string::npos);
  EXPECT_NE(refusal_of(kSecond, message + "server: {name: none}").find("no server `none`"), std::string::npos);
  EXPECT_NE(refusal_of(kSecond, message + "server: {name: queue}").find("its protocols are amqp"), std::string::npos);
  EXPECT_NE(refusal_of(kSecond, "channel: two\nmessage: {payload: {id: 7}}\nprotocol: http").find("kafka-secure"),
            std::string::npos);
}

TEST(AsyncApi, AMessageIsOneOfThoseThatTheDocumentDescribes) {
  const auto text = published(kSecond, "channel: two\nmessage: {payload: plain words}");
  ASSERT_TRUE(text) << text.error().detail;
  EXPECT_EQ(text->content_type, "text/plain");
  EXPECT_FALSE(text->is_json);
  EXPECT_EQ(text->address, "orders.two") << "the binding names the topic";
  EXPECT_EQ(text->key, "");
  const auto order = published(kSecond, "channel: two\nmessage: {payload: {id: 8, parts: [{id: 9}]}}");
  ASSERT_TRUE(order) << order.error().detail;
  EXPECT_EQ(order->key, "8");
  EXPECT_NE(refusal_of(kSecond, "channel: two\nmessage: {payload: {id: 8, parts: [{id: nine}]}}").find("/parts/0/id"),
            std::string::npos);
  EXPECT_NE(refusal_of(kSecond, "channel: two\nmessage: {payload: {id: 8}, headers: {trace: 1}}").find("headers"),
            std::string::npos);
  EXPECT_NE(refusal_of(kSecond, "channel: two\nmessage: {payload: {id: 100}}").find("key"), std::string::npos);
  EXPECT_EQ(refusal_of(kSecond, "channel: two\nmessage: {payload: {id: secret-word}}").find("secret-word"),
            std::string::npos)
      << "a value is no part of an error";
}

TEST(AsyncApi, AnOperationOfAThirdVersionLeadsToItsChannel) {
  const auto joined = published(kThird, "operation: join\nmessage: {payload: {name: Ann}}\nprotocol: kafka");
  ASSERT_TRUE(joined) << joined.error().detail;
  EXPECT_EQ(joined->address, "users.eu.signups");
  EXPECT_EQ(joined->key, "");
  const auto told = published(kThird, "operation: tell\nmessage: {payload: hi}");
  ASSERT_TRUE(told) << told.error().detail;
  EXPECT_EQ(told->server + told->address, "http://api.example/hook/plain");
  EXPECT_EQ(told->method, "POST");
  EXPECT_NE(refusal_of(kThird, "operation: join\nmessage: {payload: {}}").find("payload"), std::string::npos);
  EXPECT_NE(refusal_of(kThird, "operation: tell\nmessage: {payload: {a: 1}}").find("text/plain"), std::string::npos);
  EXPECT_NE(refusal_of(kThird, "operation: tell\nmessage: {payload: hi}\nprotocol: kafka").find("its protocols are"),
            std::string::npos)
      << "the channel is not on that server";
}

TEST(AsyncApi, WhatCannotBePublishedIsRefusedByName) {
  for (const auto& [with, says] : std::vector<std::pair<const char*, const char*>>{
           {"operation: none\nmessage: {}", "no operation `none`"},
           {"channel: signups\nmessage: {}", "AsyncAPI 3: `operation`"},
           {"operation: elsewhere\nmessage: {}", "has no channel in the document"},
           {"operation: lost\nmessage: {}\nprotocol: kafka", "no address"},
           {"operation: code\nmessage: {}", "`application/vnd.apache.avro` are not supported"},
           {"operation: bind\nmessage: {}", "`https://other.example/x.yaml#/bindings` is no part of the document"},
           {"operation: shape\nmessage: {}", "`./far.json` is no part"},
           {"operation: trace\nmessage: {payload: hi}", "`./traits.yaml` is no part"},
           {"operation: ask\nmessage: {payload: {name: Ann}}\nprotocol: kafka", "has a reply"}}) {
    EXPECT_NE(refusal_of(kThird, with).find(says), std::string::npos) << with << ": " << refusal_of(kThird, with);
  }
  EXPECT_NE(refusal_of(kSecond, "channel: heard\nmessage: {}").find("nothing may be published"), std::string::npos);
  EXPECT_NE(refusal_of(kSecond, "channel: none\nmessage: {}").find("no channel `none`"), std::string::npos);
  EXPECT_NE(refusal_of(kSecond, "operation: heard\nmessage: {}").find("AsyncAPI 2: `channel`"), std::string::npos);
  EXPECT_NE(refusal_of(kSecond, "channel: two\nmessage: {payload: hi, headers: [a]}").find("headers are no object"),
            std::string::npos);
  const auto of_many = [](std::string_view what, int count) {
    std::string text =
        "asyncapi: 2.6.0\nservers: {a: {url: a.example, protocol: http}}\nchannels:\n  many: {publish: {message: ";
    text += what == "oneOf" ? "{oneOf: [" : "{payload: {type: string}, traits: [";
    for (int i = 0; i < count; ++i) text += i == 0 ? "{}" : ", {}";
    return text + "]}}}\n";
  };
  constexpr std::string_view kMany = "channel: many\nmessage: {payload: hi}";
  EXPECT_TRUE(published(of_many("oneOf", 100), kMany));
  EXPECT_NE(refusal_of(of_many("oneOf", 101), kMany).find("more than 100 messages"), std::string::npos);
  EXPECT_TRUE(published(of_many("traits", 20), kMany));
  EXPECT_NE(refusal_of(of_many("traits", 21), kMany).find("more than 20 traits"), std::string::npos);
  EXPECT_NE(refusal_of("{openapi: 3.0.0}", "operation: x\nmessage: {}").find("no AsyncAPI"), std::string::npos);
}

/// A document whose one message has this payload's schema, beside `schemas`.
std::string document_with(std::string_view payload, const json::object& schemas, std::string_view more = "{}") {
  auto document = document_of(
      R"({asyncapi: 2.6.0, servers: {a: {url: a.example, protocol: http}}, channels: {c: {publish: {message: {}}}}})");
  document.at("channels").at("c").at("publish").at("message") = document_of(more);
  document.at("channels").at("c").at("publish").at("message").as_object()["payload"] = document_of(payload);
  document.as_object()["components"] = json::object{{"schemas", schemas}};
  return to_text(document);
}
constexpr std::string_view kHi = "channel: c\nmessage: {payload: hi}";

TEST(AsyncApi, AChainOfReferencesIsNotFollowedOnTheStack) {
  const auto chain = [](int length) {
    json::object schemas;
    for (int i = 0; i < length; ++i)
      schemas[fmt::format("s{}", i)] =
          json::object{{"allOf", json::array{json::object{{"$ref", fmt::format("#/components/schemas/s{}", i + 1)}}}}};
    schemas[fmt::format("s{}", length)] = json::object{{"type", "string"}};
    return document_with("{$ref: '#/components/schemas/s0'}", schemas);
  };
  EXPECT_TRUE(published(chain(30), kHi));
  EXPECT_NE(refusal_of(chain(20'000), kHi).find("schema"), std::string::npos);
  EXPECT_NE(refusal_of(chain(40'000), kHi).find("more than one call may look at"), std::string::npos);
}

TEST(AsyncApi, WhatIsEntangledIsLookedAtToALimit) {
  json::value big = json::array(8'000, json::value(json::object{{"type", "string"}}));
  for (int i = 0; i < 20; ++i) big = json::object{{"allOf", json::array{std::move(big)}}};  // each of them is a copy
  json::array places;
  std::string place = "#/components/schemas/big";
  for (int i = 0; i < 20; ++i, place += "/allOf/0") places.push_back(json::object{{"$ref", place}});
  EXPECT_NE(
      refusal_of(document_with(to_text(json::object{{"anyOf", std::move(places)}}), {{"big", std::move(big)}}), kHi)
          .find("more than one call may look at"),
      std::string::npos);

  const std::string long_word(1'000'000, 'x');
  for (const char* keyword : {"title", "const"}) {
    const json::object schema{{keyword, long_word}};
    json::array same(7, json::value(schema));
    EXPECT_NE(refusal_of(document_with(to_text(json::object{{"anyOf", std::move(same)}}), {}), kHi)
                  .find("more than one call may look at"),
              std::string::npos)
        << keyword;
  }

  json::object wide;
  for (int i = 0; i < 20'000; ++i) wide[fmt::format("x{}", i)] = 0;
  auto document = document_of(document_with("{}", {{"wide", std::move(wide)}}));
  document.at("channels").at("c").at("publish").as_object()["traits"] =
      json::array(20, json::value(json::object{{"$ref", "#/components/schemas/wide"}}));
  EXPECT_NE(refusal_of(to_text(document), kHi).find("more than one call may look at"), std::string::npos);
}

// Each step of these is two of the next: one message alone would take a million, and there are a hundred.
TEST(AsyncApi, MessagesAreHeldAgainstAllSchemasWithinOneLimit) {
  json::object schemas{{"s17", json::object{{"type", "integer"}}}};
  for (int i = 0; i < 17; ++i) {
    const json::object next{{"$ref", fmt::format("#/components/schemas/s{}", i + 1)}};
    schemas[fmt::format("s{}", i)] = json::object{{"anyOf", json::array{next, next}}};
  }
  const json::object message{{"payload", json::object{{"$ref", "#/components/schemas/s0"}}}};
  json::array many(100, json::value(message));
  many.push_back(json::object{{"payload", json::object{{"type", "string"}}}});
  many.erase(many.begin());
  auto document = document_of(document_with("{}", schemas));
  document.at("channels").at("c").at("publish").at("message") = json::object{{"oneOf", std::move(many)}};
  EXPECT_FALSE(published(to_text(document), kHi)) << "the last one fits, but nobody comes there";
}

TEST(AsyncApi, ServersAreFewAndTheirAddressesShort) {
  auto document = document_of(document_with("{type: string}", {}));
  auto& servers = document.at("servers").as_object();
  for (int i = 0; i < 99; ++i) servers[fmt::format("s{}", i)] = json::object{{"url", "b.example"}};
  EXPECT_TRUE(published(to_text(document), kHi));
  servers["one"] = json::object{{"url", "b.example"}};
  EXPECT_NE(refusal_of(to_text(document), kHi).find("more than 100 servers"), std::string::npos);
  servers.clear();
  servers["a"] = json::object{{"url", std::string(10'000, 'a')}, {"protocol", "http"}, {"variables", {{"v", 1}}}};
  EXPECT_NE(refusal_of(to_text(document), kHi).find("more than 8192 bytes"), std::string::npos);
}

}  // namespace
}  // namespace sb::flow
