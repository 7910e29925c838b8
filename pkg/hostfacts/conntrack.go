package hostfacts

// Conntrack is the connection tracking table of the host's namespace (kernel
// documentation, networking/nf_conntrack-sysctl). Counters are since boot.
type Conntrack struct {
	Count, Max   uint64 // entries
	Dropped      uint64 // packets of new connections that found the table full
	EarlyDropped uint64 // entries thrown out to make room
	InsertFailed uint64 // packets whose entry lost a race for its tuple
}

func (r Reader) conntrack() *Conntrack {
	var c Conntrack
	var ok bool
	if c.Count, ok = r.number(r.Proc, "sys/net/netfilter/nf_conntrack_count"); !ok {
		return nil
	}
	if c.Max, ok = r.number(r.Proc, "sys/net/netfilter/nf_conntrack_max"); !ok || c.Max == 0 {
		return nil
	}
	for _, cpu := range r.hexTable("net/stat/nf_conntrack", true) {
		c.Dropped += cpu["drop"]
		c.EarlyDropped += cpu["early_drop"]
		c.InsertFailed += cpu["insert_failed"]
	}
	return &c
}

// Softnet is what one CPU did for the network since boot (softnet_seq_show,
// net/core/net-procfs.c).
type Softnet struct {
	CPU       int
	Processed uint64 // packets
	Dropped   uint64 // packets that found the backlog full
	Squeezed  uint64 // rounds that ended with work left
}

func (r Reader) softnet() (out []Softnet) {
	for i, row := range r.hexTable("net/softnet_stat", false) {
		s := Softnet{CPU: i, Processed: row["0"], Dropped: row["1"], Squeezed: row["2"]}
		if cpu, ok := row["12"]; ok { // since 5.10
			s.CPU = int(cpu)
		}
		out = append(out, s)
	}
	return out
}
