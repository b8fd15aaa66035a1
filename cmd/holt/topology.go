package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client/api"
)

func (a *app) newTopologyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "topology", Short: "Show who talks to whom: clients, topics, groups", Args: takes(0, 0),
		Long: "Show who published to each topic in the last 24 hours, which groups read it, and who works for these. A program is known by what it\n" +
			"sends as Holt-Client, else by its user agent. GET /asyncapi.yaml is the same as an AsyncAPI document, with schemas.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			t, err := c.Topology(cmd.Context())
			if err != nil {
				return err
			}
			return a.one(row{"topology", t, nil}, func() error { return a.showTopology(t) })
		},
	}
}

// showTopology is a line for each way that records go.
func (a *app) showTopology(t api.Topology) error {
	nodes := map[string]api.TopologyNode{}
	for _, n := range t.Nodes {
		nodes[n.ID] = n
	}
	var rows [][]string
	for _, e := range t.Edges {
		rows = append(rows, []string{plain(showNode(e.From)), strings.ReplaceAll(e.Kind, "_", " "), plain(showNode(e.To)), edgeNote(e, nodes)})
	}
	if len(rows) == 0 {
		a.say("nobody was seen, and no group reads a topic")
		return nil
	}
	if t.Cut {
		a.say("there are more topics or groups than are shown")
	}
	return a.table([]string{"FROM", "", "TO", "NOW"}, rows)
}

// showNode turns the id of a node into words.
func showNode(id string) string {
	kind, name, _ := strings.Cut(id, ":")
	return kind + " " + name
}

func edgeNote(e api.TopologyEdge, nodes map[string]api.TopologyNode) string {
	switch e.Kind {
	case "reads":
		note := fmt.Sprintf("%s, lag %d", nodes[e.To].GroupKind, *e.Lag)
		if nodes[e.To].Paused {
			note += ", paused"
		}
		return note
	case "dead_letters":
		return fmt.Sprintf("%d open", *e.Open)
	}
	return fmt.Sprintf("%.1f/s, seen %s", e.PerSecond, showTimePointer(e.SeenAt))
}
