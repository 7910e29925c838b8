// Package diff compares two captures: which paths and hops became slower or
// faster, which lose more packets, and whether the captures carry that
// sentence.
//
// Latencies are heavy-tailed, and packets of one moment share a queue and hence
// their fate: a test that takes packets as independent (Mann-Whitney,
// Kolmogorov-Smirnov) finds a difference between any two captures of the same
// system, and one of means is ruled by a few packets. So each capture is split
// into slices of equal time. For each percentile the test compares the share of
// packets beyond the pooled percentile (Mood's median test, at any quantile),
// and finds by permuting whole slices between the captures how often chance
// alone gives as large a difference (Fisher's permutation test). Nothing is
// assumed of the shape of the distribution; sampling weights and bursts shorter
// than a slice are taken into account. Over all paths p-values are corrected
// by Holm's method.
package diff

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hopscope/hopscope/pkg/model"
)

// SchemaName is the value of Result.Schema.
const SchemaName = "hopscope/diff/v1"

const (
	// Alpha is the chance that a comparison of two equal captures finds any
	// significant change in a path, in drops, in TCP or in DNS.
	Alpha = 0.01

	minSlices  = 8   // with packets of a path, in each capture
	minSamples = 100 // of a path, in each capture
	minBeyond  = 5   // samples expected beyond a percentile, in each capture
	leastMove  = 0.025
	enough     = 0.95 // of the packets of paths in both captures have to be comparable
)

// What Compare and Verdict fail with.
var (
	ErrNothingInCommon = errors.New("the captures have no path in common")
	ErrTooFewSamples   = errors.New("too few samples to compare")
)

// Side is one of the two captures.
type Side struct {
	Snapshot model.Snapshot
	Slices   []model.Snapshot // the same, split by time, with bins (model.Slices)
}

// Options of a comparison.
type Options struct {
	FailOver float64 // relative growth that is a regression, such as 0.2; 0: nothing is
}

// Result is a comparison of two captures.
type Result struct {
	Schema    string     `json:"schema"`
	Before    Capture    `json:"before"`
	After     Capture    `json:"after"`
	Alpha     float64    `json:"alpha"`
	FailOver  *float64   `json:"fail_over"` // null: nothing is a regression
	Regressed bool       `json:"regressed"`
	Paths     []Path     `json:"paths"`     // in both captures; regressions first, then by impact
	Drops     []Drop     `json:"drops"`     // in either; regressions first, then by how much they changed
	TCP       []TCP      `json:"tcp"`       // sides of connections in both, in the same order
	Exchanges []Exchange `json:"exchanges"` // in both captures, in the order of Paths
	DNS       []DNS      `json:"dns"`       // askers and their name servers in both, in the order of TCP
	Appeared  []Lone     `json:"appeared"`
	Vanished  []Lone     `json:"vanished"`

	// Rare is how many paths and response times were not tested and are too rare
	// for a verdict to ask for it.
	Rare      int        `json:"-"`
	gone, few []evidence // that a verdict would have to be of
}

// Capture says what one side is.
type Capture struct {
	Host        string    `json:"host"`
	Kernel      string    `json:"kernel"`
	ToolVersion string    `json:"tool_version"`
	StartedAt   time.Time `json:"started_at"`
	DurationNs  int64     `json:"duration_ns"`
	Tracked     uint64    `json:"tracked"`
	Lost        uint64    `json:"lost"` // by the tracer
	Slices      int       `json:"slices"`
}

// End is one end of a path, by a name that outlives a container: its compose
// project and service, "shop/web", or else its own name.
type End struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// ID is what paths are matched by. From and To follow the packets.
type ID struct {
	From          End    `json:"from"`
	To            End    `json:"to"`
	Network       string `json:"network"`
	Proto         string `json:"proto"`
	Port          uint16 `json:"port"`
	PublishedPort int    `json:"published_port"` // 0 without
	NAT           string `json:"nat"`
	Direction     string `json:"direction"`
}

// Path is one path of both captures. Impact is the change of the mean times
// the packets of one second, in ns a second.
type Path struct {
	ID
	Impact    float64    `json:"impact"`
	TooFew    bool       `json:"too_few"` // samples: nothing was tested
	Regressed bool       `json:"regressed"`
	Before    model.Dist `json:"before"`
	After     model.Dist `json:"after"`
	Changes   []Change   `json:"changes"`
	Hops      []Hop      `json:"hops"` // in the order in which packets meet them
}

// Hop is one hop of a path; one side of it is empty where it appeared or
// vanished. The deltas of a path's hops sum to the change of its mean.
type Hop struct {
	Hop         string     `json:"hop"`
	Where       string     `json:"where"`
	Namespace   string     `json:"namespace"`
	Before      model.Dist `json:"before"`
	After       model.Dist `json:"after"`
	ShareBefore float64    `json:"share_before"`
	ShareAfter  float64    `json:"share_after"`
	DeltaNs     float64    `json:"delta_ns"` // of the path's mean packet
	Changes     []Change   `json:"changes"`
}

