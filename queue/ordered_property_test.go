package queue_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

var orderedSeeds = flag.Int("ordered.seeds", 40, "seeds of TestOrderedNeverSkips")

// gang is random members of one group, and what became of the records.
type gang struct {
	*house
	rng      *rand.Rand
	live     []*reader
	made     int
	end      map[queue.TopicPartition]queue.Offset
	last     map[queue.TopicPartition]queue.Offset // the newest record that was handled
	commits  map[queue.TopicPartition]queue.Offset
	handling map[queue.TopicPartition]*reader
}

// TestOrderedNeverSkips: members join, leave, die, poll, commit and restart at random, partitions are added, the server restarts. In each partition the offsets that are
// handled never skip one, and go back only to the last commit; and no two members that live work on one partition.
func TestOrderedNeverSkips(t *testing.T) {
	for seed := range *orderedSeeds {
		inBubble(t, func(h *house) {
			defer func() {
				if h.t.Failed() {
					h.t.Logf("seed %d", seed)
				}
			}()
			g := &gang{
				house: h, rng: rand.New(rand.NewPCG(uint64(seed), 1)), end: map[queue.TopicPartition]queue.Offset{}, last: map[queue.TopicPartition]queue.Offset{},
				commits: map[queue.TopicPartition]queue.Offset{}, handling: map[queue.TopicPartition]*reader{},
			}
			h.topic("t", 3)
			h.topic("u", 2)
			for range 250 {
				g.step()
			}
			g.finish()
		})
	}
}

func (g *gang) step() {
	switch g.rng.IntN(20) {
	case 0, 1:
		g.enter(fmt.Sprint("m", g.made))
		g.made++
	case 2:
		if r := g.pick(); r != nil { // the same one again, as if it had been restarted
			g.drop(r)
			g.enter(r.Member)
		}
	case 3:
		if r := g.pick(); r != nil {
			if g.rng.IntN(2) == 0 {
				r.leave()
			}
			g.drop(r) // it leaves, or dies
		}
	case 4:
		time.Sleep(time.Duration(g.rng.IntN(12_000)) * time.Millisecond)
		g.beat()
	case 5:
		g.restart()
	case 6:
		if g.rng.IntN(10) == 0 {
			info, err := g.Topic(g.t.Context(), "u")
			if err != nil {
				g.t.Fatal(err)
			}
			g.topic("u", info.Config.Partitions+1)
		}
	case 7, 8, 9:
		g.more()
	case 10, 11, 12:
		if r := g.pick(); r != nil {
			g.commit(r)
		}
	default:
		if r := g.pick(); r != nil {
			g.poll(r)
		}
	}
}

func (g *gang) pick() *reader {
	if len(g.live) == 0 {
		return nil
	}
	return g.live[g.rng.IntN(len(g.live))]
}

func (g *gang) enter(name string) {
	topics := [][]string{{"t"}, {"u"}, {"t", "u"}, nil}[g.rng.IntN(4)]
	if _, err := g.Offsets(g.t.Context(), "g"); err != nil {
		topics = []string{"t", "u"}
	}
	r := g.join("g", name, topics...)
	g.live = append(g.live, r)
	for p := range r.at {
		g.begin(r, p)
	}
}

// begin: a member works on a partition from where the group goes on.
func (g *gang) begin(r *reader, p queue.TopicPartition) {
	if other := g.handling[p]; other != nil && other != r {
		g.t.Fatalf("%s gets %s, which %s works on", r.Member, p, other.Member)
	}
	g.handling[p] = r
	if at := r.at[p]; at != g.commits[p] {
		g.t.Fatalf("%s begins %s at %d; %d is committed", r.Member, p, at, g.commits[p])
	}
	g.last[p] = r.at[p] - 1
}

// drop: a member does nothing any more.
func (g *gang) drop(r *reader) {
	for i, o := range g.live {
		if o == r {
			g.live = append(g.live[:i:i], g.live[i+1:]...)
		}
	}
	for p, o := range g.handling {
		if o == r {
			delete(g.handling, p)
		}
	}
}

