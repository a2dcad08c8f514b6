// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// static ct_status memo_new(const ct_options *plain, uint32_t set, uintptr_t callbacks,
//                           ct_cache *shared, _GoString_ prefix, uintptr_t functions,
//                           ct_memo **out) {
//   return ct_go_memo_new(plain, set, callbacks, shared, _GoStringPtr(prefix),
//                         _GoStringLen(prefix), functions, out);
// }
import "C"

import (
	"runtime"
	"runtime/cgo"
)

// MemoOptions say how to memoize a function. Errors are not remembered.
type MemoOptions[A any] struct {
	Function func(memo *Memo[A], args A, result *Result) error
	AddKey   func(args A, key *Key) error // adds the arguments to a key that is lent for the call
	Shared   *ByteCache                   // where results are kept; nil: in a cache of its own
	Prefix   string                       // keeps the keys of memos that share a cache apart
	Own      ByteOptions                  // of its own cache; zero: LRU of 128
}

// Memo is a function that remembers its results.
type Memo[A any] struct {
	*memoState
	cache *ByteCache // its own, or a shared one, which outlives the memo
}

// memoState is the part of a memo that its own cache keeps.
type memoState struct {
	handle    *C.ct_memo
	functions cgo.Handle
	callbacks *callbacks // of its own cache
}

// memoFunctions are the functions of a memo, for arguments of any type.
type memoFunctions struct {
	call   func(args any, result *Result) error
	addKey func(args any, key *Key) error
}

// NewMemo memoizes a function.
func NewMemo[A any](options MemoOptions[A]) (*Memo[A], error) {
	if options.Own.Maxsize == 0 {
		options.Own.Maxsize = 128
	}
	var shared *C.ct_cache
	if options.Shared != nil {
		if shared = options.Shared.handle; shared == nil {
			return nil, ErrClosed
		}
	} else if problem := options.Own.Problem(); problem != "" {
		return nil, invalid(problem)
	}
	memo := &Memo[A]{&memoState{}, options.Shared}
	memo.functions = cgo.NewHandle(memoFunctions{
		call: func(args any, result *Result) error {
			it := args.(memoArgs[A])
			return options.Function(it.memo, it.args, result)
		},
		addKey: func(args any, key *Key) error {
			return options.AddKey(args.(memoArgs[A]).args, key)
		},
	})
	if shared == nil {
		memo.callbacks = callbacksFor(options.Own)
	}
	plain := options.Own.plain()
	status := C.memo_new(&plain, options.Own.set(), memo.callbacks.uintptr(), shared, options.Prefix,
		C.uintptr_t(memo.functions), &memo.handle)
	if status != C.CT_OK {
		memo.Close()
		return nil, check(status)
	}
	runtime.SetFinalizer(memo.memoState, (*memoState).close)
	if memo.cache == nil {
		memo.cache = &ByteCache{handle: C.ct_memo_cache(memo.handle, nil), callbacks: memo.callbacks,
			owner: memo.memoState}
	}
	return memo, nil
}

// memoArgs is what a call passes to the functions. It holds the memo, because a memo that its own
// functions held would never be collected.
type memoArgs[A any] struct {
	memo *Memo[A]
	args A
}

// Close frees the memo and its own cache. No call may be running.
func (m *Memo[A]) Close() {
	if m.cache != nil && m.cache.owner != nil {
		m.cache.left.Wait()
		m.cache.handle = nil
	}
	m.close()
}

func (m *memoState) close() {
	if m.functions == 0 {
		return
	}
	runtime.SetFinalizer(m, nil)
	C.ct_memo_free(m.handle)
	m.handle = nil
	m.functions.Delete()
	m.functions = 0
	m.callbacks.letGo()
}

// Cache returns the cache that keeps the results: the shared one, or the memo's own, which is
// closed with the memo.
func (m *Memo[A]) Cache() *ByteCache { return m.cache }

func (m *Memo[A]) call(args A) *call { return &call{args: memoArgs[A]{m, args}} }

// Call returns the remembered result, or calls the function.
func (m *Memo[A]) Call(args A) (Value, error) {
	defer runtime.KeepAlive(m)
	it := m.call(args)
	var out C.ct_go_value
	during(it, func(handle C.uintptr_t) { out = C.ct_go_memo_call(m.handle, handle) })
	value, err := m.cache.callbacks.value(out.value), checkOpen(m.handle != nil, out.status)
	value.isStale = out.status == C.CT_STALE
	return value, it.failure(err)
}

// Key returns the key that the result of a call is stored under.
func (m *Memo[A]) Key(args A) (string, error) {
	defer runtime.KeepAlive(m)
	key, err := NewKey(false)
	if err != nil {
		return "", err
	}
	defer key.Close()
	it := m.call(args)
	during(it, func(handle C.uintptr_t) {
		err = checkOpen(m.handle != nil, C.ct_go_memo_key(m.handle, handle, key.handle))
	})
	if err = it.failure(err); err != nil {
		return "", err
	}
	return key.Data()
}

// Invalidate forgets the result of one call.
func (m *Memo[A]) Invalidate(args A) (err error) {
	defer runtime.KeepAlive(m)
	it := m.call(args)
	during(it, func(handle C.uintptr_t) {
		err = checkOpen(m.handle != nil, C.ct_go_memo_invalidate(m.handle, handle))
	})
	return it.failure(err)
}

// MemoInfo are the counters of a memo.
type MemoInfo struct{ Hits, Misses, Maxsize, Weight uint64 }

// Info returns hits, misses, and how full the cache is.
func (m *Memo[A]) Info() (MemoInfo, error) {
	defer runtime.KeepAlive(m)
	var raw C.ct_cache_info
	raw.struct_size = C.sizeof_ct_cache_info
	err := checkOpen(m.handle != nil, C.ct_memo_info(m.handle, nil, &raw))
	return MemoInfo{uint64(raw.hits), uint64(raw.misses), uint64(raw.maxsize),
		uint64(raw.currsize)}, err
}

// Clear empties the cache, and counts from zero again.
func (m *Memo[A]) Clear() error {
	defer runtime.KeepAlive(m)
	return checkOpen(m.handle != nil, C.ct_memo_clear(m.handle, nil))
}

// Forget counts from zero again. Results stay.
func (m *Memo[A]) Forget() {
	defer runtime.KeepAlive(m)
	C.ct_memo_forget(m.handle, nil)
}
