package bug

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fault is one seeded bug: in file, instead of right stands wrong. Names are FAULTS' own.
type fault struct {
	name, file, right, wrong string
}

var faults = []fault{
	{
		"ack-not-persisted", "lease/settle.go",
		"		w.journal.run(opAck, r.offset)\n		w.settle(s, Acked)\n		return res\n	}\n	w.leave(s, r)\n	w.adopt",
		"		w.settle(s, Acked)\n		return res\n	}\n	w.leave(s, r)\n	w.adopt",
	}, {
		"receipt-not-checked", "queue/share/receipt.go",
		"if subtle.ConstantTimeCompare(mac[:], raw[claimSize:]) != 1 {",
		"if subtle.ConstantTimeCompare(mac[:], raw[claimSize:]) > 1 {",
	}, {
		"expiry-off-by-one", "lease/expire.go",
		"switch why := w.fate(s, r.failures+1, now); {",
		"switch why := w.fate(s, r.failures, now); {",
	}, {
		"expiry-not-counted", "lease/expire.go",
		"	r.expired()\n	r.phase = phaseOf(Available, byExpiry, 0)",
		"	r.expiries++\n	r.phase = phaseOf(Available, byExpiry, 0)",
	}, {
		"letter-before-its-transaction", "queue/share/bury.go",
		"return append(g.openLetters(to, buried, dest.Base), edit)\n	})\n",
		"return g.openLetters(to, buried, dest.Base)\n	})\n	t = g.env.Committer.Enqueue(commit.Unit{edit})\n",
	}, {
		"ids-not-persisted", "queue/dedupe/table.go",
		"out = append(out, j.Delta(delta))",
		"_ = delta",
	}, {
		"offset-reused-after-restart", "queue/partition/partition.go",
		"	p.next, p.last = end, newest\n",
		"	p.next, p.last = end, newest\n	if end > start {\n		p.next--\n	}\n",
	}, {
		"lost-wake-up", "queue/share/group.go",
		"	if w := g.byLog[p.ID]; w != nil {\n		g.lanes.add(w)\n		g.serve()\n	}\n",
		"	if w := g.byLog[p.ID]; w != nil {\n		g.lanes.add(w)\n	}\n",
	}, {
		"retention-ignores-live-records", "queue/retain/retain.go",
		"			if at, holds := g.Needs(p); holds {\n				to = min(to, at)\n",
		"			if at, holds := g.Needs(p); holds && at < 0 {\n				to = min(to, at)\n",
	}, {
		"key-released-early", "lease/key.go",
		"		if x.busy == 0 && w.slab.rec(x.head).state() == Available {\n			return x.head, 1\n",
		"		h := x.head\n		if w.slab.rec(h).state() == Deferred {\n			h = w.slab.link(h).next\n		}\n		if h != 0 && x.busy == 0 && w.slab.rec(h).state() == Available {\n			return h, 1\n",
	}, {
		"sync-off", "queue/commit/commit.go",
		"	if t.g == nil || t.g.durable.Load() {\n		return nil\n	}\n	select {",
		"	if t.g == nil || t.g.n > 0 {\n		return nil\n	}\n	select {",
	}, {
		"leases-forgotten-at-restart", "queue/share/group.go",
		"w.machine.Resume(g.env.Clock.Next())",
		"w.machine.Expire(1<<62, nil)",
	}, {
		"leases-on-the-wall-clock", "queue/share/clock.go",
		"func (c Clock) Now() int64 { return c.at(time.Now()) }",
		"func (c Clock) Now() int64 { return c.Wall().UnixMilli() }",
	}, {
		"ttl-on-the-clock-of-leases", "lease/window.go",
		"dies <= now+w.wall",
		"dies <= now",
	}, {
		"time-of-an-emptied-log-forgotten", "queue/partition/partition.go",
		"	p.next, p.last = end, newest\n",
		"	p.next = end\n	if end > start {\n		p.last = newest\n	}\n",
	}, {
		"redrive-outside-its-jobs-unit", "queue/share/redrive.go",
		"		g.stepped(s, g.env.Committer.Enqueue(g.stepParts(s, opRedriven, -1)))\n		return s.done, nil\n",
		"		unit := g.stepParts(s, opRedriven, -1)\n		g.env.Committer.Enqueue(unit[:len(unit)-1])\n		g.stepped(s, g.env.Committer.Enqueue(unit[len(unit)-1:]))\n		return s.done, nil\n",
	}, {
		"receipts-outlive-a-redrive", "lease/redrive.go",
		"		deliveries: b.Deliveries, incarnation: b.Incarnation,\n",
		"		deliveries: b.Deliveries - min(b.Deliveries, 1), incarnation: b.Incarnation,\n",
	}, {
		"purge-keeps-the-key", "queue/share/redrive.go",
		"			w.machine.FreeKey(e.key, e.at)\n			w.settled()\n			s.touch(w)\n",
		"			w.settled()\n			s.touch(w)\n",
	}, {
		"commit-not-fenced", "queue/ordered/commit.go",
		"p == nil || !g.roster.Holds(member, epoch, p.log())",
		"p == nil",
	}, {
		"old-epoch-taken", "queue/ordered/roster/roster.go",
		"	if m.epoch != epoch {\n",
		"	if m.epoch < epoch {\n",
	}, {
		"commit-not-journaled", "queue/ordered/commit.go",
		"		p.committed, p.metadata = o.Offset, o.Metadata\n		unit = append(unit, commit.Part{Log: p.part.ID, Entries: p.entries(p.appendCommit(nil))})\n",
		"		p.committed, p.metadata = o.Offset, o.Metadata\n",
	}, {
		"two-owners-of-a-partition", "queue/ordered/roster/roster.go",
		"return p.target != m && !owned(p.log)",
		"return p.target != m",
	}, {
		"poll-skips-a-record-after-a-rebalance", "queue/ordered/poll.go",
		"			from = p.next()\n",
		"			from = p.next()\n			if _, end := p.part.Bounds(); from < end {\n				from++\n			}\n",
	}, {
		"reset-forgets-a-partition", "queue/ordered/commit.go",
		"		if p == nil { // detached meanwhile\n",
		"		if p == nil || len(moves) > 1 && m == moves[0] {\n",
	}, {
		"session-ends-while-a-poll-waits", "queue/ordered/roster/roster.go",
		"		case m.parked > 0:\n",
		"		case m.parked > 1:\n",
	}, {
		"epoch-given-again-after-restart", "queue/ordered/roster/codec.go",
		"	r.epoch = max(r.epoch, epoch)\n",
		"",
	}, {
		"holders-forgotten-at-restart", "queue/ordered/roster/codec.go",
		"	r.hold(p, r.byEpoch[holder])\n",
		"	_ = holder\n	r.hold(p, p.target)\n",
	}, {
		"polls-not-woken-by-a-rebalance", "queue/ordered/group.go",
		"		for c := range g.calls[name] {\n			c.wake()\n",
		"		for range g.calls[name] {\n",
	}, {
		"sent-elsewhere-in-silence", "queue/ordered/read.go",
		"	h.moved = append(h.moved, Move{w.pos.place(), w.from, to})\n",
		"",
	}, {
		"leave-not-journaled", "queue/ordered/roster/roster.go",
		"	r.log.gone(m)\n",
		"",
	},
}

