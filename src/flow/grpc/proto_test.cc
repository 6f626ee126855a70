#include "flow/grpc/proto.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace sb::flow::grpc {
namespace {

using testing::HasSubstr;

constexpr std::string_view kShop = R"(syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
enum Size { SMALL = 0; LARGE = 1; }
message Line { string product = 1; int64 count = 2; repeated Line parts = 3; }
message Order { string customer_name = 1; repeated Line lines = 2; Size size = 3; google.protobuf.Timestamp at = 4; }
message Receipt { string id = 1; int32 cents = 2; map<string, double> taxes = 3; Line line = 4; }
service Orders {
  rpc Place(Order) returns (Receipt);
  rpc Watch(Order) returns (stream Receipt);
  rpc Upload(stream Order) returns (Receipt);
}
)";

std::shared_ptr<const Method> method_of(std::string_view text, std::string_view name) {
  const auto proto = Proto::read(text);
  EXPECT_TRUE(proto) << proto.error().detail;
  auto method = (*proto)->method("shop.Orders", name);
  EXPECT_TRUE(method) << method.error().detail;
  return *method;
}

/// A field that holds a message, as it is encoded.
std::string field(int number, const std::string& content) {
  std::string head(1, static_cast<char>(number << 3 | 2));
  auto size = content.size();
  for (; size > 0x7f; size >>= 7) head += static_cast<char>(0x80 | (size & 0x7f));
  return head + static_cast<char>(size) + content;
}

Result<std::string> json_of(const Method& method, std::string_view bytes) {
  std::size_t weight_left = kMessageWeightMax;
  return method.answer(bytes, weight_left);
}

std::string wrong_with(std::string_view text) {
  const auto proto = Proto::read(text);
  return proto ? "" : proto.error().detail;
}

TEST(Proto, ArgumentsAreTheMessageThatTheFileDescribes) {
  const auto place = method_of(kShop, "Place");
  EXPECT_EQ(place->path(), "/shop.Orders/Place");
  EXPECT_FALSE(place->streams_answer());
  // Written by hand after the encoding's specification: field 1 "Ann"; field 2 {1 "tea", 2 300}; field 3 = 1; field 4
  // {1 1}.
  EXPECT_EQ(*place->request(R"({"customerName":"Ann","lines":[{"product":"tea","count":300}],"size":"LARGE",
                               "at":"1970-01-01T00:00:01Z"})"),
            std::string_view("\x0a\x03"
                             "Ann\x12\x08\x0a\x03tea\x10\xac\x02\x18\x01\x22\x02\x08\x01"));
  EXPECT_EQ(*place->request(R"({"customer_name":"Ann"})"),
            "\x0a\x03"
            "Ann")
      << "the file's own names do as well";
  EXPECT_EQ(*place->request("{}"), "");
}

TEST(Proto, AnAnswerIsJsonWithItsDefaults) {
  const auto watch = method_of(kShop, "Watch");
  EXPECT_TRUE(watch->streams_answer());
  EXPECT_EQ(*json_of(*watch, "\x0a\x02r1\x10\x2a"), R"({"id":"r1","cents":42,"taxes":{}})");
  EXPECT_EQ(*json_of(*watch, ""), R"({"id":"","cents":0,"taxes":{}})");
}

TEST(Proto, ArgumentsThatAreNoSuchMessageAreRefusedWithoutTheirValues) {
  const auto place = method_of(kShop, "Place");
  for (const char* arguments : {R"({"customerName":{"secret":1}})", R"({"lines":"secret"})", R"({"size":"secret"})",
                                R"(["secret"])", R"("secret")", R"({"at":"secret"})", "{secret", ""}) {
    const auto refused = place->request(arguments);
    ASSERT_FALSE(refused) << arguments;
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
    EXPECT_EQ(refused.error().detail, "the arguments are no shop.Order");
  }
  EXPECT_EQ(place->request(R"({"customer":"secret"})").error().detail,
            "the arguments are no shop.Order: a field is not known; it has customerName, lines, size, at");
}

