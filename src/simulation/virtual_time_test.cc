#include "simulation/virtual_time.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

namespace sb::simulation {
namespace {

namespace asio = boost::asio;

constexpr Micros kHour = 3'600'000'000;

TEST(VirtualTime, ATimerIsDueWhenTimeHasBeenMovedThere) {
  VirtualTime time(0);
  asio::io_context io;
  asio::steady_timer timer(io, std::chrono::hours(1));
  const Micros due = time.steady_us() + kHour;
  bool rang = false;
  timer.async_wait([&](const boost::system::error_code& error) { rang = !error; });
  while (time.steady_us() < due) {
    while (io.poll_one() > 0) {
    }
    ASSERT_FALSE(rang);
    ASSERT_TRUE(time.next_timer());
    time.advance_to(*time.next_timer());  // Asio looks at its timers every five minutes
  }
  EXPECT_EQ(time.steady_us(), due);
  io.restart();
  io.poll();
  EXPECT_TRUE(rang);
}

TEST(VirtualTime, OtherThreadsAndWhoAsksForItHaveTheMachinesTime) {
  const auto before = std::chrono::steady_clock::now();
  VirtualTime time(7);
  EXPECT_EQ(time.now_us(), 7);
  const auto now = std::chrono::steady_clock::now();
  EXPECT_EQ(now, std::chrono::steady_clock::now());
  EXPECT_EQ(now, time.steady());
  std::thread([&] { EXPECT_GE(std::chrono::steady_clock::now(), before); }).join();
  const VirtualTime::RealTime real;
  EXPECT_GE(std::chrono::steady_clock::now(), before);
}

TEST(VirtualTime, TheWallClockJumpsAlone) {
  VirtualTime time(kHour);
  const Micros steady = time.steady_us();
  time.jump(-std::chrono::hours(2));
  EXPECT_EQ(time.now_us(), -kHour);
  EXPECT_EQ(time.steady_us(), steady);
}

}  // namespace
}  // namespace sb::simulation
