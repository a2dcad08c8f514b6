// SPDX-License-Identifier: MIT
//go:build !vendored

package cachetools

// #cgo pkg-config: cachetools
import "C"
