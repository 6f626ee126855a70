// Calls to services: what leaves the run passes the policy, wherever in the request it stands.
#include <fmt/format.h>

#include "base/bytes.h"

#include <mutex>
#include <thread>

#include "flow/engine_testing.h"
#include "http/server.h"

namespace sb::flow {
namespace {

/// A service on a thread of its own that writes down what it is asked.
class Service {
 public:
  Service() {
    server_ = std::move(*http::Server::create(io_, {}, [this](http::Exchange& exchange) { return answer(exchange); }));
    server_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Service() {
    io_.stop();
    thread_.join();
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  // Before it is asked.
  int status = 200;
  std::string say = R"({"jsonrpc":"2.0","id":1,"result":{}})";
  std::string describes;  ///< said at /api.yaml

 private:
  Task<void> answer(http::Exchange& exchange) {
    const auto& request = exchange.request();
    std::string text = fmt::format("{}?{}", request.path, request.query);
    for (const char* name : {"x-note", "x-key"}) {
      if (request.headers.has(name)) text += fmt::format(" {}: {}", name, request.headers.get(name));
    }
    if (!request.body.empty()) text += ' ' + request.body;
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(std::move(text));
    }
    const bool is_text = request.path == "/text";
    const bool is_description = request.path == "/api.yaml";
    http::Response response{status, {}, is_text ? "ask bob@x.org" : is_description ? describes : say};
    response.headers.add("content-type", is_text ? "text/plain" : "application/json");
    response.headers.add("connection", "close");
    response.headers.add("location", "https://api.example/next?iban=DE89 3704 0044 0532 0130 00");
    response.headers.add("set-cookie", "session=kept-by-the-service; Path=/");
    (void)co_await exchange.respond(std::move(response));
  }

  asio::io_context io_;
  std::unique_ptr<http::Server> server_;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  std::thread thread_;
};

constexpr std::string_view kOutbound = R"(
name: outbound
version: 1
rules:
  - {name: mail, types: [EMAIL], direction: outbound, action: tokenise}
  - {name: card, types: [CREDIT_CARD], direction: outbound, action: block}
)";

class OutboundCalls : public EngineTest {
 protected:
  OutboundCalls() {
    EXPECT_TRUE(egress_.allow("api.example", service_.url()));
    policy_ = *policy::Policy::load(kOutbound, "test");
  }
  /// A run of one task that calls.
  std::shared_ptr<LiveRun> call(std::string_view task, json::value input) {
    const auto flow =
        add_flow(fmt::format("document: {{dsl: '1.0.3', namespace: test, name: call{}, version: '1.0.0'}}\n"
                             "use: {{secrets: [token]}}\ndo:\n  - ask: {{{}}}\n",
                             ++flows_made_, task));
    auto run = prepare(to_text(input), [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
      request.requested_model.clear();
    });
    EXPECT_TRUE(drive(run));
    return run;
  }

