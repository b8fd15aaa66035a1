package console

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue/catalog"
)

// formats are the functions of the templates: each number has its unit, and one way to be written.
var formats = template.FuncMap{
	"num": num, "compact": compact, "bytes": bytesText, "rate": rate, "growth": growth, "trend": trend, "some": func(f float64) bool { return f > 0 }, "backoff": backoffText, "age": age, "ago": ago, "until": until, "dur": durationText, "stamp": stamp, "clock": clock,
	"clip": clip, "plural": plural, "pct": percent, "dict": dict, "list": func(all ...any) []any { return all }, "add": func(a, b int) int { return a + b },
	"act": newButton, "lower": strings.ToLower, "time": func(t api.Time) time.Time { return time.Time(t) }, "timep": timeOf, "str": textOf, "has": strings.Contains,
	"sub64": func(a, b int64) int64 { return a - b }, "sub": about, "pctint": func(a, b int) string { return percent(int64(a), int64(b)) }, "qty": quantity, "inline": inline, "paragraphs": paragraphs, "gtext": func(text string) int { return 17 + 8*btoi(text == "") }, "withq": func(q url.Values, kv ...string) template.URL { return template.URL(with(q, kv...)) }, "query": func(s string) template.URL { return template.URL(s) }, "soon": soon, "with4": goOn, "ribbonWidth": func(r ribbonView) int64 { return max((r.To-r.From+r.Width-1)/max(r.Width, 1), 1) },
}

// num writes a whole number with separators between thousands.
func num(n any) string {
	var i int64
	switch n := n.(type) {
	case int:
		i = int64(n)
	case int64:
		i = n
	case uint64:
		i = int64(min(n, math.MaxInt64))
	case uint32:
		i = int64(n)
	default:
		return fmt.Sprint(n)
	}
	s := strconv.FormatInt(i, 10)
	sign := ""
	if i < 0 {
		sign, s = "−", s[1:]
	}
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return sign + s
}

// compact writes a number in at most five characters, as in "12.3k".
func compact(n any) string {
	f, ok := asFloat(n)
	if !ok {
		return fmt.Sprint(n)
	}
	for _, u := range []struct {
		at   float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(f) >= u.at {
			div := u.at
			if u.name == "k" {
				div = 1e3
			}
			return trimFloat(f/div, 3) + u.name
		}
	}
	return num(int64(math.Round(f)))
}

