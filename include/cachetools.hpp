// SPDX-License-Identifier: MIT
#ifndef CACHETOOLS_HPP
#define CACHETOOLS_HPP
/**
 * libcachetools for C++17 and later: owners, types, lambdas and chrono over cachetools.h, which
 * says what each operation does, costs and promises. Nothing needs to be linked but the C library,
 * and before glibc 2.34 -pthread.
 *
 *     cachetools::cache<std::string, double> prices({.policy = cachetools::policy::lru,
 *                                                    .maxsize = 1000, .ttl = 5min});
 *     prices.set("tea", 2.5);
 *     if (auto price = prices.get("tea")) std::cout << *price << '\n';
 *     double price = *prices.get_or_load("milk", [](auto key) { return ask_for(key); });
 *
 * CONTENTS
 *
 *     Failures, Names, value       what is thrown, enumerations, a pinned value
 *     codec                        how a type becomes bytes; specialize it for types of yours
 *     options, entry               how to make a cache, and what is special about one entry
 *     load_options                 how to load
 *     wait, batch                  waiting without a thread, loading many keys
 *     cache, lease, memo
 *
 * CONVENTIONS
 *
 * Types.    What a read returns depends on the type of the values, and is false if there is none:
 *
 *               std::string_view     value: the bytes themselves, pinned; never copied
 *               std::shared_ptr<T>   std::shared_ptr<T>: the object itself; never copied
 *               any other type V     std::optional<V>: a copy, by codec<V>
 *
 *           cache<> is cache<std::string_view, std::string_view>: bytes, as in C.
 * Failures. Ordinary outcomes are values that are returned: a miss, a value that is not kept. What
 *           cannot go on is thrown, as by the standard containers: std::bad_alloc, or error with
 *           the status. With a status in each result, each call would need a test for what happens
 *           only to a program that has a mistake, or no memory. Compiled without exceptions, the
 *           functions are the same, and a failure ends the program (std::abort); who must go on
 *           without memory and without exceptions, uses cachetools.h.
 * Lambdas.  What they throw comes back to the caller of the function that called them, on the same
 *           thread. If a loader or another argument of a call throws, nothing is stored. Those who
 *           wait for a load fail, too: with the same exception if the values are pointers, or if it
 *           is an error or a std::bad_alloc, else with an error whose status is loader_threw. An
 *           error with CT_BUSY says that only the loader's own caller was cancelled: then one of
 *           those who wait loads. If a weigher throws, the value is refused as too large. If a ttu
 *           throws, the value is not kept. If a listener throws, the call is done all the same, and
 *           has taken effect. A timer or choice must not throw, nor may callbacks of a call that
 *           was made in C (on native()): that ends the program (std::terminate).
 * Time.     std::chrono throughout. A time that nanoseconds do not hold, such as hours::max(), has no
 *           end. In the options of a cache 0 is none, and less is refused. A lifetime of one entry
 *           that is 0 or less is over at once, so that you may pass what remains of one: the value
 *           is not kept. Deadlines are of std::chrono::steady_clock, unless a timer of yours counts
 *           otherwise.
 * Owners.   They can be moved, not copied. One that was moved from owns nothing; it may be
 *           destroyed and assigned to, nothing else.
 * Threads.  As in C: any function from any thread at once, but for moves and destruction.
 */

#include <cachetools.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace cachetools {

// ---- Failures ----------------------------------------------------------------------------------

/** Something that failed, for a reason other than want of memory. */
class error : public std::runtime_error {
 public:
  explicit error(ct_status status) : error(status, ct_status_message(status)) {}
  error(ct_status status, const std::string &what) : std::runtime_error(what), status_(status) {}

  /** The status of the C function that failed. */
  ct_status status() const noexcept { return status_; }

 private:
  ct_status status_;
};

/** The status of the error that those get who waited for a load that threw. What it threw is for
 *  its own caller; a cachetools::error or a std::bad_alloc is for all of them. */
inline constexpr ct_status loader_threw = static_cast<ct_status>(-0x7ffffff0);

namespace detail {

template <class Exception>
[[noreturn]] void raise(Exception &&exception) {
#if defined(__cpp_exceptions)
  throw std::forward<Exception>(exception);
#else
  (void)exception;
  std::abort();
#endif
}

[[noreturn]] inline void fail(ct_status status) {
  if (status == CT_ERR_NOMEM) raise(std::bad_alloc());
  if (status == loader_threw) raise(error(status, "the load of another caller threw"));
  raise(error(status));
}

// Ordinary outcomes pass.
inline ct_status check(ct_status status) {
  if (status < 0) fail(status);
  return status;
}

// What the library says is wrong, by the names of this header.
inline std::string problem_in_cpp(std::string_view problem) {
  constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"CT_FLAG_CURVE", "curve"},
      {"CT_FLAG_KEEP_NOTHING", "keep_nothing"},
      {"CT_FLAG_NO_STATS", "stats = false"},
      {"CT_FLAG_PRECISE_CLOCK", "precise_clock"},
      {"CT_POLICY_CUSTOM", "policy::custom"},
      {"CT_POLICY_TLRU", "policy::tlru"},
      {"CT_POLICY_TTL", "policy::ttl"},
      {"CT_SECONDS", "std::chrono::seconds"},
      {"ct_policy", "cachetools::policy"},
      {"ct_weight_kind", "cachetools::weight_kind"},
      {"flags", "options"},
  };
  constexpr std::string_view letters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
  std::string text;
  while (!problem.empty()) {
    std::string_view word = problem.substr(0, problem.find_first_not_of(letters));
    problem.remove_prefix(word.size());
    for (const auto &[c, cpp] : names) {
      if (word != c) continue;
      word = cpp;
      break;
    }
    const std::string_view between = problem.substr(0, problem.find_first_of(letters));
    problem.remove_prefix(between.size());
    text.append(word).append(between);
  }
  return text;
}

// What a function throws stops here, on its way into C, and is kept: the first of several.
template <class R, class Function>
R guarded(std::exception_ptr &thrown, R otherwise, Function &&function) noexcept {
#if defined(__cpp_exceptions)
  try {
    return function();
  } catch (...) {
    if (!thrown) thrown = std::current_exception();
    return otherwise;
  }
#else
  (void)thrown, (void)otherwise;
  return function();
#endif
}

// The status by which a callback says that it threw.
inline constexpr ct_status kThrew = loader_threw;

// The status by which a loader that threw fails those who wait.
inline ct_status failure_of(const std::exception_ptr &thrown) noexcept {
#if defined(__cpp_exceptions)
  try {
    std::rethrow_exception(thrown);
  } catch (const error &it) {
    if (it.status() < 0 || it.status() == CT_BUSY) return it.status();
  } catch (const std::bad_alloc &) {
    return CT_ERR_NOMEM;
  } catch (...) {
  }
#else
  (void)thrown;
#endif
  return kThrew;
}

// A call into C: where callbacks leave what they threw. The thread's calls are a stack, as
// callbacks may call in turn.
class call {
 public:
  using slot = call *&(*)();
  static call *&innermost() noexcept {
    static thread_local call *it = nullptr;
    return it;
  }

  // The slot is that of the module whose callbacks will be called; each may have its own.
  explicit call(slot of) noexcept : slot_(of) {
    if (slot_ == nullptr) return;
    outer_ = slot_();
    slot_() = this;
  }
  ~call() { leave(); }
  call(const call &) = delete;
  call &operator=(const call &) = delete;

  std::exception_ptr &thrown() noexcept { return thrown_; }

  // Ends the call, and throws what its callbacks threw.
  void end() {
    leave();
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }
  ct_status end(ct_status status) {
    end();
    return check(status);
  }

 private:
  void leave() noexcept {
    if (slot_ != nullptr) slot_() = outer_;
    slot_ = nullptr;
  }

  slot slot_;
  call *outer_ = nullptr;
  std::exception_ptr thrown_;
};

// Makes a call that writes by write(std::string_view), which takes all of the bytes or throws.
template <class Write, class Function>
void call_writing(call &made, Write &write, Function &&function) {
  auto state = std::pair<Write *, std::exception_ptr *>(std::addressof(write), &made.thrown());
  made.end(function(
      [](void *it, const void *data, std::size_t size) noexcept {
        auto &[to, thrown] = *static_cast<decltype(state) *>(it);
        return guarded(*thrown, kThrew, [&, &f = *to] {
          f(std::string_view(static_cast<const char *>(data), size));
          return CT_OK;
        });
      },
      &state));
}

}  // namespace detail

// ---- Names -------------------------------------------------------------------------------------

/** Which entry leaves when room is needed: see ct_policy. */
enum class policy : std::int32_t {
  lru = CT_POLICY_LRU,
  fifo = CT_POLICY_FIFO,
  lfu = CT_POLICY_LFU,
  rr = CT_POLICY_RR,
  ttl = CT_POLICY_TTL,
  tlru = CT_POLICY_TLRU,
  any = CT_POLICY_ANY,
  mru = CT_POLICY_MRU,
  clock = CT_POLICY_CLOCK,
  sieve = CT_POLICY_SIEVE,
  s3fifo = CT_POLICY_S3FIFO,
  wtinylfu = CT_POLICY_WTINYLFU,
  arc = CT_POLICY_ARC,
  adaptive = CT_POLICY_ADAPTIVE,
  custom = CT_POLICY_CUSTOM,
};

/** What an entry weighs against maxsize: see ct_weight_kind. */
enum class weight_kind : std::int32_t {
  count = CT_WEIGHT_COUNT,
  value = CT_WEIGHT_VALUE,
  memory = CT_WEIGHT_MEMORY,
};

/** Why an entry left: see ct_cause. */
enum class cause : std::int32_t {
  evicted = CT_CAUSE_EVICTED,
  expired = CT_CAUSE_EXPIRED,
  replaced = CT_CAUSE_REPLACED,
  removed = CT_CAUSE_REMOVED,
  cleared = CT_CAUSE_CLEARED,
};

/** The order of a walk. */
enum class order : std::int32_t {
  any = CT_ORDER_ANY,
  coldest = CT_ORDER_COLDEST,
  hottest = CT_ORDER_HOTTEST,
};

/** Whether an entry must be there already for a value to be stored. */
enum class condition : std::uint8_t { none, if_absent, if_present };

/** What became of a value that was to be stored. */
enum class outcome : std::uint8_t {
  stored,
  dead_on_arrival, /**< its lifetime is over at once; the old value is gone */
  too_large,       /**< it weighs more than maxsize; the old value stays */
  exists,          /**< condition::if_absent, and there is an entry */
  missing,         /**< condition::if_present, and there is none */
};

/** No limit. */
inline constexpr std::uint64_t unbounded = CT_UNBOUNDED;

/** A span of time, made of one in any unit of std::chrono that is a number of nanoseconds: 5min. What
 *  is too long for nanoseconds is max(), which as a lifetime has no end. */
