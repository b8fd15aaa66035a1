package browser

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi"
)

// smallWorld is a server with something of everything: leased, deferred, settled, dead.
func smallWorld(t *testing.T, cfg httpapi.Config) *world {
	t.Helper()
	w := newWorld(t, "", cfg)
	d := &demo{world: w, rand: rand.New(rand.NewPCG(3, 4))}
	if err := d.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		got := w.lease("mailer", 1, fmt.Sprintf("mailer-%d", i%3+1))[0]
		fault := &api.WorkerError{Type: "SMTPError", Message: fmt.Sprintf("421 mailbox %d is busy", i), Stack: "at send (smtp.js:1)"}
		switch i % 4 {
		case 0:
			w.must(w.Nack(t.Context(), "mailer", got.Receipt, fault))
		case 1:
			w.must(w.Reject(t.Context(), "mailer", got.Receipt, fault))
		case 2:
			w.must(w.Ack(t.Context(), "mailer", got.Receipt))
		}
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) lease(group string, n int, member string) []*client.Record {
	w.t.Helper()
	got, err := w.Lease(context.Background(), group, client.LeaseOptions{Max: n, Member: member})
	if err != nil || len(got) == 0 {
		w.t.Fatalf("lease of %s: %d records, %v", group, len(got), err)
	}
	return got
}

// Every page opens: no error on the browser's console, nothing asked of another host, nothing wider than the window.
func TestEveryPageOpens(t *testing.T) {
	w := smallWorld(t, httpapi.Config{Environment: "production"})
	b := newTab(t, w)
	paths := []string{
		"", "topics", "topics?q=ord&sort=lag", "topics/orders", "topics/orders/messages", "topics/orders/messages?key=customer-500", "topics/orders/messages/0/0?as=hex", "topics/orders/publish",
		"topics/emails/scheduled", "topics/orders/tail", "groups", "groups?state=dead", "groups/mailer", "groups/mailer/leases", "groups/mailer/records?state=deferred", "groups/mailer/records",
		"groups/mailer/letters", "letters", "redrives", "schedules", "topology", "history", "history?group=mailer&span=1h", "reference", "reference?q=lease", "search?q=mail",
		"do/group.reset?group=mailer", "do/topic.create",
	}
	for _, width := range []int64{1360, 390} {
		b.run(chromedp.EmulateViewport(width, 800))
		for _, p := range paths {
			b.open(p)
			b.holds(`document.readyState === "complete"`)
			if wide := value[int](b, `document.documentElement.scrollWidth`); wide > int(width) {
				b.fault(fmt.Sprintf("%s is %d wide in a window of %d", p, wide, width))
			}
		}
	}
	b.expect("reconnecting")
}

// The ribbon draws what the window holds, and follows it while one looks, unless it is paused.
func TestRibbonFollows(t *testing.T) {
	w := smallWorld(t, httpapi.Config{})
	b := newTab(t, w)
	b.open("groups/mailer")
	for _, state := range []string{"leased", "deferred", "available"} {
		b.holds(fmt.Sprintf(`document.querySelectorAll("#window svg.ribbon rect.%s").length > 0`, state))
	}
	b.see("#window", "lag")
	before := value[string](b, `document.querySelector("#tiles a.tile .v").innerText`)
	b.run(chromedp.Evaluate[chromedp.Void](`document.getElementById("pause").click()`))
	b.see("#pause", "Paused")
	d := &demo{world: w, rand: rand.New(rand.NewPCG(5, 6))}
	w.must(d.publish(t.Context(), 200))
	if now := value[string](b, `document.querySelector("#tiles a.tile .v").innerText`); now != before {
		t.Errorf("paused, and yet %s became %s", before, now)
	}
	b.run(chromedp.Evaluate[chromedp.Void](`document.getElementById("pause").click()`))
	b.holds(fmt.Sprintf(`document.querySelector("#tiles a.tile .v").innerText !== %q`, before))
}

