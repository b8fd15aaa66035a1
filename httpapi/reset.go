package httpapi

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// reset moves a group's start offsets, or tells where it would move them.
func (a *API) reset(x *exchange) error {
	s := x.scanBody()
	req := readReset(s, time.Now())
	if err := s.done(); err != nil {
		return err
	}
	moves, err := a.broker.Reset(x.ctx(), x.group, req)
	if err != nil {
		return err
	}
	out := api.ResetResponse{Partitions: make([]api.ResetPartition, len(moves))}
	for i, m := range moves {
		out.Partitions[i] = api.ResetPartition{Topic: m.Topic, Partition: m.Partition, From: int64(m.From), To: int64(m.To)}
	}
	return x.json(http.StatusOK, out)
}

// readReset reads a reset that came at now.
func readReset(s *scanner, now time.Time) (req queue.ResetRequest) {
	given := false
	s.object(func(name []byte) bool {
		switch string(name) {
		case "to":
			if !s.null() {
				given = true
				req.To = resetTarget(s, now)
			}
		case "topics":
			if s.null() {
				break
			}
			if req.Topics = topicNames(s); s.err == nil && len(req.Topics) == 0 {
				s.fail(invalid("names no topic: leave it out to move all that the group reads"))
			}
		case "partition":
			if !s.null() {
				req.Partition = new(int(s.int(0, math.MaxInt64)))
			}
		case "dry_run":
			if !s.null() {
				req.DryRun = s.bool()
			}
		case "force": // only ordered groups have members to fence
			if !s.null() {
				req.Force = s.bool()
			}
		default:
			return false
		}
		return true
	})
	if s.err == nil && !given {
		s.fail(invalid("to is missing: say where, as in %s", targets))
	}
	return req
}

// targets shows what a reset can go to.
const targets = `{"to":"earliest"}, "latest", "offset:17", "2026-01-02T15:04:05Z", or "-1h" for an hour ago`

// resetTarget reads where a reset goes.
func resetTarget(s *scanner, now time.Time) queue.Position {
	text := s.string()
	if s.err != nil {
		return queue.Position{}
	}
	if number, ok := strings.CutPrefix(text, "offset:"); ok {
		n, err := whole("the offset", number, 0, math.MaxInt64)
		if err != nil {
			s.fail(invalid("%q: after offset: comes a whole number from 0 on", cut(text)))
		}
		return queue.Position{Offset: queue.Offset(n)}
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, f := parseDuration(ago, 0, maxTTL)
		if f != nil {
			s.fail(invalid("%q: after the minus comes how long ago, as in \"-90s\", \"-1h\" or \"-7d\"", cut(text)))
		}
		return queue.Position{Time: now.Add(-d)}
	}
	switch text {
	case "earliest":
		return queue.Position{Earliest: true}
	case "latest":
		return queue.Position{Latest: true}
	}
	t, f := parseTime(text)
	if f != nil {
		s.fail(invalid("%q: say where, as in %s", cut(text), targets))
	}
	return positionOf(t)
}

// positionOf is the position of a time; the year 1 is Go's time without a value, and before every record.
func positionOf(t time.Time) queue.Position { return queue.Position{Time: t, Earliest: t.IsZero()} }
