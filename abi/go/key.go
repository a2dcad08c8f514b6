// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// static void key_text(ct_key *key, _GoString_ text) {
//   ct_key_text(key, _GoStringPtr(text), _GoStringLen(text));
// }
//
// static void key_bytes(ct_key *key, const unsigned char *data, size_t size) {
//   ct_key_bytes(key, data, size);
// }
//
// static void key_name(ct_key *key, _GoString_ name) {
//   ct_key_name(key, _GoStringPtr(name), _GoStringLen(name));
// }
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Key builds a key from typed arguments: bytes that are equal if and only if the arguments are. One
// goroutine at a time may use it.
type Key struct {
	handle *C.ct_key
	isLent bool // lent to AddKey for one call
}

// NewKey makes a builder. If typed, 1, 1.0 and true are three keys.
func NewKey(typed bool) (*Key, error) {
	flags := C.uint32_t(0)
	if typed {
		flags = C.CT_KEY_TYPED
	}
	key := &Key{handle: C.ct_key_new(flags)}
	if key.handle == nil {
		return nil, ErrNoMemory
	}
	runtime.SetFinalizer(key, (*Key).Close)
	return key, nil
}

// Close frees the builder; otherwise the garbage collector does. A builder that AddKey got is not
// freed.
func (k *Key) Close() {
	if k.isLent {
		return
	}
	runtime.SetFinalizer(k, nil)
	C.ct_key_free(k.handle)
	k.handle = nil
}

// Add adds a value: nil, a bool, an integer, a floating-point number, a string, bytes, or a tuple
// as []any. With anything else in it, Add returns ErrInvalid and adds nothing.
func (k *Key) Add(value any) error {
	if k.handle == nil {
		return invalid("the key was lent for a call that has ended")
	}
	if !isAddable(value) {
		return invalid(fmt.Sprintf("a key takes no %T", value))
	}
	k.add(value)
	return nil
}

func isAddable(value any) bool {
	switch value := value.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr,
		float32, float64, string, []byte:
		return true
	case []any:
		for _, element := range value {
			if !isAddable(element) {
				return false
			}
		}
		return true
	}
	return false
}

func (k *Key) add(value any) {
	defer runtime.KeepAlive(k)
	switch value := value.(type) {
	case nil:
		C.ct_key_null(k.handle)
	case bool:
		C.ct_key_bool(k.handle, C.bool(value))
	case int:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int8:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int16:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int32:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int64:
		C.ct_key_int(k.handle, C.int64_t(value))
	case uint:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint8:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint16:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint32:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint64:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uintptr:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case float32:
		C.ct_key_double(k.handle, C.double(value))
	case float64:
		C.ct_key_double(k.handle, C.double(value))
	case string:
		C.key_text(k.handle, value)
	case []byte:
		C.key_bytes(k.handle, data(value), C.size_t(len(value)))
	case []any:
		C.ct_key_tuple_begin(k.handle)
		for _, element := range value {
			k.add(element)
		}
		C.ct_key_tuple_end(k.handle)
	}
}

// Name names the next value.
func (k *Key) Name(name string) {
	defer runtime.KeepAlive(k)
	C.key_name(k.handle, name)
}

// Reset empties the builder.
func (k *Key) Reset() {
	defer runtime.KeepAlive(k)
	C.ct_key_reset(k.handle)
}

// Data returns the key, or an error that says what was added wrongly.
func (k *Key) Data() (string, error) {
	defer runtime.KeepAlive(k)
	var bytes unsafe.Pointer
	var size C.size_t
	status := C.ct_key_data(k.handle, &bytes, &size)
	if status == C.CT_ERR_INVALID {
		return "", invalid(C.GoString(C.ct_key_problem(k.handle)))
	}
	if err := check(status); err != nil {
		return "", err
	}
	return string(borrowed(bytes, size)), nil
}
