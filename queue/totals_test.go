package queue_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/share"
)

var totalsSeeds = flag.Int("totals.seeds", 30, "seeds of TestSummaryIsTheSum")

// office is random work of all kinds on some groups.
type office struct {
	*house
	rng  *rand.Rand
	held map[string][]queue.Delivery
	thin int // how often a group had offsets before it that hold no record
}

var (
	officeShares = []string{"plain", "keyed", "loose"}
	officeGroups = append([]string{"stream"}, officeShares...)
	officeTopics = []string{"t", "u", "c"} // of a short retention, growing, compacted
)

// TestSummaryIsTheSum: what a group's summary counts is at each moment what its partitions add up to, whatever happens: leases, settles by receipt and by place, also ahead
// of the group, expiries, dead letters, redrives and purges, resets, retention, compaction, topics that grow, are detached, deleted and made again, restarts.
func TestSummaryIsTheSum(t *testing.T) {
	thin := 0
	for seed := range *totalsSeeds {
		inBubble(t, func(h *house) {
			o := &office{house: h, rng: rand.New(rand.NewPCG(uint64(seed), 1)), held: map[string][]queue.Delivery{}}
			for _, name := range officeTopics {
				o.topic(name)
			}
			for _, name := range officeGroups {
				o.attach(name, officeTopics)
			}
			for step := 0; step < 200 && !h.t.Failed(); step++ {
				did := o.step()
				synctest.Wait()
				if wrong := o.check(); wrong != "" {
					h.t.Errorf("seed %d, step %d, %s: %s", seed, step, did, wrong)
				}
			}
			thin += o.thin
		})
	}
	if thin < 10**totalsSeeds {
		t.Errorf("only %d times a group had offsets without a record before it", thin)
	}
}

// check compares each group's two descriptions.
func (o *office) check() string {
	leased := int64(0)
	for _, name := range officeGroups {
		whole, err := o.Group(o.t.Context(), name)
		if err != nil {
			return err.Error()
		}
		brief, err := o.GroupSummary(o.t.Context(), name)
		if err != nil {
			return err.Error()
		}
		if brief.Partitions != nil || whole.Totals != brief.Totals || whole.Counters != brief.Counters {
			return fmt.Sprintf("%s has %+v, its summary is %+v", name, whole.Totals, brief.Totals)
		}
		if wrong := o.checkAges(whole); wrong != "" {
			return wrong
		}
		if name != "stream" {
			if has, want := leases(brief), o.leases(name); !maps.Equal(has, want) {
				return fmt.Sprintf("%s has leases of %v, want %v", name, has, want)
			}
		}
		for _, p := range whole.Partitions {
			leased += p.Leased
			if p.End-p.Start+p.LogEnd-p.End > queue.Offset(p.Lag) && name == "stream" || p.LogEnd-p.End > queue.Offset(p.Available) {
				o.thin++
			}
		}
	}
	if got := o.Running(); int64(got) != leased {
		return fmt.Sprintf("%d leases run, of %d", got, leased)
	}
	return ""
}

// checkAges compares what a group's overview, and those of its topics, say of what is oldest with what its partitions have.
func (o *office) checkAges(whole queue.GroupInfo) string {
	all, err := o.GroupOverviews(o.t.Context(), "", 100)
	if err != nil {
		return err.Error()
	}
	i := slices.IndexFunc(all, func(g queue.GroupInfo) bool { return g.Name == whole.Name })
	var unsettled, available time.Time
	lags, oldest := map[string]int64{}, map[string]time.Time{}
	for _, p := range whole.Partitions {
		unsettled, available = earlier(unsettled, p.OldestUnsettled), earlier(available, p.OldestAvailable)
		lags[p.Topic] += p.Lag
		oldest[p.Topic] = earlier(oldest[p.Topic], p.OldestUnsettled)
	}
	if g := all[i]; !g.OldestUnsettled.Equal(unsettled) || !g.OldestAvailable.Equal(available) || g.Totals != whole.Totals {
		return fmt.Sprintf("%s: the oldest are of %v and %v, want %v and %v", whole.Name, g.OldestUnsettled, g.OldestAvailable, unsettled, available)
	}
	for brief, list := range []func(context.Context, string, int) ([]queue.TopicInfo, error){o.Topics, o.TopicSummaries} {
		topics, err := list(o.t.Context(), "", 100)
		if err != nil {
			return err.Error()
		}
		for _, t := range topics {
			for _, g := range t.Groups {
				want := oldest[t.Name]
				if brief == 1 {
					want = time.Time{}
				}
				if g.Group == whole.Name && (g.Lag != lags[t.Name] || !g.OldestUnsettled.Equal(want)) {
					return fmt.Sprintf("%s has of %s %+v, want %d since %v", whole.Name, t.Name, g, lags[t.Name], want)
				}
			}
		}
	}
	return ""
}

