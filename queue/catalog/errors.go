package catalog

import "errors"

// Sentinels of the catalog.
var (
	ErrInvalidConfig    = errors.New("invalid configuration")
	ErrInvalidName      = errors.New("invalid name")
	ErrTopicNotFound    = errors.New("no such topic")
	ErrGroupNotFound    = errors.New("no such group")
	ErrScheduleNotFound = errors.New("no such schedule")
	ErrSchemaNotFound   = errors.New("no such version of the schema")
	ErrCannotShrink     = errors.New("partitions and priorities can only grow")
	ErrKindMismatch     = errors.New("the call is for the other kind of group")
	ErrPrecondition     = errors.New("the definition is not the one the request names")
	ErrTopicInUse       = errors.New("the topic is in use")
	ErrGroupInUse       = errors.New("the group is in use")
)
