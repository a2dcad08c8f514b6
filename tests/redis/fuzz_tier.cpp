// SPDX-License-Identifier: MIT
// A tier without sockets: calls, what a server might answer, what others might write, lost
// connections, in any order. Each byte of the input says what comes next. A call that waits is served
// by the following bytes; when none are left, the connection is lost.
#include <cstdio>
#include <cstdlib>

#include "redis/tier.hpp"

namespace {

using ct::redis::Bytes;
using ct::redis::Locker;
using ct::redis::text;
using ct::redis::Tier;

void require(bool holds, const char *what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct Harness {
  Tier tier;
  Bytes input;
  bool is_connected = false;

  uint8_t next() {
    if (input.size == 0) return 0;
    const auto byte = static_cast<uint8_t>(input.data[0]);
    input = ct::redis::without_first(input, 1);
    return byte;
  }
  void hear(Bytes bytes) {
    if (is_connected && !tier.received(bytes)) lose();
  }
  void lose() {
    if (!is_connected) return;
    is_connected = false;
    tier.lost();
  }
  void connect() {
    if (is_connected) return;
    is_connected = tier.connected();
    if (!is_connected) tier.lost();
  }
  // Everything is sent at once.
  void send() {
    Locker locker(tier.lock());
    tier.output().clear();
  }
  void serve();
};

constexpr Bytes kAnswers[] = {
    text("+OK\r\n"),
    text("_\r\n"),
    text(":1\r\n"),
    text(":-1\r\n"),
    text(":-2\r\n"),
    text(":5000\r\n"),
    text("%1\r\n$5\r\nproto\r\n:3\r\n"),
    text("$13\r\nvalue\0\0\0\0\0\0\1\xC7\r\n"),
    text("$8\r\n\1\0\0\0\0\0\1\xC7\r\n"),
    text("$24\r\n0123456789abcdef\2\0\0\0\0\0\1\xC7\r\n"),
    text("$13\r\nvalue\0\0\x10\x27\0\0\1\xC7\r\n"),
    text("$4\r\nbare\r\n"),
    text("-ERR syntax error\r\n"),
    text("-OOM\r\n"),
    text("-READONLY\r\n"),
    text("-WRONGTYPE\r\n"),
    text(">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nt:a\r\n"),
    text(">2\r\n$10\r\ninvalidate\r\n*2\r\n$3\r\nt:b\r\n$3\r\nt:c\r\n"),
    text(">2\r\n$10\r\ninvalidate\r\n_\r\n"),
    text(">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\ny\r\n"),
    text(":0\r\n"),
    text("|1\r\n$3\r\nttl\r\n:60\r\n"),
};
constexpr size_t kAnswerCount = sizeof kAnswers / sizeof kAnswers[0];

void Harness::serve() {
  send();
  if (input.size == 0) {
    lose();
    return;
  }
  const uint8_t what = next();
  if (what < 128) {
    hear(kAnswers[what % kAnswerCount]);
  } else if (what < 160) {
    const size_t size = next() % 32;
    const Bytes raw = {input.data, size < input.size ? size : input.size};
    input = ct::redis::without_first(input, raw.size);
    if (raw.size > 0) hear(raw);
  } else if (what < 170) {
    lose();
  } else if (what < 180) {
    connect();
  } else if (what < 190) {
    if (is_connected && tier.tick() == 0) lose();
  } else {  // the whole handshake
    connect();
    for (const int answer : {6, 0, 0, 1}) hear(kAnswers[answer]);
  }
}

ct_status load(void *user_data, const void *, size_t, ct_result *result) {
  auto *harness = static_cast<Harness *>(user_data);
  const uint8_t what = harness->next();
  if (what < 32) return CT_MISS;
  if (what < 64) return static_cast<ct_status>(1000 + what);
  if (what < 96) return CT_BUSY;
  if (what < 104) return CT_OK;  // without a value
  return ct_result_set(result, "loaded", what % 7);
}

void call(Harness &harness) {
  const uint8_t what = harness.next();
  const char name = static_cast<char>('a' + what / 16 % 3);
  const Bytes key = {&name, 1};
  Tier &tier = harness.tier;
  ct_value value = CT_VALUE_INIT;
  switch (what % 7) {
    case 0:
      tier.get(key, &value);
      break;
    case 1:
      tier.set(key, text("mine"), what % 2 == 0 ? 0 : CT_SECONDS(1));
      break;
    case 2:
      tier.remove(key);
      break;
    case 3:
    case 4:
      tier.get_or_load(key, 0, load, &harness, &value);
      break;
    case 5: {
      const ct_bytes keys[] = {{"a", 1}, {"b", 1}, {"a", 1}};
      ct_value values[3] = {};
      ct_status statuses[3];
      tier.get_many(keys, 3, values, statuses);
      for (ct_value &each : values) ct_value_release(&each);
      break;
    }
    default:
      tier.sync();
  }
  require((value.data != nullptr) == (value.pin != 0), "a value without a pin");
  ct_value_release(&value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2 || size > 512) return 0;
  ct_options near_options = CT_OPTIONS_INIT;
  near_options.maxsize = 8;
  near_options.flags = CT_FLAG_SINGLE_THREADED;
  if ((data[0] & 1) != 0) near_options.negative_ttl = CT_SECONDS(5);
  ct_cache *near;
  if (ct_cache_new_with(&near_options, &near) != CT_OK) return 0;
  {
    auto *memory = std::aligned_alloc(alignof(Harness), sizeof(Harness));
    if (memory == nullptr) std::abort();
    auto *harness = new (memory) Harness;
    harness->input = {reinterpret_cast<const char *>(data) + 1, size - 1};
    ct_redis_options options = CT_REDIS_OPTIONS_INIT;
    options.flags = CT_REDIS_NO_THREAD | ((data[0] & 2) != 0 ? CT_REDIS_RAW : 0);
    options.url = "redis://localhost";
    options.near = near;
    options.prefix = "t:";
    options.prefix_size = 2;
    require(harness->tier.settings().read(&options) == nullptr, "options");
    const ct_status opened = harness->tier.open(
        {harness, [](void *self, Locker &) { static_cast<Harness *>(self)->tier.output().clear(); },
         [](void *self, uint64_t) { static_cast<Harness *>(self)->serve(); }});
    require(opened == CT_OK, "open");
    if ((data[0] & 4) == 0) {
      harness->connect();
      for (const int answer : {6, 0, 0, (data[0] & 8) != 0 ? 1 : 12}) {
        harness->hear(kAnswers[answer]);
      }
      require(!harness->is_connected || harness->tier.gate_is_open(), "a gate that stays shut");
    }
    while (harness->input.size > 0) {
      if ((harness->next() & 1) != 0) {
        call(*harness);
      } else {
        harness->tier.step();
      }
      // What is shut stays shut without a server.
      require(harness->is_connected || !harness->tier.gate_is_open(), "an open gate offline");
    }
    harness->lose();
    require(ct_len(near) <= 8, "near is too large");
    for (const Bytes key : {text("a"), text("b"), text("c")}) {
      ct_lease *lease = nullptr;
      require(ct_get_or_lease(near, key.data, key.size, 0, nullptr, &lease) != CT_BUSY,
              "a flight is left over");
      ct_lease_abandon(lease);
    }
    harness->~Harness();
    std::free(memory);
  }
  ct_stats stats = CT_STATS_INIT;
  ct_cache_stats(near, &stats);
  require(stats.pinned == 0, "a value stays pinned");
  ct_cache_free(near);
  return 0;
}
