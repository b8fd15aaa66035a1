package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// Random programs run from seeds 1, 2, …; these change that. A failure prints its seed and the shortest program found that fails.
const (
	runsVariable = "HOLT_STORETEST_RUNS" // how many seeds
	seedVariable = "HOLT_STORETEST_SEED" // the one seed to run
)

const (
	defaultRuns = 10
	shortRuns   = 2
	programOps  = 60
	randomLogs  = 4 // logs 1 to so many
)

// operation is one step of a random program. What it does follows from its seed and the model at that moment, so every
// part of a program is a program.
type operation struct {
	kind string
	seed uint64
}

// testRandom runs random programs against the store and the model.
func testRandom(t *testing.T, open Open) {
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			ops := program(seed)
			if _, err := perform(t, open, ops); err != nil {
				ops = shrink(ops, func(ops []operation) bool {
					_, err := perform(t, open, ops)
					return err != nil
				})
				trace, err := perform(t, open, ops)
				t.Fatalf("%s=%d, shortest program that fails:\n%s\n%v", seedVariable, seed, strings.Join(trace, "\n"), err)
			}
		})
	}
}

func seeds(t *testing.T) []uint64 {
	if s := os.Getenv(seedVariable); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		return []uint64{seed}
	}
	runs := defaultRuns
	if testing.Short() {
		runs = shortRuns
	}
	if s := os.Getenv(runsVariable); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", runsVariable, err)
		}
		runs = n
	}
	var out []uint64
	for i := range runs {
		out = append(out, uint64(i)+1)
	}
	return out
}

func program(seed uint64) []operation {
	chance := rand.New(rand.NewPCG(seed, 0))
	kinds := slices.Concat(
		slices.Repeat([]string{"commit"}, 36),
		slices.Repeat([]string{"invalid"}, 5),
		slices.Repeat([]string{"definition", "fail", "reopen a log"}, 3),
		slices.Repeat([]string{"restart", "crash"}, 2),
		[]string{"collect"},
	)
	ops := make([]operation, programOps)
	for i := range ops {
		ops[i] = operation{kinds[chance.IntN(len(kinds))], chance.Uint64()}
	}
	return ops
}

// shrink drops operations, many at a time first, as long as what is left fails.
func shrink(ops []operation, fails func([]operation) bool) []operation {
	for size := len(ops) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(ops); {
			if less := slices.Delete(slices.Clone(ops), at, at+size); fails(less) {
				ops = less
			} else {
				at += size
			}
		}
	}
	return ops
}

// perform runs a program on a fresh store and returns what it did, up to the first difference.
func perform(t *testing.T, open Open, ops []operation) (trace []string, err error) {
	synctest.Test(t, func(t *testing.T) {
		r := &random{kit: newKit(t, open)}
		r.open(1, 2, 3, 4)
		for i, o := range ops {
			did, opErr := r.do(o)
			trace = append(trace, fmt.Sprintf("%3d %s", i, did))
			if opErr == nil {
				opErr = r.same(false)
			}
			if opErr != nil {
				err = fmt.Errorf("at %d: %w", i, opErr)
				return
			}
		}
		for _, crash := range []bool{false, true} {
			if err == nil {
				err = errors.Join(r.restarted(crash), r.same(true))
			}
		}
	})
	return trace, err
}

// random performs operations.
type random struct {
	*kit
	chance *rand.Rand
}

func (r *random) do(o operation) (did string, err error) {
	r.chance = rand.New(rand.NewPCG(o.seed, 1))
	switch o.kind {
	case "commit":
		return r.commitSome()
	case "invalid":
		return r.breakRule()
	case "definition":
		return r.define()
	case "fail":
		return r.failCommit()
	case "reopen a log":
		id := store.LogID(1 + r.chance.IntN(randomLogs))
		return r.reopenLog(id)
	case "collect":
		if c, ok := r.h.(Collector); ok {
			c.Collect(r.T)
		}
		return "collect", nil
	case "restart", "crash":
		err := r.restarted(o.kind == "crash")
		if err == nil {
			err = errors.Join(r.openAll(), r.same(true))
		}
		return o.kind, err
	}
	panic("operation " + o.kind)
}

