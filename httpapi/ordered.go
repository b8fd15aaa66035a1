package httpapi

import (
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/topic"
)

// memberCall is what the bodies of members' calls have, each its own part of it.
type memberCall struct {
	most    int64    // of max
	given   []string // fields that are there and not null
	poll    queue.PollRequest
	owned   bool // not absent
	topics  []string
	session queue.JoinRequest
	offsets []queue.Committed
}

// memberCall reads the body of a call of a member, which has these fields.
func (x *exchange) memberCall(fields ...string) (c memberCall, err error) {
	c.poll.Max, c.most = defaultRead, x.api.limits.MaxRead
	if x.acceptsBatches() {
		c.poll.Max, c.most = ordered.MaxBatched, ordered.MaxBatched
	}
	s := x.scanBody()
	s.object(func(name []byte) bool {
		if !slices.Contains(fields, string(name)) {
			return false
		}
		if !s.null() {
			c.given = append(c.given, string(name))
			c.field(s, &x.api.limits, string(name))
		}
		return true
	})
	return c, s.done()
}

func (c *memberCall) field(s *scanner, limits *queue.Limits, name string) {
	switch name {
	case "member":
		c.poll.Member = s.string()
		if n := len(c.poll.Member); s.err == nil && (n == 0 || n > lease.MaxMember) {
			s.fail(invalid("a member's name has 1 to %d bytes", lease.MaxMember))
		}
	case "epoch":
		c.poll.Epoch = s.int(1, math.MaxInt64)
	case "max":
		c.poll.Max = int(s.int(1, c.most))
	case "max_bytes":
		c.poll.MaxBytes = s.int(0, limits.MaxBytes)
	case "wait":
		c.poll.Wait = s.duration(0, limits.MaxWait)
	case "session":
		c.session.Session = s.duration(ordered.MinSession, ordered.MaxSession)
	case "topics":
		c.topics = topicNames(s)
	case "owned":
		c.owned = true
		c.poll.Owned = []queue.OwnedPartition{}
		s.array(func(int) { c.poll.Owned = append(c.poll.Owned, ownedPartition(s)) })
	case "offsets":
		s.array(func(int) { c.offsets = append(c.offsets, committedOffset(s)) })
	}
}

// needs refuses a body without one of these fields.
func (c *memberCall) needs(fields ...string) error {
	for _, f := range fields {
		if !slices.Contains(c.given, f) {
			return invalid("%s is missing: the answer of the join has member and epoch", f)
		}
	}
	return nil
}

// placed reads an object that names a partition; other reads its further fields.
func placed(s *scanner, other func(name string) bool) (p queue.TopicPartition) {
	partition := false
	s.object(func(name []byte) bool {
		switch string(name) {
		case "topic":
			p.Topic = topicName(s)
		case "partition":
			p.Partition, partition = int(s.int(0, math.MaxInt32)), true
		default:
			return other(string(name))
		}
		return true
	})
	if s.err == nil && (p.Topic == "" || !partition) {
		s.fail(invalid("topic or partition is missing"))
	}
	return p
}

func ownedPartition(s *scanner) (o queue.OwnedPartition) {
	o.Offset = queue.NoOffset
	o.Place = placed(s, func(name string) bool {
		if name == "offset" && !s.null() {
			o.Offset = queue.Offset(s.int(0, math.MaxInt64))
		}
		return name == "offset"
	})
	return o
}

func committedOffset(s *scanner) (o queue.Committed) {
	given := false
	o.Place = placed(s, func(name string) bool {
		switch name {
		case "offset":
			o.Offset, given = queue.Offset(s.int(0, math.MaxInt64)), true
		case "metadata":
			if s.null() {
				break
			}
			if o.Metadata = s.string(); s.err == nil && len(o.Metadata) > ordered.MaxMetadata {
				s.fail(invalid("metadata: more than %d bytes", ordered.MaxMetadata))
			}
		default:
			return false
		}
		return true
	})
	if s.err == nil && !given {
		s.fail(invalid("offset is missing: it is the next one to read"))
	}
	return o
}

// join takes a member into an ordered group.
func (a *API) join(x *exchange) error {
	c, err := x.memberCall("member", "topics", "session")
	if err != nil {
		return err
	}
	c.session.Member, c.session.Topics = c.poll.Member, c.topics
	j, created, err := a.broker.Join(x.ctx(), x.group, c.session)
	if err != nil {
		return err
	}
	x.worked(0, nil)
	return x.json(http.StatusOK, api.JoinResponse{Member: j.Member, Epoch: j.Epoch, Assignment: wireAssigned(j.Assignment), Heartbeat: api.Duration(j.Heartbeat), Created: created})
}

// poll hands a member records of its partitions, as JSON or, when it accepts that, as the batches they are stored in.
func (a *API) poll(x *exchange) error {
	c, err := x.memberCall("member", "epoch", "max", "max_bytes", "wait", "owned")
	if err != nil {
		return err
	}
	if err := c.needs("member", "epoch"); err != nil {
		return err
	}
	x.release() // a call that waits holds no buffer
	c.poll.Batches, c.poll.Room = x.acceptsBatches(), a.room.Share()
	defer c.poll.Room.End()
	ans, err := a.broker.Poll(x.ctx(), x.group, c.poll)
	if err != nil {
		return err
	}
	x.worked(len(ans.Records), nil)
	x.keep = len(ans.Records) > 0 || len(ans.Batches) > 0
	if c.poll.Batches {
		return x.stretches(api.PollHead{PollResponse: wirePoll(ans), Hidden: topic.HiddenHeaders()}, ans.Batches)
	}
	return x.polled(ans)
}