TEST(Proto, AnswersThatAreNoSuchMessageAreRefused) {
  const auto place = method_of(kShop, "Place");
  const std::string whole = "\x0a\x02r1\x10\x2a\x22\x05\x0a\x03tea";
  ASSERT_TRUE(json_of(*place, whole));
  for (const std::size_t cut : {1, 2, 3, 5, 7, 8, 9, 10, 11, 12})
    EXPECT_EQ(json_of(*place, whole.substr(0, cut)).error().code, Errc::upstream_invalid) << cut;
  EXPECT_FALSE(json_of(*place, "\x0a\x02\xff\xfe")) << "a string is UTF-8";
  EXPECT_FALSE(json_of(*place, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
  std::string deep;
  for (int i = 0; i < 5'000; ++i) deep = field(3, deep);  // parts within parts
  EXPECT_FALSE(json_of(*place, field(4, deep))) << "no message is 5000 deep";
}

/// `count` messages of nothing within one.
std::string many_empty(int number, int count) {
  std::string made;
  for (int i = 0; i < count; ++i) made += field(number, "");
  return made;
}

TEST(Proto, SmallAnswersOfManyValuesAreRefused) {
  constexpr std::string_view kMany = R"(syntax = "proto2"; package shop;
    message Line { optional string product = 1 [default = "tea"]; optional int64 a = 2; optional int64 b = 3; }
    message All { repeated Line lines = 1; repeated int32 packed = 2 [packed = true]; repeated int32 loose = 3;
                  repeated fixed64 wide = 4 [packed = true]; map<int32, Line> named = 5;
                  repeated group Part = 7 { optional int32 n = 1; } repeated string texts = 8;
                  repeated double real = 9 [packed = true]; }
    service Orders { rpc Ask(All) returns (All); })";
  const auto ask = method_of(kMany, "Ask");
  const std::string loose(1'000'000, '\x18');  // field 3, and 24 as its value
  std::string parts;
  for (int i = 0; i < 200'000; ++i) parts += "\x3b\x3c";
  const std::string ones(250'000, '\1'), zeros(4'000'000, '\0');
  for (const auto& bytes : {many_empty(1, 100'000), field(2, ones), loose, field(4, zeros), many_empty(5, 100'000),
                            parts, many_empty(8, 300'000), field(9, zeros)}) {
    const auto told = json_of(*ask, bytes);
    ASSERT_FALSE(told) << bytes.substr(0, 5) << bytes.size();
    EXPECT_EQ(told.error().code, Errc::too_large);
    EXPECT_THAT(told.error().detail, HasSubstr("more than 64 MiB"));
  }
  EXPECT_TRUE(json_of(*ask, many_empty(1, 20'000)));
  EXPECT_TRUE(json_of(*ask, field(2, std::string(100'000, '\1'))));
  EXPECT_TRUE(json_of(*ask, field(8, std::string(4'000'000, 'x'))));
}

TEST(Proto, ALongNameOrDefaultCountsWhereverItIsWritten) {
  const std::string name(10'000, 'n');
  for (const std::string& said :
       {"optional string " + name + " = 1;", "optional string a = 1 [default = \"" + name + "\"];",
        "optional string a = 1 [json_name = \"" + name + "\"];", std::string("optional Size a = 1;")}) {
    const auto ask = method_of(fmt::format(R"(syntax = "proto2"; package shop; enum Size {{ {} = 0; }}
                                             message Line {{ {} }} message All {{ repeated Line lines = 1; }}
                                             service Orders {{ rpc Ask(All) returns (All); }})",
                                           name, said),
                               "Ask");
    EXPECT_EQ(json_of(*ask, many_empty(1, 10'000)).error().code, Errc::too_large) << said.substr(0, 20);
    EXPECT_TRUE(json_of(*ask, many_empty(1, 1'000)));
  }
}

TEST(Proto, AnAnyIsAMessageWithinAMessage) {
  const auto ask = method_of(R"(syntax = "proto3"; package shop; import "google/protobuf/any.proto";
    message Line { string product = 1; repeated Line parts = 2; } message Box { google.protobuf.Any any = 3; }
    service Orders { rpc Ask(Box) returns (Box); })",
                             "Ask");
  const auto boxed = [](int times, const std::string& last) {
    std::string made = last;
    for (int i = 0; i < times; ++i) made = field(1, "type.googleapis.com/google.protobuf.Any") + field(2, made);
    return field(3, made);
  };
  const auto line = [](const std::string& content) {
    return field(1, "type.googleapis.com/shop.Line") + field(2, content);
  };
  EXPECT_EQ(*json_of(*ask, boxed(0, line("\x0a\x03tea"))),
            R"({"any":{"@type":"type.googleapis.com/shop.Line","product":"tea","parts":[]}})");
  EXPECT_TRUE(json_of(*ask, boxed(50, line("\x0a\x03tea"))));
  EXPECT_EQ(json_of(*ask, boxed(200, line(""))).error().code, Errc::too_large);
  EXPECT_EQ(json_of(*ask, boxed(10'000, "")).error().code, Errc::too_large) << "protobuf goes down into each";
  EXPECT_EQ(json_of(*ask, boxed(1, line(many_empty(2, 100'000)))).error().code, Errc::too_large);
}

TEST(Proto, ArgumentsAreWeighedAsAnswersAre) {
  const auto place = method_of(kShop, "Place");
  const auto lines = [](int count) {
    std::string json = R"({"lines":[{})";
    for (int i = 1; i < count; ++i) json += ",{}";
    return json + "]}";
  };
  EXPECT_TRUE(place->request(lines(10'000)));
  const auto refused = place->request(lines(200'000));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("too large a shop.Order"));
  EXPECT_EQ(place->request(R"({"customerName":")" + std::string(kArgumentBytesMax, 'x') + "\"}").error().code,
            Errc::too_large);
}

TEST(Proto, ServicesAndMethodsAreFoundByName) {
  const auto proto = *Proto::read(kShop);
  EXPECT_EQ(proto->method("Orders", "Place").error().detail, "the proto has no service `Orders`; it has shop.Orders");
  EXPECT_EQ(proto->method("shop.Orders", "place").error().detail,
            "service `shop.Orders` has no method `place`; it has Place, Watch, Upload");
  const auto upload = proto->method("shop.Orders", "Upload");
  EXPECT_EQ(upload.error().code, Errc::unsupported);
  EXPECT_THAT(upload.error().detail, HasSubstr("`Upload` takes a stream"));
  EXPECT_EQ((*Proto::read("syntax = \"proto3\";"))->method("a", "b").error().detail, "the proto has no service");
}

TEST(Proto, WhatIsWrongWithAFileHasItsPlace) {
  EXPECT_EQ(wrong_with("syntax = \"proto3\";\nmessage A {\n  strin\n}\n"), "line 4, column 1: Expected field name.");
  EXPECT_EQ(wrong_with("syntax = \"proto3\";\nmessage A { Nothing n = 1; }\n"),
            "line 2, column 13: A.n: \"Nothing\" is not defined.");
  EXPECT_EQ(wrong_with("syntax = \"proto3\";\nmessage A { string n = 1; string m = 1; }\n").substr(0, 7), "line 2,");
  EXPECT_EQ(wrong_with("syntax = \"proto4\";").substr(0, 7), "line 1,");
  EXPECT_NE(wrong_with("<!DOCTYPE html>"), "");
  EXPECT_NE(wrong_with(std::string("\0\x01\xff", 3)), "");
}

TEST(Proto, ImportsOnlyWhatProtobufHas) {
  for (const char* own :
       {"any", "api", "duration", "empty", "field_mask", "struct", "timestamp", "type", "wrappers", "descriptor"})
    EXPECT_EQ(wrong_with(fmt::format("syntax = \"proto3\"; import \"google/protobuf/{}.proto\";", own)), "") << own;
  for (const char* other : {"google/api/annotations.proto", "other.proto", "google/protobuf/nothing.proto",
                            "../../etc/passwd", "the proto"}) {
    const auto refused = Proto::read(fmt::format("syntax = \"proto3\"; import \"{}\";", other));
    ASSERT_FALSE(refused) << other;
    EXPECT_EQ(refused.error().code, Errc::unsupported);
    EXPECT_THAT(refused.error().detail, HasSubstr(fmt::format("`{}`", other)));
  }
}

TEST(Proto, HostileFilesAreRefused) {
  std::string ranges = "syntax = \"proto2\"; message A { reserved 1";
  for (int i = 2; i < 2'002; ++i) ranges += fmt::format(", {}", 2 * i);
  EXPECT_EQ(wrong_with(ranges + "; }"), "the proto has more than 2000 ranges of reserved numbers and extensions");
  std::string aliases = "enum A { option allow_alias = true;";
  for (int i = 0; i < 12'500; ++i) aliases += fmt::format("a{}=0;", i);
  EXPECT_EQ(wrong_with(aliases + "}"), "the proto has more than 50000 names, numbers and signs");
  std::string chain = "syntax = \"proto3\";";  // protobuf goes down along it when the first message is made
  for (int i = 0; i <= 2'000; ++i) chain += fmt::format("message M{}{{M{} a=1;}}", i, i + 1);
  EXPECT_THAT(wrong_with(chain), HasSubstr("more than 2000 messages"));
  EXPECT_LT(wrong_with("import \"" + std::string(100'000, 'x') + "\";").size(), 500U);
  EXPECT_LT(wrong_with("message A { " + std::string(100'000, 'x') + " a = 1; }").size(), 500U);
  EXPECT_EQ(Proto::read(std::string(kProtoBytesMax + 1, ' ')).error().code, Errc::too_large);
  for (const char* opening :
       {"message A {", "option (x) = {a ", "message A { oneof b { group C = 1 {", "enum A { option (x) = {",
        "extend A {", "message A { option (x) = {a <b <", "[", "((((", "<"}) {
    std::string text = "syntax = \"proto2\";";
    while (text.size() + std::string_view(opening).size() < kProtoBytesMax) text += opening;
    EXPECT_NE(wrong_with(text), "") << opening;
  }
  EXPECT_THAT(wrong_with("syntax = \"proto3\"; message A { " + std::string(70, '{')),
              HasSubstr("more than 64 brackets"));
}

}  // namespace
}  // namespace sb::flow::grpc