class duration : public std::chrono::nanoseconds {
 public:
  constexpr duration() noexcept : std::chrono::nanoseconds(zero()) {}
  template <class Rep, class Period,
            std::enable_if_t<
                std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>,
                int> = 0>
  constexpr duration(std::chrono::duration<Rep, Period> time) noexcept
      : std::chrono::nanoseconds(saturated(time)) {}
  template <class Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  constexpr duration(Number) noexcept {
    static_assert(!std::is_arithmetic_v<Number>,
                  "cachetools: a time has a unit, as 60s or std::chrono::seconds(60) has");
  }

 private:
  template <class Rep, class Period>
  static constexpr std::chrono::nanoseconds saturated(std::chrono::duration<Rep, Period> time) {
    using widest = std::chrono::duration<std::intmax_t, Period>;
    const std::intmax_t most = std::chrono::duration_cast<widest>(max()).count();
    if (time > time.zero() &&
        static_cast<std::uintmax_t>(time.count()) > static_cast<std::uintmax_t>(most))
      return max();
    if (time < time.zero() && static_cast<std::intmax_t>(time.count()) < -most) return min();
    return time;
  }
};
/** A deadline, or what a timer reads. time_point::max(): never. */
using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

namespace detail {

// Negative durations are over; the largest one has no end.
constexpr std::uint64_t ticks(duration time) noexcept {
  if (time == duration::max()) return CT_NEVER;
  return time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
}
constexpr std::uint64_t ticks(time_point time) noexcept { return ticks(time.time_since_epoch()); }
constexpr duration duration_of(std::uint64_t ticks) noexcept {
  const auto most = static_cast<std::uint64_t>(duration::max().count());
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(ticks, most)));
}
constexpr time_point time_of(std::uint64_t ticks) noexcept {
  return time_point(duration_of(ticks));
}

inline std::string_view view(const void *data, std::size_t size) noexcept {
  return {static_cast<const char *>(data), size};
}
inline std::string_view view(const ct_bytes &bytes) noexcept {
  return view(bytes.data, bytes.size);
}

}  // namespace detail

// ---- value -------------------------------------------------------------------------------------

/** A value read out: bytes that stay valid and unchanged for as long as this object holds them,
 *  whatever happens to the entry or to the cache. */
class value {
 public:
  value() noexcept = default;
  /** Takes a ct_value over. */
  explicit value(ct_value taken) noexcept : value_(taken) {}
  value(value &&other) noexcept : value_(other.detach()) {}
  value &operator=(value &&other) noexcept {
    value(std::move(other)).swap(*this);
    return *this;
  }
  ~value() { reset(); }

  /** Whether there is a value; it may be empty. */
  explicit operator bool() const noexcept { return value_.data != nullptr; }
  /** Aligned to 8; null if there is no value. */
  const char *data() const noexcept { return static_cast<const char *>(value_.data); }
  std::size_t size() const noexcept { return value_.size; }
  std::string_view view() const noexcept { return {data(), size()}; }
  /** Not of a temporary, which takes its bytes along. */
  operator std::string_view() const &noexcept { return view(); }
  operator std::string_view() const && = delete;
#if __cplusplus >= 202002L
  std::span<const std::byte> bytes() const noexcept {
    return {static_cast<const std::byte *>(value_.data), value_.size};
  }
#endif

  /** Holds the same bytes once more. */
  value share() const {
    value other;
    detail::check(ct_value_ref(&value_, other.out()));
    return other;
  }
  /** For a C function to read. */
  const ct_value *get() const noexcept { return &value_; }
  /** Gives the value up: to be released by ct_value_release. */
  [[nodiscard]] ct_value detach() noexcept { return std::exchange(value_, CT_VALUE_INIT); }
  void swap(value &other) noexcept { std::swap(value_, other.value_); }

  /** For a C function to fill in. Whatever was held before is released. */
  ct_value *out() noexcept {
    reset();
    return &value_;
  }
  void reset() noexcept {
    if (value_.pin != 0) ct_value_release(&value_);
  }

 private:
  ct_value value_ = CT_VALUE_INIT;
};

// ---- codec -------------------------------------------------------------------------------------

/**
 * How a type becomes bytes and comes back. Specialize it for a type of yours:
 *
 *     template <>
 *     struct cachetools::codec<point> {
 *       static std::string encode(const point &it);                       // or std::string_view
 *       static std::optional<point> decode(std::string_view bytes);       // nullopt: no such thing
 *     };
 *
 * For a key, equal objects must have equal bytes, and only those. There are codecs for numbers,
 * enumerations and other trivially copyable types, and for strings; for vectors, pairs and tuples
 * of all these. Numbers have the machine's byte order, in snapshots too.
 */
template <class T, class = void>
struct codec {
  static_assert(!std::is_same_v<T, T>,
                "cachetools: this type does not become bytes: specialize cachetools::codec for it, "
                "or keep values as std::shared_ptr");
  static std::string_view encode(const T &it);
  static std::optional<T> decode(std::string_view bytes);
};

namespace detail {

template <class T>
inline constexpr bool is_tuple = false;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class... Ts>
inline constexpr bool is_tuple<std::tuple<Ts...>> = true;

// Whether its bytes are the value.
template <class T>
inline constexpr bool is_plain =
    std::is_trivially_copyable_v<T> &&std::is_default_constructible_v<T> && !std::is_pointer_v<T> &&
    !std::is_member_pointer_v<T> && !is_tuple<T>;
template <>
inline constexpr bool is_plain<std::string_view> = false;

// The codec of plain types, unless they have one of their own.
struct plain_codec {};
template <class T>
inline constexpr bool by_bytes =
    std::conjunction_v<std::bool_constant<is_plain<T>>, std::is_base_of<plain_codec, codec<T>>>;

// Whether equal objects have equal bytes. Padding and the two zeros of floating point prevent that.
template <class T>
struct is_key : std::bool_constant<!by_bytes<T> || std::has_unique_object_representations_v<T>> {};
template <class T>
struct is_key<std::vector<T>> : is_key<T> {};
template <class A, class B>
struct is_key<std::pair<A, B>> : std::conjunction<is_key<A>, is_key<B>> {};
template <class... Ts>
struct is_key<std::tuple<Ts...>> : std::conjunction<is_key<Ts>...> {};

template <class T>
T decode(std::string_view bytes) {
  auto decoded = codec<T>::decode(bytes);
  if (!decoded) fail(CT_ERR_CORRUPT);
  return std::move(*decoded);
}

// An element among others: before it, unless it is plain, its size as a uint64_t.
template <class T>
void put(std::string &bytes, const T &element) {
  const auto encoded = codec<T>::encode(element);
  const std::string_view part = encoded;
  if (!by_bytes<T>) {
    const std::uint64_t size = part.size();
    bytes.append(view(&size, sizeof size));
  }
  bytes.append(part);
}
// Takes the next element off bytes; nothing, and good becomes false, if there is none.
template <class T>
std::optional<T> take(std::string_view &bytes, bool &good) {
  std::uint64_t size = sizeof(T);
  if (!by_bytes<T> && good) {
    good = bytes.size() >= sizeof size;
    if (good) std::memcpy(&size, bytes.data(), sizeof size);
    if (good) bytes.remove_prefix(sizeof size);
  }
  good = good && size <= bytes.size();
  if (!good) return std::nullopt;
  auto element = codec<T>::decode(bytes.substr(0, static_cast<std::size_t>(size)));
  bytes.remove_prefix(static_cast<std::size_t>(size));
  good = element.has_value();
  return element;
}

// Vectors that are their bytes.
template <class T>
inline constexpr bool is_array = by_bytes<T> && !std::is_same_v<T, bool>;

}  // namespace detail

template <class T>
struct codec<T, std::enable_if_t<detail::is_plain<T>>> : detail::plain_codec {
  static std::string_view encode(const T &it) noexcept {
    return detail::view(std::addressof(it), sizeof it);
  }
  static std::optional<T> decode(std::string_view bytes) {
    if (bytes.size() != sizeof(T)) return std::nullopt;
    T it{};
    std::memcpy(std::addressof(it), bytes.data(), sizeof it);
    return it;
  }
};

template <>
struct codec<std::string_view> {
  static std::string_view encode(std::string_view it) noexcept { return it; }
  static std::optional<std::string_view> decode(std::string_view bytes) noexcept { return bytes; }
};

template <>
struct codec<std::string> {
  static std::string_view encode(std::string_view it) noexcept { return it; }
  static std::optional<std::string> decode(std::string_view bytes) { return std::string(bytes); }
};

template <class T>
struct codec<std::vector<T>, std::enable_if_t<detail::is_array<T>>> {
  static std::string_view encode(const std::vector<T> &it) noexcept {
    return detail::view(it.data(), it.size() * sizeof(T));
  }
  static std::optional<std::vector<T>> decode(std::string_view bytes) {
    if (bytes.size() % sizeof(T) != 0) return std::nullopt;
    std::vector<T> it(bytes.size() / sizeof(T));
    if (!it.empty()) std::memcpy(it.data(), bytes.data(), bytes.size());
    return it;
  }
};

template <class T>
struct codec<std::vector<T>, std::enable_if_t<!detail::is_array<T>>> {
  static std::string encode(const std::vector<T> &it) {
    std::string bytes;
    for (const auto &element : it) detail::put<T>(bytes, element);
    return bytes;
  }
  static std::optional<std::vector<T>> decode(std::string_view bytes) {
    std::vector<T> it;
    for (bool good = true; !bytes.empty();) {
      auto element = detail::take<T>(bytes, good);
      if (!good) return std::nullopt;
      it.push_back(std::move(*element));
    }
    return it;
  }
};

template <class... Ts>
struct codec<std::tuple<Ts...>> {
  static std::string encode(const std::tuple<Ts...> &it) {
    std::string bytes;
    std::apply([&bytes](const Ts &...elements) { (detail::put(bytes, elements), ...); }, it);
    return bytes;
  }
  static std::optional<std::tuple<Ts...>> decode(std::string_view bytes) {
    bool good = true;
    std::tuple<std::optional<Ts>...> parts{
        detail::take<Ts>(bytes, good)...};  // braces: in this order
    if (!good || !bytes.empty()) return std::nullopt;
    return std::apply([](auto &...part) { return std::tuple<Ts...>(std::move(*part)...); }, parts);
  }
};

template <class A, class B>
struct codec<std::pair<A, B>> {
  static std::string encode(const std::pair<A, B> &it) {
    return codec<std::tuple<A, B>>::encode(std::tuple<A, B>(it.first, it.second));
  }
  static std::optional<std::pair<A, B>> decode(std::string_view bytes) {
    auto both = codec<std::tuple<A, B>>::decode(bytes);
    if (!both) return std::nullopt;
    return std::pair<A, B>(std::move(std::get<0>(*both)), std::move(std::get<1>(*both)));
  }
};

/** A floating-point number as a key: the two zeros are one, and so are all NaNs. */
class real {
 public:
  real() noexcept = default;
  real(double number) noexcept {
    if (number != number) number = std::numeric_limits<double>::quiet_NaN();
    number += 0.0;  // makes -0.0 0.0
    std::memcpy(&bits_, &number, sizeof bits_);
  }
  operator double() const noexcept {
    double number;
    std::memcpy(&number, &bits_, sizeof number);
    return number;
  }

