package roster

import "errors"

// Sentinels of the roster.
var (
	ErrMemberNotFound = errors.New("not a member of the group")
	ErrFenced         = errors.New("the member was replaced")
	ErrTooManyMembers = errors.New("the group has as many members as it can have")
	ErrCorrupt        = errors.New("damaged roster")
)
