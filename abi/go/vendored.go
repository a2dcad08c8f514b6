// SPDX-License-Identifier: MIT
//go:build vendored

package cachetools

// cachetools.cpp and cachetools.h stand here then. They come with a release; in a checkout,
// `meson setup build -Dtests=false && meson compile -C build vendor` makes them.

// #cgo CFLAGS: -I${SRCDIR}
// #cgo CXXFLAGS: -std=c++17 -O2 -fno-exceptions -fno-rtti
// #cgo LDFLAGS: -lm
// #cgo windows LDFLAGS: -lsynchronization
import "C"