// Change is how one percentile moved. Relative is null where it was 0 before;
// P is null where nothing was tested: too few samples beyond the percentile,
// or a move within the error of the percentiles themselves.
type Change struct {
	Quantile    string   `json:"quantile"`
	BeforeNs    int64    `json:"before_ns"`
	AfterNs     int64    `json:"after_ns"`
	Relative    *float64 `json:"relative"`
	P           *float64 `json:"p"` // corrected for the number of tests
	Significant bool     `json:"significant"`
	Regressed   bool     `json:"regressed"`
}

// Rate is how often something befell packets, counted and as a share. P is as
// in Change.
type Rate struct {
	Before      uint64   `json:"before"`
	After       uint64   `json:"after"`
	ShareBefore float64  `json:"share_before"`
	ShareAfter  float64  `json:"share_after"`
	P           *float64 `json:"p"`
	Significant bool     `json:"significant"`
	Regressed   bool     `json:"regressed"`
}

// Drop is one group of drops, as a share of the packets of From.
type Drop struct {
	Reason string `json:"reason"`
	Hop    string `json:"hop"`
	Where  string `json:"where"`
	From   End    `json:"from"`
	To     End    `json:"to"`
	Proto  string `json:"proto"`
	Port   uint16 `json:"port"`
	Rate
}

// TCP is one side of connections: the sockets of From. Retransmits is a share
// of the segments that they sent.
type TCP struct {
	From           End        `json:"from"`
	To             End        `json:"to"`
	Port           uint16     `json:"port"`
	Role           string     `json:"role"` // client, server
	SegmentsBefore uint64     `json:"segments_before"`
	SegmentsAfter  uint64     `json:"segments_after"`
	Retransmits    Rate       `json:"retransmits"`
	RTTBefore      model.Dist `json:"rtt_before"`
	RTTAfter       model.Dist `json:"rtt_after"`
	RTTChanges     []Change   `json:"rtt_changes"`
	Regressed      bool       `json:"regressed"` // in retransmits or round trip time
}

// DNS is what one end asks one name server. Failed, a share of the queries, had
// no answer in time, or one that says SERVFAIL or REFUSED.
type DNS struct {
	From           End        `json:"from"`
	To             End        `json:"to"`
	Forwarded      bool       `json:"forwarded"` // asked by Docker's name server, for From
	QueriesBefore  uint64     `json:"queries_before"`
	QueriesAfter   uint64     `json:"queries_after"`
	Failed         Rate       `json:"failed"`
	LatencyBefore  model.Dist `json:"latency_before"`
	LatencyAfter   model.Dist `json:"latency_after"`
	LatencyChanges []Change   `json:"latency_changes"`
	Regressed      bool       `json:"regressed"` // in failures or latency
}

// Lone is a path of one capture alone.
type Lone struct {
	ID
	Dist model.Dist `json:"dist"`
}

// RegressionError says that something became slower, or is lost more often,
// beyond Options.FailOver.
type RegressionError struct {
	Paths, Drops, TCP, Exchanges, DNS int // how many of each
	FailOver                          float64
}

func (e *RegressionError) Error() string {
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{{e.Paths, "latency of paths"}, {e.Drops, "groups of drops"}, {e.TCP, "sides of TCP connections"}, {e.Exchanges, "response times"}, {e.DNS, "lookups"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", x.what, x.n))
		}
	}
	return fmt.Sprintf("regression beyond %g%% (%s)", e.FailOver*100, strings.Join(parts, "; "))
}

// Verdict is a *RegressionError where something regressed, ErrNothingInCommon
// or ErrTooFewSamples where the captures do not allow a verdict, else nil. With
// Options.FailOver one that a path or response time would have to be tested for,
// and was not, is none either: ErrTooFewSamples, ErrVanished.
func (r *Result) Verdict() error {
	regression := RegressionError{}
	var all, compared uint64
	for i := range r.Paths {
		p := &r.Paths[i]
		packets := p.Before.Count + p.After.Count
		all += packets
		if !p.TooFew {
			compared += packets
		}
		if p.Regressed {
			regression.Paths++
		}
	}
	for i := range r.Drops {
		if r.Drops[i].Regressed {
			regression.Drops++
		}
	}
	for i := range r.TCP {
		if r.TCP[i].Regressed {
			regression.TCP++
		}
	}
	for i := range r.Exchanges {
		if r.Exchanges[i].Regressed {
			regression.Exchanges++
		}
	}
	for i := range r.DNS {
		if r.DNS[i].Regressed {
			regression.DNS++
		}
	}
	switch {
	case r.Regressed:
		regression.FailOver = *r.FailOver
		return &regression
	case len(r.Paths) == 0:
		return ErrNothingInCommon
	case float64(compared) < enough*float64(all):
		return fmt.Errorf("%w: %.0f%% of the packets are on paths with fewer than %d samples, or fewer than %d slices of time, in one of the captures",
			ErrTooFewSamples, 100*(1-float64(compared)/float64(all)), minSamples, minSlices)
	case r.FailOver != nil:
		return lacking(r.gone, r.few)
	}
	return nil
}
