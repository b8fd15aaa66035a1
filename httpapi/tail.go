package httpapi

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/tail"
)

const (
	maxTails     = 1000             // streams at once; each holds a chunk of records at most
	tailBeat     = 15 * time.Second // without an event
	tailRetry    = "retry: 1000\n"
	lastEventID  = "Last-Event-ID"
	eventStream  = "text/event-stream"
	maxPositions = 1000 // of one id: a topic has no more partitions
)

// tail follows a topic as server-sent events. What the reader takes slowly is read slowly: nothing waits for it in memory.
func (a *API) tail(x *exchange) error {
	req, err := x.tailRequest()
	if err != nil {
		return err
	}
	if n := a.tails.Add(1); n > maxTails {
		a.tails.Add(-1)
		return unavailable(api.Unavailable, "%d tails are open already, as many as there may be: read with long polls instead", maxTails)
	}
	defer a.tails.Add(-1)
	s, err := a.broker.Tail(x.ctx(), req)
	if err != nil {
		return err
	}
	defer s.Close()
	h := x.header()
	h.Set("Content-Type", eventStream)
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h.Set("X-Accel-Buffering", "no")
	x.hangUpAtStop()
	x.status = http.StatusOK
	x.w.WriteHeader(x.status)
	if x.r.Method == http.MethodHead {
		return nil
	}
	buf := a.buffer()
	defer a.giveBack(buf)
	w := &eventWriter{x: x, s: s, buf: append((*buf)[:0], tailRetry...)}
	w.eventID(positions(s.Position())) // without data: a connection that breaks before the first event is resumed, too
	w.buf = append(w.buf, '\n')
	err = w.run()
	*buf = w.buf
	return x.sent(err)
}

// eventWriter writes a stream's events to a client.
type eventWriter struct {
	x   *exchange
	s   *tail.Stream
	buf []byte
	id  string // sent last
}

// run writes until the client is gone (an error) or the stream has ended.
func (w *eventWriter) run() error {
	for {
		if err := w.flush(); err != nil {
			return err
		}
		e, err := w.s.Next(w.x.ctx(), tailBeat)
		if err != nil && w.x.ctx().Err() != nil {
			return err
		}
		if err != nil {
			w.x.api.cfg.Log.Error("a tail ends early", "request_id", w.x.id, "err", err)
			w.end("corrupt")
			return w.flush()
		}
		switch e.Kind {
		case tail.Records:
			err = w.records(&e)
		case tail.Gap:
			w.gap(&e)
		case tail.Beat:
			w.buf = append(w.buf, ": beat\n"...)
			if id := positions(w.s.Position()); id != w.id {
				w.eventID(id) // without data: the client takes note, and no event
			}
			w.buf = append(w.buf, '\n')
		case tail.Deleted:
			w.end("topic_deleted")
			return w.flush()
		case tail.Stopping:
			w.end(string(api.ShuttingDown))
			return w.flush()
		}
		if err != nil {
			return err
		}
	}
}

// flush gives the client time to take what is there, and sees it off.
func (w *eventWriter) flush() error {
	w.x.allowWrite(len(w.buf))
	if _, err := w.x.w.Write(w.buf); err != nil {
		return err
	}
	w.buf = w.buf[:0]
	return http.NewResponseController(w.x.w).Flush()
}

