package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

const (
	completionWait = time.Second // a shell's Tab must not hang
	maxCompletions = 1000
)

type completionFunc = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

func fixedCompletion(words ...string) completionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTopics offers the server's topics for the first argument, or with all for every one.
func (a *app) completeTopics(all bool) completionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
		defer cancel()
		c, err := a.client()
		if err != nil || (len(args) > 0 && !all) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for t, err := range c.Topics(ctx) {
			if err != nil || len(names) == maxCompletions {
				break
			}
			names = append(names, t.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeGroups is completeTopics for groups.
func (a *app) completeGroups(all bool) completionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
		defer cancel()
		c, err := a.client()
		if err != nil || (len(args) > 0 && !all) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for g, err := range c.Groups(ctx) {
			if err != nil || len(names) == maxCompletions {
				break
			}
			names = append(names, g.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
