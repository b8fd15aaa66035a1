package main

import (
	"fmt"
	"strings"

	"github.com/holtmq/holt/client"
)

// each does something to the named, one after the other, and tells to which it was done. An error ends it.
func (a *app) each(done string, names []string, do func(c *client.Client, name string) error) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	for i, name := range names {
		if err = do(c, name); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			names = names[:i]
			break
		}
	}
	if told := a.did(done, names); err == nil {
		err = told
	}
	return err
}

// did tells to which of the named something was done: to a person on standard error, to a program as the object {"deleted":["emails"]}, or by their names.
func (a *app) did(done string, names []string) error {
	switch {
	case len(names) == 0:
	case a.format == formatTable:
		a.say("%s %s", done, strings.Join(names, ", "))
	case a.format == formatName:
		p := a.newPrinter()
		for _, name := range names {
			if err := p.add(row{name: name}); err != nil {
				return err
			}
		}
	default:
		return a.one(row{value: map[string][]string{done: names}}, nil)
	}
	return nil
}
