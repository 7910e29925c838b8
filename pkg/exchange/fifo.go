package exchange

import "slices"

// fifo is a queue.
type fifo[T any] struct {
	list []T
	head int // what lies before it has left
}

// all lists what is queued, valid until the next change.
func (q *fifo[T]) all() []T { return q.list[q.head:] }

func (q *fifo[T]) len() int { return len(q.all()) }

func (q *fifo[T]) push(x T) { q.list = append(q.list, x) }

// front is the zero value where the queue is empty.
func (q *fifo[T]) front() (x T) {
	if q.len() == 0 {
		return x
	}
	return q.list[q.head]
}

func (q *fifo[T]) pop() {
	var none T
	q.list[q.head] = none
	q.head++
	if q.head > 1024 && q.head > len(q.list)/2 {
		q.list = slices.Delete(q.list, 0, q.head)
		q.head = 0
	}
}
