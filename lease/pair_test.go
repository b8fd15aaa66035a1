package lease_test

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/lease"
)

// pair runs a program on window and model at once.
type pair struct {
	w      *lease.Window
	m      *model
	now    int64
	wall   int64 // how far the wall clock is ahead of now
	inc    uint32
	claims []lease.Claim // every hand-out anybody saw
	given  map[lease.Claim]bool
	log    map[lease.Offset]lease.Offered
	late   map[lease.Offset]bool // could not be read at first
	frozen bool                  // configuration fixed: attempts and keys can be checked without the model
	cfg    lease.Config
	start  []byte   // a checkpoint
	deltas [][]byte // since
	mark   *model
	marked int // deltas at mark
	shadow *lease.Window
	buf    []byte
	out    []lease.Handout
	views  []lease.View
}

func newPair(n uint32, frozen bool) *pair {
	cfg := config(n)
	start := lease.Offset(n % 50)
	p := &pair{w: lease.New(cfg, start, 3), m: newModel(cfg, start, 3), now: 1000, inc: 1, given: map[lease.Claim]bool{}, log: map[lease.Offset]lease.Offered{}, late: map[lease.Offset]bool{}, cfg: cfg, frozen: frozen}
	p.start = p.w.AppendCheckpoint(nil)
	p.shadow = lease.New(cfg, start, 3)
	return p
}

func (p *pair) step(o op, i int) string {
	if why := p.do(o); why != "" {
		return why
	}
	if why := p.journal(); why != "" {
		return why
	}
	if why := p.compare(i); why != "" {
		return why
	}
	return p.invariants()
}

// journal takes the delta; the shadow window lives from deltas alone.
func (p *pair) journal() string {
	d := p.w.TakeDelta(nil)
	if len(d) > 64<<10 {
		return fmt.Sprintf("a delta of %d bytes", len(d))
	}
	if len(d) > 0 {
		p.deltas = append(p.deltas, d)
		if err := p.shadow.Replay(d); err != nil {
			return "the shadow refuses the delta: " + err.Error()
		}
	}
	return ""
}

func (p *pair) do(o op) string {
	switch o.kind {
	case doOffer:
		p.offer(o.n)
	case doLease:
		return p.lease(o.n)
	case doSettle, doForge:
		return p.settle(o)
	case doExpire:
		return p.expire()
	case doTick:
		p.now += int64([]uint32{1, 5, 20, 60, 150, 6_000}[o.n[0]%26/5] + o.n[1]%7)
		if o.n[2]%16 == 0 {
			p.wall = []int64{0, 40, -100, 3_000}[o.n[3]%4]
			p.setWall()
		}
	case doBury:
		return p.bury(o.n)
	case doFree:
		p.free(o.n)
	case doPlace:
		at := p.somewhere(o.n[0])
		v := []lease.Verb{lease.Ack, lease.Release, lease.Reject, lease.Nack, lease.Release}[o.n[1]%5]
		return same("SettleAt", p.w.SettleAt(p.now, at, v), p.m.settleAt(p.now, at, v))
	case doReset:
		at := max(p.somewhere(o.n[0]), 0)
		p.w.Reset(at)
		p.m.reset(at)
	case doTrim:
		at := p.m.start() + lease.Offset(o.n[0]%8) - 3
		p.w.TrimTo(at)
		p.m.trimTo(at)
	case doConfigure:
		p.configure(o.n[0])
	case doMark:
		p.mark, p.marked = p.m.clone(), len(p.deltas)
	case doCrash:
		return p.crash(o.n)
	case doRedrive:
		return p.redrive(o.n)
	case doDrop:
		return p.drop(o.n)
	case doUnread:
		p.unread(o.n)
	case doLost:
		at, due := p.somewhere(o.n[0]), p.now+int64(o.n[1]%100)
		return same("Unread", p.w.Unread(at, due), p.m.lost(at, due))
	case doFound:
		return p.foundOut(o.n)
	case doCheckpoint:
		p.start, p.deltas, p.mark = p.w.AppendCheckpoint(nil), nil, nil
		p.m.seen = 0
		for _, i := range p.m.open {
			p.m.seen = max(p.m.seen, i.since)
		}
		if back := p.restore(); !bytes.Equal(back.AppendCheckpoint(nil), p.start) {
			return "a restored window has another checkpoint"
		}
	}
	return ""
}

// somewhere is an offset in or around the window.
func (p *pair) somewhere(n uint32) lease.Offset {
	from := p.m.start() - 3
	return from + lease.Offset(n)%(p.m.end+6-from)
}

