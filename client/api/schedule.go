package api

// ScheduledRecord is a record that waits for its time: an item of GET /v1/topics/{topic}/scheduled.
type ScheduledRecord struct {
	ID            string            `json:"id"` // cancels it, or runs it now
	DeliverAt     Time              `json:"deliver_at"`
	Key           *string           `json:"key,omitempty"`
	KeyBase64     *string           `json:"key_base64,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	HeadersBase64 map[string]string `json:"headers_base64,omitempty"`
	Priority      *int              `json:"priority,omitempty"`
	Partition     *int              `json:"partition,omitempty"`
	Value
	Damaged bool `json:"damaged,omitempty"` // it is damaged on the disk: what is not known is missing, the value first of all
}

// ScheduledList answers GET /v1/topics/{topic}/scheduled.
type ScheduledList struct {
	Items      []ScheduledRecord `json:"items"`
	Total      int               `json:"total"` // records of the topic that are not due yet
	NextCursor string            `json:"next_cursor,omitempty"`
}

// Schedule publishes a record again and again: the answer of GET /v1/schedules/{name}.
type Schedule struct {
	Name      string    `json:"name"`
	Cron      string    `json:"cron"`           // five fields, or @hourly and the like
	Zone      string    `json:"zone,omitempty"` // IANA name; "" = UTC
	Topic     string    `json:"topic"`
	Record    NewRecord `json:"record"`
	CatchUp   string    `json:"catch_up"` // after times missed: one, none
	CreatedAt Time      `json:"created_at"`
	LastAt    *Time     `json:"last_at,omitempty"` // absent: it has not fired yet
	NextAt    *Time     `json:"next_at,omitempty"` // absent: it never will
}

// ScheduleList answers GET /v1/schedules.
type ScheduleList struct {
	Items      []Schedule `json:"items"`
	NextCursor string     `json:"next_cursor,omitempty"`
}

// ScheduleChange is the body of PUT /v1/schedules/{name}: what is nil stays as it is, or gets its default in a new one.
type ScheduleChange struct {
	Cron    *string    `json:"cron,omitempty"`
	Zone    *string    `json:"zone,omitempty"`
	Topic   *string    `json:"topic,omitempty"`
	Record  *NewRecord `json:"record,omitempty"`
	CatchUp *string    `json:"catch_up,omitempty"`
}
