package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/holtmq/holt/client/api"
)

// Output formats.
const (
	formatTable  = "table"
	formatJSON   = "json"   // one document: an array, or an object where there is one thing only
	formatNDJSON = "ndjson" // an object a line
	formatName   = "name"   // what the other commands take as argument, one a line
)

const (
	maxCell   = 100 // characters of a table's cell
	leastCell = 24  // to which a terminal that is too narrow may shrink it: a time has so many
)

func (a *app) checkFormat() error {
	if a.asJSON {
		if a.format != "" && a.format != formatJSON {
			return usagef("--json and -o %s exclude each other", a.format)
		}
		a.format = formatJSON
	}
	switch a.format {
	case "":
		a.format = formatNDJSON
		if isTerminal(a.stdout) {
			a.format = formatTable
		}
	case formatTable, formatJSON, formatNDJSON, formatName:
	default:
		return usagef("output format %q: table, json, ndjson or name", a.format)
	}
	return nil
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// row is one thing to print.
type row struct {
	name  string
	value any      // for JSON
	cells []string // for tables
}

// printer writes rows in the format that was asked for.
type printer struct {
	app    *app
	header []string
	rows   [][]string
	json   io.Writer
	count  int
	crop   bool // a table's lines end at the terminal's edge, whatever they lose by it
}

// newPrinter prints things with these columns. Every add is followed by one end.
func (a *app) newPrinter(header ...string) *printer {
	p := &printer{app: a, header: header, json: a.stdout}
	if isTerminal(a.stdout) {
		p.json = jsonEscaper{a.stdout}
	}
	return p
}

func (p *printer) add(r row) error {
	p.count++
	switch p.app.format {
	case formatTable:
		p.rows = append(p.rows, r.cells)
		return nil
	case formatName:
		_, err := fmt.Fprintln(p.app.stdout, plain(r.name))
		return err
	case formatJSON:
		before := ",\n"
		if p.count == 1 {
			before = "[\n"
		}
		if _, err := io.WriteString(p.json, before); err != nil {
			return err
		}
		return p.encode(r.value, "  ", "")
	}
	return p.encode(r.value, "", "\n")
}

// end finishes the output.
func (p *printer) end() error {
	switch p.app.format {
	case formatTable:
		return p.app.tableWithin(p.header, p.rows, p.crop)
	case formatJSON:
		after := "\n]\n"
		if p.count == 0 {
			after = "[]\n"
		}
		_, err := io.WriteString(p.json, after)
		return err
	}
	return nil
}

// one prints a single thing: in JSON an object, in a table what show writes.
func (a *app) one(r row, show func() error) error {
	p := a.newPrinter()
	switch a.format {
	case formatTable:
		return show()
	case formatJSON:
		return p.encode(r.value, "", "\n")
	}
	return p.add(r)
}

func (p *printer) encode(v any, indent, after string) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if p.app.format == formatJSON {
		enc.SetIndent(indent, "  ")
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(p.json, indent+strings.TrimSuffix(b.String(), "\n")+after)
	return err
}

// table writes rows under a header, without rules: columns are for eyes and for cut. On a terminal that is too narrow columns of long texts give way, but
// never the first one, which is what other commands take.
func (a *app) table(header []string, rows [][]string) error {
	return a.tableWithin(header, rows, false)
}

// tableWithin is table; with crop the first column gives way, too, and so does the end of each line: none takes two.
func (a *app) tableWithin(header []string, rows [][]string, crop bool) error {
	if len(rows) == 0 {
		return nil
	}
	widths := make([]int, len(header))
	lines := make([][]string, 0, len(rows)+1)
	for _, r := range append([][]string{header}, rows...) {
		line := make([]string, len(r))
		for i, cell := range r {
			line[i] = short(plain(cell))
			widths[i] = max(widths[i], uniseg.StringWidth(line[i]))
		}
		lines = append(lines, line)
	}
	room := terminalWidth(a.stdout)
	if room > 0 {
		shrink(widths, room, crop)
	}
	bold, end := "", ""
	if isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "" {
		bold, end = "\x1b[1m", "\x1b[0m"
	}
	var b strings.Builder
	for i, line := range lines {
		text := align(line, widths)
		if crop && room > 0 {
			text = clip(text, room)
		}
		if i == 0 {
			text = bold + text + end
		}
		b.WriteString(text + "\n")
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// align pads cells to their columns' widths on a terminal.
func align(cells []string, widths []int) string {
	var b strings.Builder
	for i, c := range cells {
		c = clip(c, widths[i])
		b.WriteString(c)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-uniseg.StringWidth(c)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// shrink makes columns narrower, the widest first, until they have room or none is left that may be; the first one only if it may.
func shrink(widths []int, room int, first bool) {
	total := -2
	for _, w := range widths {
		total += w + 2
	}
	from := 1
	if first {
		from = 0
	}
	for ; total > room; total-- {
		widest := -1
		for i := from; i < len(widths); i++ {
			if widths[i] > leastCell && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// clip cuts a text to a width on a terminal, with a mark.
func clip(s string, width int) string {
	if uniseg.StringWidth(s) <= width {
		return s
	}
	var b strings.Builder
	for g, left := uniseg.NewGraphemes(s), width-1; g.Next() && g.Width() <= left; left -= g.Width() {
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}

// terminalWidth is how many columns a terminal has; 0: it is none, or does not say.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// fields writes names and values, a line each.
func (a *app) fields(pairs ...string) error {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		width = max(width, len(pairs[i]))
	}
	for i := 0; i < len(pairs); i += 2 {
		if _, err := fmt.Fprintf(a.stdout, "%-*s  %s\n", width, pairs[i], plain(pairs[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// short cuts what is too long for a cell.
func short(s string) string {
	if r := []rune(s); len(r) > maxCell {
		return string(r[:maxCell-1]) + "…"
	}
	return s
}

func showTime(t api.Time) string {
	if time.Time(t).IsZero() {
		return "-"
	}
	return time.Time(t).UTC().Format(api.TimeFormat)
}

func showTimePointer(t *api.Time) string {
	if t == nil {
		return "-"
	}
	return showTime(*t)
}

// showBytes writes a size for people, as in "1.5 MiB".
func showBytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 4 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}

func showNumber[T int | int64](n T) string { return fmt.Sprint(n) }

func showList(s []string) string {
	if len(s) == 0 {
		return "-"
	}
	return strings.Join(s, ",")
}
