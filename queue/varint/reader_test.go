package varint

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func written() []byte {
	b := binary.AppendUvarint(nil, math.MaxUint64)
	b = binary.AppendVarint(b, math.MinInt64)
	b = binary.AppendUvarint(b, math.MaxInt64)
	b = binary.AppendUvarint(b, 7)
	b = append(b, 0xfe)
	b = AppendString(b, "name")
	b = AppendString(b, []byte{})
	return append(b, "rest"...)
}

type fields struct {
	Uint       uint64
	Int, Nat   int64
	To         uint64
	Byte       byte
	Name, None string
	Rest       []byte
}

func read(r *Reader) fields {
	return fields{r.Uint(), r.Int(), r.Natural(), r.UintTo(7), r.Byte(), r.String(), r.String(), r.Rest()}
}

func TestFieldsComeBackAsWritten(t *testing.T) {
	r := NewReader(written())
	want := fields{math.MaxUint64, math.MinInt64, math.MaxInt64, 7, 0xfe, "name", "", []byte("rest")}
	if diff := cmp.Diff(want, read(r)); diff != "" || r.Bad() || r.More() {
		t.Errorf("bad %v, more %v (−want +got):\n%s", r.Bad(), r.More(), diff)
	}
}

// Whatever is cut off or too large is damage, and after damage nothing is left.
func TestDamage(t *testing.T) {
	long := bytes.Repeat([]byte{0xff}, 11)
	all := written()
	for name, c := range map[string]struct {
		b    []byte
		read func(*Reader) bool // whether what was read is nothing
	}{
		"no number":           {nil, func(r *Reader) bool { return r.Uint() == 0 }},
		"no signed number":    {nil, func(r *Reader) bool { return r.Int() == 0 }},
		"a number cut short":  {[]byte{0x80}, func(r *Reader) bool { return r.Uint() == 0 }},
		"a number too long":   {long, func(r *Reader) bool { return r.Uint() == 0 }},
		"a signed one":        {long, func(r *Reader) bool { return r.Int() == 0 }},
		"over the most":       {[]byte{8, 1}, func(r *Reader) bool { return r.UintTo(7) == 0 }},
		"over an int64":       {binary.AppendUvarint(nil, 1<<63), func(r *Reader) bool { return r.Natural() == 0 }},
		"no byte":             {nil, func(r *Reader) bool { return r.Byte() == 0 }},
		"more than there are": {[]byte{3, 1, 1}, func(r *Reader) bool { return r.Count() == 0 }},
		"more than an int":    {binary.AppendUvarint(nil, math.MaxUint64), func(r *Reader) bool { return r.Count() == 0 }},
		"bytes cut short":     {[]byte{3, 1, 1}, func(r *Reader) bool { return r.Bytes() == nil }},
		"a string cut short":  {[]byte{3, 'a', 'b'}, func(r *Reader) bool { return r.String() == "" }},
		"too many to take":    {[]byte{1, 2}, func(r *Reader) bool { return r.Take(3) == nil }},
		"less than none":      {[]byte{1, 2}, func(r *Reader) bool { return r.Take(-1) == nil }},
		"the caller's word":   {[]byte{1, 2}, func(r *Reader) bool { r.Fail(); return true }},
		"all but its rest":    {all[:len(all)-6], func(r *Reader) bool { return read(r).Rest == nil }},
	} {
		r := NewReader(c.b)
		if nothing := c.read(r); !nothing || !r.Bad() || r.More() {
			t.Errorf("%s: nothing %v, bad %v, more %v", name, nothing, r.Bad(), r.More())
		}
		if got := read(r); got.Uint != 0 || got.Int != 0 || got.Byte != 0 || got.Name != "" || len(got.Rest) > 0 || !r.Bad() {
			t.Errorf("%s: afterwards it read %+v, bad %v", name, got, r.Bad())
		}
	}
}

func TestWhatIsTakenIsNotGrownInto(t *testing.T) {
	b := []byte{1, 'a', 'b'}
	r := NewReader(b)
	_ = append(r.Bytes(), 'x')
	if b[2] != 'b' {
		t.Error("appending to a field wrote into the next one")
	}
}
