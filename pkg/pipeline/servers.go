package pipeline

// ServerSink is a sink that is told, among the journeys, where requests are
// answered: who adds the journeys up again has to learn it at the same one.
type ServerSink interface {
	// Servers tells all that are known now.
	Servers([]Server) error
}

// Servers tells the aggregator and the sinks where requests are answered.
func (p *Pipeline) Servers(list []Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range list {
		p.agg.LearnServer(x.Proto, x.Addr)
	}
	for _, s := range p.sinks {
		if sink, ok := s.(ServerSink); ok {
			p.keepError(sink.Servers(list))
		}
	}
}
