package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"sync"

	"github.com/holtmq/holt/client/api"
)

// Kinds of event.
const (
	kindLeased  = "leased"  // a lease call was answered with records
	kindAsks    = "asks"    // acks are about to be sent
	kindSettled = "settled" // a settle call was answered 200
	kindTrouble = "trouble" // what Work copes with on its own
)

// event is one line that a worker writes to the demo.
type event struct {
	Kind   string    `json:"kind"`
	Sent   int64     `json:"sent,omitempty"`   // machineClock before the call was sent
	At     int64     `json:"at,omitempty"`     // machineClock after its answer was read
	Leases []handOut `json:"leases,omitempty"` // kindLeased
	Acks   []string  `json:"acks,omitempty"`   // receipts: kindAsks, and of kindSettled those that were accepted
	Others []string  `json:"others,omitempty"` // receipts settled otherwise
	Text   string    `json:"text,omitempty"`   // kindTrouble
}

// handOut is a record handed out to a worker.
type handOut struct {
	Receipt  string `json:"receipt"`
	Path     string `json:"path"`
	Attempt  int    `json:"attempt"`
	Delivery int    `json:"delivery"`
}

// teller writes events, a line and a write each: what was written before a SIGKILL reaches the demo.
type teller struct {
	mu sync.Mutex
	w  io.Writer
}

func newTeller(w io.Writer) *teller { return &teller{w: w} }

func (t *teller) event(e event) {
	line, err := json.Marshal(e)
	if err != nil {
		panic("an event of the demo is not JSON: " + err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.w.Write(append(line, '\n')) // without a reader the demo is gone, and so is this process soon
}

// readEvents calls f for each line. A last line that was cut by a kill ends it.
func readEvents(r io.Reader, f func(event)) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil // the process has ended
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("a worker's line cannot be understood: %w", err)
		}
		f(e)
	}
}

// tap is a worker's transport: it tells of the leases and acks that pass, as close to the wire as it can. So the
// worker is an ordinary one (client.Work), and what is recorded is what the server said.
type tap struct {
	next http.RoundTripper
	tell *teller
}

// RoundTrip implements http.RoundTripper.
func (t *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	switch path.Base(req.URL.Path) {
	case "lease":
		return t.lease(req)
	case "settle":
		return t.settle(req)
	}
	return t.next.RoundTrip(req)
}

// lease tells of the records handed out, and before that of the settles that the call carries.
func (t *tap) lease(req *http.Request) (*http.Response, error) {
	var in api.LeaseRequest
	if err := bodyOf(req, &in); err != nil {
		return nil, err
	}
	t.asks(in.Settle)
	e := event{Kind: kindLeased}
	var out api.LeaseResponse
	res, ok, err := t.exchange(req, &e, &out)
	if !ok {
		return res, err
	}
	if in.Settle != nil && out.Settle != nil {
		t.settled(in.Settle, out.Settle, e)
	}
	for i := range out.Records {
		r := &out.Records[i]
		h := handOut{Receipt: r.Receipt, Attempt: r.Attempt, Delivery: r.Deliveries}
		if r.Key != nil {
			h.Path = *r.Key
		}
		e.Leases = append(e.Leases, h)
	}
	if len(e.Leases) > 0 {
		t.tell.event(e)
	}
	return res, err
}

func (t *tap) settle(req *http.Request) (*http.Response, error) {
	var in api.SettleRequest
	if err := bodyOf(req, &in); err != nil {
		return nil, err
	}
	t.asks(&in)
	var e event
	var out api.SettleResponse
	res, ok, err := t.exchange(req, &e, &out)
	if ok {
		t.settled(&in, &out, e)
	}
	return res, err
}

// asks tells of acks that are about to be sent.
func (t *tap) asks(in *api.SettleRequest) {
	if in != nil && len(in.Ack) > 0 {
		t.tell.event(event{Kind: kindAsks, Acks: in.Ack})
	}
}

// settled tells of what was settled, by the call with these times.
func (t *tap) settled(in *api.SettleRequest, out *api.SettleResponse, call event) {
	failed := map[string]bool{}
	for _, f := range out.Failed {
		failed[f.Receipt] = true
	}
	e := event{Kind: kindSettled, Sent: call.Sent, At: call.At, Acks: without(in.Ack, failed)}
	for _, n := range in.Nack {
		e.Others = append(e.Others, n.Receipt)
	}
	for _, r := range in.Reject {
		e.Others = append(e.Others, r.Receipt)
	}
	e.Others = without(append(e.Others, in.Release...), failed)
	if len(e.Acks)+len(e.Others) > 0 {
		t.tell.event(e)
	}
}

// exchange makes the call, sets e's times around it, and decodes a 200 answer (ok), which the caller can read again.
func (t *tap) exchange(req *http.Request, e *event, out any) (res *http.Response, ok bool, err error) {
	e.Sent = machineClock()
	res, err = t.next.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, false, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, false, err
	}
	e.At = machineClock()
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, json.Unmarshal(body, out) == nil, nil
}

// bodyOf decodes a call's body and leaves it to be sent.
func bodyOf(req *http.Request, in any) error {
	body, err := req.GetBody()
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(in)
}

func without(receipts []string, failed map[string]bool) (out []string) {
	for _, r := range receipts {
		if !failed[r] {
			out = append(out, r)
		}
	}
	return out
}
