package topic

import (
	"errors"

	"github.com/holtmq/holt/queue/catalog"
)

// Sentinels.
var (
	ErrNotFound          = catalog.ErrTopicNotFound
	ErrPartitionNotFound = errors.New("no such partition")
	ErrRecordNotFound    = errors.New("no such record")
	ErrSchemaViolation   = errors.New("the value is not what the topic's schema asks for")
	ErrInvalidRequest    = errors.New("invalid request")
	ErrRequestTooLarge   = errors.New("the request is too large")
	ErrRateLimited       = errors.New("too much for the moment")
)
