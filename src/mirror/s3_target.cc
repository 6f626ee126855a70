#include "mirror/s3_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <ctime>
#include <deque>
#include <iterator>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/log.h"
#include "http/client.h"
#include "mirror/sigv4.h"

namespace sb::mirror {
namespace {

constexpr std::size_t kParallelCalls = 16;
constexpr std::int64_t kDayUs = 86'400'000'000;

using Fields = std::vector<std::pair<std::string, std::string>>;
struct Call {
  std::string method;
  std::string object;  ///< empty: the bucket
  Fields query;
  Fields headers;
  std::string_view body;
};
struct Answer {
  int status = 0;
  std::string body;
  std::string etag;
};

// The text of each <tag> in an answer of S3; its names hold nothing that XML escapes.
std::vector<std::string> texts_of(std::string_view xml, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const std::string close = fmt::format("</{}>", tag);
  std::vector<std::string> texts;
  for (auto at = xml.find(open); at != std::string_view::npos; at = xml.find(open, at)) {
    at += open.size();
    const auto end = xml.find(close, at);
    if (end == std::string_view::npos) break;
    texts.emplace_back(xml.substr(at, end - at));
  }
  return texts;
}

class S3Target final : public Target {
 public:
  S3Target(http::Url origin, std::string bucket, std::string prefix, S3Access access)
      : origin_(std::move(origin)),
        bucket_(std::move(bucket)),
        prefix_(std::move(prefix)),
        access_(std::move(access)),
        client_(http::Client::create(io_, {})) {}

