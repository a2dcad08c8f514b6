// SPDX-License-Identifier: MIT
#include "redis/link.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

namespace ct::redis {

namespace {

constexpr uint64_t kFirstDelay = 50 * kMillisecond;
constexpr uint64_t kLongestDelay = 2 * kSecond;
constexpr size_t kReadAtOnce = 65536;
constexpr int kReadsInTurn =
    16;  // and what the TLS session has read ahead; then it is looked whether a ping is due

// strerror_r returns the message in glibc, and whether there is one in musl.
[[maybe_unused]] const char *chosen(const char *returned, const char *) { return returned; }
[[maybe_unused]] const char *chosen(int returned, const char *room) {
  return returned == 0 ? room : "unknown error";
}

Bytes message_of(int error, char (&room)[128]) {
  const char *message = chosen(strerror_r(error, room, sizeof room), room);
  return {message, std::strlen(message)};
}

// Not each libc gives a thread's stack room for what is received and for callbacks.
void give_room(pthread_attr_t &attributes) {
  constexpr size_t kEnough = size_t{1} << 20;
  size_t size = 0;
  if (pthread_attr_getstacksize(&attributes, &size) == 0 && size < kEnough) {
    pthread_attr_setstacksize(&attributes, kEnough);
  }
}

void close_descriptor(int &descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

void empty(int descriptor) {
  uint64_t count;
  (void)!read(descriptor, &count, sizeof count);
}

}  // namespace

// ---- Opening and closing -------------------------------------------------------------------------

Link::~Link() {
  close_descriptor(timer_);
  close_descriptor(wake_);
  close_descriptor(epoll_);
}

ct_status Link::open() {
  const ct_status status = tier_.open({this, flush, serve});
  if (status != CT_OK) return status;
  random_ = exact_now();
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || timer_ < 0 || wake_ < 0) return CT_ERR_IO;
  for (const int descriptor : {timer_, wake_}) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) return CT_ERR_IO;
  }
  set_timer(1);  // at once
  return tier_.settings().has_thread ? start_thread() : CT_OK;
}

ct_status Link::start_thread() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return CT_ERR_IO;
  give_room(attributes);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  has_thread_ = pthread_create(&thread_, &attributes, run, this) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return has_thread_ ? CT_OK : CT_ERR_IO;
}

void Link::close(bool is_child) {
  if (is_child) {
    // Parent and child share the epoll set and the connection: closing must change neither.
    close_descriptor(socket_);
    close_descriptor(timer_);
    close_descriptor(wake_);
    close_descriptor(epoll_);
    return;
  }
  if (has_thread_) {
    {
      Locker locker(tier_.lock());
      is_closing_ = true;
    }
    wake();
    pthread_join(thread_, nullptr);
  }
  tier_.serve_here();
  disconnect(text("the tier was closed"));
  ct_clear(tier_.settings().near);
}

void *Link::run(void *self) {
  Link &link = *static_cast<Link *>(self);
  link.tier_.serve_here();
  for (;;) {
    {
      Locker locker(link.tier_.lock());
      if (link.is_closing_) return nullptr;
    }
    link.turn(CT_NEVER);
  }
}

void Link::serve(void *self, uint64_t deadline) { static_cast<Link *>(self)->turn(deadline); }

// ---- Turns ---------------------------------------------------------------------------------------

void Link::wake() {
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
}

// The timer may go off too early, but never too late: setting it costs a system call.
void Link::set_timer(uint64_t deadline) {
  if (deadline >= timer_set_) return;
  timer_set_ = deadline;
  itimerspec time = {};
  time.it_value.tv_sec = static_cast<time_t>(deadline / kSecond);
  time.it_value.tv_nsec = static_cast<long>(deadline % kSecond);
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &time, nullptr);
}

void Link::watch(uint32_t events) {
  if (events == watched_) return;
  epoll_event event = {};
  event.events = events;
  event.data.fd = socket_;
  epoll_ctl(epoll_, watched_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket_, &event);
  watched_ = events;
}

