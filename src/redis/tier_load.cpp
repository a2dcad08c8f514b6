// SPDX-License-Identifier: MIT
// get_or_load: what the loader of a flight in near does. The flight is there before the first command
// goes out (rule 1), and it is overtaken by a push of the key, by what our own writes do to near, and
// when the connection is lost or begun anew.
#include "redis/tier.hpp"

namespace ct::redis {

// One call of get_or_load. It is of interest to pushes from its first command on until what it
// brought is near.
class LoadCall {
 public:
  LoadCall(Tier &tier, Bytes key, uint64_t ttl, ct_loader_fn load, void *user_data)
      : tier_(tier), key_(key), ttl_(ttl), load_(load), user_data_(user_data) {}
  ~LoadCall() {
    if (interest_ != nullptr) withdraw();
  }
  LoadCall(const LoadCall &) = delete;
  LoadCall &operator=(const LoadCall &) = delete;

  ct_status run(ct_value *out);

 private:
  static ct_status load_near(void *self, const void *, size_t, ct_result *result) {
    return static_cast<LoadCall *>(self)->bring(result);
  }
  static ct_status load_alone(void *self, const void *, size_t, ct_result *result) {
    return static_cast<LoadCall *>(self)->load_unkept(result);
  }

  Bytes key() const { return key_; }
  void show_interest();
  void withdraw();
  ct_status ask_source(ct_result *result);
  ct_status bring(ct_result *result);
  ct_status ask_server(ct_result *result, bool *again);
  ct_status use_answer(Request &request, ct_result *result, bool *again);
  bool wait_for_lease(const Request &request, bool *was_pushed);
  // What lies on the server while a load runs, and must still be there to be replaced.
  enum class Held : uint8_t { kLease, kOldValue, kNothing };
  ct_status load_holding(Held held, Bytes expected, ct_result *result);
  bool was_written();
  void undo_fill();
  ct_status load_unkept(ct_result *result);
  ct_status load_offline(ct_result *result);
  void fill(Held held, Bytes value, Bytes expected, uint64_t lifetime, bool is_absence,
            uint64_t *deadline);

