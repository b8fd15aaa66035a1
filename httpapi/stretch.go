package httpapi

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"runtime"
	"strconv"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// An answer of stored batches (api.MediaBatches) is, all numbers big endian: the length of a head (uint32) and the head, which is the JSON answer without its
// records; then for each stretch of a partition the length of the topic's name (uint16) and the name, the partition (uint32), the offset from which
// on records are wanted (uint64), the length of the batches (uint32), and the batches as they are stored, one behind the other.

// stretches answers with batches. They are not copied.
func (x *exchange) stretches(head any, stretches []queue.Stretch) error {
	buf := x.api.buffer()
	defer x.api.giveBack(buf)
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32((*buf)[:0], uint32(len(text)))
	b = append(b, text...)
	ends := make([]int, len(stretches)) // of what goes before each stretch's batches, in b
	size := 0
	for i, s := range stretches {
		n := 0
		for _, batch := range s.Batches {
			n += len(batch)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(s.Topic)))
		b = append(b, s.Topic...)
		b = binary.BigEndian.AppendUint32(b, uint32(s.Partition))
		b = binary.BigEndian.AppendUint64(b, uint64(s.From))
		b = binary.BigEndian.AppendUint32(b, uint32(n))
		ends[i] = len(b)
		size += n
	}
	*buf = b
	h := x.header()
	h.Set("Content-Type", api.MediaBatches)
	h.Set("Content-Length", strconv.Itoa(len(b)+size))
	h["Cache-Control"], h["X-Content-Type-Options"] = noStore, noSniff
	x.hangUpAtStop()
	x.status = http.StatusOK
	x.allowWrite(len(b) + size)
	x.w.WriteHeader(http.StatusOK)
	return x.sent(x.writeStretches(b, ends, stretches))
}

func (x *exchange) writeStretches(b []byte, ends []int, stretches []queue.Stretch) error {
	from := 0
	for i, s := range stretches {
		if _, err := x.w.Write(b[from:ends[i]]); err != nil {
			return err
		}
		from = ends[i]
		for _, batch := range s.Batches {
			if _, err := x.w.Write(batch); err != nil {
				return err
			}
			runtime.Gosched() // to those whose calls are short
		}
	}
	_, err := x.w.Write(b[from:])
	return err
}
