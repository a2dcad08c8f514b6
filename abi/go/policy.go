// SPDX-License-Identifier: MIT

package cachetools

// #include <stdlib.h>
// #include "callbacks.h"
import "C"

import (
	"strconv"
	"unsafe"
)

// Policy says which entry leaves when room is needed.
type Policy int32

const (
	LRU      Policy = C.CT_POLICY_LRU      // least recently used
	FIFO     Policy = C.CT_POLICY_FIFO     // first stored; an update counts as storing
	LFU      Policy = C.CT_POLICY_LFU      // least often used
	RR       Policy = C.CT_POLICY_RR       // random
	TTL      Policy = C.CT_POLICY_TTL      // least recently used; requires Options.TTL
	TLRU     Policy = C.CT_POLICY_TLRU     // least recently used; requires Options.TimeToUse
	ANY      Policy = C.CT_POLICY_ANY      // first inserted; an update does not move an entry
	MRU      Policy = C.CT_POLICY_MRU      // most recently used
	CLOCK    Policy = C.CT_POLICY_CLOCK    // the oldest that was not used since the hand passed it
	SIEVE    Policy = C.CT_POLICY_SIEVE    // as CLOCK, but new entries come before spared ones
	S3FIFO   Policy = C.CT_POLICY_S3FIFO   // new entries that were not used twice soon
	WTINYLFU Policy = C.CT_POLICY_WTINYLFU // by frequency, with a window by recency that adapts
	ARC      Policy = C.CT_POLICY_ARC      // learns to weigh recent against repeated use
	ADAPTIVE Policy = C.CT_POLICY_ADAPTIVE // learns when entries come back
	CUSTOM   Policy = C.CT_POLICY_CUSTOM   // yours: requires Options.NewEvictor
)

// String returns the name of the policy: "LRU".
func (p Policy) String() string { return C.GoString(C.ct_policy_name(C.ct_policy(p))) }

// PolicyNamed finds a policy by its name, in any case.
func PolicyNamed(name string) (Policy, error) {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	var policy C.ct_policy
	if C.ct_policy_from_name(cName, &policy) != C.CT_OK {
		return 0, invalid("there is no policy " + strconv.Quote(name))
	}
	return Policy(policy), nil
}

// Evictor is an eviction policy of your own, one object for each shard. It knows entries by small
// numbers, each used again only after its Remove. It may have the methods of Updater and Resizer,
// too. All methods run inside the critical section and must not use any cache. A key is borrowed
// for the call, and now is the call's reading of the timer in nanoseconds.
type Evictor interface {
	Insert(id uint32, weight uint64, key []byte, now uint64) // there is a new entry
	Hit(id uint32, now uint64)                               // a use
	Remove(id uint32)                                        // it left, whyever
	Victim() uint32                                          // removes nothing; there is an entry
}

// Updater is an Evictor that is told of another value under the same key, or of another weight.
type Updater interface {
	Update(id uint32, weight uint64, key []byte, now uint64)
}

// Resizer is an Evictor that is told of another limit.
type Resizer interface {
	Resize(maxsize uint64)
}
