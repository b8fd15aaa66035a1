package lease

import (
	"encoding/binary"
	"fmt"
)

// maxOffset bounds what a decoder believes; sums of two never overflow.
const maxOffset = 1 << 61

// decoder reads what the encoders wrote. After the first fault everything reads as zero.
type decoder struct {
	b    []byte
	why  string // the first fault
	base Offset // offsets are differences to the one before
}

func (d *decoder) fail(why string) {
	if d.why == "" {
		d.why = why
	}
	d.b = nil
}

func (d *decoder) err(what string) error {
	if d.why == "" {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", what, d.why, ErrCorrupt)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail("cut short")
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uint(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	switch {
	case n <= 0:
		d.fail("cut short")
		return 0
	case v > most:
		d.fail("a number is too large")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 { return uint32(d.uint(1<<32 - 1)) }

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("cut short")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// offset reads one that was written as the difference to base.
func (d *decoder) offset() Offset {
	v := d.int()
	if v < -maxOffset || v > maxOffset || d.base+Offset(v) < 0 || d.base+Offset(v) > maxOffset {
		d.fail("an offset is out of range")
		return 0
	}
	d.base += Offset(v)
	return d.base
}

func (d *decoder) uint64() uint64 {
	if len(d.b) < 8 {
		d.fail("cut short")
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) name() string {
	n := int(d.uint(MaxMember))
	if n > len(d.b) {
		d.fail("cut short")
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func appendName(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