  Service service_;
  int flows_made_ = 0;
};

TEST_F(OutboundCalls, AnAnswerIsLookedAtBeforeItIsCoded) {
  policy_ = *policy::Policy::load("name: p\nversion: 1\nrules: [{name: all, types: [EMAIL], action: mask}]\n", "test");
  const auto run =
      call("call: http, with: {method: get, endpoint: 'http://api.example/text', output: raw}", json::object{});
  ASSERT_FALSE(run->problem) << run->problem->detail;
  const auto* coded = run->output.value().if_string();
  ASSERT_NE(coded, nullptr) << run->output.text();
  const auto text = from_base64(*coded);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->starts_with("ask ")) << *text;
  EXPECT_EQ(text->find("bob@x.org"), std::string::npos) << *text;
}

TEST_F(OutboundCalls, WhatThePolicyBlocksLeavesNowhereInARequest) {
  const json::object card{{"card", "4000056655665556"}};
  for (const char* task : {
           "call: http, with: {method: get, endpoint: 'http://api.example/pay', query: {number: '${ .card }'}}",
           "call: http, with: {method: get, endpoint: 'http://api.example/pay', headers: {x-note: '${ .card }'}}",
           "call: http, with: {method: get, endpoint: 'http://api.example/pay/{card}'}",
           "call: http, with: {method: get, endpoint: '${ \"http://api.example/pay?n=\" + .card }'}",
           "call: http, with: {method: get, endpoint: '${ \"http://api.example/pay?\" + .card }'}",
           "call: http, with: {method: get, endpoint: '${ \"http://api.example/%34000056655665556\" }'}",
           "call: http, with: {method: post, endpoint: 'http://api.example/pay', body: {n: '${ .card }'}}",
           "call: openapi, with: {document: {endpoint: '${ \"http://api.example/\" + .card }'}, operationId: x}",
           "call: asyncapi, with: {document: {endpoint: '${ \"http://api.example/\" + .card }'}, operation: x, "
           "message: "
           "{}}",
           "call: mcp, with: {method: tools/call, parameters: {name: x, arguments: {n: '${ .card }'}}, transport: "
           "{http: "
           "{endpoint: 'http://api.example/'}}}",
           "call: mcp, with: {method: tools/list, transport: {http: {endpoint: 'http://api.example/', headers: "
           "{x-note: "
           "'${ .card }'}}}}",
           "call: a2a, with: {method: message/send, server: '${ \"http://api.example/\" + .card }', parameters: {}}",
       }) {
    const auto run = call(task, card);
    ASSERT_TRUE(run->problem) << task;
    EXPECT_EQ(run->problem->status, 403) << task << run->problem->detail;
    EXPECT_EQ(run->problem->detail.find("4000"), std::string::npos);
    EXPECT_NE(run->problem->detail.find("CREDIT_CARD"), std::string::npos) << task << run->problem->detail;
  }
  EXPECT_TRUE(service_.asked().empty()) << service_.asked().front();
}

TEST_F(OutboundCalls, WhatThePolicyReplacesIsReplacedEverywhere) {
  const auto run = call(
      "call: http, with: {method: post, endpoint: 'http://api.example/to/{mail}', query: {mail: '${ .mail }', n: 1}, "
      "headers: {x-note: '${ \"for \" + .mail }', x-key: '${ \"Key \" + $secrets.token }'}, body: {to: '${ .mail }'}}",
      json::object{{"mail", kMail}});
  EXPECT_FALSE(run->problem) << to_text(run->problem->to_json());
  ASSERT_EQ(service_.asked().size(), 1U);
  EXPECT_EQ(service_.asked()[0],
            "/to/[EMAIL_1]?mail=%5BEMAIL_1%5D&n=1 x-note: for [EMAIL_1] x-key: Key 0123456789-of-the-operator "
            R"({"to":"[EMAIL_1]"})");
}

TEST_F(OutboundCalls, CredentialsAreInNoTasksOutput) {
  const auto run = call(
      "call: http, with: {method: get, endpoint: '${ \"http://api.example/x?key=\" + $secrets.token }', headers: "
      "{x-note: '${ "
      "\"Key \" + $secrets.token }', cookie: 'session=of-the-flow', proxy-authorization: 'Basic b2Y6dGhlLWZsb3c=', "
      "x-key: plain}, output: response}",
      json::object{});
  ASSERT_FALSE(run->problem) << to_text(run->problem->to_json());
  ASSERT_EQ(service_.asked().size(), 1U);
  EXPECT_EQ(service_.asked()[0],
            "/x?key=0123456789-of-the-operator x-note: Key 0123456789-of-the-operator x-key: plain");
  const std::string output = run->output.text();
  for (const char* word : {"0123456789-of-the-operator", "of-the-flow", "b2Y6dGhlLWZsb3c", "kept-by-the-service"})
    EXPECT_EQ(output.find(word), std::string::npos) << output;
  const auto& said = run->output.value();
  EXPECT_EQ(said.at("request").at("uri").as_string(), "http://api.example/x?key=***");
  EXPECT_EQ(said.at("request").at("headers").at("x-key").as_string(), "plain");
  EXPECT_EQ(said.at("headers").at("set-cookie").as_string(), "session=***; Path=/");
}

TEST_F(OutboundCalls, AHostMadeFromDataIsLookedAtWhereTheConfigurationLeavesItOpen) {
  ASSERT_TRUE(egress_.allow("*.open.example", service_.url()));
  EXPECT_EQ(egress_.open_part("http://a.b.Open.example/x"), "a.b");
  EXPECT_EQ(egress_.open_part("http://api.example/x"), "");
  EXPECT_EQ(egress_.open_part("http://elsewhere.example/x"), "");
  const json::object card{{"card", "4000056655665556"}};
  const auto refused =
      call("call: http, with: {method: get, endpoint: '${ \"http://\" + .card + \".open.example/\" }'}", card);
  ASSERT_TRUE(refused->problem);
  EXPECT_EQ(refused->problem->status, 403);
  EXPECT_NE(refused->problem->detail.find("CREDIT_CARD"), std::string::npos) << refused->problem->detail;
  EXPECT_TRUE(service_.asked().empty());
  EXPECT_FALSE(call("call: http, with: {method: get, endpoint: 'http://eu.open.example/'}", card)->problem);
}

TEST_F(OutboundCalls, WhatOnlyLocalModelsMaySeeGoesToNoService) {
  policy_ = *policy::Policy::load(
      "{name: l, version: 1, rules: [{types: [CREDIT_CARD], direction: inbound, action: route_to_local}]}", "test");
  const auto run = call("call: http, with: {method: get, endpoint: 'http://api.example/rates'}",
                        json::object{{"card", "4000056655665556"}});
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->status, 403);
  EXPECT_NE(run->problem->detail.find("models of our own"), std::string::npos) << run->problem->detail;
  EXPECT_TRUE(service_.asked().empty());
  EXPECT_FALSE(call("call: http, with: {method: get, endpoint: 'http://api.example/rates'}", json::object{})->problem);
  EXPECT_EQ(service_.asked().size(), 1U);
}

