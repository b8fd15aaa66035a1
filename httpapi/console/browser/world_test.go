package browser

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/badger"
	"github.com/holtmq/holt/queue/store/memory"
)

// world is a server with its client.
type world struct {
	*client.Client
	t   *testing.T
	url string
}

// newWorld starts a server on a free port; dir = "" keeps everything in memory.
func newWorld(t *testing.T, dir string, cfg httpapi.Config) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var st store.Store = memory.New(memory.Config{})
	if dir != "" {
		var err error
		if st, err = badger.Open(t.Context(), badger.Config{Dir: dir, MinFree: 1, Logger: log}); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Commits, cfg.Log = httpapi.NewCommits(), log
	b, err := queue.Open(t.Context(), st, queue.Config{Logger: log, Version: "1.0.0", ObserveCommit: cfg.Commits.Observe})
	if err != nil {
		t.Fatal(err)
	}
	letters := dlq.New(b, log)
	cfg.DeadLetters = letters
	api, err := httpapi.New(b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := httpapi.NewServer(api, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	go func() { _ = srv.Serve(l); ended <- struct{}{} }()
	go func() { _ = api.Run(ctx); ended <- struct{}{} }()
	w := &world{t: t, url: "http://" + l.Addr().String()}
	var opts []client.Option
	if len(cfg.Tokens) > 0 {
		opts = append(opts, client.WithToken(cfg.Tokens[0].Secret))
	}
	if w.Client, err = client.New(w.url, opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		b.Stop()
		end, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		_ = srv.Shutdown(end)
		_ = srv.Close()
		<-ended
		<-ended
		letters.Close()
		_ = b.Close()
		_ = st.Close()
	})
	return w
}
