// SPDX-License-Identifier: MIT
#include "redis/settings.hpp"

#include <sys/un.h>

#include <initializer_list>

#include "redis/clock.hpp"
#include "redis/tls.hpp"

namespace ct::redis {

const char *const kNoTls = "url asks for TLS, which this library was built without";
const char *const kNoMemory = "there is no memory for the options";

namespace {

constexpr size_t kLongestPrefix = 65535;
constexpr uint64_t kLargestValue = uint64_t{256} << 20;

const char *const kBadUrl =
    "url is not redis://user:password@host:port/db, rediss://... or unix:///path?db=0";

Bytes until(Bytes &rest, char end) {
  const void *found = std::memchr(rest.data, end, rest.size);
  const size_t size = found == nullptr
                          ? rest.size
                          : static_cast<size_t>(static_cast<const char *>(found) - rest.data);
  const Bytes part = {rest.data, size};
  rest = without_first(rest, found == nullptr ? size : size + 1);
  return part;
}

bool has(Bytes bytes, char sought) {
  return std::memchr(bytes.data, sought, bytes.size) != nullptr;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Decodes percent signs, and ends the text with a zero, which no part of it may be.
bool decode(Bytes from, Buffer &to) {
  to.truncate(0);
  for (size_t i = 0; i < from.size; i++) {
    char c = from.data[i];
    if (c == '%') {
      if (from.size - i < 3) return false;
      const int high = digit_of(from.data[i + 1]);
      const int low = digit_of(from.data[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0' || !to.append({&c, 1})) return false;
  }
  if (!to.append({"", 1})) return false;
  to.truncate(to.size() - 1);
  return true;
}

bool parse_number(Bytes digits, uint64_t most, uint64_t *out) {
  if (digits.size == 0 || digits.size > 9) return false;
  *out = 0;
  for (size_t i = 0; i < digits.size; i++) {
    if (digits.data[i] < '0' || digits.data[i] > '9') return false;
    *out = *out * 10 + static_cast<uint64_t>(digits.data[i] - '0');
  }
  return *out <= most;
}

constexpr uint64_t kMostDbs = 1000000;

bool parse_local(Url &url, Bytes rest) {
  const Bytes path = until(rest, '?');
  if (path.size == 0 || path.data[0] != '/') return false;
  if (rest.size > 0) {
    if (!begins_with(rest, text("db="))) return false;
    if (!parse_number(without_first(rest, 3), kMostDbs, &url.db)) return false;
  }
  return decode(path, url.host) && url.host.size() < sizeof(sockaddr_un::sun_path);
}

bool parse_login(Url &url, Bytes login) {
  if (!has(login, ':')) return decode(login, url.password) && decode({"", 0}, url.user);
  const Bytes user = until(login, ':');
  return decode(user, url.user) && decode(login, url.password);
}

bool parse_place(Url &url, Bytes place) {
  const bool is_ipv6 = place.size > 0 && place.data[0] == '[';
  if (is_ipv6 && !has(place, ']')) return false;
  if (is_ipv6) place = without_first(place, 1);
  const Bytes host = until(place, is_ipv6 ? ']' : ':');
  if (host.size == 0 || !decode(host, url.host)) return false;
  if (is_ipv6 && place.size > 0) {
    if (place.data[0] != ':') return false;
    place = without_first(place, 1);
  }
  if (place.size == 0) place = text("6379");
  uint64_t port;
  return parse_number(place, 65535, &port) && port > 0 && decode(place, url.port);
}

bool parse_remote(Url &url, Bytes rest) {
  Bytes place = until(rest, '/');
  if (rest.size > 0 && !parse_number(rest, kMostDbs, &url.db)) return false;
  if (has(place, '@')) {
    const Bytes login = until(place, '@');
    if (!parse_login(url, login)) return false;
  }
  return parse_place(url, place);
}

uint64_t or_else(uint64_t given, uint64_t otherwise) { return given == 0 ? otherwise : given; }

}  // namespace

const char *Url::parse(const char *url) {
  Bytes rest = {url, std::strlen(url)};
  // No part is longer than the whole with a zero, or the default port: so only the url can be wrong.
  for (Buffer *part : {&user, &password, &host, &port}) {
    if (!part->reserve(rest.size + 8)) return kNoMemory;
  }
  is_local = begins_with(rest, text("unix://"));
  if (is_local) return parse_local(*this, without_first(rest, 7)) ? nullptr : kBadUrl;
  is_tls = begins_with(rest, text("rediss://"));
  if (!is_tls && !begins_with(rest, text("redis://"))) return kBadUrl;
  return parse_remote(*this, without_first(rest, is_tls ? 9 : 8)) ? nullptr : kBadUrl;
}

const char *Settings::read(const ct_redis_options *options) {
  if (options == nullptr) return "there are no options";
  if (!is_known_struct(options)) return "struct_size is none of this library's";
  const ct_redis_options &given = *options;
  if ((given.flags & ~(CT_REDIS_NO_THREAD | CT_REDIS_RAW)) != 0) return "flags has an unknown bit";
  if (given.reserved != 0) return "reserved is not 0";
  if (given.url == nullptr) return "url is missing";
  const char *problem = url.parse(given.url);
  if (problem != nullptr) return problem;
  if (url.is_tls && !Tls::is_built_in()) return kNoTls;

  near = given.near;
  if (near == nullptr) return "near is missing";
  ct_options_init(&near_options, sizeof near_options);
  if (ct_cache_options(near, &near_options) != CT_OK) return "near is no cache";
  if (near_options.timer != nullptr) return "near has a timer of its own";
  if (near_options.refresh_ahead != 0) return "near has refresh_ahead, which a tier does without";
  has_thread = (given.flags & CT_REDIS_NO_THREAD) == 0;
  is_raw = (given.flags & CT_REDIS_RAW) != 0;
  if (has_thread && (near_options.flags & CT_FLAG_SINGLE_THREADED) != 0) {
    return "near is single-threaded, and flags has no CT_REDIS_NO_THREAD";
  }

  if (given.prefix == nullptr && given.prefix_size > 0) return "prefix is missing";
  if (given.prefix_size > kLongestPrefix) return "prefix_size is 65536 or more";
  if (!prefix.assign({given.prefix == nullptr ? "" : static_cast<const char *>(given.prefix),
                      given.prefix_size})) {
    return kNoMemory;
  }

  ttl = or_else(given.ttl, CT_NEVER);
  near_ttl = or_else(given.near_ttl, or_else(near_options.ttl, CT_NEVER));
  max_stale = or_else(given.max_stale, kSecond);
  offline_ttl = or_else(given.offline_ttl, max_stale);
  timeout = or_else(given.timeout, 5 * kSecond);
  lease = or_else(given.lease, 10 * kSecond);
  max_value = or_else(given.max_value, uint64_t{16} << 20);
  max_pending = or_else(given.max_pending, uint64_t{64} << 20);
  // Such a lifetime was meant in another unit: 60 for a minute.
  for (const uint64_t lifetime : {given.ttl, given.near_ttl, given.offline_ttl}) {
    if (lifetime != 0 && lifetime < kMillisecond) {
      return "ttl, near_ttl or offline_ttl is less than 1 ms: CT_SECONDS(60) is a minute";
    }
  }
  if (max_stale < 50 * kMillisecond) return "max_stale is less than 50 ms";
  if (lease < kMillisecond) return "lease is less than 1 ms";
  if (max_value > kLargestValue) return "max_value is more than 256 MiB";
  if (max_pending < max_value + prefix.size() + kRequestOverhead) {
    return "max_pending has no room for one value of max_value bytes";
  }
  user_data = given.user_data;
  listener = given.listener;
  return nullptr;
}

}  // namespace ct::redis
