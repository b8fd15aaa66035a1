package admit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

func TestPublishAtEachLimitAndOneOver(t *testing.T) {
	l := Limits{}.WithDefaults()
	one := 1
	for _, c := range []struct {
		what string
		msg  func(over int) topic.Message
		want error
	}{
		{"value", func(o int) topic.Message { return topic.Message{Value: make([]byte, 100+o)} }, ErrRecordTooLarge},
		{"key", func(o int) topic.Message { return topic.Message{Key: make([]byte, int(l.MaxKey)+o)} }, ErrRecordTooLarge},
		{"id", func(o int) topic.Message { return topic.Message{ID: strings.Repeat("i", int(l.MaxID)+o)} }, ErrInvalidRequest},
		{"delay", func(o int) topic.Message { return topic.Message{Delay: l.MaxDelay + time.Duration(o)} }, ErrInvalidRequest},
		{"partition beside priority", func(o int) topic.Message {
			m := topic.Message{Partition: &one}
			if o > 0 {
				m.Priority = &one
			}
			return m
		}, ErrInvalidRequest},
	} {
		if err := l.Publish([]topic.Message{c.msg(0)}, 100); err != nil {
			t.Errorf("%s at its limit: %v", c.what, err)
		}
		if err := l.Publish([]topic.Message{c.msg(1)}, 100); !errors.Is(err, c.want) {
			t.Errorf("%s over its limit: %v", c.what, err)
		}
	}
	if err := l.Publish(nil, 100); !errors.Is(err, ErrInvalidRequest) {
		t.Errorf("nothing: %v", err)
	}
	if err := l.Publish(make([]topic.Message, l.MaxPublish+1), 100); !errors.Is(err, ErrRequestTooLarge) {
		t.Errorf("too many records: %v", err)
	}
}

func TestWholeSettlesFitIntoAUnit(t *testing.T) {
	l := Limits{}.WithDefaults()
	publish := func(n, size int) []TopicMessages {
		msgs := make([]topic.Message, n)
		for i := range msgs {
			msgs[i].Value = make([]byte, size)
		}
		return []TopicMessages{{Topic: "t", Messages: msgs}}
	}
	if err := l.Whole(10, publish(15, 1<<20)); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"bytes":   l.Whole(10, publish(17, 1<<20)),
		"records": l.Whole(0, publish(int(l.MaxPublish)+1, 0)),
	} {
		if !errors.Is(err, ErrRequestTooLarge) {
			t.Errorf("too many %s: %v", what, err)
		}
	}
}

func TestReceiptsNamedTwiceAreRefused(t *testing.T) {
	l := Limits{}.WithDefaults()
	var req SettleRequest
	for i := range share.MaxSettle {
		req.Actions = append(req.Actions, share.Action{Receipt: fmt.Sprint(i)})
	}
	if err := l.Settle(req); err != nil {
		t.Error(err)
	}
	req.Actions[1].Receipt = "0"
	if err := l.Settle(req); !errors.Is(err, ErrInvalidRequest) {
		t.Errorf("twice: %v", err)
	}
	req.Actions[1].Receipt = "one more"
	req.Actions = append(req.Actions, share.Action{})
	if err := l.Settle(req); !errors.Is(err, ErrRequestTooLarge) {
		t.Errorf("too many: %v", err)
	}
}
