package lease_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/holtmq/holt/lease"
)

var rewriteFlag = flag.Bool("rewrite", false, "write what the scripts in testdata answer into them")

// TestScripts runs testdata/*.txt. A script is commands, each followed by what it answers behind "> "; -rewrite writes the answers.
//
//	config key=value …              max-attempts, backoff (list), order, limit, hold, strict, drop, drop-ttl; makes the window or changes it
//	now ms
//	offer n [size=] [dies=] [keys=1,2,0] [gone=2]   n records at the end; gone counts within the offer
//	lease max [for=ms] [bytes=] [have=] [have-bytes=] [member=]
//	ack|nack|release|reject|extend offset[.delivery[.incarnation[.epoch]]]… [delay=] [for=]   the last claim, unless told
//	expire | resume | dying | bury offset | free key offset
//	place verb offset [for=ms] | reset to | trim to
//	redrive offset [key=] [deliveries=] [due=]      deliveries: 1, unless told
//	view offset… | counts | attempts | crash | keep    keep: durable up to here; crash: what came after is forgotten
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { runScript(t, f) })
	}
}

func runScript(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{last: map[lease.Offset]lease.Claim{}, inc: 1}
	var got strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, ">") {
			continue
		}
		got.WriteString(line)
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		for _, answer := range s.do(strings.Fields(line)) {
			fmt.Fprintf(&got, "> %s\n", answer)
		}
		s.check(t, line)
	}
	if *rewriteFlag {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Split(string(text), "\n")
	for i, line := range strings.Split(got.String(), "\n") {
		if !*rewriteFlag && (i >= len(want) || line != want[i]) {
			t.Fatalf("%s:%d: got %q", file, i+1, line)
		}
	}
	if !*rewriteFlag && got.Len() != len(text) {
		t.Fatalf("%s: more answers in the file than given", file)
	}
}

type script struct {
	w      *lease.Window
	cfg    lease.Config
	now    int64
	inc    uint32
	last   map[lease.Offset]lease.Claim
	start  []byte
	deltas [][]byte
}

// check says that the journal gives the window, after every command.
func (s *script) check(t *testing.T, line string) {
	t.Helper()
	if d := s.w.TakeDelta(nil); len(d) > 0 {
		s.deltas = append(s.deltas, d)
	}
	if !bytes.Equal(s.replayed().AppendCheckpoint(nil), s.w.AppendCheckpoint(nil)) {
		t.Fatalf("after %q: checkpoint and deltas give another window", line)
	}
}

func (s *script) replayed() *lease.Window {
	w, err := lease.Restore(s.cfg, s.start)
	if err != nil {
		panic(err)
	}
	for _, d := range s.deltas {
		if err := w.Replay(d); err != nil {
			panic(err)
		}
	}
	return w
}

