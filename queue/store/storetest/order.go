package storetest

import (
	"fmt"

	"github.com/holtmq/holt/queue/store"
)

// testOrder appends one batch after the other, some calls with several units, and finds them in order.
func testOrder(k *kit) {
	k.open(1)
	k.checkLogs()
	for i := range store.Offset(20) {
		k.edit(store.Edit{Log: 1, Append: []store.Batch{batchOf(3*i, 3*i+2, int64(i), fmt.Append(nil, "value ", i))}})
		k.checkLogs()
	}
	k.check()
}
