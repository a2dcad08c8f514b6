// SPDX-License-Identifier: MIT
// A model of weakly ordered memory, explored exhaustively.
//
// The model runs the code itself, with the memory orders that it uses: the code is compiled with
// -fsanitize=thread, which turns each access to memory into a call, and linked to this file instead
// of ThreadSanitizer.
//
// The writers hold a lock, so their stores are one sequence, and they do not depend on the reader.
// So write() runs them first, and keeps each value that each byte has had. Then read() runs the
// reader once for each sequence of choices: a load may find any value that is not older than what
// the reader knows. An acquire that finds a release lets the reader know all stores before it.
// These are the views of Kang et al., "A promising semantics for relaxed-memory concurrency", 2017,
// without promises, which only a writer that depends on the reader could make. As the stores are
// one sequence, a view is a number: so many stores are known.
//
// If different stores wrote the bytes of one load, it chooses for each store. That allows more than
// processors do.
#ifndef WEAK_MEMORY_HPP
#define WEAK_MEMORY_HPP

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weak {

constexpr unsigned kAcquires = 1;
constexpr unsigned kReleases = 2;

// A part of the data, as the test numbers them.
using Part = uint32_t;
constexpr Part kNoPart = UINT32_MAX;

class Reader {
 public:
  // Reads as the code does, and returns whether it found what it may find. If it finds the same
  // again, it does the same again.
  virtual bool read() = 0;
  // The part that a load belongs to.
  virtual Part part_of(uintptr_t at, size_t size) = 0;
  // Whether the code does the same with either value of a byte.
  virtual bool is_same(Part part, uint8_t a, uint8_t b) = 0;
  // Each acquire of this part begins an attempt, which does not depend on what the one before it
  // found.
  virtual Part beginning() = 0;

 protected:
  ~Reader() = default;
};

// What is weakened, to check that the model notices.
struct Fault {
  Part relaxed = kNoPart;   // nothing is acquired from this part: one side of it is relaxed
  Part repeated = kNoPart;  // of this part a load finds again what the first load in the run found:
  uint32_t number = 0;      // the load of this number, from 2 on; 0: each of them
};

class Memory {
 public:
  void write(const std::function<void()> &writers);
  // Returns whether read() succeeded in each run, and in none of them loaded from outside of the
  // code's allocations, or found anything that was not atomic and may be written at the same time.
  bool read(Reader &reader, const Fault &fault = {});

  uint64_t runs() const { return runs_; }
  // The parts from which the reader learnt of stores.
  const std::set<Part> &acquired() const { return acquired_; }
  // Describes the loads of the last run.
  std::string story(const std::function<std::string(Part)> &name_of) const;

  // Returns the beginning of the code's allocation that has all of these bytes; 0: there is none.
  uintptr_t allocation_of(uintptr_t at, size_t size) const;

  // ---- Called by the code ---------------------------------------------------------------------

  void load(uintptr_t at, size_t size, unsigned order, void *out);
  // Compare-and-exchange and the like: they load the last value, and then may store.
  void load_last(uintptr_t at, size_t size, unsigned order, void *out);
  // What the reader stores goes nowhere. follows: the store follows load_last.
  void store(uintptr_t at, size_t size, unsigned order, const void *value, bool follows = false);
  void read_plainly(uintptr_t at, size_t size);
  void write_plainly(uintptr_t at, size_t size);
  void allocate(void *at, size_t size);
  void release(void *at);

 private:
  enum class Phase { kOther, kWriting, kReading };

  // While one exists, the model works for itself.
  struct Pause {
    explicit Pause(Phase &current) : phase(current), before(current) { phase = Phase::kOther; }
    ~Pause() { phase = before; }
    Phase &phase;
    const Phase before;
  };

  // A value that a byte has had.
  struct Value {
    uint64_t store;  // its number
    uint64_t known;  // so many stores are known to whoever acquires it; 0: it was not released
    uint8_t byte;
  };
  struct Byte {
    std::vector<Value> values;
    uint64_t plain = 0;  // the last store that was not atomic; 0: there was none
    uint64_t seen = 0;   // the newest store that the reader has found
  };
  struct Choice {
    uint32_t taken;
    uint32_t count;
  };
  // What the reader knows as it begins an attempt.
  struct Attempt {
    bool first;
    uint64_t known;
    uint64_t repeatable;
    std::vector<std::pair<Byte *, uint64_t>> seen;
    std::vector<uint32_t> choices;  // that led to it
  };
  struct Load {
    Part part;
    uintptr_t at;
    size_t size;
    uint64_t value;
    uint64_t store;
    uint64_t known;
  };

  bool is_shared(uintptr_t at) const;
  void keep_before(uintptr_t at, Byte &byte);
  Byte *find(uintptr_t at);
  bool run();
  bool has_next_run();
  bool is_begun();
  void find_values(uintptr_t at, size_t size, Part part, bool acquires, uint8_t *out);
  uint32_t choose(const std::vector<Byte *> &bytes, Part part, bool acquires);
  [[noreturn]] void end_run(const char *problem);

  Phase phase_ = Phase::kOther;
  uintptr_t stack_end_ = 0;
  std::map<uintptr_t, size_t> allocations_;
  std::unordered_map<uintptr_t, Byte> bytes_;
  uint64_t stores_ = 0;

  Reader *reader_ = nullptr;
  Fault fault_;
  uint64_t runs_ = 0;
  std::vector<Choice> choices_;
  std::vector<Attempt> attempts_;
  std::set<Part> acquired_;

  // The state of one run.
  std::jmp_buf end_;
  const char *problem_ = nullptr;
  size_t chosen_ = 0;
  uint64_t known_ = 0;
  std::set<Byte *> seen_;
  uint32_t begun_ = 0;
  uint32_t repeatable_ = 0;  // loads of fault_.repeated
  uint64_t first_ = 0;       // what the first of them found
  std::vector<Load> loads_;
};

extern Memory memory;

}  // namespace weak

#endif
