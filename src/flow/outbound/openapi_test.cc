#include "flow/outbound/openapi.h"

#include <gtest/gtest.h>

#include "flow/outbound/described_api.h"

namespace sb::flow {
namespace {

constexpr std::string_view kApi = R"(
openapi: 3.0.3
servers: [{url: 'https://{stage}.example/v1', variables: {stage: {default: live}}}]
paths:
  /pets/{pet}:
    parameters: [{name: pet, in: path, required: true}]
    get:
      operationId: look
      parameters:
        - {name: session, in: cookie}
        - {name: theme, in: cookie}
        - {name: lang, in: cookie}
        - {name: x-note, in: header}
        - {name: tag, in: query}
)";

TEST(OpenApi, ParametersGoWhereTheDocumentSays) {
  const auto asked =
      openapi_request(*read_description(kApi), "https://api.example/api.yaml", "look",
                      {{"pet", "a/b"}, {"session", "s 1"}, {"lang", "de"}, {"x-note", "n"}, {"tag", {1, 2}}});
  ASSERT_TRUE(asked) << asked.error().detail;
  EXPECT_EQ(asked->method, "get");
  EXPECT_EQ(asked->url, "https://live.example/v1/pets/a%2Fb");
  EXPECT_EQ(to_text(asked->headers), R"({"cookie":"session=s%201; lang=de","x-note":"n"})") << "one header has all";
  EXPECT_EQ(to_text(asked->query), R"({"tag":[1,2]})");
  EXPECT_FALSE(asked->body);
}

TEST(OpenApi, WhatTheOperationLacksIsNamed) {
  const auto document = *read_description(kApi);
  EXPECT_EQ(openapi_request(document, "https://api.example/", "none", nullptr).error().detail,
            "the document has no operation `none`");
  EXPECT_EQ(openapi_request(document, "https://api.example/", "look", nullptr).error().detail,
            "parameter `pet` is missing");
}

}  // namespace
}  // namespace sb::flow
