// SPDX-License-Identifier: MIT
// Moves a tier's bytes: looks the server up, connects, reads, sends, waits for what is next, connects
// again. Whoever makes a turn has the tier's I/O role.
//
// Senders. Whoever has written to the tier's output sends it: takes all of it, releases the lock, and
// sends; meanwhile others append for the next round, so that they share a system call. There is one
// sender at a time (is_sending_), so the order of the output is that of the wire. What the socket
// does not take waits for the I/O role, until the socket takes more. The I/O role closes the socket
// only while nobody sends. With TLS only the I/O role sends, since a TLS session is for one thread.
//
// Linux: one epoll descriptor stands for the socket, the timer and the wake-up call, so that it can be
// handed to event loops.
#ifndef CT_REDIS_LINK_HPP
#define CT_REDIS_LINK_HPP

#include <netdb.h>

#include "redis/tier.hpp"
#include "redis/tls.hpp"

namespace ct::redis {

class Link {
 public:
  Link() = default;
  ~Link();
  Link(const Link &) = delete;
  Link &operator=(const Link &) = delete;

  Tier &tier() { return tier_; }
  const Tier &tier() const { return tier_; }
  // After the tier's settings were read.
  ct_status open();
  // In a child of fork, only what is the child's own is given back.
  void close(bool is_child);
  int descriptor() const { return epoll_; }

 private:
  enum class Phase : uint8_t { kIdle, kConnecting, kSecuring, kConnected };

  static void flush(void *self, Locker &locker);
  static void serve(void *self, uint64_t deadline);
  static void *run(void *self);

  ct_status start_thread();
  void turn(uint64_t deadline);
  void look_after();
  void connect();
  void connect_to(int family, const sockaddr *address, socklen_t size);
  void connect_local();
  void connect_remote();
  void go_on_connecting();
  void established();
  void receive();
  void send_from_io();
  void send(Locker &locker);
  ptrdiff_t read_some(char *data, size_t capacity);
  ptrdiff_t send_some(int descriptor, const char *data, size_t size);
  void look_for_life();
  void disconnect(Bytes why);
  void retry_later();
  void watch(uint32_t events);
  void set_timer(uint64_t deadline);
  void wake();

  Tier tier_;
  // Constant from open to close.
  int epoll_ = -1;
  int timer_ = -1;
  int wake_ = -1;
  pthread_t thread_ = {};
  bool has_thread_ = false;

  // Guarded by the tier's lock; the socket changes only while nobody sends.
  int socket_ = -1;
  Phase phase_ = Phase::kIdle;
  bool is_sending_ = false;
  bool is_blocked_ = false;  // the socket takes no more at present
  bool is_broken_ = false;   // a sender has found the connection broken
  bool is_closing_ = false;
  uint32_t watched_ = 0;
  Condition sent_;
  Buffer taken_;  // of the sender
  size_t taken_sent_ = 0;
  int64_t handed_ = 0;  // bytes that the socket has taken

  // Of the I/O role.
  Tls tls_;
  int64_t arrived_ = 0;  // of those handed_, at the last look
  uint64_t next_ = 0;    // when the tier, or the attempt to connect, has to be seen to
  uint64_t timer_set_ = CT_NEVER;
  uint64_t delay_ = 0;  // before the next attempt
  uint64_t attempts_ = 0;
  uint64_t random_ = 0;
};

}  // namespace ct::redis

#endif
