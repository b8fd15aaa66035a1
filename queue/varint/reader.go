package varint

import (
	"encoding/binary"
	"math"
)

// Reader takes bytes apart from the front.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader returns a reader of b, which stays the caller's.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Bad tells whether the bytes were damaged so far.
func (r *Reader) Bad() bool { return r.bad }

// More tells whether anything is left to read.
func (r *Reader) More() bool { return len(r.b) > 0 }

// Fail makes it bad: the caller found a field that cannot be.
func (r *Reader) Fail() { r.b, r.bad = nil, true }

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// UintTo reads a number; a larger one than most is damage.
func (r *Reader) UintTo(most uint64) uint64 {
	v := r.Uint()
	if v > most {
		r.Fail()
		return 0
	}
	return v
}

// Natural reads a number that was written unsigned and is to fit an int64, as offsets, sizes and times do.
func (r *Reader) Natural() int64 { return int64(r.UintTo(math.MaxInt64)) }

// Int reads a number that was written with its sign.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Count reads how many things follow, each of which takes a byte at least.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > uint64(len(r.b)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.b) == 0 {
		r.Fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// Take reads n bytes, which are the caller's bytes, not a copy; nil if there are not as many.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.Fail()
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// Rest reads all that is left, as Take does.
func (r *Reader) Rest() []byte { return r.Take(len(r.b)) }

// Bytes reads a length and that many bytes, as Take does.
func (r *Reader) Bytes() []byte { return r.Take(r.Count()) }

// String reads a length and that many bytes.
func (r *Reader) String() string { return string(r.Bytes()) }

// AppendString appends the length of s and its bytes, which Bytes and String read.
func AppendString[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