void Link::turn(uint64_t deadline) {
  int wait_ms = -1;
  if (deadline != CT_NEVER) {
    const uint64_t now = exact_now();
    const uint64_t left = deadline > now ? (deadline - now) / kMillisecond + 1 : 0;
    wait_ms = deadline == 0 ? 0 : static_cast<int>(earlier(left, 1000));
  }
  epoll_event events[4];
  const int count = epoll_wait(epoll_, events, 4, wait_ms);
  uint32_t happened = 0;
  for (int i = 0; i < count; i++) {
    if (events[i].data.fd == timer_) {
      empty(timer_);
      timer_set_ = CT_NEVER;
    } else if (events[i].data.fd == wake_) {
      empty(wake_);
    } else {
      happened = events[i].events;
    }
  }
  if (phase_ == Phase::kConnected) {
    if ((happened & ~static_cast<uint32_t>(EPOLLOUT)) != 0) receive();
    if ((happened & EPOLLOUT) != 0) {
      Locker locker(tier_.lock());
      is_blocked_ = false;
      if (phase_ == Phase::kConnected) watch(EPOLLIN);
    }
  } else if (phase_ != Phase::kIdle && happened != 0) {
    go_on_connecting();
  }
  look_after();
}

// What is due, whatever has happened.
void Link::look_after() {
  if (phase_ == Phase::kIdle && exact_now() >= next_) connect();
  if ((phase_ == Phase::kConnecting || phase_ == Phase::kSecuring) && exact_now() >= next_) {
    disconnect(text("the server does not answer"));
  }
  if (phase_ == Phase::kConnected) {
    look_for_life();
    next_ = tier_.tick();
    if (next_ == 0) {
      disconnect(tier_.why());
    } else {
      if (tier_.is_settled()) delay_ = 0;
      send_from_io();
    }
  }
  set_timer(next_);
}

// A large value on a slow network must not look like a server that says nothing. So it is a sign of
// life when some of what was sent has arrived while more of it waits. If all arrives at once it is
// none: the system of a server that stands still takes a little, too.
void Link::look_for_life() {
  int64_t arrived;
  {
    Locker locker(tier_.lock());
    arrived = handed_;
  }
  int waiting = 0;
  if (ioctl(socket_, SIOCOUTQ, &waiting) != 0) return;
  arrived -= waiting;
  if (waiting > 0 && arrived > arrived_) tier_.saw_life();
  arrived_ = arrived;
}

// ---- Connecting ----------------------------------------------------------------------------------

void Link::connect() {
  next_ = later(exact_now(), tier_.settings().timeout);
  if (tier_.settings().url.is_local) {
    connect_local();
  } else {
    connect_remote();
  }
}

void Link::connect_local() {
  const Bytes path = tier_.settings().url.host.bytes();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data, path.size);  // as it was checked to fit
  connect_to(AF_UNIX, reinterpret_cast<sockaddr *>(&address), sizeof address);
}

void Link::connect_remote() {
  const Url &url = tier_.settings().url;
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *found = nullptr;
  const int error = getaddrinfo(url.host.bytes().data, url.port.bytes().data, &hints, &found);
  if (error != 0) {
    const char *message = gai_strerror(error);
    tier_.unreachable({message, std::strlen(message)});
    retry_later();
    return;
  }
  // Of several addresses, each attempt takes the next one.
  uint64_t count = 1;
  for (const addrinfo *it = found; it->ai_next != nullptr; it = it->ai_next) count++;
  const addrinfo *chosen = found;
  for (uint64_t i = attempts_++ % count; i > 0; i--) chosen = chosen->ai_next;
  connect_to(chosen->ai_family, chosen->ai_addr, chosen->ai_addrlen);
  freeaddrinfo(found);
}

