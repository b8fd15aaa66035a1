package blackbox_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holtmq/holt/cmd/holt/process"
)

// endsWithin is the contract's 10 s and what a busy machine may add.
const endsWithin = 20 * time.Second

// terminate sends SIGTERM and requires a clean end.
func (s *server) terminate(t testing.TB) {
	t.Helper()
	s.signal(syscall.SIGTERM)
	if code := s.exit(t, endsWithin); code != 0 {
		t.Errorf("exit status %d after SIGTERM, want 0", code)
	}
}

func TestOneLineWhenReady(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	newClient(t, s).get("/readyz").is(200)
	s.terminate(t)
	if out := s.output(); len(out) != 1 || !strings.Contains(out[0], s.addr) {
		t.Errorf("standard output is %q, want one line with the address", out)
	}
}

func TestOperationsRoutes(t *testing.T) {
	t.Parallel()
	c := shared(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/v1/info"} {
		c.get(path).is(200)
	}
	metrics := c.get("/metrics")
	if kind := metrics.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("/metrics has content type %q", kind)
	}
	if !strings.Contains(string(metrics.body), "\nholt_") {
		t.Errorf("/metrics has no metric of holt's: %s", clip(metrics.body))
	}
}

func TestSecondStartFindsEverything(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 3, obj{"lease": "30s", "max_attempts": 7})
	q.fill(0, 0, 10)
	q.fill(2, 0, 10)
	got := q.take(20)
	q.ack(got[:5]...)
	q.nack(got[5], "1h")
	q.verb("reject", got[6]).ok(1)
	before := [4]string{}
	read := func() (all [4]string) {
		for i, path := range []string{q.topicPath(), q.groupPath(), q.topicPath() + "/partitions/2/records?offset=earliest", "/v1/topics/" + q.gname + ".dlq"} {
			all[i] = string(q.get(path).is(200).body)
		}
		return all
	}
	tag := q.get(q.groupPath()).header.Get("ETag")
	before = read()
	for range 2 {
		s.terminate(t)
		s.start(t)
		if after := read(); after != before {
			t.Errorf("after a restart\n%s\nbefore\n%s", strings.Join(after[:], "\n"), strings.Join(before[:], "\n"))
		}
	}
	q.put(q.groupPath(), obj{}, "If-Match", tag).is(200)
	q.none("300ms")
	q.ack(got[7:]...)
	if v := q.view(); v.Totals != (totals{Lag: 1, Deferred: 1, DeadLetters: 1}) {
		t.Errorf("totals %+v after the old receipts were acked", v.Totals)
	}
}

func TestSIGTERMEndsParkedCalls(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	type result struct {
		path string
		a    answer
		err  error
	}
	results := make(chan result, 2)
	for _, call := range [][2]string{
		{"POST", q.groupPath() + "/lease"},
		{"GET", q.topicPath() + "/partitions/0/records?offset=0&wait=50s"},
	} {
		go func() {
			var body any
			if call[0] == "POST" {
				body = obj{"wait": "50s"}
			}
			a, err := q.send(context.Background(), call[0], call[1], body)
			results <- result{call[1], a, err}
		}()
	}
	q.awaitWaiters(1)
	pause(500 * ms) // for the read
	s.signal(syscall.SIGTERM)
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Errorf("%s: %v, want an empty answer", r.path, r.err)
			continue
		}
		var got page
		r.a.is(200).into(&got)
		if len(got.Records) != 0 || got.Records == nil {
			t.Errorf("%s: %s, want an empty list", r.path, r.a.body)
		}
	}
	if code := s.exit(t, endsWithin); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestParkedCallsSayClose(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	w := dial(t, s)
	w.request("POST", q.groupPath()+"/lease", `{"wait":"50s"}`)
	q.awaitWaiters(1)
	s.signal(syscall.SIGTERM)
	a, ok := w.answer(soon)
	if !ok || a.status != http.StatusOK || !strings.EqualFold(a.header.Get("Connection"), "close") {
		t.Errorf("parked lease at shutdown: %d (%v), Connection %q, want 200 and close", a.status, ok, a.header.Get("Connection"))
	}
	s.exit(t, endsWithin)
}