// records writes a chunk, an event for each record.
func (w *eventWriter) records(e *tail.Event) error {
	at := w.s.Position()
	next := at[e.Partition]
	for i := range e.Records {
		r := &e.Records[i]
		if at[e.Partition] = r.Offset + 1; i == len(e.Records)-1 {
			at[e.Partition] = next
		}
		w.eventID(positions(at))
		enc := encoder{b: append(w.buf, "data: "...), values: w.x.values}
		from := len(enc.b)
		enc.appendRead(e.Partition, r)
		w.buf = oneLine(enc.b, from)
		w.buf = append(w.buf, "\n\n"...)
		if len(w.buf) > tail.MaxChunkBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// oneLine makes spaces of the line ends in JSON from an index on: they stand between its tokens.
func oneLine(b []byte, from int) []byte {
	for i := from; i < len(b); i++ {
		if b[i] == '\n' || b[i] == '\r' {
			b[i] = ' '
		}
	}
	return b
}

func (w *eventWriter) gap(e *tail.Event) {
	w.buf = append(w.buf, "event: gap\n"...)
	w.eventID(positions(w.s.Position()))
	enc := encoder{b: append(w.buf, `data: {"partition":`...)}
	enc.int(int64(e.Partition))
	enc.raw(`,"from":`)
	enc.int(int64(e.From))
	enc.raw(`,"to":`)
	enc.int(int64(e.To))
	enc.raw("}\n\n")
	w.buf = enc.b
}

func (w *eventWriter) end(reason string) {
	enc := encoder{b: append(w.buf, "event: end\ndata: {\"reason\":"...)}
	enc.string(reason)
	enc.raw("}\n\n")
	w.buf = enc.b
}

func (w *eventWriter) eventID(id string) {
	w.id = id
	w.buf = append(append(append(w.buf, "id: "...), id...), '\n')
}

// positions writes the offsets to come next as an event id: "0:17,1:20".
func positions(at []queue.Offset) string {
	var b []byte
	for i, o := range at {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(strconv.AppendInt(b, int64(i), 10), ':'), int64(o), 10)
	}
	return string(b)
}

// parsePositions reads what positions wrote; false if it is something else.
func parsePositions(text string) (map[int]queue.Offset, bool) {
	out := map[int]queue.Offset{}
	for part := range strings.SplitSeq(text, ",") {
		p, o, ok := strings.Cut(part, ":")
		index, err := strconv.ParseUint(p, 10, 31)
		at, err2 := strconv.ParseUint(o, 10, 63)
		_, twice := out[int(index)]
		if !ok || err != nil || err2 != nil || twice || len(out) == maxPositions {
			return nil, false
		}
		out[int(index)] = queue.Offset(at)
	}
	return out, true
}

func (x *exchange) tailRequest() (req queue.TailRequest, err error) {
	req.Topic = x.topic
	if req.Key, req.Keyed, err = x.queryKey(); err != nil {
		return req, err
	}
	id := x.r.Header.Get(lastEventID)
	if id == "" {
		err = x.tailFrom(&req)
		return req, err
	}
	if req.At, req.Resume = parsePositions(id); !req.Resume {
		return req, invalid("%s: must be the id of an event, as in 0:17,1:20, not %q", lastEventID, cut(id))
	}
	return req, nil
}

// tailFrom reads where to begin: "latest" (the default), "earliest", a time, or positions.
func (x *exchange) tailFrom(req *queue.TailRequest) error {
	text := x.query.Get("from")
	switch {
	case !x.query.Has("from"), text == "latest":
		req.From.Latest = true
		return nil
	case text == "earliest":
		req.From.Earliest = true
		return nil
	}
	at, ok := parsePositions(text)
	if ok {
		req.At = at
		return nil
	}
	t, f := parseTime(text)
	if f != nil {
		return invalid("from: must be latest, earliest, a time as in 2026-01-02T15:04:05Z (with + written as %%2B), or offsets by partition as in 0:17,1:20, not %q", cut(text))
	}
	req.From = positionOf(t)
	return nil
}

// queryKey reads the key of the query; false if there is none.
func (x *exchange) queryKey() (key []byte, ok bool, err error) {
	switch plain, coded := x.query.Has("key"), x.query.Has("key_base64"); {
	case plain && coded:
		return nil, false, invalid("key and key_base64: give one of them")
	case coded:
		key, err := base64.StdEncoding.DecodeString(x.query.Get("key_base64"))
		if err != nil {
			return nil, false, invalid("key_base64: it is not base64 (with + written as %%2B): %v", err)
		}
		return key, true, nil
	case plain:
		return []byte(x.query.Get("key")), true, nil
	}
	return nil, false, nil
}
