/// Who uses the server and outlives it: they send again until they are answered, sometimes twice, and hold the answers
/// against the books.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "simulation/world.h"

namespace sb::simulation {

class Customers {
 public:
  struct Parts {
    World& world;
    Agenda& agenda;  ///< theirs: it does not end with a process
    Draws& draws;
    Books& books;
    History& history;
    Micros pace_us;  ///< within which they come
  };
  explicit Customers(Parts parts) : parts_(parts) {}

  /// Puts on the agenda what they want in this seed.
  void begin();
  /// The server answers again: who waits for that asks at once, while it still takes up what it was doing.
  void server_is_back();
  /// Everything they asked for was acknowledged, and all that came of it has ended.
  bool are_satisfied() const;
  /// What they must find in the books at the end.
  void close();

 private:
  struct Request {
    std::string flow;
    std::string key;
    std::optional<RunId> run;
    std::size_t events = 0;  ///< that were sent to it
    bool retries = false;    ///< where it fails
    bool retried = false;
  };
  struct Event {
    std::string id, type;
    std::int64_t order = 0;
    bool acknowledged = false;
    std::size_t taken = 0;
  };
  using Verb = flow::EventHub::Verb;

  void send(std::size_t request, bool again);
  void send_once(std::size_t request);
  void publish(std::size_t event);
  void feed(std::size_t request);
  void look_for_reviews();
  void look_for_reviews_in(Micros delay_us);
  void decide(ReviewId review);
  void wish(std::size_t request, Verb verb);
  void wish_resumed(std::size_t request);
  void wish_again(std::size_t request);
  void wish_fork(std::size_t request);
  std::size_t some_engine() { return parts_.draws.below(parts_.world.engines()); }

  Parts parts_;
  std::vector<Request> requests_;
  std::vector<Event> events_;
  std::size_t wishes_ = 0;   ///< that were not granted yet
  bool is_looking_ = false;  ///< for reviews, later
};

}  // namespace sb::simulation
