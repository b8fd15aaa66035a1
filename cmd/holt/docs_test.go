package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// commandVariable set: this test binary is the program, as documents call it. What is HOLT_… in the environment does not go to child processes.
const commandVariable = "TEST_HOLT_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// block is a fenced block of a document.
type block struct {
	line int // of its fence
	text string
}

// endOfFile ends a file that stands in a document, in the script that writes it.
const endOfFile = "END_OF_FILE"

// interpreters run programs that stand in documents. A machine need not have them.
var interpreters = []string{"python3", "node"}

// shellBlocks returns the blocks of a document that say they are sh, and those that name a file after their language, as scripts that write it. What must not run stands in
// ```console.
func shellBlocks(t *testing.T, file string) (out []block) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fence := ""
	for n, line := range strings.SplitAfter(string(b), "\n") {
		text := strings.TrimSpace(line)
		switch {
		case fence == "" && strings.HasPrefix(text, "```"):
			if fence = strings.TrimPrefix(text, "```"); fence == "" {
				fence = "text"
			}
			_, into, isFile := strings.Cut(fence, " ")
			switch {
			case fence == "sh":
				out = append(out, block{line: n + 1})
			case isFile:
				out = append(out, block{n + 1, fmt.Sprintf("cat >%s <<'%s'\n", into, endOfFile)})
			}
		case text == "```":
			if strings.Contains(fence, " ") {
				out[len(out)-1].text += endOfFile + "\n"
			}
			fence = ""
		case fence == "sh" || strings.Contains(fence, " "):
			out[len(out)-1].text += line
		}
	}
	return out
}

// reading is what runs a document: a server over a directory of its own, an empty working directory, and programs that stand before the system's.
type reading struct {
	dir     string
	address string
	env     []string
}

// read makes a reading. tools are shell scripts by name.
func read(t *testing.T, tools map[string]string) *reading {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{dir: t.TempDir()}
	address, stop := serveDir(t, filepath.Join(r.dir, "data"))
	t.Cleanup(stop)
	r.address = address
	bin, work := filepath.Join(r.dir, "bin"), filepath.Join(r.dir, "work")
	for _, d := range []string{bin, work} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tools["holt"] = fmt.Sprintf(`case ${1-} in serve|demo|bench) echo "a block in sh must not call holt $1: write it as console" >&2; exit 1 ;; esac
%s=1 exec %q "$@"
`, commandVariable, self)
	for name, text := range tools {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOLT_SERVER="+address, "HOLT_TOKEN=", "DOCS_DIR="+r.dir)
	return r
}

// run runs a script in the working directory and returns what it wrote.
func (r *reading) run(t *testing.T, script string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir, cmd.Env, cmd.WaitDelay = filepath.Join(r.dir, "work"), r.env, time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("NOT CHECKED: the documents call %s, which is not installed", p)
		}
	}
}

// TestDocsRun runs every sh block of the README and of the how-tos, in order, as one script a document: each command must succeed. A line
// "# prints: TEXT" after a command asks for TEXT in what the document has printed since the last such line.
func TestDocsRun(t *testing.T) {
	needs(t, "sh", "curl")
	files, err := filepath.Glob("../../docs/howto/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no how-tos: %v", err)
	}
	for _, file := range append(files, "../../README.md") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".md"), func(t *testing.T) {
			t.Parallel()
			blocks := shellBlocks(t, file)
			if len(blocks) == 0 {
				t.Skip("it has nothing to run")
			}
			for _, b := range blocks {
				for _, program := range interpreters {
					if strings.Contains(b.text, program+" ") {
						needs(t, program)
					}
				}
			}
			// A published README speaks of the default address.
			r := read(t, map[string]string{"curl": fmt.Sprintf("exec %s --fail-with-body -sS %s\n", quietly("curl"), `"$@"`)})
			var script strings.Builder
			script.WriteString("set -eu\n")
			for _, b := range blocks {
				fmt.Fprintf(&script, "echo '=== %s:%d'\n%s\n", filepath.Base(file), b.line, b.text)
			}
			out, err := r.run(t, strings.ReplaceAll(script.String(), "localhost:4658", strings.TrimPrefix(r.address, "http://")))
			if err != nil {
				t.Fatalf("%s: %v; it wrote:\n%s", file, err, out)
			}
			for _, b := range blocks {
				checkPrinted(t, file, b, out)
			}
		})
	}
}

