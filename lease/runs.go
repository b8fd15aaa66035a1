package lease

import "slices"

// maxRecent is how many records settled below the floor are remembered one by one.
const maxRecent = 256

// run is a range of offsets [from, to) that ended alike.
type run struct {
	from, to Offset
	outcome  Outcome
}

// runs are sorted, disjoint, and neighbours that touch differ in outcome.
type runs []run

// after gives the index of the first run that ends past at.
func (r runs) after(at Offset) int {
	if n := len(r); n == 0 || r[n-1].to <= at { // the usual case: beyond all
		return n
	}
	i, _ := slices.BinarySearchFunc(r, at, func(x run, at Offset) int {
		if x.to <= at {
			return -1
		}
		return 1
	})
	return i
}

func (r runs) find(at Offset) (Outcome, bool) {
	if i := r.after(at); i < len(r) && r[i].from <= at {
		return r[i].outcome, true
	}
	return 0, false
}

// add puts [from, to) in, which overlaps nothing there.
func (r *runs) add(from, to Offset, o Outcome) {
	s := *r
	i := s.after(from)
	left := i > 0 && s[i-1].to == from && s[i-1].outcome == o
	right := i < len(s) && s[i].from == to && s[i].outcome == o
	switch {
	case left && right:
		s[i-1].to = s[i].to
		s = slices.Delete(s, i, i+1)
	case left:
		s[i-1].to = to
	case right:
		s[i].from = from
	default:
		s = slices.Insert(s, i, run{from, to, o})
	}
	*r = s
}

// remove takes the one offset at out, if it is in.
func (r *runs) remove(at Offset) {
	s := *r
	i := s.after(at)
	if i == len(s) || s[i].from > at {
		return
	}
	x := s[i]
	var parts []run
	if x.from < at {
		parts = append(parts, run{x.from, at, x.outcome})
	}
	if at+1 < x.to {
		parts = append(parts, run{at + 1, x.to, x.outcome})
	}
	*r = slices.Replace(s, i, i+1, parts...)
}

// cut forgets everything at and past at.
func (r *runs) cut(at Offset) {
	s := *r
	i := s.after(at)
	if i < len(s) && s[i].from < at {
		s[i].to = at
		i++
	}
	*r = s[:i]
}

// past is what is remembered of settled records, so that repeats can be answered. At and above the floor a settled record was acked
// unless a run says otherwise; so the usual outcome costs nothing. When there are too many runs the floor rises over the lowest: below
// it only the last few settled are known.
type past struct {
	floor  Offset
	except runs
	recent []run // single offsets below the floor, in the order they were settled
}

func (p *past) settle(at Offset, o Outcome) {
	if at >= p.floor {
		if o != Acked {
			p.skip(at, at+1, o)
		}
		return
	}
	if len(p.recent) == maxRecent {
		p.recent = append(p.recent[:0], p.recent[1:]...)
	}
	p.recent = append(p.recent, run{at, at + 1, o})
}

// skip notes [from, to), all at or above the floor, as settled otherwise than by ack.
func (p *past) skip(from, to Offset, o Outcome) {
	p.except.add(from, to, o)
	p.limit()
}

// limit raises the floor over the lowest run if there are too many.
func (p *past) limit() {
	if len(p.except) > MaxRuns {
		p.floor = p.except[0].to
		p.except = p.except[1:]
	}
}

// unsettle forgets how a record was settled: it is put back.
func (p *past) unsettle(at Offset) {
	if at < p.floor {
		p.recent = slices.DeleteFunc(p.recent, func(r run) bool { return r.from == at })
		return
	}
	p.except.remove(at)
	p.limit()
}

// outcome of a settled record; 0 = not known any more.
func (p *past) outcome(at Offset) Outcome {
	if at >= p.floor {
		if o, ok := p.except.find(at); ok {
			return o
		}
		return Acked
	}
	for i := len(p.recent) - 1; i >= 0; i-- {
		if p.recent[i].from == at {
			return p.recent[i].outcome
		}
	}
	return 0
}

// cut forgets everything at and past to.
func (p *past) cut(to Offset) {
	p.except.cut(to)
	p.recent = slices.DeleteFunc(p.recent, func(r run) bool { return r.from >= to })
	p.floor = min(p.floor, to)
}