// words splits key=value from the rest.
func words(fields []string) (args []string, named map[string]string) {
	named = map[string]string{}
	for _, f := range fields {
		if k, v, ok := strings.Cut(f, "="); ok {
			named[k] = v
		} else {
			args = append(args, f)
		}
	}
	return args, named
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func numberOr(named map[string]string, key string, other int64) int64 {
	if v, ok := named[key]; ok {
		return number(v)
	}
	return other
}

var verbs = map[string]lease.Verb{"ack": lease.Ack, "nack": lease.Nack, "release": lease.Release, "reject": lease.Reject, "extend": lease.Extend}

func (s *script) do(f []string) (out []string) {
	args, named := words(f[1:])
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	switch f[0] {
	case "config":
		s.configure(args, named)
	case "now":
		s.now = number(args[0])
	case "offer":
		s.offer(int(number(args[0])), named)
	case "lease":
		return s.lease(args, named)
	case "ack", "nack", "release", "reject", "extend":
		return s.settle(verbs[f[0]], args, named)
	case "expire":
		return s.expire()
	case "resume":
		s.w.Resume(s.now)
	case "dying":
		for _, d := range s.w.Dying(nil, 100) {
			say("%d %s, %d attempts, delivery %d", d.Offset, [...]string{1: "max_attempts", 2: "rejected", 3: "ttl"}[d.Reason], d.Attempts, d.Delivery)
		}
	case "bury":
		say("%v", s.w.Bury(lease.Offset(number(args[0]))))
	case "free":
		s.w.FreeKey(uint64(number(args[0])), lease.Offset(number(args[1])))
	case "place":
		if args[0] == "extend" {
			say("%s", result(s.w.ExtendAt(s.now, 0, lease.Offset(number(args[1])), numberOr(named, "for", 0))))
			break
		}
		say("%s", result(s.w.SettleAt(s.now, lease.Offset(number(args[1])), verbs[args[0]])))
	case "redrive":
		say("%s", result(lease.Result{Code: s.w.Redrive(lease.Back{
			Offset: lease.Offset(number(args[0])), Size: 100, Key: uint64(numberOr(named, "key", 0)), Deliveries: uint32(numberOr(named, "deliveries", 1)),
			Incarnation: s.inc, Due: numberOr(named, "due", 0),
		})}))
	case "reset":
		s.w.Reset(lease.Offset(number(args[0])))
	case "trim":
		s.w.TrimTo(lease.Offset(number(args[0])))
	case "view":
		for _, a := range args {
			say("%s", view(s.w.View(lease.Offset(number(a)))))
		}
	case "counts":
		c := s.w.Counts()
		say("[%d, %d) epoch %d: available %d (ready %d), leased %d, deferred %d, dying %d", s.w.Start(), s.w.End(), s.w.Epoch(), c.Available, c.Ready,
			c.Leased, c.Deferred, c.Dying)
	case "attempts":
		var h [6]int
		s.w.Attempts(h[:])
		say("%v", h)
	case "keep":
		s.start, s.deltas = s.w.AppendCheckpoint(nil), nil
	case "crash":
		s.deltas = nil
		s.w = s.replayed()
		s.inc++
	default:
		panic("unknown command " + f[0])
	}
	return out
}

func (s *script) configure(args []string, named map[string]string) {
	c := lease.Config{MaxAttempts: int(numberOr(named, "max-attempts", 0)), KeyConcurrency: int(numberOr(named, "limit", 0))}
	for steps := range strings.SplitSeq(named["backoff"], ",") {
		if steps != "" {
			c.Backoff.Steps = append(c.Backoff.Steps, number(steps))
		}
	}
	for _, a := range args {
		switch a {
		case "order":
			c.KeyOrder = true
		case "hold":
			c.HoldDead = true
		case "strict":
			c.Strict = true
		case "drop":
			c.Drop = true
		case "drop-ttl":
			c.DropTTL = true
		default:
			panic("unknown option " + a)
		}
	}
	s.cfg = c
	if s.w != nil {
		s.w.Configure(c)
		return
	}
	s.w = lease.New(c, 0, 1)
	s.start = s.w.AppendCheckpoint(nil)
}

func (s *script) offer(n int, named map[string]string) {
	recs := make([]lease.Offered, n)
	keys := strings.Split(named["keys"], ",")
	for i := range recs {
		recs[i] = lease.Offered{Size: uint32(numberOr(named, "size", 100)), Dies: numberOr(named, "dies", 0)}
		if named["keys"] != "" {
			recs[i].Key = uint64(number(keys[i%len(keys)]))
		}
		recs[i].Gone = named["gone"] == strconv.Itoa(i)
	}
	s.w.Offer(s.w.End(), recs)
}

func (s *script) lease(args []string, named map[string]string) (out []string) {
	q := lease.Request{Now: s.now, Length: numberOr(named, "for", 1000), Max: int(number(args[0])), MaxBytes: numberOr(named, "bytes", 0),
		Have: int(numberOr(named, "have", 0)), HaveBytes: numberOr(named, "have-bytes", 0), Member: named["member"], Incarnation: s.inc}
	got, stop := s.w.Lease(q, nil)
	for i := 0; i < len(got); {
		n := i + 1
		for n < len(got) && got[n].Offset == got[n-1].Offset+1 && got[n].Attempt == got[i].Attempt && got[n].Delivery == got[i].Delivery && got[n].Again == got[i].Again {
			n++
		}
		out = append(out, fmt.Sprintf("%s attempt %d delivery %d until %d%s", span(got[i].Offset, got[n-1].Offset), got[i].Attempt, got[i].Delivery, got[i].Deadline,
			flagged(got[i].Again, " again")))
		i = n
	}
	for _, h := range got {
		s.last[h.Offset] = h.Claim
	}
	return append(out, [...]string{"empty", "limit", "alone", "more"}[stop])
}

func (s *script) expire() (out []string) {
	exp, freed, more := s.w.Expire(s.now, nil)
	for i := 0; i < len(exp); {
		e := exp[i]
		n := i + 1
		for n < len(exp) && exp[n].Offset == exp[n-1].Offset+1 && exp[n].Attempt == e.Attempt && exp[n].Member == e.Member &&
			exp[n].LeasedAt == e.LeasedAt && exp[n].Deadline == e.Deadline && exp[n].Dying == e.Dying && exp[n].Dropped == e.Dropped {
			n++
		}
		out = append(out, fmt.Sprintf("%s attempt %d of %s since %d until %d%s%s", span(e.Offset, exp[n-1].Offset), e.Attempt, named(e.Member),
			e.LeasedAt, e.Deadline, flagged(e.Dying, " dying"), flagged(e.Dropped, " dropped")))
		i = n
	}
	return append(out, fmt.Sprintf("%d freed%s", freed, flagged(more, ", more")))
}

func span(from, to lease.Offset) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}

