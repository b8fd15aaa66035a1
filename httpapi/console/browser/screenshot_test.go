package browser

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/holtmq/holt/httpapi"
)

// maxPicture is how large a picture may be, in bytes.
const maxPicture = 200 << 10

// TestScreenshots makes the pictures of docs/screenshots: with HOLT_SCREENSHOTS, a folder to put them in. HOLT_SCREENSHOTS_AFTER (as in 90s) is how long the
// demo works before.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("HOLT_SCREENSHOTS")
	if dir == "" {
		t.Skip("LEFT OUT: no pictures are made; scripts/screenshots makes them")
	}
	after := 45 * time.Second
	if s := os.Getenv("HOLT_SCREENSHOTS_AFTER"); s != "" {
		var err error
		if after, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, t.TempDir(), httpapi.Config{Environment: "staging"})
	d := &demo{world: w, rand: rand.New(rand.NewPCG(1, 2))}
	if err := d.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { d.run(ctx) })
	defer working.Wait()
	defer stop()
	b := newTab(t, w)
	if _, err := chromedp.Call(b.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-time.After(after):
	case <-t.Context().Done():
	}
	for _, shot := range shots {
		if only := os.Getenv("HOLT_SCREENSHOTS_ONLY"); only != "" {
			if ok, _ := filepath.Match(only, shot.name); !ok {
				continue
			}
		}
		b.take(dir, shot)
	}
}

// shot is one picture: a page, how wide it is shown, and in which theme.
type shot struct {
	name, path  string
	width, high int
	theme       string
	do          func(b *tab)
}

var shots = []shot{
	{name: "overview", path: ""},
	{name: "overview-dark", path: "", theme: "dark"},
	{name: "overview-phone", path: "", width: 390, high: 844},
	{name: "topics", path: "topics"},
	{name: "topic", path: "topics/orders"},
	{name: "messages", path: "topics/emails/messages?partition=1&from=oldest"},
	{name: "message", path: "topics/orders/messages/0/3"},
	{name: "publish", path: "topics/orders/publish"},
	{name: "groups", path: "groups"},
	{name: "group", path: "groups/mailer"},
	{name: "group-dark", path: "groups/thumbnails", theme: "dark"},
	{name: "group-phone", path: "groups/mailer", width: 390, high: 844},
	{name: "leases", path: "groups/thumbnails/leases"},
	{name: "records", path: "groups/mailer/records?state=deferred"},
	{name: "letters", path: "groups/mailer/letters"},
	{name: "letter", path: "groups/mailer/letters", do: func(b *tab) {
		b.holds(`(() => { const a = [...document.querySelectorAll("#picked tbody tr")].find(r => r.innerText.includes("TemplateError")) || document.querySelector("#picked tbody tr"); if (a) a.querySelector("td a").click(); return !!a; })()`)
		b.holds(`!!document.querySelector("#fix textarea")`)
	}},
	{name: "redrive", path: "groups/billing/letters", do: func(b *tab) {
		b.press("#picked button", "Redrive…")
		b.see("#dialog", "This redrives")
		b.fill(`#dialog input[name="rate"]`, "2")
		b.press("#dialog button", "Redrive")
		b.press("#dialog a", "Watch it")
		b.holds(`(() => { const v = document.querySelectorAll("#progress .tile .v")[2]; return !!v && Number(v.innerText) > 3; })()`)
	}},
	{name: "ordered", path: "groups/audit-export"},
	{name: "topology", path: "topology"},
	{name: "history", path: "history?span=1h"},
	{name: "schedules", path: "schedules"},
	{name: "scheduled", path: "topics/emails/scheduled"},
	{name: "reference", path: "reference", do: func(b *tab) {
		b.holds(`(() => { const d = document.getElementById("lease"); if (d) d.open = true; return !!d; })()`)
		b.holds(`(() => { [...document.querySelectorAll("main > section.panel")].slice(0, 4).forEach(e => e.remove()); return true; })()`)
	}},
	{name: "tail", path: "topics/orders/tail", do: func(b *tab) { b.holds(`document.querySelectorAll(".tail tbody tr").length > 25`) }},
	{name: "reset", path: "groups/billing", do: func(b *tab) { b.press(".head .act button", "Reset…"); b.see("#dialog", "at attempt 1") }},
}

// take makes one picture, as a PNG with 255 colours, which these pages hardly need.
func (b *tab) take(dir string, s shot) {
	b.t.Helper()
	width, high := s.width, s.high
	if width == 0 {
		width, high = 1360, 900
	}
	b.run(chromedp.EmulateViewport(int64(width), int64(high), chromedp.EmulateScale(1)))
	scheme := "light"
	if s.theme != "" {
		scheme = s.theme
	}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
		b.t.Fatal(err)
	}
	b.open(s.path)
	b.holds(`document.readyState === "complete" && [...document.querySelectorAll("[data-chart]")].every(e => e.childElementCount || e.textContent)`)
	if s.do != nil {
		s.do(b)
	}
	clip := &page.Viewport{X: 0, Y: 0, Width: float64(width), Height: float64(high), Scale: 1}
	if s.do == nil {
		clip.Height = float64(min(value[int](b, `Math.ceil(document.documentElement.scrollHeight)`), 1400))
	}
	picture, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		beyond := true
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng, Clip: clip, CaptureBeyondViewport: &beyond})
		if err != nil {
			return nil, err
		}
		return r.Data, nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	small, err := compress(picture)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(small) > maxPicture {
		b.t.Errorf("%s has %d bytes, more than %d", s.name, len(small), maxPicture)
	}
	if err := os.WriteFile(filepath.Join(dir, s.name+".png"), small, 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.t.Log(fmt.Sprintf("%s.png %s KiB", s.name, strconv.Itoa(len(small)>>10)))
}

// compress writes a picture with a palette of its own most frequent colours.
func compress(data []byte) ([]byte, error) {
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := image.NewPaletted(img.Bounds(), paletteOf(img))
	index := map[color.Color]uint8{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			c := img.At(x, y)
			i, ok := index[c]
			if !ok {
				i = uint8(out.Palette.Index(c))
				index[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out)
	return b.Bytes(), err
}

// paletteOf is the 256 most frequent colours, each of which stands for those close to it.
func paletteOf(img image.Image) color.Palette {
	count := map[color.RGBA]int{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			count[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}]++
		}
	}
	var p color.Palette
	for apart := 9; len(p) < 256 && apart >= 0; apart -= 3 {
		for len(p) < 256 {
			best, n := color.RGBA{}, 0
			for c, k := range count {
				if k > n || k == n && n > 0 && less(c, best) {
					best, n = c, k
				}
			}
			if n == 0 {
				break
			}
			p = append(p, best)
			for c := range count {
				if distance(c, best) <= apart {
					delete(count, c)
				}
			}
		}
	}
	return p
}

func less(a, b color.RGBA) bool {
	return int(a.R)<<16|int(a.G)<<8|int(a.B) < int(b.R)<<16|int(b.G)<<8|int(b.B)
}

func distance(a, b color.RGBA) int {
	d := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return d(a.R, b.R) + d(a.G, b.G) + d(a.B, b.B)
}
