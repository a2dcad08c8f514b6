// SPDX-License-Identifier: MIT
// The rules of a tier, apart from sockets: what is asked of the server, and what is done to the near
// cache by what the server says, so that near never shows for longer than max_stale what the server
// no longer has. Whoever moves the bytes (Link, or a test) calls connected, received, tick and lost.
//
// Three rules keep near equal to the server:
//
// 1. A flight (a lease of the near cache, or a ct_get_or_load that runs) exists before GET is sent.
//    A push of the key deletes it in near, which overtakes the flight: what GET brought is not kept.
// 2. What our own writes do to near is done when their replies are read, in the order of the wire.
//    The server does not push them to us (NOLOOP). That includes the lease that a load takes: if
//    another's write came just before it, the push of that one is left out, too. See took_lease.
// 3. Every command goes over the one connection.
//
// The gate. A reply that was processed proves that near shows all writes acknowledged before its
// request was sent, because the server's pushes come before its later replies. open_until_ is the
// last proof + max_stale. A call that finds the gate shut asks for a new proof (a ping) before it
// looks into near.
//
// The I/O role belongs to one thread at a time: the tier's own, or, without one, to whichever call
// waits or steps. Only it calls connected, received, tick, lost and what they call; it alone uses
// reader_, and writes open_until_, opened_ and the times of the connection. So what the server says
// is applied one after the other.
//
// lock_ guards what its comment says. No callback runs and near is not called while it is held; the
// one thing that is called is debts_, a cache without callbacks that nobody else knows of. Lock
// order: lock_, then a lock of debts_.
//
// Loss of the connection. First the gate is shut, and kLost makes calls wait. Then near is made to
// forget (forget_near): every entry is past its lifetime, every flight overtaken. Then kOffline lets
// calls in: whatever is near now was loaded since. At the next connection, kOnline is set before near
// forgets again: a flight that began earlier is overtaken, and one that begins later finds kOnline.
#ifndef CT_REDIS_TIER_HPP
#define CT_REDIS_TIER_HPP

#include <sys/types.h>

#include <atomic>

#include "redis/command.hpp"
#include "redis/interest.hpp"
#include "redis/reader.hpp"
#include "redis/request.hpp"
#include "redis/settings.hpp"

namespace ct::redis {

// How the tier reaches whoever moves its bytes.
struct Outlet {
  void *self;
  // There is output. Called with the lock held, which it may release and take again.
  void (*flush)(void *self, Locker &locker);
  // Without a thread: serves the connection, waiting for it until the deadline at most.
  void (*serve)(void *self, uint64_t deadline);
};

class LoadCall;

class Tier {
 public:
  Tier() : reader_(events()) {}
  Tier(const Tier &) = delete;
  Tier &operator=(const Tier &) = delete;
  ~Tier();

  Settings &settings() { return settings_; }
  const Settings &settings() const { return settings_; }
  // After the settings were read. Clears near.
  ct_status open(const Outlet &outlet);

  // ---- Calls, on any thread (tier_calls.cpp, tier_load.cpp) ---------------------------------------
  bool gate_is_open(const CoarseTime &now = CoarseTime()) const {
    return now.ns() <= open_until_.load(std::memory_order_acquire);
  }
  ct_cache *near() const { return near_; }
  ct_status get(Bytes key, ct_value *out);
  ct_status get_copy(Bytes key, void *buffer, size_t capacity, size_t *size);
  ct_status get_many(const ct_bytes *keys, size_t count, ct_value *values, ct_status *statuses);
  ct_status get_or_load(Bytes key, uint64_t ttl, ct_loader_fn load, void *user_data, ct_value *out);
  ct_status set(Bytes key, Bytes value, uint64_t ttl);
  ct_status remove(Bytes key);
  ct_status sync();
  ct_status wait_until_online(uint64_t wait_ns);
  ct_status step();
  void add_stats(ct_redis_counters *out);