// beat: who lives is heard of; who was silent for too long finds out.
func (g *gang) beat() {
	for _, r := range append([]*reader(nil), g.live...) {
		if _, err := g.Heartbeat(g.t.Context(), "g", r.Member, r.Epoch, nil); err != nil {
			g.gone(r, err)
		}
	}
}

func (g *gang) gone(r *reader, err error) {
	if !errors.Is(err, queue.ErrMemberNotFound) {
		g.t.Fatalf("%s: %v", r.Member, err)
	}
	g.drop(r)
}

func (g *gang) poll(r *reader) {
	ans, err := r.ask(1+g.rng.IntN(5), time.Duration(g.rng.IntN(3))*time.Second)
	if err != nil {
		g.gone(r, err)
		return
	}
	held := map[queue.TopicPartition]bool{}
	for p := range r.at {
		held[p] = true
	}
	for _, d := range ans.Records { // in the order in which they are handled
		if want := fmt.Sprint(d.Offset); string(d.Value) != want {
			g.t.Fatalf("%s/%d has %s", d.Place, d.Offset, d.Value)
		}
	}
	had := r.at
	for p := range had { // what it works on is not taken from it
		if !slices.ContainsFunc(ans.Assignment, func(a queue.AssignedPartition) bool { return a.Place == p }) && !slices.Contains(ans.Revoke, p) {
			g.t.Fatalf("%s has lost %s, which it works on", r.Member, p)
		}
	}
	r.take(ans)
	for _, p := range ans.Revoke { // it gives up now, or later
		if held[p] && g.rng.IntN(2) == 0 {
			r.at[p] = had[p]
		}
	}
	for p := range r.at {
		if !held[p] {
			at := r.at[p] // after the records that came with it
			for _, a := range ans.Assignment {
				if a.Place == p {
					r.at[p] = a.Offset
				}
			}
			g.begin(r, p)
			r.at[p] = at
		}
		delete(held, p)
	}
	for p := range held { // given up
		delete(g.handling, p)
	}
	for _, d := range ans.Records {
		if d.Offset != g.last[d.Place]+1 || g.handling[d.Place] != r {
			g.t.Fatalf("%s handles %s/%d after %d", r.Member, d.Place, d.Offset, g.last[d.Place])
		}
		g.last[d.Place] = d.Offset
	}
}

func (g *gang) commit(r *reader) {
	if err := r.commit(); err != nil {
		g.gone(r, err)
		return
	}
	for p, at := range r.at {
		g.commits[p] = at
	}
}

func (g *gang) more() {
	for range 1 + g.rng.IntN(5) {
		name := []string{"t", "u"}[g.rng.IntN(2)]
		info, err := g.Topic(g.t.Context(), name)
		if err != nil {
			g.t.Fatal(err)
		}
		p := queue.TopicPartition{Topic: name, Partition: g.rng.IntN(info.Config.Partitions)}
		g.publishTo(name, p.Partition, fmt.Sprint(g.end[p]))
		g.end[p]++
	}
}

// finish: when all do as they should, everything is read.
func (g *gang) finish() {
	if len(g.live) == 0 {
		g.enter("last")
	}
	g.enter("all")
	g.drop(g.live[len(g.live)-1])
	time.Sleep(time.Minute) // the dead are out
	for _, r := range append([]*reader(nil), g.live...) {
		g.drop(r)
	}
	g.live, g.handling = nil, map[queue.TopicPartition]*reader{}
	g.live = append(g.live, g.join("g", "x", "t", "u"), g.join("g", "y", "t", "u"))
	for _, r := range g.live {
		for p := range r.at {
			g.begin(r, p)
		}
	}
	for range 300 {
		for _, r := range append([]*reader(nil), g.live...) {
			g.poll(r)
			g.commit(r)
		}
		if g.totals("g").Lag == 0 {
			return
		}
	}
	g.t.Fatalf("lag %d is left", g.totals("g").Lag)
}
