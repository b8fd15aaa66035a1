package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// listings are the commands that list things, with what they need.
var listings = []string{
	"topic ls", "group ls", "schedule ls", "topic scheduled emails", "group records mailer --state available", "group leases mailer", "config show", "top -n 1",
}

// lists finds every command of the tree that is called like a list.
func lists(c *cobra.Command) (paths []string) {
	for _, sub := range c.Commands() {
		if sub.Name() == "ls" {
			paths = append(paths, strings.TrimPrefix(sub.CommandPath(), "holt "))
		}
		paths = append(paths, lists(sub)...)
	}
	return paths
}

// Every list comes in all four formats: a table under a header, one document, an object a line, names that other commands take.
func TestListsHaveFourFormats(t *testing.T) {
	t.Setenv("HOLT_SERVER", serveInMemory(t))
	for _, line := range []string{
		"topic create emails --partitions 1", "publish emails a b", "publish emails later --delay 1h", "group create mailer --topic emails",
		"lease mailer", "schedule put daily x --topic emails --cron @daily",
	} {
		if out, errs, code := runQuietly(t, line); code != exitDone {
			t.Fatalf("%s: exit %d: %s%s", line, code, out, errs)
		}
	}
	for _, path := range lists((&app{}).newRootCommand()) {
		if !slices.ContainsFunc(listings, func(l string) bool { return l == path || strings.HasPrefix(l, path+" ") }) {
			mayBeEmpty(t, path)
		}
	}
	for _, line := range listings {
		for _, format := range []string{formatTable, formatJSON, formatNDJSON, formatName} {
			out, errs, code := runQuietly(t, line+" -o "+format)
			if code != exitDone || errs != "" {
				t.Errorf("%s -o %s: exit %d: %s", line, format, code, errs)
			}
			lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			switch format {
			case formatTable:
				if len(lines) < 2 || lines[0] != strings.ToUpper(lines[0]) {
					t.Errorf("%s: no table: %s", line, out)
				}
			case formatJSON:
				if !json.Valid([]byte(out)) {
					t.Errorf("%s: no JSON: %s", line, out)
				}
			case formatNDJSON:
				for _, l := range lines {
					if !json.Valid([]byte(l)) || !strings.HasPrefix(l, "{") {
						t.Errorf("%s: not an object a line: %s", line, l)
					}
				}
			case formatName:
				for _, l := range lines {
					if l == "" || strings.ContainsAny(l, " {\t") {
						t.Errorf("%s: %q is no name", line, l)
					}
				}
			}
		}
	}
}

// mayBeEmpty holds a list that may have nothing to show, of all or of a group, to the formats.
func mayBeEmpty(t *testing.T, path string) {
	t.Helper()
	for _, format := range []string{formatTable, formatJSON, formatNDJSON, formatName} {
		out, errs, code := runQuietly(t, path+" -o "+format)
		if code == exitUsage {
			out, errs, code = runQuietly(t, path+" mailer -o "+format)
		}
		if code != exitDone || format == formatJSON && !json.Valid([]byte(out)) {
			t.Errorf("%s -o %s: exit %d: %s%s", path, format, code, out, errs)
		}
	}
}

// Names go from lists into verbs.
func TestNamesFeedVerbs(t *testing.T) {
	t.Setenv("HOLT_SERVER", serveInMemory(t))
	for _, noun := range []string{"topic", "group"} {
		for _, name := range []string{"a", "b"} {
			if _, errs, code := runQuietly(t, noun+" create "+name+map[string]string{"topic": "", "group": " --topic a"}[noun]); code != exitDone {
				t.Fatal(errs)
			}
		}
	}
	for _, step := range []struct{ from, to string }{{"group ls", "group pause"}, {"group ls", "group resume"}, {"group ls", "group rm"}, {"topic ls", "topic rm"}} {
		names, _, _ := runQuietly(t, step.from+" -o name")
		if _, errs, code := runQuietly(t, step.to+" "+strings.ReplaceAll(names, "\n", " ")); code != exitDone {
			t.Errorf("%s: %s", step.to, errs)
		}
	}
	if names, _, _ := runQuietly(t, "topic ls -o name"); names != "" {
		t.Errorf("left: %s", names)
	}
}

func runQuietly(t *testing.T, line string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), strings.Fields(line), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}
