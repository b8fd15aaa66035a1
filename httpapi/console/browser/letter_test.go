package browser

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi"
)

// A newcomer, on the console alone: why did it fail, fix the value, redrive, see it succeed. From the overview to the error in three clicks.
func TestNewcomersPath(t *testing.T) {
	w := newWorld(t, "", httpapi.Config{})
	w.must(w.Publish(t.Context(), "orders", client.JSON(map[string]any{"order": 17, "total": "12,50"}), client.Key("ada")))
	_, err := w.PutGroup(t.Context(), "billing", map[string]any{"topics": []string{"orders"}})
	w.must(err)
	got := w.lease("billing", 1, "worker-1")[0]
	w.must(w.Reject(t.Context(), "billing", got.Receipt, &api.WorkerError{Type: "ParseError", Message: `total "12,50" is not a number`, Stack: "at parse (billing.js:7)"}))
	b := newTab(t, w)
	b.open("")
	b.see("#errors", "ParseError")
	clicks := 0
	click := func(sel, text string) { b.press(sel, text); clicks++ }
	click("#errors td a", value[string](b, `document.querySelector("#errors td a").innerText.trim()`))
	b.see("#picked", "orders/")
	click("#picked a", value[string](b, `[...document.querySelectorAll("#picked td a")].find(a => a.innerText.includes("orders/")).innerText.trim()`))
	b.see("#error", `total "12,50" is not a number`)
	if clicks > 3 {
		t.Errorf("%d clicks from the overview to the error", clicks)
	}
	b.see("main", "at parse (billing.js:7)")
	b.fill(`#fix textarea[name="value"]`, `{"order": 17, "total": 12.50}`)
	b.see("#commands pre", "12.50") // numbers stay as they are written
	b.press("#fix button", "Redrive")
	b.see("#dialog", "Redriven.")
	b.press("#dialog button", "Close")
	again := w.lease("billing", 1, "worker-2")[0]
	if string(again.Value) != `{"order":17,"total":12.50}` || again.Attempt != 1 {
		t.Errorf("the worker got %s at attempt %d", again.Value, again.Attempt)
	}
	w.must(w.Ack(t.Context(), "billing", again.Receipt))
	b.see("#fate", "acked")
	b.open("")
	b.see("#errors", "No open dead letters")
}

// A ramped redrive of all that match goes on while what comes back succeeds, and is watched.
func TestRampedRedrive(t *testing.T) {
	w := newWorld(t, "", httpapi.Config{})
	_, err := w.PutGroup(t.Context(), "g", map[string]any{"topics": []string{}})
	w.must(err)
	const n = 40
	for i := range n {
		w.must(w.Publish(t.Context(), "t", client.JSON(i)))
	}
	_, err = w.PutGroup(t.Context(), "g", map[string]any{"topics": []string{"t"}})
	w.must(err)
	for i, r := range w.lease("g", n, "w") {
		w.must(w.Reject(t.Context(), "g", r.Receipt, &api.WorkerError{Type: "E", Message: fmt.Sprintf("number %d", i)}))
	}
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	defer func() { stop(); working.Wait() }()
	working.Go(func() {
		_ = w.Work(ctx, "g", func(context.Context, *client.Record) error { return nil })
	})
	b := newTab(t, w)
	b.open("groups/g/letters")
	b.see("#total", fmt.Sprint(n))
	b.press("#picked button", "Redrive…")
	b.see("#dialog", fmt.Sprintf("This redrives %d letters", n))
	b.holds(`(() => { const c = document.querySelector("#dialog input[name=ramp]"); if (c && !c.checked) c.click(); return !!c && c.checked; })()`)
	b.fill(`#dialog input[name="rate"]`, "500")
	b.see("#dialog pre", `"ramp":true`)
	b.press("#dialog button", "Redrive")
	b.see("#dialog", "The job has begun")
	b.press("#dialog a", "Watch it")
	b.see("#progress", "done")
	b.see("#progress", fmt.Sprintf("of %d", n))
	b.open("redrives")
	b.see("#jobs", "done")
}

