// SPDX-License-Identifier: MIT
// The bound on staleness, by a clock that is moved by hand: a tier, a network, a server and another
// program that writes are simulated in one thread, so that each freezes, is slow, stops or is cut off
// for as long as it likes, and no time passes. No read may return CT_OK with a value that had been
// replaced, and the replacement acknowledged, more than max_stale before the read began.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "process_clock.h"
#include "redis/tier.hpp"
#include "test.h"

extern "C" {
uint64_t test_seed(void);
uint64_t test_random_below(uint64_t *state, uint64_t n);
}

namespace {

using ct::redis::Bytes;
using ct::redis::Locker;
using ct::redis::Tier;
using std::string;

constexpr uint64_t kMs = 1000000;
constexpr size_t kKeys = 3;
constexpr uint64_t kNow = CT_NEVER;  // of what has not been replaced

uint64_t random_state;
uint64_t below(uint64_t n) {
  return test_random_below(&random_state, n);
}
bool one_in(uint64_t n) {
  return below(n) == 0;
}

Bytes bytes(const string &from) {
  return {from.data(), from.size()};
}
string text_of(const void *data, size_t size) {
  return {static_cast<const char *>(data), size};
}
string bulk(const string &of) {
  return "$" + std::to_string(of.size()) + "\r\n" + of + "\r\n";
}
string integer(int64_t of) {
  return ":" + std::to_string(of) + "\r\n";
}

// The server keeps a trailer behind the value.
string stored(const string &value) {
  return value + string("\0\0\0\0\0\0\1\xC7", 8);
}
string payload(const string &stored) {
  return stored.substr(0, stored.size() - 8);
}

// Until when each value was the right one, that is, lay on the server or at the source.
class Truth {
 public:
  void is_there(const string &value) { last_[value] = kNow; }
  void was_there(const string &value, uint64_t until) {
    uint64_t &last = last_[value];
    if (last != kNow) last = std::max(last, until);
  }
  void is_replaced(const string &value, uint64_t at) { last_[value] = at; }
  uint64_t last(const string &value) const { return last_.at(value); }

 private:
  std::map<string, uint64_t> last_;
};

// ---- A server ------------------------------------------------------------------------------------

// Executes commands, and tells the one connection that tracks of what others have changed. As the
// real one, it says so at the end of a turn, behind the replies, and leaves out what that connection
// itself has written last.
class Server {
 public:
  Server(Truth &truth, bool knows_ifeq) : truth_(truth), knows_ifeq_(knows_ifeq) {}

  // Executes what is whole of the input, and takes it out. The replies are in the turn's output,
  // unless is_heard is false: then the connection is gone.
  void execute(string &input, bool is_heard) {
    std::vector<string> words;
    while (take_command(input, words)) {
      const string reply = answer(words, is_heard);
      if (is_heard) output_ += reply;
    }
  }
  void set(const string &key, const string &value) { write(key, value, 0, false); }
  void remove(const string &key) { erase(key, false); }

  // What the turn has to say. Now the writers of this turn get their acknowledgements.
  string end_turn() {
    for (const string &value : replaced_) truth_.is_replaced(value, process_clock);
    replaced_.clear();
    string said;
    said.swap(output_);
    for (const auto &[key, is_own] : changed_) {
      if (is_tracked_ && !is_own) said += ">2\r\n" + bulk("invalidate") + "*1\r\n" + bulk(key);
    }
    changed_.clear();
    return said;
  }

  void expire() {
    for (auto it = entries_.begin(); it != entries_.end();) {
      const string key = (it++)->first;
      find(key);
    }
  }
  void disconnect() {
    is_tracked_ = false;
    output_.clear();
  }

 private:
  struct Entry {
    string stored;
    uint64_t deadline;  // 0: none
  };