// earlier is the earlier of two times; zero is none.
func earlier(x, y time.Time) time.Time {
	if x.IsZero() || !y.IsZero() && y.Before(x) {
		return y
	}
	return x
}

// leases returns how many each member has that has some.
func leases(info queue.GroupInfo) map[string]int {
	out := map[string]int{}
	for _, m := range info.Members {
		if m.Leases > 0 {
			out[m.Member] = m.Leases
		}
	}
	return out
}

// leases counts them record by record.
func (o *office) leases(group string) map[string]int {
	out := map[string]int{}
	all, _, err := o.GroupRecords(o.t.Context(), group, queue.Leased, queue.GroupPlace{}, 1000)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, r := range all {
		out[r.Member]++
	}
	return out
}

// step does something, and says what.
func (o *office) step() string {
	g, topic := officeShares[o.rng.IntN(len(officeShares))], officeTopics[o.rng.IntN(len(officeTopics))]
	switch o.rng.IntN(24) {
	case 0, 1, 2, 3, 4:
		msgs := make([]queue.Message, 1+o.rng.IntN(8))
		for i := range msgs {
			msgs[i] = queue.Message{Key: fmt.Append(nil, o.rng.IntN(6)), Value: []byte("v")}
			if o.rng.IntN(5) == 0 {
				msgs[i].TTL = time.Minute
			}
		}
		o.publishMsgs(topic, msgs...)
		return "publish to " + topic
	case 5, 6, 7, 8:
		ds, _, err := o.Lease(o.t.Context(), g, queue.LeaseRequest{Max: 1 + o.rng.IntN(10), Member: fmt.Sprint("w", o.rng.IntN(3))})
		o.held[g] = append(o.held[g], ds...)
		return fmt.Sprint("lease of ", g, " ", err)
	case 9, 10, 11, 12:
		return o.settleSome(g)
	case 13:
		return fmt.Sprint("by place ", o.SettleAt(o.t.Context(), g, o.place(topic), []queue.Verb{queue.Ack, queue.Reject, queue.Release}[o.rng.IntN(3)]))
	case 14, 15:
		time.Sleep(time.Duration(o.rng.IntN(60)) * time.Second)
		return "sleep"
	case 16:
		req := queue.ResetRequest{To: []queue.Position{{Earliest: true}, {Latest: true}, {Offset: queue.Offset(o.rng.IntN(20))}}[o.rng.IntN(3)], Force: true}
		name := officeGroups[o.rng.IntN(len(officeGroups))]
		_, err := o.Reset(o.t.Context(), name, req)
		return fmt.Sprintf("reset of %s to %+v %v", name, req.To, err)
	case 17:
		return o.attach(officeGroups[o.rng.IntN(len(officeGroups))], slices.Delete(slices.Clone(officeTopics), 0, o.rng.IntN(3)))
	case 18:
		return o.topic("u")
	case 19:
		if o.rng.IntN(3) == 0 {
			return fmt.Sprint("delete ", o.DeleteTopic(o.t.Context(), topic, true, queue.Condition{}), " of ", o.topic(topic))
		}
		return fmt.Sprint("delete of letters ", o.DeleteTopic(o.t.Context(), g+".dlq", true, queue.Condition{}))
	case 20:
		return o.letters(g)
	case 21:
		o.restart()
		return "restart"
	default:
		return o.commit()
	}
}

