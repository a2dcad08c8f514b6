// SPDX-License-Identifier: MIT

// Package hot has benchmarks of reading from Go, beside a cache written in Go. It is a module of
// its own, so that the wrapper depends on nothing. With libcachetools found by pkg-config:
//
//	go test -bench . -cpu 1,2 -count 5
package hot

// static void nothing(void) {}
import "C"

// call is what every use of the library takes at least. It is here as tests cannot use cgo.
func call() { C.nothing() }
