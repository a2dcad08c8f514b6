// SPDX-License-Identifier: MIT
// cachetools.hpp with values that are copied: bytes, strings, numbers and types of one's own; and
// each of its classes.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <thread>

#include "cpp.hpp"

namespace {

using cachetools::cache;
using cachetools::options;
using cachetools::outcome;
using cachetools::policy;
using namespace std::chrono_literals;
using std::literals::operator""sv;
using std::literals::operator""s;

enum class color : std::uint8_t { red, green };
struct point {
  std::int32_t x, y;
};
struct name {
  std::string first, last;
};
struct padded {
  char letter;
  int number;
};

}  // namespace

// A type of the tests' own, which has no other text than this.
template <>
struct cachetools::codec<name> {
  static std::string encode(const name &it) { return it.first + '/' + it.last; }
  static std::optional<name> decode(std::string_view bytes) {
    const auto slash = bytes.find('/');
    if (slash == bytes.npos) return std::nullopt;
    return name{std::string(bytes.substr(0, slash)), std::string(bytes.substr(slash + 1))};
  }
};

// A plain type whose own bytes would not do for a key.
template <>
struct cachetools::codec<padded> {
  static std::string encode(const padded &it) { return it.letter + std::to_string(it.number); }
  static std::optional<padded> decode(std::string_view bytes) {
    if (bytes.empty()) return std::nullopt;
    return padded{bytes[0], std::atoi(std::string(bytes.substr(1)).c_str())};
  }
};

