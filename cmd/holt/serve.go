package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/httpapi/trace"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/badger"
)

// A shutdown takes at most settleGrace + closeGrace, and what the last commit needs.
const (
	settleGrace = 5 * time.Second // for settles on open connections while leases run
	closeGrace  = 3 * time.Second // for answers under way
)

func (a *app) newServeCommand() *cobra.Command {
	o := &serveOptions{}
	c := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: "Run the server. It prints one line with its address when it is ready.\n\n" +
			"Every option also has a name in the environment (--min-free is HOLT_MIN_FREE) and in a YAML file (min_free);\n" +
			"a flag wins over the environment, that over the file, that over the default. 'holt config' checks and shows them.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := o.load(cmd)
			if err != nil {
				return explainUsage(err)
			}
			log := newLogger(a.stderr, &o.serveConfig)
			if len(l.strange) > 0 { // not an error: Kubernetes puts such there when a service is called holt
				log.Warn("names in the environment that are no options", "names", l.strange)
			}
			return a.serve(cmd.Context(), &o.serveConfig, log)
		},
	}
	o.define(c)
	c.Flags().SortFlags = true
	return c
}

// serve runs the server until ctx is done or the store fails.
func (a *app) serve(ctx context.Context, cfg *serveConfig, log *slog.Logger) error {
	st, err := badger.Open(ctx, badger.Config{
		Dir: cfg.Data, MinFree: cfg.MinFree, AcceptDataLoss: cfg.AcceptDataLoss, Logger: log, Verify: verifyInChild(),
	})
	if err != nil {
		return err
	}
	commits := httpapi.NewCommits()
	broker, err := queue.Open(ctx, st, queue.Config{
		Limits: cfg.limits(), NoAutoCreate: !cfg.AutoCreate, Logger: log, Version: ownVersion().Version, ObserveCommit: commits.Observe,
	})
	if err != nil {
		return errors.Join(err, st.Close())
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return errors.Join(err, broker.Close(), st.Close())
	}
	tracer, flush, err := startTracer(cfg, log)
	if err != nil {
		return errors.Join(err, listener.Close(), broker.Close(), st.Close())
	}
	defer flush()
	s, err := newServer(broker, listener, cfg, log, commits, tracer)
	if err != nil {
		return errors.Join(err, listener.Close(), broker.Close(), st.Close())
	}
	fmt.Fprintf(a.stdout, "holt listens on %s://%s\n", s.scheme(), listener.Addr())
	log.Info("ready", "address", listener.Addr().String(), "scheme", s.scheme(), "data", cfg.Data, "version", ownVersion().Version)
	err = s.run(ctx)
	s.letters.Close()
	closed := errors.Join(broker.Close(), st.Close())
	log.Info("closed")
	return errors.Join(err, closed)
}

// startTracer begins to send spans where the configuration says; flush sends what is left and ends it.
func startTracer(cfg *serveConfig, log *slog.Logger) (tracer *trace.Tracer, flush func(), err error) {
	if cfg.OTLPEndpoint == "" {
		return nil, func() {}, nil
	}
	if tracer, err = trace.New(trace.Config{Endpoint: cfg.OTLPEndpoint, Version: ownVersion().Version, Log: log}); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { tracer.Run(ctx) })
	return tracer, func() { cancel(); running.Wait() }, nil
}

// server is a broker behind HTTP.
type server struct {
	broker   *queue.Broker
	letters  *dlq.Service
	api      *httpapi.API
	http     *http.Server
	listener *countedListener
	reload   reloader
	log      *slog.Logger
}

func newServer(b *queue.Broker, l net.Listener, cfg *serveConfig, log *slog.Logger, commits *httpapi.Commits, tracer *trace.Tracer) (*server, error) {
	hc := httpapi.Config{Hosts: cfg.Hosts, TrustedOrigins: cfg.TrustedOrigins, Environment: cfg.Environment, MaxConns: cfg.MaxConnections, Log: log, Commits: commits, Tracer: tracer}
	if cfg.TokenFile != "" {
		var err error
		if hc.Tokens, err = readTokens(cfg.TokenFile); err != nil {
			return nil, err
		}
	}
	letters := dlq.New(b, log)
	hc.DeadLetters = letters
	handler, err := httpapi.New(b, hc)
	if err != nil {
		letters.Close()
		return nil, err
	}
	s := &server{broker: b, letters: letters, api: handler, http: httpapi.NewServer(handler, hc), listener: &countedListener{Listener: l}, reload: reloader{log: log}, log: log}
	s.http.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	if cfg.TokenFile != "" {
		s.reload.add("tokens", func() error {
			tokens, err := readTokens(cfg.TokenFile)
			if err != nil {
				return err
			}
			return handler.SetTokens(tokens)
		}, cfg.TokenFile)
	}
	if cfg.TLSCert != "" {
		c, err := loadCertificate(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			letters.Close()
			return nil, err
		}
		s.http.TLSConfig = c.config()
		s.reload.add("certificate", c.reload, cfg.TLSCert, cfg.TLSKey)
	}
	return s, nil
}

func (s *server) scheme() string {
	if s.http.TLSConfig != nil {
		return "https"
	}
	return "http"
}

func (s *server) serve() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(httpapi.NewListener(s.listener))
}

// run serves until ctx is done (nil), or the store fails (why).
func (s *server) run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.serve() }()
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.reload.run(watching) })
	watch.Go(func() { _ = s.api.Run(watching) }) // it ends with watching only
	watch.Go(func() { s.letters.Warm(watching, dlq.WarmBytes) })
	defer func() { stop(); watch.Wait() }()
	var cause error
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-s.broker.Dead():
		cause = s.broker.Cause()
	case <-s.broker.Health().Dead:
		cause = s.broker.Health().Cause
	case <-ctx.Done():
	}
	if cause != nil {
		s.log.Error("the store has failed; the process ends, and its restart recovers", "error", cause)
		_ = s.http.Close()
		return fmt.Errorf("the store has failed: %w", cause)
	}
	s.shutDown()
	return nil
}

// shutDown takes no new connections, ends parked calls, and lets workers on open connections settle what they hold.
func (s *server) shutDown() {
	s.log.Info("shutting down")
	_ = s.listener.Close()
	s.broker.Stop()
	s.awaitSettles()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		_ = s.http.Close()
	}
}

// awaitSettles returns when nobody is connected who could settle, no lease runs, or the grace is over.
func (s *server) awaitSettles() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(settleGrace)
	for s.listener.open.Load() > 0 && s.broker.Running() > 0 {
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

// countedListener knows how many connections are open.
type countedListener struct {
	net.Listener
	open atomic.Int64
}

func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: c, listener: l}, nil
}

type countedConn struct {
	net.Conn
	listener *countedListener
	once     sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.listener.open.Add(-1) })
	return c.Conn.Close()
}

var logLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// newLogger logs to w: text on a terminal, JSON otherwise, unless the configuration says which.
func newLogger(w io.Writer, cfg *serveConfig) *slog.Logger {
	opts := &slog.HandlerOptions{Level: logLevels[cfg.LogLevel]}
	f, isFile := w.(*os.File)
	if cfg.LogFormat == "text" || cfg.LogFormat == "auto" && isFile && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
