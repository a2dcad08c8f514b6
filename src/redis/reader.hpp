// SPDX-License-Identifier: MIT
// What a server says, in the order in which it says it: bytes in, events out. No socket, no lock, and
// no idea of what was asked. hiredis parses; these functions take the place of those that would make
// a tree of each reply, so that nothing is allocated for a reply and the keys of a push of any length
// are handed on one by one.
#ifndef CT_REDIS_READER_HPP
#define CT_REDIS_READER_HPP

#include <hiredis/read.h>

#include "redis/bytes.hpp"

namespace ct::redis {

struct Reply {
  // What is made of several values is kOther, and not looked into.
  enum class Kind : uint8_t { kStatus, kError, kString, kInteger, kNil, kOther };
  Kind kind;
  Bytes text;  // of a status, an error and a string; borrowed for the event
  int64_t integer;
};

// Called while bytes are read. After false, the stream is broken.
struct ReaderEvents {
  void *self;
  bool (*replied)(void *self, const Reply &reply);
  void (*invalidated)(void *self, Bytes key);
  void (*invalidated_all)(void *self);
};

class Reader {
 public:
  explicit Reader(const ReaderEvents &events) : events_(events) {}
  ~Reader() { close(); }
  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;

  // Begins a new stream. Returns false without memory.
  bool open();
  void close();
  // Returns false if this is not the protocol, or without memory: nothing can be read any more.
  bool read(Bytes bytes);

 private:
  static redisReplyObjectFunctions functions();
  static Reader &of(const redisReadTask *task) { return *static_cast<Reader *>(task->privdata); }
  static void *create_string(const redisReadTask *task, char *data, size_t size);
  static void *create_array(const redisReadTask *task, size_t size);
  static void *create_integer(const redisReadTask *task, long long number);
  static void *create_double(const redisReadTask *task, double number, char *data, size_t size);
  static void *create_nil(const redisReadTask *task);
  static void *create_bool(const redisReadTask *task, int value);

  void *reply(const redisReadTask *task, const Reply &reply);
  void *done() { return this; }  // any object, as hiredis takes NULL for want of memory

  ReaderEvents events_;
  redisReplyObjectFunctions functions_ = functions();
  redisReader *reader_ = nullptr;
  // The message that is being read. Only a reply answers a command; an attribute says something of
  // the reply that follows, and is passed over.
  enum class Message : uint8_t { kReply, kPush, kAttribute };
  Message message_ = Message::kReply;
  bool is_invalidation_ = false;  // a push whose first word said so
};

}  // namespace ct::redis

#endif
