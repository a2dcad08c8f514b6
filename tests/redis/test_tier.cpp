// SPDX-License-Identifier: MIT
// The rules of a tier without sockets: the test says what the server answers, word by word.
#include <initializer_list>

#include "redis/tier.hpp"
#include "test.h"

namespace {

using ct::redis::Bytes;
using ct::redis::Locker;
using ct::redis::text;
using ct::redis::Tier;

// What a server says.
constexpr Bytes kHello = text("%1\r\n$5\r\nproto\r\n:3\r\n");
constexpr Bytes kOk = text("+OK\r\n");
constexpr Bytes kNil = text("_\r\n");
constexpr Bytes kNone = text(":-2\r\n");     // of PTTL: there is no such key
constexpr Bytes kForever = text(":-1\r\n");  // of PTTL: it has no deadline
constexpr Bytes kOne = text(":1\r\n");
constexpr Bytes kZero = text(":0\r\n");
constexpr Bytes kValue = text("$13\r\nvalue\0\0\0\0\0\0\1\xC7\r\n");
constexpr Bytes kPastItsLife = text("$13\r\nvalue\0\0\x10\x27\0\0\1\xC7\r\n");  // by less than 10 s
constexpr Bytes kPush = text(">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nt:k\r\n");
constexpr Bytes kLease = text("$24\r\n0123456789abcdef\2\0\0\0\0\0\1\xC7\r\n");

struct Server {
  Tier tier;
  ct_cache *near = nullptr;
  bool is_connected = false;
  bool is_slow = false;  // says nothing more, instead of being lost
  Bytes answers[32];
  size_t count = 0;
  size_t next = 0;
  char sent[65536];  // all that went out
  size_t sent_size = 0;

  void lose() {
    if (!is_connected) return;
    is_connected = false;
    tier.lost();
  }
  void hear(Bytes bytes) {
    if (is_connected && !tier.received(bytes)) lose();
  }
  // Answers that the next calls will get; when they are all given, the connection is lost.
  void will_say(std::initializer_list<Bytes> words) {
    next = count = 0;
    for (const Bytes word : words) answers[count++] = word;
  }
  void send() {
    Locker locker(tier.lock());
    const Bytes bytes = tier.output().bytes();
    assert_true(sent_size + bytes.size <= sizeof sent);
    memcpy(sent + sent_size, bytes.data, bytes.size);
    sent_size += bytes.size;
    tier.output().clear();
  }
  void serve() {
    send();
    if (next < count) {
      hear(answers[next++]);
    } else if (!is_slow) {
      lose();
    }
  }
  size_t count_sent(const char *word) const {
    size_t found = 0;
    for (size_t at = 0; at + strlen(word) <= sent_size; at++) {
      found += memcmp(sent + at, word, strlen(word)) == 0;
    }
    return found;
  }
  bool has_sent(const char *word) const { return count_sent(word) > 0; }
  void connect(Bytes probed = kNil) {
    is_connected = tier.connected();
    assert_true(is_connected);
    for (const Bytes word : {kHello, kOk, kOk, probed}) hear(word);
    send();
    sent_size = 0;
  }
};

void open(Server &it, ct_redis_options &options) {
  options.flags |= CT_REDIS_NO_THREAD;
  if (options.url == nullptr) options.url = "redis://localhost";
  if (options.near == nullptr) options.near = ct_cache_new(CT_POLICY_LRU, 100);
  options.prefix = "t:";
  options.prefix_size = 2;
  it.near = options.near;
  const char *problem = it.tier.settings().read(&options);
  if (problem != nullptr) fail_msg("%s", problem);
  assert_int_equal(
      CT_OK, it.tier.open({&it, [](void *, Locker &) {},
                           [](void *self, uint64_t) { static_cast<Server *>(self)->serve(); }}));
}

void begin(Server &it) {
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  open(it, options);
  it.connect();
}

// The server's answers may take longer than calls wait.
void begin_slow(Server &it, uint64_t timeout) {
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  options.timeout = timeout;
  open(it, options);
  it.connect();
  it.is_slow = true;
}

// No flight of the key is left over: a call may begin one.
void expect_no_flight(Server &it, Bytes key) {
  ct_lease *lease = nullptr;
  assert_int_equal(CT_LEASED, ct_get_or_lease(it.near, key.data, key.size, 0, nullptr, &lease));
  ct_lease_abandon(lease);
}

void end(Server &it) {
  it.lose();
  ct_stats stats = CT_STATS_INIT;
  ct_cache_stats(it.near, &stats);
  assert_int_equal(0, stats.pinned);
  ct_cache_free(it.near);
}

#define TIER_TEST(name) TEST_IN(Server, it, name, begin(*it), end(*it))

const Bytes kKey = text("k");

}  // namespace

