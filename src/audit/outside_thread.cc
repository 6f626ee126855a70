#include "audit/outside_thread.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

namespace sb::audit {
namespace {

constexpr std::size_t kReplyBytesMax = 64 * 1024;

void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

}  // namespace

OutsideThread::OutsideThread() : client_(http::Client::create(io_, {})) {}

OutsideThread::~OutsideThread() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { cancel_.cancel(); });
  thread_.join();
}

void OutsideThread::start(std::function<Task<void>()> work) {
  asio::co_spawn(io_, run(std::move(work)), [this](const std::exception_ptr& error) {
    rethrow(error);
    io_.stop();  // the pool's timer would keep it busy
  });
  thread_ = std::thread([this] { io_.run(); });
}

Task<void> OutsideThread::run(std::function<Task<void>()> work) {
  co_await work();
  boost::system::error_code ignored;
  while (spawned_ > 0) co_await ended_.async_wait(asio::redirect_error(use_task, ignored));
}

Task<bool> OutsideThread::sleep(std::chrono::milliseconds duration) {
  Timer timer(io_.get_executor(), duration);
  const CancelRegistration registration(&cancel_, [&timer] { timer.expires_after({}); });
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(use_task, ignored));
  co_return !cancel_.cancelled();
}

Task<Result<OutsideThread::Answer>> OutsideThread::ask(Question question) {
  http::ClientRequest request;
  request.origin = question.url;
  request.target = question.url.path + question.path;
  request.headers.add("content-type", question.content_type);
  request.body = question.body;
  request.timeouts = {question.timeout, question.timeout, question.timeout, question.timeout};
  request.cancel = &cancel_;
  SB_CO_TRY(const auto response, co_await client_->send(std::move(request)));
  Answer answer;
  answer.status = response->status();
  SB_CO_TRY(answer.body, co_await response->read_all(kReplyBytesMax));
  co_return answer;
}

void OutsideThread::spawn(Task<void> task) {
  ++spawned_;
  asio::co_spawn(io_, std::move(task), [this](const std::exception_ptr& error) {
    rethrow(error);
    --spawned_;
    ended_.cancel();
  });
}

}  // namespace sb::audit
