package demo

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// tapped calls a server with these answers through a tap, and returns what the tap told.
func tapped(t *testing.T, answers map[string]string, calls func(*client.Client)) (events []event) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	defer s.Close()
	var told bytes.Buffer
	tap := &tap{next: http.DefaultTransport, tell: newTeller(&told)}
	c, err := client.New(s.URL, client.WithHTTPClient(&http.Client{Transport: tap}))
	if err != nil {
		t.Fatal(err)
	}
	calls(c)
	if err := readEvents(&told, func(e event) { events = append(events, e) }); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestTapLease(t *testing.T) {
	answers := map[string]string{
		"/v1/groups/g/lease": `{"records":[{"receipt":"r1","topic":"t","partition":0,"offset":7,"key":"a/b.go","value":{"path":"a/b.go"},"attempt":2,"deliveries":3}]}`,
		"/v1/groups/n/lease": `{"records":[]}`,
	}
	before := machineClock()
	events := tapped(t, answers, func(c *client.Client) {
		records, err := c.Lease(t.Context(), "g", client.LeaseOptions{})
		if err != nil || len(records) != 1 || records[0].Receipt != "r1" {
			t.Errorf("the answer behind the tap: %v, %v", records, err)
		}
		if records, err := c.Lease(t.Context(), "n", client.LeaseOptions{}); err != nil || len(records) > 0 {
			t.Errorf("the empty answer behind the tap: %v, %v", records, err)
		}
		if _, err := c.Lease(t.Context(), "broken", client.LeaseOptions{}); err == nil {
			t.Error("the failure does not pass the tap")
		}
	})
	want := []event{{Kind: kindLeased, Leases: []handOut{{"r1", "a/b.go", 2, 3}}}}
	if diff := cmp.Diff(want, events, cmpopts.IgnoreFields(event{}, "Sent", "At")); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	if e := events[0]; e.Sent < before || e.At <= e.Sent || e.At > machineClock() {
		t.Errorf("times: before %d, sent %d, at %d", before, e.Sent, e.At)
	}
}

func TestTapSettle(t *testing.T) {
	answers := map[string]string{"/v1/groups/g/settle": `{"settled":3,"failed":[{"receipt":"a2","code":"lease_lost"},{"receipt":"n2","code":"lease_lost"}]}`}
	events := tapped(t, answers, func(c *client.Client) {
		in := api.SettleRequest{
			Ack: []string{"a1", "a2"}, Nack: []api.Nack{{Receipt: "n1"}, {Receipt: "n2"}}, Release: []string{"r1"},
			Extend: []api.Extend{{Receipt: "e1"}},
		}
		if out, err := c.Settle(t.Context(), "g", in); err != nil || len(out.Failed) != 2 {
			t.Errorf("the answer behind the tap: %+v, %v", out, err)
		}
		if _, err := c.Settle(t.Context(), "broken", api.SettleRequest{Ack: []string{"a3"}}); err == nil {
			t.Error("the failure does not pass the tap")
		}
	})
	want := []event{
		{Kind: kindAsks, Acks: []string{"a1", "a2"}},
		{Kind: kindSettled, Acks: []string{"a1"}, Others: []string{"n1", "r1"}},
		{Kind: kindAsks, Acks: []string{"a3"}}, // never answered 200
	}
	if diff := cmp.Diff(want, events, cmpopts.IgnoreFields(event{}, "Sent", "At")); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestReadDemoEvents(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		n    int
		ok   bool
	}{
		"whole lines":         {"{\"kind\":\"asks\"}\n{\"kind\":\"trouble\"}\n", 2, true},
		"a line cut by death": {"{\"kind\":\"asks\"}\n{\"kind\":\"trou", 1, true},
		"no event":            {"{\"kind\":\"asks\"}\npanic: oh\n", 1, false},
	} {
		n := 0
		err := readEvents(strings.NewReader(c.text), func(event) { n++ })
		if n != c.n || (err == nil) != c.ok {
			t.Errorf("%s: %d events, error %v", name, n, err)
		}
	}
}

func TestHistory(t *testing.T) {
	h := newHistory()
	call := func(receipts ...string) (e event) {
		e = event{Kind: kindLeased, Sent: 1, At: 2}
		for _, r := range receipts {
			e.Leases = append(e.Leases, handOut{r, "file-" + r, 1, 1})
		}
		return e
	}
	h.add("w1", call("a", "b", "c"))
	h.add("w2", call("d"))
	h.add("w1", event{Kind: kindAsks, Acks: []string{"a"}})
	h.add("w1", event{Kind: kindSettled, Sent: 3, At: 4, Acks: []string{"a"}, Others: []string{"b"}})
	h.add("w1", event{Kind: kindSettled, Sent: 5, At: 6, Acks: []string{"a"}}) // repeated
	for range 2 * keptTroubles {
		h.add("w1", event{Kind: kindTrouble, Text: "away"})
	}
	if h.holds("w1") != 1 || h.holds("w2") != 1 || h.holds("w3") != 0 {
		t.Errorf("held: %d, %d, %d, want 1, 1, 0", h.holds("w1"), h.holds("w2"), h.holds("w3"))
	}
	if done, handOuts, err := h.progress(); done != 1 || handOuts != 4 || err != nil {
		t.Errorf("progress: %d done, %d hand-outs, %v", done, handOuts, err)
	}
	h.listen("w1", strings.NewReader("not an event\n"))
	if _, _, err := h.progress(); err == nil {
		t.Error("a line that cannot be understood is no error")
	}
	e := &evidence{}
	h.evidence(e)
	if e.acks["a"] != (span{3, 4}) || e.paths["d"] != "file-d" || e.trouble != 2*keptTroubles || len(e.troubles) != keptTroubles {
		t.Errorf("evidence: %+v", e)
	}
}

func TestJobs(t *testing.T) {
	root := smallTree(t, 40)
	all, err := listJobs(root, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := listJobs(root, 0, 1)
	if err != nil || !cmp.Equal(all, again, cmp.AllowUnexported(job{})) {
		t.Errorf("the same seed gives other jobs (%v)", err)
	}
	seen := map[string]bool{}
	planted := 0
	for _, j := range all {
		seen[j.Path] = true
		if j.planted {
			planted++
		}
	}
	if len(all) != 40+Planted || len(seen) != len(all) || planted != Planted || !seen["sub é/deeper/file 010"] {
		t.Errorf("jobs: %+v", all)
	}
	few, err := listJobs(root, 10, 1)
	if err != nil || len(few) != 10+Planted {
		t.Errorf("with a limit of 10: %d jobs, %v", len(few), err)
	}
}