// ---- Answers -------------------------------------------------------------------------------------

TIER_TEST(an_attribute_is_no_answer) {
  it->will_say({text("|1\r\n$3\r\nttl\r\n:3600\r\n"), kForever,
                text("|2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nt:k\r\n+a\r\n,0.5\r\n"), kValue,
                text("|0\r\n"), kNone, kNil});
  ct_value value;
  assert_int_equal(CT_OK, it->tier.get(kKey, &value));
  assert_int_equal(5, value.size);
  assert_memory_equal("value", value.data, 5);
  ct_value_release(&value);
  assert_int_equal(CT_MISS, it->tier.get(text("j"), &value));
  assert_true(ct_contains(it->near, "k", 1));
  assert_true(it->is_connected);
}

// An answer that the command cannot have says that answers are out of step with commands.
TEST(an_answer_of_another_shape_ends_the_connection) {
  struct {
    Bytes words[3];
    ct_status (*call)(Tier &tier);
  } const cases[] = {
      {{kOk}, [](Tier &tier) { return tier.get(kKey, nullptr); }},
      {{kForever, kOne}, [](Tier &tier) { return tier.get(kKey, nullptr); }},
      {{kForever, text("*1\r\n:1\r\n")}, [](Tier &tier) { return tier.get(kKey, nullptr); }},
      {{kValue}, [](Tier &tier) { return tier.set(kKey, text("new"), 0); }},
      {{kNil}, [](Tier &tier) { return tier.set(kKey, text("new"), 0); }},
      {{kOk}, [](Tier &tier) { return tier.remove(kKey); }},
      {{kValue}, [](Tier &tier) { return tier.sync(); }},
      {{text(">-1\r\n")}, [](Tier &tier) { return tier.sync(); }},
      {{text("*2\r\n|1\r\n+a\r\n+b\r\n+c\r\n+d\r\n")}, [](Tier &tier) { return tier.sync(); }},
  };
  for (const auto &each : cases) {
    Server it;
    begin(it);
    it.will_say({each.words[0], each.words[1], each.words[2]});
    while (it.count > 0 && it.answers[it.count - 1].data == nullptr) it.count--;
    it.answers[it.count++] = kForever;  // would go on
    assert_int_equal(CT_ERR_IO, each.call(it.tier));
    assert_true(it.next < it.count);
    assert_false(it.is_connected);
    end(it);
  }
}

// ---- Flights -------------------------------------------------------------------------------------

TEST(a_get_that_cannot_be_sent_leaves_no_flight) {
  Server it;
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  options.max_value = 1;
  options.max_pending = 600;
  open(it, options);
  it.connect();
  char name[100] = {};
  const Bytes key = {name, sizeof name};
  ct_bytes many = {name, sizeof name};
  ct_value value;
  ct_status status;
  assert_int_equal(CT_BUSY, it.tier.get(key, nullptr));
  expect_no_flight(it, key);
  assert_int_equal(CT_OK, it.tier.get_many(&many, 1, &value, &status));
  assert_int_equal(CT_BUSY, status);
  expect_no_flight(it, key);
  end(it);
}

TIER_TEST(a_get_that_is_lost_leaves_no_flight) {
  it->will_say({kForever});
  assert_int_equal(CT_ERR_IO, it->tier.get(kKey, nullptr));
  assert_false(it->is_connected);
  expect_no_flight(*it, kKey);
}

