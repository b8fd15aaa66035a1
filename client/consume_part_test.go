package client

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
)

// inStreamWithoutCommits has a switch that makes the server unable to commit.
func inStreamWithoutCommits(t *testing.T, fn func(s *stream, refuseCommits *atomic.Bool)) {
	var off atomic.Bool
	inStreamBehind(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if off.Load() && strings.HasSuffix(r.URL.Path, "/commit") {
				refuse(w, api.Problem{Status: http.StatusServiceUnavailable, Code: api.Unavailable})
				return
			}
			h.ServeHTTP(w, r)
		})
	}, func(s *stream) { fn(s, &off) })
}

// sayRevoked notes what OnRevoked is called with, and what is committed then.
func (s *stream) sayRevoked(member string) ConsumeOption {
	return OnRevoked(func(ctx context.Context, ps []api.Place) {
		state := "gives up"
		if ctx.Err() != nil {
			state = "lost"
		}
		s.say("%s %s %v of [%s]", member, state, ps, s.offsets())
	})
}

func TestConsumeGivesUpWhatIsCommitted(t *testing.T) {
	inStreamWithoutCommits(t, func(s *stream, refuseCommits *atomic.Bool) {
		s.topic("t", 2)
		a := s.consume("a", nil, s.sayRevoked("a"))
		time.Sleep(time.Second)
		refuseCommits.Store(true)
		s.publish("t", 0, "x")
		s.publish("t", 1, "y")
		time.Sleep(time.Second)
		b := s.consume("b", nil)
		time.Sleep(25 * time.Second)
		s.want("given up uncommitted", s.said(), "")
		s.publish("t", 0, "z") // what stays goes on
		time.Sleep(5 * time.Second)
		refuseCommits.Store(false)
		time.Sleep(25 * time.Second)
		s.want("told", s.said(), "a gives up [{t 1}] of [t/0@2 t/1@1]")
		s.want("read", s.seen(), "a:t/0:x a:t/0:z a:t/1:y")
		if err := a(); err != nil {
			t.Error(err)
		}
		if err := b(); err != nil {
			t.Error(err)
		}
	})
}

func TestConsumeSaysAtItsEndWhatIsNotCommitted(t *testing.T) {
	inStreamWithoutCommits(t, func(s *stream, refuseCommits *atomic.Bool) {
		s.topic("t", 2)
		end := s.consume("a", nil, s.sayRevoked("a"))
		time.Sleep(time.Second)
		refuseCommits.Store(true)
		s.publish("t", 1, "y")
		time.Sleep(time.Second)
		if err := end(); err != nil {
			t.Error(err)
		}
		s.want("told", s.said(), "a gives up [{t 0}] of [] · a lost [{t 1}] of []")
		if g, err := s.c.Group(s.t.Context(), "g"); err != nil || len(g.Members) != 0 {
			t.Errorf("it has not left: %+v, %v", g.Members, err)
		}
	})
}

func TestConsumeTellsOfPartitionsThatACommitIsRefusedFor(t *testing.T) {
	for name, handling := range map[string]time.Duration{
		"after the handlers":     0,
		"while the handlers run": time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			inStream(t, func(s *stream) {
				s.topic("t", 1)
				s.topic("u", 1)
				s.publish("t", 0, "y")
				s.publish("u", 0, "x")
				deleted := make(chan struct{})
				end := s.consume("a", func(ctx context.Context, r *Record) error {
					if r.Topic == "u" {
						err := s.c.DeleteTopic(ctx, "u", true)
						close(deleted)
						return err
					}
					<-deleted
					time.Sleep(handling)
					s.note("a", r)
					return nil
				}, FromTopics("t", "u"), AtOnce(2), s.sayRevoked("a"))
				time.Sleep(2 * time.Minute)
				s.want("told", s.said(), "a lost [{u 0}] of [t/0@1]")
				s.publish("t", 0, "z")
				time.Sleep(2 * time.Minute)
				s.want("read", s.seen(), "a:t/0:y a:t/0:z")
				if err := end(); err != nil {
					t.Error(err)
				}
				s.want("told at the end", s.said(), "a gives up [{t 0}] of [t/0@2]")
			})
		})
	}
}