  Tier &tier_;
  const Bytes key_;
  const uint64_t ttl_;
  const ct_loader_fn load_;
  void *const user_data_;
  uint64_t deadline_ = 0;     // of waiting for others; 0: not begun
  uint64_t seen_pushes_ = 0;  // before the last command went out
  bool starts_anew_ = false;  // the flight was overtaken while it waited for another's lease
  bool is_unkept_ = false;
  // Made only by a call that asks the server, as a hit near is to cost little.
  Interest *interest_ = nullptr;
  alignas(Interest) char room_[sizeof(Interest)];
};

void LoadCall::show_interest() {
  if (interest_ != nullptr) return;
  interest_ = new (room_) Interest(key_);
  Locker locker(tier_.lock_);
  tier_.interests_.add(*interest_);
}

void LoadCall::withdraw() {
  {
    Locker locker(tier_.lock_);
    tier_.interests_.remove(*interest_);
  }
  interest_->~Interest();
}

ct_status LoadCall::run(ct_value *out) {
  Tier &tier = tier_;
  for (;;) {
    if (tier.serves_here()) return CT_ERR_RECURSION;
    if (!tier.gate_is_open()) {
      ct_status status = tier.check_thread();
      Tier::View view;
      if (status == CT_OK) {
        status = tier.view(later(exact_now(), tier.settings_.timeout), &view);
      }
      if (status == CT_ERR_IO) {
        // Near cannot be relied on, and the server does not say so. The key is of no other call.
        const void *self = this;
        return ct_get_or_load(tier.loose_, &self, sizeof self, load_alone, this, out);
      }
      if (status != CT_OK) return status;
    }
    starts_anew_ = is_unkept_ = false;
    const ct_status status =
        ct_get_or_load(tier.settings_.near, key().data, key().size, load_near, this, out);
    if (starts_anew_ && status == CT_BUSY) continue;
    // Without a lease, nothing would tell near that there is a value now.
    if (status == CT_MISS && is_unkept_) {
      ct_delete(tier.settings_.near, key().data, key().size);
    }
    return status;
  }
}

ct_status LoadCall::ask_source(ct_result *result) {
  tier_.count(tier_.counts_.loads);
  return load_(user_data_, key().data, key().size, result);
}

ct_status LoadCall::bring(ct_result *result) {
  const ct_status status = tier_.check_thread();
  if (status != CT_OK) return status;
  if (deadline_ == 0) deadline_ = later(exact_now(), tier_.settings_.timeout);
  show_interest();
  for (;;) {
    bool again = false;
    const ct_status brought = ask_server(result, &again);
    if (!again) return brought;
  }
}

ct_status LoadCall::ask_server(ct_result *result, bool *again) {
  Request *request = tier_.make(Request::Kind::kLoad, key());
  if (request == nullptr) return CT_ERR_NOMEM;
  request->lease_number = tier_.next_lease_.fetch_add(1, std::memory_order_relaxed);
  {
    Locker locker(tier_.lock_);
    seen_pushes_ = interest_->pushes;
  }
  ct_status status = tier_.submit(*request);
  if (status == CT_OK) status = tier_.await(*request, deadline_);
  if (status != CT_OK && status != CT_PENDING && request->leased) {
    tier_.release_lease(key(), lease_bytes(tier_.id_, request->lease_number).bytes());
  }
  const bool is_over = status != CT_PENDING;  // else the request is of the I/O role still
  if (is_over && request->lost) {
    status = load_offline(result);
  } else if (!is_over || (status != CT_OK && request->is_refused)) {
    status = load_unkept(result);
  } else if (status == CT_OK) {
    status = use_answer(*request, result, again);
  }
  tier_.leave(request);
  return status;
}

ct_status LoadCall::use_answer(Request &request, ct_result *result, bool *again) {
  using Form = Content::Form;
  if (request.leased) {
    const LeaseBytes lease = lease_bytes(tier_.id_, request.lease_number);
    return load_holding(Held::kLease, lease.bytes(), result);
  }
  const Bytes stored = request.content.bytes();
  if (request.past_its_life) return load_holding(Held::kOldValue, stored, result);
  switch (request.found) {
    case Form::kValue: {
      const ct_status status = ct_result_set(result, stored.data, request.payload_size);
      ct_result_deadline(result, request.deadline);
      return status;
    }
    case Form::kAbsent:
      return CT_MISS;
    case Form::kUnknown:
      return load_unkept(result);
    default:
      break;
  }
  if (request.is_refused) return load_unkept(result);
  if (tier_.settings_.is_raw) return load_holding(Held::kNothing, {"", 0}, result);
  bool was_pushed = false;
  if (!wait_for_lease(request, &was_pushed)) return load_unkept(result);
  // A push has overtaken the flight, so that nothing it brings would be kept.
  starts_anew_ = was_pushed;
  *again = !was_pushed;
  return CT_BUSY;
}

// Waits until the key is written, or the lease has ended. Returns false if the time is over.
bool LoadCall::wait_for_lease(const Request &request, bool *was_pushed) {
  // Whoever took the key after our GET is about to be pushed.
  constexpr uint64_t kSoon = 50 * kMillisecond;
  tier_.count(tier_.counts_.lease_waits);
  const bool knows_end = request.found == Content::Form::kLease && request.pttl >= 0;
  const uint64_t left =
      knows_end ? from_milliseconds(static_cast<uint64_t>(request.pttl) + 1) : kSoon;
  const uint64_t until = earlier(later(exact_now(), left), deadline_);
  Locker locker(tier_.lock_);
  *was_pushed = tier_.wait(locker, interest_->changed, until,
                           [&] { return interest_->pushes != seen_pushes_; });
  return *was_pushed || exact_now() < deadline_;
}

// Loads, and stores if the server still has what is expected there: our lease, or the value past its
// lifetime that is to be replaced. Without leases (CT_REDIS_RAW): if it still has nothing.
//
// A lease is like no other value, but an old value may be written anew while this loads: the bytes
// are expected ones, and what was loaded in between is older. So a renewal is also given up if the
// key was written at all, and undone if that is found out by the answer to the fill. What stays is
// a pair of such writes in one turn of the server's loop with the fill, which it does not push.
ct_status LoadCall::load_holding(Held held, Bytes expected, ct_result *result) {
  const ct_status status = ask_source(result);
  ct_bytes value = {nullptr, 0};
  uint64_t lifetime = tier_.lifetime_of(ttl_);
  bool is_storable = false;
  if (status == CT_OK) {
    // A loader that says that the old value is not modified has set none.
    is_storable =
        ct_result_value(result, &value) == CT_OK || ct_result_old(result, &value) == CT_OK;
    is_storable = is_storable && value.size <= tier_.settings_.max_value;
  } else if (status == CT_MISS) {
    lifetime = tier_.settings_.near_options.negative_ttl;
    is_storable = lifetime > 0 && !tier_.settings_.is_raw;
  }
  if (is_storable && held == Held::kOldValue && was_written()) {
    tier_.count(tier_.counts_.fills_refused);
    is_storable = false;
  }
  uint64_t deadline = 0;
  if (is_storable) {
    fill(held, {static_cast<const char *>(value.data), value.size}, expected, lifetime,
         status == CT_MISS, &deadline);
  } else if (held == Held::kLease) {
    tier_.release_lease(key(), expected);
  }
  is_unkept_ = deadline == 0;
  if (status != CT_OK) return status;
  if (deadline == 0) {
    ct_result_discard(result);
  } else {
    ct_result_deadline(result, deadline);
  }
  return status;
}

// Since the server was asked.
bool LoadCall::was_written() {
  Locker locker(tier_.lock_);
  return interest_->pushes != seen_pushes_;
}

// To delete is always right. Nobody waits for this.
void LoadCall::undo_fill() {
  Request *request = tier_.make(Request::Kind::kDelete, key());
  if (request == nullptr) return;
  request->is_owed = true;
  (void)tier_.submit(*request);
  tier_.leave(request);
}

// Tells the deadline in near if the server has stored it.
void LoadCall::fill(Held held, Bytes value, Bytes expected, uint64_t lifetime, bool is_absence,
                    uint64_t *deadline) {
  Request *request = tier_.make(Request::Kind::kFill, key());
  if (request == nullptr) {
    if (held == Held::kLease) tier_.release_lease(key(), expected);
    return;
  }
  request->value = value;
  request->expected = expected;
  request->lifetime = lifetime;
  request->is_absence = is_absence;
  request->interest = interest_;
  request->grace_ms = is_absence ? 0 : tier_.grace_of(lifetime);
  ct_status status = tier_.submit(*request);
  const bool was_sent = status == CT_OK;
  if (was_sent) status = tier_.await(*request, later(exact_now(), tier_.settings_.timeout));
  const bool is_answered = was_sent && status != CT_PENDING && !request->lost;
  const bool is_filled = is_answered && status == CT_OK && request->filled;
  const bool is_doubtful = held == Held::kOldValue &&
                           (is_filled ? request->pushes != seen_pushes_ : was_sent && !is_answered);
  if (is_doubtful) {
    undo_fill();
  } else if (is_filled) {
    *deadline = tier_.near_deadline(request->sent_at, lifetime);
  } else if (held == Held::kLease && status != CT_OK) {
    tier_.release_lease(key(), expected);  // changes nothing if a late fill took its place
  }
  tier_.leave(request);
}

// Nothing would tell near of a change, so the value goes to those who asked for it, and no further.
ct_status LoadCall::load_unkept(ct_result *result) {
  tier_.count(tier_.counts_.unkept_loads);
  is_unkept_ = true;
  const ct_status status = ask_source(result);
  if (status == CT_OK) ct_result_discard(result);
  return status;
}

ct_status LoadCall::load_offline(ct_result *result) {
  tier_.count(tier_.counts_.offline_loads);
  const uint64_t begun = exact_now();
  const ct_status status = ask_source(result);
  if (status == CT_OK) {
    ct_result_deadline(result, tier_.deadline_after(begun, tier_.settings_.offline_ttl));
  }
  return status;
}

ct_status Tier::get_or_load(Bytes key, uint64_t ttl, ct_loader_fn load, void *user_data,
                            ct_value *out) {
  LoadCall call(*this, key, ttl, load, user_data);
  return call.run(out);
}

}  // namespace ct::redis