TEST(a_get_that_times_out_leaves_no_flight) {
  Server it;
  begin_slow(it, CT_MILLISECONDS(1));
  assert_int_equal(CT_ERR_IO, it.tier.get(kKey, nullptr));
  expect_no_flight(it, kKey);
  ct_bytes many = {kKey.data, kKey.size};
  ct_value value;
  ct_status status;
  assert_int_equal(CT_OK, it.tier.get_many(&many, 1, &value, &status));
  assert_int_equal(CT_ERR_IO, status);
  expect_no_flight(it, kKey);
  it.hear(kForever);
  it.hear(kValue);
  assert_true(it.is_connected);
  assert_false(ct_contains(it.near, "k", 1));
  end(it);
}

// ---- What was written offline --------------------------------------------------------------------

// Whatever the server has against it: the old value is not read, and the key stays remembered.
TEST(a_remembered_deletion_that_is_refused_stays_remembered) {
  for (const Bytes refusal : {text("-NOREPLICAS no\r\n"), text("-MISCONF no\r\n"),
                              text("-NOPERM no\r\n"), text("-READONLY no\r\n")}) {
    Server it;
    ct_redis_options options = CT_REDIS_OPTIONS_INIT;
    open(it, options);
    assert_int_equal(CT_ERR_IO, it.tier.set(kKey, text("new"), 0));
    ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
    it.tier.add_stats(&counters);
    assert_int_equal(1, counters.remembered);
    it.connect();
    // The answers to the deletion and to a get come in one piece.
    char both[128];
    const Bytes parts[] = {refusal, kForever, kValue};
    size_t size = 0;
    for (const Bytes part : parts) {
      memcpy(both + size, part.data, part.size);
      size += part.size;
    }
    it.will_say({{both, size}, kOk});
    assert_int_equal(CT_ERR_IO, it.tier.get(kKey, nullptr));
    assert_false(it.is_connected);
    assert_memory_equal(refusal.data + 1, it.tier.why().data, it.tier.why().size);
    it.tier.add_stats(&counters);
    assert_int_equal(1, counters.remembered);
    it.connect();
    it.will_say({kOne, kForever, kValue});
    assert_int_equal(CT_OK, it.tier.get(kKey, nullptr));
    it.tier.add_stats(&counters);
    assert_int_equal(0, counters.remembered);
    end(it);
  }
}

// ---- Renewing ------------------------------------------------------------------------------------

void begin_stale(Server &it) {
  ct_options near = CT_OPTIONS_INIT;
  near.maxsize = 100;
  near.stale = CT_SECONDS(10);
  near.retry = CT_MILLISECONDS(1);
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  assert_int_equal(CT_OK, ct_cache_new_with(&near, &options.near));
  open(it, options);
  it.connect();
}

#define RENEWAL_TEST(name) TEST_IN(Server, it, name, begin_stale(*it), end(*it))

static ct_status load_new(void *, const void *, size_t, ct_result *result) {
  return ct_result_set(result, "new", 3);
}

// Meanwhile others write the key twice, the old value last.
static ct_status load_while_written(void *self, const void *, size_t, ct_result *result) {
  static_cast<Server *>(self)->hear(kPush);
  static_cast<Server *>(self)->hear(kPush);
  return ct_result_set(result, "new", 3);
}

static void expect_loaded(Server &it, ct_loader_fn load) {
  ct_value value;
  assert_int_equal(CT_OK, it.tier.get_or_load(kKey, 0, load, &it, &value));
  assert_int_equal(3, value.size);
  assert_memory_equal("new", value.data, 3);
  ct_value_release(&value);
  it.send();
}

RENEWAL_TEST(a_value_past_its_lifetime_is_replaced) {
  it->will_say({text(":50\r\n"), kPastItsLife, kNil, kOk});
  expect_loaded(*it, load_new);
  assert_true(it->has_sent("IFEQ"));
  assert_false(it->has_sent("DEL"));
  assert_true(ct_contains(it->near, "k", 1));
}

