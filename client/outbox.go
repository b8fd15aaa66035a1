package client

import (
	"errors"
	"fmt"
	"sync"

	"github.com/holtmq/holt/client/api"
)

const maxOutbox = 1000 // records that one handler may publish with its ack

// errNoHandler is what Publish says outside of a handler.
var errNoHandler = errors.New("records are published with an ack only while a handler of Work has the record")

// Publish has a record published together with r's ack: in one commit, once the handler has returned nil, so that
// neither happens without the other and, with the lease, nothing happens twice. When the handler fails, nothing is
// published. What the server refuses to publish (a missing topic, a schema) fails r, and r comes again.
//
// It only works within a handler of Work, from any of its goroutines; a record has room for 1,000.
func (r *Record) Publish(topic string, value Value, opts ...RecordOption) error {
	n, err := NewRecord(value, opts...)
	if err != nil {
		return err
	}
	if r.outbox == nil {
		return errNoHandler
	}
	return r.outbox.add(topic, n)
}

// outbox holds what is published with an ack.
type outbox struct {
	mu     sync.Mutex
	closed bool
	count  int
	topics []api.TopicRecords
}

func (o *outbox) add(topic string, r api.NewRecord) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return errNoHandler
	case o.count == maxOutbox:
		return fmt.Errorf("publish with the ack: at most %d records", maxOutbox)
	}
	o.count++
	for i := range o.topics {
		if o.topics[i].Topic == topic {
			o.topics[i].Records = append(o.topics[i].Records, r)
			return nil
		}
	}
	o.topics = append(o.topics, api.TopicRecords{Topic: topic, Records: []api.NewRecord{r}})
	return nil
}

// close takes what is in it; no more is taken.
func (o *outbox) close() []api.TopicRecords {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return o.topics
}