// openAll opens the logs that are not open: those just dropped.
func (r *random) openAll() error {
	for id := store.LogID(1); id <= randomLogs; id++ {
		if l := r.m.logs[id]; l == nil || !l.open {
			if _, err := r.reopenLog(id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *random) reopenLog(id store.LogID) (string, error) {
	did := fmt.Sprintf("open log %d", id)
	l, err := r.s.Open(r.Context(), id)
	if err != nil {
		return did, err
	}
	r.logs[id] = l
	return did, sameLog(r.Context(), l, r.m.openLog(id), r.m.places[id], true)
}

func (r *random) commitSome() (string, error) {
	units := r.units()
	did := "commit " + describe(units)
	n, err := r.s.Commit(r.Context(), units)
	if err != nil || n != len(units) {
		return did, fmt.Errorf("n = %d of %d: %w", n, len(units), err)
	}
	return did, errors.Join(r.applyAll(units), r.openAll())
}

func (r *random) applyAll(units []store.Unit) error {
	for i, u := range units {
		if err := r.m.apply(u); err != nil {
			return fmt.Errorf("the model refuses unit %d: %w", i, err)
		}
	}
	return nil
}

// breakRule spoils one unit of a good call.
func (r *random) breakRule() (string, error) {
	units := r.units()
	bad := r.chance.IntN(len(units))
	units[bad] = r.spoil(units[bad])
	m := r.m.clone()
	for i, u := range units[:bad+1] {
		if err := m.apply(u); (err == nil) == (i == bad) {
			return "nothing: the spoiled unit is good by chance", nil
		}
	}
	did := fmt.Sprintf("break a rule in unit %d of %s", bad, describe(units))
	n, err := r.s.Commit(r.Context(), units)
	if !errors.Is(err, store.ErrInvalid) || n > bad || n > 0 && store.Validate(units) != nil {
		return did, fmt.Errorf("n = %d, error %w, want ErrInvalid", n, err)
	}
	return did, errors.Join(r.applyAll(units[:n]), r.openAll())
}

// spoil adds something wrong to one edit of a unit, or an edit that is wrong.
func (r *random) spoil(u store.Unit) store.Unit {
	if len(u) == 0 || r.chance.IntN(8) == 0 {
		return append(slices.Clone(u), annotate(randomLogs+9, note("n", 0, "to a log that is not open")))
	}
	u = slices.Clone(u)
	e := &u[r.chance.IntN(len(u))]
	e.Drop = false
	far := store.Offset(1 << 40)
	switch r.chance.IntN(6) {
	case 0:
		e.Append = append(slices.Clone(e.Append), batchOf(far, far, r.clock, nil))
	case 1:
		e.Start = far
	case 2:
		b := hole(far, far, r.clock)
		e.Rewrite = &b
	case 3:
		e.Entries = append(slices.Clone(e.Entries), delta("g/1", 1<<40, "gap"))
	case 4:
		e.Entries = append(slices.Clone(e.Entries), checkpoint("g/1", 1<<40, 1))
	case 5:
		e.Entries = append(slices.Clone(e.Entries), piece("g/1", 1, 1<<20, "out of turn"))
	}
	return u
}

func (r *random) define() (string, error) {
	name := []string{"a", "b", "b/1", "c"}[r.chance.IntN(4)]
	if _, ok := r.m.defs[name]; ok && r.chance.IntN(3) == 0 {
		return "delete " + name, r.remove(name)
	}
	return "put " + name, r.putIn(name, string(fill(r.chance.IntN(2000), r.chance.Uint64())))
}

func (r *random) failCommit() (string, error) {
	inj, ok := r.h.(Injector)
	if !ok {
		return "nothing: no failures to inject", nil
	}
	units, variant := r.units(), r.chance.IntN(inj.Variants())
	did := fmt.Sprintf("fail by variant %d commit %s", variant, describe(units))
	inj.FailCommit(r.T, variant)
	n, err := r.s.Commit(r.Context(), units)
	if err == nil {
		return did, errors.New("it succeeded")
	}
	return did, errors.Join(r.settleUnknown(units, n, err), r.openAll())
}

// units makes a call that is right for the model as it is: up to three units that follow one another.
func (r *random) units() []store.Unit {
	m := r.m.clone()
	var out []store.Unit
	for range 1 + r.chance.IntN(3) {
		var u store.Unit
		for _, i := range r.chance.Perm(randomLogs)[:1+r.chance.IntN(3)] {
			id := store.LogID(i + 1)
			if l := m.logs[id]; l != nil && l.open {
				u = append(u, r.edit(id, l.clone()))
			}
		}
		if err := m.apply(u); err != nil {
			panic(fmt.Sprintf("generated a unit that is wrong: %v: %s", err, describe([]store.Unit{u})))
		}
		out = append(out, u)
	}
	return out
}

// edit makes one edit of a log as it is in l, which it changes.
func (r *random) edit(id store.LogID, l *logModel) store.Edit {
	if r.chance.IntN(30) == 0 {
		return drop(id)
	}
	e := store.Edit{Log: id}
	there := len(l.batches)
	if r.chance.IntN(2) == 0 {
		for range 1 + r.chance.IntN(3) {
			r.clock += r.chance.Int64N(3)
			b := batchOf(l.end, l.end+store.Offset(r.chance.IntN(6)), r.clock, fill(r.size(), r.chance.Uint64()))
			e.Append = append(e.Append, b)
			l.batches, l.end, l.time = append(l.batches, b), b.Last+1, b.MaxTime
		}
	}
	if r.chance.IntN(6) == 0 {
		e.Start = l.start + store.Offset(r.chance.Int64N(int64(l.end-l.start)+1))/store.Offset(1+r.chance.IntN(3))
		had := len(l.batches)
		l.trim(e.Start)
		there = max(0, there-(had-len(l.batches)))
	}
	if there > 0 && r.chance.IntN(5) == 0 {
		from := r.chance.IntN(there)
		e.Rewrite = r.rewrite(l.batches[from:min(there, from+1+r.chance.IntN(4))])
	}
	for range r.chance.IntN(4) {
		x := r.entry(l)
		if err := l.enter(x); err != nil {
			panic(fmt.Sprintf("generated an entry that is wrong: %v", err))
		}
		e.Entries = append(e.Entries, x)
	}
	for range r.chance.IntN(3) {
		n := store.Note{Journal: r.journal(), At: l.start + store.Offset(r.chance.Int64N(int64(l.end-l.start)+2))}
		if r.chance.IntN(4) > 0 {
			n.Bytes = fill(1+r.size(), r.chance.Uint64())
		}
		e.Notes = append(e.Notes, n)
	}
	return e
}

func (r *random) rewrite(old []store.Batch) *store.Batch {
	first, last := old[0], old[len(old)-1]
	ms := last.MaxTime.Sub(epoch) / time.Millisecond
	b := hole(first.Base, last.Last, int64(ms))
	if r.chance.IntN(2) == 0 {
		b = batchOf(first.Base, last.Last, int64(ms), fill(r.size(), r.chance.Uint64()))
	}
	return &b
}

// entry makes an entry that may come next in a journal of l.
func (r *random) entry(l *logModel) store.Entry {
	name := r.journal()
	j := l.journals[name]
	if j == nil {
		j = &journalModel{}
	}
	bytes := string(fill(r.size(), r.chance.Uint64()))
	switch n := r.chance.IntN(12); {
	case n == 0:
		return forget(name)
	case n < 5 && len(j.pending) > 0:
		if r.chance.IntN(2) == 0 {
			return checkpoint(name, j.pending[0].Seq, uint32(len(j.pending)))
		}
		return piece(name, j.pending[0].Seq, uint32(len(j.pending)), bytes)
	case n < 6 && j.last > j.at:
		return piece(name, j.at+1+r.chance.Uint64N(j.last-j.at), 0, bytes)
	}
	return delta(name, j.last+1, bytes)
}

func (r *random) journal() store.Journal {
	return []store.Journal{"g/1", "g/1", "g/12", "dedupe"}[r.chance.IntN(4)]
}

// size is mostly small, now and then so large that an engine may keep it elsewhere.
func (r *random) size() int {
	if r.chance.IntN(10) == 0 {
		return 1000 + r.chance.IntN(30_000)
	}
	return r.chance.IntN(60)
}

func describe(units []store.Unit) string {
	var b strings.Builder
	for i, u := range units {
		fmt.Fprintf(&b, "\n      unit %d:", i)
		for _, e := range u {
			describeEdit(&b, e)
		}
	}
	return b.String()
}

func describeEdit(b *strings.Builder, e store.Edit) {
	fmt.Fprintf(b, " log %d {", e.Log)
	if e.Drop {
		b.WriteString(" drop")
	}
	for _, a := range e.Append {
		fmt.Fprintf(b, " append %d–%d (%d bytes)", a.Base, a.Last, len(a.Bytes))
	}
	if e.Start > 0 {
		fmt.Fprintf(b, " start %d", e.Start)
	}
	if e.Rewrite != nil {
		fmt.Fprintf(b, " rewrite %d–%d (%d bytes)", e.Rewrite.Base, e.Rewrite.Last, len(e.Rewrite.Bytes))
	}
	for _, x := range e.Entries {
		kind := []string{"?", "delta", "piece", "checkpoint", "forget"}[x.Kind]
		fmt.Fprintf(b, " %s %s %d.%d (%d bytes)", kind, x.Journal, x.Seq, x.Part, len(x.Bytes))
	}
	for _, n := range e.Notes {
		fmt.Fprintf(b, " note %s@%d (%d bytes)", n.Journal, n.At, len(n.Bytes))
	}
	b.WriteString(" }")
}
