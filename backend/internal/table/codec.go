package table

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/belfry-io/belfry/core"
)

// A summer is what an encoder writes to: it counts and sums what goes through, in large pieces.
type summer struct {
	w   io.Writer
	n   int64
	sum uint32
}

// Write implements [io.Writer].
func (s *summer) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.n += int64(n)
	s.sum = crc32.Update(s.sum, castagnoli, b[:n])
	return n, err //nolint:wrapcheck // a writer hands on what the inner one says
}

// An encoder writes varints and strings; the buffer keeps the first error.
type encoder struct {
	*bufio.Writer

	buf [binary.MaxVarintLen64]byte
}

// write writes b.
func (e *encoder) write(b []byte) { _, _ = e.Write(b) }

func (e *encoder) byte(b byte)   { _ = e.WriteByte(b) }
func (e *encoder) uint(v uint64) { e.write(binary.AppendUvarint(e.buf[:0], v)) }
func (e *encoder) int(v int64)   { e.write(binary.AppendVarint(e.buf[:0], v)) }

// string writes the length and the bytes.
func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	_, _ = e.WriteString(s)
}

// due writes a due time: 0, or 1 and the microseconds.
func (e *encoder) due(us int64) {
	if us == never {
		e.byte(0)
		return
	}
	e.byte(1)
	e.int(us)
}

// line writes one entry of history.
func (e *encoder) line(l line) {
	incident := byte(0)
	if l.incident {
		incident = 1
	}
	e.byte(l.slot)
	e.byte(incident)
	e.int(l.time)
	e.string(l.data)
}

// record writes a record and its ring.
func (e *encoder) record(r *record, history ring) {
	e.string(r.key)
	e.uint(r.version)
	e.uint(uint64(r.part.stripe))
	e.string(r.part.queue)
	e.due(r.due)
	e.string(r.state)
	e.string(r.spec)
	e.uint(uint64(len(history)))
	for _, l := range history {
		e.line(l)
	}
}

// A decoder reads what an encoder wrote and keeps the first error; after one everything reads as zero.
type decoder struct {
	r       *bufio.Reader
	sum     uint32
	pending []byte // read, but not in sum yet: summing byte by byte would be most of the work
	err     error
}

// add adds b to the checksum.
func (d *decoder) add(b ...byte) {
	d.pending = append(d.pending, b...)
	if len(d.pending) >= 4<<10 {
		d.settle()
	}
}

// settle makes sum that of all that was read.
func (d *decoder) settle() {
	d.sum = crc32.Update(d.sum, castagnoli, d.pending)
	d.pending = d.pending[:0]
}

// fail keeps the first error; an end where something should follow is corruption.
func (d *decoder) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrCorrupt
	}
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) byte() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.r.ReadByte()
	if err != nil {
		d.fail(err)
		return 0
	}
	d.add(b)
	return b
}

func (d *decoder) uint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		if shift == 63 && b > 1 {
			break
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	d.fail(ErrCorrupt)
	return 0
}

func (d *decoder) int() int64 {
	u := d.uint()
	return int64(u>>1) ^ -int64(u&1)
}

// time reads microseconds that are a time.
func (d *decoder) time() int64 {
	us := d.int()
	if !storable(Time(us)) {
		d.fail(ErrCorrupt)
	}
	return us
}

// count reads a number of things, at most limit.
func (d *decoder) count(limit int) int {
	n := d.uint()
	if n > uint64(limit) { //nolint:gosec // a positive constant
		d.fail(ErrCorrupt)
	}
	if d.err != nil {
		return 0
	}
	return int(n) //nolint:gosec // at most limit
}

// string reads a string of at most limit bytes.
func (d *decoder) string(limit int) string {
	n := d.count(limit)
	if d.err != nil || n == 0 {
		return ""
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(d.r, b); err != nil {
		d.fail(err)
		return ""
	}
	d.add(b...)
	return string(b)
}

// due reads a due time.
func (d *decoder) due() int64 {
	if !d.more() {
		return never
	}
	return d.time()
}

// more reads whether something follows.
func (d *decoder) more() bool {
	switch b := d.byte(); {
	case d.err != nil, b == 0:
		return false
	case b == 1:
		return true
	}
	d.fail(ErrCorrupt)
	return false
}

// line reads one entry of history.
func (d *decoder) line() line {
	l := line{slot: d.byte(), incident: d.more(), time: d.time(), data: d.string(core.MaxEntry)}
	if l.slot >= core.MaxSlots {
		d.fail(ErrCorrupt)
	}
	return l
}

// end reads the checksum, after which nothing may follow.
func (d *decoder) end() {
	if d.err != nil {
		return
	}
	d.settle()
	var b [4]byte
	if _, err := io.ReadFull(d.r, b[:]); err != nil {
		d.fail(err)
		return
	}
	if binary.LittleEndian.Uint32(b[:]) != d.sum {
		d.fail(ErrCorrupt)
	}
	switch _, err := d.r.ReadByte(); {
	case err == nil:
		d.fail(ErrCorrupt)
	case !errors.Is(err, io.EOF):
		d.fail(err)
	}
}
