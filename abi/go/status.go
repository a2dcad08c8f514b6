// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

// Status is an outcome other than success. Positive ones are ordinary outcomes; after a negative
// one nothing has happened.
type Status int32

const (
	ErrMiss        Status = C.CT_MISS            // there is no such entry: it is absent or expired
	ErrExists      Status = C.CT_EXISTS          // there is such an entry already
	ErrNotStored   Status = C.CT_NOT_STORED      // dead on arrival; in Compute: leave the entry as it is
	ErrBusy        Status = C.CT_BUSY            // another caller is loading or changing this key
	ErrInvalid     Status = C.CT_ERR_INVALID     // an argument is not allowed
	ErrNoMemory    Status = C.CT_ERR_NOMEM       // the allocator has no memory left
	ErrTooLarge    Status = C.CT_ERR_TOO_LARGE   // the entry weighs more than Maxsize
	ErrBuffer      Status = C.CT_ERR_BUFFER      // the buffer is too small
	ErrRecursion   Status = C.CT_ERR_RECURSION   // the call would wait for itself
	ErrCorrupt     Status = C.CT_ERR_CORRUPT     // the input is truncated or altered
	ErrIO          Status = C.CT_ERR_IO          // reading or writing failed
	ErrInternal    Status = C.CT_ERR_INTERNAL    // the library has a fault
	ErrUnsupported Status = C.CT_ERR_UNSUPPORTED // this cache or this system cannot do that
	ErrCallback    Status = C.CT_ERR_CALLBACK    // a callback answered what it may not
	ErrLoad        Status = callbackFailed       // the load of another caller failed
)

// Error returns one sentence that says what the status means.
func (s Status) Error() string {
	if s == ErrLoad {
		return "cachetools: The load of another caller failed."
	}
	return "cachetools: " + C.GoString(C.ct_status_message(C.ct_status(s)))
}

// Name returns the name of the status in C: "CT_ERR_NOMEM".
func (s Status) Name() string { return C.GoString(C.ct_status_name(C.ct_status(s))) }

func check(status C.ct_status) error {
	if status == C.CT_OK || status == C.CT_STALE || status == C.CT_RENEW { // a value in each case
		return nil
	}
	return Status(status)
}

// invalid is an ErrInvalid that says what is.
type invalid string

func (i invalid) Error() string { return "cachetools: " + string(i) }
func (i invalid) Unwrap() error { return ErrInvalid }

// ErrClosed is what methods of a closed cache or memo return. It is an ErrInvalid, too.
var ErrClosed error = invalid("it is closed")

// checkOpen is check for a call with a handle, which is nil once it is closed.
func checkOpen(isOpen bool, status C.ct_status) error {
	if status == C.CT_ERR_INVALID && !isOpen {
		return ErrClosed
	}
	return check(status)
}
