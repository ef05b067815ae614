package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/mailbricks/mailbricks/jmap"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxGroup is the most operations that share one commit.
const maxGroup = 512

// A db is a SQLite database with one writing goroutine and many readers.
//
//	write ─┐
//	write ─┼─▶ ops ─▶ loop: BEGIN, every operation that is waiting, COMMIT (one fsync), answer them all
//	write ─┘
type db struct {
	pool      *sql.DB
	writer    *conn      // nil in memory, where the one reader writes too
	readers   chan *conn // those that are free
	ops       chan *op
	closing   chan struct{}
	closed    chan struct{}
	committed func(*tx)                  // called after each commit, before its operations are answered
	current   func(mailbox int64) *index // what is committed, nil if that is not at hand
	failed    error                      // once set, nothing is written any more; used by the writing goroutine only
}

// An op is one operation. run may be called again after a rollback: it sets its results anew each time.
type op struct {
	run  func(*tx) error
	err  error
	done chan struct{}
}

// A conn is one connection with its prepared statements, used by one goroutine at a time.
type conn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

// openDB opens the database of dir with so many readers, or one in memory for "". sync is PRAGMA synchronous: FULL
// is durable, OFF is not.
func openDB(dir, sync string, readers int) (*db, error) {
	d := &db{ops: make(chan *op), closing: make(chan struct{}), closed: make(chan struct{})}
	pragmas := []string{"busy_timeout(10000)", "cache_size(-8192)", "temp_store(MEMORY)"}
	path := "file::memory:"
	if dir != "" {
		path = "file:" + (&url.URL{Path: filepath.ToSlash(filepath.Join(dir, "mail.db"))}).EscapedPath()
		pragmas = append(pragmas, "journal_mode(WAL)", "synchronous("+sync+")", "wal_autocheckpoint(4000)")
	} else {
		readers = 1
	}
	var err error
	if d.pool, err = sql.Open("sqlite", path+"?"+url.Values{"_pragma": pragmas}.Encode()); err != nil {
		return nil, fmt.Errorf("mailstore: %w", err)
	}
	d.pool.SetMaxOpenConns(readers + 1)
	d.readers = make(chan *conn, readers)
	for range readers {
		c, err := d.connect()
		if err != nil {
			d.pool.Close()
			return nil, err
		}
		d.readers <- c
	}
	c := <-d.readers
	err = migrate(c, steps())
	d.readers <- c
	if err == nil && dir != "" {
		d.writer, err = d.connect()
	}
	if err != nil {
		d.pool.Close()
		return nil, err
	}
	return d, nil
}

func (d *db) connect() (*conn, error) {
	c, err := d.pool.Conn(context.Background())
	if err != nil {
		return nil, dbError(err)
	}
	return &conn{c: c, stmts: make(map[string]*sql.Stmt)}, nil
}

// start begins to write. Nothing must be written before.
func (d *db) start(s *Store) {
	d.committed, d.current = s.committed, s.current
	go d.loop()
}

// close ends the writing after the group in work, waits for the readers, and closes the database. It is called once.
func (d *db) close() error {
	close(d.closing)
	<-d.closed
	for range cap(d.readers) {
		<-d.readers
	}
	return d.pool.Close()
}

// write runs an operation in a transaction that it may share with others and returns when it is durable, or with
// the operation's error when it has changed nothing.
func (d *db) write(ctx context.Context, run func(*tx) error) error {
	o := &op{run: run, done: make(chan struct{})}
	select {
	case d.ops <- o:
		<-o.done // it is decided soon, whatever becomes of ctx
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closing:
		return ErrClosed
	}
}

func (d *db) loop() {
	defer close(d.closed)
	for {
		select {
		case o := <-d.ops:
			d.group(o)
		case <-d.closing:
			return
		}
	}
}