TEST(Egress, ValuesGoToTheVeryHostThatIsTrustedWithThem) {
  Egress egress;
  ASSERT_TRUE(egress.allow("pay.example", "", {"IBAN"}));
  ASSERT_TRUE(egress.allow("bank.example:8443", "", {"IBAN", "PERSON"}));
  ASSERT_TRUE(egress.allow("proxied.example", "http://127.0.0.1:9/base", {"IBAN"}));
  ASSERT_TRUE(egress.allow("*.pay.example", ""));
  ASSERT_TRUE(egress.allow("api.example", ""));
  EXPECT_EQ(egress.allow("*.example", "", {"IBAN"}).error().code, Errc::invalid_argument);
  const auto types = [&](std::string_view url) { return egress.trusted(url).types; };
  const std::vector<std::string> iban{"IBAN"}, none;
  EXPECT_EQ(types("https://pay.example/v1?x=https://api.example/"), iban);
  EXPECT_EQ(types("https://PAY.example:443"), iban);
  EXPECT_EQ(types("http://pay.example/v1"), none) << "nobody is to read along";
  EXPECT_EQ(types("https://pay.example:8443/v1"), none) << "another port is another service";
  EXPECT_EQ(types("https://eu.pay.example/"), none);
  EXPECT_EQ(types("https://api.example/"), none);
  EXPECT_EQ(types("https://pay.example.evil.example/"), none);
  EXPECT_EQ(types("https://bank.example:8443/"), (std::vector<std::string>{"IBAN", "PERSON"}));
  EXPECT_EQ(types("https://bank.example/"), none);
  EXPECT_EQ(types("http://proxied.example/"), iban) << "the operator says where it goes";
  EXPECT_EQ(types("pay.example"), none);
}