// While the server ends, open connections may settle and nothing else.
func TestSIGTERMTakesSettles(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, obj{"lease": "60s"})
	q.fill(0, 0, 3)
	got := q.take(3)
	idle, reader := open(t, s), open(t, s)
	slow := dial(t, s)
	rest := slow.begin("POST", q.groupPath()+"/ack", fmt.Sprintf(`{"receipt":%q}`, got[0].Receipt), 3)
	parked := dial(t, s)
	parked.request("POST", q.groupPath()+"/lease", `{"wait":"50s"}`)
	q.awaitWaiters(1)
	pause(500 * ms) // for the slow one, which was dialled before
	s.signal(syscall.SIGTERM)
	parked.answer(soon)

	idle.request("POST", q.groupPath()+"/ack", fmt.Sprintf(`{"receipt":%q}`, got[1].Receipt))
	if a, ok := idle.answer(soon); !ok || a.status != 200 {
		t.Errorf("a settle on an open connection while the server ends: %d (%v), want 200", a.status, ok)
	}
	reader.request("POST", q.topicPath()+"/records", `{"value":1}`)
	if a, ok := reader.answer(soon); !ok {
		t.Error("a publish on an open connection while the server ends: hung up, want 503")
	} else if p := a.problem(503, "shutting_down"); a.header.Get("Retry-After") == "" || p.RetryAfterMS <= 0 {
		t.Errorf("503 without Retry-After or retry_after_ms: %s", a.body)
	}
	reader.request("POST", q.groupPath()+"/extend", fmt.Sprintf(`{"receipt":%q}`, got[2].Receipt))
	if a, ok := reader.answer(soon); !ok || a.status != 200 {
		t.Errorf("a settle on the connection that was told 503 before: %d (%v), want 200", a.status, ok)
	}
	slow.write("%s", rest)
	if a, ok := slow.answer(soon); !ok || a.status != 200 {
		t.Errorf("a settle begun before SIGTERM: %d (%v), want 200", a.status, ok)
	}
	for _, w := range []*wire{idle, reader, slow, parked} {
		w.conn.Close()
	}
	if code := s.exit(t, endsWithin); code != 0 {
		t.Errorf("exit status %d", code)
	}
	s.start(t)
	if p := q.only(); p.Lag != 1 || p.StartOffset != 2 || p.LogEndOffset != 3 {
		t.Errorf("partition %+v after the restart, want two acked and nothing published", p)
	}
}

// open makes a connection that has had one answer and is kept.
func open(t *testing.T, s *server) *wire {
	t.Helper()
	w := dial(t, s)
	w.request("GET", "/v1/info", "")
	if a, ok := w.answer(soon); !ok || a.status != 200 {
		t.Fatalf("GET /v1/info: %d (%v)", a.status, ok)
	}
	return w
}

func TestSIGTERMRefusesNewConnections(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	slow := dial(t, s)
	slow.begin("POST", q.groupPath()+"/settle", `{"ack":[]}`, 3)
	pause(300 * ms)
	s.signal(syscall.SIGTERM)
	eventually(t, soon, "new connections are refused", func() bool {
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
		resp, err := fresh.Get("http://" + s.addr + "/readyz")
		if err != nil {
			return true
		}
		resp.Body.Close()
		return false
	})
	s.exit(t, endsWithin)
}

// A client that never finishes does not hold the end up for more than 10 s.
func TestSIGTERMEndsInSpiteOfStalledClients(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	for range 5 {
		dial(t, s).begin("POST", q.topicPath()+"/records", `{"value":1}`, 3)
	}
	pause(300 * ms)
	s.signal(syscall.SIGTERM)
	s.exit(t, endsWithin)
	s.start(t)
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 0 {
		t.Errorf("%d records of requests that were never whole", end)
	}
}

// Records acknowledged while SIGTERM arrives are there at the next start.
func TestSIGTERMUnderLoad(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 2, nil)
	const clients = 8
	places := make([][]place, clients)
	var answered atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		inParallel(clients, func(i int) {
			for {
				a, err := q.send(context.Background(), "POST", q.topicPath()+"/records", obj{"value": i})
				if err != nil || a.status != 200 {
					return
				}
				var p published
				a.into(&p)
				places[i] = append(places[i], p.Records...)
				answered.Add(1)
			}
		})
	}()
	eventually(t, soon, "records are published", func() bool { return answered.Load() >= 10*clients })
	s.terminate(t)
	<-done
	s.start(t)
	stored := map[int][]int64{}
	for p := range 2 {
		stored[p] = offsets(q.readAll(q.name, p))
	}
	for i, all := range places {
		for _, at := range all {
			if !slices.Contains(stored[at.Partition], at.Offset) {
				t.Errorf("client %d: record %d/%d was acknowledged and is gone", i, at.Partition, at.Offset)
			}
		}
	}
}

func TestTwoServersOnOneDirectory(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	q.fill(0, 0, 3)
	code, out := runHolt(t, "serve", "--data", s.dir, "--listen", "127.0.0.1:0")
	if code == 0 || out == "" {
		t.Errorf("a second server on the directory ended with %d and said %q, want a refusal and why", code, out)
	}
	q.fill(0, 3, 1)
	s.crash(t)
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 4 {
		t.Errorf("end offset %d, want 4", end)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"serve", "--colour", "red"}, {"serve", "--data", t.TempDir(), "--min-free", "much"}, {"serve", "--data", t.TempDir(), "extra"}, {"colour"},
	} {
		if code, out := runHolt(t, args...); code != 2 || out == "" {
			t.Errorf("holt %s ended with %d and said %q, want 2 and why", strings.Join(args, " "), code, out)
		}
	}
}

// runHolt runs the binary to its end and returns its exit status and all it
// said; one that does not end is killed and fails the test.
func runHolt(t *testing.T, args ...string) (int, string) {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	var said tail
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = cleanEnv(), &said, &said
	cmd.SysProcAttr = process.Attributes()
	if err := launch.start(cmd); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(readyWithin, func() {
		t.Errorf("holt %s does not end", strings.Join(args, " "))
		cmd.Process.Kill()
	})
	defer stuck.Stop()
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), said.last(logShown)
}
