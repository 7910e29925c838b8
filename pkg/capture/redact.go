package capture

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/hopscope/hopscope/pkg/journey"
	"github.com/hopscope/hopscope/pkg/model"
)

// Redact copies a capture and replaces what names the owner of the traffic:
// addresses, MAC addresses, names and ids of containers, images, networks,
// namespaces and the host, interface names, the command line and the selection.
// The same thing gets the same replacement in the whole file, from a keyed hash
// whose random key is thrown away, so that two redacted copies cannot be
// matched. Ports, times, sizes, counts and kernel functions stay.
//
// Left out are subnets, paths, kernel addresses, findings, and extra records,
// whose content this package does not know. The damage of the original is
// returned; a copy of a capture that was cut short is one itself.
func Redact(from, to string, overwrite bool) (Damage, error) {
	r, err := Open(from)
	if err != nil {
		return Damage{}, err
	}
	defer r.Close()
	x, err := newRedactor(r.names)
	if err != nil {
		return Damage{}, err
	}
	w, err := Create(to, Options{Head: x.head(r.Head()), Symbols: x, Overwrite: overwrite})
	if err != nil {
		return Damage{}, err
	}
	end, err := x.copy(w, r)
	if err != nil {
		return r.Damage(), errors.Join(err, w.Abandon())
	}
	if end == nil {
		return r.Damage(), w.Abandon()
	}
	return r.Damage(), w.Close(end.Redacted())
}

// redactor replaces. It is the model.Symbols of its copy.
type redactor struct {
	*replacer
	names     model.Symbols     // of the original; nil: none
	locations map[uint64]uint64 // kernel addresses by their replacement
	replaced  map[uint64]uint64
}

func newRedactor(n model.Symbols) (*redactor, error) {
	p, err := newReplacer()
	if err != nil {
		return nil, err
	}
	return &redactor{p, n, make(map[uint64]uint64), make(map[uint64]uint64)}, nil
}

// copy gives the end of the original, nil when it has none.
func (x *redactor) copy(w *Writer, r *Reader) (*End, error) {
	var end *End
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return end, nil
		case err != nil:
			return end, err
		case rec.Journey != nil:
			if err = x.journey(rec.Journey); err == nil {
				err = w.Journey(rec.Journey, nil)
			}
		case rec.Drops != nil:
			err = w.Drops(x.drops(rec.Drops.DropCount))
		case rec.Retransmits != nil:
			x.replaceAll(reflect.ValueOf(&rec.Retransmits.RetransmitCount).Elem(), "")
			err = w.Retransmits(rec.Retransmits.RetransmitCount)
		case rec.Counters != nil:
			x.replaceAll(reflect.ValueOf(rec.Counters.Counts), "")
			err = w.Counters(rec.Counters.Counts)
		case rec.Sockets != nil:
			err = w.Sockets(x.sockets(rec.Sockets.SocketEvent))
		case rec.DNS != nil:
			x.replaceAll(reflect.ValueOf(&rec.DNS.Lookup).Elem(), "")
			err = w.DNS(rec.DNS.Lookup)
		case rec.Inventory != nil:
			x.replaceAll(reflect.ValueOf(&rec.Inventory.Facts).Elem(), "")
			err = w.Inventory(rec.Inventory.At, rec.Inventory.Facts)
		case rec.Status != nil:
			err = w.Status(*rec.Status)
		case rec.Servers != nil:
			err = w.Servers(x.servers(rec.Servers))
		case rec.End != nil:
			e := *rec.End
			end = &e
		}
		if err == nil {
			err = x.err
		}
		if err != nil {
			return end, fmt.Errorf("redact: %w", err)
		}
	}
}

// journey changes j, which stays valid.
func (x *redactor) journey(j *journey.Journey) error {
	for _, t := range [...]*journey.Tuple{&j.First, &j.Last} {
		t.Src, t.Dst = x.addrPort(t.Src), x.addrPort(t.Dst)
	}
	j.DropLocation = x.location(j.DropLocation)
	return x.err
}

func (x *redactor) drops(d model.DropCount) model.DropCount {
	x.replaceAll(reflect.ValueOf(&d).Elem(), "")
	d.Location = x.location(d.Location)
	for i, addr := range d.Stack {
		d.Stack[i] = x.location(addr)
	}
	return d
}

// location numbers kernel addresses, which would tell where the kernel lies in
// memory (KASLR).
func (x *redactor) location(addr uint64) uint64 {
	if addr == 0 {
		return 0
	}
	n, known := x.replaced[addr]
	if !known {
		n = uint64(len(x.replaced) + 1)
		x.replaced[addr], x.locations[n] = n, addr
	}
	return n
}

// Reason is the name of a drop reason in the original.
func (x *redactor) Reason(reason uint32) string {
	if x.names == nil {
		return ""
	}
	return x.names.Reason(reason)
}

// Symbol is the name of a replaced location in the original.
func (x *redactor) Symbol(n uint64) string {
	if x.names == nil {
		return ""
	}
	return x.names.Symbol(x.locations[n])
}

func (x *redactor) head(h Head) Head {
	h.Host, h.Redacted = x.name("h", h.Host), true
	h.Command = h.Command[:min(1, len(h.Command))]
	if len(h.Command) == 1 {
		h.Command = []string{"hopscope"} // the rest, and its path, name things
	}
	var selection []string
	for _, s := range h.Selection {
		selection = append(selection, x.name("c", s))
	}
	h.Selection = selection
	return h
}

func (x *redactor) servers(list []Server) []Server {
	var out []Server
	for _, s := range list {
		out = append(out, Server{s.Proto, x.addrPort(s.Addr)})
	}
	return out
}
