// SPDX-License-Identifier: MIT

package cachetools

import (
	"math/bits"
	"sync/atomic"
)

// slots hold the values of a Cache in Go's memory, where the garbage collector sees them. The
// library holds numbers in their place, as C must not keep Go's pointers. A number is the index of
// a slot and the turn in which it was filled, so that the number of a value that has left is known
// as such, though its slot may hold another by then. Reading takes no lock.
//
// Each number that put returned is given to take exactly once: by Drop if the library has stored
// it, else by the call that could not store it. The slots of values that left are used again; there
// never are more than there were values at once.
type slots[V any] struct {
	chunks [27]atomic.Pointer[[]slot[V]] // chunk i has firstChunk << i slots; none ever moves
	made   atomic.Uint32                 // how many slots there are
	free   atomic.Uint64                 // Treiber's stack: the upper half counts, against ABA
}

type slot[V any] struct {
	filled atomic.Pointer[filled[V]]
	next   atomic.Uint32 // in the stack: the index of the next free slot and 1; 0: none
	turn   uint32        // of who has taken it off the stack
}

// filled never changes, so that who has read its pointer has both of its fields.
type filled[V any] struct {
	number uint64
	value  V
}

const firstChunk = 64

func (s *slots[V]) at(index uint32) *slot[V] {
	place := uint64(index) + firstChunk
	chunk := bits.Len64(place) - bits.Len64(firstChunk)
	return &(*s.chunks[chunk].Load())[place-firstChunk<<chunk]
}

// put stores a value, and returns its number.
func (s *slots[V]) put(value V) uint64 {
	index := s.pop()
	slot := s.at(index)
	slot.turn++
	number := uint64(slot.turn)<<32 | uint64(index)
	slot.filled.Store(&filled[V]{number, value})
	return number
}

// get returns the value of a number, if that has not been taken out.
func (s *slots[V]) get(number uint64) (value V, isThere bool) {
	if it := s.at(uint32(number)).filled.Load(); it != nil && it.number == number {
		return it.value, true
	}
	return value, false
}

// take takes a value out.
func (s *slots[V]) take(number uint64) V {
	index := uint32(number)
	slot := s.at(index)
	value := slot.filled.Swap(nil).value
	for {
		top := s.free.Load()
		slot.next.Store(uint32(top))
		if s.free.CompareAndSwap(top, (top>>32+1)<<32|uint64(index+1)) {
			return value
		}
	}
}

// pop returns the index of a free slot.
func (s *slots[V]) pop() uint32 {
	for {
		top := s.free.Load()
		if uint32(top) == 0 {
			return s.grow()
		}
		index := uint32(top) - 1
		next := s.at(index).next.Load()
		if s.free.CompareAndSwap(top, (top>>32+1)<<32|uint64(next)) {
			return index
		}
	}
}

// grow returns the index of a new slot.
func (s *slots[V]) grow() uint32 {
	index := s.made.Add(1) - 1
	if index == 1<<32-1 {
		panic("cachetools: a cache holds 2^32 values")
	}
	chunk := bits.Len64(uint64(index)+firstChunk) - bits.Len64(firstChunk)
	if s.chunks[chunk].Load() == nil {
		made := make([]slot[V], firstChunk<<chunk)
		s.chunks[chunk].CompareAndSwap(nil, &made)
	}
	return index
}