constexpr std::string_view kOrders = R"(
asyncapi: 3.0.0
servers:
  web: {host: api.example, pathname: /v1, protocol: http}
  stream: {host: 'kafka.example:9092', protocol: kafka}
channels:
  orders:
    address: 'orders/{to}'
    parameters: {to: {location: '$message.payload#/to', default: all}}
    bindings: {kafka: {topic: orders}}
    messages: {order: {payload: {type: object, required: [to]}, correlationId: {location: '$message.payload#/to'}}}
  mine: {address: '{to}', parameters: {to: {location: '$message.payload#/to'}}}
operations:
  order: {action: send, channel: {$ref: '#/channels/orders'}}
  tell: {action: send, channel: {$ref: '#/channels/mine'}}
)";

/// Messages of a document, over HTTP and to a broker of the test's own.
class Publishing : public OutboundCalls {
 protected:
  Publishing() { service_.describes = kOrders; }
  std::shared_ptr<LiveRun> publish(std::string_view arguments, json::value input) {
    return call(
        fmt::format("call: asyncapi, with: {{document: {{endpoint: 'http://api.example/api.yaml'}}, {}}}", arguments),
        std::move(input));
  }
  void open_broker() {
    records_out_ = RecordsOut{[](std::string_view brokers, std::string_view topic) -> Result<> {
                                if (brokers == "kafka.example:9092" && topic != "secret") return {};
                                return fail(Errc::permission_denied, "not here");
                              },
                              [this](OutgoingRecord record, CancelSource* cancel) -> Task<Result<>> {
                                EXPECT_TRUE(cancel) << "a run that wants it no more waits no more";
                                if (broker_refuses_) co_return fail(Errc::unavailable, "no broker");
                                written_.push_back(std::move(record));
                                co_return Result<>();
                              }};
    restart();
  }
  static std::string header(const OutgoingRecord& record, std::string_view name) {
    const auto found = std::ranges::find(record.headers, name, [](const auto& one) { return one.first; });
    return found == record.headers.end() ? "" : found->second;
  }

  std::vector<OutgoingRecord> written_;
  bool broker_refuses_ = false;
};

TEST_F(Publishing, AMessageGoesToItsChannelAndPassesThePolicy) {
  const auto run = publish(
      "operation: order, message: {payload: {to: '${ .mail }', endpoint: '{x}'}, headers: {x-note: "
      "'${ \"for \" + .mail }', x-key: '${ \"Key \" + $secrets.token }'}}",
      json::object{{"mail", kMail}});
  ASSERT_FALSE(run->problem) << to_text(run->problem->to_json());
  ASSERT_EQ(service_.asked().size(), 2U);
  EXPECT_EQ(service_.asked()[0], "/api.yaml?");
  EXPECT_EQ(service_.asked()[1], R"(/v1/orders/[EMAIL_1]? x-note: for [EMAIL_1] x-key: Key 0123456789-of-the-operator )"
                                 R"({"to":"[EMAIL_1]","endpoint":"{x}"})");
  EXPECT_EQ(run->output.text(), R"({"jsonrpc":"2.0","id":1,"result":{}})");
}

TEST_F(Publishing, AMessageThatTheDocumentDoesNotDescribeLeavesNowhere) {
  const auto run = publish("operation: order, message: {payload: {for: me}}", json::object{});
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->status, 400);
  EXPECT_EQ(service_.asked().size(), 1U) << "the document alone";
}

