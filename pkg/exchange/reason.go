package exchange

// Reason is why an exchange is left out.
type Reason uint8

// The reasons.
const (
	ReasonNone        Reason = iota
	ReasonServerFirst        // the server speaks first: what answers what is not known
	ReasonPipelined          // requests are sent before the answers to earlier ones
	ReasonStream             // both directions interleave
	ReasonTLS                // taken for a handshake, see tlsPorts
	ReasonUnanswered         // the connection ended before an answer
	ReasonRole               // which end asks is not known
	reasonMax
)

var reasonNames = [reasonMax]string{
	ReasonNone: "", ReasonServerFirst: "server_first", ReasonPipelined: "pipelined", ReasonStream: "streaming",
	ReasonTLS: "tls_handshake", ReasonUnanswered: "unanswered", ReasonRole: "role_unknown",
}

func (r Reason) String() string {
	if r < reasonMax {
		return reasonNames[r]
	}
	return "unknown"
}

// Valid says whether there is such a reason, ReasonNone included.
func (r Reason) Valid() bool { return r < reasonMax }

// Reasons lists all reasons to leave an exchange out.
func Reasons() []Reason {
	return []Reason{ReasonServerFirst, ReasonPipelined, ReasonStream, ReasonTLS, ReasonUnanswered, ReasonRole}
}

// reason is why a record of one end makes no exchange.
func (r *Record) reason() Reason {
	switch {
	case r.Flags&FlagServerFirst != 0:
		return ReasonServerFirst
	case r.Flags&FlagStream != 0:
		return ReasonStream
	case r.Flags&FlagPipelined != 0:
		return ReasonPipelined
	case r.Role == RoleUnknown:
		return ReasonRole
	case r.Answer == 0 || r.AnswerEnd == 0:
		return ReasonUnanswered
	case r.Flags&FlagFirst != 0 && r.isTLS():
		return ReasonTLS
	}
	return ReasonNone
}

// isTLS goes by the service's port alone, since payload is never read: only the
// first exchange of a connection to such a port is a handshake for certain. The
// second one is, too, before TLS 1.3 (RFC 5246, 7.3), and carries data from
// TLS 1.3 on (RFC 8446, 2): it counts. TLS at other ports is not recognised.
func (r *Record) isTLS() bool {
	port := r.Sock.Remote.Port()
	if r.Role == RoleServer {
		port = r.Sock.Local.Port()
	}
	switch port {
	case 443, 8443, 9443, // HTTP
		465, 563, 636, 853, 989, 990, 992, 993, 994, 995, // IANA: submissions, nntps, ldaps, domain-s, ftps, telnets, imaps, ircs, pop3s
		2376, 2379, 2380, 6443, 10250, // Docker, etcd, Kubernetes
		5061, 5671, 6514, 6697, 8883: // sips, amqps, syslog-tls, ircs-u, secure-mqtt
		return true
	}
	return false
}
