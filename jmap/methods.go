package jmap

import (
	"context"
	"io"
	"slices"
)

// The standard methods (RFC 8620 §5): one type a request and a response, for client, server and store alike. A type
// parameter is what a data type adds; NoArgs where that is nothing.

// NoArgs is the Args of a method that has none of its own.
type NoArgs struct{}

// A GetRequest is the arguments of Foo/get.
type GetRequest[Args any] struct {
	AccountID ID `json:"accountId"`
	// IDs are the wanted records; nil is all of them, empty is none.
	IDs []ID `json:"ids,omitzero"`
	// Properties are the wanted properties; nil is the type's default set.
	Properties []string `json:"properties,omitzero"`
	Args       Args     `json:",embed"`
}

// A GetResponse is the result of Foo/get.
type GetResponse[T any] struct {
	AccountID ID    `json:"accountId"`
	State     State `json:"state"`
	List      []T   `json:"list"`
	NotFound  []ID  `json:"notFound"`
}

// A ChangesRequest is the arguments of Foo/changes.
type ChangesRequest struct {
	AccountID  ID    `json:"accountId"`
	SinceState State `json:"sinceState"`
	// MaxChanges bounds the ids of the response, which may be fewer; nil is no bound, 0 is invalid.
	MaxChanges *uint `json:"maxChanges,omitzero"`
}

// A ChangesResponse is the result of Foo/changes.
type ChangesResponse struct {
	AccountID      ID    `json:"accountId"`
	OldState       State `json:"oldState"`
	NewState       State `json:"newState"`
	HasMoreChanges bool  `json:"hasMoreChanges"`
	Created        []ID  `json:"created"`
	Updated        []ID  `json:"updated"`
	Destroyed      []ID  `json:"destroyed"`
}

// A SetRequest is the arguments of Foo/set: on the wire C is the type itself and U is Patch, in a store they are what
// the store writes. Creations come first, then updates, then destructions.
type SetRequest[C, U, Args any] struct {
	AccountID ID `json:"accountId"`
	// IfInState refuses the whole call with StateMismatch where it is not nil and not the current state.
	IfInState *State   `json:"ifInState,omitzero"`
	Create    map[ID]C `json:"create,omitzero"` // by creation id
	Update    map[ID]U `json:"update,omitzero"`
	Destroy   []ID     `json:"destroy,omitzero"`
	Args      Args     `json:",embed"`
}

// A SetResponse is the result of Foo/set. Created and Updated hold what the server set that the client does not know.
type SetResponse[T any] struct {
	AccountID    ID               `json:"accountId"`
	OldState     State            `json:"oldState,omitzero"`
	NewState     State            `json:"newState"`
	Created      map[ID]T         `json:"created"`
	Updated      map[ID]*T        `json:"updated"` // nil: nothing but what was asked for
	Destroyed    []ID             `json:"destroyed"`
	NotCreated   map[ID]*SetError `json:"notCreated"`
	NotUpdated   map[ID]*SetError `json:"notUpdated"`
	NotDestroyed map[ID]*SetError `json:"notDestroyed"`
}

// A QueryRequest is the arguments of Foo/query. F is the type's FilterCondition, S its Comparator.
type QueryRequest[F, S, Args any] struct {
	AccountID ID         `json:"accountId"`
	Filter    *Filter[F] `json:"filter,omitzero"`
	Sort      []S        `json:"sort,omitzero"`
	// Position is the index of the first result; negative counts from the end. Ignored with Anchor.
	Position int `json:"position,omitzero"`
	// Anchor is a result; AnchorOffset is where to start, relative to it.
	Anchor       ID    `json:"anchor,omitzero"`
	AnchorOffset int   `json:"anchorOffset,omitzero"`
	Limit        *uint `json:"limit,omitzero"`
	// CalculateTotal asks for QueryResponse.Total.
	CalculateTotal bool `json:"calculateTotal,omitzero"`
	Args           Args `json:",embed"`
}

// A QueryResponse is the result of Foo/query.
type QueryResponse struct {
	AccountID           ID    `json:"accountId"`
	QueryState          State `json:"queryState"`
	CanCalculateChanges bool  `json:"canCalculateChanges"`
	Position            uint  `json:"position"`
	IDs                 []ID  `json:"ids"`
	Total               *uint `json:"total,omitzero"`
	// Limit is the server's own, where it is lower than the client's.
	Limit *uint `json:"limit,omitzero"`
}

