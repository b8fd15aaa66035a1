package roster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/holtmq/holt/queue/ordered/assign"
)

// MaxMembers is how many members a group can have at once.
const MaxMembers = 10_000

// maxFenced is how many members thrown out by Fence are remembered, so that they hear why; the oldest go first.
const maxFenced = 1000

// Log names a partition: the id of its log, which is never reused.
type Log uint64

// Topic is one topic that the group reads, with its partitions by index. ID is that of its incarnation.
type Topic struct {
	ID         uint64
	Partitions []Log
}

// Roster is the members of one group and what they hold. For one goroutine at a time.
type Roster struct {
	topics  []Topic
	parts   []*part // of all topics, in order
	byLog   map[Log]*part
	members []*member // in order of joining
	byName  map[string]*member
	byEpoch map[int64]*member
	epoch   int64 // the last one given
	queue   deadlines

	fenced      map[string]int64 // thrown out: the epoch they had
	fencedOrder []string

	restored map[Log]*part // of a replay: who was to hold what, before SetTopics says what there is
	log      writer
	changed  []string // members whose parked calls have news
}

// part is one partition: who is to hold it and who does.
type part struct {
	log            Log
	topic, index   int // place in topics
	ordinal        int // in parts
	target, holder *member
}

// member is one member. Holds includes what it is to give up.
type member struct {
	name    string
	epoch   int64
	topics  []uint64 // nil: all that the group reads
	session int64    // ms
	until   int64    // ms: the session's end, unless calls are parked
	seen    int64    // ms
	parked  int      // calls of this epoch
	holds   []*part  // by ordinal
	version uint64   // rises when what it holds or is to give up changes
	told    uint64   // the version that an answer showed
	index   int      // in members, while balance runs
	place   int      // in the queue of deadlines
	timed   int64    // ms: where it stands there
}

// New returns an empty roster.
func New() *Roster {
	return &Roster{byLog: map[Log]*part{}, byName: map[string]*member{}, byEpoch: map[int64]*member{}, fenced: map[string]int64{}, restored: map[Log]*part{}}
}

// Join is what a member asks for when it joins.
type Join struct {
	Member  string   // never empty: who has no name of its own is given one by the caller
	Topics  []uint64 // nil: all that the group reads, whatever those are
	Session int64    // ms
}

// Join takes a member in, or replaces the one of its name: what that one held and is to keep stays where it is. It returns the new epoch. Errors:
// ErrTooManyMembers.
func (r *Roster) Join(now int64, j Join) (epoch int64, err error) {
	m := r.byName[j.Member]
	if m == nil {
		if len(r.members) >= MaxMembers {
			return 0, fmt.Errorf("%d members: %w", len(r.members), ErrTooManyMembers)
		}
		m = &member{name: j.Member}
		r.add(m)
	} else {
		r.dropped(m, func(p *part) bool { return p.target != m }) // the new one does not hold what the old one was to give up
		r.news(m)
	}
	r.epoch++
	r.rename(m, r.epoch)
	m.topics, m.session, m.parked = slices.Clone(j.Topics), j.Session, 0
	m.seen, m.until = now, now+j.Session
	r.queue.move(m, m.until)
	delete(r.fenced, j.Member)
	r.log.member(m)
	r.balance()
	m.told = m.version
	return m.epoch, nil
}

func (r *Roster) add(m *member) {
	r.members = append(r.members, m)
	r.byName[m.name] = m
	r.queue.push(m)
}

func (r *Roster) rename(m *member, epoch int64) {
	delete(r.byEpoch, m.epoch)
	m.epoch = epoch
	r.byEpoch[epoch] = m
}

// Check returns nil if the member is in the group with that epoch. Errors: ErrMemberNotFound, ErrFenced.
func (r *Roster) Check(name string, epoch int64) error {
	_, err := r.find(name, epoch)
	return err
}