  Result<> put_new(const std::string& name, std::string_view bytes) override {
    const Fields only_new{{"if-none-match", "*"}};
    if (bytes.size() <= access_.part_bytes) return put_whole(name, bytes, only_new);
    SB_TRY(const Answer there, send("HEAD", name, {}, {}, {}));
    if (there.status == 200) return is_there(name);
    return put_parts(name, bytes, only_new);
  }
  Result<> put(const std::string& name, std::string_view bytes) override {
    return bytes.size() <= access_.part_bytes ? put_whole(name, bytes, {}) : put_parts(name, bytes, {});
  }
  Result<std::string> get(const std::string& name) override {
    SB_TRY(Answer answer, send("GET", name, {}, {}, {}));
    SB_CHECK(expect(answer, 200, name));
    return std::move(answer.body);
  }
  Result<> put_all(std::span<const Object> objects) override {
    std::vector<Call> calls;
    for (const Object& object : objects) {
      if (object.bytes.size() > access_.part_bytes)
        SB_CHECK(put_parts(object.name, object.bytes, {}));
      else
        calls.push_back({"PUT", object.name, {}, lock_of(object.name, object.bytes), object.bytes});
    }
    const auto answers = send_all(calls);
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (!answers[i]) return std::unexpected(answers[i].error());
      SB_CHECK(expect(*answers[i], 200, calls[i].object));
    }
    return {};
  }
  Result<std::vector<std::string>> get_all(std::span<const std::string> names) override {
    std::vector<Call> calls;
    for (const std::string& name : names) calls.push_back({"GET", name, {}, {}, {}});
    auto answers = send_all(calls);
    std::vector<std::string> all;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (!answers[i]) return std::unexpected(answers[i].error());
      SB_CHECK(expect(*answers[i], 200, names[i]));
      all.push_back(std::move(answers[i]->body));
    }
    return all;
  }
  Result<std::vector<std::string>> list(const std::string& prefix, const std::string& after) override {
    std::vector<std::string> names;
    std::string token;
    do {
      Fields query{{"list-type", "2"}, {"prefix", prefix_ + prefix}};
      if (!after.empty()) query.emplace_back("start-after", prefix_ + after);
      if (!token.empty()) query.emplace_back("continuation-token", token);
      SB_TRY(const Answer answer, send("GET", "", std::move(query), {}, {}));
      SB_CHECK(expect(answer, 200, prefix));
      for (std::string& key : texts_of(answer.body, "Key")) {
        if (key.starts_with(prefix_)) names.push_back(key.substr(prefix_.size()));
      }
      const auto next = texts_of(answer.body, "NextContinuationToken");
      if (!next.empty() && next.front() == token)
        return fail(Errc::unavailable, fmt::format("mirror: the list of {} does not end", where(prefix)));
      token = next.empty() ? std::string() : next.front();
    } while (!token.empty());
    return names;
  }
  Result<> remove(const std::string& name) override {
    SB_TRY(const Answer answer, send("DELETE", name, {}, {}, {}));
    return answer.status == 404 ? Result<>() : expect(answer, 204, name);
  }
  Result<> forget(const std::string& name) override {
    Fields query{{"prefix", prefix_ + name}, {"versions", ""}};
    for (;;) {
      SB_TRY(const Answer page, send("GET", "", query, {}, {}));
      SB_CHECK(expect(page, 200, name));
      SB_CHECK(forget_versions(name, page.body));
      if (texts_of(page.body, "IsTruncated") != std::vector<std::string>{"true"}) return {};
      const auto key = texts_of(page.body, "NextKeyMarker");
      const auto version = texts_of(page.body, "NextVersionIdMarker");
      const Fields next{{"key-marker", key.empty() ? "" : key.front()},
                        {"prefix", prefix_ + name},
                        {"version-id-marker", version.empty() ? "" : version.front()},
                        {"versions", ""}};
      // Names after it begin with it too, but are others.
      if (key.size() != 1 || key.front() != prefix_ + name) return {};
      if (next == query)
        return fail(Errc::unavailable, fmt::format("mirror: the versions of {} do not end", where(name)));
      query = next;
    }
  }
  // Uploads that were never completed: no reader sees them, but they are kept and paid for.
  Result<> clean_up() override {
    for (bool more = true; more;) {
      SB_TRY(const Answer answer, send("GET", "", {{"uploads", ""}, {"prefix", prefix_}}, {}, {}));
      SB_CHECK(expect(answer, 200, "?uploads"));
      const auto names = texts_of(answer.body, "Key");
      const auto ids = texts_of(answer.body, "UploadId");
      if (names.size() != ids.size()) return fail(Errc::unavailable, "mirror: the list of uploads is not one");
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!names[i].starts_with(prefix_)) return fail(Errc::unavailable, "mirror: the list of uploads is not one");
        SB_CHECK(abort(names[i].substr(prefix_.size()), ids[i]));
      }
      more = !ids.empty() && texts_of(answer.body, "IsTruncated") == std::vector<std::string>{"true"};
    }
    return {};
  }
  // Calls under way end where they wait: each coroutine is unwound, none is left behind in the io_context.
  void interrupt() override {
    interrupted_ = true;
    asio::post(io_, [this] {
      for (UnderWay& call : under_way_) {
        if (call.waits) call.cancel.emit(asio::cancellation_type::terminal);
      }
    });
  }
  std::string name() const override { return fmt::format("s3://{}/{}", bucket_, prefix_); }

 private:
  /// A coroutine is cancelled only where it waits: one that has not begun, or has ended, would throw out of the
  /// io_context.
  struct UnderWay {
    asio::cancellation_signal cancel;
    bool waits = false;
  };

  // With what a service asks for beside a lock.
  Fields lock_of(const std::string& name, std::string_view bytes) const {
    Fields lock = lock_of(name);
    if (!lock.empty()) lock.emplace_back("x-amz-checksum-sha256", checksum_of(bytes));
    return lock;
  }
  // A segment is what a thief of the credentials must not be able to take away.
  Fields lock_of(const std::string& name) const {
    if (access_.retain_days <= 0 || !name.starts_with("segments/")) return {};
    const Micros until = system_clock().now_us() + access_.retain_days * kDayUs;
    return {{"x-amz-object-lock-mode", "COMPLIANCE"},
            {"x-amz-object-lock-retain-until-date", rfc3339(until).substr(0, 19) + "Z"}};
  }
  static std::string checksum_of(std::string_view bytes) {
    const Digest checksum = sha256(bytes);
    return to_base64({reinterpret_cast<const char*>(checksum.data()), checksum.size()});
  }
  // Versions before the marks that they were deleted: without its mark the newest would be there again.
  Result<> forget_versions(const std::string& name, std::string_view page) {
    for (const std::string_view tag : {"Version", "DeleteMarker"}) {
      for (const std::string& entry : texts_of(page, tag)) {
        const bool is_it = texts_of(entry, "Key") == std::vector{prefix_ + name};
        const bool is_shown = tag == "Version" && texts_of(entry, "IsLatest") == std::vector<std::string>{"true"};
        const auto ids = texts_of(entry, "VersionId");
        if (!is_it || is_shown || ids.size() != 1) continue;
        SB_TRY(const Answer gone, send("DELETE", name, {{"versionId", ids.front()}}, {}, {}));
        if (gone.status != 404) SB_CHECK(expect(gone, 204, name));
      }
    }
    return {};
  }
  std::unexpected<Error> is_there(const std::string& name) const {
    return fail(Errc::already_exists, fmt::format("mirror: {} is there already", where(name)));
  }

  Result<> put_whole(const std::string& name, std::string_view bytes, Fields headers) {
    std::ranges::move(lock_of(name, bytes), std::back_inserter(headers));
    SB_TRY(const Answer answer, send("PUT", name, {}, std::move(headers), bytes));
    if (answer.status == 412 || answer.status == 409) return is_there(name);
    return expect(answer, 200, name);
  }

  // The object is there when the upload is completed, whole, and not before.
  Result<> put_parts(const std::string& name, std::string_view bytes, const Fields& condition) {
    Fields headers = lock_of(name);
    headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
    SB_TRY(const Answer begun, send("POST", name, {{"uploads", ""}}, std::move(headers), {}));
    SB_CHECK(expect(begun, 200, name));
    const auto ids = texts_of(begun.body, "UploadId");
    if (ids.size() != 1) return fail(Errc::unavailable, fmt::format("mirror: {}: an upload has no id", where(name)));
    const Result<> done = send_parts(name, bytes, ids.front(), condition);
    if (done) return done;
    if (const auto aborted = abort(name, ids.front()); !aborted)  // clean_up() will, at the next start
      log_warn("mirror.upload_left", {{"object", name}, {"detail", aborted.error().detail}});
    return done;
  }

  Result<> send_parts(const std::string& name, std::string_view bytes, const std::string& id, const Fields& condition) {
    std::string list = "<CompleteMultipartUpload>";
    for (std::size_t at = 0, number = 1; at < bytes.size(); at += access_.part_bytes, ++number) {
      const std::string_view part = bytes.substr(at, access_.part_bytes);
      const std::string checksum = checksum_of(part);
      SB_TRY(const Answer answer, send("PUT", name, {{"partNumber", std::to_string(number)}, {"uploadId", id}},
                                       {{"x-amz-checksum-sha256", checksum}}, part));
      SB_CHECK(expect(answer, 200, name));
      list += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag><ChecksumSHA256>{}</ChecksumSHA256></Part>",
                          number, answer.etag, checksum);
    }
    list += "</CompleteMultipartUpload>";
    SB_TRY(const Answer answer, send("POST", name, {{"uploadId", id}}, condition, list));
    if (answer.status == 412 || answer.status == 409) return is_there(name);
    SB_CHECK(expect(answer, 200, name));
    // The status is sent before the parts are put together: how that went stands in the body.
    if (const auto codes = texts_of(answer.body, "Code"); !codes.empty())
      return fail(Errc::unavailable, fmt::format("mirror: {}: the service answers {}", where(name), codes.front()));
    return {};
  }

  Result<> abort(const std::string& name, const std::string& id) {
    SB_TRY(const Answer answer, send("DELETE", name, {{"uploadId", id}}, {}, {}));
    return answer.status == 404 ? Result<>() : expect(answer, 204, name);
  }

  std::string where(const std::string& object) const { return name() + object; }

  Result<> expect(const Answer& answer, int status, const std::string& object) const {
    if (answer.status == status) return {};
    const auto codes = texts_of(answer.body, "Code");
    // A bucket that is not there, or an account: no object's absence. HEAD and some services say no code.
    const bool is_object = codes.empty() || codes.front() == "NoSuchKey" || codes.front() == "NoSuchUpload";
    const Errc code = answer.status == 404 && is_object              ? Errc::not_found
                      : answer.status == 404                         ? Errc::permission_denied
                      : answer.status == 401 || answer.status == 403 ? Errc::permission_denied
                                                                     : Errc::unavailable;
    return fail(code, fmt::format("mirror: {}: the service answers {} {}", where(object), answer.status,
                                  codes.empty() ? "" : codes.front()));
  }

  Result<Answer> send(std::string method, std::string object, Fields query, Fields headers, std::string_view body) {
    const Call call{std::move(method), std::move(object), std::move(query), std::move(headers), body};
    return std::move(send_all({&call, 1}).front());
  }

  // Some at a time; the answers are in the order of the calls.
  std::vector<Result<Answer>> send_all(std::span<const Call> calls) {
    std::vector<Result<Answer>> answers(calls.size(), no_answer(Error(Errc::unavailable, "the request was dropped")));
    std::size_t next = 0;
    std::size_t working = std::min(kParallelCalls, calls.size());
    if (working == 0 || interrupted_) return answers;
    under_way_ = std::deque<UnderWay>(working);
    for (UnderWay& call : under_way_) {
      auto ended = [&](const std::exception_ptr&) {
        if (--working == 0) io_.stop();  // the pool's timer would keep it busy
      };
      asio::co_spawn(io_, send_some(calls, next, answers, call),
                     asio::bind_cancellation_slot(call.cancel.slot(), ended));
    }
    io_.restart();
    io_.run();
    return answers;
  }

  Task<void> send_some(std::span<const Call> calls, std::size_t& next, std::vector<Result<Answer>>& answers,
                       UnderWay& call) {
    while (next < calls.size() && !interrupted_) {
      const std::size_t mine = next++;
      call.waits = true;
      answers[mine] = co_await exchange(request_of(calls[mine]));
      call.waits = false;
    }
  }

  http::ClientRequest request_of(const Call& call) const {
    SignedRequest request{call.method, origin_.authority(), {}, call.query, call.headers, call.body};
    const std::string key = call.object.empty() ? std::string() : prefix_ + call.object;
    request.path = access_.path_style ? "/" + bucket_ + "/" + key : "/" + key;
    request.path = uri_encode(request.path, true);
    const auto made = sign(request, {access_.access_key, access_.secret_key, access_.region}, system_clock().now_us());
    http::ClientRequest sent;
    sent.method = call.method;
    sent.origin = origin_;
    sent.target = request.path;
    if (!request.query.empty()) sent.target += "?" + canonical_query(request.query);
    for (const auto& fields : {request.headers, made}) {
      for (const auto& [name, value] : fields) sent.headers.add(name, value);
    }
    sent.body = call.body;
    sent.timeouts = {std::chrono::seconds(5), std::chrono::seconds(30), std::chrono::seconds(30),
                     std::chrono::seconds(300)};
    return sent;
  }

  std::unexpected<Error> no_answer(const Error& why) const {
    return fail(Errc::unavailable,
                fmt::format("mirror: {}: {}", name(), interrupted_ ? "given up, the server stops" : why.detail));
  }

  Task<Result<Answer>> exchange(http::ClientRequest call) {
    auto response = co_await client_->send(std::move(call));
    if (!response) co_return no_answer(response.error());
    Answer answer;
    answer.status = (*response)->status();
    answer.etag = (*response)->headers().get("etag");
    auto body = co_await (*response)->read_all(kMaxObjectBytes);
    if (!body) co_return no_answer(body.error());
    answer.body = *std::move(body);
    co_return answer;
  }

  asio::io_context io_{1};
  std::atomic<bool> interrupted_ = false;
  std::deque<UnderWay> under_way_;  ///< the calls; only on the thread that runs io_
  const http::Url origin_;
  const std::string bucket_;
  const std::string prefix_;  ///< empty, or ends in a slash
  const S3Access access_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace

Result<std::unique_ptr<Target>> open_s3_target(const std::string& bucket, const std::string& prefix,
                                               const S3Access& access) {
  if (bucket.empty()) return fail(Errc::invalid_argument, "mirror: s3://BUCKET[/PREFIX] names no bucket");
  if (access.access_key.empty() || access.secret_key.empty())
    return fail(Errc::invalid_argument, "mirror: the access key or the secret key of the S3 service is missing");
  SB_TRY(http::Url origin,
         http::Url::parse(access.endpoint.empty() ? fmt::format("https://s3.{}.amazonaws.com", access.region)
                                                  : access.endpoint));
  if (!access.path_style) origin.host = bucket + "." + origin.host;
  std::string folder = prefix;
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  return std::make_unique<S3Target>(std::move(origin), bucket, std::move(folder), access);
}

}  // namespace sb::mirror