  static bool take_command(string &input, std::vector<string> &words) {
    words.clear();
    size_t at = input.find("\r\n");
    if (at == string::npos) return false;
    const size_t count = std::stoul(input.substr(1, at - 1));
    at += 2;
    while (words.size() < count) {
      const size_t end = input.find("\r\n", at);
      if (end == string::npos) return false;
      const size_t size = std::stoul(input.substr(at + 1, end - at - 1));
      if (input.size() < end + 2 + size + 2) return false;
      words.push_back(input.substr(end + 2, size));
      at = end + 2 + size + 2;
    }
    input.erase(0, at);
    return true;
  }

  string answer(const std::vector<string> &words, bool is_own) {
    const string &name = words[0];
    if (name == "HELLO") return "%1\r\n" + bulk("proto") + integer(3);
    if (name == "CLIENT") {
      if (is_own && words[1] == "TRACKING") is_tracked_ = true;
      return "+OK\r\n";
    }
    const string &key = words[name == "EVAL" ? 3 : 1];
    const Entry *entry = find(key);
    if (name == "PTTL") {
      if (entry == nullptr) return integer(-2);
      if (entry->deadline == 0) return integer(-1);
      return integer(static_cast<int64_t>((entry->deadline - process_clock) / kMs));
    }
    if (name == "GET") return entry == nullptr ? "_\r\n" : bulk(entry->stored);
    if (name == "DEL") {
      if (entry == nullptr) return integer(0);
      erase(key, is_own);
      return integer(1);
    }
    if (name == "SET") return answer_set(words, entry, is_own);
    if (entry == nullptr || entry->stored != words[4]) return integer(0);
    // Scripts are told of their own writes.
    if (words.size() == 5) {
      erase(key, false);
    } else {
      write(key, words[5], words[6].empty() ? 0 : std::stoull(words[6]), false);
    }
    return integer(1);
  }

  string answer_set(const std::vector<string> &words, const Entry *entry, bool is_own) {
    uint64_t ttl_ms = 0;
    bool is_met = true;
    for (size_t i = 3; i < words.size(); i++) {
      if (words[i] == "NX") is_met = entry == nullptr;
      if (words[i] == "PX") ttl_ms = std::stoull(words[++i]);
      if (words[i] != "IFEQ") continue;
      if (!knows_ifeq_) return "-ERR syntax error\r\n";
      is_met = entry != nullptr && entry->stored == words[++i];
    }
    if (!is_met) return "_\r\n";
    write(words[1], words[2], ttl_ms, is_own);
    return "+OK\r\n";
  }

  const Entry *find(const string &key) {
    const auto it = entries_.find(key);
    if (it == entries_.end()) return nullptr;
    if (it->second.deadline == 0 || it->second.deadline > process_clock) return &it->second;
    erase(key, false);
    return nullptr;
  }
  void write(const string &key, const string &stored, uint64_t ttl_ms, bool is_own) {
    leaves(key);
    truth_.is_there(payload(stored));
    replaced_.erase(payload(stored));
    entries_[key] = {stored, ttl_ms == 0 ? 0 : process_clock + ttl_ms * kMs};
    changed_[key] = is_own;
  }
  void erase(const string &key, bool is_own) {
    leaves(key);
    if (entries_.erase(key) > 0) changed_[key] = is_own;
  }
  void leaves(const string &key) {
    const auto it = entries_.find(key);
    if (it != entries_.end()) replaced_.insert(payload(it->second.stored));
  }

  Truth &truth_;
  const bool knows_ifeq_;
  std::map<string, Entry> entries_;
  bool is_tracked_ = false;
  string output_;                   // of this turn
  std::map<string, bool> changed_;  // in this turn; whether the connection itself was the last
  std::set<string> replaced_;       // in this turn
};

// ---- Everything but the tier ---------------------------------------------------------------------

// Bytes on their way, in order. For a while they are fast; then slow, or not delivered at all.
class Wire {
 public:
  struct Piece {
    uint64_t at;
    string bytes;
  };
  std::deque<Piece> pieces;

  explicit Wire(uint64_t max_stale) : max_stale_(max_stale) {}

