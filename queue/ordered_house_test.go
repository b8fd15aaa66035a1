package queue_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/queue"
)

// reader is a member of an ordered group as a client would be one: it knows what it holds and where it is.
type reader struct {
	h     *house
	group string
	queue.Joined
	at   map[queue.TopicPartition]queue.Offset
	read []string // topic/partition:value, in order of arrival
	last queue.PollAnswer
}

func (h *house) join(group, member string, topics ...string) *reader {
	h.t.Helper()
	r, err := h.tryJoin(group, queue.JoinRequest{Member: member, Topics: topics})
	if err != nil {
		h.t.Fatalf("join %s as %s: %v", group, member, err)
	}
	return r
}

func (h *house) tryJoin(group string, req queue.JoinRequest) (*reader, error) {
	j, _, err := h.Join(h.t.Context(), group, req)
	r := &reader{h: h, group: group, Joined: j, at: map[queue.TopicPartition]queue.Offset{}}
	for _, a := range j.Assignment {
		r.at[a.Place] = a.Offset
	}
	return r, err
}

func (r *reader) owned() []queue.OwnedPartition {
	out := []queue.OwnedPartition{}
	for p, at := range r.at {
		out = append(out, queue.OwnedPartition{Place: p, Offset: at})
	}
	slices.SortFunc(out, func(a, b queue.OwnedPartition) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func (r *reader) ask(max int, wait time.Duration) (queue.PollAnswer, error) {
	return r.h.Poll(r.h.t.Context(), r.group, queue.PollRequest{Member: r.Member, Epoch: r.Epoch, Owned: r.owned(), Max: max, Wait: wait})
}

// take makes a member's own what an answer gives it: what is to be given up is given up at once.
func (r *reader) take(a queue.PollAnswer) {
	r.last = a
	had := r.at
	r.at = map[queue.TopicPartition]queue.Offset{}
	for _, p := range a.Assignment {
		if at, ours := had[p.Place]; ours {
			r.at[p.Place] = at
		} else {
			r.at[p.Place] = p.Offset
		}
	}
	for _, m := range a.Moved {
		r.at[m.Place] = m.To
	}
	for _, d := range a.Records {
		r.read = append(r.read, fmt.Sprintf("%s:%s", d.Place, d.Value))
		r.at[d.Place] = d.Offset + 1
	}
}

// poll polls once without waiting and takes what comes.
func (r *reader) poll() *reader {
	r.h.t.Helper()
	a, err := r.ask(1000, 0)
	if err != nil {
		r.h.t.Fatalf("poll by %s: %v", r.Member, err)
	}
	r.take(a)
	return r
}

func (r *reader) holds() string {
	var out []string
	for p := range r.at {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (r *reader) commit() error {
	var all []queue.Committed
	for p, at := range r.at {
		all = append(all, queue.Committed{Place: p, Offset: at})
	}
	return r.h.CommitOffsets(r.h.t.Context(), r.group, r.Member, r.Epoch, all)
}

func (r *reader) leave() {
	r.h.t.Helper()
	if err := r.h.Leave(r.h.t.Context(), r.group, r.Member, r.Epoch); err != nil {
		r.h.t.Fatalf("leave: %v", err)
	}
}

func (h *house) publishTo(topic string, partition int, values ...string) {
	h.t.Helper()
	msgs := make([]queue.Message, len(values))
	for i, v := range values {
		msgs[i] = queue.Message{Value: []byte(v), Partition: &partition}
	}
	if _, _, err := h.Publish(h.t.Context(), topic, msgs, 0); err != nil {
		h.t.Fatal(err)
	}
}

func at(topic string, partition int, offset queue.Offset) queue.Committed {
	return queue.Committed{Place: queue.TopicPartition{Topic: topic, Partition: partition}, Offset: offset}
}

func (h *house) commitAt(r *reader, offsets ...queue.Committed) error {
	return h.CommitOffsets(h.t.Context(), r.group, r.Member, r.Epoch, offsets)
}

func (h *house) offsets(group string) string {
	h.t.Helper()
	os, err := h.Offsets(h.t.Context(), group)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, o := range os {
		out = append(out, fmt.Sprintf("%s@%d%s", o.Place, o.Offset, o.Metadata))
	}
	return strings.Join(out, " ")
}

func (h *house) wantHolds(r *reader, want string) {
	h.t.Helper()
	if got := r.holds(); got != want {
		h.t.Errorf("%s holds %q, want %q", r.Member, got, want)
	}
}

func (h *house) wantErr(err, want error) {
	h.t.Helper()
	if !errors.Is(err, want) {
		h.t.Errorf("got %v, want %v", err, want)
	}
}
