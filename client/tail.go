package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/holtmq/holt/client/api"
)

const (
	tailSilence   = time.Minute // without a byte: the connection is dead, for a server says something each 15 s
	tailPause     = time.Second // between tries while the server is away
	maxEventBytes = 64 << 20    // of one line
)

// TailOptions say what to follow of a topic.
type TailOptions struct {
	From   string // "latest", "earliest", an RFC 3339 time, or offsets by partition as in "0:17,1:20"; "" = latest
	Resume string // the Position of the last event that was seen; it goes before From
	Key    []byte // only records of this key; nil = all

	// Away is told when a connection that was lost cannot be made again for now, and why; Back once there is one. Either may be nil.
	Away func(err error)
	Back func()
}

// TailEvent is one record, or a gap before the next ones.
type TailEvent struct {
	Record   *Record
	Gap      *api.TailGap // these records do not come: retention was faster, or the reader too slow
	Position string       // where to go on
}

// Tail follows all partitions of a topic until ctx ends, which is no error. When the connection breaks or the server restarts, it goes on where it was.
// The last pair holds the error, if there was one: ErrTopicNotFound also when the topic was deleted. An http.Client with a Timeout cuts it off now and then.
func (c *Client) Tail(ctx context.Context, topic string, o TailOptions) iter.Seq2[TailEvent, error] {
	return func(yield func(TailEvent, error) bool) {
		away, reached := false, false
		connected := func() {
			if reached = true; away && o.Back != nil {
				o.Back()
			}
			away = false
		}
		for ctx.Err() == nil {
			reached = false
			more, err := c.tailOnce(ctx, topic, &o, connected, yield)
			lasting := err != nil && !Temporary(err) && !errors.Is(err, ErrUnknown)
			switch {
			case !more || ctx.Err() != nil:
				return
			case lasting || err != nil && o.Resume == "": // nor does it wait for a server that was never there
				yield(TailEvent{}, fmt.Errorf("tail %s: %w", topic, err))
				return
			case !reached && !away:
				if away = true; o.Away != nil {
					o.Away(err)
				}
			}
			select {
			case <-time.After(tailPause):
			case <-ctx.Done():
			}
		}
	}
}

// tailOnce follows over one connection, and says when there is one; false if the caller wants no more. Without an error the server has stopped.
func (c *Client) tailOnce(ctx context.Context, topic string, o *TailOptions, connected func(), yield func(TailEvent, error) bool) (more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(tailSilence, cancel)
	defer silent.Stop()
	r := request{method: http.MethodGet, path: path("topics", topic, "tail"), query: url.Values{}, header: http.Header{"Accept": {"text/event-stream"}}}
	if o.From != "" {
		r.query.Set("from", o.From)
	}
	if o.Key != nil {
		r.query.Set("key_base64", base64.StdEncoding.EncodeToString(o.Key))
	}
	if o.Resume != "" {
		r.header.Set("Last-Event-ID", o.Resume)
	}
	res, err := c.open(ctx, r)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	connected()
	in := &eventReader{r: bufio.NewReader(res.Body), id: o.Resume, heard: func() { silent.Reset(tailSilence) }}
	for {
		name, data, err := in.next()
		o.Resume = in.id
		if err != nil {
			return true, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		e, err := tailEvent(topic, name, data)
		switch e.Position = in.id; {
		case errors.Is(err, errStopped):
			return true, nil
		case err != nil:
			return true, err
		case e.Record == nil && e.Gap == nil:
		case !yield(e, nil):
			return false, nil
		}
	}
}

// errStopped says that the server stops.
var errStopped = errors.New("the server stops")

// tailEvent decodes an event; one of a name that is not known is empty.
func tailEvent(topic, name string, data []byte) (e TailEvent, err error) {
	switch name {
	case "":
		var w api.Record
		if err := json.Unmarshal(data, &w); err != nil {
			return e, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		e.Record, err = stored(topic, &w)
		return e, err
	case "gap":
		e.Gap = new(api.TailGap)
		if err := json.Unmarshal(data, e.Gap); err != nil {
			return e, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
	case "end":
		var end api.TailEnd
		if err := json.Unmarshal(data, &end); err != nil {
			return e, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		switch end.Reason {
		case "topic_deleted":
			return e, fmt.Errorf("it was deleted: %w", ErrTopicNotFound)
		case "shutting_down":
			return e, errStopped
		}
		return e, fmt.Errorf("%w: the tail ended: %s", ErrCorrupt, end.Reason)
	}
	return e, nil
}

// eventReader reads Server-Sent Events (WHATWG HTML §9.2.6).
type eventReader struct {
	r     *bufio.Reader
	id    string // of the last whole block
	heard func()
}

// next returns the next event that has data.
func (e *eventReader) next() (name string, data []byte, err error) {
	id := e.id // of this block: it counts when the block is whole
	for {
		line, err := e.line()
		if err != nil {
			return "", nil, err
		}
		e.heard()
		if len(line) == 0 {
			e.id = id
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) == 0 && data != nil:
			return name, data, nil
		case len(line) == 0:
			name = ""
		case string(field) == "event":
			name = string(value)
		case string(field) == "id":
			id = string(value)
		case string(field) == "data" && data == nil:
			data = append([]byte{}, value...)
		case string(field) == "data":
			data = append(append(data, '\n'), value...)
		}
	}
}

// line returns the next line without its end.
func (e *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := e.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxEventBytes:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%w: an event of more than %d bytes", ErrAnswer, maxEventBytes)
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

// ReadKey returns the newest record of a key of a compacted topic: a tombstone (no Value) too, while it is there. Errors: ErrRecordNotFound.
func (c *Client) ReadKey(ctx context.Context, topic string, key []byte) (*Record, error) {
	var out api.Record
	r := request{
		method: http.MethodGet, path: path("topics", topic, "key"),
		query: url.Values{"key_base64": {base64.StdEncoding.EncodeToString(key)}},
	}
	if _, err := c.call(ctx, r, &out); err != nil {
		return nil, err
	}
	return stored(topic, &out)
}