// polled answers with JSON.
func (x *exchange) polled(ans queue.PollAnswer) error {
	x.encode().appendPolled(&ans)
	return x.answer(http.StatusOK)
}

// heartbeat keeps a member's session.
func (a *API) heartbeat(x *exchange) error {
	c, err := x.memberCall("member", "epoch", "owned")
	if err != nil {
		return err
	}
	if err := c.needs("member", "epoch"); err != nil {
		return err
	}
	ans, err := a.broker.Heartbeat(x.ctx(), x.group, c.poll.Member, c.poll.Epoch, c.poll.Owned)
	if err != nil {
		return err
	}
	return x.polled(ans)
}

// commit takes a member's offsets, all or none.
func (a *API) commit(x *exchange) error {
	c, err := x.memberCall("member", "epoch", "offsets")
	if err != nil {
		return err
	}
	if err := c.needs("member", "epoch", "offsets"); err != nil {
		return err
	}
	if err := a.broker.CommitOffsets(x.ctx(), x.group, c.poll.Member, c.poll.Epoch, c.offsets); err != nil {
		return err
	}
	return x.json(http.StatusOK, api.CommitResponse{Committed: len(c.offsets)})
}

// offsets tells what an ordered group has committed.
func (a *API) offsets(x *exchange) error {
	all, err := a.broker.Offsets(x.ctx(), x.group)
	if err != nil {
		return err
	}
	out := api.OffsetsResponse{Offsets: make([]api.CommittedOffset, len(all))}
	for i, o := range all {
		out.Offsets[i] = api.CommittedOffset{Place: wirePlace(o.Place), Offset: int64(o.Offset), Metadata: o.Metadata}
	}
	return x.json(http.StatusOK, out)
}

// leave takes a member out.
func (a *API) leave(x *exchange) error {
	c, err := x.memberCall("member", "epoch")
	if err != nil {
		return err
	}
	if err := c.needs("member"); err != nil {
		return err
	}
	if err := a.broker.Leave(x.ctx(), x.group, c.poll.Member, c.poll.Epoch); err != nil {
		return err
	}
	return x.json(http.StatusOK, api.LeaveResponse{Member: c.poll.Member})
}

func wirePlace(p queue.TopicPartition) api.Place {
	return api.Place{Topic: p.Topic, Partition: p.Partition}
}

func wirePlaces(ps []queue.TopicPartition) []api.Place {
	out := make([]api.Place, len(ps))
	for i, p := range ps {
		out[i] = wirePlace(p)
	}
	return out
}

func wireAssigned(as []queue.AssignedPartition) []api.AssignedPartition {
	out := make([]api.AssignedPartition, len(as))
	for i, a := range as {
		out[i] = api.AssignedPartition{Place: wirePlace(a.Place), Offset: int64(a.Offset)}
	}
	return out
}

// wirePoll is an answer without its records.
func wirePoll(a queue.PollAnswer) api.PollResponse {
	out := api.PollResponse{
		Epoch: a.Epoch, Assignment: wireAssigned(a.Assignment), Revoke: wirePlaces(a.Revoke),
		Moved: make([]api.MovedPartition, len(a.Moved)), Records: []api.StreamRecord{},
	}
	for i, m := range a.Moved {
		out.Moved[i] = api.MovedPartition{Place: wirePlace(m.Place), From: int64(m.From), To: int64(m.To)}
	}
	return out
}

// appendPolled appends the answer of a poll.
func (e *encoder) appendPolled(a *queue.PollAnswer) {
	e.raw(`{"epoch":`)
	e.int(a.Epoch)
	e.raw(`,"assignment":[`)
	for i, p := range a.Assignment {
		e.comma(i)
		e.place(p.Place)
		e.raw(`,"offset":`)
		e.int(int64(p.Offset))
		e.raw("}")
	}
	e.raw(`],"revoke":[`)
	for i, p := range a.Revoke {
		e.comma(i)
		e.place(p)
		e.raw("}")
	}
	e.raw(`],"moved":[`)
	for i, m := range a.Moved {
		e.comma(i)
		e.place(m.Place)
		e.raw(`,"from":`)
		e.int(int64(m.From))
		e.raw(`,"to":`)
		e.int(int64(m.To))
		e.raw("}")
	}
	e.raw(`],"records":[`)
	for i := range a.Records {
		d := &a.Records[i]
		e.comma(i)
		e.place(d.Place)
		e.raw(`,"offset":`)
		e.int(int64(d.Offset))
		e.raw(",")
		e.record(&d.Record)
		e.raw("}")
	}
	e.raw("]}")
}

// place opens an object that begins with a partition's place.
func (e *encoder) place(p queue.TopicPartition) {
	e.raw(`{"topic":`)
	e.string(p.Topic)
	e.raw(`,"partition":`)
	e.int(int64(p.Partition))
}

// acceptsBatches tells whether the client asked for stored batches.
func (x *exchange) acceptsBatches() bool {
	for _, accept := range x.r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			media, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(media), api.MediaBatches) {
				return true
			}
		}
	}
	return false
}