// topic makes a topic, or lets it grow.
func (o *office) topic(name string) string {
	_, _, err := o.PutTopic(o.t.Context(), name, queue.Condition{Force: true}, func(c queue.TopicConfig, exists bool) (queue.TopicConfig, error) {
		switch {
		case !exists:
			c.Partitions = 1 + o.rng.IntN(3)
		case c.Partitions < 6:
			c.Partitions++
		}
		switch name {
		case "t":
			c.Retention.Age = time.Minute
		case "c":
			c.Cleanup = catalog.CleanupCompact
		}
		return c, nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return "topic " + name
}

// attach makes a group, or has it read other topics.
func (o *office) attach(name string, topics []string) string {
	_, _, err := o.PutGroup(o.t.Context(), name, queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics = topics
		switch name {
		case "keyed":
			c.Config.Ordering, c.Config.OnDead = catalog.OrderingKey, catalog.OnDeadHold
		case "loose":
			c.Config.Pin, c.Config.DeadLetters, c.Config.MaxAttempts = false, false, 2
		case "stream":
			c.Kind = catalog.KindOrdered
		}
		return c, nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return fmt.Sprint(name, " reads ", topics)
}

func (o *office) settleSome(g string) string {
	n := min(len(o.held[g]), 1+o.rng.IntN(5))
	actions := make([]queue.Action, n)
	for i := range actions {
		verb := []queue.Verb{queue.Ack, queue.Ack, queue.Nack, queue.Reject, queue.Release, queue.Extend}[o.rng.IntN(6)]
		actions[i] = queue.Action{Receipt: o.held[g][i].Receipt, Verb: verb}
	}
	o.held[g] = o.held[g][n:]
	_, err := o.Settle(o.t.Context(), g, actions)
	return fmt.Sprint("settle of ", g, " ", err)
}

// place is some record of a topic, mostly one that is there.
func (o *office) place(topic string) queue.GroupPlace {
	info, err := o.Topic(o.t.Context(), topic)
	if err != nil {
		o.t.Fatal(err)
	}
	p := info.Partitions[o.rng.IntN(len(info.Partitions))]
	return queue.GroupPlace{Topic: topic, Partition: p.Partition, Offset: p.Start + queue.Offset(o.rng.IntN(int(p.End-p.Start)+1))}
}

// letters redrives or purges some dead letters.
func (o *office) letters(name string) string {
	g, err := o.ShareGroup(name)
	if err != nil {
		o.t.Fatal(err)
	}
	ids, err := g.LetterIDs(o.t.Context(), letter.Filter{}, 1+o.rng.IntN(5))
	if err != nil {
		o.t.Fatal(err)
	}
	do := g.Redrive
	if o.rng.IntN(3) == 0 {
		do = g.Purge
	}
	_, err = do(o.t.Context(), share.Step{IDs: ids})
	return fmt.Sprint("letters of ", name, " ", err)
}

// commit moves the ordered group on some of its partitions.
func (o *office) commit() string {
	r := o.join("stream", "m")
	places := slices.SortedFunc(maps.Keys(r.at), func(a, b queue.TopicPartition) int { return strings.Compare(a.String(), b.String()) })
	var offsets []queue.Committed
	for _, p := range places {
		info, err := o.Topic(o.t.Context(), p.Topic)
		if err != nil {
			o.t.Fatal(err)
		}
		if o.rng.IntN(2) == 0 {
			offsets = append(offsets, at(p.Topic, p.Partition, queue.Offset(o.rng.IntN(int(info.Partitions[p.Partition].End)+1))))
		}
	}
	return fmt.Sprint("commit ", o.commitAt(r, offsets...))
}
