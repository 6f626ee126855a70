/// The coroutine type of everything that waits. One concrete executor type: no type erasure on the request path.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sb {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;

/// Resumes on the executor it was started on. Parameters by value, or borrowed from something that outlives it.
template <class T = void>
using Task = asio::awaitable<T, Executor>;

inline constexpr asio::use_awaitable_t<Executor> use_task{};

}  // namespace sb
