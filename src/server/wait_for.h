/// Waits for one store operation before any shard runs.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>

#include "base/errors.h"
#include "base/task.h"

namespace sb::server {

template <class T>
Result<T> wait_for(Task<Result<T>> task, asio::io_context& io) {
  std::optional<Result<T>> result;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr, Result<T> value) { result = std::move(value); });
  io.restart();
  io.run();
  return result ? *std::move(result) : Result<T>(fail(Errc::internal, "the store gave no answer"));
}

}  // namespace sb::server