// Filters are in the URL, the search is a key away, and a filtered page is the same when opened by its URL.
func TestFiltersAndSearch(t *testing.T) {
	w := smallWorld(t, httpapi.Config{})
	b := newTab(t, w)
	b.open("topics/orders/messages")
	b.fill(`input[name="pointer"]`, "/currency")
	b.fill(`input[name="equals"]`, "EUR")
	b.fill(`input[name="from"]`, "oldest")
	b.press("form.filters button", "Browse")
	b.holds(`location.search.includes("pointer=%2Fcurrency") && location.search.includes("equals=EUR")`)
	b.see("#found", "scanned")
	b.open("topics/orders/messages?pointer=%2Fcurrency&equals=USD")
	b.see("main", "found 0")
	b.run(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur(); document.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true}))`))
	b.holds(`document.activeElement.id === "q"`)
	b.fill("#q", "webhook")
	b.holds(`document.querySelectorAll("#hits a.hit").length === 1`)
	b.press("#hits a.hit", value[string](b, `document.querySelector("#hits a.hit").innerText.trim()`))
	b.see("h1", "webhook-fanout")
}

// A search through many messages goes on by itself and can be stopped.
func TestScanGoesOnAndStops(t *testing.T) {
	w := newWorld(t, "", httpapi.Config{})
	var batch []api.NewRecord
	for i := range 10_000 {
		batch = append(batch, api.NewRecord{Value: api.Value{Value: fmt.Appendf(nil, `{"n":%d}`, i)}})
	}
	for range 5 {
		_, err := w.PublishBatch(t.Context(), "big", batch, client.PublishOptions{})
		w.must(err)
	}
	b := newTab(t, w)
	b.open("topics/big/messages?pointer=%2Fn&equals=-1")
	b.see("main", "Scanned 50,000, found 0. That is all.")
}

// The browser's preference decides between light and dark, and the button over it; the choice stays.
func TestDarkMode(t *testing.T) {
	w := smallWorld(t, httpapi.Config{})
	b := newTab(t, w)
	shade := `(() => { const c = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number); return c[0] + c[1] + c[2] < 200 ? "dark" : "light"; })()`
	for _, scheme := range []string{"light", "dark"} {
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
			t.Fatal(err)
		}
		b.open("groups/mailer")
		if got := value[string](b, shade); got != scheme {
			t.Errorf("preferred %s, shown %s", scheme, got)
		}
	}
	b.press("header button", "Light or dark")
	b.holds(shade + ` === "light"`)
	b.open("topics/orders")
	if got := value[string](b, shade); got != "light" {
		t.Error("the choice did not stay")
	}
}

// An action shows its calls, asks, and does it; the page behind follows.
func TestActions(t *testing.T) {
	w := smallWorld(t, httpapi.Config{})
	b := newTab(t, w)
	b.open("groups/mailer")
	b.press(".head button", "Pause")
	b.see("#dialog", "curl -X POST "+w.url+"/v1/groups/mailer/pause")
	b.see("#dialog", "holt group pause mailer")
	b.press("#dialog button", "Pause")
	b.see("#dialog", "paused")
	b.press("#dialog button", "Close")
	if g, err := w.Group(t.Context(), "mailer"); err != nil || !g.Config.Paused {
		t.Errorf("paused: %v, %v", g.Config.Paused, err)
	}
	b.open("groups/mailer/leases")
	b.holds(`(() => { const c = document.querySelector("input[name=at]"); if (c) c.click(); return !!c && c.checked; })()`)
	b.press("#picked button", "Extend…")
	b.see("#dialog", "holt group extend mailer")
	b.fill(`#dialog input[name="for"]`, "10m")
	b.see("#dialog pre", `"for":"10m"`) // what would be done follows what is typed
	b.press("#dialog button", "Extend")
	b.see("#dialog", "Extended 1 lease to 10m")
	b.press("#dialog button", "Close")
	b.see("#list", "9m")
	b.open("groups/mailer")
	b.press(".head button", "Reset…")
	b.see("#dialog", "come again")
	b.fill(`#dialog input[name="to"]`, "nonsense")
	b.see("#dialog .note.warn", "say where")
	b.press("#dialog menu a", "Cancel")
	b.holds(`!document.getElementById("dialog").open`)
}