TEST_F(Publishing, ARecordIsWrittenAsThePolicyLeavesItWithAKeyOfItsOwn) {
  open_broker();
  const auto run = publish(
      "operation: order, protocol: kafka, message: {payload: {to: '${ .mail }'}, headers: {x-note: "
      "'${ \"for \" + .mail }', n: 7}}",
      json::object{{"mail", kMail}});
  ASSERT_FALSE(run->problem) << to_text(run->problem->to_json());
  ASSERT_EQ(written_.size(), 1U);
  EXPECT_EQ(written_[0].topic, "orders");
  EXPECT_EQ(written_[0].key, "[EMAIL_1]");
  EXPECT_EQ(written_[0].value, R"({"to":"[EMAIL_1]"})");
  EXPECT_EQ(header(written_[0], "x-note"), "for [EMAIL_1]");
  EXPECT_EQ(header(written_[0], "n"), "7");
  EXPECT_EQ(header(written_[0], "content-type"), "application/json");
  EXPECT_TRUE(header(written_[0], "idempotency-key").starts_with(run->row.id.to_string() + "-"));
  EXPECT_EQ(run->output.text(), R"({"topic":"orders","key":"[EMAIL_1]","headers":{"x-note":"for [EMAIL_1]","n":"7"},)"
                                R"("payload":{"to":"[EMAIL_1]"}})");
}

TEST_F(Publishing, WhatMayNotBeWrittenIsNot) {
  const auto status = [&](std::string_view arguments, json::value input) {
    const auto run = publish(arguments, std::move(input));
    EXPECT_TRUE(run->problem) << arguments;
    return run->problem ? run->problem->status : 0;
  };
  constexpr std::string_view kTell = "operation: tell, protocol: kafka, message: {payload: {to: '${ .to }'}}";
  EXPECT_EQ(status(kTell, json::object{{"to", "open"}}), 500) << "no broker is configured";
  open_broker();
  EXPECT_EQ(status(kTell, json::object{{"to", "secret"}}), 403) << "a topic that flows may not write";
  EXPECT_EQ(status(kTell, json::object{{"to", kMail}}), 403) << "the policy would make it another topic";
  EXPECT_EQ(status("operation: order, protocol: kafka, message: {payload: {to: a, card: '${ .card }'}}",
                   json::object{{"card", "4000056655665556"}}),
            403);
  EXPECT_EQ(
      status("operation: order, protocol: kafka, authentication: {bearer: {token: t}}, message: {payload: {to: a}}",
             json::object{}),
      400);
  broker_refuses_ = true;
  EXPECT_EQ(status(kTell, json::object{{"to", "open"}}), 503);
  EXPECT_TRUE(written_.empty());
  broker_refuses_ = false;
  EXPECT_FALSE(publish(kTell, json::object{{"to", "open"}})->problem);
  EXPECT_EQ(written_.size(), 1U);
}

TEST_F(Publishing, WhatOnlyLocalModelsMaySeeIsNotPublished) {
  open_broker();
  policy_ = *policy::Policy::load(
      "{name: l, version: 1, rules: [{types: [CREDIT_CARD], direction: inbound, action: route_to_local}]}", "test");
  const auto run = publish("operation: tell, protocol: kafka, message: {payload: {to: open}}",
                           json::object{{"card", "4000056655665556"}});
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->status, 403);
  EXPECT_TRUE(written_.empty());
}

constexpr std::string_view kIban = "DE89 3704 0044 0532 0130 00";

constexpr std::string_view kPays = R"(
name: pays
version: 1
rules:
  - {name: iban, types: [IBAN], direction: inbound, action: tokenise, restore: caller_and_services}
  - {name: mail, types: [EMAIL], direction: inbound, action: tokenise, restore: caller_and_services}
  - {name: card, types: [CREDIT_CARD], direction: inbound, action: tokenise}
)";

/// One service is trusted with IBANs and cards; the policy lets services have IBANs and addresses.
class Payments : public OutboundCalls {
 protected:
  Payments() {
    EXPECT_TRUE(egress_.allow("pay.example", service_.url(), {"IBAN", "CREDIT_CARD"}));
    policy_ = *policy::Policy::load(kPays, "test");
  }
  static json::object values() {
    return {{"iban", kIban}, {"mail", kMail}, {"card", "4000056655665556"}, {"note", "for [IBAN_7]"}};
  }
  std::string decisions(const LiveRun& run) {
    std::string all;
    const auto steps = wait(store_->load_steps(run.row.id));
    for (const auto& step : *steps) all += step.decision;
    return all;
  }
};

