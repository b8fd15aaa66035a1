package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// suggestion is a line that asks whether something else was meant, when err is about a word that is like one that exists; else it is empty.
func (a *app) suggestion(cmd *cobra.Command, err error) string {
	var flag *pflag.NotExistError
	var command *unknownCommand
	switch {
	case errors.As(err, &flag):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		return meant("--%s", closest([]string{flag.GetSpecifiedName()}, names))
	case errors.As(err, &command):
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return meant("%s", closest([]string{command.name}, names))
	case errors.Is(err, client.ErrGroupNotFound):
		names, _ := completeNames(cmd, a, (*client.Client).Groups, func(g api.Group) string { return g.Name })
		return meant("%s", closest(cmd.Flags().Args(), names))
	case errors.Is(err, client.ErrTopicNotFound):
		names, _ := completeNames(cmd, a, (*client.Client).Topics, func(t api.Topic) string { return t.Name })
		return meant("%s", closest(cmd.Flags().Args(), names))
	}
	return ""
}

func meant(format, name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("\nDid you mean '"+format+"'?", name)
}

// closest returns the name that is most like one of the words, and yet another; "" when none is.
func closest(words, names []string) (best string) {
	least := 1 << 30
	for _, w := range words {
		word := []rune(w)
		for _, name := range names {
			d := distance(word, []rune(name))
			if d > 0 && d <= 1+len(word)/5 && d < len(word) && d < least {
				best, least = name, d
			}
		}
	}
	return best
}

// distance is how many letters were left out, put in, exchanged for another or for their neighbour on the way from a to b.
func distance(a, b []rune) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		older := before
		before, row = row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(before[j+1]+1, row[j]+1, before[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