func asFloat(n any) (float64, bool) {
	switch n := n.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// trimFloat writes a number with that many significant digits, without zeros at the end.
func trimFloat(f float64, digits int) string {
	decimals := max(digits-1-int(math.Floor(math.Log10(math.Max(math.Abs(f), 1)))), 0)
	s := strconv.FormatFloat(f, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// bytesText writes an amount of bytes in units of 1,024; −1 is not known.
func bytesText(n any) string {
	f, ok := asFloat(n)
	if !ok {
		return fmt.Sprint(n)
	}
	if f < 0 {
		return "–"
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	return trimFloat(f, 3) + " " + units[i]
}

// rate writes a number per second.
func rate(f float64) string {
	switch {
	case math.IsNaN(f):
		return "–"
	case f == 0:
		return "0"
	case math.Abs(f) < 0.05:
		return "<0.1"
	case math.Abs(f) < 100:
		return strings.Replace(trimFloat(f, 2+btoi(math.Abs(f) >= 10)), "-", "−", 1)
	default:
		return strings.Replace(compact(f), "-", "−", 1)
	}
}

const steadyRate = 0.05 // per second: less is no growth worth a word

// growth writes a rate with its sign, trend in a word or two.
func growth(f float64) string {
	if f > steadyRate {
		return "+" + rate(f)
	}
	return rate(f)
}

func trend(f float64) string {
	switch {
	case math.IsNaN(f):
		return "–"
	case f > steadyRate:
		return "growing " + rate(f) + "/s"
	case f < -steadyRate:
		return "shrinking " + rate(-f) + "/s"
	}
	return "steady"
}

// backoffText writes a group's backoff as in "1s × 2 up to 10m, ± 20 %" or "1s, 10s, 5m".
func backoffText(b catalog.Backoff) string {
	if len(b.Steps) > 0 {
		steps := make([]string, len(b.Steps))
		for i, s := range b.Steps {
			steps[i] = durationText(api.Duration(s))
		}
		return strings.Join(steps, ", ") + spread(b.Jitter)
	}
	return fmt.Sprintf("%s × %s up to %s%s", durationText(api.Duration(b.Initial)), trimFloat(b.Multiplier, 3), durationText(api.Duration(b.Max)), spread(b.Jitter))
}

func spread(jitter float64) string {
	if jitter == 0 {
		return ""
	}
	return ", ± " + trimFloat(100*jitter, 3) + " %"
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// age writes how long it is in two units at most, "–" when it is not known.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "–"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return trimFloat(d.Seconds(), 2) + " s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return pair(int(d.Minutes()), "m", int(d.Seconds())%60, "s")
	case d < 24*time.Hour:
		return pair(int(d.Hours()), "h", int(d.Minutes())%60, "m")
	default:
		return pair(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
	}
}

func pair(a int, x string, b int, y string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, x)
	}
	return fmt.Sprintf("%d%s %d%s", a, x, b, y)
}

// durationText writes a configured length of time as the API does.
func durationText(d any) string {
	switch d := d.(type) {
	case api.Duration:
		if d == 0 {
			return "0s"
		}
		return d.String()
	case time.Duration:
		return age(d)
	}
	return fmt.Sprint(d)
}

// ago and until write the distance of a time from now.
func ago(now time.Time, t any) string {
	at, ok := timeAny(t)
	if !ok {
		return "–"
	}
	if d := now.Sub(at); d >= 0 {
		return age(d)
	}
	return "0 ms"
}

func until(now time.Time, t any) string {
	at, ok := timeAny(t)
	if !ok {
		return "–"
	}
	if d := at.Sub(now); d >= 0 {
		return age(d)
	}
	return "now"
}

func timeAny(t any) (time.Time, bool) {
	switch t := t.(type) {
	case time.Time:
		return t, !t.IsZero()
	case api.Time:
		return time.Time(t), !time.Time(t).IsZero()
	case *api.Time:
		if t == nil {
			return time.Time{}, false
		}
		return time.Time(*t), true
	}
	return time.Time{}, false
}

func timeOf(t *api.Time) time.Time {
	at, _ := timeAny(t)
	return at
}

// stamp writes a time in full; clock only its time of day.
func stamp(t any) string {
	at, ok := timeAny(t)
	if !ok {
		return "–"
	}
	return at.UTC().Format("2006-01-02 15:04:05.000 UTC")
}

func clock(t any) string {
	at, ok := timeAny(t)
	if !ok {
		return "–"
	}
	return at.UTC().Format("15:04:05.000")
}

// clip cuts a text to n characters, with a mark.
func clip(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}

func plural(n any, one, many string) string {
	if s := num(n); s != "1" {
		return s + " " + many
	}
	return "1 " + one
}

func percent(part, whole int64) string {
	switch {
	case whole == 0:
		return "–"
	case part == whole:
		return "100 %"
	}
	f := 100 * float64(part) / float64(whole)
	if f > 0 && f < 0.1 {
		return "<0.1 %"
	}
	return trimFloat(min(f, 99.9), 3) + " %"
}

// dict makes a map of names and values by turns, for templates that take several.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// paragraphs splits a text at empty lines.
func paragraphs(s string) (out []string) {
	for _, p := range strings.Split(s, "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// amount is a text as in "1.7 ms" or "12m 19s", taken apart: its second part is written small.
type amount struct{ Number, Unit string }

func quantity(s string) amount {
	number, unit, _ := strings.Cut(s, " ")
	return amount{number, unit}
}

// inline splits a line of Markdown into plain text, code and bold.
func inline(s string) (out []token) {
	for s != "" {
		i := strings.IndexAny(s, "`*")
		mark := ""
		switch {
		case i < 0:
			return append(out, token{"", s})
		case s[i] == '`':
			mark = "`"
		case strings.HasPrefix(s[i:], "**"):
			mark = "**"
		}
		end := -1
		if mark != "" {
			end = strings.Index(s[i+len(mark):], mark)
		}
		if end < 0 {
			out, s = append(out, token{"", s[:i+1]}), s[i+1:]
			continue
		}
		class := map[string]string{"`": "code", "**": "b"}[mark]
		out = append(out, token{"", s[:i]}, token{class, s[i+len(mark) : i+len(mark)+end]})
		s = s[i+2*len(mark)+end:]
	}
	return out
}