// polyglots are texts that do something where they are interpreted: twenty of them.
var polyglots = []string{
	`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `<svg/onload=alert(1)>`,
	`{{7*7}}${7*7}<%= 7*7 %>`, `"onmouseover="alert(1)`, `</textarea><script>alert(1)</script>`, `</title><script>alert(1)</script>`, `--><script>alert(1)</script>`,
	`<iframe src="javascript:alert(1)">`, `<a href="javascript:alert(1)">x</a>`, `" autofocus onfocus=alert(1) x="`, `<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	"jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=alert() )//</stYle/</titLe/</teXtarEa/</scRipt/--!>\\x3csVg/<sVg/oNloAd=alert()//>\\x3e",
	`<link rel=stylesheet href=//evil.example/x.css>`, `<base href=//evil.example/>`, `<meta http-equiv=refresh content="0;url=//evil.example">`, `<form action=//evil.example><button>x`, `<img src=//evil.example/x.png><video src=//evil.example/v>`,
}

// Whatever stands in keys, values, headers, members and errors does nothing, wherever it is shown: no dialog, no request to elsewhere, no error.
func TestNothingIsInterpreted(t *testing.T) {
	w := newWorld(t, "", httpapi.Config{})
	_, err := w.PutTopic(t.Context(), "t", map[string]any{"partitions": 1})
	w.must(err)
	_, err = w.PutGroup(t.Context(), "g", map[string]any{"topics": []string{"t"}, "max_attempts": 2, "backoff": map[string]any{"steps": []string{"1h"}}})
	w.must(err)
	for _, p := range polyglots {
		record := api.NewRecord{Key: &p, Headers: map[string]string{"x": p}, Value: api.Value{Text: &p}}
		_, err := w.PublishBatch(t.Context(), "t", []api.NewRecord{record}, client.PublishOptions{})
		w.must(err)
		delay := api.Duration(3600e9)
		record.Delay = &delay
		_, err = w.PublishBatch(t.Context(), "t", []api.NewRecord{record}, client.PublishOptions{})
		w.must(err)
	}
	for i, p := range polyglots {
		r := w.lease("g", 1, p)[0]
		fault := &api.WorkerError{Type: p, Message: p, Stack: p}
		switch i % 4 {
		case 0:
			w.must(w.Nack(t.Context(), "g", r.Receipt, fault))
		case 1, 2:
			w.must(w.Reject(t.Context(), "g", r.Receipt, fault))
		}
	}
	b := newTab(t, w)
	b.open("t")
	b.expect("404")
	paths := []string{"", "topics/t/messages?from=oldest", "topics/t/scheduled", "groups/g", "groups/g/leases", "groups/g/records?state=deferred", "groups/g/letters", "letters", "topology"}
	for i := range polyglots {
		paths = append(paths, fmt.Sprintf("topics/t/messages/0/%d", i))
	}
	for _, p := range polyglots[:6] {
		paths = append(paths, "search?q="+escape(p), "topics/t/messages?key="+escape(p)+"&text="+escape(p), "groups/g/leases?member="+escape(p), "do/record.ack?group=g&at="+escape("t/0/"+p), "groups/g/letters?error="+escape(p))
	}
	b.expect("400 (Bad Request)")
	for _, p := range paths {
		b.open(p)
		b.holds(`document.readyState === "complete"`)
	}
	b.open("groups/g/letters")
	for i := range value[int](b, `document.querySelectorAll("#picked td a").length`) {
		b.open("groups/g/letters")
		b.holds(fmt.Sprintf(`(() => { const a = document.querySelectorAll("#picked td a")[%d]; if (a) a.click(); return !!a; })()`, i))
		b.holds(`!!document.querySelector("#error")`)
	}
	b.open("topics/t/tail")
	b.see("#tail-state", "connected")
	for _, p := range polyglots {
		w.must(w.Publish(t.Context(), "t", client.Text(p), client.Key(p)))
	}
	b.holds(fmt.Sprintf(`document.querySelectorAll(".tail tbody tr").length >= %d`, len(polyglots)))
	if n := value[int](b, `document.querySelectorAll("main script, main iframe, main img:not([alt]), main base, main link").length`); n != 0 {
		t.Errorf("%d elements came out of records", n)
	}
}

func escape(s string) string {
	return strings.NewReplacer("%", "%25", " ", "%20", "#", "%23", "&", "%26", "+", "%2B", ";", "%3B", "\n", "%0A", `"`, "%22", "<", "%3C", ">", "%3E", "\\", "%5C", "`", "%60", "{", "%7B", "}", "%7D").Replace(s)
}
