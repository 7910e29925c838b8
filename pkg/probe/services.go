package probe

import "fmt"

// Service is a port at which something answers.
type Service struct {
	Proto uint8
	Port  uint16
}

// KnowServices tells the kernel side ports of services: of the two ports of a drop, a
// retransmission, a reset, or a connection that is older than the trace, the one that
// is known is taken for the service's, and the lower one where neither is, or both are.
// What begins to listen or accepts during the trace, the kernel side learns by itself.
// Of more than 4,096 it forgets those that were not asked for lately.
func (p *Probe) KnowServices(list []Service) error {
	known := p.coll.Maps["hs_services"]
	for _, s := range list {
		err := known.Put(uint32(s.Proto)<<16|uint32(s.Port), uint8(1))
		if err != nil {
			return fmt.Errorf("tell a service's port: %w", err)
		}
	}
	return nil
}
