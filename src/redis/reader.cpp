// SPDX-License-Identifier: MIT
#include "redis/reader.hpp"

namespace ct::redis {

namespace {

// No string of the protocol is longer. What has not come to an end by then never will.
constexpr size_t kLongestString = (size_t{512} << 20) + 65536;

size_t depth_of(const redisReadTask *task) {
  size_t depth = 0;
  for (; task->parent != nullptr; task = task->parent) depth++;
  return depth;
}

}  // namespace

redisReplyObjectFunctions Reader::functions() {
  redisReplyObjectFunctions functions = {};
  functions.createString = create_string;
  functions.createArray = create_array;
  functions.createInteger = create_integer;
  functions.createDouble = create_double;
  functions.createNil = create_nil;
  functions.createBool = create_bool;
  functions.freeObject = [](void *) {};
  return functions;
}

bool Reader::open() {
  close();
  reader_ = redisReaderCreateWithFunctions(&functions_);
  if (reader_ == nullptr) return false;
  reader_->privdata = this;
  return true;
}

void Reader::close() {
  if (reader_ != nullptr) redisReaderFree(reader_);
  reader_ = nullptr;
}

bool Reader::read(Bytes bytes) {
  if (redisReaderFeed(reader_, bytes.data, bytes.size) != REDIS_OK) return false;
  for (;;) {
    void *whole = nullptr;
    if (redisReaderGetReply(reader_, &whole) != REDIS_OK) return false;
    if (whole == nullptr) return reader_->len - reader_->pos <= kLongestString;
    const bool was_reply = message_ == Message::kReply;
    message_ = Message::kReply;
    is_invalidation_ = false;
    if (whole != this && was_reply) {  // of several values
      if (!events_.replied(events_.self, {Reply::Kind::kOther, {"", 0}, 0})) return false;
    }
  }
}

// The answer to a command, if it is not a part of one. An event that fails ends the stream, as it
// looks to hiredis like want of memory.
void *Reader::reply(const redisReadTask *task, const Reply &reply) {
  if (task->parent != nullptr) return done();
  return events_.replied(events_.self, reply) ? done() : nullptr;
}

void *Reader::create_string(const redisReadTask *task, char *data, size_t size) {
  Reader &self = of(task);
  const Bytes string = {data, size};
  if (self.message_ == Message::kPush) {
    const size_t depth = depth_of(task);
    if (depth == 1 && task->idx == 0) self.is_invalidation_ = string == text("invalidate");
    if (depth == 2 && task->parent->idx == 1 && self.is_invalidation_) {
      self.events_.invalidated(self.events_.self, string);
    }
    return self.done();
  }
  const Reply::Kind kind = task->type == REDIS_REPLY_ERROR    ? Reply::Kind::kError
                           : task->type == REDIS_REPLY_STATUS ? Reply::Kind::kStatus
                           : task->type == REDIS_REPLY_STRING ? Reply::Kind::kString
                                                              : Reply::Kind::kOther;
  return self.reply(task, {kind, string, 0});
}

void *Reader::create_array(const redisReadTask *task, size_t) {
  Reader &self = of(task);
  if (task->parent != nullptr) {
    // hiredis takes an attribute inside of a reply for one of its values.
    return task->type == REDIS_REPLY_ATTR ? nullptr : self.done();
  }
  self.message_ = task->type == REDIS_REPLY_PUSH   ? Message::kPush
                  : task->type == REDIS_REPLY_ATTR ? Message::kAttribute
                                                   : Message::kReply;
  return &self.message_;  // not what a single value has, so that the end of this one is seen
}

void *Reader::create_integer(const redisReadTask *task, long long number) {
  return of(task).reply(task, {Reply::Kind::kInteger, {"", 0}, number});
}

void *Reader::create_double(const redisReadTask *task, double, char *, size_t) {
  return of(task).reply(task, {Reply::Kind::kOther, {"", 0}, 0});
}

void *Reader::create_nil(const redisReadTask *task) {
  Reader &self = of(task);
  if (task->type == REDIS_REPLY_PUSH || task->type == REDIS_REPLY_ATTR)
    return nullptr;  // -1 values
  if (self.message_ == Message::kPush) {
    if (self.is_invalidation_ && depth_of(task) == 1 && task->idx == 1) {
      self.events_.invalidated_all(self.events_.self);
    }
    return self.done();
  }
  return self.reply(task, {Reply::Kind::kNil, {"", 0}, 0});
}

void *Reader::create_bool(const redisReadTask *task, int) {
  return of(task).reply(task, {Reply::Kind::kOther, {"", 0}, 0});
}

}  // namespace ct::redis
