// SPDX-License-Identifier: MIT

package cachetools

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// encoded is a key as bytes that are equal if and only if the keys are: the first bytes of word if
// there is a size, else text. A word spares an allocation, and need not be scanned.
type encoded struct {
	text string
	word uint64
	size int
}

func (e encoded) string() string {
	if e.size == 0 {
		return e.text
	}
	return string((*[8]byte)(unsafe.Pointer(&e.word))[:e.size])
}

// keys encode and decode keys of a type.
type keys[K comparable] struct {
	encode func(K) encoded
	decode func([]byte) K
}

// part is a part of a key in memory that == compares: bytes, or a string if the size is 0. Padding
// and blank fields are in no part.
type part struct{ offset, size uintptr }

// keysOf returns an error for types of which the bytes do not tell whether keys are equal.
func keysOf[K comparable]() (keys[K], error) {
	kind := reflect.TypeOf((*K)(nil)).Elem()
	if kind.Kind() == reflect.String {
		return keys[K]{
			encode: func(key K) encoded { return encoded{text: *(*string)(unsafe.Pointer(&key))} },
			decode: func(data []byte) (key K) {
				*(*string)(unsafe.Pointer(&key)) = string(data)
				return key
			},
		}, nil
	}
	parts, err := partsOf(kind, 0, nil)
	if err != nil {
		return keys[K]{}, err
	}
	decode := func(data []byte) (key K) {
		for _, part := range parts {
			at := unsafe.Add(unsafe.Pointer(&key), part.offset)
			if part.size != 0 {
				data = data[copy(unsafe.Slice((*byte)(at), part.size), data):]
				continue
			}
			size := binary.LittleEndian.Uint32(data)
			*(*string)(at) = string(data[4 : 4+size])
			data = data[4+size:]
		}
		return key
	}
	if len(parts) == 1 && parts[0].size != 0 && parts[0].size <= 8 {
		offset, size := parts[0].offset, parts[0].size
		return keys[K]{decode: decode, encode: func(key K) encoded {
			it := encoded{size: int(size)}
			from := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&key), offset)), size)
			copy((*[8]byte)(unsafe.Pointer(&it.word))[:], from)
			return it
		}}, nil
	}
	return keys[K]{decode: decode, encode: func(key K) encoded {
		var text strings.Builder
		text.Grow(int(unsafe.Sizeof(key)))
		for _, part := range parts {
			at := unsafe.Add(unsafe.Pointer(&key), part.offset)
			if part.size != 0 {
				text.Write(unsafe.Slice((*byte)(at), part.size))
				continue
			}
			// The library takes no key of 2^32 bytes or more.
			var size [4]byte
			binary.LittleEndian.PutUint32(size[:], uint32(len(*(*string)(at))))
			text.Write(size[:])
			text.WriteString(*(*string)(at))
		}
		return encoded{text: text.String()}
	}}, nil
}

// partsOf appends the parts of a type at an offset. Parts that touch become one.
func partsOf(kind reflect.Type, offset uintptr, parts []part) ([]part, error) {
	var err error
	switch kind.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if last := len(parts) - 1; last >= 0 && parts[last].size != 0 &&
			parts[last].offset+parts[last].size == offset {
			parts[last].size += kind.Size()
			return parts, nil
		}
		return append(parts, part{offset, kind.Size()}), nil
	case reflect.String:
		return append(parts, part{offset, 0}), nil
	case reflect.Array:
		for i := 0; i < kind.Len() && err == nil; i++ {
			parts, err = partsOf(kind.Elem(), offset+uintptr(i)*kind.Elem().Size(), parts)
		}
		return parts, err
	case reflect.Struct:
		for i := 0; i < kind.NumField() && err == nil; i++ {
			if field := kind.Field(i); field.Name != "_" {
				parts, err = partsOf(field.Type, offset+field.Offset, parts)
			}
		}
		return parts, err
	}
	return nil, invalid(fmt.Sprint("keys are strings, bools, integers, and arrays and structs of these, not ",
		kind))
}
