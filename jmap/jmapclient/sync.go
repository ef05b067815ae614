package jmapclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mailbricks/mailbricks/internal/backoff"
	"github.com/mailbricks/mailbricks/jmap"
)

// A Sync keeps a local copy of all records of one type in one account. One goroutine at a time uses it.
//
// Its rungs: nothing, where the state is the copy's; /changes, page after page; and where the server cannot tell what
// changed since the copy's state, all records anew, after which those that are gone leave the copy.
type Sync[T any] struct {
	Client     *Client
	Account    jmap.ID
	Capability string // jmap.CapabilityMail
	Type       string // "Email"
	// Properties are those of the records in the copy; nil is the type's default set.
	Properties []string
	// ID returns a record's id.
	ID func(*T) jmap.ID
	// Copy is where the records are kept; a Memory or your own.
	Copy Copy[T]
	// NoQuery reads all records by /get without ids, for types that have no /query, such as Thread. A server may
	// refuse that where they are more than its maxObjectsInGet.
	NoQuery bool
}

// A Copy is where a Sync keeps records. What it returns errors for ends the Sync and can be tried again.
type Copy[T any] interface {
	// State returns that of the last Delta, "" where there is none.
	State(ctx context.Context) (jmap.State, error)
	// IDs returns the ids of all records. It is asked for only when everything is read anew.
	IDs(ctx context.Context) ([]jmap.ID, error)
	// Apply is one transaction: it keeps the whole Delta or nothing.
	Apply(ctx context.Context, d *Delta[T]) error
}

// A Delta is what changes in a Copy.
type Delta[T any] struct {
	// Records are new, or take the place of those with their ids.
	Records []T
	// Destroyed are ids of records to forget, those that are there.
	Destroyed []jmap.ID
	// State is that of the copy with this Delta; "" while everything is read anew, so that what is left half done is
	// begun again.
	State jmap.State
}

var errNoProgress = errors.New("the server says that there are more changes, but its state stays as it is")

// Once brings the copy up to date.
func (s *Sync[T]) Once(ctx context.Context) error {
	err := s.once(ctx)
	if err != nil {
		return fmt.Errorf("jmapclient: sync of %s: %w", s.Type, err)
	}
	return nil
}

func (s *Sync[T]) once(ctx context.Context) error {
	state, err := s.Copy.State(ctx)
	if err != nil {
		return err
	}
	if state != "" {
		err = s.changes(ctx, state, nil)
		if !jmap.IsMethodError(err, jmap.CannotCalculateChanges) && !jmap.IsMethodError(err, jmap.InvalidArguments) {
			return err // invalid is what a server calls a state that it cannot even read
		}
	}
	state, late, err := s.anew(ctx)
	if err != nil {
		return err
	}
	return s.changes(ctx, state, late) // what came meanwhile
}

// Run brings the copy up to date, now and after each pushed change, until ctx ends or there is an error that another
// attempt would not mend. It returns nil when ctx has ended.
func (s *Sync[T]) Run(ctx context.Context) error {
	for change, err := range s.Client.Events(ctx, s.Type) {
		if err != nil {
			return err
		}
		if state, ok := change.Changed[s.Account][s.Type]; change.Changed != nil {
			have, err := s.Copy.State(ctx)
			if !ok || err == nil && have == state {
				continue
			}
		}
		if err := s.persist(ctx); err != nil {
			return err
		}
	}
	return nil
}

// persist brings the copy up to date, however often that takes.
func (s *Sync[T]) persist(ctx context.Context) error {
	schedule := backoff.Exponential(firstWait, longestWait)
	for failures := 1; ; failures++ {
		err := s.Once(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if !temporary(err) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(schedule.Delay(failures, rand.Float64)):
		}
	}
}

