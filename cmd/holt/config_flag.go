package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// bytesFlag is a number of bytes as people write it.
type bytesFlag struct {
	to   *int64
	text string
}

// addBytes defines a flag; def is a valid number of bytes, or empty for 0.
func addBytes(f *pflag.FlagSet, to *int64, name, def, usage string) {
	*to, _ = parseBytes(def)
	f.Var(&bytesFlag{to, def}, name, usage)
}

func (f *bytesFlag) String() string { return f.text }

func (f *bytesFlag) Set(s string) error {
	n, err := parseBytes(s)
	if err != nil {
		return err
	}
	*f.to, f.text = n, s
	return nil
}

func (f *bytesFlag) Type() string { return "bytes" }

var byteUnits = map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// parseBytes reads a number of bytes: "1073741824", "64MiB", "1GiB"; "" is 0.
func parseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	unit := int64(1)
	number := s
	for suffix, n := range byteUnits {
		if head, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = strings.TrimSpace(head), n
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a number of bytes, as in 67108864 or 64MiB", s)
	}
	return n * unit, nil
}
