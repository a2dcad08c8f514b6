// SPDX-License-Identifier: MIT

package redis

// #include "callbacks.h"
import "C"

import (
	"runtime/cgo"

	"cachetools/internal/shared"
)

// The function that callbacks.c calls. No panic may unwind through C.

//export ctGoRedisListen
func ctGoRedisListen(handle C.uintptr_t, event *C.ct_redis_event) {
	defer shared.Die()
	cgo.Handle(handle).Value().(func(Event))(Event{
		Kind: EventKind(event.kind),
		Key:  C.GoStringN((*C.char)(event.key.data), C.int(event.key.size)),
		Text: C.GoStringN((*C.char)(event.text.data), C.int(event.text.size)),
	})
}
