package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// makeBatch makes a batch of n records from base on.
func makeBatch(t *testing.T, base Offset, n int) Batch {
	t.Helper()
	at := time.UnixMilli(1_700_000_000_000).UTC()
	var b record.Builder
	b.Reset(base)
	for i := range n {
		b.Append(record.Record{Offset: base + Offset(i), Timestamp: at, Value: []byte("value")})
	}
	bytes, err := b.Encode(nil, record.None)
	if err != nil {
		t.Fatal(err)
	}
	return Batch{Base: base, Last: base + Offset(n) - 1, MaxTime: at, Bytes: bytes}
}

func TestValidateTakes(t *testing.T) {
	first, second := makeBatch(t, 7, 3), makeBatch(t, 10, 1)
	hole := Batch{Base: 0, Last: 6}
	long := Journal(strings.Repeat("j", MaxJournalName))
	full := make(Unit, MaxUnitEdits)
	for i := range full {
		full[i].Log = LogID(i)
	}
	for name, units := range map[string][]Unit{
		"nothing":    nil,
		"empty unit": {{}},
		"no parts":   {{{Log: 1}}},
		"all parts": {{{
			Log: 1, Append: []Batch{first, second}, Start: 8, Rewrite: &hole,
			Entries: []Entry{
				{Journal: long, Kind: Delta, Seq: 1, Bytes: make([]byte, MaxEntryBytes)},
				{Journal: "\xff", Kind: Piece, Seq: 1, Part: 1},
				{Journal: "g", Kind: Checkpoint, Seq: 1, Part: 2},
				{Journal: "g", Kind: Forget},
			},
			Notes: []Note{{Journal: "g", At: 0, Bytes: make([]byte, MaxNoteBytes)}, {Journal: "g", At: 1<<63 - 1}},
		}}},
		"drop":                        {{{Log: 1, Drop: true}, {Log: 2, Start: 1}}},
		"most edits":                  {full},
		"one log in two units":        {{{Log: 1}}, {{Log: 1}}},
		"as many bytes as may be":     {unitOfBytes(MaxUnitBytes)},
		"two units of the most bytes": {unitOfBytes(MaxUnitBytes), unitOfBytes(MaxUnitBytes)},
	} {
		if err := Validate(units); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// unitOfBytes makes a unit of so many bytes, in entries.
func unitOfBytes(n int) Unit {
	var e Edit
	for seq := uint64(1); n > 0; seq++ {
		size := min(n, MaxEntryBytes)
		e.Entries = append(e.Entries, Entry{Journal: "g", Kind: Delta, Seq: seq, Bytes: make([]byte, size)})
		n -= size
	}
	return Unit{e}
}

func TestValidateRefuses(t *testing.T) {
	good := makeBatch(t, 7, 3)
	spoiled := func(spoil func(b *Batch)) Batch {
		b := good
		b.Bytes = bytes.Clone(b.Bytes)
		spoil(&b)
		return b
	}
	units := map[string]Unit{
		"too many edits":    make(Unit, MaxUnitEdits+1),
		"too many bytes":    unitOfBytes(MaxUnitBytes + 1),
		"a log twice":       {{Log: 1}, {Log: 2}, {Log: 1}},
		"drop and append":   {{Drop: true, Append: []Batch{good}}},
		"drop and start":    {{Drop: true, Start: 1}},
		"drop and rewrite":  {{Drop: true, Rewrite: &good}},
		"drop and entry":    {{Drop: true, Entries: []Entry{{Journal: "g", Kind: Delta, Seq: 1}}}},
		"drop and note":     {{Drop: true, Notes: []Note{{Journal: "g"}}}},
		"negative start":    {{Start: -1}},
		"gap":               {{Append: []Batch{good, makeBatch(t, 11, 1)}}},
		"time goes back":    {{Append: []Batch{good, before(makeBatch(t, 10, 1))}}},
		"append of nothing": {{Append: []Batch{spoiled(func(b *Batch) { b.Bytes = nil })}}},
	}
	twice := make(Unit, 9) // more than are compared pair by pair
	for i := range twice {
		twice[i].Log = LogID(i % 8)
	}
	units["a log twice among many"] = twice
	for name, b := range map[string]Batch{
		"bit":      spoiled(func(b *Batch) { b.Bytes[len(b.Bytes)-1] ^= 1 }),
		"length":   spoiled(func(b *Batch) { b.Bytes = b.Bytes[:len(b.Bytes)-1] }),
		"base":     spoiled(func(b *Batch) { b.Base-- }),
		"last":     spoiled(func(b *Batch) { b.Last++ }),
		"time":     spoiled(func(b *Batch) { b.MaxTime = b.MaxTime.Add(1) }),
		"negative": spoiled(func(b *Batch) { b.Base, b.Bytes = -1, nil }),
		"inverse":  spoiled(func(b *Batch) { b.Last, b.Bytes = b.Base-1, nil }),
		"too far":  spoiled(func(b *Batch) { b.Last, b.Bytes = 1<<63-1, nil }),
	} {
		units["append, "+name] = Unit{{Append: []Batch{b}}}
		units["rewrite, "+name] = Unit{{Rewrite: &b}}
	}
	refuse(t, units)
}

func before(b Batch) Batch {
	b.MaxTime = b.MaxTime.Add(-time.Millisecond)
	return b
}

func TestValidateRefusesEntriesAndNotes(t *testing.T) {
	units := map[string]Unit{}
	for name, e := range map[string]Entry{
		"no journal":           {Kind: Delta, Seq: 1},
		"long journal":         {Journal: Journal(strings.Repeat("j", MaxJournalName+1)), Kind: Delta, Seq: 1},
		"NUL":                  {Journal: "a\x00", Kind: Delta, Seq: 1},
		"no kind":              {Journal: "g", Seq: 1},
		"unknown kind":         {Journal: "g", Kind: Forget + 1, Seq: 1},
		"too many bytes":       {Journal: "g", Kind: Delta, Seq: 1, Bytes: make([]byte, MaxEntryBytes+1)},
		"delta 0":              {Journal: "g", Kind: Delta},
		"delta's part":         {Journal: "g", Kind: Delta, Seq: 1, Part: 1},
		"piece at 0":           {Journal: "g", Kind: Piece},
		"checkpoint at 0":      {Journal: "g", Kind: Checkpoint, Part: 1},
		"checkpoint of none":   {Journal: "g", Kind: Checkpoint, Seq: 1},
		"checkpoint's bytes":   {Journal: "g", Kind: Checkpoint, Seq: 1, Part: 1, Bytes: []byte("x")},
		"forget at a sequence": {Journal: "g", Kind: Forget, Seq: 1},
		"forget's part":        {Journal: "g", Kind: Forget, Part: 1},
		"forget's bytes":       {Journal: "g", Kind: Forget, Bytes: []byte("x")},
	} {
		units["entry, "+name] = Unit{{Entries: []Entry{e}}}
	}
	for name, n := range map[string]Note{
		"no journal":     {At: 1},
		"long journal":   {Journal: Journal(strings.Repeat("j", MaxJournalName+1))},
		"NUL":            {Journal: "\x00"},
		"negative":       {Journal: "g", At: -1},
		"too many bytes": {Journal: "g", Bytes: make([]byte, MaxNoteBytes+1)},
	} {
		units["note, "+name] = Unit{{Notes: []Note{n}}}
	}
	refuse(t, units)
}

func refuse(t *testing.T, units map[string]Unit) {
	t.Helper()
	for name, u := range units {
		err := Validate([]Unit{{{Log: 1}}, u})
		if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), "unit 1: ") {
			t.Errorf("%s: error %v, want ErrInvalid of unit 1", name, err)
		}
	}
}

func TestValidateDefinition(t *testing.T) {
	longest := strings.Repeat("n", MaxMetaName)
	if err := ValidateDefinition(longest, make([]byte, MaxMetaBytes)); err != nil {
		t.Error(err)
	}
	if err := ValidateDefinition("n", nil); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"no name":   ValidateDefinition("", nil),
		"long name": ValidateDefinition(longest+"n", nil),
		"NUL":       ValidateDefinition("a\x00b", nil),
		"value":     ValidateDefinition("n", make([]byte, MaxMetaBytes+1)),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
	}
}

func TestUnitSize(t *testing.T) {
	b := makeBatch(t, 0, 1)
	u := Unit{
		{Append: []Batch{b, b}, Rewrite: &b, Notes: []Note{{Bytes: make([]byte, 5)}}},
		{Entries: []Entry{{Journal: "g", Bytes: make([]byte, 7)}}},
	}
	if got, want := u.Size(), 3*len(b.Bytes)+12; got != want {
		t.Errorf("size = %d, want %d", got, want)
	}
}
