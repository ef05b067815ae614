package mailserver

import (
	"cmp"
	"context"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mailbricks/mailbricks/jmap"
	"github.com/mailbricks/mailbricks/jmap/jmapserver"
	"github.com/mailbricks/mailbricks/jmap/mail"
)

// quotas are those of an account. Their state says all that was: of each its id, what was used, and a sum of the rest. So
// every change can be told, and no history is kept.
type quotas struct {
	of    mail.Quoter
	using []string
}

// A quotaWas is one quota of a state.
type quotaWas struct {
	id   jmap.ID
	used uint64
	rest uint32
}

func (q quotaWas) compare(o quotaWas) int { return cmp.Compare(q.id, o.id) }

// was returns what a state says of a list, by ids.
func was(list []mail.Quota) []quotaWas {
	out := make([]quotaWas, len(list))
	for i := range list {
		rest := list[i]
		rest.Used, rest.Selection = 0, jmap.Selection{}
		raw, _ := jmap.Marshal(&rest) // of strings and numbers
		out[i] = quotaWas{rest.ID, uint64(list[i].Used), crc32.ChecksumIEEE(raw)}
	}
	slices.SortFunc(out, quotaWas.compare)
	return out
}

// quotaState writes a state: ID.USED.REST for each, the numbers in base 36.
func quotaState(list []quotaWas) jmap.State {
	parts := make([]string, len(list))
	for i, q := range list {
		parts[i] = string(q.id) + "." + strconv.FormatUint(q.used, 36) + "." + strconv.FormatUint(uint64(q.rest), 36)
	}
	return jmap.State("q" + strings.Join(parts, ","))
}

func parseQuotaState(s jmap.State) ([]quotaWas, error) {
	var out []quotaWas
	rest, ok := strings.CutPrefix(string(s), "q")
	for part := range strings.SplitSeq(rest, ",") {
		if rest == "" {
			break
		}
		f := strings.Split(part, ".")
		if len(f) != 3 {
			ok = false
			break
		}
		used, err := strconv.ParseUint(f[1], 36, 64)
		sum, err2 := strconv.ParseUint(f[2], 36, 32)
		out = append(out, quotaWas{jmap.ID(f[0]), used, uint32(sum)})
		ok = ok && err == nil && err2 == nil
	}
	if !ok || !slices.IsSortedFunc(out, quotaWas.compare) || quotaState(out) != s {
		return nil, jmap.Errorf(jmap.CannotCalculateChanges, "unknown state")
	}
	return out, nil
}

// list returns the quotas that a client knows a type of, with those types alone (RFC 9425 §4.1), and the state.
func (q quotas) list(ctx context.Context) ([]mail.Quota, jmap.State, error) {
	all, err := q.of.Quotas(ctx)
	if err != nil {
		return nil, "", err
	}
	state := quotaState(was(all))
	out := []mail.Quota{}
	for _, x := range all {
		x.Types = slices.DeleteFunc(slices.Clone(x.Types), func(t string) bool {
			return !slices.Contains(q.using, capabilityOf(t))
		})
		if len(x.Types) > 0 {
			out = append(out, x)
		}
	}
	return out, state, nil
}

// capabilityOf returns the capability of a data type, "" where it is not known.
func capabilityOf(typ string) string {
	switch typ {
	case "Email", "Mailbox", "Thread", "Mail": // RFC 9425 §5.1 has "Mail" for all of them
		return jmap.CapabilityMail
	case "VacationResponse":
		return jmap.CapabilityVacationResponse
	case "EmailSubmission", "Identity":
		return jmap.CapabilitySubmission
	}
	return ""
}

// Get is jmap.Getter's.
func (q quotas) Get(ctx context.Context, r *jmap.GetRequest[jmap.NoArgs]) (*jmap.GetResponse[mail.Quota], error) {
	all, state, err := q.list(ctx)
	if err != nil {
		return nil, err
	}
	out := &jmap.GetResponse[mail.Quota]{State: state}
	out.List, out.NotFound = pick(r.IDs, all, func(x *mail.Quota) jmap.ID { return x.ID })
	return out, nil
}