  void send(const string &bytes) {
    if (bytes.empty()) return;
    if (process_clock >= changes_at_) change();
    const uint64_t at = std::max(process_clock + below(longest_ + 1), earliest_);
    pieces.push_back({pieces.empty() ? at : std::max(at, pieces.back().at), bytes});
  }
  uint64_t next() const { return pieces.empty() ? CT_NEVER : pieces.front().at; }
  string take() {
    string bytes = pieces.front().bytes;
    pieces.pop_front();
    return bytes;
  }

 private:
  void change() {
    changes_at_ = process_clock + below(4 * max_stale_);
    longest_ = one_in(4) ? below(2 * max_stale_) : max_stale_ / 64;
    earliest_ = one_in(8) ? changes_at_ : 0;
  }

  const uint64_t max_stale_;
  uint64_t changes_at_ = 0;
  uint64_t longest_ = 0;
  uint64_t earliest_ = 0;
};

class World {
 public:
  explicit World(uint64_t max_stale)
      : to_server(max_stale),
        to_client(max_stale),
        max_stale_(max_stale),
        server_(truth_, one_in(2)),
        ghost_(max_stale),
        frozen_until_(process_clock) {
    plan(next_write_, max_stale / 2);
    plan(next_freeze_, 20 * max_stale);
  }

  Wire to_server;
  Wire to_client;
  uint64_t freezes = 0;

  const Truth &truth() const { return truth_; }

  // Lets time pass. What is said to the tier lies in to_client until somebody looks there.
  void advance(uint64_t until) {
    for (;;) {
      const uint64_t next = std::min({next_write_, next_freeze_, when_awake(to_server.next()),
                                      when_awake(ghost_.next()), when_awake(next_command_)});
      if (next > until) break;
      process_clock = std::max(process_clock, next);
      happen();
    }
    process_clock = std::max(process_clock, until);
  }

  // What the source has now.
  string read_source(const string &key) {
    const string value = value_of(key);
    truth_.was_there(value, process_clock);
    return value;
  }
  string change_source(const string &key) {
    versions_[key]++;
    return value_of(key);
  }

  // Some of what is on its way to the server may still arrive there.
  void cut() {
    string late = input_;
    for (const Wire::Piece &piece : to_server.pieces) late += piece.bytes;
    ghost_.send(late.substr(0, below(2 * late.size() + 1)));
    to_server.pieces.clear();
    to_client.pieces.clear();
    input_.clear();
    server_.disconnect();
  }

 private:
  void plan(uint64_t &when, uint64_t mean) { when = process_clock + below(2 * mean); }
  uint64_t when_awake(uint64_t at) const { return std::max(at, frozen_until_); }
  string value_of(const string &key) { return key + std::to_string(versions_[key]); }

  // The other program changes the source at once; its command waits for the server.
  void change() {
    const string key(1, static_cast<char>('a' + below(kKeys)));
    commands_.push_back({key, change_source(key)});
    next_command_ = process_clock + below(kMs);
    plan(next_write_, one_in(10) ? 20 * max_stale_ : max_stale_ / 2);
  }
  void happen() {
    if (process_clock >= next_freeze_) {
      freezes++;
      frozen_until_ = process_clock + below(4 * max_stale_);
      plan(next_freeze_, 20 * max_stale_);
      return;
    }
    if (process_clock >= next_write_) {
      change();
      return;
    }
    if (process_clock >= to_server.next()) {
      input_ += to_server.take();
      server_.execute(input_, true);
    } else if (process_clock >= ghost_.next()) {
      string late = ghost_.take();
      server_.execute(late, false);
    } else {
      for (const auto &[key, value] : commands_) {
        if (one_in(2)) {
          server_.set("t:" + key, stored(value));
        } else {
          server_.remove("t:" + key);
        }
      }
      commands_.clear();
      next_command_ = CT_NEVER;
    }
    if (one_in(4)) server_.expire();
    if (one_in(4) && next_command_ != CT_NEVER) return;  // the turn goes on
    to_client.send(server_.end_turn());
  }

