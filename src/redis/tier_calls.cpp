// SPDX-License-Identifier: MIT
// Opening and closing, and the calls that read and write.
#include <sys/random.h>
#include <unistd.h>

#include "redis/tier.hpp"

namespace ct::redis {

namespace {

#ifdef CT_REDIS_NAIVE
constexpr bool kNaive = true;
#else
constexpr bool kNaive = false;
#endif

uint64_t dead_on_arrival(void *, const void *, size_t, const void *, size_t, uint64_t) { return 0; }

}  // namespace

Tier::~Tier() {
  ct_cache_free(loose_);
  ct_cache_free(debts_);
}

ct_status Tier::open(const Outlet &outlet) {
  outlet_ = outlet;
  near_ = settings_.near;
  pid_ = getpid();
  lag_ = coarse_lag();
  uint64_t random[3];
  if (getrandom(random, sizeof random, 0) != sizeof random) return CT_ERR_IO;
  id_ = random[0];
  next_lease_ = random[1];
  random_ = random[2];
  debts_ = ct_cache_new(CT_POLICY_FIFO, CT_UNBOUNDED);
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 1;
  options.ttu = dead_on_arrival;
  if (debts_ == nullptr || ct_cache_new_with(&options, &loose_) != CT_OK) return CT_ERR_NOMEM;
  ct_clear(settings_.near);
  return CT_OK;
}

// For calls that may have to wait for the server.
ct_status Tier::check_thread() const {
  if (getpid() != pid_) return CT_ERR_UNSUPPORTED;
  return serves_here() ? CT_ERR_RECURSION : CT_OK;
}

// Waits until near may be looked into. That is so if the gate is open; or if a ping that was sent
// during this call is answered, even if the gate has shut again since; or, which is kOffline, if the
// server cannot be reached: then near has forgotten what it had. CT_ERR_IO says that the time was over
// before any of these was known.
ct_status Tier::view(uint64_t deadline, View *out) {
  *out = View::kOnline;
  while (!gate_is_open()) {
    {
      Locker locker(lock_);
      if (!wait(locker, changed_, deadline, [&] { return state_ != State::kLost; })) break;
      if (state_ == State::kOffline) {
        *out = View::kOffline;
        return CT_OK;
      }
    }
    Request *request = make(Request::Kind::kPing, {"", 0});
    if (request == nullptr) return CT_ERR_NOMEM;
    ct_status status = submit(*request);
    if (status == CT_OK) status = await(*request, deadline);
    const bool lost = status != CT_PENDING && request->lost;  // else it is of the I/O role
    leave(request);
    if (!lost) return status == CT_PENDING ? CT_ERR_IO : status;
  }
  return gate_is_open() ? CT_OK : CT_ERR_IO;
}

// ---- Reading -------------------------------------------------------------------------------------

// Looks into near, and returns CT_PENDING and the request if the server must be asked. With a lease of
// near, what the server has is kept; without one, as another load of the key runs, it is not.
ct_status Tier::begin_get(Bytes key, ct_value *out, Request **request) {
  ct_lease *lease = nullptr;
  const ct_status status =
      kNaive ? ct_get(settings_.near, key.data, key.size, out)
             : ct_get_or_lease(settings_.near, key.data, key.size, 0, out, &lease);
  if (status == CT_OK || status < 0 || (status == CT_MISS && !kNaive)) return status;
  // A value past its lifetime is for loading calls alone.
  if (out != nullptr) ct_value_release(out);
  *request = make(Request::Kind::kGet, key);
  if (*request == nullptr) {
    ct_lease_abandon(lease);
    return CT_ERR_NOMEM;
  }
  (*request)->lease = lease;
  return CT_PENDING;
}

// The status is that of submit, then that of await.
ct_status Tier::end_get(Request *request, ct_status status, ct_value *out) {
  if (status == CT_PENDING) status = CT_ERR_IO;
  if (status == CT_OK) {
    const bool found = request->found == Content::Form::kValue;
    if (!found) status = CT_MISS;
    if (kNaive && found) {
      ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
      options.flags = CT_ENTRY_DEADLINE;
      options.deadline = request->deadline;
      const Bytes key = request->key();
      ct_set_with(settings_.near, key.data, key.size, request->out.data, request->out.size,
                  &options);
    }
    if (found && out != nullptr) {
      *out = request->out;
      request->out = ct_value CT_VALUE_INIT;
    }
  }
  leave(request);
  return status;
}

// After near was found not to have it, or not to be relied on.
ct_status Tier::get(Bytes key, ct_value *out) {
  ct_status status = check_thread();
  if (status != CT_OK) return status;
  const uint64_t deadline = later(exact_now(), settings_.timeout);
  View seen;
  status = view(deadline, &seen);
  if (status != CT_OK) return status;
  if (seen == View::kOffline) return get_offline(key, out);
  Request *request = nullptr;
  status = begin_get(key, out, &request);
  if (request == nullptr) return status;
  status = submit(*request);
  if (status == CT_OK) status = await(*request, deadline);
  return end_get(request, status, out);
}

// What is near was loaded since the connection was lost.
ct_status Tier::get_offline(Bytes key, ct_value *out) {
  const ct_status status = ct_get(settings_.near, key.data, key.size, out);
  return status == CT_MISS ? CT_ERR_IO : status;
}

// As get.
ct_status Tier::get_copy(Bytes key, void *buffer, size_t capacity, size_t *size) {
  ct_value value = CT_VALUE_INIT;
  ct_status status = get(key, &value);
  if (status == CT_OK) {
    if (size != nullptr) *size = value.size;
    if (value.size > capacity) {
      status = CT_ERR_BUFFER;
    } else if (value.size > 0) {
      std::memcpy(buffer, value.data, value.size);
    }
  }
  ct_value_release(&value);
  return status;
}

ct_status Tier::get_many(const ct_bytes *keys, size_t count, ct_value *values,
                         ct_status *statuses) {
  ct_status status = check_thread();
  if (status != CT_OK) return status;
  const uint64_t deadline = later(exact_now(), settings_.timeout);
  View seen;
  status = view(deadline, &seen);
  if (status == CT_ERR_IO || status == CT_BUSY) {  // what each get would return
    for (size_t i = 0; i < count; i++) statuses[i] = status;
    return CT_OK;
  }
  if (status != CT_OK) return status;
  auto **requests = static_cast<Request **>(std::calloc(count == 0 ? 1 : count, sizeof(Request *)));
  if (requests == nullptr) return CT_ERR_NOMEM;
  for (size_t i = 0; i < count; i++) {
    const Bytes key = {static_cast<const char *>(keys[i].data), keys[i].size};
    if (seen == View::kOffline) {
      statuses[i] = get_offline(key, &values[i]);
      continue;
    }
    statuses[i] = begin_get(key, &values[i], &requests[i]);
  }
  {
    Locker locker(lock_);
    for (size_t i = 0; i < count; i++) {
      if (requests[i] != nullptr) statuses[i] = submit_locked(*requests[i]);
    }
    outlet_.flush(outlet_.self, locker);
  }
  for (size_t i = 0; i < count; i++) {
    Request *request = requests[i];
    if (request == nullptr) continue;
    if (statuses[i] == CT_OK) statuses[i] = await(*request, deadline);
    statuses[i] = end_get(request, statuses[i], &values[i]);
  }
  std::free(requests);
  return CT_OK;
}

// ---- Writing -------------------------------------------------------------------------------------

// 0 stands for the tier's own lifetime, less the jitter of near.
uint64_t Tier::lifetime_of(uint64_t ttl) {
  if (ttl != 0) return ttl;
  ttl = settings_.ttl;
  const uint64_t jitter = settings_.near_options.jitter;
  if (ttl == CT_NEVER || jitter == 0 || jitter >= ttl) return ttl;
  // SplitMix64.
  uint64_t z = random_.fetch_add(0x9e3779b97f4a7c15u, std::memory_order_relaxed);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return ttl - (z ^ (z >> 31)) % (jitter + 1);
}

// With stale, the server keeps a value for that much longer. Otherwise it would push the end of the
// value's lifetime as a deletion, which would take it from near as well.
uint32_t Tier::grace_of(uint64_t lifetime) const {
  const uint64_t stale = settings_.near_options.stale;
  if (lifetime == CT_NEVER || stale == 0 || settings_.is_raw) return 0;
  return static_cast<uint32_t>(earlier(milliseconds(stale), UINT32_MAX));
}

// Consumes the request.
ct_status Tier::write_through(Request *request) {
  if (request == nullptr) return CT_ERR_NOMEM;
  const Bytes key = request->key();
  ct_status status = submit(*request);
  const bool was_sent = status == CT_OK;
  if (was_sent) status = await(*request, later(exact_now(), settings_.timeout));
  // Without an answer nobody knows what the server has. A late one is still applied in its turn.
  const bool is_unknown = status == CT_PENDING || request->lost;
  if (is_unknown) ct_delete(settings_.near, key.data, key.size);
  if (!was_sent) tell_of_overflow(*request);
  if (status == CT_PENDING) status = CT_ERR_IO;
  leave(request);
  return status;
}

ct_status Tier::set(Bytes key, Bytes value, uint64_t ttl) {
  const ct_status status = check_thread();
  if (status != CT_OK) return status;
  if (value.size > settings_.max_value) return CT_ERR_TOO_LARGE;
  Request *request = make(Request::Kind::kSet, key);
  if (request == nullptr) return CT_ERR_NOMEM;
  request->value = value;
  request->lifetime = lifetime_of(ttl);
  request->grace_ms = grace_of(request->lifetime);
  if (!kNaive) return write_through(request);
  const ct_status written = write_through(request);
  if (written == CT_OK) ct_set(settings_.near, key.data, key.size, value.data, value.size);
  return written;
}

ct_status Tier::remove(Bytes key) {
  const ct_status status = check_thread();
  return status != CT_OK ? status : write_through(make(Request::Kind::kDelete, key));
}

// ---- Waiting -------------------------------------------------------------------------------------

ct_status Tier::sync() {
  const ct_status checked = check_thread();
  if (checked != CT_OK) return checked;
  Request *request = make(Request::Kind::kPing, {"", 0});
  if (request == nullptr) return CT_ERR_NOMEM;
  ct_status status = submit(*request);
  if (status == CT_OK) status = await(*request, later(exact_now(), settings_.timeout));
  leave(request);
  return status == CT_PENDING ? CT_ERR_IO : status;
}

ct_status Tier::wait_until_online(uint64_t wait_ns) {
  const ct_status status = check_thread();
  if (status != CT_OK) return status;
  const uint64_t deadline = wait_ns == CT_NEVER ? CT_NEVER : later(exact_now(), wait_ns);
  Locker locker(lock_);
  return wait(locker, changed_, deadline, [&] { return is_open_; }) ? CT_OK : CT_BUSY;
}

ct_status Tier::step() {
  if (settings_.has_thread) return CT_ERR_UNSUPPORTED;
  const ct_status status = check_thread();
  if (status != CT_OK) return status;
  Locker locker(lock_);
  if (server_.load(std::memory_order_relaxed) != 0) return CT_BUSY;
  server_ = pthread_self();
  locker.unlock();
  outlet_.serve(outlet_.self, 0);
  locker.lock();
  server_ = 0;
  turn_.tell_all();
  return CT_OK;
}

void Tier::add_stats(ct_redis_counters *out) {
  const auto read = [](const std::atomic<uint64_t> &counter) {
    return counter.load(std::memory_order_relaxed);
  };
  out->server_hits = read(counts_.server_hits);
  out->server_misses = read(counts_.server_misses);
  out->loads = read(counts_.loads);
  out->fills = read(counts_.fills);
  out->fills_refused = read(counts_.fills_refused);
  out->unkept_loads = read(counts_.unkept_loads);
  out->offline_loads = read(counts_.offline_loads);
  out->lease_waits = read(counts_.lease_waits);
  out->writes = read(counts_.writes);
  out->invalidations = read(counts_.invalidations);
  out->flushes = read(counts_.flushes);
  out->connects = read(counts_.connects);
  out->disconnects = read(counts_.disconnects);
  out->timeouts = read(counts_.timeouts);
  out->unknown_trailers = read(counts_.unknown_trailers);
  out->overflows = read(counts_.overflows);
  out->remembered = ct_len(debts_);
  Locker locker(lock_);
  out->pending_bytes = output_.size() + taken_;
  out->online = is_open_ ? 1 : 0;
  const uint64_t proof = last_proof_;
  const uint64_t now = exact_now();
  out->proof_age_ns = !is_open_ ? CT_NEVER : now > proof ? now - proof : 0;
}

}  // namespace ct::redis
