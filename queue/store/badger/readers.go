package badger

// readers knows at which sequences transactions read, so that Badger keeps what they see. Sequences begin in
// ascending order, because every reader begins at the newest durable one. The owner's lock guards it.
type readers struct {
	open []reading // ascending by seq
}

type reading struct {
	seq uint64
	n   int
}

func (r *readers) begin(seq uint64) {
	if n := len(r.open); n > 0 && r.open[n-1].seq == seq {
		r.open[n-1].n++
		return
	}
	r.open = append(r.open, reading{seq, 1})
}

func (r *readers) end(seq uint64) {
	for i := len(r.open) - 1; i >= 0; i-- {
		if r.open[i].seq == seq {
			r.open[i].n--
			break
		}
	}
	drop := 0
	for drop < len(r.open) && r.open[drop].n == 0 {
		drop++
	}
	r.open = append(r.open[:0], r.open[drop:]...)
}

// oldest returns the lowest sequence at which somebody reads, or durable if nobody does.
func (r *readers) oldest(durable uint64) uint64 {
	if len(r.open) > 0 {
		return r.open[0].seq
	}
	return durable
}
