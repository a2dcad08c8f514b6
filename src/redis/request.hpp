// SPDX-License-Identifier: MIT
// Commands that go out together, and what has come of them. A request is in the tier's queue from
// when its bytes are written to the output until its last reply was read, and belongs to its caller
// as long as that waits; whoever leaves last frees it.
#ifndef CT_REDIS_REQUEST_HPP
#define CT_REDIS_REQUEST_HPP

#include <new>

#include "redis/format.hpp"
#include "redis/lock.hpp"

namespace ct::redis {

struct Interest;

struct Request {
  enum class Kind : uint8_t {
    // The handshake, in this order.
    kHello,
    kSelect,
    kName,
    kTracking,
    kProbe,  // is there SET ... IFEQ?
    // Then:
    kPing,
    kGet,      // PTTL, GET
    kLoad,     // PTTL, GET, SET ... NX of a lease
    kSet,      // SET
    kDelete,   // DEL
    kCatchUp,  // DEL, of a key that was written while offline
    kFill,     // compare and set
    kRelease,  // compare and delete
  };

  // Returns nullptr without memory.
  static Request *make(Kind kind, Bytes prefix, Bytes key);
  static void destroy(Request *request);

  Bytes stored_key() const { return {key_, prefix_size + key_size}; }
  Bytes key() const { return {key_ + prefix_size, key_size}; }

  // ---- Set before it is sent -------------------------------------------------------------------
  Kind kind;
  bool is_absence = false;  // kFill: of the knowledge that there is no value
  bool is_owed = false;     // takes back what a load did: is sent beyond max_pending, too
  size_t prefix_size;
  size_t key_size;
  uint64_t sent_at = 0;       // before the first byte went out
  uint64_t lease_number = 0;  // kLoad
  uint64_t lifetime = 0;      // kSet, kFill: of the value
  uint32_t grace_ms = 0;      // kSet, kFill: how much longer the server keeps it
  Bytes value = {"", 0};      // kSet, kFill: the caller's, as long as it waits
  Bytes expected = {"", 0};   // kFill, kRelease: only read while it is sent
  // kFill: the caller's, as long as it waits
  const Interest *interest = nullptr;

  // ---- Of whoever has the I/O role, until done --------------------------------------------------
  uint32_t replies_left = 0;
  int64_t pttl = -2;
  ct_status status = CT_OK;  // of the request as a whole
  Content::Form found = Content::Form::kNothing;
  bool leased = false;           // kLoad: the lease is ours
  bool is_refused = false;       // kLoad: the server does not store
  bool filled = false;           // kFill: it was still there
  uint64_t pushes = 0;           // kFill: of its interest, when the server answered
  bool past_its_life = false;    // kLoad: the value is in its grace
  uint64_t deadline = 0;         // in near
  ct_value out = CT_VALUE_INIT;  // kGet
  Buffer content;                // kLoad: what GET found, trailer included
  size_t payload_size = 0;       // of it

  // ---- Guarded by the tier's lock ---------------------------------------------------------------
  uint32_t owners = 1;  // the caller, the queue
  bool done = false;
  bool abandoned = false;   // the caller waits no more: value is gone
  bool applying = false;    // value is being read: the caller has to wait
  bool lost = false;        // the connection was, or never was
  bool overflowed = false;  // the key is not remembered, for want of room
  // kGet: of near, or none: then what is found is not kept. Whoever takes it ends it, before the
  // caller goes on, so that what that does next finds no flight of this request.
  ct_lease *lease = nullptr;
  Request *next = nullptr;
  Condition changed;

 private:
  Request(Kind kind, Bytes prefix, Bytes key)
      : kind(kind), prefix_size(prefix.size), key_size(key.size) {
    std::memcpy(key_, prefix.data, prefix.size);
    std::memcpy(key_ + prefix.size, key.data, key.size);
  }
  ~Request() {
    ct_lease_abandon(lease);
    ct_value_release(&out);
  }

  char key_[1];
};

inline Request *Request::make(Kind kind, Bytes prefix, Bytes key) {
  void *memory = std::malloc(sizeof(Request) + prefix.size + key.size);
  return memory == nullptr ? nullptr : new (memory) Request(kind, prefix, key);
}

inline void Request::destroy(Request *request) {
  if (request == nullptr) return;
  request->~Request();
  std::free(request);
}

// In the order on the wire. Guarded by the tier's lock.
class RequestQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  Request *first() const { return first_; }

  void push(Request *request) {
    request->owners++;
    request->next = nullptr;
    *(first_ == nullptr ? &first_ : &last_->next) = request;
    last_ = request;
  }

  // The queue's share goes to the caller.
  Request *pop() {
    Request *request = first_;
    first_ = request->next;
    return request;
  }

  void swap(RequestQueue &other) {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
  }

 private:
  Request *first_ = nullptr;
  Request *last_ = nullptr;
};

}  // namespace ct::redis

#endif
