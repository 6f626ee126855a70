// What a gRPC service may send, and what whoever registers a flow may call a proto: files, messages, frames of HTTP/2.
#include "flow/grpc/call.h"
#include "http/http2_session.h"

using namespace sb;

static void proto(std::string_view text) {
  const auto read = flow::grpc::Proto::read(text);
  if (read) (void)(*read)->method("s.S", "M").has_value();
}

static const flow::grpc::Method& echo() {
  static const auto method = *(*flow::grpc::Proto::read(R"(syntax = "proto3";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/any.proto";
    message M { string s = 1; int64 i = 2; repeated M m = 3; map<string, double> d = 4; bytes b = 5; E e = 6;
                google.protobuf.Struct t = 7; google.protobuf.Timestamp at = 8; google.protobuf.Any a = 9; }
    enum E { A = 0; B = 1; }
    service S { rpc Echo(M) returns (stream M); })"))
                                  ->method("S", "Echo");
  return *method;
}

static void answer(std::string_view body) {
  flow::HttpAnswer answer;
  answer.headers["content-type"] = "application/grpc";
  answer.trailers["grpc-status"] = "0";
  answer.body = body;
  if (const auto json = flow::grpc::answer_of(answer, echo())) SB_ASSERT(parse_json(*json).has_value());
}

static void arguments(std::string_view json) {
  const auto message = echo().request(json);
  SB_ASSERT(!message || flow::grpc::messages_in(flow::grpc::framed(*message), 1)->at(0) == *message);
}

static void http2(std::string_view bytes) {
  http::ClientRequest request;
  request.origin = *http::Url::parse("http://a.test");
  request.target = "/";
  request.body = "q";
  const auto session = *http::Http2Session::create(request, 1'000);
  while (!bytes.empty() && session->take()) {
    const auto piece = bytes.substr(0, 7);
    bytes.remove_prefix(piece.size());
    if (!session->feed(piece)) return;
    SB_ASSERT(session->take_body().size() <= piece.size());
    SB_ASSERT(!session->ended() || session->head_complete());
  }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      proto(text);
      break;
    case 1:
      answer(text);
      break;
    case 2:
      arguments(text);
      break;
    default:
      http2(text);
  }
  return 0;
}
