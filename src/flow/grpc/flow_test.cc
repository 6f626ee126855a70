// What a flow may say of a gRPC call; each refusal has its place.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flow/dsl/catalogs.h"
#include "flow/grpc/proto.h"

namespace sb::flow {
namespace {

constexpr std::string_view kProto = R"(syntax = "proto3";
package shop;
message Order { string name = 1; int32 count = 2; }
message Receipt { string id = 1; }
service Orders { rpc Place(Order) returns (Receipt); rpc Upload(stream Order) returns (Receipt); }
)";
constexpr std::string_view kService = "{name: shop.Orders, host: shop.test, port: 50051}";

std::string grpc_flow(std::string_view with) {
  return fmt::format(
      "document: {{dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}}\ndo:\n  - ask:\n      call: grpc\n    "
      "  "
      "with:\n{}",
      with);
}

Cataloged with_proto(std::string_view text = kProto, const char* url = "https://shop.test/shop.proto") {
  Cataloged had;
  had.protos.emplace(url, text);
  return had;
}

/// The first thing that is wrong: "LINE:COLUMN: what"; empty: nothing.
std::string grpc_fault(std::string_view with, const Cataloged& had = with_proto()) {
  const auto report = check_flow(grpc_flow(with), {}, had);
  if (report.flow) return "";
  const auto& first = report.findings.at(0);
  return fmt::format("{}:{}: {}", first.line, first.column, first.message);
}

std::string grpc_with(std::string_view service = kService, std::string_view method = "Place",
                      std::string_view more = "") {
  return fmt::format(
      "        proto: {{endpoint: 'https://shop.test/shop.proto'}}\n        service: {}\n        method: {}\n{}",
      service, method, more);
}

TEST(GrpcFlow, ACallKnowsItsMethod) {
  const auto report = check_flow(
      grpc_flow(grpc_with(kService, "Place", "        arguments: {name: tea, count: '${ .n }'}\n")), {}, with_proto());
  ASSERT_TRUE(report.flow) << report.findings.at(0).to_string("flow");
  const auto& call = std::get<CallTask>(report.flow->root.tasks.at(0).body);
  EXPECT_EQ(call.kind, CallKind::grpc);
  EXPECT_EQ(call.method->path(), "/shop.Orders/Place");
}

TEST(GrpcFlow, WhatCannotBeCalledIsRefusedInItsPlace) {
  EXPECT_EQ(grpc_fault(grpc_with("{name: Orders, host: shop.test}")),
            "7:25: the proto has no service `Orders`; it has shop.Orders");
  EXPECT_EQ(grpc_fault(grpc_with(kService, "Cancel")),
            "8:17: service `shop.Orders` has no method `Cancel`; it has Place, Upload");
  EXPECT_EQ(grpc_fault(grpc_with(kService, "Upload")),
            "8:17: method `Upload` takes a stream of messages: not supported by this server");
  EXPECT_EQ(grpc_fault(grpc_with(kService, "Place", "        arguments: {nam: tea}\n")),
            "9:20: the arguments are no shop.Order: a field is not known; it has name, count");
  EXPECT_EQ(grpc_fault(grpc_with(kService, "Place", "        arguments: [1]\n")),
            "9:20: is an object of the message's fields");
  EXPECT_EQ(grpc_fault(grpc_with(kService, "'${ .method }'")),
            "8:17: is a name, written out: the proto must have it when the flow is registered");
  EXPECT_EQ(grpc_fault(grpc_with("{name: shop.Orders}")), "7:18: a service needs `host`");
  EXPECT_EQ(grpc_fault(grpc_with("{name: shop.Orders, host: a, port: 0}")), "7:53: is a number from 1 to 65535");
  EXPECT_EQ(grpc_fault(grpc_with("{name: shop.Orders, host: a, ports: 1}")),
            "7:54: the DSL has no `ports` here; did you mean `port`?");
  EXPECT_EQ(grpc_fault(grpc_with("{name: shop.Orders, host: a, authentication: {digest: {username: a, password: b}}}")),
            "7:63: `digest` is not supported for gRPC, which has no challenges");
  EXPECT_EQ(grpc_fault(grpc_with("{name: shop.Orders, host: a, authentication: {use: mine}}", "Place",
                                 "use: {authentications: {mine: {digest: {username: a, password: b}}}}\n")),
            "7:63: `digest` is not supported for gRPC, which has no challenges");
  EXPECT_EQ(
      grpc_fault("        proto: {endpoint: '${ .url }'}\n        service: {name: a, host: b}\n        method: c\n"),
      "6:16: a proto needs `endpoint`, written out: it is read when the flow is registered");
  EXPECT_EQ(grpc_fault("        method: c\n"), "6:9: `call: grpc` needs `proto`");
}

TEST(GrpcFlow, AProtoThatCannotBeHadOrReadIsToldWhereItIsNamed) {
  EXPECT_EQ(grpc_fault(grpc_with(), {}),
            "6:16: `https://shop.test/shop.proto` could not be had: nobody has asked for it");
  Cataloged failed;
  failed.failures.emplace("https://shop.test/shop.proto", "it said 404");
  EXPECT_EQ(grpc_fault(grpc_with(), failed), "6:16: `https://shop.test/shop.proto` could not be had: it said 404");
  EXPECT_EQ(
      grpc_fault(grpc_with(), with_proto("syntax = \"proto3\";\nmessage A {\n")),
      "6:16: `https://shop.test/shop.proto`: line 3, column 1: Reached end of input in message definition (missing "
      "'}').");
  EXPECT_EQ(grpc_fault(grpc_with(), with_proto("import \"other.proto\";")).substr(0, 65),
            "6:16: `https://shop.test/shop.proto`: import `other.proto` is not");
}

TEST(GrpcFlow, ATextAloneIsCheckedWithAWarning) {
  const auto report = check_flow(grpc_flow(grpc_with()), {});
  ASSERT_TRUE(report.flow);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_TRUE(report.findings[0].warning);
  EXPECT_EQ(report.findings[0].message, "`https://shop.test/shop.proto` is looked at when the flow is registered");
  EXPECT_FALSE(load_flow(grpc_flow(grpc_with()), "flow", {}));
}

TEST(GrpcFlow, TheHashCoversTheProto) {
  const auto text = grpc_flow(grpc_with());
  const auto a = check_flow(text, {}, with_proto()).flow;
  const auto b = check_flow(text, {}, with_proto(std::string(kProto) + "message More {}\n")).flow;
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->hash, b->hash);
  const auto kept = Cataloged::from_text(with_proto().to_text("hash"), "hash");
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ((*kept)->protos, with_proto().protos);
  EXPECT_FALSE(Cataloged::from_text(R"({"source":"h","functions":{},"protos":{"u":1}})", "h"));
}

