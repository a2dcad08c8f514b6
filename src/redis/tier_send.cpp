// SPDX-License-Identifier: MIT
// Requests on their way out, and those who wait for them.
#include <utility>

#include "redis/command.hpp"
#include "redis/tier.hpp"

namespace ct::redis {

namespace {

// For servers that do not know SET ... IFEQ. A script's writes are pushed to the one who ran it, too,
// so what it stored does not stay near, and the next read of it goes to the server.
constexpr Bytes kFillScript = text(
    "if redis.call('get',KEYS[1])~=ARGV[1] then return 0 end "
    "if ARGV[3]=='' then redis.call('set',KEYS[1],ARGV[2]) "
    "else redis.call('set',KEYS[1],ARGV[2],'px',ARGV[3]) end return 1");
constexpr Bytes kReleaseScript = text(
    "if redis.call('get',KEYS[1])~=ARGV[1] then return 0 end return redis.call('del',KEYS[1])");

// In milliseconds.
uint64_t lifetime_there(const Request &request) {
  return milliseconds(request.lifetime) + request.grace_ms;
}

}  // namespace

// Writes the commands to the output, and the request to the queue: both or neither. With the lock
// held. The server's replies come in this order.
bool Tier::write(Request &request) {
  using Kind = Request::Kind;
  const Bytes key = request.stored_key();
  const Trailer trailer =
      trailer_of(request.is_absence ? StoredKind::kAbsent : StoredKind::kValue, request.grace_ms);
  const Bytes tail = {trailer.bytes, settings_.is_raw ? 0 : kTrailerSize};
  CommandWriter out(output_);
  uint32_t replies = 1;
  switch (request.kind) {
    case Kind::kPing:
      // A deletion of a key that no one has: a server that has become read-only answers PING, and
      // goes on to answer GET, but refuses this.
      out.begin(2).add(text("DEL"));
      out.add(settings_.prefix.bytes(), lease_bytes(id_, 0).bytes());
      break;
    case Kind::kGet:
    case Kind::kLoad:
      // PTTL comes first, so that the deadline is known when the value is read. Whatever changes in
      // between is pushed.
      out.begin(2).add(text("PTTL")).add(key);
      out.begin(2).add(text("GET")).add(key);
      replies = 2;
      if (request.kind == Kind::kLoad && !settings_.is_raw) {
        out.begin(6).add(text("SET")).add(key);
        out.add(lease_bytes(id_, request.lease_number).bytes());
        out.add(text("NX")).add(text("PX")).add(milliseconds(settings_.lease));
        replies = 3;
      }
      break;
    case Kind::kSet:
      write_set(out, request, tail);
      break;
    case Kind::kDelete:
    case Kind::kCatchUp:
      out.begin(2).add(text("DEL")).add(key);
      break;
    case Kind::kFill:
      write_fill(out, request, tail);
      break;
    case Kind::kRelease:
      out.begin(5).add(text("EVAL")).add(kReleaseScript).add(1).add(key).add(request.expected);
      break;
    default:
      write_handshake(out, request);
  }
  if (!out.ok()) return false;
  request.replies_left = replies;
  queue_.push(&request);
  return true;
}

void Tier::write_set(CommandWriter &out, const Request &request, Bytes tail) {
  const bool ends = request.lifetime != CT_NEVER;
  out.begin(ends ? 5 : 3).add(text("SET")).add(request.stored_key()).add(request.value, tail);
  if (ends) out.add(text("PX")).add(lifetime_there(request));
}

void Tier::write_fill(CommandWriter &out, const Request &request, Bytes tail) {
  const bool ends = request.lifetime != CT_NEVER;
  const Bytes key = request.stored_key();
  if (settings_.is_raw || has_ifeq_) {
    const size_t condition = settings_.is_raw ? 1 : 2;
    out.begin(3 + condition + (ends ? 2 : 0));
    out.add(text("SET")).add(key).add(request.value, tail);
    if (settings_.is_raw) {
      out.add(text("NX"));
    } else {
      out.add(text("IFEQ")).add(request.expected);
    }
    if (ends) out.add(text("PX")).add(lifetime_there(request));
    return;
  }
  out.begin(7).add(text("EVAL")).add(kFillScript).add(1).add(key);
  out.add(request.expected).add(request.value, tail);
  if (ends) {
    out.add(lifetime_there(request));
  } else {
    out.add({"", 0});
  }
}

void Tier::write_handshake(CommandWriter &out, const Request &request) {
  using Kind = Request::Kind;
  const Url &url = settings_.url;
  switch (request.kind) {
    case Kind::kHello: {
      const bool has_login = url.user.size() > 0 || url.password.size() > 0;
      out.begin(has_login ? 5 : 2).add(text("HELLO")).add(3);
      if (!has_login) break;
      const bool has_user = url.user.size() > 0;
      out.add(text("AUTH")).add(has_user ? url.user.bytes() : text("default"));
      out.add(url.password.bytes());
      break;
    }
    case Kind::kSelect:
      out.begin(2).add(text("SELECT")).add(url.db);
      break;
    case Kind::kName:
      out.begin(3).add(text("CLIENT")).add(text("SETNAME")).add(text("cachetools"));
      break;
    case Kind::kTracking:
      out.begin(7).add(text("CLIENT")).add(text("TRACKING")).add(text("ON"));
      out.add(text("BCAST")).add(text("PREFIX")).add(settings_.prefix.bytes()).add(text("NOLOOP"));
      break;
    default:  // stores nothing, as no value is those random bytes
      out.begin(5).add(text("SET")).add(settings_.prefix.bytes()).add(text("-"));
      out.add(text("IFEQ")).add(lease_bytes(id_, 0).bytes());
  }
}

ct_status Tier::submit_locked(Request &request) {
  if (state_ != State::kOnline) {
    request.lost = true;
    return CT_ERR_IO;
  }
  const size_t size = request.stored_key().size + request.value.size + kRequestOverhead;
  if (!request.is_owed && output_.size() + taken_ + size > settings_.max_pending) return CT_BUSY;
  request.sent_at = exact_now();
  return write(request) ? CT_OK : CT_ERR_NOMEM;
}

// A write that finds no server is remembered before the lock is released, so that the next
// connection begins with it.
ct_status Tier::submit(Request &request) {
  Locker locker(lock_);
  const ct_status status = submit_locked(request);
  const bool is_write =
      request.kind == Request::Kind::kSet || request.kind == Request::Kind::kDelete;
  if (status == CT_ERR_IO && is_write) request.overflowed = !remember(request.key());
  if (status == CT_OK) outlet_.flush(outlet_.self, locker);
  return status;
}

// Returns CT_PENDING if the time is over: then the request goes on without its caller, and keeps
// nothing.
ct_status Tier::await(Request &request, uint64_t deadline) {
  ct_lease *lease;
  {
    Locker locker(lock_);
    const auto done = [&] { return request.done; };
    if (!wait(locker, request.changed, deadline, done) && request.applying) {
      wait(locker, request.changed, CT_NEVER, done);
    }
    if (request.done) return request.status;
    request.abandoned = true;
    count(counts_.timeouts);
    lease = std::exchange(request.lease, nullptr);
  }
  ct_lease_abandon(lease);
  return CT_PENDING;
}

ct_lease *Tier::take_lease(Request &request) {
  Locker locker(lock_);
  return std::exchange(request.lease, nullptr);
}

// One of its owners is done with it.
void Tier::leave(Request *request) {
  if (request == nullptr) return;
  bool is_last;
  {
    Locker locker(lock_);
    is_last = --request->owners == 0;
  }
  if (is_last) Request::destroy(request);
}

// So that others need not wait for the lease to end. Nobody waits for this.
void Tier::release_lease(Bytes key, Bytes expected) {
  Request *request = make(Request::Kind::kRelease, key);
  if (request == nullptr) return;
  request->expected = expected;
  request->is_owed = true;
  (void)submit(*request);
  leave(request);
}

// With the lock held. Returns false if there is no room.
bool Tier::remember(Bytes key) {
  if (ct_contains(debts_, key.data, key.size)) return true;
  if (ct_len(debts_) < kMostDebts && ct_set(debts_, key.data, key.size, nullptr, 0) == CT_OK) {
    return true;
  }
  count(counts_.overflows);
  return false;
}

void Tier::tell_of_overflow(const Request &request) {
  if (request.overflowed) tell_listener(CT_REDIS_OVERFLOW, request.key(), {"", 0});
}

}  // namespace ct::redis
