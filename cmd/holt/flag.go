package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holtmq/holt/client/api"
)

const maxDocument = 16 << 20 // bytes of a configuration read from a file

// durationFlag is a duration as the API writes it: days, too.
type durationFlag struct{ d *time.Duration }

func (f durationFlag) String() string {
	if f.d == nil || *f.d < 0 { // not given
		return ""
	}
	return api.Duration(*f.d).String()
}

func (f durationFlag) Set(s string) error {
	d, err := api.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q: a duration is not negative", s)
	}
	*f.d = d
	return err
}

func (f durationFlag) Type() string { return "duration" }

func addDuration(f *pflag.FlagSet, d *time.Duration, name, usage string) {
	f.Var(durationFlag{d}, name, usage)
	if *d == 0 { // not given: the usage says what that is
		f.Lookup(name).DefValue = ""
	}
}

// setting is a flag that sets one field of a topic's or group's configuration.
type setting struct {
	flag  string
	path  string // dotted, as in "retention.age"
	usage string
	parse func(string) (any, error)
}

func asText(s string) (any, error) { return s, nil }

func asInt(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, errors.New("not a whole number")
	}
	return n, nil
}

func asFloat(s string) (any, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("not a number")
	}
	return f, nil
}

func asBool(s string) (any, error) {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return nil, errors.New("neither true nor false")
	}
	return b, nil
}

func asDuration(s string) (any, error) {
	d, err := api.ParseDuration(s)
	return api.Duration(d), err
}

func asDurations(s string) (any, error) {
	var out []api.Duration
	for part := range strings.SplitSeq(s, ",") {
		d, err := api.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		out = append(out, api.Duration(d))
	}
	return out, nil
}

// asFile reads a JSON document: the name of its file.
func asFile(s string) (any, error) {
	b, err := os.ReadFile(s)
	if err != nil {
		return nil, err
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("%s: no JSON", s)
	}
	return json.RawMessage(b), nil
}

// change gathers the configuration that flags set.
type change struct {
	fields map[string]any
	file   string
}

// settingFlag is the value of a setting's flag.
type settingFlag struct {
	setting
	change *change
	text   string
}

func (f *settingFlag) String() string { return f.text }

func (f *settingFlag) Set(s string) error {
	v, err := f.parse(s)
	if err != nil {
		return err
	}
	f.text = s
	return f.change.set(f.path, v)
}

func (f *settingFlag) Type() string { return "value" }

// newChange adds the flags of settings, and --set and --file, to cmd.
func newChange(cmd *cobra.Command, settings []setting) *change {
	c := &change{fields: map[string]any{}}
	for _, s := range settings {
		f := &settingFlag{setting: s, change: c}
		flag := cmd.Flags().VarPF(f, s.flag, "", s.usage)
		if on, err := s.parse("true"); err == nil && on == true {
			flag.NoOptDefVal = "true"
		}
	}
	cmd.Flags().Var(assignments{c}, "set", "set any `field=value`, as in retention.age=24h; null gives the default back")
	cmd.Flags().StringVarP(&c.file, "file", "f", "", "configuration from a JSON `file`, - is standard input; flags override it")
	return c
}

// assignments is the value of --set.
type assignments struct{ change *change }

func (assignments) String() string { return "" }

func (assignments) Type() string { return "field=value" }

// Set takes field=value; the value is JSON if it can be, else a string.
func (a assignments) Set(s string) error {
	path, text, ok := strings.Cut(s, "=")
	if !ok || path == "" {
		return fmt.Errorf("%q: an assignment is written as in retention.age=24h", s)
	}
	if json.Valid([]byte(text)) {
		return a.change.set(path, json.RawMessage(text))
	}
	return a.change.set(path, text)
}

func (c *change) set(path string, v any) error {
	m := c.fields
	parts := strings.Split(path, ".")
	for _, p := range parts[:len(parts)-1] {
		next, ok := m[p].(map[string]any)
		if !ok {
			if m[p] != nil {
				return fmt.Errorf("%s is set as a whole already", p)
			}
			next = map[string]any{}
			m[p] = next
		}
		m = next
	}
	m[parts[len(parts)-1]] = v
	return nil
}

// body is the change to send: the file's object, with the flags' fields over it. empty: nothing was asked for.
func (c *change) body(stdin io.Reader) (body map[string]any, empty bool, err error) {
	if c.file == "" {
		return c.fields, len(c.fields) == 0, nil
	}
	in, name := stdin, "standard input"
	if c.file != "-" {
		name = c.file
		f, err := os.Open(c.file)
		if err != nil {
			return nil, false, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	if err != nil {
		return nil, false, err
	}
	if len(b) > maxDocument {
		return nil, false, fmt.Errorf("%s: longer than %d bytes", name, maxDocument)
	}
	body, err = document(b)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return overlay(body, c.fields), false, nil
}

// document reads a configuration. That of a GET answer stands under "config": it comes to the top, where flags go.
func document(b []byte) (map[string]any, error) {
	body, err := object(b)
	if err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	config, ok := body["config"].(json.RawMessage)
	if !ok {
		return body, nil
	}
	delete(body, "config")
	if list, ok := body["partitions"].(json.RawMessage); ok && strings.HasPrefix(string(list), "[") {
		delete(body, "partitions") // the state of each, read only
	}
	fields, err := object(config)
	if err != nil {
		return nil, fmt.Errorf("config: no JSON object: %w", err)
	}
	maps.Copy(body, fields)
	return body, nil
}

// object decodes one level of an object.
func object(b []byte) (map[string]any, error) {
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(b, &whole); err != nil {
		return nil, err
	}
	body := make(map[string]any, len(whole))
	for name, v := range whole {
		body[name] = v
	}
	return body, nil
}

// overlay puts the flags' fields over a document's.
func overlay(body, fields map[string]any) map[string]any {
	for name, v := range fields {
		sub, deep := v.(map[string]any)
		raw, inBody := body[name].(json.RawMessage)
		if deep && inBody {
			if below, err := object(raw); err == nil && below != nil {
				body[name] = overlay(below, sub)
				continue
			}
		}
		body[name] = v
	}
	return body
}