constexpr std::string_view kPay =
    "call: http, with: {method: post, endpoint: 'https://pay.example/of/{iban}', query: {to: '${ .iban }', by: '${ "
    ".mail "
    "}'}, headers: {x-note: '${ \"to \" + .iban }', x-key: '${ .card }'}, body: {iban: '${ .iban }', again: '${ "
    "\"IBAN \" + .iban }', mail: '${ .mail }', card: '${ .card }', note: '${ .note }'}, output: response}";

TEST_F(Payments, TheTrustedServiceGetsTheValuesInQueryHeadersAndBodyAndNobodyElse) {
  const auto run = call(kPay, values());
  ASSERT_FALSE(run->problem) << to_text(run->problem->to_json());
  ASSERT_EQ(service_.asked().size(), 1U);
  EXPECT_EQ(service_.asked()[0],
            "/of/[IBAN_1]?to=DE89%203704%200044%200532%200130%2000&by=%5BEMAIL_1%5D "
            "x-note: to DE89 3704 0044 0532 0130 00 x-key: [CREDIT_CARD_1] "
            R"({"iban":"DE89 3704 0044 0532 0130 00","again":"IBAN DE89 3704 0044 0532 0130 00","mail":"[EMAIL_1]",)"
            R"("card":"[CREDIT_CARD_1]","note":"for [IBAN_7]"})");
  EXPECT_EQ(run->output.text().find("DE89"), std::string::npos) << run->output.text();
  EXPECT_EQ(run->output.value().at("request").at("uri").as_string(),
            "https://pay.example/of/%5BIBAN_1%5D?to=%5BIBAN_1%5D&by=%5BEMAIL_1%5D");
  EXPECT_NE(decisions(*run).find(R"("given":{"host":"pay.example","values":[{"count":1,"type":"IBAN"}]})"),
            std::string::npos)
      << decisions(*run);
  for (const auto* part : {&run->row.input, &run->row.output, &run->row.state})
    EXPECT_EQ(part->find("DE89"), std::string::npos) << *part;
}

TEST_F(Payments, AFlowCannotWidenIt) {
  for (const char* endpoint :
       {"https://api.example/", "https://api.example/?x=pay.example", "https://api.example/pay.example"}) {
    const auto run = call(fmt::format("call: http, with: {{method: post, endpoint: '{}', body: {{iban: '${{ .iban }}', "
                                      "restore: [IBAN]}}}}",
                                      endpoint),
                          values());
    EXPECT_FALSE(run->problem) << to_text(run->problem->to_json());
    EXPECT_NE(service_.asked().back().find(R"("iban":"[IBAN_1]")"), std::string::npos) << service_.asked().back();
    EXPECT_EQ(decisions(*run).find("given"), std::string::npos);
  }
  EXPECT_FALSE(
      load_flow("document: {dsl: '1.0.3', namespace: test, name: wide, version: '1.0.0'}\ndo:\n  - ask: {call: "
                "http, with: {method: get, endpoint: 'https://api.example/', restore: [IBAN]}}\n",
                "flow", builtin_functions()));
}

TEST_F(Payments, ThePolicyAndTheCallersPermissionMustLetIt) {
  const auto is_given = [&](const std::function<void(RunRequest&)>& change) {
    const auto flow =
        add_flow(fmt::format("document: {{dsl: '1.0.3', namespace: test, name: may{}, version: '1.0.0'}}\n"
                             "do:\n  - ask: {{call: http, with: {{method: post, endpoint: "
                             "'https://pay.example/', body: {{iban: '${{ .iban }}'}}}}}}\n",
                             ++flows_made_));
    auto run = prepare(to_text(values()), [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
      request.requested_model.clear();
      change(request);
    });
    EXPECT_TRUE(drive(run));
    return service_.asked().back().find("DE89") != std::string::npos;
  };
  const auto as_it_is = [](RunRequest&) {};
  EXPECT_TRUE(is_given(as_it_is));
  EXPECT_FALSE(is_given([](RunRequest& request) { request.may_restore = false; }));
  policy_ = *policy::Policy::load(
      "{name: p, version: 1, rules: [{types: [IBAN], direction: inbound, action: tokenise}]}", "test");
  EXPECT_FALSE(is_given(as_it_is));
}

