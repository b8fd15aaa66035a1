package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// system is one server under load. Its methods are called from many goroutines, those of one client from one.
type system interface {
	// Start runs the server on an empty directory with an empty queue; it is ready on return.
	Start(ctx context.Context, dir string, clients int) error
	// Publish returns when the values are on stable storage.
	Publish(ctx context.Context, client int, values [][]byte) error
	// Work takes up to max records, waiting a little for the first, acknowledges them, and returns how many once that is stored.
	Work(ctx context.Context, client, max int) (int, error)
	Stop()
}

// load is what every system is given.
type load struct {
	clients, batch, size int
	length               time.Duration // of each phase, at most
}

// rates are records a second.
type rates struct{ publish, work float64 }

var systems = map[string]func() system{
	"holt":      func() system { return new(holt) },
	"jetstream": func() system { return new(jetStream) },
	"redis":     func() system { return new(redisStream) },
}

func main() {
	var l load
	rounds := flag.Int("rounds", 3, "how often each system is measured, in turns")
	seconds := flag.Float64("seconds", 5, "how long each phase takes")
	names := flag.String("systems", "holt,jetstream,redis", "what to measure, the first is what ratios compare with")
	flag.IntVar(&l.clients, "clients", 64, "clients, each waiting for its answers")
	flag.IntVar(&l.batch, "batch", 1, "records of a call")
	flag.IntVar(&l.size, "size", 100, "bytes of a value")
	flag.Parse()
	l.length = time.Duration(*seconds * float64(time.Second))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, strings.Split(*names, ","), *rounds, l); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string, rounds int, l load) error {
	for _, name := range names {
		if systems[name] == nil {
			return fmt.Errorf("%q is not one of holt, jetstream, redis", name)
		}
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "round\tsystem\tpublish/s\tto %s\ttake+ack/s\tto %s\t\n", names[0], names[0])
	for round := range rounds {
		var first rates
		for i, name := range names {
			fmt.Fprintf(os.Stderr, "... round %d of %d: %s\n", round+1, rounds, name)
			got, err := measure(ctx, systems[name](), l)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if i == 0 {
				first = got
			}
			fmt.Fprintf(out, "%d\t%s\t%.0f\t%.2f\t%.0f\t%.2f\t\n", round+1, name, got.publish, got.publish/first.publish, got.work, got.work/first.work)
		}
	}
	return out.Flush()
}

// measure runs one system on a directory of its own: publishing, then working off what was published.
func measure(ctx context.Context, s system, l load) (r rates, err error) {
	dir, err := os.MkdirTemp("", "peers-*")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	defer s.Stop()
	if err := s.Start(ctx, filepath.Join(dir, "data"), l.clients); err != nil {
		return r, err
	}
	value := []byte(strings.Repeat("x", l.size))
	values := make([][]byte, l.batch)
	for i := range values {
		values[i] = value
	}
	published, r1, err := phase(ctx, l, 0, func(ctx context.Context, client int) (int, error) {
		return l.batch, s.Publish(ctx, client, values)
	})
	if err != nil {
		return r, fmt.Errorf("publish: %w", err)
	}
	worked, r2, err := phase(ctx, l, published, func(ctx context.Context, client int) (int, error) {
		return s.Work(ctx, client, l.batch)
	})
	if err != nil {
		return r, fmt.Errorf("take and ack: %w", err)
	}
	if worked > published {
		return r, fmt.Errorf("%d records acknowledged, %d published", worked, published)
	}
	return rates{r1, r2}, nil
}

// phase has all clients call until the time is over, or limit records (0 = no limit) are done. The rate counts calls that returned in time.
func phase(ctx context.Context, l load, limit int64, call func(context.Context, int) (int, error)) (done int64, rate float64, err error) {
	var count atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for client := range l.clients {
		all.Go(func() {
			for time.Since(start) < l.length && failed.Load() == nil && (limit == 0 || count.Load() < limit) {
				n, err := call(ctx, client)
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				count.Add(int64(n))
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	if p := failed.Load(); p != nil {
		return 0, 0, *p
	}
	if count.Load() == 0 {
		return 0, 0, errors.New("nothing was done in time")
	}
	return count.Load(), float64(count.Load()) / took.Seconds(), nil
}
