package main

import (
	"context"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
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
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !all {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeNames(cmd, a, (*client.Client).Topics, func(t api.Topic) string { return t.Name })
	}
}

// completeGroups is completeTopics for groups.
func (a *app) completeGroups(all bool) completionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !all {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeNames(cmd, a, (*client.Client).Groups, func(g api.Group) string { return g.Name })
	}
}

// completeNames offers the names of what a list of the server holds.
func completeNames[T any](cmd *cobra.Command, a *app, list func(*client.Client, context.Context) iter.Seq2[T, error], name func(T) string) (names []string, _ cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for t, err := range list(c, ctx) {
		if err != nil || len(names) == maxCompletions {
			break
		}
		names = append(names, name(t))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "completion SHELL", Short: "Write a script that completes commands, flags and names: bash, zsh, fish or powershell", Args: takes(1, 1),
		Long: "Write a script that completes commands, flags, and the server's names of topics and groups.\n\n" +
			"  bash        source <(holt completion bash)\n" +
			"  zsh         holt completion zsh > \"${fpath[1]}/_holt\"\n" +
			"  fish        holt completion fish > ~/.config/fish/completions/holt.fish\n" +
			"  powershell  holt completion powershell | Out-String | Invoke-Expression",
		ValidArgsFunction: fixedCompletion("bash", "zsh", "fish", "powershell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return usagef("%q is no shell: bash, zsh, fish or powershell", args[0])
		},
	}
}