TEST_F(Payments, WhatTheServiceSaysAgainIsTheSamePlaceholder) {
  service_.say = R"({"jsonrpc":"2.0","id":1,"result":{"paid":"DE89 3704 0044 0532 0130 00","ref":)"
                 R"("x-DE89%203704%200044%200532%200130%2000","DE89 3704 0044 0532 0130 00":1,)"
                 R"("compact":"DE89370400440532013000"}})";
  const auto run = call(
      "call: http, with: {method: post, endpoint: 'https://pay.example/', body: {iban: '${ .iban }'}, output: "
      "response}",
      values());
  ASSERT_FALSE(run->problem) << to_text(run->problem->to_json());
  const auto& told = run->output.value().at("content").at("result");
  EXPECT_EQ(told.at("paid").as_string(), "[IBAN_1]");
  EXPECT_EQ(told.at("ref").as_string(), "x-[IBAN_1]");
  EXPECT_TRUE(told.as_object().contains("[IBAN_1]"));
  EXPECT_EQ(told.at("compact").as_string(), "[IBAN_2]") << "another spelling is another placeholder";
  EXPECT_EQ(run->output.value().at("headers").at("location").as_string(), "https://api.example/next?iban=[IBAN_1]");
}

TEST_F(Payments, ARedirectIsNotFollowedAndWhoFollowsItHasPlaceholders) {
  service_.status = 302;
  const auto refused =
      call("call: http, with: {method: post, endpoint: 'https://pay.example/', body: {iban: '${ .iban }'}}", values());
  ASSERT_TRUE(refused->problem);
  EXPECT_EQ(to_text(refused->problem->to_json()).find("DE89"), std::string::npos);
  EXPECT_NE(decisions(*refused).find(R"("given":{"host":"pay.example")"), std::string::npos) << "given all the same";
  EXPECT_EQ(service_.asked().size(), 1U);
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: follows, version: '1.0.0'}\ndo:\n"
      "  - pay: {call: http, with: {method: post, endpoint: 'https://pay.example/', redirect: true, body: {iban: '${ "
      ".iban "
      "}'}, output: response}}\n"
      "  - follow: {call: http, with: {method: get, endpoint: '${ .headers.location }', redirect: true}}\n");
  auto run = prepare(to_text(values()), [&](RunRequest& request) {
    request.flow = flow;
    request.profile = policy::JsonProfile::any;
    request.requested_model.clear();
  });
  ASSERT_TRUE(drive(run));
  ASSERT_EQ(service_.asked().size(), 3U) << (run->problem ? run->problem->detail : "");
  EXPECT_EQ(service_.asked()[2], "/next?iban=[IBAN_1]");
}

TEST_F(Payments, AToolOfAServerThatIsTrustedGetsThemToo) {
  const auto run = call(
      "call: mcp, with: {method: tools/call, parameters: {name: pay, arguments: {iban: '${ .iban }', n: 1}}, "
      "transport: "
      "{http: {endpoint: 'https://pay.example/'}}}",
      values());
  EXPECT_FALSE(run->problem) << to_text(run->problem->to_json());
  ASSERT_EQ(service_.asked().size(), 1U);
  EXPECT_NE(service_.asked()[0].find(R"("iban":"DE89 3704 0044 0532 0130 00")"), std::string::npos);
}

}  // namespace
}  // namespace sb::flow