 private:
  static_assert(sizeof(double) == sizeof(std::uint64_t));
  std::uint64_t bits_ = 0;
};

namespace detail {

// How values of a type are held. argument: as it is passed in; result: as reads return it; shown:
// as callbacks see it; maybe: shown or nothing.
template <class T>
struct held {
  static constexpr bool by_pointer = false;
  using argument = const T &;
  using result = std::optional<T>;
  using shown = T;
  using maybe = std::optional<T>;

  static shown show(std::string_view bytes) { return decode<T>(bytes); }
  static maybe show_or_nothing(std::string_view bytes) { return show(bytes); }
  static result take(value &&it) {
    if (!it) return std::nullopt;
    return decode<T>(it.view());
  }
};

template <>
struct held<std::string_view> {
  static constexpr bool by_pointer = false;
  using argument = std::string_view;
  using result = value;
  using shown = std::string_view;
  using maybe = std::optional<std::string_view>;

  static shown show(std::string_view bytes) { return bytes; }
  static maybe show_or_nothing(std::string_view bytes) { return bytes; }
  static result take(value &&it) { return std::move(it); }
};

template <>
struct held<std::string> : held<std::string_view> {
  using result = std::optional<std::string>;
  static result take(value &&it) {
    if (!it) return std::nullopt;
    return std::string(it.view());
  }
};

// An entry's value is a pointer to a shared_ptr, which drop deletes.
template <class T>
struct held<std::shared_ptr<T>> {
  static constexpr bool by_pointer = true;
  using argument = std::shared_ptr<T>;
  using result = std::shared_ptr<T>;
  using shown = const std::shared_ptr<T> &;
  using maybe = std::shared_ptr<T>;

  static shown show(std::string_view bytes) {
    std::shared_ptr<T> *it = nullptr;
    std::memcpy(&it, bytes.data(), sizeof it);
    return *it;
  }
  static maybe show_or_nothing(std::string_view bytes) { return show(bytes); }
  static result take(value &&it) {
    if (!it) return nullptr;
    return show(it.view());
  }
  static void drop(void *, const void *data, std::size_t) noexcept {
    std::shared_ptr<T> *it = nullptr;
    std::memcpy(&it, data, sizeof it);
    delete it;
  }
};

// The bytes of a key or value on their way into the library. keep() says that it has stored them.
template <class T>
class parcel {
 public:
  explicit parcel(typename held<T>::argument it) : encoded_(codec<T>::encode(it)) {}
  std::string_view bytes() const noexcept { return encoded_; }
  const void *data() const noexcept { return bytes().data(); }
  std::size_t size() const noexcept { return bytes().size(); }
  void keep() noexcept {}

 private:
  decltype(codec<T>::encode(std::declval<typename held<T>::argument>())) encoded_;
};

// A pointer that the library has stored is drop's to delete.
template <class T>
class parcel<std::shared_ptr<T>> {
 public:
  explicit parcel(std::shared_ptr<T> it) {
    if (it == nullptr) raise(error(CT_ERR_INVALID, "a null pointer could not be told from a miss"));
    it_ = new std::shared_ptr<T>(std::move(it));
  }
  parcel(parcel &&) = delete;
  ~parcel() { delete it_; }
  std::string_view bytes() const noexcept { return view(data(), size()); }
  const void *data() const noexcept { return &it_; }
  std::size_t size() const noexcept { return sizeof it_; }
  void keep() noexcept { it_ = nullptr; }

 private:
  std::shared_ptr<T> *it_ = nullptr;
};

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_optional<std::shared_ptr<T>> : std::true_type {};

// Whether a callback brought a value.
template <class T>
bool brought(const T &it) {
  if constexpr (is_optional<T>::value)
    return static_cast<bool>(it);
  else
    return true;
}

// The value that a callback brought: a reference, or else what it was converted to.
template <class V, class T>
decltype(auto) brought_value(const T &it) {
  constexpr bool is_text = std::is_same_v<typename held<V>::argument, std::string_view>;
  if constexpr (is_text && std::is_convertible_v<const T &, std::string_view>)
    return std::string_view(it);
  else if constexpr (std::is_same_v<T, V>)
    return (it);
  else if constexpr (is_optional<T>::value && !held<V>::by_pointer)
    return brought_value<V>(*it);
  else
    return V(it);
}

}  // namespace detail

// ---- callback ----------------------------------------------------------------------------------

template <class Signature>
class callback;

/** A function object of any type, owned; empty if there is none. As std::move_only_function. */
template <class R, class... Args>
class callback<R(Args...)> {
 public:
  callback() noexcept = default;
  callback(std::nullptr_t) noexcept {}
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, callback> &&
                                              std::is_invocable_r_v<R, std::decay_t<F> &, Args...>>>
  callback(F &&function)
      : function_(new std::decay_t<F>(std::forward<F>(function)),
                  [](void *it) { delete static_cast<std::decay_t<F> *>(it); }),
        invoke_([](void *it, Args... args) -> R {
          return static_cast<R>((*static_cast<std::decay_t<F> *>(it))(std::forward<Args>(args)...));
        }) {}

  explicit operator bool() const noexcept { return function_ != nullptr; }
  R operator()(Args... args) const { return invoke_(function_.get(), std::forward<Args>(args)...); }

 private:
  std::unique_ptr<void, void (*)(void *)> function_{nullptr, [](void *) {}};
  R (*invoke_)(void *, Args...) = nullptr;
};

// ---- options, entry ----------------------------------------------------------------------------

/** An entry that left. What it refers to lives as long as the listener runs. */
template <class Key, class Value>
struct event {
  typename detail::held<Key>::shown key;
  typename detail::held<Value>::shown value;
  std::uint64_t weight; /**< the weight that counted against maxsize */
  cachetools::cause cause;
};

/**
 * How to make a cache: cache<Key, Value>::options_type. The fields are those of ct_options.
 * Callbacks see texts as std::string_view, pointers as const references, and all else decoded.
 *
 * C++20 names the fields in braces, as at the top, in the order in which they stand here. A compiler
 * that then finds no matching function says which field is wrong if you name the type: `options_type
 * given{.maxsize = ...};`. In C++17, set them one by one, then move the options: they own their
 * callbacks, so they cannot be copied.
 *
 *     cachetools::cache<int, int>::options_type options;
 *     options.maxsize = 1000;
 *     cachetools::cache<int, int> numbers(std::move(options));
 */
template <class Key, class Value>
struct options {
  using shown_key = typename detail::held<Key>::shown;
  using shown_value = typename detail::held<Value>::shown;

  cachetools::policy policy = policy::lru;
  /** In units of weight; unbounded; 0 is refused without keep_nothing. With a weigher, the largest
   *  limit is unbounded - 1. */
  std::uint64_t maxsize = 0;
  cachetools::weight_kind weight_kind = weight_kind::count;
  std::uint32_t shards = 0; /**< a power of two; 0 is 1 */
  duration ttl = {};        /**< time to live from a write on; 0: none */
  duration tti = {};        /**< time to idle from a use on; 0: none */
  /** Below ttl: a value with less than this left is renewed, by one caller, while the others get
   *  the old one; 0: none. */
  duration refresh_ahead = {};
  /** For so long past its deadline, loading calls may get a value; 0: not at all. */
  duration stale = {};
  duration retry = {}; /**< how long nobody renews after a failure; 0: see ct_options */
  /** For so long it is remembered that a loader has found no value; 0: not at all. */
  duration negative_ttl = {};
  duration jitter = {};   /**< up to this much, at random, is taken off the ttl; 0: none */
  std::uint64_t seed = 0; /**< 0: random */
  bool single_threaded = false;
  bool stats = true;
  bool precise_clock = false;
  bool keep_nothing = false; /**< maxsize may be 0: only what weighs 0 is kept */
  bool curve = false;        /**< keeps the miss-ratio curve that miss_ratios tells */
  callback<void(const event<Key, Value> &)> listener = {};
  callback<std::uint64_t(shown_key, shown_value)> weigher = {};
  /** Until when an entry may be used; time_point::max(): for ever. */
  callback<time_point(shown_key, shown_value, time_point now)> ttu = {};
  callback<time_point()> timer = {};                        /**< inside the critical section */
  callback<std::uint64_t(std::uint64_t count)> choice = {}; /**< inside the critical section */
  const ct_policy_ops *custom = nullptr; /**< policy::custom only; its user_data is not yours */
  const ct_allocator *allocator = nullptr;
};

/** What is special about one entry: for cache::set, loaders, computes and leases. */
struct entry {
  std::optional<duration> ttl = {};        /**< instead of the cache's; see Time at the top */
  std::optional<time_point> deadline = {}; /**< not together with ttl */
  std::optional<std::uint64_t> weight = {};
  condition when = condition::none; /**< of cache::set only */
  /** Of cache::set only, not together with `when`: the key must still have this very value, from
   *  cache::hold; if that holds nothing, the key must be absent. It is compare-and-swap. */
  const value *if_same = nullptr;
  /** The value that is replaced hands its lifetime on; a ttl or deadline counts only if there is
   *  none. Not for loaders. */
  bool keep_ttl = false;
  /** What the value is made of, 8 at most: see cache::invalidate_tag. Any bytes. */
  std::vector<std::string> tags = {};
  /** What it costs to bring the value back, at least 1: policy::adaptive keeps what costs much. Not
   *  for loaders: see CT_FLAG_COST_BY_TIME. */
  std::optional<std::uint64_t> cost = {};
  /** Of loaders only: the old value is still right, whatever the loader returns. Its lifetime
   *  begins anew. Without an old value the call fails, with CT_ERR_CALLBACK. */
  bool not_modified = false;
};

/** How to load: see cache::get_or_renew. */
struct load_options {
  /** How long to wait, in real time, for the load of another caller; then an error with CT_BUSY is
   *  thrown. Does not end one's own loader. duration::max(): as long as it takes. */
  duration timeout = duration::max();
  /** How long to wait, in real time, for the renewal of a value past its deadline, before that one
   *  serves. */
  duration stale_after = {};
  /** Load, even if there is a value, or join a load that runs. If it fails, the call fails, and the
   *  old value stays. */
  bool force = false;
};

/** What is known of an entry: see ct_entry_info. */
struct entry_info {
  std::uint64_t weight;
  time_point deadline; /**< time_point::max(): none */
  duration remaining;  /**< duration::max(): no deadline */
  std::uint64_t frequency;
};

