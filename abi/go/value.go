// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// static void release(ct_value value) {
//   ct_value_release(&value);
// }
import "C"

import "sync"

// Value is a value read out of a ByteCache. It views memory that is reused after its Release, the
// library's own or, for what Get copied, Go's: defer Release, and keep no slice of it longer.
//
// It stays valid and unchanged until Release, whatever happens to its entry or to the cache. Do not
// copy it by assignment, so that it is released once.
type Value struct {
	raw       C.ct_value
	callbacks *callbacks
	copied    *room // instead of raw
	isStale   bool
}

// room takes a copy of a small value, so that its release needs no call into C. The library reads
// values up to this size without a lock.
type room struct {
	bytes [1024]byte
	size  int
}

// rooms are reused, because an allocation would cost as much as the look-up.
var rooms = sync.Pool{New: func() any { return new(room) }}

// Bytes returns a view of the value. Neither change it nor keep it after Release.
func (v *Value) Bytes() []byte {
	if v.copied != nil {
		return v.copied.bytes[:v.copied.size:v.copied.size]
	}
	if v.raw.data == nil {
		return nil
	}
	return borrowed(v.raw.data, v.raw.size)
}

// IsStale returns whether the value was past its deadline when a loading call handed it out: a newer
// one could not be loaded yet. See Options.Stale.
func (v *Value) IsStale() bool { return v.isStale }

// String returns a copy of the value.
func (v *Value) String() string { return string(v.Bytes()) }

// Release releases the value. A second Release, or one of an empty Value, is harmless.
func (v *Value) Release() {
	if v.copied != nil {
		rooms.Put(v.copied)
		v.copied = nil
		return
	}
	if v.raw.data == nil {
		return
	}
	raw := v.raw
	v.raw = C.ct_value{}
	C.release(raw)
	v.callbacks.letGo()
}

// Ref returns the same value once more, with a Release of its own.
func (v *Value) Ref() (Value, error) {
	if v.copied != nil {
		second := rooms.Get().(*room)
		second.size = copy(second.bytes[:], v.Bytes())
		return Value{copied: second}, nil
	}
	var out C.ct_go_value
	out.status = C.ct_value_ref(&v.raw, &out.value)
	second := v.callbacks.value(out.value)
	second.isStale = v.isStale
	return second, check(out.status)
}

// data returns a pointer to bytes, of a type that cgo need not check for pointers inside.
func data(bytes []byte) *C.uchar {
	if len(bytes) == 0 {
		return nil
	}
	return (*C.uchar)(&bytes[0])
}
