package story_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mailbricks/mailbricks/examples/world/story"
)

// TestBounds: what is kept has limits.
func TestBounds(t *testing.T) {
	var b story.Book
	e := b.Begin(story.Letter{}, nil)
	for range 3 * story.MaxHops {
		h := e.Hop("x", "", "")
		for range 2 * story.MaxDialogue {
			h.Say("->", strings.Repeat("x", 2*story.MaxLine))
			h.Step("q", "a", "r")
		}
	}
	l, _ := b.Letter(e.ID())
	if len(l.Hops) > story.MaxHops || len(l.Hops[0].Dialogue) > story.MaxDialogue || len(l.Hops[0].Steps) > story.MaxDialogue || len(l.Hops[0].Dialogue[0].Text) > story.MaxLine+4 {
		t.Errorf("%d hops, %d lines of %d", len(l.Hops), len(l.Hops[0].Dialogue), len(l.Hops[0].Dialogue[0].Text))
	}
	for range story.MaxLetters {
		b.Begin(story.Letter{}, nil)
	}
	if _, ok := b.Letter(e.ID()); ok {
		t.Error("the first letter is still known")
	}
	e.Change(func(*story.Letter) {}) // it may still be written
	n := 0
	for range b.Letters() {
		n++
	}
	if n != story.MaxLetters {
		t.Errorf("%d letters", n)
	}
}

// TestEnd: only the first end counts, and a snapshot does not change any more.
func TestEnd(t *testing.T) {
	var b story.Book
	e := b.Begin(story.Letter{Subject: "x"}, nil)
	before := e.Letter()
	h := e.Hop("relay", "a", "b")
	h.Say("->", "EHLO a")
	during := e.Letter()
	h.Say("<-", "250 b")
	h.End(true, "fine")
	e.End(story.Refused, "550 no")
	e.End(story.Delivered, "250 yes")
	<-e.Done()
	if l := e.Letter(); l.State != story.Refused || l.Reply != "550 no" || !l.Hops[0].OK || l.Hops[0].Summary != "fine" || len(l.Hops[0].Dialogue) != 2 {
		t.Errorf("%+v", l)
	}
	if before.State != story.Moving || len(before.Hops) != 0 || during.Hops[0].Done || len(during.Hops[0].Dialogue) != 1 {
		t.Errorf("%+v, %+v", before, during)
	}
	var none *story.Teller
	none.Say("->", "x")
	none.End(true, "")
}

// TestWatch: a watcher is told each change once, however slow it is, and everybody who is gone is forgotten.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b story.Book
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		release := make(chan struct{})
		go func() {
			for c := range b.Watch(ctx) {
				got = append(got, c.Kind+" "+c.ID)
				if c == (story.Change{}) {
					<-release // slow
				}
			}
		}()
		synctest.Wait()
		e := b.Begin(story.Letter{}, nil)
		for range 1000 {
			e.Change(func(*story.Letter) {})
			b.Tell("inbox", "bob")
		}
		close(release)
		synctest.Wait()
		if s := strings.Join(got, ","); s != " ,letter w1,inbox bob" {
			t.Errorf("got %s", s)
		}
		cancel()
		synctest.Wait()
		before := len(got)
		b.Tell("inbox", "bob")
		synctest.Wait()
		if len(got) != before {
			t.Error("told after the end")
		}
	})
}

// TestFlood: a watcher that has missed too much is told to look at everything.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b story.Book
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		kinds := map[string]int{}
		release := make(chan struct{})
		go func() {
			for c := range b.Watch(ctx) {
				if kinds[c.Kind]++; c == (story.Change{}) {
					<-release
				}
			}
		}()
		synctest.Wait()
		for i := range 2500 {
			b.Tell("inbox", strings.Repeat("x", i))
		}
		close(release)
		synctest.Wait()
		if kinds["all"] != 1 || kinds["inbox"] > 1000 || kinds["inbox"] == 0 {
			t.Errorf("told of %v", kinds)
		}
	})
}
