package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

var update = flag.Bool("update", false, "write what the scripts of testdata give now into them")

// TestScripts runs the commands of testdata/*.txt against a server in this process, each file with one of its own.
//
//	$ publish emails -o table | read emails   a command line without the program's name; | gives output to the next one
//	< a line                                  of the first one's standard input
//	> a line                                  of the last one's standard output
//	! a line                                  of any one's standard error
//	? 1                                       the exit code, when it is not 0
//
// "until=TEXT" before a command interrupts it when its output holds TEXT.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Setenv("HOLT_SERVER", serveInMemory(t))
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got; -update writes it):\n%s", file, diff)
			}
		})
	}
}

// serveInMemory starts a server over a store in memory and returns its address.
func serveInMemory(t *testing.T) string {
	t.Helper()
	return serveInMemoryWith(t, queue.Limits{})
}

func serveInMemoryWith(t *testing.T, limits queue.Limits) string {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	st := memory.New(memory.Config{})
	b, err := queue.Open(t.Context(), st, queue.Config{Logger: quiet, Version: "test", Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	letters := dlq.New(b, quiet)
	api, err := httpapi.New(b, httpapi.Config{Log: quiet, DeadLetters: letters})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(api)
	t.Cleanup(func() {
		b.Stop()
		s.Close()
		letters.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// runScript returns the script with what its commands gave in place of what they should.
func runScript(t *testing.T, script string) string {
	var out strings.Builder
	lines := strings.Split(strings.TrimSuffix(script, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		fmt.Fprintln(&out, lines[i])
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			continue
		}
		var stdin strings.Builder
		for ; i+1 < len(lines) && lines[i+1] != "" && strings.ContainsRune("<>!?", rune(lines[i+1][0])); i++ {
			if strings.HasPrefix(lines[i+1], "<") {
				fmt.Fprintln(&out, lines[i+1])
				stdin.WriteString(strings.TrimPrefix(strings.TrimPrefix(lines[i+1], "<"), " ") + "\n")
			}
		}
		out.WriteString(runLine(t, command, stdin.String()))
	}
	return out.String()
}

// runLine runs commands joined by pipes and returns their output as a script has it.
func runLine(t *testing.T, line, stdin string) string {
	var out strings.Builder
	var stderr bytes.Buffer
	code := 0
	for _, words := range pipeline(line) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		stdout := &watchedBuffer{}
		if text, ok := strings.CutPrefix(strings.Join(words[:min(1, len(words))], ""), "until="); ok {
			words = words[1:]
			stdout.until, stdout.found = text, cancel
		}
		code = run(ctx, words, strings.NewReader(stdin), stdout, &stderr)
		if ctx.Err() == context.DeadlineExceeded {
			t.Errorf("%s: takes too long", line)
		}
		cancel()
		stdin = stdout.buf.String()
	}
	prefixed(&out, ">", stdin)
	prefixed(&out, "!", stderr.String())
	if code != exitDone {
		fmt.Fprintf(&out, "? %d\n", code)
	}
	return out.String()
}

func prefixed(out *strings.Builder, prefix, text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(constant(text), "\n"), "\n") {
		fmt.Fprintln(out, strings.TrimRight(prefix+" "+line, " "))
	}
}

var varying = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z`), "2006-01-02T15:04:05.000Z"},
	{regexp.MustCompile(`\b[\w-]{60,128}\b-?`), "RECEIPT"},
	{regexp.MustCompile(`"expires_in_ms":( ?)\d+`), `"expires_in_ms":${1}30000`},
	{regexp.MustCompile(`\b(2[5-9]|30)s  +2006`), "30s         2006"}, // until a lease expires
	{regexp.MustCompile(`\b(5m0|4m5\d)s  +2006`), "5m0s        2006"},
	{regexp.MustCompile(`"took_ms":( ?)\d+`), `"took_ms":${1}3`},
	{regexp.MustCompile(`\b\d\.\d{3}s\b`), "0.003s"},
	{regexp.MustCompile(`("(?:oldest_)?age_ms":) ?\d+`), `${1}3`},
	{regexp.MustCompile(`(?m)\boldest \ds$`), "oldest 0s"},
	{regexp.MustCompile(`(?m)\b\ds( +\d+ +\S+ +\S+)$`), "0s$1"}, // OLDEST of holt top
	{regexp.MustCompile(`127\.0\.0\.1:\d{4,5}`), "SERVER"},
	{regexp.MustCompile(`\b[0-9a-f]{19}\b`), "0123456789abcdef012"},
	{regexp.MustCompile(`go1\.[\w.]+`), "GO"},
	{regexp.MustCompile(`"commit":"\w+",`), ""},
	{regexp.MustCompile(`\b\d+\.\d/s`), "0.0/s"}, // a rate
	{regexp.MustCompile(`(export/\w+/\d+/\d+)/\d{13}`), "${1}/TIME"},
	{regexp.MustCompile(`(?m)^(holt: .*?[a-z]+_[a-z_]+: ).*`), "${1}…"}, // a problem's detail is the server's affair
}

// constant replaces what differs from run to run.
func constant(s string) string {
	for _, v := range varying {
		s = v.what.ReplaceAllString(s, v.with)
	}
	return s
}

// watchedBuffer calls found when until was written.
type watchedBuffer struct {
	buf   bytes.Buffer
	until string
	found func()
}

func (w *watchedBuffer) Write(p []byte) (int, error) {
	n, err := w.buf.Write(p)
	if w.found != nil && strings.Contains(w.buf.String(), w.until) {
		w.found()
	}
	return n, err
}

// pipeline splits a command line as a shell does: words, '…', "…", \x, and | between commands.
func pipeline(line string) (commands [][]string) {
	commands = [][]string{nil}
	var word strings.Builder
	started, quote := false, rune(0)
	end := func() {
		if started {
			last := len(commands) - 1
			commands[last] = append(commands[last], word.String())
			word.Reset()
			started = false
		}
	}
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == '|':
			end()
			commands = append(commands, nil)
		case r == ' ':
			end()
		default:
			word.WriteRune(r)
			started = true
		}
	}
	end()
	return commands
}
