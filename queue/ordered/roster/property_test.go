package roster

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// world is a roster under random calls, beside what the members believe they hold.
type world struct {
	t       *rapid.T
	r       *Roster
	now     int64
	topics  []Topic
	nextLog Log
	epochs  map[string]int64        // of those who think that they are in
	working map[string]map[Log]bool // what each works on: what answers gave it and it has not given up
	deltas  [][]byte
}

var names = []string{"a", "b", "c", "d", "e"}

func (w *world) name() string { return rapid.SampledFrom(names).Draw(w.t, "member") }

func (w *world) join(*rapid.T) {
	name := w.name()
	var topics []uint64
	if rapid.Bool().Draw(w.t, "some") {
		topics = rapid.SliceOfDistinct(rapid.Uint64Range(1, 3), rapid.ID[uint64]).Draw(w.t, "topics")
	}
	epoch, err := w.r.Join(w.now, Join{Member: name, Topics: topics, Session: 30_000})
	if err != nil {
		w.t.Fatal(err)
	}
	w.epochs[name] = epoch
	w.working[name] = map[Log]bool{}
	w.answer(name)
}

// answer gives a member what it holds; it drops what it is to give up, or not yet.
func (w *world) answer(name string) {
	v, err := w.r.View(name, w.epochs[name])
	if err != nil {
		delete(w.epochs, name)
		delete(w.working, name)
		return
	}
	for _, l := range v.Keep {
		w.working[name][l] = true
	}
	for l := range w.working[name] {
		if !slices.Contains(v.Keep, l) && (!slices.Contains(v.Revoke, l) || rapid.Bool().Draw(w.t, "give up")) {
			delete(w.working[name], l)
		}
	}
}

func (w *world) report(*rapid.T) {
	name := w.name()
	if w.epochs[name] == 0 {
		return
	}
	_ = w.r.Report(w.now, name, w.epochs[name], func(l Log) bool { return w.working[name][l] })
	w.answer(name)
}

func (w *world) leave(*rapid.T) {
	name := w.name()
	if w.epochs[name] != 0 {
		_ = w.r.Leave(name, w.epochs[name])
		delete(w.epochs, name)
		delete(w.working, name)
	}
}

// wait lets time pass: who is silent for too long knows that it is out.
func (w *world) wait(*rapid.T) {
	w.now += int64(rapid.IntRange(1, 40_000).Draw(w.t, "ms"))
	for _, name := range w.r.Expire(w.now) {
		delete(w.epochs, name)
		delete(w.working, name)
	}
}

func (w *world) grow(*rapid.T) {
	i := rapid.IntRange(0, len(w.topics)-1).Draw(w.t, "topic")
	w.topics = slices.Clone(w.topics)
	w.topics[i].Partitions = append(slices.Clone(w.topics[i].Partitions), w.nextLog)
	w.nextLog++
	w.r.SetTopics(w.topics)
}

func (w *world) remake(*rapid.T) {
	i := rapid.IntRange(0, len(w.topics)-1).Draw(w.t, "topic")
	for _, l := range w.topics[i].Partitions {
		for _, held := range w.working {
			delete(held, l)
		}
	}
	w.topics = slices.Clone(w.topics)
	w.topics[i] = Topic{ID: w.topics[i].ID, Partitions: []Log{w.nextLog}}
	w.nextLog++
	w.r.SetTopics(w.topics)
}

// restart replays all that was journaled, or a checkpoint.
func (w *world) restart(*rapid.T) {
	w.deltas = append(w.deltas, w.r.TakeDeltas()...)
	before := w.members()
	if rapid.Bool().Draw(w.t, "checkpoint") {
		w.deltas = [][]byte{w.r.Checkpoint()}
	}
	w.r = New()
	for _, d := range w.deltas {
		if err := w.r.Replay(d); err != nil {
			w.t.Fatal(err)
		}
	}
	w.r.SetTopics(w.topics)
	if d := w.r.TakeDeltas(); d != nil {
		w.t.Fatalf("a restart reshuffled: %q", d)
	}
	w.r.Resume(w.now)
	if after := w.members(); before != after {
		w.t.Fatalf("before %s, after %s", before, after)
	}
}

// members describes all members, but not when they were seen.
func (w *world) members() string {
	all := w.r.Members()
	for i := range all {
		all[i].Seen = 0
	}
	return fmt.Sprintf("%+v", all)
}

// check: nobody works on what another works on, and everything that somebody wants and nobody works on is held.
func (w *world) check(*rapid.T) {
	by := map[Log]string{}
	for _, name := range names {
		for l := range w.working[name] {
			if by[l] != "" {
				w.t.Fatalf("%s and %s work on %d", by[l], name, l)
			}
			by[l] = name
			if h := w.r.Holder(l); h != name {
				w.t.Fatalf("%s works on %d, which %q holds", name, l, h)
			}
		}
	}
	for _, p := range w.r.parts {
		if p.target != nil && p.holder == nil {
			w.t.Fatalf("nobody holds %d, which is %s's", p.log, p.target.name)
		}
	}
}

func TestNobodyWorksOnWhatAnotherHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, r: New(), topics: []Topic{{1, []Log{1, 2, 3}}, {2, []Log{4, 5}}, {3, []Log{6}}}, nextLog: 7,
			epochs: map[string]int64{}, working: map[string]map[Log]bool{},
		}
		w.r.SetTopics(w.topics)
		t.Repeat(map[string]func(*rapid.T){
			"join": w.join, "report": w.report, "leave": w.leave, "wait": w.wait, "grow": w.grow, "remake": w.remake, "restart": w.restart, "": w.check,
		})
		for range 3 { // when all do as they are told, all that is wanted is where it is to be
			for _, name := range names {
				if w.epochs[name] != 0 {
					v, err := w.r.View(name, w.epochs[name])
					if err == nil {
						_ = w.r.Report(w.now, name, w.epochs[name], func(l Log) bool { return slices.Contains(v.Keep, l) })
					}
				}
			}
		}
		for _, p := range w.r.parts {
			if p.holder != p.target && w.epochs[p.holder.name] != 0 {
				t.Fatalf("%d stays with %s", p.log, p.holder.name)
			}
		}
	})
}
