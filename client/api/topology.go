package api

// Topology answers GET /v1/topology: who talks to whom. A client that publishes and works is one node.
type Topology struct {
	At    Time           `json:"at"`
	Nodes []TopologyNode `json:"nodes"`
	Edges []TopologyEdge `json:"edges"`
	Cut   bool           `json:"cut,omitempty"` // there are more topics or groups
}

// TopologyNode is a client, a topic or a group; its id is the kind, ":" and the name. What does not belong to its kind is absent.
type TopologyNode struct {
	ID        string  `json:"id"`
	Kind      string  `json:"kind"` // client, topic or group
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`             // records over the last minute: published to a topic, handed out by a group, both for a client
	SeenAt    *Time   `json:"last_seen_at,omitempty"` // of a client

	Partitions    int    `json:"partitions,omitempty"` // of a topic
	Records       *int64 `json:"records,omitempty"`
	Bytes         *int64 `json:"bytes,omitempty"`
	SchemaVersion int    `json:"schema_version,omitempty"`

	GroupKind   string   `json:"group_kind,omitempty"` // of a group
	Lag         *int64   `json:"lag,omitempty"`
	Available   *int64   `json:"available,omitempty"`
	Leased      *int64   `json:"leased,omitempty"`
	Deferred    *int64   `json:"deferred,omitempty"`
	DeadLetters *int64   `json:"dead_letters,omitempty"`
	Paused      bool     `json:"paused,omitempty"`
	Members     []string `json:"members,omitempty"` // workers seen lately, by the names they give
}

// TopologyEdge is how records go from one node to another.
type TopologyEdge struct {
	From      string  `json:"from"`
	To        string  `json:"to"`
	Kind      string  `json:"kind"`                 // publishes, reads, delivers or dead_letters
	PerSecond float64 `json:"per_second,omitempty"` // of publishes and delivers
	SeenAt    *Time   `json:"last_seen_at,omitempty"`
	Lag       *int64  `json:"lag,omitempty"`  // of reads
	Open      *int64  `json:"open,omitempty"` // of dead_letters
}
