// SPDX-License-Identifier: MIT
// What is done by what the server says. All of this runs in the I/O role.
#include "redis/tier.hpp"

namespace ct::redis {

namespace {

// What the tests of consistency must find to be wrong: near is filled by whoever asked, when it wakes
// up, and no flight is there to be overtaken.
#ifdef CT_REDIS_NAIVE
constexpr bool kNaive = true;
#else
constexpr bool kNaive = false;
#endif

bool is_error(const Reply &reply) { return reply.kind == Reply::Kind::kError; }

// The server does not do its work at present: another one may, or this one later.
bool means_gone(Bytes error) {
  return begins_with(error, text("READONLY")) || begins_with(error, text("LOADING")) ||
         begins_with(error, text("MASTERDOWN"));
}

ct_status status_of(Bytes error) {
  if (begins_with(error, text("OOM"))) return CT_ERR_NOMEM;
  for (const Bytes word :
       {text("WRONGTYPE"), text("NOPERM"), text("MOVED"), text("ASK"), text("CROSSSLOT")}) {
    if (begins_with(error, word)) return CT_ERR_UNSUPPORTED;
  }
  return CT_ERR_IO;
}

// What is left, by what PTTL said: -2 that there is no such key, -1 that it has no deadline.
uint64_t lifetime_of_pttl(int64_t pttl, uint64_t grace_ms) {
  if (pttl == -1) return CT_NEVER;
  const auto ms = static_cast<uint64_t>(pttl < 0 ? 0 : pttl);
  if (ms <= grace_ms) return 0;
  return from_milliseconds(ms - grace_ms);
}

struct Forgetting {
  ct_cache *near;
  bool was_called;
};

// Lets an entry be past its lifetime as soon as near's clock has moved on: 0 would remove it. Returns
// whether it must go because that could not be.
bool expire(void *user_data, const void *key, size_t key_size, const void *, size_t) {
  auto *forgetting = static_cast<Forgetting *>(user_data);
  forgetting->was_called = true;
  return ct_set_lifetime(forgetting->near, key, key_size, 1) < 0;
}

}  // namespace

ReaderEvents Tier::events() {
  return {this,
          [](void *self, const Reply &reply) { return static_cast<Tier *>(self)->replied(reply); },
          [](void *self, Bytes key) { static_cast<Tier *>(self)->invalidated(key); },
          [](void *self) { static_cast<Tier *>(self)->invalidated_all(); }};
}

// ---- The connection ------------------------------------------------------------------------------

void Tier::say_why(Bytes text) {
  constexpr size_t kEnough = 256;
  (void)why_.assign({text.data, text.size < kEnough ? text.size : kEnough});
}

bool Tier::connected() {
  why_.truncate(0);
  must_close_ = false;
  alive_at_ = exact_now();
  if (!reader_.open()) return false;
  using Kind = Request::Kind;
  for (const Kind kind :
       {Kind::kHello, Kind::kSelect, Kind::kName, Kind::kTracking, Kind::kProbe}) {
    if (kind == Kind::kSelect && settings_.url.db == 0) continue;
    if (!ask(kind)) return false;
  }
  return true;
}

bool Tier::received(Bytes bytes) {
  alive_at_ = exact_now();
  if (!reader_.read(bytes)) {
    if (why_.size() == 0) say_why(text("the server does not speak the protocol"));
    return false;
  }
  return !must_close_;
}

uint64_t Tier::tick() {
  const uint64_t now = exact_now();
  uint64_t next = CT_NEVER;
  if (opened_) {
    // Also while other answers come: reads alone would not tell of a server that is read-only.
    uint64_t due = later(pinged_at_, settings_.max_stale / 4);
    if (now >= due) {
      pinged_at_ = now;
      // Without memory the gate shuts by itself, and this is tried again.
      (void)ask(Request::Kind::kPing);
      if (!knows_ifeq_) (void)ask(Request::Kind::kProbe);
      due = later(now, settings_.max_stale / 4);
    }
    next = due;
  }
  uint64_t asked_at = CT_NEVER;
  {
    Locker locker(lock_);
    if (!queue_.empty()) asked_at = queue_.first()->sent_at;
  }
  if (asked_at == CT_NEVER) return next;
  const uint64_t since = asked_at > alive_at_ ? asked_at : alive_at_;
  const uint64_t limit = later(since, opened_ ? settings_.max_stale : settings_.timeout);
  if (now < limit) return earlier(next, limit);
  say_why(text("the server does not answer"));
  return 0;
}

// For the tier itself. Returns false without memory.
bool Tier::ask(Request::Kind kind) {
  Request *request = make(kind, {"", 0});
  if (request == nullptr) return false;
  bool written;
  {
    Locker locker(lock_);
    request->sent_at = exact_now();
    written = write(*request);
  }
  leave(request);
  return written;
}

void Tier::lost() {
  open_until_.store(0, std::memory_order_release);
  opened_ = false;
  reader_.close();
  RequestQueue gone;
  bool was_online;
  {
    Locker locker(lock_);
    was_online = state_ == State::kOnline;
    if (was_online) state_ = State::kLost;
    is_open_ = false;
    output_.clear();
    taken_ = 0;
    gone.swap(queue_);
  }
  while (!gone.empty()) {
    Request *request = gone.pop();
    ct_lease_abandon(take_lease(*request));
    {
      Locker locker(lock_);
      const Request::Kind kind = request->kind;
      if (kind == Request::Kind::kSet || kind == Request::Kind::kDelete ||
          kind == Request::Kind::kCatchUp) {
        request->overflowed = !remember(request->key());
      }
      request->status = CT_ERR_IO;
      request->lost = true;
      request->done = true;
      tell(request->changed);
    }
    tell_of_overflow(*request);
    leave(request);
  }
  if (was_online) forget_near();
  {
    Locker locker(lock_);
    state_ = State::kOffline;
    interests_.pushed_all();
    tell(changed_);
  }
  if (was_online) count(counts_.disconnects);
  tell_listener(CT_REDIS_OFFLINE, {"", 0}, why());
}

void Tier::unreachable(Bytes text) { tell_listener(CT_REDIS_OFFLINE, {"", 0}, text); }

void Tier::go_online(Request &probe) {
  {
    Locker locker(lock_);
    state_ = State::kOnline;
    append_debts();
  }
  forget_near();
  opened_ = true;
  last_proof_ = 0;
  prove(probe.sent_at);
  {
    Locker locker(lock_);
    is_open_ = true;
    tell(changed_);
  }
  count(counts_.connects);
  tell_listener(CT_REDIS_ONLINE, {"", 0}, {"", 0});
}

// With the lock held, before any call can ask for one of these keys.
void Tier::append_debts() {
  ct_iter *iter = nullptr;
  ct_status status = ct_iter_new(debts_, CT_ORDER_ANY, &iter);
  ct_bytes key;
  while (status == CT_OK && (status = ct_iter_next(iter, &key, nullptr)) == CT_OK) {
    Request *request =
        make(Request::Kind::kCatchUp, {static_cast<const char *>(key.data), key.size});
    if (request == nullptr || !write(*request)) status = CT_ERR_NOMEM;
    if (request != nullptr && --request->owners == 0) Request::destroy(request);
  }
  ct_iter_free(iter);
  if (status == CT_END) return;
  must_close_ = true;
  say_why(text("there is no memory"));
}

// What is near is past its lifetime when this returns, and no load that runs will be kept.
void Tier::forget_near() {
  Forgetting forgetting = {settings_.near, false};
  if (settings_.near_options.stale > 0) ct_remove_if(settings_.near, expire, &forgetting);
  if (!forgetting.was_called) {
    ct_clear(settings_.near);  // also without memory for the walk
    return;
  }
  // Near adds to lifetimes what its clock may be behind.
  const uint64_t end = coarse_now() + lag_ + 2;
  while (coarse_now() < end) {
    const timespec pause = {0, static_cast<long>(kMillisecond)};
    nanosleep(&pause, nullptr);
  }
}

void Tier::prove(uint64_t sent_at) {
  if (!opened_ || sent_at <= last_proof_) return;
  last_proof_ = sent_at;
  const uint64_t until = later(sent_at, settings_.max_stale - lag_);
  // The cache line is everybody's, so small steps are saved up.
  const uint64_t known = open_until_.load(std::memory_order_relaxed);
  if (until > known && until - known < settings_.max_stale / 64) return;
  if (until > known) open_until_.store(until, std::memory_order_release);
}

// ---- Pushes --------------------------------------------------------------------------------------

void Tier::invalidated(Bytes stored_key) {
  const Bytes prefix = settings_.prefix.bytes();
  if (!begins_with(stored_key, prefix)) return;
  const Bytes key = without_first(stored_key, prefix.size);
  ct_delete(settings_.near, key.data, key.size);
  count(counts_.invalidations);
  written(key);
}

// Wakes the calls that wait for the key. Our own writes do so, too, as they are not pushed to us.
void Tier::written(Bytes key) {
  Locker locker(lock_);
  if (interests_.empty()) return;
  interests_.pushed(key);
  if (!settings_.has_thread) turn_.tell_all();
}

void Tier::invalidated_all() {
  ct_clear(settings_.near);
  count(counts_.flushes);
  Locker locker(lock_);
  interests_.pushed_all();
  if (!settings_.has_thread) turn_.tell_all();
}

// ---- Replies -------------------------------------------------------------------------------------

bool Tier::replied(const Reply &reply) {
  Request *request;
  {
    Locker locker(lock_);
    request = queue_.first();
  }
  if (request == nullptr) {
    say_why(text("the server answers what nobody asked"));
    return false;
  }
  if (!fits(*request, reply)) {
    say_why(text("the server answers something else than was asked"));
    return false;
  }
  if (!apply(*request, reply)) return false;
  if (--request->replies_left == 0) finish(*request);
  return true;
}

// Which of the replies to a lookup is next.
uint32_t Tier::step_of(const Request &request) const {
  const bool has_lease = request.kind == Request::Kind::kLoad && !settings_.is_raw;
  return (has_lease ? 3 : 2) - request.replies_left;
}

// Whether the command can have this answer. If not, answers are out of step with commands, and none
// that follows can be believed.
bool Tier::fits(const Request &request, const Reply &reply) const {
  using Kind = Request::Kind;
  const Reply::Kind kind = reply.kind;
  const bool is_status = kind == Reply::Kind::kStatus;
  const bool is_nil = kind == Reply::Kind::kNil;
  const bool is_integer = kind == Reply::Kind::kInteger;
  if (is_error(reply)) return true;
  switch (request.kind) {
    case Kind::kGet:
    case Kind::kLoad:
      switch (step_of(request)) {
        case 0:
          return is_integer;
        case 1:
          return kind == Reply::Kind::kString || is_nil;
        default:
          return is_status || is_nil;
      }
    case Kind::kPing:
    case Kind::kDelete:
    case Kind::kCatchUp:
    case Kind::kRelease:
      return is_integer;
    case Kind::kFill:  // SET, or a script
      return is_status || is_nil || is_integer;
    case Kind::kProbe:
      return is_status || is_nil;
    case Kind::kHello:
      return kind == Reply::Kind::kOther;
    default:
      return is_status;
  }
}

bool Tier::apply(Request &request, const Reply &reply) {
  using Kind = Request::Kind;
  switch (request.kind) {
    case Kind::kGet:
    case Kind::kLoad:
      apply_lookup(request, reply);
      return true;
    case Kind::kSet:
      apply_set(request, reply);
      return true;
    case Kind::kCatchUp:
      // What was written while offline must not be read before it is gone, so nothing is.
      if (is_error(reply)) {
        say_why(reply.text);
        return false;
      }
      apply_delete(request, reply);
      return true;
    case Kind::kDelete:
      apply_delete(request, reply);
      return true;
    case Kind::kFill:
      apply_fill(request, reply);
      return true;
    case Kind::kPing:
      // By another error, too, the server has shown that it is there.
      if (!is_error(reply) || !means_gone(reply.text)) return true;
      say_why(reply.text);
      return false;
    case Kind::kRelease:
      return true;
    default:
      return apply_handshake(request, reply);
  }
}

// What the probe has said. A server without memory, and the like, refuses it whether it knows the
// command or not: then a script does the fills, as each server knows it, until a later probe tells.
void Tier::note_ifeq(const Reply &reply) {
  const bool has = !is_error(reply) || begins_with(reply.text, text("WRONGTYPE"));
  knows_ifeq_ =
      has || begins_with(reply.text, text("ERR")) || begins_with(reply.text, text("NOPERM"));
  Locker locker(lock_);
  has_ifeq_ = has;
}

bool Tier::apply_handshake(Request &request, const Reply &reply) {
  using Kind = Request::Kind;
  bool is_right = !is_error(reply);
  if (request.kind == Kind::kName) is_right = true;  // not needed
  if (request.kind == Kind::kProbe) {
    is_right = !is_error(reply) || !means_gone(reply.text);
    note_ifeq(reply);
  }
  if (!is_right) {
    say_why(reply.text);
    return false;
  }
  if (request.kind == Kind::kProbe && !opened_) go_online(request);
  return true;
}

void Tier::note_error(Request &request, Bytes error) {
  request.status = status_of(error);
  request.is_refused = request.status != CT_ERR_UNSUPPORTED;
  if (!means_gone(error)) return;
  say_why(error);
  must_close_ = true;
}

void Tier::apply_lookup(Request &request, const Reply &reply) {
  const uint32_t step = step_of(request);
  if (step == 2) {
    apply_lease(request, reply);
  } else if (is_error(reply)) {
    note_error(request, reply.text);
  } else if (step == 0) {
    request.pttl = reply.integer;
  } else if (reply.kind == Reply::Kind::kString) {
    apply_found(request, reply.text);
  } else {
    count(counts_.server_misses);
  }
}

void Tier::apply_found(Request &request, Bytes stored) {
  using Form = Content::Form;
  Content content = settings_.is_raw ? Content{Form::kValue, stored, 0} : parse_content(stored);
  // A lease that does not end is nobody's: no load would ever replace it.
  if (content.form == Form::kLease && request.pttl == -1) content.form = Form::kUnknown;
  const uint64_t lifetime = lifetime_of_pttl(request.pttl, content.grace_ms);
  request.found = content.form;
  request.deadline = near_deadline(request.sent_at, lifetime);
  request.past_its_life = lifetime == 0 && content.grace_ms > 0;
  const bool is_hit = content.form == Form::kValue || content.form == Form::kAbsent;
  count(is_hit && !request.past_its_life ? counts_.server_hits : counts_.server_misses);
  if (content.form == Form::kUnknown) {
    count(counts_.unknown_trailers);
    tell_listener(CT_REDIS_UNKNOWN_TRAILER, request.key(), {"", 0});
  }
  if (request.kind == Request::Kind::kLoad) {
    request.payload_size = content.payload.size;
    if (!request.content.assign(stored)) request.status = CT_ERR_NOMEM;
    return;
  }
  if (request.past_its_life) request.found = Form::kNothing;
  if (request.found == Form::kValue) keep(request, content.payload);
  if (request.found == Form::kAbsent) {
    ct_lease *lease = take_lease(request);
    if (lease != nullptr) ct_lease_fail(lease, CT_MISS);
  }
}

// Keeps what GET has found, if the flight was not overtaken, and hands it out.
void Tier::keep(Request &request, Bytes payload) {
  ct_lease *lease = take_lease(request);
  if (lease == nullptr) {
    const ct_status status =
        ct_setdefault(loose_, nullptr, 0, payload.data, payload.size, &request.out);
    request.status = status < 0 ? status : CT_OK;
    return;
  }
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = CT_ENTRY_DEADLINE;
  options.deadline = request.deadline;
  const ct_status status =
      ct_lease_fulfil(lease, payload.data, payload.size, &options, &request.out);
  request.status = status < 0 ? status : CT_OK;
}

void Tier::apply_lease(Request &request, const Reply &reply) {
  if (is_error(reply)) {
    request.is_refused = true;
    if (means_gone(reply.text)) note_error(request, reply.text);
    return;
  }
  request.leased = reply.kind == Reply::Kind::kStatus;
  if (request.leased) took_lease(request);
}

// The lease is a write of ours. If another process has written the key just before it, in one turn
// of the server's loop, the server leaves out the push of that write, too, as the last one was ours.
// So nothing that is near, and no other flight of the key, may be older than the lease. The flight of
// this load may stay: it has nothing yet.
void Tier::took_lease(Request &request) {
  const Bytes key = request.key();
  bool has_others;
  {
    Locker locker(lock_);
    has_others = interests_.count(key) > (request.abandoned ? 0 : 1);
  }
  if (has_others || ct_contains(settings_.near, key.data, key.size)) {
    ct_delete(settings_.near, key.data, key.size);
  }
}

void Tier::apply_set(Request &request, const Reply &reply) {
  const Bytes key = request.key();
  if (is_error(reply)) {
    note_error(request, reply.text);
    if (!must_close_) return;
    ct_delete(settings_.near, key.data, key.size);
    Locker locker(lock_);
    request.overflowed = !remember(key);
    return;
  }
  count(counts_.writes);
  bool has_value;
  {
    Locker locker(lock_);
    has_value = !request.abandoned;
    request.applying = has_value;
  }
  if (kNaive) return;
  ct_status status = CT_ERR_INVALID;
  if (has_value) {
    ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
    options.flags = CT_ENTRY_DEADLINE;
    options.deadline = near_deadline(request.sent_at, request.lifetime);
    status = ct_set_with(settings_.near, key.data, key.size, request.value.data, request.value.size,
                         &options);
  }
  // A value that near does not take must not leave the old one there.
  if (status < 0) ct_delete(settings_.near, key.data, key.size);
  written(key);
}

void Tier::apply_delete(Request &request, const Reply &reply) {
  const Bytes key = request.key();
  if (is_error(reply)) {
    note_error(request, reply.text);
    if (!must_close_) return;
    Locker locker(lock_);
    request.overflowed = !remember(key);
    return;
  }
  ct_delete(settings_.near, key.data, key.size);
  written(key);
  if (request.kind == Request::Kind::kDelete) {
    count(counts_.writes);
    return;
  }
  Locker locker(lock_);
  ct_delete(debts_, key.data, key.size);
}

void Tier::apply_fill(Request &request, const Reply &reply) {
  if (is_error(reply)) {
    note_error(request, reply.text);
    return;
  }
  // SET says OK, or nil; the script says 1, or 0.
  request.filled = reply.kind == Reply::Kind::kStatus ||
                   (reply.kind == Reply::Kind::kInteger && reply.integer == 1);
  count(request.filled ? counts_.fills : counts_.fills_refused);
  if (!request.filled) return;
  {
    Locker locker(lock_);
    if (!request.abandoned && request.interest != nullptr) {
      request.pushes = request.interest->pushes;
    }
  }
  if (settings_.is_raw) took_lease(request);  // without leases, this is the write
  written(request.key());
}

void Tier::finish(Request &request) {
  prove(request.sent_at);
  ct_lease_abandon(take_lease(request));
  bool abandoned;
  {
    Locker locker(lock_);
    queue_.pop();
    request.applying = false;
    request.done = true;
    abandoned = request.abandoned;
    tell(request.changed);
  }
  tell_of_overflow(request);
  if (abandoned && request.leased) {
    release_lease(request.key(), lease_bytes(id_, request.lease_number).bytes());
  }
  leave(&request);
}

void Tier::tell_listener(ct_redis_event_kind kind, Bytes key, Bytes text) {
  if (settings_.listener == nullptr) return;
  const ct_redis_event event = {kind, 0, {key.data, key.size}, {text.data, text.size}};
  settings_.listener(settings_.user_data, &event);
}

}  // namespace ct::redis