// A QueryChangesRequest is the arguments of Foo/queryChanges (RFC 8620 §5.6).
type QueryChangesRequest[F, S, Args any] struct {
	AccountID       ID         `json:"accountId"`
	Filter          *Filter[F] `json:"filter,omitzero"`
	Sort            []S        `json:"sort,omitzero"`
	SinceQueryState State      `json:"sinceQueryState"`
	// MaxChanges refuses more with TooManyChanges; nil is no bound.
	MaxChanges *uint `json:"maxChanges,omitzero"`
	// UpToID is the last result that the client has; a server may leave out what comes behind it.
	UpToID         ID   `json:"upToId,omitzero"`
	CalculateTotal bool `json:"calculateTotal,omitzero"`
	Args           Args `json:",embed"`
}

// A QueryChangesResponse is the result of Foo/queryChanges. Who takes the Removed ids out of the old result, those that
// are in it, and then puts the Added in, from the lowest index, has the new result.
type QueryChangesResponse struct {
	AccountID     ID          `json:"accountId"`
	OldQueryState State       `json:"oldQueryState"`
	NewQueryState State       `json:"newQueryState"`
	Total         *uint       `json:"total,omitzero"`
	Removed       []ID        `json:"removed"`
	Added         []AddedItem `json:"added"`
}

// An AddedItem is a result that is new, or elsewhere now.
type AddedItem struct {
	ID    ID   `json:"id"`
	Index uint `json:"index"`
}

// Apply returns the new result that a QueryChangesResponse makes of an old one.
func (r *QueryChangesResponse) Apply(old []ID) []ID {
	gone := make(map[ID]bool, len(r.Removed))
	for _, id := range r.Removed {
		gone[id] = true
	}
	out := make([]ID, 0, len(old)+len(r.Added))
	for _, id := range old {
		if !gone[id] {
			out = append(out, id)
		}
	}
	for _, a := range r.Added {
		out = slices.Insert(out, int(min(a.Index, uint(len(out)))), a.ID)
	}
	return out
}

// A CopyRequest is the arguments of Foo/copy (RFC 8620 §5.4). On the wire C has the id of the original, and the
// properties that are to be other than its.
type CopyRequest[C any] struct {
	FromAccountID ID       `json:"fromAccountId"`
	IfFromInState *State   `json:"ifFromInState,omitzero"`
	AccountID     ID       `json:"accountId"`
	IfInState     *State   `json:"ifInState,omitzero"`
	Create        map[ID]C `json:"create"`
	// OnSuccessDestroyOriginal makes a /set of the originals follow, IfInState being DestroyFromIfInState.
	OnSuccessDestroyOriginal bool   `json:"onSuccessDestroyOriginal,omitzero"`
	DestroyFromIfInState     *State `json:"destroyFromIfInState,omitzero"`
}

// A CopyResponse is the result of Foo/copy.
type CopyResponse[T any] struct {
	FromAccountID ID               `json:"fromAccountId"`
	AccountID     ID               `json:"accountId"`
	OldState      State            `json:"oldState,omitzero"`
	NewState      State            `json:"newState"`
	Created       map[ID]T         `json:"created"`
	NotCreated    map[ID]*SetError `json:"notCreated"`
}

// The roles of a store. Each method is one transaction, sees what was committed before it was called, and is called
// by several goroutines at once. A *MethodError becomes the answer as it is; any other error becomes ServerFail and its
// text is logged, not told.

// A Getter reads records.
type Getter[Args, T any] interface {
	// Get has one entry per distinct id, in List or in NotFound, in the order asked for.
	Get(ctx context.Context, r *GetRequest[Args]) (*GetResponse[T], error)
}

// A Changer reads what changed.
type Changer interface {
	// Changes returns at most MaxChanges ids. CannotCalculateChanges: the state is unknown or too old.
	Changes(ctx context.Context, r *ChangesRequest) (*ChangesResponse, error)
}

// A Setter changes records; what it returned is durable.
type Setter[C, U, Args, T any] interface {
	// Set is one transaction. One refused record is an entry of NotCreated, NotUpdated or NotDestroyed and does not
	// stop the others. StateMismatch: IfInState is not the state.
	Set(ctx context.Context, r *SetRequest[C, U, Args]) (*SetResponse[T], error)
}

// A Querier finds records.
type Querier[F, S, Args any] interface {
	// Query returns an error that wraps errors.ErrUnsupported where the store has no fast way for this filter or
	// sort: the server then does it record by record.
	Query(ctx context.Context, r *QueryRequest[F, S, Args]) (*QueryResponse, error)
}

// A Watcher tells of changes of one account, at commit, without polling.
type Watcher interface {
	// Watch subscribes from now on, until ctx ends. The channel receives after a change, once for several; it is not
	// closed.
	Watch(ctx context.Context) <-chan struct{}
	// States returns the state of each data type, by its name ("Email").
	States(ctx context.Context) (map[string]State, error)
}

// A Blob is immutable bytes, read in ranges.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