TEST(GrpcFlow, ProtosAreFoundWhereverACallIs) {
  const json::value flow = {
      {"do",
       {{{"a", {{"call", "grpc"}, {"with", {{"proto", {{"endpoint", "https://a.test/a.proto"}}}}}}}},
        {{"b",
          {{"try",
            {{{"c", {{"call", "grpc"}, {"with", {{"proto", {{"endpoint", {{"uri", "file://b.proto"}}}}}}}}}}}}}}},
        {{"d", {{"call", "grpc"}, {"with", {{"proto", {{"endpoint", "https://a.test/a.proto"}}}}}}}},
        {{"e", {{"call", "http"}, {"with", {{"proto", {{"endpoint", "https://no.test/"}}}}}}}}}}};
  const auto endpoints = proto_endpoints(flow);
  ASSERT_EQ(endpoints.size(), 2U);
  EXPECT_EQ(proto_url(endpoints[0]), "https://a.test/a.proto");
  EXPECT_EQ(proto_url(endpoints[1]), "file://b.proto");
  EXPECT_TRUE(has_parts_elsewhere(flow));
}

TEST(GrpcFlow, AFileIsOneOfTheServersFolder) {
  for (const char* inside : {"file://app/greet.proto", "file:///app/greet.proto"}) {
    const auto place = place_of_proto(json::object{}, json::string(inside));
    ASSERT_TRUE(place) << inside;
    EXPECT_EQ(place->path, "app/greet.proto");
    EXPECT_EQ(place->url, "");
  }
  for (const char* outside : {"file://../x.proto", "file://a/../../x.proto", "file://a//b", "file://", "file:///",
                              "ftp://a/b", "greet.proto", "file://.hidden/x"})
    EXPECT_FALSE(place_of_proto(json::object{}, json::string(outside))) << outside;
}

}  // namespace
}  // namespace sb::flow