namespace {

// ---- Bytes --------------------------------------------------------------------------------------

TEST(bytes_come_back_pinned) {
  cache<> it(policy::lru, 1);
  assert_true(it.set("key\0with zero"sv, "one"));
  assert_false(static_cast<bool>(it.get("key")));
  cachetools::value one = it.get("key\0with zero"sv);
  assert_true(it.set("other", "two"));  // evicts
  assert_text("one", one.view());
  assert_false(it.contains("key\0with zero"sv));
  assert_int_equal(1, it.size());
}

TEST(empty_value_is_a_value) {
  cache<> it(policy::lru, 10);
  assert_true(it.set("", ""));
  const cachetools::value value = it.get("");
  assert_true(static_cast<bool>(value));
  assert_int_equal(0, value.size());
}

TEST(forgotten_maxsize_is_refused_and_a_meant_one_is_not) {
  bool refused = false;
  try {
    cache<int, int> forgotten(cache<int, int>::options_type{});
  } catch (const cachetools::error &) {
    refused = true;
  }
  assert_true(refused);
  cache<int, int>::options_type nothing;
  nothing.keep_nothing = true;
  cache<int, int> meant(std::move(nothing));
  assert_false(meant.set(1, 2));
  cache<int, int> simple(policy::lru, 0);
  assert_false(simple.set(1, 2));
}

TEST(value_moves_shares_and_outlives_its_cache) {
  cachetools::value kept;
  {
    cache<> it(policy::lru, 10);
    it.set("key", "value");
    cachetools::value value = it.get("key");
    cachetools::value second = value.share();
    kept = std::move(value);
    assert_false(static_cast<bool>(value));
    assert_text("value", second.view());
  }
  cachetools::value &same = kept;
  kept = std::move(same);
  assert_text("value", kept.view());
  ct_value raw = kept.detach();
  assert_false(static_cast<bool>(kept));
  assert_int_equal(5, raw.size);
  kept = cachetools::value(raw);
  assert_text("value", static_cast<std::string_view>(kept));
#if __cplusplus >= 202002L
  assert_int_equal('v', std::to_integer<int>(kept.bytes()[0]));
  assert_int_equal(5, kept.bytes().size());
#endif
}

TEST(cache_moves) {
  cache<> first(policy::lru, 10);
  first.set("key", "value");
  ct_cache *const native = first.native();
  cache<> second(std::move(first));
  assert_null(first.native());
  assert_ptr_equal(native, second.native());
  cache<> third(policy::fifo, 1);
  third.set("gone", "with its cache");
  third = std::move(second);
  cache<> &same = third;
  third = std::move(same);
  assert_text("value", third.get("key").view());
}

TEST(callbacks_move_with_their_cache) {
  std::string told;
  auto with = options_of<std::string_view, std::string_view>(1);
  with.listener = [&told, text = std::make_unique<int>(7)](const auto &event) {
    told += std::string(event.key) + std::to_string(*text);
  };
  cache<> first(std::move(with));
  cache<> second(policy::lru, 5);
  second = std::move(first);
  second.set("a", "");
  second.set("b", "");
  assert_text("a7", told);
}

TEST(options_that_are_wrong_are_named) {
  auto with = options_of<std::string_view, std::string_view>(1);
  with.shards = 3;
  const auto wrong = caught<cachetools::error>([&] { cache<> it(std::move(with)); });
  assert_status(CT_ERR_INVALID, wrong.status());
  assert_non_null(std::strstr(wrong.what(), "shards"));
  const std::pair<policy, std::string> kWrong[] = {
      {policy::lru, "maxsize: 0 keeps nothing, which keep_nothing says is meant."},
      {policy::ttl, "ttl: policy::ttl requires one above 0."},
      {policy::tlru, "ttu: policy::tlru requires one."},
      {policy::custom, "custom: policy::custom requires it."},
      {static_cast<policy>(77), "policy: it is not one of cachetools::policy."},
  };
  for (const auto &[kind, sentence] : kWrong) {
    with = options_of<std::string_view, std::string_view>(0);
    with.policy = kind;
    const auto thrown = caught<cachetools::error>([&, &it = with] { cache<> made(std::move(it)); });
    assert_string_equal(sentence.c_str(), thrown.what());
  }
  auto negative = options_of<std::string_view, std::string_view>(1);
  negative.ttl = -1s;
  const auto thrown = caught<cachetools::error>([&] { cache<> it(std::move(negative)); });
  assert_string_equal("ttl: it is negative.", thrown.what());
  auto brief = options_of<int, int>(1);
  brief.ttl = std::chrono::nanoseconds(60);
  const auto unit = caught<cachetools::error>([&] { cache<int, int> it(std::move(brief)); });
  assert_string_equal(
      "ttl: it is below 1 ms, for which precise_clock is needed; was std::chrono::seconds meant?",
      unit.what());

  auto uncounted = options_of<int, int>(1);
  uncounted.curve = true;
  uncounted.stats = false;
  const auto curve = caught<cachetools::error>([&] { cache<int, int> it(std::move(uncounted)); });
  assert_string_equal("options: curve needs the counts that stats = false leaves out.",
                      curve.what());
}

TEST(options_reach_the_cache) {
  auto with = options_of<std::string_view, std::string_view>(64);
  with.policy = policy::s3fifo;
  with.weight_kind = cachetools::weight_kind::value;
  with.shards = 4;
  with.ttl = 2min;
  with.tti = 3s;
  with.seed = 5;
  with.single_threaded = true;
  with.stats = false;
  with.precise_clock = true;
  cache<> it(std::move(with));
  ct_options told = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(it.native(), &told));
  assert_int_equal(CT_POLICY_S3FIFO, told.policy);
  assert_int_equal(CT_WEIGHT_VALUE, told.weight_kind);
  assert_int_equal(64, told.maxsize);
  assert_int_equal(4, told.shards);
  assert_int_equal(120'000'000'000, told.ttl);
  assert_int_equal(3'000'000'000, told.tti);
  assert_int_equal(5, told.seed);
  assert_int_equal(CT_FLAG_SINGLE_THREADED | CT_FLAG_NO_STATS | CT_FLAG_PRECISE_CLOCK, told.flags);
}

// ---- Types --------------------------------------------------------------------------------------

TEST(types_come_back_as_they_were) {
  cache<int, double> numbers(policy::lru, 10);
  numbers.set(-1, -0.0);
  assert_true(std::signbit(*numbers.get(-1)));
  assert_false(numbers.get(1).has_value());

  cache<color, point> points(policy::lru, 10);
  points.set(color::green, {3, -4});
  assert_int_equal(-4, points.get(color::green)->y);
  assert_int_equal(3, points.peek(color::green)->x);

  cache<std::string, std::string> texts(policy::lru, 10);
  for (const std::size_t size : {0, 1, 1023, 1024, 1025, 20000}) {
    const std::string text(size, 'x');
    texts.set("long", text);
    const auto hits = texts.stats().hits;
    assert_true(texts.get("long") == text);
    assert_int_equal(hits + 1, texts.stats().hits);
  }
  texts.clear();
  texts.set("key", "value"s);
  assert_text("value", *texts.get("key"sv));

  cache<std::vector<int>, std::vector<double>> vectors(policy::lru, 10);
  vectors.set({1, 2}, {0.5});
  vectors.set({}, {});
  assert_int_equal(1, vectors.get({1, 2})->size());
  assert_true(vectors.get({})->empty());
  assert_false(vectors.get({1}).has_value());

  cache<std::vector<std::string>, std::vector<bool>> lists(policy::lru, 10);
  lists.set({"a", "bc"}, {true, false});
  assert_false(lists.get({"ab", "c"}).has_value());
  assert_true(lists.get({"a", "bc"}) == std::vector<bool>({true, false}));

  using key = std::tuple<std::string, int, std::string>;
  cache<key, std::pair<name, bool>> products(policy::lru, 10);
  products.set({"a", 1, "bc"}, {{"Ada", "Lovelace"}, true});
  assert_false(products.get({"ab", 1, "c"}).has_value());
  const auto found = products.get({"a", 1, "bc"});
  assert_text("Lovelace", found->first.last);
  assert_true(found->second);
  for (const auto &[k, v] : products.items()) {
    assert_text("bc", std::get<2>(k));
    assert_text("Ada", v.first.first);
  }
}

TEST(plain_type_may_have_a_codec_of_its_own) {
  cache<padded, padded> it(policy::lru, 10);
  it.set({'a', 1}, {'b', 2});
  assert_int_equal(2, it.get({'a', 1})->number);
  cache<std::pair<padded, int>, int> pairs(policy::lru, 10);
  pairs.set({{'a', 1}, 2}, 3);
  assert_int_equal(3, *pairs.get({{'a', 1}, 2}));
  cachetools::value raw;
  ct_get(it.native(), "a1", 2, raw.out());
  assert_text("b2", raw.view());
}

TEST(bytes_of_another_type_are_refused) {
  cache<int, int> numbers(policy::lru, 10);
  const int key = 1;
  for (const std::string_view wrong : {""sv, "abc"sv, "12345"sv}) {
    ct_set(numbers.native(), &key, sizeof key, wrong.data(), wrong.size());
    assert_status(CT_ERR_CORRUPT, failure_of([&] { numbers.get(1); }));
    assert_status(CT_ERR_CORRUPT, failure_of([&] { numbers.peek(1); }));
  }
  using tuple = std::tuple<std::string, int>;
  const std::string good = cachetools::codec<tuple>::encode({"text", 7});
  assert_true(cachetools::codec<tuple>::decode(good).has_value());
  for (std::size_t size = 0; size < good.size(); size++)
    assert_false(cachetools::codec<tuple>::decode(good.substr(0, size)).has_value());
  assert_false(cachetools::codec<tuple>::decode(good + "x").has_value());
  std::string huge = good;
  huge.replace(0, 8, 8, '\xff');
  assert_false(cachetools::codec<tuple>::decode(huge).has_value());
  assert_false(cachetools::codec<std::vector<int>>::decode("12345").has_value());
  assert_false(cachetools::codec<std::vector<std::string>>::decode(huge).has_value());
  assert_false(cachetools::codec<name>::decode("no slash").has_value());
}

// ---- Writing and removing -----------------------------------------------------------------------

TEST(set_says_what_became_of_the_value) {
  auto with = options_of<std::string, int>(10);
  with.weigher = [](std::string_view, int weight) { return static_cast<std::uint64_t>(weight); };
  cache<std::string, int> it(std::move(with));
  assert_true(it.set("a", 4));
  assert_false(it.set("a", 11));
  assert_int_equal(4, *it.get("a"));
  assert_false(it.set("b", 1, 0s));
  cachetools::entry special;
  special.when = cachetools::condition::if_absent;
  assert_true(it.set("a", 1, special) == outcome::exists);
  assert_true(it.set("c", 12, special) == outcome::too_large);
  special.when = cachetools::condition::if_present;
  assert_true(it.set("c", 1, special) == outcome::missing);
  special.when = cachetools::condition::none;
  special.weight = 3;
  assert_true(it.set("c", 1, special) == outcome::stored);
  assert_int_equal(3, it.inspect("c")->weight);
  assert_int_equal(7, it.currsize());
  assert_int_equal(10, it.maxsize());
  assert_true(it.memory() > 0);
  special.ttl = 0s;
  assert_true(it.set("a", 1, special) == outcome::dead_on_arrival);
  assert_false(it.contains("a"));
}

/* To compute with hours::max() would overflow: as nanoseconds it is negative. */
TEST(time_too_long_for_nanoseconds_has_no_end) {
  using std::chrono::duration;
  constexpr cachetools::duration kForever = std::chrono::hours::max();
  static_assert(kForever == cachetools::duration::max());
  const std::chrono::hours longest(2562047);  // that fits into 63 bits of nanoseconds
  assert_true(cachetools::duration(longest) == longest);
  assert_true(cachetools::duration(-longest) == -longest);
  assert_true(cachetools::duration(longest + 1h) == kForever);
  assert_true(cachetools::duration(-longest - 1h) == cachetools::duration::min());
  assert_true(cachetools::duration(std::chrono::hours::min()) == cachetools::duration::min());
  assert_true(cachetools::duration(duration<int>(INT32_MAX)) == std::chrono::seconds(INT32_MAX));
  assert_true(cachetools::duration(duration<uint64_t>(UINT64_MAX)) == kForever);
  assert_true(cachetools::duration(std::chrono::nanoseconds::min()) == cachetools::duration::min());

  auto with = options_of<int, int>(10);
  with.ttl = std::chrono::hours::max();
  cache<int, int> it(std::move(with));
  assert_true(it.set(1, 1));
  assert_true(it.set(2, 2, std::chrono::hours::max()));
  for (int key : {1, 2}) assert_true(it.inspect(key)->remaining == cachetools::duration::max());
  auto negative = options_of<int, int>(10);
  negative.tti = std::chrono::hours::min();
  const auto thrown = caught<cachetools::error>([&] { cache<int, int> it(std::move(negative)); });
  assert_string_equal("tti: it is negative.", thrown.what());
}

TEST(what_remains_of_a_lifetime_that_is_over_is_none) {
  cache<int, int> it(policy::lru, 10);
  for (const cachetools::duration ttl : {cachetools::duration(0s), cachetools::duration(-5s)}) {
    assert_true(it.set(1, 1));
    assert_false(it.set(1, 2, ttl));
    assert_false(it.contains(1));
    cachetools::entry special;
    special.ttl = ttl;
    assert_true(it.set(1, 2, special) == outcome::dead_on_arrival);
    assert_true(it.set(1, 1));
    assert_true(it.set_lifetime(1, ttl));
    assert_false(it.contains(1));
  }
}

TEST(lease_that_is_refused_says_why) {
  cache<int, int> it(policy::lru, 10);
  cachetools::entry both;
  both.ttl = 5s;
  both.deadline = cachetools::time_point::max();
  assert_string_equal(
      "deadline: there is a ttl as well.",
      caught<cachetools::error>([&] { it.get_or_lease(1).lease.fulfil(1, both); }).what());
  cachetools::entry conditional;
  conditional.when = cachetools::condition::if_absent;
  assert_string_equal(
      "options: a load takes no condition and no keep_ttl.",
      caught<cachetools::error>([&] { it.get_or_lease(1).lease.fulfil(1, conditional); }).what());
  assert_string_equal("there is no old value that the lease could keep so",
                      caught<cachetools::error>([&] { it.get_or_lease(1).lease.keep(); }).what());
  assert_true(it.get_or_lease(1).lease.fulfil(1));  // the key is free again
}

TEST(value_that_is_held_is_a_version) {
  cache<std::string, std::string> it(policy::lru, 10);
  auto [absent, nothing] = it.hold("a");
  assert_false(absent.has_value());
  cachetools::entry special;
  special.if_same = &nothing;
  assert_true(it.set("a", "1", special) == outcome::stored);
  assert_true(it.set("a", "2", special) == outcome::exists);
  auto [text, seen] = it.hold("a");
  assert_true(text == "1");
  special.if_same = &seen;
  assert_true(it.set("a", "2", special) == outcome::stored);
  assert_true(it.set("a", "3", special) == outcome::exists);
  assert_false(it.erase_if("a", seen));
  const auto now = it.hold("a").second;
  assert_true(now.view() == "2");
  assert_true(it.erase_if("a", now));
  assert_false(it.erase_if("a", now));
  assert_true(it.set("a", "3", special) == outcome::missing);
}

TEST(lifetime_of_the_old_value_may_stay) {
  cache<std::string, int> it(policy::lru, 10);
  it.set("a", 1, 100h);
  cachetools::entry special;
  special.keep_ttl = true;
  special.ttl = 1h;
  assert_true(it.set("a", 2, special) == outcome::stored);
  assert_true(it.set("b", 2, special) == outcome::stored);
  assert_true(it.inspect("a")->remaining > 99h);
  assert_true(it.inspect("b")->remaining < 2h);
  assert_int_equal(2, *it.get("a"));
}

TEST(invalidated_tag_ends_what_carries_it) {
  cache<std::string, std::string> it(policy::lru, 10);
  cachetools::entry special;
  special.tags = {"red", std::string("\0", 1)};
  assert_true(it.set("a", "1", special) == outcome::stored);
  special.tags = {"blue"};
  assert_true(it.set("b", "2", special) == outcome::stored);
  it.set("c", "3");
  it.invalidate_tag("red");
  assert_false(it.contains("a"));
  assert_true(it.contains("b"));
  assert_true(it.contains("c"));
  it.invalidate_tag("");
  it.invalidate_tag({"\0", 1});
  assert_int_equal(2, it.size());
  special.tags = {"", "1", "2", "3", "4", "5", "6", "7"};
  assert_true(it.set("b", "2", special) == outcome::stored);
  it.invalidate_tag("");
  assert_false(it.contains("b"));
  special.tags.emplace_back("8");
  const auto wrong = caught<cachetools::error>([&] { it.set("b", "2", special); });
  assert_status(CT_ERR_INVALID, wrong.status());
  assert_string_equal("tags: there are more than 8.", wrong.what());
}

TEST(whatever_stores_gives_tags) {
  cache<std::string, std::int64_t> it(policy::lru, 10);
  const auto tagged = [](auto, cachetools::entry &entry) {
    entry.tags = {"red"};
    return 1;
  };
  cachetools::entry special;
  special.tags = {"red"};
  it.get_or_load("loaded", tagged);
  it.compute("computed", tagged);
  it.add("counted", 1, 0, special);
  it.get_or_lease("leased").lease.fulfil(1, special);
  it.get_or_load_many(std::vector<std::string>{"batched"},
                      [&](auto &those) { those.set(0, 1, special); });
  assert_int_equal(5, it.size());
  it.invalidate_tag("red");
  assert_int_equal(0, it.size());
  assert_int_equal(5, it.stats().removals);
}

TEST(counters_count) {
  cache<std::string, std::int64_t> it(policy::lru, 10);
  cachetools::entry special;
  special.when = cachetools::condition::if_present;
  assert_false(it.add("a", 1, 0, special).has_value());
  assert_int_equal(3, *it.add("a", 1, 2));
  assert_int_equal(2, *it.add("a", -1, 7, special));
  assert_int_equal(2, *it.get("a"));
  it.set("a", 40);
  assert_int_equal(42, *it.add("a", 2));
}

TEST(entries_can_be_removed) {
  cache<int, int> it(policy::lru, 100);
  for (int i = 0; i < 10; i++) it.set(i, i * i);
  assert_true(it.erase(0));
  assert_false(it.erase(0));
  assert_int_equal(1, *it.pop(1));
  assert_false(it.pop(1).has_value());
  const auto victim = it.popitem();
  assert_int_equal(2, *victim->first);
  assert_int_equal(4, *victim->second);
  assert_int_equal(3, it.remove_if([](int key, int value) { return key % 2 == 0 && value > 0; }));
  it.resize(2);
  assert_int_equal(2, it.size());
  assert_int_equal(49, *it.get_or_set(7, 0));
  assert_int_equal(5, *it.get_or_set(5, 5));
  it.clear();
  assert_true(it.empty());
  assert_false(it.popitem().has_value());
  it.reset_stats();
  assert_false(it.get(1).has_value());
  assert_int_equal(1, it.stats().misses);
}

TEST(the_curve_tells_what_it_knows) {
  options<int, int> options;
  options.maxsize = 1;
  options.curve = true;
  cache<int, int> it(std::move(options));
  assert_false(it.get(1).has_value());
  const auto ratios = it.miss_ratios({1, 2, 9});
  assert_true(ratios[0].value() == 1);
  assert_false(ratios[1].has_value() || ratios[2].has_value());
}

TEST(many_keys_are_read_in_one_call) {
  cache<std::string, std::string> it(policy::lru, 10);
  it.set("a", "1");
  it.set("c", "3");
  const auto found = it.get_many(std::vector<std::string>{"a", "b", "c"});
  assert_int_equal(3, found.size());
  assert_text("1", *found[0]);
  assert_false(found[1].has_value());
  assert_text("3", *found[2]);
  assert_true(it.get_many(std::vector<std::string>{}).empty());
}

TEST(walks_are_in_order) {
  cache<int, std::string> it(policy::lru, 10);
  for (int i = 0; i < 4; i++) it.set(i, std::to_string(i));
  it.get(0);
  std::string seen;
  for (auto [key, value] : it.items(cachetools::order::coldest)) seen += value;
  assert_text("1230", seen);
  for (auto [key, value] : it.items(cachetools::order::hottest)) {
    assert_int_equal(0, key);
    break;
  }
  it.clear();
  for (auto item : it.items()) fail_msg("%d", item.key);
}

// ---- Time ---------------------------------------------------------------------------------------

TEST(times_are_of_chrono) {
  cachetools::time_point now = at(100);
  auto with = options_of<int, int>(10);
  with.timer = [&now] { return now; };
  with.ttu = [](int, int value, cachetools::time_point from) {
    return value == 0 ? cachetools::time_point::max() : from + std::chrono::seconds(value);
  };
  std::vector<std::pair<int, cachetools::cause>> told;
  with.listener = [&told](const auto &event) { told.push_back({event.key, event.cause}); };
  cache<int, int> it(std::move(with));
  it.set(1, 5);
  it.set(2, 0);
  it.set(3, 5, 1h);
  it.set(4, 5, cachetools::duration::max());
  cachetools::entry special;
  special.deadline = at(110);
  it.set(5, 5, special);
  assert_true(it.inspect(1)->deadline == at(105));
  assert_true(it.inspect(1)->remaining == 5s);
  assert_true(it.inspect(2)->deadline == cachetools::time_point::max());
  assert_true(it.inspect(3)->remaining == 1h);
  assert_true(it.inspect(4)->remaining == cachetools::duration::max());
  assert_true(it.inspect(5)->deadline == at(110));
  assert_true(it.set_lifetime(3, 2s));
  assert_false(it.set_lifetime(6, 2s));
  now = at(105);
  assert_int_equal(2, it.expire());
  assert_int_equal(2, told.size());
  assert_int_equal(3, told[0].first);
  assert_true(told[1] == std::pair(1, cachetools::cause::expired));
  now = at(110);
  assert_int_equal(2, it.size());
}

TEST(victims_of_rr_can_be_chosen) {
  auto with = options_of<int, int>(3);
  with.policy = policy::rr;
  with.choice = [](std::uint64_t count) { return count - 1; };
  cache<int, int> it(std::move(with));
  for (int i = 0; i < 4; i++) it.set(i, i);
  assert_false(it.contains(2));
}

// ---- Loading ------------------------------------------------------------------------------------

TEST(loader_is_called_once) {
  cache<std::string, int> it(policy::lru, 10);
  int calls = 0;
  const auto load = [&calls](std::string_view key) {
    calls++;
    return static_cast<int>(key.size());
  };
  assert_int_equal(3, *it.get_or_load("abc", load));
  assert_int_equal(3, *it.get_or_load("abc", load));
  assert_int_equal(1, calls);
  assert_int_equal(1, it.stats().loads);
}

TEST(loader_may_find_nothing) {
  cache<std::string, std::string> it(policy::lru, 10);
  assert_false(it.get_or_load("a", [](auto) { return std::optional<std::string>(); }).has_value());
  assert_false(it.contains("a"));
  assert_text("A", *it.get_or_load("a", [](auto) { return std::optional<std::string>("A"); }));
  cache<> bytes(policy::lru, 10);
  assert_text("text", bytes.get_or_load("a", [](auto) { return "text"; }).view());
}

TEST(loader_says_what_is_special) {
  auto with = options_of<int, int>(10);
  with.timer = [] { return at(1); };
  cache<int, int> it(std::move(with));
  it.get_or_load(1, [](int, cachetools::entry &entry) {
    entry.ttl = 5s;
    entry.weight = 4;
    return 1;
  });
  assert_true(it.inspect(1)->remaining == 5s);
  assert_int_equal(4, it.inspect(1)->weight);
  it.get_or_load(2, [](int, cachetools::entry &entry) {
    entry.deadline = at(4);
    return 1;
  });
  assert_true(it.inspect(2)->deadline == at(4));
  assert_int_equal(7, *it.get_or_load(3, [](int, cachetools::entry &entry) {
    entry.ttl = 0s;
    return 7;
  }));
  assert_false(it.contains(3));
}

TEST(loader_may_load_other_keys_and_not_its_own) {
  cache<int, int> it(policy::lru, 10);
  const auto sum =
      it.get_or_load(1, [&](int) { return 1 + *it.get_or_load(2, [](int) { return 2; }); });
  assert_int_equal(3, *sum);
  assert_status(CT_ERR_RECURSION, failure_of([&] {
                  it.get_or_load(
                      3, [&](int key) { return *it.get_or_load(key, [](int) { return 1; }); });
                }));
  assert_false(it.contains(3));
  /* Even once it has erased it. */
  assert_status(CT_ERR_RECURSION, failure_of([&] {
                  it.get_or_load(4, [&](int key) {
                    it.erase(key);
                    return *it.get_or_load(key, [](int) { return 1; });
                  });
                }));
  assert_false(it.contains(4));
}

TEST(lease_is_fulfilled_or_given_up) {
  cache<std::string, int> it(policy::lru, 10);
  {
    auto offer = it.get_or_lease("a");
    assert_false(offer.value.has_value());
    assert_true(static_cast<bool>(offer.lease));
    assert_text("a", offer.lease.key());
    const auto busy = it.get_or_lease("a", 0s);
    assert_false(busy.value.has_value());
    assert_false(static_cast<bool>(busy.lease));
    cachetools::lease<std::string, int> moved;
    moved = std::move(offer.lease);
    assert_false(static_cast<bool>(offer.lease));
    assert_status(CT_ERR_INVALID, failure_of([&] { offer.lease.fulfil(1); }));
    moved = it.get_or_lease("b").lease;  // gives a's up
    moved.abandon();
  }
  assert_int_equal(2, it.stats().load_failures);
  assert_true(it.get_or_lease("a").lease.fulfil(5));
  assert_int_equal(5, *it.get_or_lease("a").value);
  cachetools::entry dead;
  dead.ttl = 0s;
  assert_false(it.get_or_lease("b").lease.fulfil(5, dead));
}

TEST(lease_to_renew_is_kept_or_fails_or_finds_nothing) {
  cachetools::time_point now = at(1000);
  cache<std::string, int> it(renewing<std::string, int>(now));
  it.set("a", 1);
  now = at(1090);
  auto offer = it.get_or_lease("a");
  assert_int_equal(1, *offer.value);
  assert_true(it.get_or_lease("a").value.has_value());
  assert_true(offer.lease.keep());
  assert_true(it.inspect("a")->remaining == 100s);
  assert_status(CT_ERR_INVALID, failure_of([&] { offer.lease.keep(); }));

  now = at(1200);
  offer = it.get_or_lease("a");
  assert_int_equal(1, *offer.value);
  assert_true(it.get_or_lease("a").stale);
  offer.lease.fail_with(CT_ERR_IO);
  const auto later = it.get_or_lease("a");  // nobody tries so soon
  assert_int_equal(1, *later.value);
  assert_true(later.stale && !later.lease);
  now = at(1210);
  it.get_or_lease("a").lease.fail_with(CT_MISS);
  assert_true(it.empty());
  assert_status(CT_ERR_INVALID, failure_of([&] { it.get_or_lease("a").lease.keep(); }));
}

TEST(value_is_renewed_while_it_is_there) {
  cachetools::time_point now = at(1000);
  cache<std::string, std::string> it(renewing<std::string, std::string>(now));
  const auto first = [](auto, auto &, std::optional<std::string_view> old) {
    assert_false(old.has_value());
    return "1";
  };
  assert_text("1", *it.get_or_renew("a", first).value);
  const auto unasked = [](auto) -> std::string {
    fail_msg("%s", "loaded");
    std::abort();
  };
  now = at(1110);
  const auto keep = [&](auto, cachetools::entry &entry, std::optional<std::string_view> old) {
    assert_text("1", *old);
    const auto meanwhile = it.get_or_renew("a", unasked);
    assert_text("1", *meanwhile.value);
    assert_true(meanwhile.stale);
    entry.not_modified = true;
    return std::optional<std::string>();
  };
  const auto kept = it.get_or_renew("a", keep);
  assert_text("1", *kept.value);
  assert_false(kept.stale);
  assert_true(it.inspect("a")->remaining == 100s);

  now = at(1191);
  assert_text("2", *it.get_or_load("a", [](auto) { return "2"; }));
  assert_int_equal(2, it.stats().renewals);
  now = at(1300);
  const auto nothing = [](auto) { return std::optional<std::string>(); };
  assert_false(static_cast<bool>(it.get_or_renew("a", nothing)));
  assert_true(it.empty());
}

TEST(load_is_forced_or_out_of_time_or_falls_back) {
  cachetools::time_point now = at(1000);
  cache<int, int> it(renewing<int, int>(now));
  cachetools::load_options how;
  const auto unasked = [](int) -> int {
    fail_msg("%s", "loaded");
    std::abort();
  };
  auto offer = it.get_or_lease(1);
  for (const auto timeout : {0ns, 1000ns}) {
    how.timeout = timeout;
    assert_status(CT_BUSY, failure_of([&] { it.get_or_renew(1, how, unasked); }));
  }
  offer.lease.fulfil(1);
  how = {};
  how.force = true;
  assert_int_equal(2, *it.get_or_renew(1, how, [](int key, auto &, std::optional<int> old) {
                           return key + *old;
                         }).value);
  now = at(1110);
  offer = it.get_or_lease(1);
  how = {};
  how.stale_after = 1us;
  const auto stale = it.get_or_renew(1, how, unasked);
  assert_int_equal(2, *stale.value);
  assert_true(stale.stale);
}

TEST(times_of_options_are_checked) {
  auto with = options_of<int, int>(10);
  with.ttl = 20s;
  with.refresh_ahead = 20s;
  assert_status(CT_ERR_INVALID, failure_of([&] { cache<int, int> it(std::move(with)); }));
  for (const auto time :
       {&options<int, int>::refresh_ahead, &options<int, int>::stale, &options<int, int>::retry,
        &options<int, int>::negative_ttl, &options<int, int>::jitter}) {
    with = options_of<int, int>(10);
    with.ttl = 20s;
    with.*time = -1s;
    assert_status(CT_ERR_INVALID, failure_of([&] { cache<int, int> it(std::move(with)); }));
  }
  with = options_of<int, int>(10);
  with.ttl = 100s;
  with.jitter = 1s;
  with.timer = [] { return at(1); };
  cache<int, int> it(std::move(with));
  it.set(1, 1);
  const auto remaining = it.inspect(1)->remaining;
  assert_true(99s <= remaining && remaining <= 100s);
}

TEST(compute_reads_changes_and_writes) {
  cache<std::string, int> it(policy::lru, 10);
  const auto add = [](std::optional<int> old) { return old.value_or(0) + 1; };
  assert_int_equal(1, *it.compute("a", add));
  assert_int_equal(2, *it.compute("a", add));
  assert_false(it.compute("a", [](auto) { return std::optional<int>(); }).has_value());
  assert_false(it.contains("a"));
  cache<> bytes(policy::lru, 10);
  bytes.set("a", "1");
  const auto twice = [](std::optional<std::string_view> old) { return std::string(*old) + "2"; };
  assert_text("12", bytes.compute("a", twice).view());
  cache<int, double> reals(policy::lru, 10);  // what is returned has another type
  assert_true(*reals.compute(1, [](auto) { return 3; }) == 3.0);
  assert_true(*reals.get_or_load(2, [](int) { return std::optional<int>(4); }) == 4.0);
}

TEST(compute_gives_lifetimes_weights_and_tags) {
  cachetools::time_point now = at(1000);
  auto options = renewing<std::string, int>(now);
  options.weigher = [](auto, int) { return std::uint64_t{1}; };
  cache it(std::move(options));
  const auto keeps = [](std::optional<int> old, cachetools::entry &entry) {
    entry.keep_ttl = true;
    entry.weight = 3;
    return old.value_or(0) + 1;
  };
  it.compute("a", keeps);
  assert_true(it.inspect("a")->remaining == 100s);
  now = at(1040);
  assert_int_equal(2, *it.compute("a", keeps));
  assert_true(it.inspect("a")->remaining == 60s);
  assert_int_equal(3, it.inspect("a")->weight);
  const auto lives = [](auto, cachetools::entry &entry) {
    entry.deadline = at(1070);
    return 7;
  };
  it.compute("a", lives);
  assert_true(it.inspect("a")->remaining == 30s);
  const auto dies = [](auto, auto &entry) {
    entry.ttl = 0s;
    return 8;
  };
  assert_int_equal(8, *it.compute("a", dies));
  assert_false(it.contains("a"));
  const auto is_tagged_too_often = [](auto, cachetools::entry &entry) {
    entry.tags.resize(9);
    for (char tag = '0'; tag < '9'; tag++) entry.tags[tag - '0'] = tag;
    return 9;
  };
  assert_status(CT_ERR_INVALID, failure_of([&] { it.compute("a", is_tagged_too_often); }));
  assert_false(it.contains("a"));
}

TEST(compute_that_others_disturb_is_busy) {
  cache<int, int> it(policy::lru, 10);
  assert_status(CT_BUSY, failure_of([&] {
                  it.compute(1, [&, n = 0](auto) mutable {
                    it.set(1, n++);
                    return 0;
                  });
                }));
}

TEST(one_thread_loads_for_all) {
  cache<int, int> it(policy::lru, 10);
  std::atomic<int> loads{0}, asking{0};
  std::atomic<int> right{0};
  in_four_threads([&](int) {
    asking++;
    const auto value = it.get_or_load(1, [&](int) {
      while (asking != 4) std::this_thread::yield();
      return ++loads;
    });
    if (value == 1) right++;
  });
  assert_int_equal(1, loads);
  assert_int_equal(4, right);
}

// ---- Snapshots ----------------------------------------------------------------------------------

TEST(snapshots_go_through_functions_and_files) {
  cache<std::string, double> from(policy::lru, 10), to(policy::sieve, 10);
  from.set("a", 1.5);
  std::string bytes;
  from.save([&bytes](std::string_view part) { bytes += part; });
  to.load([&bytes, at = std::size_t{0}](char *buffer, std::size_t capacity) mutable {
    const std::size_t got = bytes.copy(buffer, capacity, at);
    at += got;
    return got;
  });
  assert_true(to.get("a") == 1.5);

  char path[] = "cpp-snapshot-XXXXXX";
  const int file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
  from.save_file(path);
  to.clear();
  to.load_file(path, true);
  assert_true(to.get("a") == 1.5);
  assert_int_equal(0, std::remove(path));
  assert_status(CT_ERR_IO, failure_of([&] { to.load_file(path); }));
  assert_status(CT_ERR_CORRUPT,
                failure_of([&] { to.load([](char *, std::size_t) { return 0; }); }));
}

// ---- Memos --------------------------------------------------------------------------------------

TEST(copy_has_the_same_entries_and_callbacks) {
  int told = 0;
  cachetools::options<std::string, int> options;
  options.maxsize = 2;
  options.listener = [&told](const auto &) { told++; };
  auto copy = [&options] {
    cache<std::string, int> original(std::move(options));
    original.set("a", 1);
    original.set("b", 2);
    return original.copy();
  }();
  assert_int_equal(0, told);
  assert_true(copy.get("a") == 1);
  copy.set("c", 3);  // told by the callbacks that the original had, too
  assert_int_equal(1, told);
  assert_true(copy.get("b") == std::nullopt);
}

TEST(statistics_are_written_for_prometheus) {
  cache<std::string, double> users(policy::lru, 10);
  cache<std::string, double> pages(policy::lru, 20);
  users.set("a", 1.5);
  std::string text;
  cachetools::write_stats({{"users", users.native()}, {"pages", pages.native()}},
                          [&text](std::string_view part) { text += part; });
  for (const char *line : {"cachetools_inserts_total{cache=\"users\"} 1\n",
                           "cachetools_inserts_total{cache=\"pages\"} 0\n"}) {
    assert_true(text.find(line) != std::string::npos);
  }
  cachetools::write_stats({}, [](std::string_view) { fail(); });
}

TEST(memo_remembers) {
  int calls = 0;
  cachetools::memo<std::string(std::string, double)> it(
      10, [&calls](const std::string &text, double number) {
        calls++;
        return text + std::to_string(static_cast<int>(number));
      });
  assert_text("a2", it("a", 2));
  assert_text("a2", it("a", 2));
  assert_int_equal(1, calls);
  assert_text("a0", it("a", 0.0));
  assert_text("a0", it("a", -0.0));
  assert_int_equal(2, calls);
  assert_int_equal(2, it.results().stats().hits);
  assert_true(it.invalidate("a", 2));
  assert_false(it.invalidate("a", 2));
  auto moved = std::move(it);
  assert_text("a2", moved("a", 2));
  assert_int_equal(3, calls);
}

TEST(memo_gives_results_lifetimes_and_tags) {
  int calls = 0;
  cachetools::memo<int(int)> it(10, [&calls](int n, cachetools::entry &entry) {
    entry.ttl = 50s;
    entry.tags = {"numbers"};
    return n + ++calls;
  });
  assert_int_equal(8, it(7));
  assert_int_equal(8, it(7));
  assert_true(it.results().inspect({7})->remaining < 60s);
  it.results().invalidate_tag("numbers");
  assert_int_equal(9, it(7));
}

TEST(memo_may_call_itself) {
  cachetools::memo<std::uint64_t(int)> *self = nullptr;
  cachetools::memo<std::uint64_t(int)> fibonacci(100, [&self](int n) {
    return n < 2 ? static_cast<std::uint64_t>(n) : (*self)(n - 1) + (*self)(n - 2);
  });
  self = &fibonacci;
  assert_int_equal(2880067194370816120, fibonacci(90));
}

TEST(reals_as_keys_are_equal_as_numbers_are) {
  cache<cachetools::real, int> it(policy::lru, 10);
  it.set(-0.0, 1);
  it.set(std::nan("1"), 2);
  assert_int_equal(1, *it.get(0.0));
  assert_int_equal(2, *it.get(-std::nan("2")));
  assert_false(it.get(1.0).has_value());
  assert_true(cachetools::real(0.1) == 0.1);
}

}  // namespace
