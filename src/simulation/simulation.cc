#include "simulation/simulation.h"

#include "simulation/customers.h"

namespace sb::simulation {
namespace {

constexpr Micros kVirtualSecond = 1'000'000;
constexpr Micros kStart = 1'800'000'000 * kVirtualSecond;
constexpr Micros kPaces[] = {3 * kVirtualSecond, 20 * kVirtualSecond,
                             90 * kVirtualSecond};  // all that happens begins in such a time
constexpr Micros kHorizon = 24 * 3'600 * kVirtualSecond;
constexpr std::size_t kStepsMost = 2'000'000;

class Simulation {
 public:
  Simulation(std::uint64_t seed, const std::string& folder, const std::string& template_folder)
      : draws_(seed), world_({folder, template_folder, time_, draws_, history_, books_, models_, 1 + draws_.below(3)}) {
    models_.on_call = [this](std::string_view key, std::string_view body) { books_.called(key, body); };
    models_.on_answer = [this](std::string_view key) { books_.answered(key); };
  }

  Outcome run() {
    start();
    customers_.begin();
    plan();
    while (history_.problems().empty() && !(is_calm() && customers_.are_satisfied() && world_.is_at_rest())) go_on();
    if (history_.problems().empty()) {
      books_.close(models_.bill(), [this](const std::string& run) { return models_.failed(run); });
      customers_.close();
      world_.stop();
      world_.verify();
    }
    return {history_.hash(),
            history_.lines(),
            history_.problems(),
            crashes_,
            steps_,
            models_.calls(),
            books_.runs().size(),
            static_cast<double>(time_.steady_us() - began_us_) / 3.6e9};
  }

 private:
  // One handler, or, where none is due, time passes.
  void go_on() {
    if (++steps_ > kStepsMost) return history_.problem("it goes on and on");
    if (agenda_.step() || world_.step()) {
      if (world_.is_dead()) crash();
      return;
    }
    std::optional<Micros> next = agenda_.next();
    for (const auto& other : {world_.next(), time_.next_timer()}) {
      if (other && (!next || *other < *next)) next = other;
    }
    if (!next) return history_.problem("nothing happens any more");
    time_.advance_to(std::max(*next, time_.steady_us()));
    if (time_.steady_us() - began_us_ > kHorizon) {
      history_.problem("it does not come to its end");
      books_.close(models_.bill(), [this](const std::string& run) { return models_.failed(run); });
    }
  }

  void plan() {
    for (std::uint64_t i = draws_.below(3); i > 0; --i) {
      ++planned_;
      agenda_.in(draws_.between(0, 2 * pace_us_), [this] { plan_crash(); });
    }
    if (draws_.one_in(3)) {
      agenda_.in(draws_.between(0, 300 * kVirtualSecond), [this] { jump(); });
    }
    for (std::uint64_t i = draws_.one_in(3) ? 1 + draws_.below(3) : 0; i > 0; --i)
      agenda_.in(draws_.between(0, 2 * pace_us_), [this] { fill(); });
    if (draws_.one_in(3)) {
      agenda_.in(draws_.between(0, 2 * pace_us_), [this] { slow(); });
    }
  }

  // Where it stands, or amid what it writes next.
  void plan_crash() {
    --planned_;
    if (!world_.is_up()) return;
    const bool at_once = draws_.one_in(3);
    if (at_once) return crash();
    is_doomed_ = true;
    world_.die_after(draws_.below(24));
    agenda_.in(30 * kVirtualSecond, [this, life = lives_] {
      if (life == lives_ && world_.is_up()) crash();  // it wrote nothing
    });
  }

  void crash() {
    is_doomed_ = false;
    ++crashes_;
    ++lives_;
    world_.crash(draws_.below(3) != 0);
    ++planned_;
    agenda_.in(draws_.between(0, 60 * kVirtualSecond), [this] {
      --planned_;
      if (draws_.one_in(8)) world_.die_while_starting(draws_.below(12));
      start();
    });
  }
  void start() {
    books_.disturbed();
    if (!world_.start()) return crash();
    if (lives_ > 0) customers_.server_is_back();
  }

  void jump() {
    const Micros by = draws_.between(-7'200 * kVirtualSecond, 7'200 * kVirtualSecond);
    history_.add(fmt::format("the wall clock jumps by {} us", by));
    time_.jump(std::chrono::microseconds(by));
    books_.disturbed();
  }
  void fill() {
    history_.add("the disk is full");
    world_.fill_disk(true);
    books_.found_no_room();
    books_.disturbed();
    ++planned_;
    agenda_.in(draws_.between(kVirtualSecond / 100, draws_.one_in(2) ? kVirtualSecond : 20 * kVirtualSecond), [this] {
      --planned_;
      history_.add("the disk has room again");
      world_.fill_disk(false);
      books_.disturbed();
    });
  }
  void slow() {
    history_.add("the disk is slow");
    world_.slow_disk(draws_.between(10, 300));
    books_.slow_disk(true);
    agenda_.in(draws_.between(kVirtualSecond, 30 * kVirtualSecond), [this] {
      history_.add("the disk is as fast as before");
      world_.slow_disk(1);
      books_.slow_disk(false);
    });
  }
  bool is_calm() const { return planned_ == 0 && !is_doomed_ && world_.is_up(); }

  VirtualTime time_{kStart};
  const Micros began_us_ = time_.steady_us();
  Draws draws_;
  const Micros pace_us_ = kPaces[draws_.below(std::size(kPaces))];
  History history_{time_};
  Books books_{time_, history_};
  Agenda agenda_{time_};
  SimulatedModels models_{draws_, history_, draws_.below(6)};
  World world_;
  Customers customers_{{world_, agenda_, draws_, books_, history_, pace_us_}};
  std::size_t planned_ = 0;  ///< crashes and starts to come
  bool is_doomed_ = false;   ///< its disk dies soon
  std::size_t crashes_ = 0;
  std::size_t lives_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace

Outcome simulate(std::uint64_t seed, const std::string& folder, const std::string& template_folder) {
  return Simulation(seed, folder, template_folder).run();
}

}  // namespace sb::simulation