// quietly is the path of a program of the system, for a script that stands before it.
func quietly(program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return program
	}
	return path
}

// checkPrinted looks for what a block says that it prints.
func checkPrinted(t *testing.T, file string, b block, out string) {
	t.Helper()
	_, printed, _ := strings.Cut(out, fmt.Sprintf("=== %s:%d\n", filepath.Base(file), b.line))
	printed, _, _ = strings.Cut(printed, "\n=== ")
	for line := range strings.SplitSeq(b.text, "\n") {
		want, ok := strings.CutPrefix(strings.TrimSpace(line), "# prints: ")
		if !ok {
			continue
		}
		_, after, found := strings.Cut(printed, want)
		if !found {
			t.Errorf("%s:%d: %q was not printed, but\n%s", file, b.line, want, printed)
			return
		}
		printed = after
	}
}

// whereExamplesStop are codes that an example of the API's guide may get: it names receipts and places that are not there.
var whereExamplesStop = []string{"invalid_receipt", "record_not_found", "partition_not_found", "group_not_found", "topic_not_found", "schedule_not_found", "member_not_found",
	"dead_letter_not_found", "redrive_not_found", "fenced", "group_in_use", "topic_in_use", "offset_out_of_range", "already_settled", "lease_lost", "group_kind_mismatch", "rebalancing"}

// TestGuideOfTheAPI makes every curl call of docs/HTTP-API.md: no route, field, parameter or value in it may be one that the server does not know.
func TestGuideOfTheAPI(t *testing.T) {
	needs(t, "sh", "curl")
	// Long polls do not wait, streams (curl -N) end when they have begun, and each call's status and answer are noted down.
	shim := fmt.Sprintf(`stream=
for a in "$@"; do
	if [ "$a" = -N ]; then stream=1; fi
	shift
	a=$(printf '%%s' "$a" | sed -e "s#localhost:4658#$HOLT_HOST#" -e 's/"wait":"[0-9]*s"/"wait":"0s"/g' -e 's/wait=[0-9]*s/wait=0s/')
	set -- "$@" "$a"
done
rm -f "$DOCS_DIR/head" "$DOCS_DIR/body"
%s -sS -m 60 -D "$DOCS_DIR/head" -o "$DOCS_DIR/body" "$@" </dev/null 2>/dev/null &
while [ -n "$stream" ] && [ ! -s "$DOCS_DIR/head" ] && kill -0 $! 2>/dev/null; do sleep 0.1; done
if [ -n "$stream" ]; then kill $! 2>/dev/null; fi
wait $!
status=$(sed -n 's#^HTTP/[0-9.]* \([0-9]*\).*#\1#p' "$DOCS_DIR/head" | tail -n 1)
printf '%%s\t%%s\t%%s\n' "${status:-000}" "$(head -c 600 "$DOCS_DIR/body" 2>/dev/null | tr '\n\t' '  ')" "$(printf '%%s ' "$@" | tr '\n\t' '  ')" >>"$DOCS_DIR/calls"
`, quietly("curl"))
	r := read(t, map[string]string{"curl": shim})
	r.env = append(r.env, "HOLT_HOST="+strings.TrimPrefix(r.address, "http://"))
	for name, text := range map[string]string{"records.ndjson": `{"value":1}` + "\n", "letter.txt": "hello"} {
		if err := os.WriteFile(filepath.Join(r.dir, "work", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var script strings.Builder
	for _, b := range shellBlocks(t, "../../docs/HTTP-API.md") {
		script.WriteString(b.text + "\n")
	}
	out, err := r.run(t, script.String())
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(filepath.Join(r.dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	calls := 0
	for s := bufio.NewScanner(f); s.Scan(); calls++ {
		status, rest, _ := strings.Cut(s.Text(), "\t")
		body, args, _ := strings.Cut(rest, "\t")
		if code, err := strconv.Atoi(status); err == nil && code >= 200 && code < 300 {
			continue
		}
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal([]byte(body), &problem)
		if !slices.Contains(whereExamplesStop, problem.Code) {
			t.Errorf("curl %s\n\tanswered %s %s", args, status, body)
		}
	}
	if calls < 50 {
		t.Errorf("only %d calls were made", calls)
	}
}
