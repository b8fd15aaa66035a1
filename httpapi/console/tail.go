package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/client/api"
)

// Limits of a live tail.
const (
	tailTurn    = 250 * time.Millisecond // rows are sent so often
	tailRows    = 50                     // of one turn: 200 a second
	tailPending = 4096                   // records that wait to be looked at; what comes when it is full is only counted
	tailHeld    = 8 << 20                // bytes of those that wait to be looked at or shown, likewise; a larger one waits alone
	tailPing    = 15 * time.Second
)

// tailPage is the live tail of a topic.
type tailPage struct {
	Topic string
	F     filter
	Src   string // of the events, relative to the page
	Curl  string
	CLI   string
}

// showTail shows the page: ?text=, key=, pointer=, equals= choose records.
func showTail(v *visit) error {
	name, q := v.r.PathValue("topic"), v.r.URL.Query()
	f, err := parseFilter(q)
	if err != nil {
		return err
	}
	if _, err := v.do(get(nil, "topics", name)); err != nil {
		return err
	}
	d := tailPage{Topic: name, F: f, Src: "tail/events"}
	if len(q) > 0 {
		d.Src += "?" + q.Encode()
	}
	c := get(nil, "topics", name, "tail")
	d.Curl, d.CLI = "curl -N"+v.curl(c)[len("curl"):], command("tail", name)
	return v.render(v.topicPage(name, "Live tail of "+name, "tail", d))
}

// tailRow is what the template of a row shows.
type tailRow struct {
	Topic string
	messageRow
}

// tailEvents sends what is appended to a topic from now on, as rows of HTML in Server-Sent Events; above 200 a second a sample.
func tailEvents(v *visit) error {
	name := v.r.PathValue("topic")
	f, err := parseFilter(v.r.URL.Query())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(v.r.Context())
	defer cancel()
	source := &tailSource{header: http.Header{}, records: make(chan tailed, tailPending), began: make(chan struct{})}
	r, err := v.request(ctx, get(url.Values{"encoding": {"base64"}}, "topics", name, "tail"))
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = recover() }() // an answer that breaks off is a panic (http.ErrAbortHandler): here it ends, and not the process
		v.c.cfg.API.ServeHTTP(source, r)
	}()
	defer func() { cancel(); <-ended }()
	select {
	case <-source.began:
	case <-ended:
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := &events{w: v.w}
	if source.status != http.StatusOK {
		return out.send("gone", "the server does not tail this topic")
	}
	return v.pump(ctx, name, f, source, out, ended)
}

// pump sends rows until the browser or the source is gone.
func (v *visit) pump(ctx context.Context, topic string, f filter, source *tailSource, out *events, ended <-chan struct{}) error {
	turn := time.NewTicker(tailTurn)
	defer turn.Stop()
	var batch []tailed
	seen, matched, shown := 0, 0, 0
	lastSent := time.Now()
	if err := out.send("count", "waiting for records"); err != nil {
		return nil // the browser is gone
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			_ = out.send("gone", "the tail has ended; reload to go on")
			return nil
		case r := <-source.records:
			seen++
			if !f.selective() || f.matches(&r.record) {
				matched++
				batch = append(batch, r)
			} else {
				source.held.Add(-r.size)
			}
			continue
		case now := <-turn.C:
			if len(batch) == 0 && now.Sub(lastSent) < tailPing {
				continue
			}
		}
		lastSent = time.Now()
		some := sampled(batch, tailRows)
		shown += len(some)
		var rows bytes.Buffer
		for i := range some {
			row := tailRow{topic, v.messageRow(topic, &some[i].record, nil)}
			if err := v.c.pages["tail"].ExecuteTemplate(&rows, "tailrow", about(&page{Root: "../../"}, row)); err != nil {
				return err
			}
		}
		for i := range batch {
			source.held.Add(-batch[i].size)
		}
		batch = nil
		count := fmt.Sprintf("%s seen, %s shown", num(seen+int(source.lost.Load())), num(shown))
		if f.selective() {
			count = fmt.Sprintf("%s seen, %s match, %s shown", num(seen+int(source.lost.Load())), num(matched), num(shown))
		}
		if matched > shown || source.lost.Load() > 0 {
			count += ", a sample of at most 200 a second"
		}
		if rows.Len() > 0 {
			if err := out.send("rows", string(jsonBody(rows.String()))); err != nil {
				return nil
			}
		}
		if err := out.send("count", count); err != nil {
			return nil
		}
	}
}

// sampled takes n of the records, evenly.
func sampled(all []tailed, n int) []tailed {
	if len(all) <= n {
		return all
	}
	out := make([]tailed, n)
	for i := range out {
		out[i] = all[i*len(all)/n]
	}
	return out
}

// events writes Server-Sent Events.
type events struct{ w http.ResponseWriter }

func (e *events) send(event, data string) error {
	allowWrite(e.w, len(data))
	if _, err := fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return http.NewResponseController(e.w).Flush()
}

// tailed is a record with the bytes that its event took.
type tailed struct {
	record api.Record
	size   int64
}

// tailSource takes the API's events apart: it implements http.ResponseWriter for a call within the process. Write never blocks: a slow browser holds nobody up.
type tailSource struct {
	header  http.Header
	status  int
	began   chan struct{}
	records chan tailed
	held    atomic.Int64 // bytes of records taken and not yet shown; only Write adds
	rest    []byte
	lost    atomic.Int64 // records that were only counted
}

func (s *tailSource) Header() http.Header { return s.header }

func (s *tailSource) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
		close(s.began)
	}
}

// Flush implements http.Flusher.
func (s *tailSource) Flush() { s.WriteHeader(http.StatusOK) }

func (s *tailSource) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	s.rest = append(s.rest, b...)
	for {
		end := bytes.Index(s.rest, []byte("\n\n"))
		if end < 0 {
			return len(b), nil
		}
		s.event(s.rest[:end])
		s.rest = s.rest[end+2:]
	}
}

// event passes on the record of one event.
func (s *tailSource) event(text []byte) {
	for line := range bytes.Lines(text) {
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		r := tailed{size: int64(len(data))}
		if held := s.held.Load(); held > 0 && held+r.size > tailHeld {
			s.lost.Add(1)
			continue
		}
		if json.Unmarshal(data, &r.record) != nil {
			continue
		}
		s.held.Add(r.size)
		select {
		case s.records <- r:
		default:
			s.held.Add(-r.size)
			s.lost.Add(1)
		}
	}
}