// The form publishes, and the tail shows it.
func TestPublishAndTail(t *testing.T) {
	w := smallWorld(t, httpapi.Config{})
	b := newTab(t, w)
	b.open("topics/orders/tail?text=otter")
	b.see("#tail-state", "connected")
	d := &demo{world: w, rand: rand.New(rand.NewPCG(7, 8))}
	w.must(d.publish(t.Context(), 40))
	w.must(w.Publish(t.Context(), "orders", client.JSON(map[string]any{"animal": "otter"})))
	b.see(".tail tbody", "otter")
	b.see("#tail-count", "match")
	if n := value[int](b, `document.querySelectorAll(".tail tbody tr").length`); n != 1 {
		t.Errorf("%d rows pass the filter", n)
	}
	b.open("topics/orders/publish")
	b.fill(`textarea[name="value"]`, `{"big": 12345678901234567890, "quote": "it's"}`)
	b.fill(`input[name="key"]`, "me")
	b.see("#commands pre", "12345678901234567890")
	b.press("form.dialog button", "Publish")
	b.see("#dialog", "Published at orders/")
	b.press("#dialog a", "Open the record")
	b.see("#value", "12345678901234567890")
	b.see("#groups", "available")
}

// The session's cookie is not the token, and nothing is shown without it.
func TestLogin(t *testing.T) {
	token := strings.Repeat("t", 24)
	w := newWorld(t, "", httpapi.Config{Tokens: []httpapi.Token{{Secret: token, Rights: httpapi.AllRights}}})
	b := newTab(t, w)
	b.open("groups")
	b.see("h2", "Log in")
	b.fill(`input[name="token"]`, "nonsense")
	b.expect("403 (Forbidden)")
	b.press("button", "Log in")
	b.see(".note", "not one of this server's")
	b.fill(`input[name="token"]`, token)
	b.press("button", "Log in")
	b.see("h1", "Overview")
	if c := value[string](b, `document.cookie`); c != "" {
		t.Errorf("a script can read %q", c)
	}
	b.press("header button", "Log out")
	b.see("h2", "Log in")
}

// A list of available records says which of them wait behind another one of their key, with a link to it.
func TestWaitingBehindAKey(t *testing.T) {
	w := newWorld(t, "", httpapi.Config{})
	ctx := t.Context()
	_, err := w.PutTopic(ctx, "orders", map[string]any{"partitions": 1})
	w.must(err)
	_, err = w.PutGroup(ctx, "billing", map[string]any{"topics": []string{"orders"}, "ordering": "key"})
	w.must(err)
	for _, key := range []string{"stuck", "stuck", "free"} {
		w.must(w.Publish(ctx, "orders", client.Text("x"), client.Key(key)))
	}
	leased, err := w.Lease(ctx, "billing", client.LeaseOptions{})
	w.must(err)
	w.must(w.NackAfter(ctx, "billing", leased[0].Receipt, nil, time.Hour))
	b := newTab(t, w)
	b.open("groups/billing/records?state=available")
	b.see("#list tr", "its key, behind 0/0")
	b.see("#list tr", "a worker")
	b.press("#list a", "0/0")
	b.see("h1", "orders / 0 / 0")
}

// On a phone the navigation is a row that scrolls: the page one is on is in sight.
func TestNavigationShowsWhereOneIs(t *testing.T) {
	b := newTab(t, newWorld(t, "", httpapi.Config{}))
	b.run(chromedp.EmulateViewport(390, 800))
	for _, page := range []string{"history", "", "redrives"} {
		b.open(page)
		b.holds(`document.readyState === "complete" && (() => { const r = document.querySelector("nav.side [aria-current]").getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth; })()`)
	}
}
