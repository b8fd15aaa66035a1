package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

const maxLine = 24 << 20 // bytes: a request's limit, and room for base64

// lines reads the records of standard input.
func (a *app) lines(p *publishFlags) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		number := 0
		for line, err := range splitLines(a.stdin) {
			number++
			var r api.NewRecord
			switch {
			case err != nil:
			case !p.ndjson:
				r, err = client.NewRecord(client.Bytes(line), p.options...)
			case len(bytes.TrimSpace(line)) == 0:
				continue
			default:
				r, err = parseRecord(line, p.options)
			}
			if err != nil {
				yield(input{}, fmt.Errorf("line %d: %w", number, err))
				return
			}
			if !yield(input{r, len(line) + 1}, nil) {
				return
			}
		}
	}
}

// splitLines yields lines without their ends (LF or CR LF). The slice is the callee's until the next one.
func splitLines(in io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, 64<<10), maxLine)
		for s.Scan() {
			if !yield(s.Bytes(), nil) {
				return
			}
		}
		if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(nil, fmt.Errorf("longer than %d bytes", maxLine))
		} else if err != nil {
			yield(nil, err)
		}
	}
}

// recordLine is what a line of --ndjson may hold: a record to publish, or one that was read or leased, whose place and
// lease mean nothing here.
type recordLine struct {
	api.NewRecord
	Topic       json.RawMessage `json:"topic"`
	Offset      json.RawMessage `json:"offset"`
	Timestamp   json.RawMessage `json:"timestamp"`
	Receipt     json.RawMessage `json:"receipt"`
	Attempt     json.RawMessage `json:"attempt"`
	Deliveries  json.RawMessage `json:"deliveries"`
	ExpiresAt   json.RawMessage `json:"expires_at"`
	ExpiresInMS json.RawMessage `json:"expires_in_ms"`
}

func parseRecord(line []byte, opts []client.RecordOption) (api.NewRecord, error) {
	var l recordLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return api.NewRecord{}, fmt.Errorf("no record: %w", err)
	}
	if d.More() {
		return api.NewRecord{}, errors.New("no record: more than one JSON value")
	}
	if l.Offset != nil { // it was read: its partition is where it was
		l.Partition = nil
	}
	for _, o := range opts {
		o(&l.NewRecord)
	}
	return l.NewRecord, nil
}