// root is the module's directory.
const root = "../../.."

// seeded returns the file with the fault in it.
func (f *fault) seeded(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(root, f.file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(src), f.right); n != 1 {
		t.Fatalf("%s: the piece that the fault takes the place of stands there %d times:\n%s", f.file, n, f.right)
	}
	return strings.Replace(string(src), f.right, f.wrong, 1)
}

// convicted matches what the simulation says of a broken invariant.
var convicted = regexp.MustCompile(`seed \d+ \(HOLT_SIM_SEED=\d+\): (.*)`)

// ran matches how much it did until then.
var ran = regexp.MustCompile(`\d+ runs in \S+ \d+ operations`)

func TestSeededBugsAreConvicted(t *testing.T) {
	chosen := strings.Split(os.Getenv("HOLT_SIM_BUGS"), ",")
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			src := f.seeded(t)
			if chosen[0] != "1" && !slices.Contains(chosen, f.name) {
				t.Skip("the piece is there; HOLT_SIM_BUGS=1 runs the simulation with the fault")
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "seeded.go")
			if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
			path, err := filepath.Abs(filepath.Join(root, f.file))
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: file}})
			if err != nil {
				t.Fatal(err)
			}
			list := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(list, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-count=1", "-overlay", list, "-run", "TestSequential", "./queue/sim")
			cmd.Dir = root
			cmd.Env = append(os.Environ(), "HOLT_SIM_TIME=2m", "HOLT_SIM_SHRINK=0", "HOLT_SIM_OPERATIONS=")
			out, err := cmd.CombinedOutput()
			if found := convicted.FindSubmatch(out); err != nil && found != nil {
				t.Logf("convicted after %s: %.300s", ran.Find(out), found[1])
				return
			}
			t.Errorf("not convicted (%v):\n%.3000s", err, out)
		})
	}
}