  const uint64_t max_stale_;
  Truth truth_;
  Server server_;
  std::map<string, uint64_t> versions_;  // at the source
  std::vector<std::pair<string, string>> commands_;
  string input_;
  Wire ghost_;  // what is left of connections that are gone, each in one piece
  uint64_t frozen_until_;
  uint64_t next_write_;
  uint64_t next_freeze_;
  uint64_t next_command_ = CT_NEVER;
};

// ---- A process with a tier -----------------------------------------------------------------------

struct Seen {
  uint64_t near = 0, far = 0, offline = 0, loads = 0, losses = 0, freezes = 0;
  double oldest = 0;  // in units of max_stale
};

class Process {
 public:
  Process(uint64_t max_stale, Seen &seen) : max_stale_(max_stale), world_(max_stale), seen_(seen) {
    ct_options near = CT_OPTIONS_INIT;
    near.maxsize = 100;
    near.flags = CT_FLAG_SINGLE_THREADED;
    if (one_in(2)) {
      near.stale = max_stale;
      near.retry = kMs;
    }
    if (one_in(2)) near.negative_ttl = max_stale * 4;
    ct_cache *cache;
    assert_int_equal(CT_OK, ct_cache_new_with(&near, &cache));
    near_.reset(cache);
    ct_redis_options options = CT_REDIS_OPTIONS_INIT;
    options.flags = CT_REDIS_NO_THREAD;
    options.url = "redis://localhost";
    options.near = cache;
    options.prefix = "t:";
    options.prefix_size = 2;
    options.max_stale = max_stale;
    options.timeout = one_in(2) ? max_stale / 2 : 4 * max_stale;
    options.lease = 2 * max_stale;
    if (one_in(2)) options.ttl = max_stale / 2 + below(8 * max_stale);
    const char *problem = tier_.settings().read(&options);
    if (problem != nullptr) fail_msg("%s", problem);
    const ct_status status =
        tier_.open({this, [](void *self, Locker &) { static_cast<Process *>(self)->flush(); },
                    [](void *self, uint64_t until) { static_cast<Process *>(self)->turn(until); }});
    assert_int_equal(CT_OK, status);
    next_ = process_clock;
  }
  ~Process() {
    lose();
    seen_.freezes += world_.freezes;
  }

  void live() {
    const string key(1, static_cast<char>('a' + below(kKeys)));
    switch (below(16)) {
      case 0:
        write(key);
        break;
      case 1:
        (void)tier_.remove(bytes(key));
        break;
      case 2:
      case 3:
      case 4:
        read(key, true);
        break;
      case 5:
        read_many();
        break;
      case 6:
        if (one_in(20)) world_.advance(process_clock + below(3 * max_stale_));  // SIGSTOP
        break;
      case 7:
        if (one_in(20)) lose();
        break;
      case 8:
        read_for_a_while(key);
        break;
      default:
        read(key, false);
    }
    if (one_in(4)) world_.advance(process_clock + below(max_stale_ / 32));
    if (one_in(2)) (void)tier_.step();
  }

 private:
  // As of Link.
  void flush() {
    string sent(tier_.output().bytes().data, tier_.output().bytes().size);
    tier_.output().clear();
    if (!is_connected_) return;
    while (!sent.empty()) {
      const size_t size = std::min<size_t>(sent.size(), 1 + below(400));
      world_.to_server.send(sent.substr(0, size));
      sent.erase(0, size);
    }
  }
  void turn(uint64_t until) {
    world_.advance(std::min({until, next_, std::max(world_.to_client.next(), process_clock)}));
    if (one_in(500)) world_.advance(process_clock + below(2 * max_stale_));  // SIGSTOP
    while (is_connected_ && world_.to_client.next() <= process_clock) {
      const string said = world_.to_client.take();
      if (!tier_.received(bytes(said))) lose();
    }
    if (process_clock < next_) return;
    if (!is_connected_) {
      is_connected_ = tier_.connected();
      assert_true(is_connected_);
    }
    next_ = tier_.tick();
    if (next_ == 0) {
      lose();
      return;
    }
    Locker locker(tier_.lock());
    flush();
  }
  void lose() {
    if (!is_connected_) return;
    is_connected_ = false;
    seen_.losses++;
    world_.cut();
    tier_.lost();
    next_ = process_clock + below(max_stale_);
  }