  // ---- The I/O role ---------------------------------------------------------------------------
  // A connection is there: what it begins with is put into the output. Returns false without memory.
  bool connected();
  // Returns false if the connection must be closed; then why() says why.
  bool received(Bytes bytes);
  // The server's system takes what was sent to it.
  void saw_life() { alive_at_ = exact_now(); }
  // What has to be done by now. Returns when to call again, or 0 if the connection must be closed.
  uint64_t tick();
  // The connection is gone, and nobody sends any more.
  void lost();
  // There was none.
  void unreachable(Bytes text);
  Bytes why() const { return why_.bytes(); }
  // Online, and what was written before is made good.
  bool is_settled() const { return opened_ && ct_len(debts_) == 0; }
  void say_why(Bytes text);

  // Whether this thread has the I/O role, in which nothing can be waited for.
  bool serves_here() const { return server_.load(std::memory_order_relaxed) == pthread_self(); }
  // The tier's own thread has it as long as it lives.
  void serve_here() { server_ = pthread_self(); }

  // ---- Output, guarded by lock() ---------------------------------------------------------------
  Mutex &lock() { return lock_; }
  Buffer &output() { return output_; }
  // Bytes that were taken from the output and are not sent yet.
  void set_taken(size_t size) { taken_ = size; }

 private:
  friend class LoadCall;
  enum class State : uint8_t { kOffline, kOnline, kLost };
  // What a call may rely on.
  enum class View : uint8_t { kOnline, kOffline };

  static constexpr uint64_t kMostDebts = 10000;

  ReaderEvents events();

  // tier_io.cpp
  bool replied(const Reply &reply);
  bool apply(Request &request, const Reply &reply);
  uint32_t step_of(const Request &request) const;
  bool fits(const Request &request, const Reply &reply) const;
  bool apply_handshake(Request &request, const Reply &reply);
  void apply_lookup(Request &request, const Reply &reply);
  void apply_found(Request &request, Bytes stored);
  void apply_lease(Request &request, const Reply &reply);
  void apply_set(Request &request, const Reply &reply);
  void apply_delete(Request &request, const Reply &reply);
  void apply_fill(Request &request, const Reply &reply);
  void note_error(Request &request, Bytes error);
  void keep(Request &request, Bytes payload);
  void took_lease(Request &request);
  void written(Bytes key);
  void finish(Request &request);
  void invalidated(Bytes stored_key);
  void invalidated_all();
  void go_online(Request &tracking);
  void append_debts();
  void forget_near();
  void prove(uint64_t sent_at);
  bool ask(Request::Kind kind);
  void note_ifeq(const Reply &reply);

  // tier_send.cpp
  Request *make(Request::Kind kind, Bytes key) {
    return Request::make(kind, settings_.prefix.bytes(), key);
  }
  bool write(Request &request);
  void write_set(CommandWriter &out, const Request &request, Bytes tail);
  void write_fill(CommandWriter &out, const Request &request, Bytes tail);
  void write_handshake(CommandWriter &out, const Request &request);
  ct_status submit(Request &request);
  ct_status submit_locked(Request &request);
  ct_status await(Request &request, uint64_t deadline);
  ct_lease *take_lease(Request &request);
  void leave(Request *request);
  void release_lease(Bytes key, Bytes expected);
  bool remember(Bytes key);
  void tell_of_overflow(const Request &request);
  template <class Done>
  bool wait(Locker &locker, Condition &condition, uint64_t deadline, Done done);
  void tell(Condition &condition);