// redrive puts a record back: mostly one that is settled, of those a dead one first.
func (p *pair) redrive(n [4]uint32) string {
	at := p.m.start() - 12 + lease.Offset(n[0])%16
	if n[1]%8 == 0 {
		at = p.somewhere(n[0])
	}
	var dead []lease.Offset
	for d, o := range p.m.settled {
		if o == lease.Dead && d >= p.m.start()-40 {
			dead = append(dead, d)
		}
	}
	slices.Sort(dead)
	if len(dead) > 0 && n[1]%4 > 1 {
		at = dead[int(n[0])%len(dead)]
	}
	if len(p.m.open) > 30 {
		return ""
	}
	b := lease.Back{Offset: at, Size: 1 + n[2]%100, Key: p.log[at].Key, Deliveries: uint32(p.m.lives[at]), Incarnation: p.inc}
	if n[3]%4 == 0 {
		b.Due = p.now + int64(n[3]>>8%60)
	}
	if why := same("Redrive", p.w.Redrive(b), p.m.redrive(b)); why != "" {
		return why
	}
	return same("IsRedriven", p.w.IsRedriven(at), p.m.open[at] != nil && p.m.open[at].redriven)
}

// drop drops a record: mostly one that was put back.
func (p *pair) drop(n [4]uint32) string {
	at := p.somewhere(n[0])
	var back []lease.Offset
	for _, i := range p.m.sorted() {
		if i.redriven {
			back = append(back, i.at)
		}
	}
	if len(back) > 0 && n[1]%4 > 0 {
		at = back[int(n[0])%len(back)]
	}
	return same("Drop", p.w.Drop(at), p.m.drop(at))
}

func (p *pair) offer(n [4]uint32) {
	if n[3]%16 == 0 { // a hole
		to := p.m.end + lease.Offset(n[0]%12)
		p.w.SkipTo(to)
		for p.m.end < to {
			at := p.m.end
			if outcome, ahead := p.m.ahead[at]; ahead && outcome == 0 {
				break
			}
			p.log[at] = lease.Offered{Gone: true}
			p.m.offer([]lease.Offered{{Gone: true}})
		}
		return
	}
	if len(p.m.open) > 24 {
		return
	}
	recs := make([]lease.Offered, n[0]%7)
	for i := range recs {
		at := p.m.end + lease.Offset(i)
		if o, ok := p.log[at]; ok { // a log does not change
			recs[i] = o
			continue
		}
		x := n[1] >> (4 * i)
		recs[i] = lease.Offered{Size: 1 + x%100, Key: uint64(x % 5)}
		if x%11 == 7 {
			recs[i].Dies = p.now + int64(n[2]%200)
		}
		recs[i].Gone = n[3]>>i&0x101 == 0x101
		p.log[at] = recs[i]
	}
	p.w.Offer(p.w.End(), recs)
	p.m.offer(recs)
}

// unread offers records that cannot be read.
func (p *pair) unread(n [4]uint32) {
	if len(p.m.open) > 24 {
		return
	}
	due := p.now + int64(n[1]%100)
	p.w.OfferUnread(p.w.End(), int(n[0]%5), due)
	p.m.unread(int(n[0]%5), due)
}

// foundOut reads one of them, mostly, after all.
func (p *pair) foundOut(n [4]uint32) string {
	at := p.somewhere(n[0])
	for _, i := range p.m.sorted() {
		if i.state == lease.Unread && n[1]%8 > 0 {
			at = i.at
			break
		}
	}
	o, ok := p.log[at]
	if !ok {
		o = lease.Offered{Size: 1 + n[2]%100, Key: uint64(n[2] % 5), Gone: n[3]%8 == 0}
		if n[3]>>8%8 == 0 {
			o.Dies = p.now + int64(n[3]>>16%200)
		}
		p.log[at] = o
	}
	if i := p.m.open[at]; i != nil && i.state == lease.Unread {
		p.late[at] = true
	}
	return same("Found", p.w.Found(at, o), p.m.found(at, o))
}

func (p *pair) lease(n [4]uint32) string {
	q := lease.Request{Now: p.now, Ahead: int64(n[3] % 2), Length: int64(10 + n[0]%90), Max: 1 + int(n[1]%6), Member: string(rune('a' + n[2]%3)), Incarnation: p.inc}
	if n[3]%4 == 0 {
		q.MaxBytes = int64(n[3] % 200)
	}
	if n[0]>>8%8 == 0 {
		q.Length = 15_000
	}
	if n[3]>>8%4 == 0 {
		q.Have, q.HaveBytes = int(n[3]>>16%3), int64(n[3]>>16%3)*30
	}
	out, stop := p.w.Lease(q, p.out[:0])
	want, wantStop := p.m.lease(q)
	if why := same("Lease", append([]lease.Handout(nil), out...), want); why != "" {
		return why
	}
	p.out = out
	for _, h := range out {
		if p.given[h.Claim] {
			return fmt.Sprintf("claim %v given twice", h.Claim)
		}
		p.given[h.Claim] = true
		p.claims = append(p.claims, h.Claim)
		if m := p.m.cfg.MaxAttempts; p.frozen && m > 0 && h.Attempt > m {
			return fmt.Sprintf("attempt %d of %d", h.Attempt, m)
		}
		if h.Again && p.mark != nil { // its answer waits: after a crash now nobody has seen it
			p.mark.forgetful = append(p.mark.forgetful, h.Claim)
		}
	}
	return same("Stop", stop, wantStop)
}