void Link::connect_to(int family, const sockaddr *address, socklen_t size) {
  const int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool begun = descriptor >= 0 && (::connect(descriptor, address, size) == 0 ||
                                         errno == EINPROGRESS || errno == EINTR);
  if (!begun) {
    char room[128];
    tier_.unreachable(message_of(errno, room));
    if (descriptor >= 0) ::close(descriptor);
    retry_later();
    return;
  }
  const int on = 1;
  if (family != AF_UNIX) {
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  Locker locker(tier_.lock());
  socket_ = descriptor;
  handed_ = arrived_ = 0;
  phase_ = Phase::kConnecting;
  watch(EPOLLIN | EPOLLOUT);
}

// The socket has something to say before the tier is connected.
void Link::go_on_connecting() {
  if (phase_ == Phase::kConnecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      char room[128];
      disconnect(message_of(error, room));
      return;
    }
    const Url &url = tier_.settings().url;
    if (!url.is_tls) {
      established();
      return;
    }
    if (!tls_.begin(socket_, url.host.bytes().data)) {
      disconnect(tls_.problem());
      return;
    }
    Locker locker(tier_.lock());
    phase_ = Phase::kSecuring;
  }
  const int shaken = tls_.shake_hands();
  if (shaken > 0) {
    established();
  } else if (shaken < 0) {
    disconnect(tls_.problem());
  } else {
    Locker locker(tier_.lock());
    watch(tls_.wants_to_write() ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

void Link::established() {
  {
    Locker locker(tier_.lock());
    phase_ = Phase::kConnected;
    watch(EPOLLIN);
  }
  if (tier_.connected()) {
    send_from_io();
  } else {
    disconnect(text("there is no memory"));
  }
}

void Link::disconnect(Bytes why) {
  if (phase_ == Phase::kIdle) return;
  bool was_connected;
  {
    Locker locker(tier_.lock());
    was_connected = phase_ == Phase::kConnected;
    phase_ = Phase::kIdle;
    shutdown(socket_, SHUT_RDWR);  // a sender must not wait
    while (is_sending_) sent_.wait(locker, CT_NEVER);
    tls_.end();
    // Closing ends the watch only if no child of fork has the socket, too.
    if (watched_ != 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, socket_, nullptr);
    close_descriptor(socket_);
    watched_ = 0;
    is_blocked_ = is_broken_ = false;
    taken_.clear();
    taken_sent_ = 0;
  }
  if (was_connected) {
    if (tier_.why().size == 0) tier_.say_why(why);
    tier_.lost();
  } else {
    tier_.unreachable(why);
  }
  retry_later();
}

void Link::retry_later() {
  delay_ = delay_ == 0 ? kFirstDelay : earlier(delay_ * 2, kLongestDelay);
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  next_ = later(exact_now(), delay_ + (random_ >> 33) % (delay_ / 2));
}

// ---- Reading and sending -------------------------------------------------------------------------

void Link::receive() {
  char data[kReadAtOnce];
  for (int i = 0; i < kReadsInTurn || tls_.has_more(); i++) {
    const ptrdiff_t size = read_some(data, sizeof data);
    if (size == 0) return;
    if (size < 0) {
      disconnect(text("the connection was closed"));
      return;
    }
    if (!tier_.received({data, static_cast<size_t>(size)})) {
      disconnect(text("the connection was given up"));
      return;
    }
  }
}

// These return how many bytes, 0 for none at present, -1 if the connection is broken.
ptrdiff_t Link::read_some(char *data, size_t capacity) {
  if (tls_.is_on()) return tls_.read(data, capacity);
  for (;;) {
    const ssize_t size = recv(socket_, data, capacity, 0);
    if (size > 0) return size;
    if (size == 0) return -1;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return -1;
  }
}

ptrdiff_t Link::send_some(int descriptor, const char *data, size_t size) {
  if (tls_.is_on()) return tls_.write(data, size);
  for (;;) {
    const ssize_t sent = ::send(descriptor, data, size, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return -1;
  }
}

void Link::flush(void *self, Locker &locker) {
  Link &link = *static_cast<Link *>(self);
  if (link.tier_.settings().url.is_tls) {
    if (!link.tier_.serves_here()) link.wake();
  } else {
    link.send(locker);
  }
}

void Link::send_from_io() {
  Locker locker(tier_.lock());
  send(locker);
  const bool is_broken = is_broken_;
  locker.unlock();
  if (is_broken) disconnect(text("the connection was closed"));
  locker.lock();
}

void Link::send(Locker &locker) {
  if (is_sending_ || is_blocked_) return;
  is_sending_ = true;
  while (phase_ == Phase::kConnected && !is_broken_ && !is_blocked_) {
    if (taken_sent_ == taken_.size()) {
      taken_.clear();
      taken_sent_ = 0;
      taken_.swap(tier_.output());
      if (taken_.size() == 0) break;
    }
    const Bytes rest = without_first(taken_.bytes(), taken_sent_);
    tier_.set_taken(rest.size);
    const int descriptor = socket_;
    locker.unlock();
    const ptrdiff_t sent = send_some(descriptor, rest.data, rest.size);
    locker.lock();
    if (sent > 0) {
      taken_sent_ += static_cast<size_t>(sent);
      handed_ += sent;
    } else if (sent == 0) {
      is_blocked_ = true;
      if (phase_ == Phase::kConnected) watch(EPOLLIN | EPOLLOUT);
    } else {
      is_broken_ = true;
      wake();
    }
  }
  tier_.set_taken(taken_.size() - taken_sent_);
  is_sending_ = false;
  sent_.tell_all();
}

}  // namespace ct::redis
