package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hopscope/hopscope/pkg/crash"
)

const (
	// watchBuffer holds the messages of about a hundred containers that start
	// at once, in bytes.
	watchBuffer = 1 << 20
	// watchAgain is the pause before a broken subscription is renewed.
	watchAgain = time.Second
)

// Watch renews a subscription that breaks: the kernel ends it with ENOBUFS when
// it is read too slowly. What was missed is made up for by one more reading.
func (n netlinkDevices) Watch(ctx context.Context, host Namespace) (<-chan struct{}, error) {
	changed := make(chan struct{}, 1)
	broken, err := n.subscribe(ctx, host, changed)
	if err != nil {
		return nil, err
	}
	crash.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-broken:
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(watchAgain):
			}
			poke(changed)
			if again, err := n.subscribe(ctx, host, changed); err == nil {
				broken = again
			}
		}
	})
	return changed, nil
}

// subscribe ends with ctx, or when it breaks; then the channel that it returns
// is closed.
func (netlinkDevices) subscribe(ctx context.Context, host Namespace, changed chan<- struct{}) (<-chan struct{}, error) {
	ns, err := openNamespace(host)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	at := &ns
	if isOwnNetns(host.Inode) {
		at = nil
	}
	ctx, cancel := context.WithCancel(ctx)
	links := make(chan netlink.LinkUpdate, 64)
	if err := netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{
		Namespace: at, ReceiveBufferSize: watchBuffer, ReceiveBufferForceSize: true}); err != nil {
		cancel()
		return nil, fmt.Errorf("subscribe to links: %w", err)
	}
	addrs := make(chan netlink.AddrUpdate, 64)
	if err := netlink.AddrSubscribeWithOptions(addrs, ctx.Done(), netlink.AddrSubscribeOptions{
		Namespace: at, ReceiveBufferSize: watchBuffer, ReceiveBufferForceSize: true}); err != nil {
		cancel()
		return nil, fmt.Errorf("subscribe to addresses: %w", err)
	}
	crash.Go(func() { forward(cancel, links, changed) })
	crash.Go(func() { forward(cancel, addrs, changed) })
	return ctx.Done(), nil
}

// forward ends when the library closes the channel, and then ends the other
// half of the subscription too.
func forward[T any](cancel context.CancelFunc, in <-chan T, changed chan<- struct{}) {
	defer cancel()
	for range in {
		poke(changed)
	}
}