  void write(const string &key) {
    const string value = world_.change_source(key);
    (void)tier_.set(bytes(key), bytes(value), one_in(2) ? 0 : CT_NEVER);
  }

  static ct_status load(void *self, const void *key, size_t size, ct_result *result) {
    auto *it = static_cast<Process *>(self);
    it->seen_.loads++;
    if (one_in(8)) return CT_MISS;
    const string value = it->world_.read_source(text_of(key, size));
    it->world_.advance(process_clock + below(one_in(8) ? 3 * it->max_stale_ : kMs));
    return ct_result_set(result, value.data(), value.size());
  }

  // As the exported functions do it.
  void read(const string &key, bool loads) {
    const uint64_t begun = process_clock;
    const bool is_open = tier_.gate_is_open();
    if (one_in(1000)) world_.advance(process_clock + below(2 * max_stale_));  // SIGSTOP
    ct_value value = CT_VALUE_INIT;
    ct_status status = CT_MISS;
    if (is_open) status = ct_get(near_.get(), key.data(), key.size(), &value);
    seen_.near += status == CT_OK;
    if (status == CT_MISS) {
      status = loads ? tier_.get_or_load(bytes(key), 0, load, this, &value)
                     : tier_.get(bytes(key), &value);
      (is_connected_ ? seen_.far : seen_.offline) += status == CT_OK;
    }
    check(status, value, begun);
    ct_value_release(&value);
  }
  // Mostly from near: whether what has come meanwhile is looked at, or not.
  void read_for_a_while(const string &key) {
    const bool is_served = one_in(2);
    for (uint64_t left = below(100); left > 0; left--) {
      world_.advance(process_clock + below(max_stale_ / 32));
      if (is_served) (void)tier_.step();
      read(key, false);
    }
  }
  void read_many() {
    const uint64_t begun = process_clock;
    const ct_bytes keys[] = {{"a", 1}, {"b", 1}, {"a", 1}};
    ct_value values[3] = {};
    ct_status statuses[3];
    if (tier_.get_many(keys, 3, values, statuses) != CT_OK) return;
    for (size_t i = 0; i < 3; i++) {
      check(statuses[i], values[i], begun);
      ct_value_release(&values[i]);
    }
  }
  void check(ct_status status, const ct_value &value, uint64_t begun) {
    if (status != CT_OK) return;
    const uint64_t last = world_.truth().last(text_of(value.data, value.size));
    if (last >= begun) return;
    const double age = static_cast<double>(begun - last) / static_cast<double>(max_stale_);
    seen_.oldest = std::max(seen_.oldest, age);
    if (age > 1) fail_msg("a value was replaced %g times max_stale before it was read", age);
  }

  const uint64_t max_stale_;
  std::unique_ptr<ct_cache, void (*)(ct_cache *)> near_{nullptr, ct_cache_free};
  Tier tier_;
  World world_;
  Seen &seen_;
  bool is_connected_ = false;
  uint64_t next_;  // when tick is due, or the next connection
};

}  // namespace

TEST(no_read_is_older_than_max_stale) {
  random_state = test_seed();
  Seen seen;
  const uint64_t begun = process_clock;
  for (int i = 0; i < 300; i++) {
    Process process(CT_MILLISECONDS(50) + below(CT_MILLISECONDS(200)), seen);
    for (int j = 0; j < 1000; j++) process.live();
  }
  print_message(
      "# in %.0f s: %.0f reads near, %.0f from the server, %.0f offline; %.0f loads; "
      "%.0f freezes, %.0f losses; the oldest read was %.4f of max_stale old\n",
      static_cast<double>(process_clock - begun) / 1e9, static_cast<double>(seen.near),
      static_cast<double>(seen.far), static_cast<double>(seen.offline),
      static_cast<double>(seen.loads), static_cast<double>(seen.freezes),
      static_cast<double>(seen.losses), seen.oldest);
  assert_true(seen.near > 10000 && seen.far > 10000 && seen.offline > 1000);
  assert_true(seen.freezes > 100 && seen.losses > 100);
  assert_true(seen.oldest > 0.9);
}