func (p *pair) settle(o op) string {
	if len(p.claims) == 0 {
		return ""
	}
	back := int(o.n[0]>>8) % min(len(p.claims), []int{8, 30, 1 << 20}[o.n[0]%3])
	a := lease.Action{Claim: p.claims[len(p.claims)-1-back], Ahead: int64(o.n[1] >> 8 % 2), Delay: -1, For: int64(5 + o.n[2]%80)}
	a.Verb = []lease.Verb{lease.Ack, lease.Ack, lease.Nack, lease.Nack, lease.Release, lease.Reject, lease.Extend}[o.n[1]%7]
	if o.n[2]%4 == 0 {
		a.Delay = int64(o.n[3] % 50)
	}
	if o.kind == doForge && !p.frozen { // receipts are authenticated: what no window gave may break the order of keys
		switch o.n[3] % 5 {
		case 0:
			a.Offset += lease.Offset(o.n[2]%9) - 4
		case 1:
			a.Delivery += o.n[2]%3 - 1
		case 2:
			a.Incarnation += o.n[2]%3 - 1
		case 3:
			a.Epoch += o.n[2]%3 - 1
		case 4:
			a.Verb = lease.Verb(o.n[2] % 8)
		}
	}
	before := p.w.Judge(p.now, a)
	if why := same("Judge", before, p.m.judge(p.now, a)); why != "" {
		return fmt.Sprintf("%s of %+v", why, a)
	}
	got := p.w.Settle(p.now, a)
	if got.Code != before {
		return fmt.Sprintf("Judge says %d, Settle %d", before, got.Code)
	}
	if why := same("Settle", got, p.m.settleClaim(p.now, a)); why != "" {
		return fmt.Sprintf("%s of %+v", why, a)
	}
	return ""
}

func (p *pair) expire() string {
	out, freed, more := p.w.Expire(p.now, nil)
	want, wantFreed, wantMore := p.m.expire(p.now)
	if why := same("Expire", out, want); why != "" {
		return why
	}
	if freed != wantFreed || more != wantMore {
		return fmt.Sprintf("Expire freed %d (%v), want %d (%v)", freed, more, wantFreed, wantMore)
	}
	return ""
}

func (p *pair) bury(n [4]uint32) string {
	want := p.m.dying()
	if why := same("Dying", p.w.Dying(nil, 1000), want); why != "" {
		return why
	}
	at := p.somewhere(n[1])
	if len(want) > 0 && n[0]%4 > 0 {
		at = want[int(n[1])%len(want)].Offset
	}
	return same("Bury", p.w.Bury(at), p.m.bury(at))
}

func (p *pair) free(n [4]uint32) {
	var held []lease.Offset
	for at := range p.m.holds {
		held = append(held, at)
	}
	slices.Sort(held)
	at, key := p.somewhere(n[0]), uint64(n[1]%5)
	if len(held) > 0 && n[2]%4 > 0 {
		at = held[int(n[0])%len(held)]
		key = p.m.holds[at]
	}
	p.w.FreeKey(key, at)
	p.m.freeKey(key, at)
}

func (p *pair) configure(n uint32) {
	if p.frozen {
		return
	}
	p.cfg = config(n)
	p.w.Configure(p.cfg)
	p.shadow.Configure(p.cfg)
	p.m.cfg = p.cfg
	p.mark = nil // the model's copy has the old one
}

// restore makes a window of the last checkpoint and the deltas since.
func (p *pair) restore() *lease.Window {
	w, err := lease.Restore(p.cfg, p.start)
	if err != nil {
		panic(err)
	}
	for _, d := range p.deltas {
		if err := w.Replay(d); err != nil {
			panic(err)
		}
	}
	return w
}

// setWall tells both of the wall clock.
func (p *pair) setWall() {
	p.w.Wall(p.wall)
	p.m.wall = p.wall
}