func (r *Roster) find(name string, epoch int64) (*member, error) {
	m := r.byName[name]
	if m == nil {
		if at, fenced := r.fenced[name]; fenced && at == epoch {
			return nil, fmt.Errorf("member %s, epoch %d: %w: the group was reset", name, epoch, ErrFenced)
		}
		return nil, fmt.Errorf("member %s: %w", name, ErrMemberNotFound)
	}
	if m.epoch != epoch {
		return nil, fmt.Errorf("member %s, epoch %d: %w: its epoch is %d", name, epoch, ErrFenced, m.epoch)
	}
	return m, nil
}

// Seen notes a sign of life: the session runs anew.
func (r *Roster) Seen(now int64, name string, epoch int64) error {
	m, err := r.find(name, epoch)
	if err != nil {
		return err
	}
	m.seen, m.until = now, now+m.session // the queue of deadlines finds out when it comes to it
	return nil
}

// Report says what a member still works on: of what it is to give up, what is not named goes to the next one. Errors: those of Check.
func (r *Roster) Report(now int64, name string, epoch int64, owned func(Log) bool) error {
	if err := r.Seen(now, name, epoch); err != nil {
		return err
	}
	m := r.byName[name]
	if r.dropped(m, func(p *part) bool { return p.target != m && !owned(p.log) }) {
		r.settle()
	}
	return nil
}

// dropped takes what a member holds and drop says from it.
func (r *Roster) dropped(m *member, drop func(*part) bool) (any bool) {
	for _, p := range slices.Clone(m.holds) {
		if drop(p) {
			any = true
			r.hold(p, nil)
		}
	}
	return any
}

// Park says that a call of the member waits at the server, which keeps the session, until Unpark. Errors: those of Check.
func (r *Roster) Park(name string, epoch int64) error {
	m, err := r.find(name, epoch)
	if err == nil {
		m.parked++
	}
	return err
}

// Unpark ends a Park: the session runs anew.
func (r *Roster) Unpark(now int64, name string, epoch int64) {
	if m, err := r.find(name, epoch); err == nil && m.parked > 0 {
		m.parked--
		m.seen, m.until = now, now+m.session
	}
}

// Leave takes a member out: what it held goes to the others at once. Errors: those of Check.
func (r *Roster) Leave(name string, epoch int64) error {
	m, err := r.find(name, epoch)
	if err != nil {
		return err
	}
	r.remove(m)
	r.balance()
	return nil
}

func (r *Roster) remove(m *member) {
	r.members = slices.DeleteFunc(r.members, func(o *member) bool { return o == m })
	delete(r.byName, m.name)
	delete(r.byEpoch, m.epoch)
	r.queue.remove(m)
	r.dropped(m, func(*part) bool { return true })
	for _, p := range r.parts {
		if p.target == m {
			p.target = nil
		}
	}
	r.log.gone(m)
	r.news(m)
}

// Expire takes the members out whose sessions are over, and returns their names.
func (r *Roster) Expire(now int64) (gone []string) {
	for {
		m := r.queue.first()
		if m == nil || m.timed > now {
			break
		}
		switch {
		case m.parked > 0:
			r.queue.move(m, now+m.session)
		case m.until > now:
			r.queue.move(m, m.until)
		default:
			gone = append(gone, m.name)
			r.remove(m)
		}
	}
	if len(gone) > 0 {
		r.balance()
	}
	return gone
}

// NextDeadline returns when Expire may have something to do, at the earliest.
func (r *Roster) NextDeadline() (ms int64, ok bool) {
	if m := r.queue.first(); m != nil {
		return m.timed, true
	}
	return 0, false
}

// Fence throws all members out: their calls get ErrFenced until they join again.
func (r *Roster) Fence() {
	for _, m := range slices.Clone(r.members) {
		r.remove(m)
		if _, known := r.fenced[m.name]; !known {
			r.fencedOrder = append(r.fencedOrder, m.name)
		}
		r.fenced[m.name] = m.epoch
	}
	for len(r.fencedOrder) > maxFenced {
		delete(r.fenced, r.fencedOrder[0])
		r.fencedOrder = r.fencedOrder[1:]
	}
}

// Resume gives every session a full period from now on, after a restart.
func (r *Roster) Resume(now int64) {
	for _, m := range r.members {
		m.until, m.seen = now+m.session, now
		r.queue.move(m, m.until)
	}
}

