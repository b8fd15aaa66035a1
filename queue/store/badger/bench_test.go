//go:build linux

package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"golang.org/x/sys/unix"
)

// BenchmarkCommit measures what the engine takes beyond what the disk does: 64 producers publish to eight logs, and a
// committer makes one call of what arrived while the last one ran. The same committer then appends the same bytes to
// one file and syncs it. raw/s and ratio are the file's rate and the engine's share of it, both from this run.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct{ records, size int }{{1, 100}, {10, 100}, {100, 1024}} {
		b.Run(fmt.Sprintf("records=%d/bytes=%d", c.records, c.size), func(b *testing.B) {
			var engine, raw []float64
			for b.Loop() {
				for range 3 { // in turns, so that both meet the same moods of the disk
					engine = append(engine, rate(c.records, c.size, newEngineSink(b)))
					raw = append(raw, rate(c.records, c.size, newFileSink(b)))
				}
			}
			slices.Sort(engine)
			slices.Sort(raw)
			e, r := engine[len(engine)/2], raw[len(raw)/2]
			b.ReportMetric(e*float64(c.records), "records/s")
			b.ReportMetric(r*float64(c.records), "raw/s")
			b.ReportMetric(e/r, "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

const (
	benchProducers = 64
	benchLogs      = 8
	benchTime      = 2 * time.Second
)

// sink makes groups of publishes durable.
type sink interface {
	commit(group []*publish) error
	close()
}

// publish is one producer's records on their way.
type publish struct {
	log  store.LogID
	vals []record.Record
	done chan error
}

// rate returns how many publishes a second come back durable.
func rate(records, size int, s sink) float64 {
	defer s.close()
	in := make(chan *publish, benchProducers)
	go committer(in, s)
	var wg sync.WaitGroup
	var n [benchProducers]int
	began := time.Now()
	for i := range benchProducers {
		wg.Go(func() {
			p := &publish{log: store.LogID(1 + i%benchLogs), done: make(chan error, 1)}
			for range records {
				v := make([]byte, size)
				for k := range v {
					v[k] = byte(i*k + k>>3)
				}
				p.vals = append(p.vals, record.Record{Value: v})
			}
			for time.Since(began) < benchTime {
				in <- p
				if err := <-p.done; err != nil {
					panic(err)
				}
				n[i]++
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	close(in)
	total := 0
	for _, k := range n {
		total += k
	}
	return float64(total) / took.Seconds()
}

// committer gathers what arrived while the last sync ran, and lets those run who were answered, as the broker's does.
func committer(in chan *publish, s sink) {
	for p := range in {
		group := []*publish{p}
		for before := 0; before < len(group); {
			before = len(group)
			runtime.Gosched()
			group = append(group, arrived(in)...)
		}
		err := s.commit(group)
		for _, p := range group {
			p.done <- err
		}
	}
}

// arrived returns what has arrived.
func arrived(in chan *publish) (group []*publish) {
	for {
		select {
		case p, ok := <-in:
			if !ok {
				return group
			}
			group = append(group, p)
		default:
			return group
		}
	}
}

// merger makes batches of a group as the broker does: small publishes of a log share one.
type merger struct {
	builders [benchLogs + 1]record.Builder
	ends     [benchLogs + 1]store.Offset
}

func (m *merger) merge(group []*publish, put func(store.LogID, store.Batch)) error {
	const maxMerged = 64 << 10
	at := time.UnixMilli(time.Now().UnixMilli())
	flush := func(l store.LogID) error {
		b := &m.builders[l]
		if b.Len() == 0 {
			return nil
		}
		enc, err := b.Encode(nil, record.None)
		if err != nil {
			return err
		}
		end := m.ends[l] + record.Offset(b.Len())
		put(l, store.Batch{Base: m.ends[l], Last: end - 1, MaxTime: at, Bytes: enc})
		m.ends[l] = end
		b.Reset(m.ends[l])
		return nil
	}
	for _, p := range group {
		b := &m.builders[p.log]
		for _, r := range p.vals {
			r.Timestamp = at
			b.Append(r)
		}
		if b.Size() >= maxMerged {
			if err := flush(p.log); err != nil {
				return err
			}
		}
	}
	for l := range m.builders {
		if err := flush(store.LogID(l)); err != nil {
			return err
		}
	}
	return nil
}

func newMerger() *merger {
	m := new(merger)
	for i := range m.builders {
		m.builders[i].Reset(0)
	}
	return m
}

type engineSink struct {
	*merger
	s *Store
}

func newEngineSink(b *testing.B) sink {
	s := mustOpen(b, testConfig(benchDir(b)))
	for i := range benchLogs {
		mustLog(b, s, store.LogID(i+1))
	}
	return &engineSink{newMerger(), s}
}

func (k *engineSink) commit(group []*publish) error {
	var units []store.Unit
	if err := k.merge(group, func(l store.LogID, b store.Batch) {
		units = append(units, store.Unit{{Log: l, Append: []store.Batch{b}}})
	}); err != nil {
		return err
	}
	_, err := k.s.Commit(bg, units)
	return err
}

func (k *engineSink) close() {
	if err := k.s.Close(); err != nil {
		panic(err)
	}
	_ = os.RemoveAll(k.s.cfg.Dir)
}

type fileSink struct {
	*merger
	f   *os.File
	buf []byte
}

func newFileSink(b *testing.B) sink {
	f, err := os.Create(benchDir(b))
	if err != nil {
		b.Fatal(err)
	}
	return &fileSink{merger: newMerger(), f: f}
}

func (k *fileSink) commit(group []*publish) error {
	k.buf = k.buf[:0]
	if err := k.merge(group, func(_ store.LogID, b store.Batch) { k.buf = append(k.buf, b.Bytes...) }); err != nil {
		return err
	}
	if _, err := k.f.Write(k.buf); err != nil {
		return err
	}
	return unix.Fdatasync(int(k.f.Fd()))
}

func (k *fileSink) close() {
	_ = k.f.Close()
	_ = os.Remove(k.f.Name())
}

func benchDir(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("HOLT_BENCH_DIR"), "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "data")
}

// BenchmarkReadBehind reads a log's newest batch, and a note, with as many tiny commits behind a Badger that stands still as may be.
func BenchmarkReadBehind(b *testing.B) {
	s := mustOpen(b, testConfig(tempDir(b)))
	defer s.Close()
	for id := range benchLogs {
		mustLog(b, s, store.LogID(id+1))
	}
	s.applying <- struct{}{}
	defer func() { <-s.applying }()
	commits, at := 0, store.Offset(0)
	const each = 16 // batches of a log in a commit
	for ; s.behindBytes < maxBehind-64<<10; commits++ {
		var units []store.Unit
		for i := range benchLogs * each {
			at := at + store.Offset(i/benchLogs)
			units = append(units, store.Unit{{Log: store.LogID(1 + i%benchLogs), Append: []store.Batch{testBatch(at, 1, 1)},
				Notes: []store.Note{{Journal: "g/1", At: at, Bytes: []byte("note")}}}})
		}
		mustCommit(b, s, units...)
		at += each
	}
	l := mustLog(b, s, 1)
	for name, read := range map[string]func() error{
		"batch": func() error { _, err := l.Read(bg, at-1, 1<<20); return err },
		"log":   func() error { _, err := l.Read(bg, 0, 1<<20); return err },
		"note":  func() error { _, err := l.Note(bg, "g/1", 0); return err },
	} {
		b.Run(fmt.Sprintf("commits=%d/batches=%d/%s", commits, benchLogs*at, name), func(b *testing.B) {
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadLong reads a log of a GiB from its beginning to its end, for three seconds at least, and tells how much memory of files the process has at most meanwhile.
func BenchmarkReadLong(b *testing.B) {
	s := mustOpen(b, testConfig(benchDir(b)))
	defer s.Close()
	l := mustLog(b, s, 1)
	const size = 64 << 10
	for at := store.Offset(0); at < 1<<30/size; {
		var units []store.Unit
		for range 16 {
			units = append(units, store.Unit{{Log: 1, Append: []store.Batch{testBatch(at, 1, size)}}})
			at++
		}
		mustCommit(b, s, units...)
	}
	into := make([]byte, 1<<20)
	var read, most int64
	began := time.Now()
	for time.Since(began) < 3*time.Second {
		for at, end := store.Offset(0), store.Offset(1<<30/size); at < end; {
			bs, err := l.(store.Filler).Fill(bg, at, into)
			if err != nil {
				b.Fatal(err)
			}
			for _, x := range bs {
				read += int64(len(x.Bytes))
			}
			if at = bs[len(bs)-1].Last + 1; at%1024 == 0 {
				most = max(most, rssFile(b))
			}
		}
	}
	b.ReportMetric(float64(read)/time.Since(began).Seconds()/1e6, "MB/s")
	b.ReportMetric(float64(most)/1024, "MiB")
	b.ReportMetric(0, "ns/op")
}

// rssFile returns the KiB of mapped files in this process's memory.
func rssFile(b *testing.B) (n int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "RssFile:")
	if _, err := fmt.Sscan(after, &n); err != nil {
		b.Fatal(err)
	}
	return n
}