namespace detail {

// An entry as C has it; refers to it.
class entry_options {
 public:
  explicit entry_options(const entry &it) {
    if (it.ttl) to_.flags |= CT_ENTRY_TTL, to_.ttl = ticks(*it.ttl);
    if (it.deadline) to_.flags |= CT_ENTRY_DEADLINE, to_.deadline = ticks(*it.deadline);
    if (it.weight) to_.flags |= CT_ENTRY_WEIGHT, to_.weight = *it.weight;
    if (it.when == condition::if_absent) to_.flags |= CT_ENTRY_IF_ABSENT;
    if (it.when == condition::if_present) to_.flags |= CT_ENTRY_IF_PRESENT;
    if (it.if_same != nullptr) to_.flags |= CT_ENTRY_IF_SAME, to_.same = it.if_same->get();
    if (it.keep_ttl) to_.flags |= CT_ENTRY_KEEP_TTL;
    if (it.cost) to_.flags |= CT_ENTRY_COST, to_.cost = *it.cost;
    if (it.tags.empty()) return;
    for (const std::string &tag : it.tags) tags_.push_back({tag.data(), tag.size()});
    to_.flags |= CT_ENTRY_TAGS;
    to_.tags = tags_.data();
    to_.tag_count = tags_.size();
  }
  entry_options(const entry_options &) = delete;
  entry_options &operator=(const entry_options &) = delete;
  const ct_entry_options *get() const noexcept { return &to_; }

 private:
  ct_entry_options to_ = CT_ENTRY_OPTIONS_INIT;
  std::vector<ct_bytes> tags_;
};

// If a call failed because of the options of an entry, throws what is wrong with them; or else, what
// fewer options the call takes.
inline void explain(ct_status status, const ct_cache *cache, const ct_entry_options *options,
                    const char *fewer) {
  if (status != CT_ERR_INVALID) return;
  const char *problem = ct_entry_options_problem(cache, options);
  raise(error(status, problem_in_cpp(problem == nullptr ? fewer : problem)));
}

inline void set_entry(ct_result *result, const entry &it) {
  if (it.ttl) ct_result_ttl(result, ticks(*it.ttl));
  if (it.deadline) ct_result_deadline(result, ticks(*it.deadline));
  if (it.weight) ct_result_weight(result, *it.weight);
  if (it.keep_ttl) ct_result_keep_ttl(result);
  for (const std::string &tag : it.tags) ct_result_tag(result, tag.data(), tag.size());
}

inline ct_load_options raw(const load_options &it) {
  ct_load_options to = CT_LOAD_OPTIONS_INIT;
  if (it.timeout != duration::max())
    to.timeout_ns = ticks(std::max<duration>(it.timeout, std::chrono::nanoseconds(1)));
  to.stale_after_ns = ticks(it.stale_after);
  if (it.force) to.flags |= CT_LOAD_FORCE;
  return to;
}

// Calls a compute with the old value and, if it takes that too, the entry to be.
template <class Compute, class Old>
decltype(auto) compute_by(Compute &compute, Old &&old, entry &special) {
  if constexpr (std::is_invocable_v<Compute &, Old, entry &>)
    return compute(std::forward<Old>(old), special);
  else
    return (void)special, compute(std::forward<Old>(old));
}

// Calls a loader with the key and, if it takes them too, the entry to be and what old() returns.
template <class Loader, class Key, class Old>
decltype(auto) load_by(Loader &loader, const Key &key, entry &special, const Old &old) {
  if constexpr (std::is_invocable_v<Loader &, const Key &, entry &, decltype(old())>)
    return loader(key, special, old());
  else if constexpr (std::is_invocable_v<Loader &, const Key &, entry &>)
    return (void)old, loader(key, special);
  else
    return (void)old, (void)special, loader(key);
}

// The callbacks of a cache, at a fixed address.
template <class Key, class Value>
struct hooks {
  options<Key, Value> given;
  call::slot slot = &call::innermost;

  // Runs a callback for the innermost call of this thread. A call made in C catches nothing.
  template <class R, class Function>
  R run(R otherwise, Function &&function) noexcept {
    call *const innermost = slot();
    if (innermost == nullptr) return function();
    return guarded(innermost->thrown(), otherwise, std::forward<Function>(function));
  }

  static hooks *of(void *user_data) noexcept { return static_cast<hooks *>(user_data); }
  static auto key(const void *data, std::size_t size) -> typename held<Key>::shown {
    return held<Key>::show(view(data, size));
  }
  static auto value(const void *data, std::size_t size) -> typename held<Value>::shown {
    return held<Value>::show(view(data, size));
  }

  static void listen(void *self, const ct_event *it) noexcept {
    of(self)->run(0, [&] {
      of(self)->given.listener(event<Key, Value>{key(it->key.data, it->key.size),
                                                 value(it->value.data, it->value.size), it->weight,
                                                 static_cast<cachetools::cause>(it->cause)});
      return 0;
    });
  }
  static std::uint64_t weigh(void *self, const void *k, std::size_t ks, const void *v,
                             std::size_t vs) noexcept {
    return of(self)->run(CT_NEVER,
                         [&] { return of(self)->given.weigher(key(k, ks), value(v, vs)); });
  }
  static std::uint64_t use_until(void *self, const void *k, std::size_t ks, const void *v,
                                 std::size_t vs, std::uint64_t now) noexcept {
    return of(self)->run(std::uint64_t{0}, [&] {
      return ticks(of(self)->given.ttu(key(k, ks), value(v, vs), time_of(now)));
    });
  }
  static std::uint64_t time(void *self) noexcept { return ticks(of(self)->given.timer()); }
  static std::uint64_t choose(void *self, std::uint64_t count) noexcept {
    return of(self)->given.choice(count);
  }
};

// What loaders of a cache whose values are pointers threw, for those who wait. These wait in C, and
// get a status of its own for each failure. Whoever may fail so says that before it waits; so does a
// loader that has thrown. Then a failure is there until all of them have got it.
class failures {
 private:
  struct of_key {
    std::size_t calls = 0;
    std::unordered_map<ct_status, std::exception_ptr> thrown;
  };

 public:
  // That of a call in the failures of a key.
  class interest {
   public:
    interest(failures &of, std::string_view key) : all_(of) {
      const std::lock_guard<std::mutex> lock(all_.mutex_);
      it_ = &*all_.keys_.try_emplace(std::string(key)).first;
      it_->second.calls++;
    }
    interest(interest &&) = delete;
    ~interest() {
      const std::lock_guard<std::mutex> lock(all_.mutex_);
      if (--it_->second.calls == 0) all_.keys_.erase(all_.keys_.find(it_->first));
    }
    // Keeps what a loader threw. Returns the status for it.
    ct_status keep(std::exception_ptr thrown) {
      const std::lock_guard<std::mutex> lock(all_.mutex_);
      all_.last_ = (all_.last_ + 1) % (1 << 30);
      const auto status = static_cast<ct_status>(kThrew + 1 + all_.last_);
      it_->second.thrown[status] = std::move(thrown);
      return status;
    }
    // Returns what a load that failed with the status threw; null: something else.
    std::exception_ptr find(ct_status status) const {
      const std::lock_guard<std::mutex> lock(all_.mutex_);
      const auto at = it_->second.thrown.find(status);
      return at == it_->second.thrown.end() ? nullptr : at->second;
    }

   private:
    failures &all_;
    std::pair<const std::string, of_key> *it_;
  };

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, of_key> keys_;
  int last_ = 0;
};
struct no_failures {
  struct interest {};
};

struct free_cache {
  void operator()(ct_cache *cache) const noexcept { ct_cache_free(cache); }
};
struct free_iter {
  void operator()(ct_iter *iter) const noexcept { ct_iter_free(iter); }
};
struct abandon_lease {
  void operator()(ct_lease *lease) const noexcept { ct_lease_abandon(lease); }
};
using lease_owner = std::unique_ptr<ct_lease, abandon_lease>;

}  // namespace detail

// ---- lease -------------------------------------------------------------------------------------

/** The right and the duty to load a key: see cache::get_or_lease. Its destructor gives it up. It
 *  must not outlive the cache. */
template <class Key, class Value>
class lease {
 public:
  lease() noexcept = default;
  explicit operator bool() const noexcept { return lease_ != nullptr; }

  /** The key to load. */
  typename detail::held<Key>::shown key() const {
    ct_bytes bytes;
    ct_lease_key(lease_.get(), &bytes);
    return detail::held<Key>::show(detail::view(bytes));
  }
  /** Brings the value, for all who wait, and ends the lease. Returns whether the value was kept, too:
   *  not if the key has been invalidated meanwhile, or its lifetime is over at once. */
  bool fulfil(typename detail::held<Value>::argument value, const entry &special = {}) {
    require();
    const detail::parcel<Value> sent(value);
    const detail::entry_options options(special);
    detail::call call(slot_);
    const ct_status status =
        ct_lease_fulfil(lease_.release(), sent.data(), sent.size(), options.get(), nullptr);
    detail::explain(status, cache_, options.get(),
                    "options: a load takes no condition and no keep_ttl.");
    return call.end(status) == CT_OK;
  }
  /** If there is an old value: it is still right, and its lifetime begins anew. Ends the lease.
   *  Returns whether it is kept: not if the key has been invalidated meanwhile. */
  bool keep(const entry &special = {}) {
    require();
    const detail::entry_options options(special);
    detail::call call(slot_);
    const ct_status status = ct_lease_keep(lease_.release(), options.get());
    detail::explain(status, cache_, options.get(),
                    "there is no old value that the lease could keep so");
    return call.end(status) == CT_OK;
  }
  /** The load has failed, for all who wait: see ct_lease_fail. With CT_MISS, there is no such
   *  value, and an old one leaves. Ends the lease. */
  void fail_with(ct_status status) {
    detail::call call(slot_);
    ct_lease_fail(lease_.release(), status);
    call.end();
  }
  /** Gives the lease up: one of those who wait loads the key. */
  void abandon() noexcept { lease_.reset(); }

 private:
  template <class K, class V>
  friend class cache;
  void require() const {
    if (lease_ == nullptr) detail::raise(error(CT_ERR_INVALID, "the lease is over"));
  }
  lease(detail::lease_owner taken, const ct_cache *cache, detail::call::slot slot) noexcept
      : lease_(std::move(taken)), cache_(cache), slot_(slot) {}

  detail::lease_owner lease_;
  const ct_cache *cache_ = nullptr;
  detail::call::slot slot_ = nullptr;
};

// ---- wait, batch -------------------------------------------------------------------------------

/** A call that waits for a load without a thread: see cache::get_or_lease_async. Its destructor
 *  cancels the call. It must not outlive the cache. */