// registerQuota adds the methods of RFC 9425.
func (s *Service) registerQuota(m *jmapserver.Mux) {
	const c = jmap.CapabilityQuota
	jmapserver.RegisterGet(m, c, "Quota", func(ctx context.Context, c *jmapserver.Call, id jmap.ID) (jmap.Getter[jmap.NoArgs, mail.Quota], error) {
		return s.quotas(ctx, c, id)
	})
	jmapserver.Register(m, c, "Quota/changes", s.quotaChanges)
	jmapserver.Register(m, c, "Quota/query", s.quotaQuery)
	jmapserver.Register(m, c, "Quota/queryChanges", s.quotaQueryChanges)
}

func (s *Service) quotas(ctx context.Context, c *jmapserver.Call, id jmap.ID) (*quotas, error) {
	a, err := s.account(ctx, c, id)
	if err == nil && a.Quotas == nil {
		err = jmap.Errorf(jmap.AccountNotSupportedByMethod, "no quotas in this account")
	}
	if err != nil {
		return nil, err
	}
	return &quotas{a.Quotas, c.Using}, nil
}

// quotaChanges is Quota/changes (RFC 9425 §4.3).
func (s *Service) quotaChanges(ctx context.Context, c *jmapserver.Call, r *jmap.ChangesRequest) (*mail.QuotaChangesResponse, error) {
	if err := jmapserver.CheckChanges(r); err != nil {
		return nil, err
	}
	q, err := s.quotas(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	out, err := q.changes(ctx, r)
	if err == nil {
		out.AccountID, out.OldState = r.AccountID, r.SinceState
	}
	return out, err
}

// changes goes through the ids that were or are, in their order; a page of them leads to the state in which those have
// changed and the others not yet.
func (q quotas) changes(ctx context.Context, r *jmap.ChangesRequest) (*mail.QuotaChangesResponse, error) {
	old, err := parseQuotaState(r.SinceState)
	if err != nil {
		return nil, err
	}
	all, err := q.of.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	now, state := make(map[jmap.ID]quotaWas), make(map[jmap.ID]quotaWas)
	for _, x := range was(all) {
		now[x.id] = x
	}
	for _, x := range old {
		state[x.id] = x
	}
	out := &mail.QuotaChangesResponse{UpdatedProperties: jmap.NullList[string]{"used"}}
	ids := slices.Sorted(maps.Keys(now))
	for id := range state {
		if _, ok := now[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	n := uint(0)
	for _, id := range ids {
		before, had := state[id]
		after, has := now[id]
		if had && has && before == after {
			continue
		}
		if r.MaxChanges != nil && n == *r.MaxChanges {
			out.HasMoreChanges = true
			break
		}
		n++
		switch {
		case !has:
			out.Destroyed = append(out.Destroyed, id)
			delete(state, id)
			continue
		case !had:
			out.Created = append(out.Created, id)
		default:
			out.Updated = append(out.Updated, id)
			if before.rest != after.rest {
				out.UpdatedProperties = nil
			}
		}
		state[id] = after
	}
	if len(out.Updated) == 0 {
		out.UpdatedProperties = nil
	}
	out.NewState = quotaState(slices.SortedFunc(maps.Values(state), quotaWas.compare))
	return out, nil
}

type quotaQuery = jmap.QueryRequest[mail.QuotaCondition, mail.Comparator, jmap.NoArgs]

// quotaQuery is Quota/query (RFC 9425 §4.4).
func (s *Service) quotaQuery(ctx context.Context, c *jmapserver.Call, r *quotaQuery) (*jmap.QueryResponse, error) {
	q, err := s.quotas(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	ids, state, err := q.find(ctx, r.Filter, r.Sort)
	if err != nil {
		return nil, err
	}
	out, err := jmap.Page(r, ids)
	if err == nil {
		out.QueryState, out.CanCalculateChanges = state, true
	}
	return out, err
}

// find returns the ids of the quotas that match, sorted.
func (q quotas) find(ctx context.Context, f *jmap.Filter[mail.QuotaCondition], sort []mail.Comparator) ([]jmap.ID, jmap.State, error) {
	if err := checkSort(sort, func(property string) bool { return property == "name" || property == "used" }); err != nil {
		return nil, "", err
	}
	list, state, err := q.list(ctx)
	if err != nil {
		return nil, "", err
	}
	slices.SortStableFunc(list, func(a, b mail.Quota) int {
		for _, k := range sort {
			d := cmp.Compare(fold(a.Name), fold(b.Name))
			if k.Property == "used" {
				d = cmp.Compare(a.Used, b.Used)
			}
			if k.Descending() {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	ids := []jmap.ID{}
	for i := range list {
		x := &list[i]
		if ok, _ := f.Match(func(k *mail.QuotaCondition) (bool, error) { return quotaMatches(k, x), nil }); ok {
			ids = append(ids, x.ID)
		}
	}
	return ids, state, nil
}

func quotaMatches(k *mail.QuotaCondition, x *mail.Quota) bool {
	return (k.Name == nil || strings.Contains(x.Name, *k.Name)) && (k.Scope == nil || *k.Scope == x.Scope) &&
		(k.ResourceType == nil || *k.ResourceType == x.ResourceType) && (k.Type == nil || slices.Contains(x.Types, *k.Type))
}

// quotaQueryChanges is Quota/queryChanges (RFC 9425 §4.5).
func (s *Service) quotaQueryChanges(ctx context.Context, c *jmapserver.Call, r *jmap.QueryChangesRequest[mail.QuotaCondition, mail.Comparator, jmap.NoArgs]) (*jmap.QueryChangesResponse, error) {
	q, err := s.quotas(ctx, c, r.AccountID)
	if err != nil {
		return nil, err
	}
	all, err := q.of.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	same := quotas{fixedQuotas(all), q.using} // both looks at one moment
	changes, err := same.changes(ctx, &jmap.ChangesRequest{SinceState: r.SinceQueryState})
	if err != nil {
		return nil, err
	}
	ids, state, err := same.find(ctx, r.Filter, r.Sort)
	if err != nil {
		return nil, err
	}
	out := &jmap.QueryChangesResponse{AccountID: r.AccountID, OldQueryState: r.SinceQueryState, NewQueryState: state,
		Removed: slices.Concat(changes.Updated, changes.Destroyed)}
	for i, id := range ids {
		if slices.Contains(changes.Created, id) || slices.Contains(changes.Updated, id) {
			out.Added = append(out.Added, jmap.AddedItem{ID: id, Index: uint(i)})
		}
	}
	if n := len(out.Removed) + len(out.Added); r.MaxChanges != nil && uint(n) > *r.MaxChanges {
		return nil, jmap.Errorf(jmap.TooManyChanges, "%d changes", n)
	}
	if r.CalculateTotal {
		out.Total = new(uint(len(ids)))
	}
	return out, nil
}

// fixedQuotas is a mail.Quoter of one moment.
type fixedQuotas []mail.Quota

// Quotas returns them.
func (f fixedQuotas) Quotas(context.Context) ([]mail.Quota, error) { return f, nil }

// quotaWatcher adds the state of the quotas (RFC 9425 §6).
type quotaWatcher struct {
	jmap.Watcher
	of mail.Quoter
}

// States is jmap.Watcher's.
func (w quotaWatcher) States(ctx context.Context) (map[string]jmap.State, error) {
	all, err := w.Watcher.States(ctx)
	if err != nil {
		return nil, err
	}
	list, err := w.of.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	all = maps.Clone(all)
	all["Quota"] = quotaState(was(list))
	return all, nil
}
