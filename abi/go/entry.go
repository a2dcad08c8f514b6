// SPDX-License-Identifier: MIT

package cachetools

// #include <stdlib.h>
// #include "callbacks.h"
import "C"

import (
	"time"
	"unsafe"
)

// EntryFlags say which fields of EntryOptions apply, and set conditions.
type EntryFlags uint32

const (
	EntryTTL       EntryFlags = C.CT_ENTRY_TTL        // EntryOptions.TTL applies
	EntryDeadline  EntryFlags = C.CT_ENTRY_DEADLINE   // EntryOptions.Deadline applies
	EntryWeight    EntryFlags = C.CT_ENTRY_WEIGHT     // EntryOptions.Weight applies
	EntryIfAbsent  EntryFlags = C.CT_ENTRY_IF_ABSENT  // else ErrExists
	EntryIfPresent EntryFlags = C.CT_ENTRY_IF_PRESENT // else ErrMiss
	EntryIfSame    EntryFlags = C.CT_ENTRY_IF_SAME    // EntryOptions.Same applies
	EntryKeepTTL   EntryFlags = C.CT_ENTRY_KEEP_TTL   // the lifetime of the old value goes on
	EntryCost      EntryFlags = C.CT_ENTRY_COST       // EntryOptions.Cost applies
)

// EntryOptions say what is special about one entry. A field without its flag must be 0.
type EntryOptions struct {
	Flags EntryFlags
	// TTL counts from now on. Up to 0 it is dead on arrival: so it may be what remains of a lifetime,
	// as time.Until tells.
	TTL      time.Duration
	Deadline time.Duration // a reading of the timer
	Weight   uint64
	Cost     uint64 // of bringing the value back; matters to ADAPTIVE
	// Same is the value that the key of a ByteCache must still have: ErrMiss if it has none, ErrExists
	// if it has another, also one of equal bytes. It is of Hold, or of any call but Get, which may have
	// copied it: that is ErrInvalid.
	Same *Value
	// Tags, 8 at most, say what the value was made of: see InvalidateTag. They need no flag.
	Tags []string
}

// lend returns what the library takes. What that points to is in a block of C's memory, to be freed
// after the call.
func (o *EntryOptions) lend() (C.ct_entry_options, unsafe.Pointer) {
	raw := C.ct_entry_options{
		struct_size: C.sizeof_ct_entry_options,
		flags:       C.uint32_t(o.Flags),
		ttl:         ticks(o.TTL),
		deadline:    ticks(o.Deadline),
		weight:      C.uint64_t(o.Weight),
		cost:        C.uint64_t(o.Cost),
	}
	if o.Same == nil && len(o.Tags) == 0 {
		return raw, nil
	}
	return o.lendPointers(raw) // another function, so that only there raw is on the heap
}

func (o *EntryOptions) lendPointers(raw C.ct_entry_options) (C.ct_entry_options, unsafe.Pointer) {
	var tags flat
	for _, tag := range o.Tags {
		tags.data = append(tags.data, tag...)
		tags.end()
	}
	tags.ends = append(tags.ends, 0) // so that there is a first one
	var same C.ct_value
	isHeld := o.Same != nil && o.Same.copied == nil
	if isHeld {
		same = o.Same.raw
	}
	block := C.ct_go_options_lend(&raw, C.bool(isHeld), same, unsafe.Pointer(data(tags.data)),
		&tags.ends[0], C.size_t(len(o.Tags)))
	return raw, block
}

// explain returns err. If it is that the cache does not take the options, it says why; or else, what
// fewer options a call takes.
func (c *ByteCache) explain(err error, options EntryOptions, fewer string) error {
	if err != ErrInvalid {
		return err
	}
	if options.Same != nil && options.Same.copied != nil {
		return errCopied
	}
	raw, block := options.lend()
	defer freeBlock(block)
	if sentence := C.ct_entry_options_problem(c.handle, &raw); sentence != nil {
		return invalid(problem(sentence))
	}
	if fewer == "" {
		return err
	}
	return invalid(fewer)
}

var errCopied error = invalid("Same: Get has copied it, so it is no version; Hold returns one")

const noCondition = "Flags: a load takes no condition and no EntryKeepTTL."

func freeBlock(block unsafe.Pointer) {
	if block != nil {
		C.free(block)
	}
}

// EntryInfo is what is known of an entry.
type EntryInfo struct {
	Weight    uint64
	Deadline  time.Duration // a reading of the timer, or Never
	Remaining time.Duration // from now on, or Never
	Frequency uint64        // how often stored or used, if the policy counts
	KeySize   uint64        // in bytes
	ValueSize uint64        // in bytes; of a Cache, those of a number in place of the value
}

func infoOf(raw *C.ct_entry_info) EntryInfo {
	return EntryInfo{uint64(raw.weight), durationOf(raw.deadline), durationOf(raw.remaining),
		uint64(raw.frequency), uint64(raw.key_size), uint64(raw.value_size)}
}
