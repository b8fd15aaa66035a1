package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
)

// TestTailGoesOn: over broken connections and restarts, to the deletion of the topic.
func TestTailGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []struct{ resume, body string }{
			{"", "retry: 1000\nid: 0:1\n\n"}, // breaks before the first event
			{"0:1", ": beat\n\nid: 0:2\ndata: {\"partition\":0,\"offset\":1,\"value\":\ndata: 7}\n\nid: 0:2,1:0\n\nid: 9:9\ndata: {\"cut\"\n"},
			{"0:2,1:0", "event: gap\r\nid: 0:9\r\ndata: {\"partition\":0,\"from\":2,\"to\":9}\r\n\r\nevent: end\ndata: {\"reason\":\"shutting_down\"}\n\n"},
			{"0:9", "event: news\ndata: {}\n\nevent: end\ndata: {\"reason\":\"topic_deleted\"}\n\n"},
		}
		n := 0
		_, c := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := answers[n]
			n++
			if got := r.Header.Get("Last-Event-ID"); got != a.resume || r.URL.RequestURI() != "/v1/topics/t/tail?from=earliest&key_base64=aw%3D%3D" {
				t.Errorf("%s, resumed at %q, want %q", r.URL.RequestURI(), got, a.resume)
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, a.body)
		}))
		var got []string
		for e, err := range c.Tail(t.Context(), "t", TailOptions{From: "earliest", Key: []byte("k")}) {
			switch {
			case errors.Is(err, ErrTopicNotFound):
				got = append(got, "gone")
			case err != nil:
				t.Fatal(err)
			case e.Gap != nil:
				got = append(got, fmt.Sprint("gap ", *e.Gap, " ", e.Position))
			default:
				got = append(got, fmt.Sprint(e.Record.Offset, "=", string(e.Record.Value), " ", e.Position))
			}
		}
		if got := strings.Join(got, "|"); got != "1=7 0:2|gap {0 2 9} 0:9|gone" {
			t.Errorf("got %s", got)
		}
	})
}

// TestTailTellsOfAnOutage: once when it begins and once when it is over, and nothing of a connection that is made again at once.
func TestTailTellsOfAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []string{"id: 0:1\n\n", "id: 0:2\ndata: {\"partition\":0,\"offset\":1}\n\n", "event: end\ndata: {\"reason\":\"topic_deleted\"}\n\n"}
		n := 0
		net, c := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, answers[n])
			n++
		}))
		var told []string
		o := TailOptions{
			Away: func(err error) { told = append(told, fmt.Sprint("away ", errors.Is(err, ErrUnreachable))) },
			Back: func() { told = append(told, "back") },
		}
		for e, err := range c.Tail(t.Context(), "t", o) {
			if err != nil {
				if !errors.Is(err, ErrTopicNotFound) {
					t.Error(err)
				}
				break
			}
			told = append(told, fmt.Sprint("record ", e.Record.Offset))
			net.down()
			time.AfterFunc(10*time.Second, net.up)
		}
		if got := strings.Join(told, "|"); got != "record 1|away true|back" {
			t.Errorf("told %s", got)
		}
	})
}

func TestTailSaysWhatDoesNotPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, api.Problem{Status: 404, Code: api.TopicNotFound})
		}))
		first := func(ctx context.Context) error {
			for _, err := range c.Tail(ctx, "t", TailOptions{}) {
				return err
			}
			return nil
		}
		if err := first(t.Context()); !errors.Is(err, ErrTopicNotFound) {
			t.Errorf("no topic: %v", err)
		}
		n.down()
		if err := first(t.Context()); !errors.Is(err, ErrUnreachable) {
			t.Errorf("no server: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := first(ctx); err != nil {
			t.Errorf("nobody listens: %v", err)
		}
	})
}