// group runs o and whatever is waiting behind it in one transaction. If that cannot be committed as a whole, each
// operation is run again alone, so that none fails for another's reason.
func (d *db) group(o *op) {
	group := []*op{o}
	defer func() {
		for _, o := range group {
			close(o.done)
		}
	}()
	t, err := d.begin()
	for err == nil {
		if err = t.run(o); err != nil || len(group) == maxGroup {
			break
		}
		select {
		case o = <-d.ops:
			group = append(group, o)
			continue
		default:
		}
		break
	}
	if err == nil {
		err = t.commit()
	} else if t != nil {
		d.giveUp(err)
		t.rollback()
	}
	switch {
	case err == nil:
		d.committed(t)
	case len(group) == 1 || d.failed != nil:
		for _, o := range group {
			o.err = err
		}
	default:
		for _, o := range group {
			o.err = d.alone(o)
		}
	}
}

func (d *db) alone(o *op) error {
	t, err := d.begin()
	if err != nil {
		return err
	}
	if err := t.run(o); err != nil {
		d.giveUp(err)
		t.rollback()
		return err
	}
	if o.err != nil {
		t.rollback()
		return o.err
	}
	if err := t.commit(); err != nil {
		return err
	}
	d.committed(t)
	return nil
}

// giveUp ends all writing after an error that is fatal.
func (d *db) giveUp(err error) {
	if fatal(err) {
		d.failed = fmt.Errorf("mailstore: read-only after an error of the disk: %w", err)
	}
}

// begin begins a transaction. commit or rollback ends it.
func (d *db) begin() (*tx, error) {
	if d.failed != nil {
		return nil, d.failed
	}
	c := d.writer
	if c == nil {
		c = <-d.readers
	}
	t := &tx{db: d, conn: c, accounts: make(map[int64]*accountRow), boxes: make(map[int64]*boxRow), notices: make(map[notice]modSeq), told: make(map[int64]modSeq),
		shared: make(map[int64][]string), private: make(map[notice][]string)}
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

// stmt returns the prepared statement of a query.
func (c *conn) stmt(query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, dbError(err)
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) exec(query string, args ...any) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	_, err = s.Exec(args...)
	return dbError(err)
}

// row reads one row; sql.ErrNoRows if there is none.
func (c *conn) row(dest []any, query string, args ...any) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	return dbError(s.QueryRow(args...).Scan(dest...))
}

// rows calls scan for each row.
func (c *conn) rows(scan func(*sql.Rows) error, query string, args ...any) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	r, err := s.Query(args...)
	if err != nil {
		return dbError(err)
	}
	defer r.Close()
	for r.Next() {
		if err := scan(r); err != nil {
			return dbError(err)
		}
	}
	return dbError(r.Err())
}

// read calls f with a connection that sees what has been committed. f must not call read or write.
func (d *db) read(ctx context.Context, f func(*conn) error) error {
	select {
	case c := <-d.readers:
		defer func() { d.readers <- c }()
		return f(c)
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closing:
		return ErrClosed
	}
}

// snapshot is read with all of f's queries at one moment.
func (d *db) snapshot(ctx context.Context, f func(*conn) error) error {
	return d.read(ctx, func(c *conn) error {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		return errors.Join(f(c), c.exec("COMMIT"))
	})
}

// numbers returns the one column of a query.
func (c *conn) numbers(query string, args ...any) (out []int64, err error) {
	err = c.rows(func(r *sql.Rows) error {
		out = append(out, 0)
		return r.Scan(&out[len(out)-1])
	}, query, args...)
	return out, err
}

// ids returns the one column of a query as ids of JMAP.
func (c *conn) ids(id func(int64) string, query string, args ...any) ([]jmap.ID, error) {
	rows, err := c.numbers(query, args...)
	out := make([]jmap.ID, len(rows))
	for i, row := range rows {
		out[i] = jmap.ID(id(row))
	}
	return out, err
}

// noRows returns nil for sql.ErrNoRows.
func noRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// dbError gives an error of the database its place; ErrFull says that the disk is.
func dbError(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if e.Code()&0xff == sqlite3.SQLITE_FULL {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		return fmt.Errorf("mailstore: database: %w", err)
	}
	return err
}

// fatal reports whether after this error nothing that was written can be trusted to be on disk: a failed fsync must
// not be tried again, because the kernel may have dropped what it could not write.
func fatal(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && fatalCode(e.Code())
}

func fatalCode(code int) bool {
	switch code {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE:
		return true
	}
	return false
}
