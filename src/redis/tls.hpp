// SPDX-License-Identifier: MIT
// TLS over a socket that does not block, by OpenSSL if the library was built with it. The server's
// certificate must be signed by one that the system trusts, and be made out to the host.
#ifndef CT_REDIS_TLS_HPP
#define CT_REDIS_TLS_HPP

#include "redis/bytes.hpp"

namespace ct::redis {

class Tls {
 public:
  Tls() = default;
  ~Tls();
  Tls(const Tls &) = delete;
  Tls &operator=(const Tls &) = delete;

  static bool is_built_in();

  bool is_on() const { return session_ != nullptr; }
  // Returns false if that cannot be; then problem() says why, as after any other failure.
  bool begin(int socket, const char *host);
  void end();
  // Returns 1 when it is done, 0 if it has to wait for the socket, -1 on failure.
  int shake_hands();
  // Return how many bytes, 0 if they have to wait for the socket, -1 on failure.
  ptrdiff_t read(char *data, size_t capacity);
  ptrdiff_t write(const char *data, size_t size);
  // Whether it has bytes that the socket no longer tells of.
  bool has_more() const;
  bool wants_to_write() const { return wants_to_write_; }
  Bytes problem() const { return problem_.bytes(); }

 private:
  ptrdiff_t judge(int result);

  void *session_ = nullptr;
  bool wants_to_write_ = false;
  Buffer problem_;
};

}  // namespace ct::redis

#endif
