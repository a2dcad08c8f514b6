// SPDX-License-Identifier: MIT
// A doubly linked list of entries, by the links in their headers. The front is the end to which
// entries are usually added.
#ifndef CT_LIST_HPP
#define CT_LIST_HPP

#include <cassert>

#include "table/entry.hpp"
#include "table/store.hpp"

namespace ct {

class List {
 public:
  explicit List(const Store &store) noexcept : store_(store) {}

  Ref front() const { return front_; }
  Ref back() const { return back_; }
  bool empty() const { return front_ == kNone; }
  Ref towards_front(Ref ref) const { return store_.at(ref)->prev; }
  Ref towards_back(Ref ref) const { return store_.at(ref)->next; }

  // Returns the next entry of a walk towards the front. The walk begins at the back if ref is
  // kNone.
  Ref after(Ref ref) const { return ref == kNone ? back_ : towards_front(ref); }

  void push_front(Ref ref) {
    const Store::View view = store_.view();
    Entry *e = view.at(ref);
    const Ref front = front_;
    e->prev = kNone;
    e->next = front;
    set_prev(view, front, ref);
    front_ = ref;
  }

  // Returns the back, which is about to be taken, and prefetches the next one.
  Ref next_back() const {
    if (back_ != kNone) __builtin_prefetch(store_.at(towards_front(back_)), 1);
    return back_;
  }

  // Called before these entries are moved.
  void prefetch_neighbours(const Ref *refs, uint32_t count) const {
    if (store_.fits_near_core()) return;
    for (uint32_t i = 0; i < count; i++) {
      const Entry *e = store_.at(refs[i]);
      __builtin_prefetch(store_.at(e->prev), 1);
      __builtin_prefetch(store_.at(e->next), 1);
    }
  }

  // Moves entries to the front, one after the other. It links each to the one before, whose address
  // is at hand, and brings the front up to date at the end.
  void move_to_front(const Ref *refs, uint32_t count) {
    prefetch_neighbours(refs, count);
    const Store::View view = store_.view();
    Ref front = front_;
    Entry *f = view.at(front);
    for (uint32_t i = 0; i < count; i++) {
      const Ref ref = refs[i];
      if (ref == front) continue;
      Entry *e = view.at(ref);
      const Ref prev = e->prev;
      const Ref next = e->next;
      view.at(prev)->next = next;
      if (next == kNone) {
        back_ = prev;
      } else {
        view.at(next)->prev = prev;
      }
      e->next = front;
      f->prev = ref;
      front = ref;
      f = e;
    }
    f->prev = kNone;
    front_ = front;
  }

  // Inserts ref behind place, or as push_front does if place is kNone.
  void insert_behind(Ref place, Ref ref) {
    if (place == kNone) {
      push_front(ref);
      return;
    }
    const Store::View view = store_.view();
    Entry *e = view.at(ref);
    Entry *p = view.at(place);
    const Ref next = p->next;
    e->prev = place;
    e->next = next;
    set_prev(view, next, ref);
    p->next = ref;
  }

  void remove(Ref ref) {
    const Store::View view = store_.view();
    const Entry *e = view.at(ref);
    const Ref prev = e->prev;
    const Ref next = e->next;
    assert(front_ != kNone && back_ != kNone);
    assert((prev == kNone) == (ref == front_) && (next == kNone) == (ref == back_));
    set_next(view, prev, next);
    set_prev(view, next, prev);
  }

  void move_to_front(Ref ref) {
    if (ref == front_) return;
    const Store::View view = store_.view();
    Entry *e = view.at(ref);
    const Ref prev = e->prev;
    const Ref next = e->next;
    const Ref front = front_;
    view.at(prev)->next = next;
    set_prev(view, next, prev);
    e->prev = kNone;
    e->next = front;
    view.at(front)->prev = ref;
    front_ = ref;
  }

  // Tells the list that an entry has moved to `to`. Its header has been copied.
  void moved(Ref to) {
    const Store::View view = store_.view();
    const Entry *e = view.at(to);
    set_next(view, e->prev, to);
    set_prev(view, e->next, to);
  }

  void clear() { front_ = back_ = kNone; }

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken. visit(ref) does the same for each entry, from
  // the back on.
  template <class Visit>
  const char *problem(Visit visit) const {
    Ref behind = kNone;
    for (Ref ref = back_; ref != kNone; ref = towards_front(ref)) {
      if (towards_back(ref) != behind) return "list: an entry does not know who is behind it";
      if (const char *problem = visit(ref)) return problem;
      behind = ref;
    }
    return front_ == behind ? nullptr : "list: its front is not the last from the back";
  }
#endif

 private:
  // Sets what stands behind ref, or the front if ref is kNone.
  void set_next(const Store::View &view, Ref ref, Ref next) {
    if (ref == kNone) {
      front_ = next;
    } else {
      view.at(ref)->next = next;
    }
  }
  // Sets what stands before ref, or the back if ref is kNone.
  void set_prev(const Store::View &view, Ref ref, Ref prev) {
    if (ref == kNone) {
      back_ = prev;
    } else {
      view.at(ref)->prev = prev;
    }
  }

  const Store &store_;
  Ref front_ = kNone;
  Ref back_ = kNone;
};

}  // namespace ct

#endif
