package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long anything in the browser may take; nothing waits so long unless the machine is busy. HOLT_BROWSER_PATIENCE changes it.
var patience = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("HOLT_BROWSER_PATIENCE")); err == nil {
		return d
	}
	return 60 * time.Second
}()

// tab is a page of a browser of its own, with what went wrong in it.
type tab struct {
	ctx context.Context
	t   *testing.T
	url string

	mu      sync.Mutex
	faults  []string // errors on the console, dialogs, requests to elsewhere
	allowed []string // parts of faults that are expected
}

// newTab opens a browser in a fresh profile. Without HOLT_BROWSER=1 the test is skipped, loudly.
func newTab(t *testing.T, w *world) *tab {
	t.Helper()
	if os.Getenv("HOLT_BROWSER") != "1" {
		t.Skip("LEFT OUT: the console is not driven in a browser; run scripts/browser, or set HOLT_BROWSER=1 with chromium installed")
	}
	var binary string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			binary = p
			break
		}
	}
	if binary == "" {
		t.Fatal("HOLT_BROWSER=1, but there is no chromium: scripts/browser installs it")
	}
	opts := []chromedp.ExecAllocatorOption{chromedp.ExecPath(binary), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1360, 900)}
	for _, f := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars"} {
		opts = append(opts, chromedp.Flag(f, true))
	}
	alloc, closeAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &tab{ctx: ctx, t: t, url: w.url + "/console/"}
	t.Cleanup(func() {
		cancel()
		closeAlloc()
		for _, f := range b.wrong() {
			t.Errorf("in the browser: %s", f)
		}
	})
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	if err := enable(ctx); err != nil {
		t.Fatalf("listen to the browser: %v", err)
	}
	return b
}

// enable turns on the events that listen looks at.
func enable(ctx context.Context) error {
	_, err1 := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	_, err2 := chromedp.Call(ctx, log.Enable, cdp.Empty{})
	_, err3 := chromedp.Call(ctx, runtime.Enable, cdp.Empty{})
	_, err4 := chromedp.Call(ctx, page.Enable, page.EnableParams{})
	return errors.Join(err1, err2, err3, err4)
}

func (b *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var words []string
			for _, a := range e.Args {
				words = append(words, fmt.Sprint(a.Value), a.Description)
			}
			b.fault("console: " + strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		b.fault("exception: " + fmt.Sprintf("%+v", *e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.fault("log: " + e.Entry.Text + " " + e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		b.fault("dialog: " + e.Message)
		go func() {
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, strings.TrimSuffix(b.url, "console/")) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "about:") && !strings.HasPrefix(u, "chrome:") {
			b.fault("request to elsewhere: " + u)
		}
	}
}

func (b *tab) fault(text string) {
	b.mu.Lock()
	b.faults = append(b.faults, text)
	b.mu.Unlock()
}

// expect lets faults with this text pass.
func (b *tab) expect(text string) {
	b.mu.Lock()
	b.allowed = append(b.allowed, text)
	b.mu.Unlock()
}

func (b *tab) wrong() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
next:
	for _, f := range b.faults {
		for _, a := range b.allowed {
			if strings.Contains(f, a) {
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}

// run does steps; they must not take longer than patience.
func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.failed(err.Error())
	}
}

// failed ends the test, with what the page shows.
func (b *tab) failed(why string) {
	b.t.Helper()
	body, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 1500)`))
	b.t.Fatalf("%s, at %s", why, body)
}

// value evaluates an expression.
func value[T any](b *tab, expr string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expr))
	if err != nil {
		b.failed(fmt.Sprintf("%s: %v", expr, err))
	}
	return v
}

// open goes to a page of the console.
func (b *tab) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.url + path))
	b.holds(`!!document.querySelector("main")`)
}

// holds waits until an expression is true.
func (b *tab) holds(expr string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expr))
		if ok && err == nil { // an error: the page is just changing
			return
		}
		select {
		case <-ctx.Done():
			b.failed(fmt.Sprintf("never true: %s (%v)", expr, err))
		case <-tick.C:
		}
	}
}

// see waits until an element has a text.
func (b *tab) see(sel, text string) {
	b.t.Helper()
	b.holds(fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, sel, text))
}

// settled waits until htmx has finished with the page: before that nobody listens to new elements.
func (b *tab) settled() {
	b.t.Helper()
	b.holds(`document.readyState === "complete" && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")`)
}

// press clicks the first button or link with this text in an element.
func (b *tab) press(sel, text string) {
	b.t.Helper()
	b.see(sel, text)
	b.settled()
	b.holds(fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%q)].find(e => e.matches("a,button") && e.innerText.trim() === %q && e.checkVisibility()); if (e) e.click(); return !!e; })()`, sel, text))
}

// fill sets a field, as typing does.
func (b *tab) fill(sel, text string) {
	b.t.Helper()
	b.settled()
	b.holds(fmt.Sprintf(`(() => { const e = document.querySelector(%q); if (!e) return false; e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`, sel, text))
}