// crash goes back to the mark, if there is one, and on with the next incarnation.
func (p *pair) crash(n [4]uint32) string {
	if p.mark != nil {
		p.m, p.deltas = p.mark, p.deltas[:p.marked]
		unseen := p.mark.forgetful
		p.claims = slices.DeleteFunc(p.claims, func(c lease.Claim) bool { return slices.Contains(unseen, c) })
		p.mark = nil
	}
	p.w, p.shadow = p.restore(), p.restore()
	p.inc++
	p.m.current, p.m.forgetful, p.m.most = 0, nil, 0
	p.now += []int64{0, 0, 50, 5_000, -400}[n[0]%5] // down for a while, or with a clock that was set
	p.setWall()
	p.w.Resume(p.now)
	p.m.resume(p.now)
	return ""
}

func (p *pair) compare(i int) string {
	w, m := p.w, p.m
	if w.Start() != m.start() || w.End() != m.end || w.Epoch() != m.epoch {
		return fmt.Sprintf("start %d, end %d, epoch %d, want %d %d %d", w.Start(), w.End(), w.Epoch(), m.start(), m.end, m.epoch)
	}
	items := m.sorted()
	p.views, _, _ = w.Views(0, 0, 1<<30, 1<<30, p.views[:0])
	if len(p.views) != len(items) {
		return fmt.Sprintf("%d unresolved, want %d", len(p.views), len(items))
	}
	for n, it := range items {
		if v := m.view(it, p.views[n].Behind); v != p.views[n] {
			return same("View", p.views[n], v)
		}
	}
	if c := m.counts(); c != w.Counts() {
		return same("Counts", w.Counts(), c)
	}
	if i%16 == 0 {
		if why := p.compareRest(items); why != "" {
			return why
		}
	}
	if i%64 == 0 {
		return p.replayed()
	}
	return ""
}

func (p *pair) compareRest(items []*item) string {
	ms, ok := p.w.NextDeadline()
	if l := p.m.timers(); ok != (len(l) > 0) || ok && ms != l[0].time() {
		return fmt.Sprintf("next deadline %d %v", ms, ok)
	}
	var hist, want [8]int
	for _, it := range items {
		n := it.failures
		if it.state == lease.Dying {
			n = max(n-1, 0)
		}
		want[min(n, 7)]++
	}
	if p.w.Attempts(hist[:]); hist != want {
		return same("Attempts", hist, want)
	}
	ahead := 0
	for _, o := range p.m.ahead {
		ahead += min(int(o), 1)
	}
	if p.w.Ahead() != ahead {
		return fmt.Sprintf("%d ahead, want %d", p.w.Ahead(), ahead)
	}
	for at := p.m.start() - 5; at < p.m.end+6; at++ {
		if p.m.open[at] != nil {
			continue
		}
		want := lease.View{Offset: at, State: lease.Settled, Outcome: p.m.settled[at]}
		if o, ok := p.m.ahead[at]; at >= p.m.end && ok && o == 0 {
			want = lease.View{Offset: at, State: lease.Dying, Reason: lease.ReasonRejected}
		} else if at >= p.m.end && ok {
			want.Outcome = o
		} else if at >= p.m.end {
			want = lease.View{Offset: at, State: lease.Available, Attempt: 1}
		}
		if got := p.w.View(at); got != want {
			return same("View", got, want)
		}
	}
	return ""
}

// replayed says that checkpoint + deltas, and deltas alone, give what the window is.
func (p *pair) replayed() string {
	p.buf = p.w.AppendCheckpoint(p.buf[:0])
	if !bytes.Equal(p.buf, p.shadow.AppendCheckpoint(nil)) {
		return "the window of all deltas has another checkpoint"
	}
	if !bytes.Equal(p.buf, p.w.Snapshot().AppendCheckpoint(nil)) {
		return "a snapshot has another checkpoint"
	}
	if !bytes.Equal(p.buf, p.restore().AppendCheckpoint(nil)) {
		return "the window of checkpoint and deltas has another checkpoint"
	}
	return ""
}

func (p *pair) invariants() string {
	c := p.w.Counts()
	if got := c.Available + c.Leased + c.Deferred; got != len(p.views) || c.Ready > c.Available {
		return fmt.Sprintf("counts do not add up: %+v of %d", c, len(p.views))
	}
	if !p.frozen || !p.cfg.KeyOrder {
		return ""
	}
	seen := map[uint64]bool{}
	for _, v := range p.views {
		if v.Key != 0 && v.State == lease.Leased && seen[v.Key] {
			return fmt.Sprintf("offset %d is in flight behind another of its key", v.Offset)
		}
		seen[v.Key] = seen[v.Key] || !v.Redriven && !p.late[v.Offset] // one that came in front of what was in flight already
	}
	return ""
}

func same(what string, got, want any) string {
	if d := cmp.Diff(want, got); d != "" {
		return what + " (-model +window):\n" + d
	}
	return ""
}