RENEWAL_TEST(a_renewal_is_given_up_if_the_key_was_written_meanwhile) {
  it->will_say({text(":50\r\n"), kPastItsLife, kNil, kOk});
  expect_loaded(*it, load_while_written);
  assert_false(it->has_sent("IFEQ"));
  assert_false(ct_contains(it->near, "k", 1));
}

RENEWAL_TEST(a_renewal_is_undone_if_the_key_was_written_before_it) {
  char both[128];
  memcpy(both, kPush.data, kPush.size);
  memcpy(both + kPush.size, kOk.data, kOk.size);
  it->will_say({text(":50\r\n"), kPastItsLife, kNil, {both, kPush.size + kOk.size}});
  expect_loaded(*it, load_new);
  assert_true(it->has_sent("IFEQ"));
  assert_true(it->has_sent("DEL"));
  assert_false(ct_contains(it->near, "k", 1));
}

// ---- Servers that are none any more --------------------------------------------------------------

// A primary that has become a replica still answers reads.
TEST(a_server_that_can_no_longer_write_is_left) {
  for (const Bytes word : {text("-READONLY\r\n"), text("-LOADING\r\n"), text("-MASTERDOWN\r\n")}) {
    Server it;
    begin(it);
    it.sent_size = 0;
    assert_true(it.tier.tick() > 0);
    it.send();
    assert_true(it.has_sent("DEL"));
    assert_true(it.is_connected);
    it.hear(word);
    assert_false(it.is_connected);
    assert_false(it.tier.gate_is_open());
    end(it);
  }
}

TIER_TEST(a_server_that_refuses_writes_for_a_while_stays) {
  for (const Bytes word : {text("-NOREPLICAS\r\n"), text("-MISCONF\r\n"), text("-NOPERM\r\n")}) {
    it->will_say({word});
    assert_int_equal(CT_OK, it->tier.sync());
    assert_true(it->is_connected);
  }
}

// ---- Giving the lease on the server back ---------------------------------------------------------

static bool gives_back(Server &it) {
  it.send();
  return it.has_sent("redis.call('del'");
}

TIER_TEST(a_fill_that_is_refused_gives_the_lease_back) {
  it->will_say({kNone, kNil, kOk, text("-OOM\r\n")});
  expect_loaded(*it, load_new);
  assert_true(gives_back(*it));
}

TIER_TEST(a_fill_that_finds_another_value_gives_nothing_back) {
  it->will_say({kNone, kNil, kOk, kNil});
  expect_loaded(*it, load_new);
  assert_false(gives_back(*it));
}

// Even when there is no room for other commands.
TEST(a_fill_that_cannot_be_sent_gives_the_lease_back) {
  Server it;
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  options.max_value = 100;
  options.max_pending = 700;
  open(it, options);
  it.connect();
  const auto load = [](void *self, const void *, size_t, ct_result *result) {
    // Nothing is sent meanwhile.
    Tier &tier = static_cast<Server *>(self)->tier;
    Locker locker(tier.lock());
    tier.set_taken(600);
    return ct_result_set(result, "new", 3);
  };
  it.will_say({kNone, kNil, kOk});
  expect_loaded(it, load);
  assert_true(gives_back(it));
  end(it);
}

TEST(a_fill_that_takes_too_long_gives_the_lease_back) {
  Server it;
  begin_slow(it, CT_MILLISECONDS(20));
  it.will_say({kNone, kNil, kOk});
  expect_loaded(it, load_new);
  assert_true(it.is_connected);
  assert_true(gives_back(it));
  end(it);
}

TIER_TEST(a_load_that_cannot_read_gives_the_lease_back) {
  it->will_say({kNone, text("-NOPERM\r\n"), kOk});
  assert_int_equal(CT_ERR_UNSUPPORTED, it->tier.get_or_load(kKey, 0, load_new, it, nullptr));
  assert_true(gives_back(*it));
}

