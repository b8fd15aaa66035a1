package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of a setting.
const (
	maxClients    = 1000
	maxBatch      = 1000
	maxSize       = 1 << 20
	maxTopics     = 100
	maxPartitions = 1000
	maxKeys       = 10_000_000
)

// Setting is what the load is made of.
type Setting struct {
	Producers  int    `json:"producers"`
	Workers    int    `json:"workers"`
	Batch      int    `json:"batch"` // records of a publish, and of a lease at most
	Size       int    `json:"size"`  // bytes of a value
	Topics     int    `json:"topics"`
	Partitions int    `json:"partitions"` // of each topic
	Keys       int    `json:"keys"`       // 0 = none
	Ordering   string `json:"ordering"`
	Ride       bool   `json:"ride"` // settles go with the next lease
}

// assign changes fields by their names, as in "batch=100,keys=1000".
func (s *Setting) assign(text string) error {
	for assignment := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(assignment), "=")
		if !ok {
			return fmt.Errorf("%q: a setting is written as in batch=100", assignment)
		}
		if err := s.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// set changes one field by its name.
func (s *Setting) set(name, value string) error {
	if name == "ordering" {
		s.Ordering = value
		return nil
	}
	if name == "ride" {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("ride=%s: true or false", value)
		}
		s.Ride = b
		return nil
	}
	fields := map[string]*int{
		"producers": &s.Producers, "workers": &s.Workers, "batch": &s.Batch, "size": &s.Size,
		"topics": &s.Topics, "partitions": &s.Partitions, "keys": &s.Keys,
	}
	field := fields[name]
	if field == nil {
		return fmt.Errorf("%q: a setting is one of producers, workers, batch, size, topics, partitions, keys, ordering and ride", name)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("%s=%s: not a whole number", name, value)
	}
	*field = n
	return nil
}

func (s *Setting) check() error {
	for _, f := range []struct {
		name              string
		value, least, top int
	}{
		{"producers", s.Producers, 1, maxClients}, {"workers", s.Workers, 1, maxClients}, {"batch", s.Batch, 1, maxBatch},
		{"size", s.Size, 1, maxSize}, {"topics", s.Topics, 1, maxTopics}, {"partitions", s.Partitions, 1, maxPartitions},
		{"keys", s.Keys, 0, maxKeys},
	} {
		if f.value < f.least || f.value > f.top {
			return fmt.Errorf("%s %d: %d to %d", f.name, f.value, f.least, f.top)
		}
	}
	switch {
	case s.Ordering != "none" && s.Ordering != "key":
		return fmt.Errorf("ordering %q: none or key", s.Ordering)
	case s.Ordering == "key" && s.Keys == 0:
		return fmt.Errorf("ordering key orders nothing without keys: say how many")
	case s.Batch*s.Size > maxRequest:
		return fmt.Errorf("%d records of %d bytes: a request holds %d bytes", s.Batch, s.Size, maxRequest)
	}
	return nil
}

// Describe writes a setting in a line.
func (s *Setting) Describe() string {
	keys := "no keys"
	if s.Keys > 0 {
		keys = fmt.Sprintf("%d keys", s.Keys)
	}
	out := fmt.Sprintf("%d producers, %d workers, batches of %d records of %d bytes, %s, ordering %s, topics %d × %d partitions",
		s.Producers, s.Workers, s.Batch, s.Size, keys, s.Ordering, s.Topics, s.Partitions)
	if s.Ride {
		out += ", settles ride on leases"
	}
	return out
}