func named(member string) string {
	if member == "" {
		return "nobody"
	}
	return member
}

func (s *script) settle(v lease.Verb, args []string, named map[string]string) (out []string) {
	for _, a := range args {
		parts := strings.Split(a, ".")
		at := lease.Offset(number(parts[0]))
		c, ok := s.last[at]
		if !ok {
			c = lease.Claim{Offset: at, Delivery: 1, Incarnation: s.inc, Epoch: s.w.Epoch()}
		}
		for i, to := range []*uint32{&c.Delivery, &c.Incarnation, &c.Epoch} {
			if len(parts) > i+1 {
				*to = uint32(number(parts[i+1]))
			}
		}
		action := lease.Action{Claim: c, Verb: v, Delay: numberOr(named, "delay", -1), For: numberOr(named, "for", 1000)}
		out = append(out, a+" "+result(s.w.Settle(s.now, action)))
	}
	return out
}

func flagged(b bool, s string) string {
	if b {
		return s
	}
	return ""
}

func result(r lease.Result) string {
	s := [...]string{"ok", "repeat", "lease_lost", "already_settled", "invalid_receipt", "not_offered"}[r.Code]
	if r.Attempt > 0 {
		s += fmt.Sprintf(" attempt %d", r.Attempt)
	}
	if r.Deadline > 0 {
		s += fmt.Sprintf(" until %d", r.Deadline)
	}
	if r.Due > 0 {
		s += fmt.Sprintf(" due %d", r.Due)
	}
	return s + flagged(r.Late, " late") + flagged(r.Dying, " dying") + flagged(r.Dropped, " dropped")
}

func view(v lease.View) string {
	s := fmt.Sprintf("%d %s", v.Offset, [...]string{"", "available", "leased", "deferred", "dying", "settled"}[v.State])
	if v.State == lease.Settled {
		return s + " " + [...]string{"unknown", "acked", "dead", "dropped", "skipped"}[v.Outcome]
	}
	s += fmt.Sprintf(" attempt %d deliveries %d", v.Attempt, v.Deliveries)
	switch v.State {
	case lease.Leased:
		s += fmt.Sprintf(" by %s since %d until %d", named(v.Member), v.LeasedAt, v.Deadline)
	case lease.Deferred:
		s += fmt.Sprintf(" due %d", v.Due)
	}
	if v.BehindKey {
		s += fmt.Sprintf(" behind %d", v.Behind)
	}
	return s + flagged(v.Redriven, " redriven")
}
