package record

// markEvery is how many records lie between two marks.
const markEvery = 16

// Marks is a sparse index of one uncompressed batch: where every 16th record stands. It makes Seek cost the same wherever
// a record is in its batch. The zero value has no marks; it is safe to share once made.
type Marks struct{ at []place }

// place is what a Reader needs to go on from before a record.
type place struct {
	pos  int32
	left int32
	prev int64
}

// Size is about how many bytes the marks take.
func (m *Marks) Size() int { return 24 + 16*len(m.at) }

// Mark goes through the batch that is b once. A compressed batch has no marks. Errors: ErrCorrupt, ErrUnsupported.
func Mark(b []byte) (*Marks, error) {
	var r Reader
	if err := r.Reset(b); err != nil {
		return nil, err
	}
	m := &Marks{}
	if r.info.Codec != None || r.left <= markEvery {
		return m, nil
	}
	m.at = make([]place, 0, r.left/markEvery)
	for i := 0; ; i++ {
		if i > 0 && i%markEvery == 0 {
			m.at = append(m.at, place{int32(r.pos), int32(r.left), r.prev})
		}
		if !r.Next() {
			return m, r.err
		}
	}
}

// Seek moves to the record at an offset, forward or back, and reports whether it is there: false is a hole, or damage (see Err). m, made
// of the same batch, is where it may begin.
func (r *Reader) Seek(m *Marks, at Offset) bool {
	delta := int64(at - r.info.Base)
	lo, hi := 0, len(m.at) // the last mark before the record
	for lo < hi {
		if mid := (lo + hi) / 2; m.at[mid].prev < delta {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo > 0 && (m.at[lo-1].prev > r.prev || r.prev > delta) {
		p := m.at[lo-1]
		r.pos, r.left, r.prev = int(p.pos), int(p.left), p.prev
	} else if r.prev > delta {
		r.pos, r.left, r.prev = 0, r.info.Count, -1
	}
	for r.prev < delta && r.Next() {
	}
	return r.err == nil && r.prev == delta && r.pos > 0
}