// SetTopics says what the group reads now. Partitions that are new are given out; those that are gone are nobody's.
func (r *Roster) SetTopics(topics []Topic) {
	was := r.byLog
	gone := r.parts
	for _, log := range slices.Sorted(maps.Keys(r.restored)) {
		was[log] = r.restored[log]
		gone = append(gone, r.restored[log])
	}
	r.restored = map[Log]*part{}
	r.topics, r.parts, r.byLog = topics, nil, map[Log]*part{}
	for t, topic := range topics {
		for i, log := range topic.Partitions {
			p := was[log]
			if p == nil {
				p = &part{log: log}
			}
			p.topic, p.index, p.ordinal = t, i, len(r.parts)
			r.parts = append(r.parts, p)
			r.byLog[log] = p
		}
	}
	for _, m := range r.members {
		slices.SortFunc(m.holds, byOrdinal)
	}
	for _, p := range gone {
		if r.byLog[p.log] == nil && (p.holder != nil || p.target != nil) {
			if p.holder != nil {
				r.news(p.holder)
			}
			p.target = nil
			r.hold(p, nil)
		}
	}
	r.balance()
}

// balance computes who is to hold what, and gives out what nobody holds.
func (r *Roster) balance() {
	in := assign.Input{Topics: make([]int, len(r.topics)), Members: make([][]int, len(r.members))}
	place := make(map[uint64]int, len(r.topics))
	all := make([]int, len(r.topics))
	for t, topic := range r.topics {
		in.Topics[t], place[topic.ID], all[t] = len(topic.Partitions), t, t
	}
	for i, m := range r.members {
		m.index = i
		if m.topics == nil {
			in.Members[i] = all
			continue
		}
		for _, id := range m.topics {
			if t, reads := place[id]; reads {
				in.Members[i] = append(in.Members[i], t)
			}
		}
	}
	in.Was, in.Held = make([][]int, len(r.topics)), make([][]int, len(r.topics))
	number := func(m *member) int {
		if m == nil {
			return assign.None
		}
		return m.index
	}
	for _, p := range r.parts {
		in.Was[p.topic] = append(in.Was[p.topic], number(p.target))
		in.Held[p.topic] = append(in.Held[p.topic], number(p.holder))
	}
	target := assign.Assign(in)
	for _, p := range r.parts {
		var to *member
		if n := target[p.topic][p.index]; n != assign.None {
			to = r.members[n]
		}
		if to != p.target {
			r.retarget(p, to)
		}
	}
	r.settle()
}

func (r *Roster) retarget(p *part, to *member) {
	if p.holder != nil && (p.holder == p.target) != (p.holder == to) {
		r.news(p.holder) // it is to give the partition up, or may keep it after all
	}
	p.target = to
	r.log.part(p)
}

// settle gives what nobody holds to the ones that are to hold it.
func (r *Roster) settle() {
	for _, p := range r.parts {
		if p.holder == nil && p.target != nil {
			r.hold(p, p.target)
		}
	}
}

// hold makes a member, or nobody, the holder of a partition.
func (r *Roster) hold(p *part, m *member) {
	if old := p.holder; old != nil {
		old.holds = slices.DeleteFunc(old.holds, func(o *part) bool { return o == p })
		if old.told == old.version { // no news: it said so itself
			old.told++
		}
		old.version++
	}
	p.holder = m
	if m != nil {
		i, _ := slices.BinarySearchFunc(m.holds, p, byOrdinal)
		m.holds = slices.Insert(m.holds, i, p)
		r.news(m)
	}
	r.log.part(p)
}

func byOrdinal(a, b *part) int { return cmp.Compare(a.ordinal, b.ordinal) }

// news notes that a member's answers will differ from what it was told.
func (r *Roster) news(m *member) {
	m.version++
	r.changed = append(r.changed, m.name)
}

// TakeChanged returns the members whose parked calls have news since the last call.
func (r *Roster) TakeChanged() []string {
	out := r.changed
	r.changed = nil
	return out
}
