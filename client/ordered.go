package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/holtmq/holt/client/api"
)

// JoinOptions say how to join an ordered group.
type JoinOptions struct {
	Member  string        // a static id that the member keeps over its restarts; "" = the server gives one
	Topics  []string      // only these; makes or attaches what is missing. None: all that the group reads
	Session time.Duration // how long the member may be silent; 0 = 30 s
}

// Join takes a member into an ordered group, or replaces the one of its name, which is fenced.
func (c *Client) Join(ctx context.Context, group string, o JoinOptions) (api.JoinResponse, error) {
	in := api.JoinRequest{Member: o.Member, Topics: o.Topics}
	if o.Session > 0 {
		in.Session = (*api.Duration)(&o.Session)
	}
	var out api.JoinResponse
	err := c.post(ctx, path("groups", group, "join"), in, &out)
	return out, err
}

// PollOptions say what to poll for. Owned is what the member works on, with the offsets it wants next: what it does not name it has given up.
type PollOptions struct {
	Member   string
	Epoch    int64
	Owned    []api.OwnedPartition
	Max      int           // records; 0 = the server's choice
	MaxBytes int64         // 0 = the server's limit
	Wait     time.Duration // for the first record; ≤ 60 s
}

// Polled is the answer of Poll.
type Polled struct {
	api.PollResponse                     // without its Records
	Records          []*Record           // by partition in order
	Next             map[api.Place]int64 // of partitions that records came from: the next offset to ask for
}

// Poll returns records of a member's partitions, in order. It takes stored batches from a server that has them.
func (c *Client) Poll(ctx context.Context, group string, o PollOptions) (Polled, error) {
	in := api.PollRequest{Member: o.Member, Epoch: o.Epoch, Max: o.Max, MaxBytes: o.MaxBytes, Owned: o.Owned}
	if o.Wait > 0 {
		in.Wait = (*api.Duration)(&o.Wait)
	}
	if in.Owned == nil {
		in.Owned = []api.OwnedPartition{}
	}
	body, err := encode(in)
	if err != nil {
		return Polled{}, err
	}
	h, answer, err := c.fetch(ctx, request{method: http.MethodPost, path: path("groups", group, "poll"), header: acceptBatches, body: body})
	if err != nil {
		return Polled{}, err
	}
	p := Polled{Next: map[api.Place]int64{}}
	if isBatches(h) {
		return p, p.fromBatches(answer, o.Max)
	}
	return p, p.fromJSON(answer)
}

func (p *Polled) fromJSON(body []byte) error {
	if err := json.Unmarshal(body, &p.PollResponse); err != nil {
		return fmt.Errorf("%w: %w: %w", ErrUnknown, ErrAnswer, err)
	}
	for i := range p.PollResponse.Records {
		w := &p.PollResponse.Records[i]
		r, err := stored(w.Topic, &w.Record)
		if err != nil {
			return err
		}
		p.Records = append(p.Records, r)
		p.Next[api.Place{Topic: r.Topic, Partition: r.Partition}] = r.Offset + 1
	}
	p.PollResponse.Records = nil
	return nil
}

func (p *Polled) fromBatches(body []byte, max int) error {
	var head api.PollHead
	stretches, err := splitBatches(body, &head)
	if err != nil {
		return err
	}
	p.PollResponse = head.PollResponse
	p.PollResponse.Records = nil
	if max == 0 {
		max = 1 << 30
	}
	for i := range stretches {
		s := &stretches[i]
		if at, again := p.Next[s.Place]; again && at != s.from { // the one before was cut short by max
			continue
		}
		records, next, err := s.records(max-len(p.Records), head.Hidden)
		if err != nil {
			return err
		}
		p.Records = append(p.Records, records...)
		p.Next[s.Place] = next
	}
	return nil
}

// Heartbeat keeps a member's session and tells what it holds. owned says what it works on; nil changes nothing.
func (c *Client) Heartbeat(ctx context.Context, group, member string, epoch int64, owned []api.OwnedPartition) (api.PollResponse, error) {
	var out api.PollResponse
	err := c.post(ctx, path("groups", group, "heartbeat"), heartbeat(member, epoch, owned), &out)
	return out, err
}

// heartbeat makes the body: a list without entries is not the same as none.
func heartbeat(member string, epoch int64, owned []api.OwnedPartition) any {
	if owned == nil {
		return api.HeartbeatRequest{Member: member, Epoch: epoch}
	}
	return api.PollRequest{Member: member, Epoch: epoch, Owned: owned}
}

// CommitOffsets commits offsets of a member's partitions, each the next one to read, all or none. A partition that is not the member's makes it ErrFenced;
// the *Error has Failed.
func (c *Client) CommitOffsets(ctx context.Context, group, member string, epoch int64, offsets []api.CommittedOffset) error {
	if offsets == nil {
		offsets = []api.CommittedOffset{}
	}
	return c.post(ctx, path("groups", group, "commit"), api.CommitRequest{Member: member, Epoch: epoch, Offsets: offsets}, nil)
}

// Offsets returns what an ordered group has committed.
func (c *Client) Offsets(ctx context.Context, group string) ([]api.CommittedOffset, error) {
	var out api.OffsetsResponse
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("groups", group, "offsets")}, &out)
	return out.Offsets, err
}

// Leave takes a member out of an ordered group; epoch 0 is whichever it has.
func (c *Client) Leave(ctx context.Context, group, member string, epoch int64) error {
	return c.post(ctx, path("groups", group, "leave"), api.LeaveRequest{Member: member, Epoch: epoch}, nil)
}
