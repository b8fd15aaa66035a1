package roster

import "slices"

// View is what a member holds. The version rises with each change.
type View struct {
	Keep   []Log // to go on with, in order of topics and partitions
	Revoke []Log // to give up
	News   bool  // an answer that showed this version has not been made yet
}

// View returns what a member holds. Errors: those of Check.
func (r *Roster) View(name string, epoch int64) (View, error) {
	m, err := r.find(name, epoch)
	if err != nil {
		return View{}, err
	}
	v := View{News: m.told != m.version}
	for _, p := range m.holds {
		if p.target == m {
			v.Keep = append(v.Keep, p.log)
		} else {
			v.Revoke = append(v.Revoke, p.log)
		}
	}
	return v, nil
}

// Told notes that an answer showed the member what it holds.
func (r *Roster) Told(name string, epoch int64) {
	if m, err := r.find(name, epoch); err == nil {
		m.told = m.version
	}
}

// Holds tells whether the member with that epoch holds a partition, one that it is to give up included.
func (r *Roster) Holds(name string, epoch int64, log Log) bool {
	m, err := r.find(name, epoch)
	p := r.byLog[log]
	return err == nil && p != nil && p.holder == m
}

// Epoch returns the epoch of a member, 0 if it is none.
func (r *Roster) Epoch(name string) int64 {
	if m := r.byName[name]; m != nil {
		return m.epoch
	}
	return 0
}

// Len returns how many members there are.
func (r *Roster) Len() int { return len(r.members) }

// Member describes a member.
type Member struct {
	Name    string
	Epoch   int64
	Topics  []uint64 // nil: all
	Session int64    // ms
	Seen    int64    // ms
	Parked  bool
	Holds   []Log
	Target  []Log
}

// Roll is Members without what they hold.
func (r *Roster) Roll() []Member {
	out := make([]Member, len(r.members))
	for i, m := range r.members {
		out[i] = Member{Name: m.name, Epoch: m.epoch, Topics: slices.Clone(m.topics), Session: m.session, Seen: m.seen, Parked: m.parked > 0}
	}
	return out
}

// Members describes all members, in order of joining.
func (r *Roster) Members() []Member {
	out := r.Roll()
	place := make(map[*member]int, len(r.members))
	for i, m := range r.members {
		place[m] = i
	}
	for _, p := range r.parts {
		if p.holder != nil {
			o := &out[place[p.holder]]
			o.Holds = append(o.Holds, p.log)
		}
		if p.target != nil {
			o := &out[place[p.target]]
			o.Target = append(o.Target, p.log)
		}
	}
	return out
}

// Holder returns the member that holds a partition, or "".
func (r *Roster) Holder(log Log) string {
	if p := r.byLog[log]; p != nil && p.holder != nil {
		return p.holder.name
	}
	return ""
}
