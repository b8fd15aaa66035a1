package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEditsInAnEditor edits a dead letter by scripts in the place of an editor.
func TestEditsInAnEditor(t *testing.T) {
	t.Setenv("HOLT_SERVER", serveInMemory(t))
	dir, drafts := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", drafts)
	holt := func(stdin string, words ...string) (stdout, stderr string, code int) {
		t.Helper()
		var out, fault bytes.Buffer
		code = run(t.Context(), words, strings.NewReader(stdin), &out, &fault)
		return out.String(), fault.String(), code
	}
	must := func(stdin string, words ...string) string {
		t.Helper()
		out, fault, code := holt(stdin, words...)
		if code != 0 {
			t.Fatalf("holt %v: exit code %d: %s", words, code, fault)
		}
		return strings.TrimSpace(out)
	}
	script := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	must("", "topic", "create", "jobs", "--partitions", "1")
	must("", "group", "create", "g", "--topic", "jobs")
	must("", "publish", "jobs", `{"n":1}`, "-H", "by:hand")
	must(must("", "lease", "g", "-o", "name"), "reject", "g", "-")
	id := must("", "dead-letters", "ls", "g", "-o", "name")

	change := script("change", `[ "$1" = --wait ] && sed 's/"n": *1/"n": 11/' "$2" >"$2.new" && mv "$2.new" "$2"`)
	for _, c := range []struct {
		name, visual, editor string
		code                 int
		says                 string
	}{
		{"no editor", "", "", 2, "set EDITOR"},
		{"an editor that there is not", "", filepath.Join(dir, "none"), 1, "none"},
		{"an editor that fails", "", script("fail", "exit 3"), 1, "exit status 3"},
		{"nothing is changed", "", script("look", `cat "$1" >/dev/null`), 2, "nothing was changed"},
		{"what is no JSON", "", script("spoil", `echo '{"value":' >"$1"`), 2, "the edit"},
		{"what nobody knows", "", script("invent", `echo '{"colour":"red"}' >"$1"`), 2, "colour"},
		{"VISUAL comes first", change + " --wait", script("never", "exit 4"), 0, ""},
	} {
		t.Setenv("VISUAL", c.visual)
		t.Setenv("EDITOR", c.editor)
		out, fault, code := holt("", "dead-letters", "edit", "g", id)
		if code != c.code || !strings.Contains(fault, c.says) {
			t.Errorf("%s: exit code %d, %q", c.name, code, fault)
		}
		if open := must("", "dead-letters", "ls", "g", "-o", "name"); (open == id) != (c.code != 0) {
			t.Errorf("%s: open are %q after %q", c.name, open, out)
		}
		if left, err := os.ReadDir(drafts); err != nil || len(left) != 0 {
			t.Errorf("%s: files are left: %v, %v", c.name, left, err)
		}
	}
	if got := must("", "lease", "g", "-o", "ndjson"); !strings.Contains(got, `"value":{"n":11}`) || !strings.Contains(got, `"by":"hand"`) {
		t.Errorf("delivered again: %s", got)
	}
}
