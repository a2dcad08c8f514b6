// SPDX-License-Identifier: MIT
#include "redis/tls.hpp"

#ifdef CT_REDIS_TLS

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <climits>
#include <ctime>

namespace ct::redis {

namespace {

SSL *session_of(void *session) { return static_cast<SSL *>(session); }

// OpenSSL writes to the socket by write(2), which raises SIGPIPE when the other end is gone.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    const timespec at_once = {0, 0};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe &) = delete;
  WithoutSigpipe &operator=(const WithoutSigpipe &) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_;
};

bool is_address(const char *host) {
  unsigned char room[sizeof(in6_addr)];
  return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

SSL *new_session(int socket, const char *host) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return nullptr;
  SSL *session = nullptr;
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
      SSL_CTX_set_default_verify_paths(context) == 1) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    session = SSL_new(context);
  }
  SSL_CTX_free(context);  // the session holds it
  if (session == nullptr) return nullptr;
  const bool named =
      is_address(host)
          ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
          : SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
  if (named && SSL_set_fd(session, socket) == 1) return session;
  SSL_free(session);
  return nullptr;
}

int clipped(size_t size) { return size > INT_MAX ? INT_MAX : static_cast<int>(size); }

}  // namespace

Tls::~Tls() { end(); }

bool Tls::is_built_in() { return true; }

bool Tls::begin(int socket, const char *host) {
  end();
  ERR_clear_error();
  session_ = new_session(socket, host);
  if (session_ != nullptr) return true;
  (void)judge(-1);
  return false;
}

void Tls::end() {
  SSL_free(session_of(session_));
  session_ = nullptr;
}

int Tls::shake_hands() {
  ERR_clear_error();
  const WithoutSigpipe guard;
  return static_cast<int>(judge(SSL_connect(session_of(session_))));
}

ptrdiff_t Tls::read(char *data, size_t capacity) {
  ERR_clear_error();
  const WithoutSigpipe guard;
  return judge(SSL_read(session_of(session_), data, clipped(capacity)));
}

ptrdiff_t Tls::write(const char *data, size_t size) {
  ERR_clear_error();
  const WithoutSigpipe guard;
  return judge(SSL_write(session_of(session_), data, clipped(size)));
}

bool Tls::has_more() const { return is_on() && SSL_pending(session_of(session_)) > 0; }

ptrdiff_t Tls::judge(int result) {
  if (result > 0) return result;
  if (session_ != nullptr) {
    const int error = SSL_get_error(session_of(session_), result);
    wants_to_write_ = error == SSL_ERROR_WANT_WRITE;
    if (wants_to_write_ || error == SSL_ERROR_WANT_READ) return 0;
  }
  const char *reason = ERR_reason_error_string(ERR_peek_error());
  if (reason == nullptr) reason = "the connection was closed";
  (void)problem_.assign({reason, std::strlen(reason)});
  return -1;
}

}  // namespace ct::redis

#else

namespace ct::redis {

Tls::~Tls() = default;
bool Tls::is_built_in() { return false; }
bool Tls::begin(int, const char *) { return false; }
void Tls::end() {}
int Tls::shake_hands() { return -1; }
ptrdiff_t Tls::read(char *, size_t) { return -1; }
ptrdiff_t Tls::write(const char *, size_t) { return -1; }
bool Tls::has_more() const { return false; }

}  // namespace ct::redis

#endif