class wait {
 public:
  wait() noexcept = default;
  wait(wait &&other) noexcept
      : wait_(std::exchange(other.wait_, nullptr)), state_(std::move(other.state_)) {}
  wait &operator=(wait &&other) noexcept {
    if (this != &other) {
      cancel();
      wait_ = std::exchange(other.wait_, nullptr);
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~wait() { cancel(); }

  /** Whether there is a call to cancel; also after it was told. */
  explicit operator bool() const noexcept { return wait_ != nullptr; }
  /** Ends the call. Returns whether it will be told nothing; false: it was told, is or will be. */
  bool cancel() noexcept {
    const bool ended = ct_wait_cancel(std::exchange(wait_, nullptr));
    if (ended)
      state_.reset();
    else
      (void)state_.release();  // who is told deletes it
    return ended;
  }

 private:
  template <class K, class V>
  friend class cache;
  using owner = std::unique_ptr<void, void (*)(void *)>;
  wait(ct_wait *taken, owner state) noexcept : wait_(taken), state_(std::move(state)) {}

  ct_wait *wait_ = nullptr;
  owner state_{nullptr, [](void *) {}};
};

/** What a loader of many keys is asked for: see cache::get_or_load_many. Lives as long as the
 *  loader runs. Of what is done with one key, the last counts; if nothing is, there is no value. */
template <class Key, class Value>
class batch {
  using held = detail::held<Value>;

 public:
  batch(const batch &) = delete;
  batch &operator=(const batch &) = delete;

  std::size_t size() const noexcept { return items_.size(); }
  /** One of the keys, no two of which are the same. */
  typename detail::held<Key>::shown key(std::size_t i) const {
    return detail::held<Key>::show(items_[i].key);
  }
  /** The old value that is to be renewed; or nothing, an optional or a null pointer. */
  typename held::maybe old(std::size_t i) const {
    ct_bytes bytes;
    if (ct_result_old(items_[i].to, &bytes) != CT_OK) return {};
    return held::show_or_nothing(detail::view(bytes));
  }
  /** Brings the value of a key. */
  void set(std::size_t i, typename held::argument given, const entry &special = {}) {
    item &it = items_[i];
    it.thrown = nullptr;
    it.sent.emplace(std::move(given));
    detail::set_entry(it.to, special);
    ct_result_set(it.to, it.sent->data(), it.sent->size());
    if constexpr (!held::by_pointer) it.sent.reset();
  }
  /** The old value is still right: its lifetime begins anew. */
  void keep(std::size_t i, const entry &special = {}) {
    item &it = items_[i];
    it.thrown = nullptr;
    detail::set_entry(it.to, special);
    ct_result_not_modified(it.to);
  }
  /** This key alone fails, as if its loader had thrown that. */
  void fail_with(std::size_t i, std::exception_ptr thrown) {
    item &it = items_[i];
    ct_result_fail(it.to, detail::failure_of(thrown));
    it.thrown = std::move(thrown);
  }

 private:
  template <class K, class V>
  friend class cache;
  struct item {
    std::string_view key;
    ct_result *to = nullptr;
    std::optional<detail::parcel<Value>> sent{};  // of pointers
    std::exception_ptr thrown{};
  };
  explicit batch(std::size_t size) : items_(size) {}

  std::vector<item> items_;
};

// ---- cache -------------------------------------------------------------------------------------

/** A cache of values of a type under keys of a type: see the top. Functions are those of C by the
 *  same names, which cachetools.h describes, unless they say otherwise. */
template <class Key = std::string_view, class Value = std::string_view>
class cache {
  static_assert(!std::is_pointer_v<Key> && !std::is_pointer_v<Value>,
                "cachetools: keys and values are no pointers; use std::string or std::shared_ptr");
  static_assert(
      detail::is_key<Key>::value,
      "cachetools: equal keys must have equal bytes, so a key has no floating-point number (use "
      "cachetools::real) and no padding (specialize codec)");
  static constexpr bool kByPointer = detail::held<Value>::by_pointer;
  using held_key = detail::held<Key>;
  using held = detail::held<Value>;
  using hooks = detail::hooks<Key, Value>;
  using parcel = detail::parcel<Value>;

 public:
  using key_type = Key;
  using mapped_type = Value;
  using options_type = options<Key, Value>;
  using key_argument = typename held_key::argument;
  using argument = typename held::argument; /**< what is passed as a value */
  using result = typename held::result;     /**< what reads return: false if there is none */

  /** Throws error with a sentence that names the option that is wrong. */
  explicit cache(options_type given) {
    const std::pair<const char *, duration> times[] = {
        {"ttl", given.ttl},      {"tti", given.tti},     {"refresh_ahead", given.refresh_ahead},
        {"stale", given.stale},  {"retry", given.retry}, {"negative_ttl", given.negative_ttl},
        {"jitter", given.jitter}};
    for (const auto &[name, time] : times)
      if (time < duration::zero())
        detail::raise(error(CT_ERR_INVALID, std::string(name) + ": it is negative."));
    ct_options to = CT_OPTIONS_INIT;
    to.policy = static_cast<std::int32_t>(given.policy);
    to.weight_kind = static_cast<std::int32_t>(given.weight_kind);
    to.maxsize = limit(given.maxsize, static_cast<bool>(given.weigher));
    to.shards = given.shards;
    to.flags =
        (given.single_threaded ? CT_FLAG_SINGLE_THREADED : 0u) |
        (given.stats ? 0u : CT_FLAG_NO_STATS) | (given.precise_clock ? CT_FLAG_PRECISE_CLOCK : 0u) |
        (given.keep_nothing ? CT_FLAG_KEEP_NOTHING : 0u) | (given.curve ? CT_FLAG_CURVE : 0u);
    to.ttl = detail::ticks(given.ttl);
    to.tti = detail::ticks(given.tti);
    to.refresh_ahead = detail::ticks(given.refresh_ahead);
    to.stale = detail::ticks(given.stale);
    to.retry = detail::ticks(given.retry);
    to.negative_ttl = detail::ticks(given.negative_ttl);
    to.jitter = detail::ticks(given.jitter);
    to.seed = given.seed;
    to.listener = given.listener ? &hooks::listen : nullptr;
    to.weigher = given.weigher ? &hooks::weigh : nullptr;
    to.ttu = given.ttu ? &hooks::use_until : nullptr;
    to.timer = given.timer ? &hooks::time : nullptr;
    to.choice = given.choice ? &hooks::choose : nullptr;
    to.custom = given.custom;
    to.allocator = given.allocator;
    if constexpr (kByPointer) to.drop = &held::drop;
    if constexpr (kByPointer) to.flags |= CT_FLAG_DROP_LOADED;
    if (given.listener || given.weigher || given.ttu || given.timer || given.choice) {
      hooks_ = std::make_shared<hooks>();
      hooks_->given = std::move(given);
      to.user_data = hooks_.get();
    }
    if constexpr (kByPointer) failures_ = std::make_unique<failures>();
    if (const char *problem = ct_options_problem(&to))
      detail::raise(error(CT_ERR_INVALID, detail::problem_in_cpp(problem)));
    ct_cache *made = nullptr;
    detail::check(ct_cache_new_with(&to, &made));
    cache_.reset(made);
  }
  cache(cachetools::policy policy, std::uint64_t maxsize) : cache(simple(policy, maxsize)) {}

  cache(cache &&) noexcept = default;
  cache &operator=(cache &&other) noexcept {
    // The old cache goes before its callbacks.
    if (this != &other) {
      cache_ = std::move(other.cache_);
      hooks_ = std::move(other.hooks_);
      failures_ = std::move(other.failures_);
    }
    return *this;
  }
  ~cache() = default;

  /** A cache with the same entries, which calls the same callbacks: see ct_cache_copy. */
  cache copy() const {
    static_assert(!kByPointer, "cachetools: pointers cannot be owned twice");
    auto call = enter();
    ct_cache *made = nullptr;
    const ct_status status = ct_cache_copy(native(), &made);
    cache it(made, hooks_);
    call.end(status);
    return it;
  }

  // ---- Reading

  /** Looks a key up. A hit is a use. Takes no lock for plain types and for std::strings of up to
   *  1 KiB: see ct_get_copy. */
  result get(key_argument key) {
    const detail::parcel<Key> sought(key);
    if constexpr (detail::by_bytes<Value>) {
      Value it{};
      std::size_t size = 0;
      const ct_status status =
          ct_get_copy(native(), sought.data(), sought.size(), std::addressof(it), sizeof it, &size);
      if (status == CT_OK && size == sizeof it) return it;
      if (status == CT_OK || status == CT_ERR_BUFFER) detail::fail(CT_ERR_CORRUPT);
      detail::check(status);
      return std::nullopt;
    } else {
      if constexpr (std::is_same_v<Value, std::string>) {
        char text[1024];
        std::size_t size = 0;
        const ct_status status =
            ct_get_copy(native(), sought.data(), sought.size(), text, sizeof text, &size);
        if (status == CT_OK) return std::string(text, size);
        if (status != CT_ERR_BUFFER) return detail::check(status), std::nullopt;
      }
      value out;
      detail::check(ct_get(native(), sought.data(), sought.size(), out.out()));
      return held::take(std::move(out));
    }
  }

  /** get, and the version of the key that entry::if_same and erase_if compare: auto [it, seen] =
   *  cache.hold(key). Of an absent key, both hold nothing. */
  std::pair<result, value> hold(key_argument key) {
    const detail::parcel<Key> sought(key);
    value seen;
    detail::check(ct_get(native(), sought.data(), sought.size(), seen.out()));
    result it = held::take(seen.share());
    return {std::move(it), std::move(seen)};
  }

  /** Looks a key up without a trace. */
  result peek(key_argument key) const {
    const detail::parcel<Key> sought(key);
    value out;
    detail::check(ct_peek(native(), sought.data(), sought.size(), out.out()));
    return held::take(std::move(out));
  }

  /** Whether there is an entry. This is no use. */
  bool contains(key_argument key) const {
    const detail::parcel<Key> sought(key);
    return ct_contains(native(), sought.data(), sought.size());
  }

  /** Looks many keys up in one call; keys is a range of them. The results are in the same order. */
  template <class Keys>
  std::vector<result> get_many(const Keys &keys) {
    using element = decltype(*std::begin(keys));
    static_assert(
        std::is_lvalue_reference_v<element> && (std::is_same_v<std::decay_t<element>, Key> ||
                                                std::is_same_v<key_argument, std::string_view>),
        "cachetools: the range holds the keys themselves, or texts");
    std::vector<decltype(codec<Key>::encode(std::declval<key_argument>()))> encoded;
    for (const auto &key : keys) encoded.push_back(codec<Key>::encode(key));
    std::vector<ct_bytes> bytes;
    for (const std::string_view it : encoded) bytes.push_back({it.data(), it.size()});
    std::vector<ct_value> values(bytes.size(), CT_VALUE_INIT);
    std::vector<ct_status> statuses(bytes.size());
    std::vector<value> owners(bytes.size());
    std::vector<result> results;
    results.reserve(bytes.size());
    detail::check(
        ct_get_many(native(), bytes.data(), bytes.size(), values.data(), statuses.data()));
    for (std::size_t i = 0; i < values.size(); i++) owners[i] = value(values[i]);
    for (value &it : owners) results.push_back(held::take(std::move(it)));
    return results;
  }

  /** What is known of an entry; nothing if there is none. */
  std::optional<entry_info> inspect(key_argument key) const {
    const detail::parcel<Key> sought(key);
    ct_entry_info it = CT_ENTRY_INFO_INIT;
    if (detail::check(ct_inspect(native(), sought.data(), sought.size(), &it)) != CT_OK)
      return std::nullopt;
    return entry_info{it.weight, detail::time_of(it.deadline), detail::duration_of(it.remaining),
                      it.frequency};
  }

  // ---- Writing

  /** Stores a value. Returns whether it is kept: not if it weighs more than maxsize, or its
   *  lifetime is over at once. */
  bool set(key_argument key, argument value) { return store(key, value, nullptr) == CT_OK; }
  /** The same with a lifetime of its own; duration::max(): none; 0 or less: nothing is kept. */
  bool set(key_argument key, argument value, duration ttl) {
    entry special;
    special.ttl = ttl;
    return set(key, value, special) == outcome::stored;
  }
  /** The same with a lifetime, a weight or a condition of its own. */
  outcome set(key_argument key, argument value, const entry &special) {
    const detail::entry_options options(special);
    switch (store(key, value, options.get())) {
      case CT_OK:
        return outcome::stored;
      case CT_NOT_STORED:
        return outcome::dead_on_arrival;
      case CT_EXISTS:
        return outcome::exists;
      case CT_MISS:
        return outcome::missing;
      default:
        return outcome::too_large;
    }
  }

  /** ct_add, of a cache of std::int64_t: adds to a counter, or stores initial + delta as `special`
   *  says. Returns the sum; nothing with condition::if_present if there is no counter. Sums
   *  saturate. */
  template <class Count = Value, std::enable_if_t<std::is_same_v<Count, std::int64_t>, int> = 0>
  std::optional<Count> add(key_argument key, std::int64_t delta, std::int64_t initial = 0,
                           const entry &special = {}) {
    const detail::parcel<Key> sought(key);
    const detail::entry_options options(special);
    std::int64_t sum = 0;
    auto call = enter();
    const ct_status status =
        ct_add(native(), sought.data(), sought.size(), delta, initial, options.get(), &sum);
    detail::explain(status, native(), options.get(),
                    "options: a counter takes no if_absent, if_same and keep_ttl.");
    if (call.end(status) == CT_MISS) return std::nullopt;
    return sum;
  }

  /** ct_setdefault: the value found, else the given one, which is stored first. */
  result get_or_set(key_argument key, argument given) {
    const detail::parcel<Key> sought(key);
    parcel sent(given);
    value out;
    auto call = enter();
    const ct_status status =
        ct_setdefault(native(), sought.data(), sought.size(), sent.data(), sent.size(), out.out());
    if (status == CT_OK && is_of(sent, out.view())) sent.keep();
    call.end(status);
    return held::take(std::move(out));
  }

  /** Gives an entry another lifetime; 0 or less ends it. Returns whether there is one. */
  bool set_lifetime(key_argument key, duration ttl) {
    const detail::parcel<Key> sought(key);
    auto call = enter();
    return call.end(ct_set_lifetime(native(), sought.data(), sought.size(), detail::ticks(ttl))) ==
           CT_OK;
  }

  // ---- Removing

  /** ct_delete. Returns whether there was an entry. */
  bool erase(key_argument key) {
    const detail::parcel<Key> sought(key);
    auto call = enter();
    return call.end(ct_delete(native(), sought.data(), sought.size())) == CT_OK;
  }
  /** ct_delete_if: the same if the key still has the very value `seen`, from hold. */
  bool erase_if(key_argument key, const value &seen) {
    const detail::parcel<Key> sought(key);
    auto call = enter();
    return call.end(ct_delete_if(native(), sought.data(), sought.size(), seen.get())) == CT_OK;
  }
  /** Removes an entry, and returns its value. */
  result pop(key_argument key) {
    const detail::parcel<Key> sought(key);
    value out;
    auto call = enter();
    call.end(ct_pop(native(), sought.data(), sought.size(), out.out()));
    return held::take(std::move(out));
  }
  /** Removes the policy's next victim, and returns key and value; nothing if there is no entry. */
  std::optional<std::pair<typename held_key::result, result>> popitem() {
    value key, out;
    auto call = enter();
    if (call.end(ct_popitem(native(), key.out(), out.out())) != CT_OK) return std::nullopt;
    return std::pair<typename held_key::result, result>(held_key::take(std::move(key)),
                                                        held::take(std::move(out)));
  }
  /** Removes all entries. */
  void clear() {
    auto call = enter();
    call.end(ct_clear(native()));
  }
  /** Removes the entries for which matches(key, value) is true. Returns how many. After it has
   *  thrown, it is not called again, and those that matched before are gone. */
  template <class Matches>
  std::uint64_t remove_if(Matches &&matches) {
    auto call = enter();
    auto state = std::pair<std::remove_reference_t<Matches> *, std::exception_ptr *>(
        std::addressof(matches), &call.thrown());
    const std::uint64_t count = ct_remove_if(
        native(),
        [](void *it, const void *k, std::size_t ks, const void *v, std::size_t vs) noexcept {
          auto &[function, thrown] = *static_cast<decltype(state) *>(it);
          if (*thrown) return false;
          return detail::guarded(*thrown, false, [&, &f = *function] {
            return static_cast<bool>(f(hooks::key(k, ks), hooks::value(v, vs)));
          });
        },
        &state);
    call.end();
    return count;
  }
  /** Ends all entries that carry a tag, at once, without touching them: see ct_invalidate_tag.
   *
   *      pages.set("/shoes", page, {.tags = {"product:17", "template:4"}});
   *      pages.invalidate_tag("product:17"); */
  void invalidate_tag(std::string_view tag) {
    detail::check(ct_invalidate_tag(native(), tag.data(), tag.size(), 0));
  }
  /** Removes the entries that have expired. Returns how many. The listener is told. */
  std::uint64_t expire() {
    auto call = enter();
    const std::uint64_t count = ct_expire(native(), CT_NOW, nullptr, nullptr);
    call.end();
    return count;
  }

  // ---- Loading

  /**
   * Looks a key up, and loads it if it is absent; others who ask meanwhile wait. load(key), or
   * load(key, entry &) to give the entry a lifetime, a weight or tags, returns the value, or an optional
   * or null pointer without one: there is none, nothing is stored, and the result is false.
   *
   * With options::refresh_ahead and options::stale, it also renews a value that is there. If that
   * fails, the old one serves, also past its deadline: get_or_renew tells.
   *
   * If the load throws, all who wait fail: with loader_threw, or, where values are pointers, with
   * what it threw.
   *
   * The load may load other keys. To load its own, even once it has erased it, also by a ring of
   * threads that wait for each other, throws an error with CT_ERR_RECURSION.
   */
  template <class Load>
  result get_or_load(key_argument key, Load &&load) {
    return get_or_renew(key, load).value;
  }

  /** What get_or_renew hands out; false if there is no such value. */
  struct loaded {
    result value = {};
    /** Whether the value is past its deadline: a renewal has failed, or is on its way. */
    bool stale = false;
    /** What the loader of this very call threw, if the old value serves nevertheless. Of many
     *  keys: why this one failed, too. */
    std::exception_ptr failure = {};
    explicit operator bool() const noexcept { return static_cast<bool>(value); }
  };

  /**
   * As get_or_load; the result says whether the value is stale. The loader may also take, as third,
   * the old value that it is to renew, or nothing (an optional or a null pointer); and set
   * entry::not_modified.
   */
  template <class Load>
  loaded get_or_renew(key_argument key, Load &&load) {
    const detail::parcel<Key> sought(key);
    return load_one(key, sought.bytes(), nullptr, load);
  }
  /** The same with options. */
  template <class Load>
  loaded get_or_renew(key_argument key, const load_options &how, Load &&load) {
    const detail::parcel<Key> sought(key);
    const ct_load_options options = detail::raw(how);
    return load_one(key, sought.bytes(), &options, load);
  }

  /**
   * Loads many keys, a range of them, by one call of load(batch<Key, Value> &): with those that are
   * absent and that nobody else is loading. Then it waits for the loads of others, and holds no
   * lease meanwhile. Each load that is given up while it waits costs one more call, with that key
   * alone. A key that is there more than once is looked up once.
   *
   * Each key fails alone, as batch::fail_with says; if load throws, each key that it was asked for
   * fails. The results are in the order of the keys. Throws only if nothing was loaded, or what a
   * listener threw.
   */
  template <class Keys, class Load>
  std::vector<loaded> get_or_load_many(const Keys &keys, Load &&load) {
    return load_many(encoded(keys), nullptr, load);
  }
  /** The same with options: timeout is how long to wait for others all in all. */
  template <class Keys, class Load>
  std::vector<loaded> get_or_load_many(const Keys &keys, const load_options &how, Load &&load) {
    const ct_load_options options = detail::raw(how);
    return load_many(encoded(keys), &options, load);
  }

  /** Takes the value or the lease; both if the value is to be renewed; neither if another caller
   *  still has the lease when the time is over. duration::max(): wait as long as it takes. Not for
   *  pointers, which are loaded by get_or_load. */
  struct offer {
    result value;
    cachetools::lease<Key, Value> lease;
    /** Whether the value is past its deadline, and another caller renews it or has just failed to.
     *  Says nothing if there is a lease. */
    bool stale;
  };
  offer get_or_lease(key_argument key, duration wait = duration::max()) {
    static_assert(!kByPointer, "cachetools: pointers are loaded by get_or_load");
    const detail::parcel<Key> sought(key);
    value out;
    ct_lease *taken = nullptr;
    const ct_status status = ct_get_or_lease(native(), sought.data(), sought.size(),
                                             detail::ticks(wait), out.out(), &taken);
    return offered(status, std::move(out), detail::lease_owner(taken), native(), slot());
  }

  /** What get_or_lease_async answers: the offer, or what waits for it. */
  struct pending {
    std::optional<offer> now;
    cachetools::wait wait;
  };
  /**
   * get_or_lease that never waits, for event loops. Where get_or_lease would wait, `now` is empty,
   * and done(offer, failure) is called once, unless `wait` ends before: on whichever thread ends
   * the load, perhaps before this call returns, with no lock held. failure is what get_or_lease
   * would throw. done must not throw (std::terminate).
   */
  [[nodiscard]] pending get_or_lease_async(key_argument key,
                                           callback<void(offer, std::exception_ptr)> done) {
    static_assert(!kByPointer, "cachetools: pointers are loaded by get_or_load");
    struct waiting {
      callback<void(offer, std::exception_ptr)> done;
      const ct_cache *cache;
      detail::call::slot slot;
    };
    const detail::parcel<Key> sought(key);
    cachetools::wait::owner state(new waiting{std::move(done), native(), slot()},
                                  [](void *it) { delete static_cast<waiting *>(it); });
    value out;
    ct_lease *taken = nullptr;
    ct_wait *made = nullptr;
    const ct_status status = ct_get_or_lease_async(
        native(), sought.data(), sought.size(), nullptr,
        [](void *user_data, ct_status told, const ct_value *shown, ct_lease *given) noexcept {
          const std::unique_ptr<waiting> it(static_cast<waiting *>(user_data));
          detail::lease_owner owner(given);
          std::optional<offer> found;
          std::exception_ptr failure;
          detail::guarded(failure, false, [&] {
            value held_once;
            if (shown != nullptr) detail::check(ct_value_ref(shown, held_once.out()));
            found.emplace(
                offered(told, std::move(held_once), std::move(owner), it->cache, it->slot));
            return true;
          });
          it->done(found ? std::move(*found) : offer{}, failure);
        },
        state.get(), out.out(), &taken, &made);
    if (status == CT_PENDING) return {std::nullopt, {made, std::move(state)}};
    return {offered(status, std::move(out), detail::lease_owner(taken), native(), slot()), {}};
  }

  /**
   * Reads, changes and writes one entry, as if at once. compute(old) is given the old value, or
   * nothing (an optional or a null pointer), and returns the new one as a loader does; nothing
   * removes the entry. compute(old, entry &) may give the new value a lifetime, a weight and tags,
   * or keep the lifetime of the old one. It may be called more than once, and must have no side
   * effects. Returns the new value, also one that is dead on arrival and so not kept. Throws error
   * with CT_BUSY if others kept changing the entry.
   *
   *      hits.compute(page, [](auto old, cachetools::entry &entry) {
   *        entry.keep_ttl = true;
   *        return old.value_or(0) + 1;
   *      });
   */
  template <class Compute>
  result compute(key_argument key, Compute &&compute) {
    const detail::parcel<Key> sought(key);
    auto call = enter();
    struct state {
      std::remove_reference_t<Compute> &compute;
      std::exception_ptr &thrown;
      std::optional<parcel> sent;
    } state{compute, call.thrown(), std::nullopt};
    value out;
    const ct_status status = ct_compute(
        native(), sought.data(), sought.size(),
        [](void *user_data, const void *, std::size_t, const ct_bytes *old,
           ct_result *to) noexcept {
          auto &it = *static_cast<struct state *>(user_data);
          return detail::guarded(it.thrown, detail::kThrew, [&] {
            typename held::maybe before{};
            if (old != nullptr) before = held::show_or_nothing(detail::view(*old));
            entry special;
            const made_by<Compute> made =
                detail::compute_by(it.compute, std::move(before), special);
            it.sent.reset();
            if (!detail::brought(made)) return CT_MISS;
            detail::set_entry(to, special);
            const auto &given = detail::brought_value<Value>(made);
            it.sent.emplace(given);
            return hand_back(to, *it.sent);
          });
        },
        &state, out.out());
    if (status == CT_OK && state.sent) state.sent->keep();
    if (call.end(status) == CT_BUSY) detail::fail(status);
    return held::take(std::move(out));
  }

  // ---- Size

  /** How many entries there are, after expired ones are removed. */
  std::uint64_t size() const {
    auto call = enter();
    const std::uint64_t count = ct_len(native());
    call.end();
    return count;
  }
  /** Whether there is no entry, after expired ones are removed. */
  bool empty() const { return size() == 0; }
  /** The sum of the weights, after expired entries are removed. */
  std::uint64_t currsize() const {
    auto call = enter();
    const std::uint64_t sum = ct_currsize(native());
    call.end();
    return sum;
  }
  /** The limit, in units of weight. */
  std::uint64_t maxsize() const noexcept { return ct_maxsize(native()); }
  /** The bytes of memory held, objects behind pointers not included. */
  std::uint64_t memory() const noexcept { return ct_memory(native()); }
  /** Sets another limit, and evicts until it holds. */
  void resize(std::uint64_t maxsize) {
    auto call = enter();
    const bool weighs = hooks_ != nullptr && hooks_->given.weigher;
    call.end(ct_resize(native(), limit(maxsize, weighs)));
  }
  /** The counters: see ct_stats. */
  ct_stats stats() const {
    ct_stats it = CT_STATS_INIT;
    detail::check(ct_cache_stats(native(), &it));
    return it;
  }
  /** Counts from zero again. */
  void reset_stats() { detail::check(ct_cache_stats_reset(native())); }
  /** Which part of the reads would miss in this cache at other sizes: multiples of the present one,
   *  from a half to four; nullopt where that is not known, or not yet. It requires options.curve. */
  std::vector<std::optional<double>> miss_ratios(const std::vector<double> &scales) const {
    std::vector<double> ratios(scales.size());
    detail::check(ct_cache_curve(native(), scales.data(), scales.size(), ratios.data()));
    std::vector<std::optional<double>> known;
    for (const double ratio : ratios)
      known.push_back(ratio == ratio ? std::optional<double>(ratio) : std::nullopt);
    return known;
  }

  // ---- Iteration

  /** A walk, for one loop: for (auto [key, value] : cache.items()). An input range: key and value
   *  are as callbacks see them, and views among them are valid until the next step. */
  class items_range {
   public:
    struct item {
      typename held_key::shown key;
      typename held::shown value;
    };
    class iterator {
     public:
      using iterator_category = std::input_iterator_tag;
      using value_type = item;
      using difference_type = std::ptrdiff_t;
      using pointer = void;
      using reference = item;

      item operator*() const {
        return {held_key::show(detail::view(range_->key_)),
                held::show(detail::view(range_->value_))};
      }
      iterator &operator++() {
        if (!range_->next()) range_ = nullptr;
        return *this;
      }
      void operator++(int) { ++*this; }
      bool operator==(const iterator &other) const noexcept { return range_ == other.range_; }
      bool operator!=(const iterator &other) const noexcept { return range_ != other.range_; }

     private:
      friend class items_range;
      items_range *range_ = nullptr;
    };

    iterator begin() {
      iterator it;
      if (next()) it.range_ = this;
      return it;
    }
    iterator end() noexcept { return {}; }

   private:
    friend class cache;
    explicit items_range(ct_iter *iter) noexcept : iter_(iter) {}
    bool next() { return detail::check(ct_iter_next(iter_.get(), &key_, &value_)) == CT_OK; }

    std::unique_ptr<ct_iter, detail::free_iter> iter_;
    ct_bytes key_ = {};
    ct_bytes value_ = {};
  };
  /** Begins a walk. */
  items_range items(order by = order::any) const {
    ct_iter *made = nullptr;
    detail::check(ct_iter_new(native(), static_cast<std::int32_t>(by), &made));
    return items_range(made);
  }

  // ---- Snapshots

  /** Saves the entries in a file. */
  void save_file(const std::string &path) const {
    static_assert(!kByPointer, "cachetools: a snapshot of pointers would be of no use");
    detail::check(ct_snapshot_save_file(native(), path.c_str()));
  }
  /** Adds the entries of a file. aged: lifetimes have gone on since the save. */
  void load_file(const std::string &path, bool aged = false) {
    static_assert(!kByPointer, "cachetools: a snapshot of pointers would be of no use");
    auto call = enter();
    call.end(ct_snapshot_load_file_with(native(), path.c_str(), aged ? CT_SNAPSHOT_AGED : 0u));
  }
  /** Saves by write(std::string_view), which takes all of the bytes or throws. */
  template <class Write>
  void save(Write &&write) const {
    static_assert(!kByPointer, "cachetools: a snapshot of pointers would be of no use");
    auto call = enter();
    detail::call_writing(call, write, [this](ct_write_fn function, void *user_data) {
      return ct_snapshot_save(native(), function, user_data);
    });
  }
  /** Loads by read(char *buffer, std::size_t capacity), which returns how many bytes it brought, or
   *  throws; 0: the input ends here. */
  template <class Read>
  void load(Read &&read, bool aged = false) {
    static_assert(!kByPointer, "cachetools: a snapshot of pointers would be of no use");
    auto call = enter();
    auto state = std::pair<std::remove_reference_t<Read> *, std::exception_ptr *>(
        std::addressof(read), &call.thrown());
    call.end(ct_snapshot_load_with(
        native(),
        [](void *it, void *buffer, std::size_t capacity, std::size_t *got) noexcept {
          auto &[function, thrown] = *static_cast<decltype(state) *>(it);
          return detail::guarded(*thrown, detail::kThrew, [&, &f = *function] {
            *got = static_cast<std::size_t>(f(static_cast<char *>(buffer), capacity));
            return CT_OK;
          });
        },
        &state, aged ? CT_SNAPSHOT_AGED : 0u));
  }

  /** The cache itself, for what has no function here. It stays this object's. */
  ct_cache *native() const noexcept { return cache_.get(); }

 private:
  cache(ct_cache *made, std::shared_ptr<hooks> shared) noexcept
      : hooks_(std::move(shared)), cache_(made) {}

  static options_type simple(cachetools::policy policy, std::uint64_t maxsize) {
    options_type it;
    it.policy = policy;
    it.maxsize = maxsize;
    it.keep_nothing = maxsize == 0;
    return it;
  }

  static std::uint64_t limit(std::uint64_t maxsize, bool weighs) noexcept {
    return weighs && maxsize == unbounded ? unbounded - 1 : maxsize;
  }

  // Callbacks that may throw are there only if hooks_ is.
  detail::call::slot slot() const noexcept { return hooks_ == nullptr ? nullptr : hooks_->slot; }
  detail::call enter() const noexcept { return detail::call(slot()); }

  // What a compute returns; any pointer that becomes a shared_ptr does so.
  template <class Compute>
  using made_by =
      std::conditional_t<kByPointer, Value,
                         std::decay_t<decltype(detail::compute_by(
                             std::declval<Compute &>(), std::declval<typename held::maybe>(),
                             std::declval<entry &>()))>>;

  static ct_status hand_back(ct_result *to, const parcel &sent) {
    return ct_result_set(to, sent.data(), sent.size());
  }
  // Whether a value is the very pointer that was sent.
  static bool is_of(const parcel &sent, std::string_view bytes) {
    return !kByPointer || sent.bytes() == bytes;
  }

  // A weight beyond maxsize, and no other failure, is an ordinary outcome.
  ct_status store(key_argument key, argument given, const ct_entry_options *options) {
    const detail::parcel<Key> sought(key);
    parcel sent(given);
    auto call = enter();
    const ct_status status =
        ct_set_with(native(), sought.data(), sought.size(), sent.data(), sent.size(), options);
    if (status == CT_OK) sent.keep();
    call.end();
    detail::explain(status, native(), options, "");
    if (status != CT_ERR_TOO_LARGE) detail::check(status);
    return status;
  }

  using failures = std::conditional_t<kByPointer, detail::failures, detail::no_failures>;
  using interest = std::optional<typename failures::interest>;

  // Pointers: most calls wait for nobody, and have no interest in failures. Those that would wait
  // make their call once more.
  template <class Load>
  loaded load_one(key_argument key, std::string_view bytes, const ct_load_options *options,
                  Load &load) {
    interest own;
    if constexpr (kByPointer) {
      if (options == nullptr) {
        ct_load_options at_once = CT_LOAD_OPTIONS_INIT;
        at_once.timeout_ns = 1;
        if (auto found = try_to_load(key, bytes, &at_once, load, own, true)) return *found;
      }
      own.emplace(*failures_, bytes);
    }
    return *try_to_load(key, bytes, options, load, own, false);
  }

  // Returns nothing if the call waits at most for an instant, and that is over.
  template <class Load>
  std::optional<loaded> try_to_load(key_argument key, std::string_view bytes,
                                    const ct_load_options *options, Load &load, interest &own,
                                    bool at_once) {
    auto call = enter();
    struct state {
      cache &of;
      Load &load;
      const key_argument &key;
      std::string_view bytes;
      interest &own;
      std::optional<parcel> sent;
      std::exception_ptr thrown;
    } state{*this, load, key, bytes, own, std::nullopt, nullptr};
    value out;
    const ct_status status = ct_get_or_load_with(
        native(), bytes.data(), bytes.size(),
        [](void *user_data, const void *, std::size_t, ct_result *to) noexcept {
          auto &it = *static_cast<struct state *>(user_data);
          const ct_status answer = detail::guarded(it.thrown, detail::kThrew, [&] {
            entry special;
            const auto old = [to] {
              ct_bytes bytes_of_old;
              if (ct_result_old(to, &bytes_of_old) != CT_OK) return typename held::maybe{};
              return held::show_or_nothing(detail::view(bytes_of_old));
            };
            const loaded_by<Load, decltype(old)> made =
                detail::load_by(it.load, it.key, special, old);
            if (!special.not_modified && !detail::brought(made)) return CT_MISS;
            detail::set_entry(to, special);
            if (special.not_modified) {
              ct_result_not_modified(to);
              return CT_OK;
            }
            const auto &given = detail::brought_value<Value>(made);
            it.sent.emplace(given);
            return hand_back(to, *it.sent);
          });
          if (!it.thrown) return answer;
          return it.of.share(it.thrown, it.own, it.bytes);
        },
        &state, options, out.out());
    if (state.sent && out && is_of(*state.sent, out.view())) state.sent->keep();
    if (state.thrown && !out) std::rethrow_exception(state.thrown);
    if (at_once && status == CT_BUSY) return std::nullopt;
    rethrow(own, status);
    if (call.end(status) == CT_BUSY) detail::fail(status);
    return loaded{held::take(std::move(out)), status == CT_STALE, state.thrown};
  }

  // What a loader returns; any pointer that becomes a shared_ptr does so.
  template <class Load, class Old>
  using loaded_by = std::conditional_t<kByPointer, Value,
                                       std::decay_t<decltype(detail::load_by(
                                           std::declval<Load &>(), std::declval<key_argument>(),
                                           std::declval<entry &>(), std::declval<const Old &>()))>>;

  // Returns the status by which a loader that threw fails those who wait.
  ct_status share(const std::exception_ptr &thrown, interest &own,
                  std::string_view bytes) noexcept {
    const ct_status status = detail::failure_of(thrown);
    if constexpr (kByPointer) {
      if (status == CT_BUSY || status == CT_ERR_RECURSION) return status;
      std::exception_ptr forgotten;  // for want of memory
      return detail::guarded(forgotten, status, [&] {
        if (!own) own.emplace(*failures_, bytes);
        return own->keep(thrown);
      });
    } else {
      return (void)own, (void)bytes, status;
    }
  }
  // Throws what the load that was waited for threw.
  static void rethrow(const interest &own, ct_status status) {
    if constexpr (kByPointer) {
      const std::exception_ptr thrown = own ? own->find(status) : nullptr;
      if (thrown) std::rethrow_exception(thrown);
    } else {
      (void)own, (void)status;
    }
  }

  static offer offered(ct_status status, value out, detail::lease_owner lease,
                       const ct_cache *cache, detail::call::slot slot) {
    detail::check(status);
    return {held::take(std::move(out)), {std::move(lease), cache, slot}, status == CT_STALE};
  }

  template <class Keys>
  static std::vector<std::string> encoded(const Keys &keys) {
    std::vector<std::string> all;
    for (const auto &key : keys) all.emplace_back(detail::parcel<Key>(key).bytes());
    return all;
  }

  template <class Load>
  std::vector<loaded> load_many(const std::vector<std::string> &keys,
                                const ct_load_options *options, Load &load) {
    using batch_of = batch<Key, Value>;
    struct state {
      cache &of;
      Load &load;
      std::unordered_map<std::string, std::exception_ptr> thrown;
      std::unordered_map<std::string_view, interest> own;
      std::deque<std::unique_ptr<batch_of>> batches;  // until it is known what the library took

      void fail(std::string_view key, const std::exception_ptr &why, ct_result *to) {
        thrown[std::string(key)] = why;
        interest none;
        const auto at = own.find(key);
        ct_result_fail(to, of.share(why, at == own.end() ? none : at->second, key));
      }
    } state{*this, load, {}, {}, {}};
    std::string bytes;
    std::vector<std::size_t> ends;
    for (const std::string &key : keys) {
      ends.push_back((bytes += key).size());
      if constexpr (kByPointer) {
        interest &own = state.own[key];
        if (!own) own.emplace(*failures_, key);
      }
    }
    std::vector<ct_value> values(keys.size(), CT_VALUE_INIT);
    std::vector<ct_status> statuses(keys.size());
    std::vector<value> owners(keys.size());
    std::vector<loaded> found(keys.size());
    std::vector<std::string_view> taken(keys.size());
    auto call = enter();
    const ct_status status = ct_get_or_load_many(
        native(), bytes.data(), ends.data(), keys.size(),
        [](void *user_data, const ct_bytes *asked, std::size_t count,
           ct_result *const *to) noexcept {
          auto &it = *static_cast<struct state *>(user_data);
          std::exception_ptr thrown;
          const ct_status answer = detail::guarded(thrown, detail::kThrew, [&] {
            it.batches.emplace_back(new batch_of(count));
            batch_of &those = *it.batches.back();
            for (std::size_t i = 0; i < count; i++) {
              those.items_[i].key = detail::view(asked[i]);
              those.items_[i].to = to[i];
            }
            it.load(those);
            for (const auto &one : those.items_)
              if (one.thrown) it.fail(one.key, one.thrown, one.to);
            return CT_OK;
          });
          if (!thrown) return answer;
          std::exception_ptr forgotten;
          detail::guarded(forgotten, false, [&] {
            for (std::size_t i = 0; i < count; i++) it.fail(detail::view(asked[i]), thrown, to[i]);
            return true;
          });
          return forgotten ? detail::failure_of(thrown) : CT_OK;
        },
        &state, options, values.data(), statuses.data());
    for (std::size_t i = 0; i < keys.size(); i++) {
      owners[i] = value(values[i]);
      taken[i] = owners[i].view();
    }
    std::sort(taken.begin(), taken.end());
    for (const auto &those : state.batches)
      for (auto &one : those->items_)
        if (one.sent && std::binary_search(taken.begin(), taken.end(), one.sent->bytes()))
          one.sent->keep();
    call.end(status);
    for (std::size_t i = 0; i < keys.size(); i++) {
      const auto thrown = state.thrown.find(keys[i]);
      found[i].stale = statuses[i] == CT_STALE;
      if (thrown != state.thrown.end()) found[i].failure = thrown->second;
      detail::guarded(found[i].failure, false, [&] {
        if constexpr (kByPointer) rethrow(state.own[keys[i]], statuses[i]);
        if (detail::check(statuses[i]) == CT_BUSY) detail::fail(CT_BUSY);
        found[i].value = held::take(std::move(owners[i]));
        return true;
      });
    }
    return found;
  }

  // Callbacks outlive the cache.
  std::shared_ptr<hooks> hooks_;  // a copy shares them
  std::unique_ptr<failures> failures_;
  std::unique_ptr<ct_cache, detail::free_cache> cache_;
};

// ---- memo --------------------------------------------------------------------------------------

namespace detail {

// An argument as an element of a key.
template <class T>
using key_element =
    std::conditional_t<std::is_same_v<T, double> || std::is_same_v<T, float>, real, T>;

}  // namespace detail

template <class Signature>
class memo;

/**
 * A function that remembers its results: a cache whose keys are tuples of arguments. However many
 * threads ask for a result at once, one computes it. What the function throws goes to its caller,
 * and is not remembered. Arguments of float and double are keys as real.
 *
 *     cachetools::memo<double(int, std::string)> rate(
 *         1000, [](int day, const std::string &currency) { return look_up(day, currency); });
 *     std::cout << rate(20, "EUR");
 */
template <class R, class... Args>
class memo<R(Args...)> {
 public:
  using key_type = std::tuple<detail::key_element<std::decay_t<Args>>...>;
  using cache_type = cache<key_type, R>;
  using options_type = typename cache_type::options_type;

  /** The function is called by several threads at once, if several ask. Besides the arguments it
   *  may take an entry &, to give its result a lifetime, a weight or tags. */
  template <class Function>
  memo(options_type given, Function function)
      : function_(with_entry(std::move(function))), results_(std::move(given)) {}
  /** Remembers the results last used. */
  template <class Function>
  memo(std::uint64_t maxsize, Function function)
      : function_(with_entry(std::move(function))), results_(policy::lru, maxsize) {}

  /** The result that is remembered, else what the function returns; a null pointer is not kept. */
  R operator()(const std::decay_t<Args> &...args) {
    auto found = results_.get_or_load(key_type(args...), [&](const auto &, entry &special) {
      return function_(args..., special);
    });
    if constexpr (detail::held<R>::by_pointer)
      return found;
    else
      return std::move(*found);
  }
  /** Forgets one result. Returns whether there was one. */
  bool invalidate(const std::decay_t<Args> &...args) { return results_.erase(key_type(args...)); }
  /** The results: to count, clear, resize or save them. */
  cache_type &results() noexcept { return results_; }

 private:
  static_assert(!std::is_same_v<R, std::string_view>, "cachetools: remember a std::string");
  using function_type = callback<R(const std::decay_t<Args> &..., entry &)>;
  template <class Function>
  static function_type with_entry(Function &&function) {
    if constexpr (std::is_invocable_v<Function &, const std::decay_t<Args> &...>)
      return [plain = std::forward<Function>(function)](const std::decay_t<Args> &...args,
                                                        entry &) mutable { return plain(args...); };
    else
      return std::forward<Function>(function);
  }

  function_type function_;
  cache_type results_;
};

// ---- Statistics for Prometheus -----------------------------------------------------------------

/** Writes the statistics of caches, each under a name, as text for Prometheus: see ct_stats_write.
 *  write(std::string_view) takes all of the bytes or throws.
 *
 *      cachetools::write_stats({{"users", users.native()}, {"pages", pages.native()}}, write); */
template <class Write>
void write_stats(const std::vector<std::pair<std::string, ct_cache *>> &caches, Write &&write) {
  std::vector<ct_cache *> handles;
  std::vector<const char *> names;
  for (const auto &[name, cache] : caches) {
    handles.push_back(cache);
    names.push_back(name.c_str());
  }
  detail::call call(nullptr);
  detail::call_writing(call, write, [&](ct_write_fn function, void *user_data) {
    return ct_stats_write(handles.data(), names.data(), handles.size(), function, user_data);
  });
}

}  // namespace cachetools

#endif  // CACHETOOLS_HPP