  // tier_calls.cpp
  ct_status check_thread() const;
  ct_status view(uint64_t deadline, View *out);
  ct_status get_offline(Bytes key, ct_value *out);
  ct_status begin_get(Bytes key, ct_value *out, Request **request);
  ct_status end_get(Request *request, ct_status status, ct_value *out);
  ct_status write_through(Request *request);
  uint64_t lifetime_of(uint64_t ttl);
  uint32_t grace_of(uint64_t lifetime) const;
  // The end of a lifetime by near's clock, which may be behind: so that nothing lives too long.
  uint64_t deadline_after(uint64_t from, uint64_t lifetime) const {
    if (lifetime == CT_NEVER) return CT_NEVER;
    return lifetime <= lag_ ? from : later(from, lifetime - lag_);
  }
  uint64_t near_deadline(uint64_t from, uint64_t lifetime) const {
    return deadline_after(from, earlier(lifetime, settings_.near_ttl));
  }

  void tell_listener(ct_redis_event_kind kind, Bytes key, Bytes text);
  void count(std::atomic<uint64_t> &counter, uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
  }

  // What a hit reads, on a cache line that only the I/O role writes, a few times in max_stale.
  alignas(64) std::atomic<uint64_t> open_until_{0};
  ct_cache *near_ = nullptr;  // that of the settings

  // ---- Constant since open ---------------------------------------------------------------------
  alignas(64) Settings settings_;
  Outlet outlet_ = {};
  pid_t pid_ = 0;
  uint64_t lag_ = 0;           // of the coarse clock
  uint64_t id_ = 0;            // random: tells our leases from those of others
  ct_cache *loose_ = nullptr;  // keeps nothing: makes values that are not to be kept
  ct_cache *debts_ = nullptr;  // keys to be deleted on the server

  // ---- Guarded by lock_ ------------------------------------------------------------------------
  Mutex lock_;
  State state_ = State::kOffline;
  bool has_ifeq_ = false;
  bool is_open_ = false;  // online, and the gate was opened
  Buffer output_;         // to be sent
  size_t taken_ = 0;
  RequestQueue queue_;  // sent or to be sent, not answered
  InterestTable interests_;
  Condition changed_;  // state_, is_open_
  Condition turn_;     // without a thread: the I/O role is free, or something was done

  // ---- Of the I/O role -------------------------------------------------------------------------
  Reader reader_;
  bool opened_ = false;      // the gate
  bool must_close_ = false;  // what is left to read will be read first
  uint64_t alive_at_ = 0;    // the last sign of life: a byte, or what saw_life says
  uint64_t pinged_at_ = 0;
  bool knows_ifeq_ = true;  // whether has_ifeq_ is what the server said
  Buffer why_;

  // Who has the I/O role; 0: nobody. Each thread writes its own id and 0 only, with lock_ held.
  std::atomic<pthread_t> server_{0};
  std::atomic<uint64_t> last_proof_{0};  // written by the I/O role

  std::atomic<uint64_t> next_lease_{0};
  std::atomic<uint64_t> random_{0};
  struct {
    std::atomic<uint64_t> server_hits{0}, server_misses{0}, loads{0}, fills{0}, fills_refused{0},
        unkept_loads{0}, offline_loads{0}, lease_waits{0}, writes{0}, invalidations{0}, flushes{0},
        connects{0}, disconnects{0}, timeouts{0}, unknown_trailers{0}, overflows{0};
  } counts_;
};

// ---- Waiting -------------------------------------------------------------------------------------

inline void Tier::tell(Condition &condition) {
  condition.tell_all();
  if (!settings_.has_thread) turn_.tell_all();
}

// Waits until done() or the deadline. Without a thread of the tier's own, one of those who wait has
// the I/O role. Returns done().
template <class Done>
bool Tier::wait(Locker &locker, Condition &condition, uint64_t deadline, Done done) {
  while (!done()) {
    if (exact_now() >= deadline) return false;
    if (settings_.has_thread) {
      condition.wait(locker, deadline);
    } else if (server_.load(std::memory_order_relaxed) != 0) {
      turn_.wait(locker, deadline);
    } else {
      server_ = pthread_self();
      locker.unlock();
      outlet_.serve(outlet_.self, deadline);
      locker.lock();
      server_ = 0;
      turn_.tell_all();
    }
  }
  return true;
}

}  // namespace ct::redis

#endif
