package mailrelay

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/mailbricks/mailbricks/smtp/queue"
)

// ErrNotBuilt says that a kind of storage is planned and not there yet.
var ErrNotBuilt = errors.New("not built yet")

// OpenSpool opens the storage of a queue: dir:PATH is a directory for one process (queue.OpenDir). The caller calls
// close when Run has returned. sqlite:PATH, postgres:// and nats:// are ErrNotBuilt.
func OpenSpool(spec string, log *slog.Logger) (s queue.Spool, close func() error, err error) {
	kind, rest, ok := strings.Cut(spec, ":")
	switch {
	case ok && kind == "dir" && rest != "":
		d, err := queue.OpenDir(rest, log)
		if err != nil {
			return nil, nil, fmt.Errorf("queue %s: %w", spec, err)
		}
		return d, d.Close, nil
	case ok && (kind == "sqlite" || kind == "postgres" || kind == "nats"):
		return nil, nil, fmt.Errorf("queue %s: %w", kind, ErrNotBuilt)
	}
	return nil, nil, fmt.Errorf("queue %q is not dir:PATH", spec)
}