// ---- Many keys -----------------------------------------------------------------------------------

TEST(a_server_that_is_silent_fails_each_of_many_keys) {
  Server it;
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  options.max_stale = CT_MILLISECONDS(50);
  options.timeout = CT_MILLISECONDS(10);
  open(it, options);
  it.connect();
  it.is_slow = true;
  while (it.tier.gate_is_open()) {
  }
  const ct_bytes keys[] = {{"k", 1}, {"j", 1}};
  ct_value values[2] = {};
  ct_status statuses[2] = {};
  assert_int_equal(CT_OK, it.tier.get_many(keys, 2, values, statuses));
  for (const ct_status status : statuses) assert_int_equal(CT_ERR_IO, status);
  end(it);
}

// ---- Leases of others ----------------------------------------------------------------------------

TEST(a_lease_that_lasts_for_ages_is_waited_for) {
  Server it;
  begin_slow(it, CT_MILLISECONDS(20));
  // One more would be 2^58 ms, which are 0 ns modulo 2^64.
  const Bytes ages = text(":288230376151711743\r\n");
  it.will_say({ages, kLease, kNil});
  expect_loaded(it, load_new);
  assert_int_equal(1, it.count_sent("PTTL"));
  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  it.tier.add_stats(&counters);
  assert_int_equal(1, counters.lease_waits);
  assert_int_equal(1, counters.unkept_loads);
  end(it);
}

TIER_TEST(a_lease_without_an_end_is_no_lease) {
  it->will_say({kForever, kLease, kNil});
  expect_loaded(*it, load_new);
  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  it->tier.add_stats(&counters);
  assert_int_equal(0, counters.lease_waits);
  assert_int_equal(1, counters.unknown_trailers);
  assert_false(ct_contains(it->near, "k", 1));
}

// ---- Logging in ----------------------------------------------------------------------------------

TEST(a_user_with_an_empty_password_logs_in) {
  const struct {
    const char *url, *sent;
  } cases[] = {
      {"redis://user:@h", "AUTH\r\n$4\r\nuser\r\n$0\r\n\r\n"},
      {"redis://user:word@h", "AUTH\r\n$4\r\nuser\r\n$4\r\nword\r\n"},
      {"redis://word@h", "AUTH\r\n$7\r\ndefault\r\n$4\r\nword\r\n"},
  };
  for (const auto &each : cases) {
    Server it;
    ct_redis_options options = CT_REDIS_OPTIONS_INIT;
    options.url = each.url;
    open(it, options);
    it.is_connected = it.tier.connected();
    it.send();
    assert_true(it.has_sent(each.sent));
    end(it);
  }
}

// ---- Is there SET ... IFEQ? ----------------------------------------------------------------------

static bool fills_by_script(Server &it, Bytes answer) {
  it.sent_size = 0;
  it.will_say({kNone, kNil, kOk, answer});
  expect_loaded(it, load_new);
  ct_clear(it.near);
  return it.has_sent("EVAL") && !it.has_sent("IFEQ");
}

static bool probes(Server &it) {
  it.sent_size = 0;
  assert_true(it.tier.tick() > 0);
  it.send();
  return it.has_sent("IFEQ");
}

TEST(a_server_that_cannot_tell_is_asked_again) {
  Server it;
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  open(it, options);
  it.connect(text("-OOM\r\n"));
  assert_true(fills_by_script(it, kOne));
  assert_true(probes(it));
  it.hear(kZero);
  it.hear(kNil);
  assert_true(it.is_connected);
  assert_false(fills_by_script(it, kOk));
  ct_redis_counters counters = CT_REDIS_COUNTERS_INIT;
  it.tier.add_stats(&counters);
  assert_int_equal(1, counters.connects);
  end(it);
}

TEST(a_server_that_does_not_know_it_is_not_asked_again) {
  Server it;
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  open(it, options);
  it.connect(text("-ERR syntax error\r\n"));
  assert_true(fills_by_script(it, kOne));
  assert_false(probes(it));
  end(it);
}
