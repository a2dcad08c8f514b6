// SPDX-License-Identifier: MIT
// What a get of each kind of cache costs beside ct_get and ct_value_release, in instructions:
// 100 gets of each of 1,000 entries of one of the kinds that run() knows. ../ffi/check_cost.sh counts
// them.
#include <cachetools.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace cost {

using cachetools::cache;

constexpr std::uint64_t kEntries = 1000;
constexpr std::uint64_t kRounds = 100;
constexpr std::uint64_t kSum = kRounds * kEntries * (kEntries - 1) / 2;

// Each value begins with the bytes of its key.
std::uint64_t number(std::string_view bytes) {
  std::uint64_t it;
  std::memcpy(&it, bytes.data(), sizeof it);
  return it;
}
std::string_view bytes(const std::uint64_t &key) {
  return {reinterpret_cast<const char *>(&key), sizeof key};
}
std::string text(std::uint64_t key, std::size_t size) {
  std::string it(bytes(key));
  it.resize(size);
  return it;
}

template <class Read>
[[gnu::always_inline]] inline std::uint64_t sum(Read read) {
  std::uint64_t sum = 0;
  for (std::uint64_t round = 0; round < kRounds; round++) {
    for (std::uint64_t key = 0; key < kEntries; key++) sum += read(key);
  }
  return sum;
}

[[gnu::noinline]] std::uint64_t get_by_c(ct_cache *from) {
  return sum([from](const std::uint64_t &key) {
    ct_value value;
    if (ct_get(from, &key, sizeof key, &value) != CT_OK) std::abort();
    const std::uint64_t it = number({static_cast<const char *>(value.data), value.size});
    ct_value_release(&value);
    return it;
  });
}
[[gnu::noinline]] std::uint64_t get_plain(cache<std::uint64_t, std::uint64_t> &from) {
  return sum([&from](const std::uint64_t &key) { return *from.get(key); });
}
[[gnu::noinline]] std::uint64_t get_shared(
    cache<std::uint64_t, std::shared_ptr<std::uint64_t>> &from) {
  return sum([&from](const std::uint64_t &key) { return *from.get(key); });
}
[[gnu::noinline]] std::uint64_t get_pinned(cache<> &from) {
  return sum([&from](const std::uint64_t &key) { return number(from.get(bytes(key)).view()); });
}
[[gnu::noinline]] std::uint64_t get_text(cache<std::string, std::string> &from) {
  return sum([&from](const std::uint64_t &key) { return number(*from.get(bytes(key))); });
}

// Fills a cache with what make(key) returns, and gets all of it.
template <class Cache, class Name, class Make>
std::uint64_t measure(std::uint64_t (*get)(Cache &), Name name, Make make) {
  Cache it(cachetools::policy::lru, kEntries);
  for (std::uint64_t key = 0; key < kEntries; key++) it.set(name(key), make(key));
  return get(it);
}

std::uint64_t run(std::string_view kind) {
  const auto same = [](const std::uint64_t &key) { return key; };
  if (kind == "c") {
    cache<> it(cachetools::policy::lru, kEntries);
    for (std::uint64_t key = 0; key < kEntries; key++) it.set(bytes(key), bytes(key));
    return get_by_c(it.native());
  }
  if (kind == "plain") return measure(get_plain, same, same);
  if (kind == "shared")
    return measure(get_shared, same, std::make_shared<std::uint64_t, const std::uint64_t &>);
  if (kind == "pinned") return measure(get_pinned, bytes, bytes);
  if (kind == "text10") return measure(get_text, bytes, [](auto key) { return text(key, 10); });
  if (kind == "text64") return measure(get_text, bytes, [](auto key) { return text(key, 64); });
  std::puts("Usage: cost c|plain|shared|pinned|text10|text64");
  return 0;
}

}  // namespace cost

int main(int count, char **arguments) {
  return cost::run(count == 2 ? arguments[1] : "") == cost::kSum ? EXIT_SUCCESS : EXIT_FAILURE;
}