// changes takes what changed since a state into the copy: changes and the records that they are about come in one
// round trip a page. Records that are late came after since, and no changes tell where they have gone since: they are
// looked for at the end, before which the copy keeps no state, so that a sync that is interrupted begins anew.
func (s *Sync[T]) changes(ctx context.Context, since jmap.State, late []jmap.ID) error {
	limits, err := s.Client.limits(ctx)
	if err != nil {
		return err
	}
	for {
		r := jmap.ChangesRequest{AccountID: s.Account, SinceState: since}
		if limits.MaxObjectsInGet > 0 {
			r.MaxChanges = new(uint(limits.MaxObjectsInGet))
		}
		b := s.Client.Batch(s.Capability)
		call := Add[jmap.ChangesResponse](b, s.Type+"/changes", r)
		get := jmap.GetRequest[jmap.NoArgs]{AccountID: s.Account, Properties: s.Properties}
		created := Add[jmap.GetResponse[T]](b, s.Type+"/get", get, call.Ref("ids", "/created"))
		updated := Add[jmap.GetResponse[T]](b, s.Type+"/get", get, call.Ref("ids", "/updated"))
		if err := b.Do(ctx); err != nil {
			return err
		}
		page, err := call.Result()
		if err != nil {
			return err
		}
		d := &Delta[T]{Destroyed: page.Destroyed, State: page.NewState}
		for _, part := range []struct {
			call *Call[jmap.GetResponse[T]]
			ids  []jmap.ID
		}{{created, page.Created}, {updated, page.Updated}} {
			got, err := part.call.Result()
			if jmap.IsMethodError(err, jmap.RequestTooLarge) { // it took no heed of maxChanges
				get.IDs = part.ids
				got, err = Get[T](ctx, s.Client, s.Capability, s.Type, get)
			}
			if err != nil {
				return err
			}
			d.Records = append(d.Records, got.List...)
			d.Destroyed = append(d.Destroyed, got.NotFound...) // gone since
		}
		if len(late) > 0 && page.HasMoreChanges {
			d.State = ""
		} else if len(late) > 0 {
			get.IDs = late
			got, err := Get[T](ctx, s.Client, s.Capability, s.Type, get)
			if err != nil {
				return err
			}
			d.Destroyed = append(d.Destroyed, got.NotFound...)
		}
		if page.NewState != since || len(late)+len(d.Records)+len(d.Destroyed) > 0 {
			if err := s.Copy.Apply(ctx, d); err != nil {
				return err
			}
		}
		if !page.HasMoreChanges {
			return nil
		}
		if page.NewState == since {
			return errNoProgress
		}
		since = page.NewState
	}
}

// anew takes all records into the copy and out of it what is no more. It returns a state from which on there may be
// changes that it has not seen, and the records that may have come after it.
func (s *Sync[T]) anew(ctx context.Context) (state jmap.State, late []jmap.ID, err error) {
	get := jmap.GetRequest[jmap.NoArgs]{AccountID: s.Account, IDs: []jmap.ID{}, Properties: s.Properties}
	if s.NoQuery {
		get.IDs = nil
	}
	first, err := Do[jmap.GetResponse[T]](ctx, s.Client, s.Capability, s.Type+"/get", get)
	if err != nil {
		return "", nil, err
	}
	old, err := s.Copy.IDs(ctx)
	if err != nil {
		return "", nil, err
	}
	gone := make(map[jmap.ID]bool, len(old))
	for _, id := range old {
		gone[id] = true
	}
	take := func(got *jmap.GetResponse[T]) error {
		for i := range got.List {
			delete(gone, s.ID(&got.List[i]))
			if got.State != first.State {
				late = append(late, s.ID(&got.List[i]))
			}
		}
		return s.Copy.Apply(ctx, &Delta[T]{Records: got.List})
	}
	if s.NoQuery {
		err = take(first)
	} else {
		err = s.pages(ctx, get, take)
	}
	if err != nil {
		return "", nil, err
	}
	last := new(Delta[T])
	if len(late) == 0 {
		last.State = first.State
	}
	for id := range gone {
		last.Destroyed = append(last.Destroyed, id)
	}
	return first.State, late, s.Copy.Apply(ctx, last)
}

// pages reads all records that /query finds.
func (s *Sync[T]) pages(ctx context.Context, get jmap.GetRequest[jmap.NoArgs], take func(*jmap.GetResponse[T]) error) error {
	limits, err := s.Client.limits(ctx)
	if err != nil {
		return err
	}
	size := limits.MaxObjectsInGet
	if size <= 0 {
		size = 500
	}
	type query = jmap.QueryRequest[jmap.NoArgs, jmap.NoArgs, jmap.NoArgs]
	flush := func() error {
		if len(get.IDs) == 0 {
			return nil
		}
		got, err := Get[T](ctx, s.Client, s.Capability, s.Type, get)
		if err == nil {
			err = take(got)
		}
		get.IDs = nil
		return err
	}
	for id, err := range Query(ctx, s.Client, s.Capability, s.Type, query{AccountID: s.Account, Limit: new(uint(size))}) {
		if err != nil {
			return err
		}
		if get.IDs = append(get.IDs, id); len(get.IDs) == size {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
