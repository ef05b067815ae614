package imapclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/imap"
)

// TestCommands checks what is sent and what becomes of the answer, a command each.
func TestCommands(t *testing.T) {
	set := imap.UIDs(1, 2, 3, 7)
	day := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	deleted := imap.FlagChange{Op: imap.FlagsRemove, Flags: []imap.Flag{imap.FlagDeleted}}
	message := imap.AppendMessage{Flags: []imap.Flag{imap.FlagSeen}, InternalDate: day, Size: 5}
	for _, tt := range []struct {
		name, caps, dialogue string
		do                   func(c *Client) (any, error)
		want                 string
	}{
		{"status", "CONDSTORE STATUS=SIZE", "C: a2 STATUS Sent (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ)\nS: * STATUS Sent (MESSAGES 3 UNSEEN 1 UIDNEXT 9 UIDVALIDITY 7 SIZE 10 HIGHESTMODSEQ 5)\nS: a2 OK",
			func(c *Client) (any, error) { return c.Status(t.Context(), "Sent") }, "&{{Sent   false false } 7 9 5 3 1 0 10 0}"},
		{"status of one item", "", "C: a2 STATUS Entw&APw-rfe (UNSEEN)\nS: * STATUS Entw&APw-rfe (UNSEEN 1)\nS: a2 OK",
			func(c *Client) (any, error) { return c.Status(t.Context(), "Entwürfe", imap.StatusUnseen) }, "&{{Entwürfe   false false } 0 0 0 0 1 0 0 0}"},
		{"status of nothing", "", "C: a2 STATUS x (UNSEEN)\nS: a2 NO [NONEXISTENT] no such mailbox",
			func(c *Client) (any, error) {
				s, err := c.Status(t.Context(), "x", imap.StatusUnseen)
				if !errors.Is(err, &imap.Status{Code: imap.CodeNonexistent}) {
					t.Error(err)
				}
				return s, err
			}, "! imapclient: STATUS: imap: NO [NONEXISTENT] no such mailbox"},
		{"list", "", "C: a2 LIST \"\" \"%\"\nS: * LIST (\\HasChildren) \"/\" INBOX\nS: * LIST (\\Noselect) NIL \"a b\"\nS: a2 OK",
			func(c *Client) (any, error) { return listed(c.List(t.Context(), "%")) }, `INBOX/[\HasChildren] a b-[\Noselect]`},
		{"list with garbage", "", "C: a2 LIST \"\" \"*\"\nS: * LIST () \"/\" a\nS: * LIST (garbage\nS: * LIST () \"/\" b\nS: a2 OK",
			func(c *Client) (any, error) {
				var out []string
				for l, err := range c.List(t.Context(), "*") {
					if err != nil && l == nil {
						out = append(out, fmt.Sprint(isSyntax(err)))
						continue
					}
					out = append(out, l.Name)
				}
				return out, nil
			}, "[a true b]"},
		{"list-extended", "LIST-EXTENDED SPECIAL-USE", "C: a2 LIST \"\" \"*\" RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)\nS: * LIST (\\Subscribed \\Sent) \".\" Sent\nS: a2 OK",
			func(c *Client) (any, error) { return listed(c.List(t.Context(), "*")) }, `Sent.[\Subscribed \Sent]`},
		{"lsub", "", "C: a2 LSUB \"\" \"*\"\nS: * LSUB () \"/\" x\nS: a2 OK",
			func(c *Client) (any, error) { return listed(c.Subscribed(t.Context(), "*")) }, `x/[]`},
		{"list-status", "LIST-STATUS", "C: a2 LIST \"\" \"*\" RETURN (SUBSCRIBED CHILDREN STATUS (UNSEEN))\nS: * LIST () \"/\" a\nS: * LIST ((\nS: * STATUS a (UNSEEN 4)\nS: * LIST (\\Noselect) \"/\" b\nS: a2 OK",
			func(c *Client) (any, error) { return counted(c.ListStatus(t.Context(), "*", imap.StatusUnseen)) }, "a 4 b -"},
		{"list-status without", "", "C: a2 LIST \"\" \"*\"\nS: * LIST () \"/\" a\nS: * LIST (\\Noselect) \"/\" b\nS: a2 OK\nC: a3 STATUS a (UNSEEN)\nS: * STATUS a (UNSEEN 4)\nS: a3 OK",
			func(c *Client) (any, error) { return counted(c.ListStatus(t.Context(), "*", imap.StatusUnseen)) }, "a 4 b -"},
		{"create", "CREATE-SPECIAL-USE", "C: a2 CREATE \"My Sent\" (USE (\\Sent))\nS: a2 OK",
			func(c *Client) (any, error) {
				return nil, c.Create(t.Context(), "My Sent", imap.CreateOptions{SpecialUse: `\Sent`})
			}, "<nil>"},
		{"rename, delete, subscribe, unsubscribe", "", "C: a2 RENAME a &AH8-\nS: a2 OK\nC: a3 DELETE \"NIL\"\nS: a3 OK\nC: a4 SUBSCRIBE \"\\\\\"\nS: a4 OK\nC: a5 UNSUBSCRIBE a\nS: a5 OK",
			func(c *Client) (any, error) {
				return nil, errors.Join(c.Rename(t.Context(), "a", "\x7f"), c.Delete(t.Context(), "NIL"), c.Subscribe(t.Context(), `\`, true), c.Subscribe(t.Context(), "a", false))
			}, "<nil>"},
		{"copy", "UIDPLUS", "C: a2 UID COPY 1:3,7 Archive\nS: a2 OK [COPYUID 5 1:3,7 10:13] done",
			func(c *Client) (any, error) { return c.Copy(t.Context(), set, "Archive") }, "&{5 [1 2 3 7] [10 11 12 13]}"},
		{"copy, told nothing", "", "C: a2 UID COPY 1:3,7 Archive\nS: a2 OK", func(c *Client) (any, error) { return c.Copy(t.Context(), set, "Archive") }, "&{0 [] []}"},
		{"copy to nowhere", "", "C: a2 UID COPY 1:3,7 Archive\nS: a2 NO [TRYCREATE] x", func(c *Client) (any, error) { return c.Copy(t.Context(), set, "Archive") },
			"! imapclient: UID COPY: imap: NO [TRYCREATE] x"},
		{"move", "MOVE", "C: a2 UID MOVE 1:3,7 Archive\nS: * OK [COPYUID 5 1:3,7 10:13] x\nS: * 1 EXPUNGE\nS: a2 OK",
			func(c *Client) (any, error) { return c.Move(t.Context(), set, "Archive") }, "&{5 [1 2 3 7] [10 11 12 13]}"},
		{"move without MOVE", "UIDPLUS", "C: a2 UID COPY 1:3,7 Archive\nS: a2 OK [COPYUID 5 1:3,7 10:13] x\nC: a3 UID STORE 1:3,7 +FLAGS.SILENT (\\Deleted)\nS: a3 OK\nC: a4 UID EXPUNGE 1:3,7\nS: a4 OK",
			func(c *Client) (any, error) { return c.Move(t.Context(), set, "Archive") }, "&{5 [1 2 3 7] [10 11 12 13]}"},
		{"expunge", "", "C: a2 EXPUNGE\nS: a2 OK", func(c *Client) (any, error) { return nil, c.Expunge(t.Context(), imap.AllUIDs()) }, "<nil>"},
		{"store with modseq", "CONDSTORE", "C: a2 UID STORE 1:3,7 (UNCHANGEDSINCE 9) -FLAGS.SILENT (\\Deleted)\nS: * 1 FETCH (UID 1 MODSEQ (12))\nS: a2 OK [MODIFIED 3,7] x",
			func(c *Client) (any, error) { return c.Store(t.Context(), set, deleted, 9) }, "&{12  3,7}"},
		{"search", "", "C: a2 UID SEARCH CHARSET UTF-8 SINCE 25-Nov-2026 TEXT {4}\nS: + \nC: gr\xc3\xbc NOT (SEEN)\nS: * SEARCH 5 3 4\nS: * SEARCH 9\nS: a2 OK",
			func(c *Client) (any, error) {
				return c.Search(t.Context(), &imap.SearchCriteria{Since: day, Text: []string{"grü"}, Not: []imap.SearchCriteria{{Flags: []imap.Flag{imap.FlagSeen}}}})
			}, "3:5,9"},
		{"search answered with garbage", "", "C: a2 UID SEARCH ALL\nS: * SEARCH 1 x\nS: a2 OK\nC: a3 NOOP\nS: a3 OK", func(c *Client) (any, error) {
			_, err := c.Search(t.Context(), &imap.SearchCriteria{})
			return nil, errors.Join(err, c.Noop(t.Context()))
		}, "! imapclient: UID SEARCH: imap: at octet 11: want a number below 2^32"},
		{"sort", "SORT LITERAL+", "C: a2 UID SORT (REVERSE DATE SUBJECT) UTF-8 TEXT {4+}\nC: gr\xc3\xbc\nS: * SORT 5 3 4 (MODSEQ 7)\nS: a2 OK", func(c *Client) (any, error) {
			return c.Sort(t.Context(), []imap.SortKey{{Key: imap.SortDate, Reverse: true}, {Key: imap.SortSubject}}, &imap.SearchCriteria{Text: []string{"grü"}})
		}, "[5 3 4]"},
		{"sort answered with garbage", "SORT", "C: a2 UID SORT (DATE) UTF-8 OLDER 60 YOUNGER 600\nS: * SORT 5 x\nS: a2 OK", func(c *Client) (any, error) {
			return c.Sort(t.Context(), []imap.SortKey{{Key: imap.SortDate}}, &imap.SearchCriteria{Older: 60, Younger: 600})
		}, "! imapclient: UID SORT: imap: at octet 9: want a number below 2^32"},
		{"thread", "THREAD=REFERENCES", "C: a2 UID THREAD REFERENCES UTF-8 ALL\nS: * THREAD (2)(3 6 (4 23)(44 7 96))\nS: a2 OK", func(c *Client) (any, error) {
			threads, err := c.Thread(t.Context(), imap.ThreadReferences, &imap.SearchCriteria{})
			return string(imap.AppendThreads(nil, threads)), err
		}, "(2)(3 6 (4 23)(44 7 96))"},
		{"thread, none", "THREAD=REFERENCES", "C: a2 UID THREAD REFERENCES UTF-8 ALL\nS: * THREAD\nS: a2 OK", func(c *Client) (any, error) {
			threads, err := c.Thread(t.Context(), imap.ThreadReferences, &imap.SearchCriteria{})
			return len(threads), err
		}, "0"},
		{"thread answered with garbage", "THREAD=REFERENCES", "C: a2 UID THREAD REFERENCES UTF-8 ALL\nS: * THREAD (1\nS: a2 OK\nC: a3 NOOP\nS: a3 OK", func(c *Client) (any, error) {
			_, err := c.Thread(t.Context(), imap.ThreadReferences, &imap.SearchCriteria{})
			return nil, errors.Join(err, c.Noop(t.Context()))
		}, "! imapclient: UID THREAD: imap: at octet 11: want ' '"},
		{"sort and thread, not offered", "SORT", "", func(c *Client) (any, error) {
			_, err := c.Sort(t.Context(), []imap.SortKey{{Key: imap.SortDisplayTo}}, &imap.SearchCriteria{})
			_, err2 := c.Thread(t.Context(), imap.ThreadReferences, &imap.SearchCriteria{})
			_, err3 := c.Sort(t.Context(), []imap.SortKey{{Key: "DATE) x"}}, &imap.SearchCriteria{})
			return []bool{errors.Is(err, ErrUnsupported), errors.Is(err2, ErrUnsupported), errors.Is(err3, ErrArgument)}, nil
		}, "[true true true]"},
		{"search, partial", "PARTIAL", "C: a2 UID SEARCH RETURN (PARTIAL -1:-100) ALL\nS: * ESEARCH (TAG \"a2\") UID PARTIAL (-1:-100 4:7,9)\nS: a2 OK\nC: a3 UID SEARCH RETURN (PARTIAL 5:9) ALL\nS: * ESEARCH (TAG \"a3\") UID PARTIAL (5:9 NIL)\nS: a3 OK",
			func(c *Client) (any, error) {
				some, err := c.SearchPartial(t.Context(), imap.PartialRange{First: 1, Last: 100, FromEnd: true}, &imap.SearchCriteria{})
				none, err2 := c.SearchPartial(t.Context(), imap.PartialRange{First: 5, Last: 9}, &imap.SearchCriteria{})
				return []string{some.String(), none.String()}, errors.Join(err, err2)
			}, "[4:7,9 ]"},
		{"search, fuzzy", "SEARCH=FUZZY ESEARCH SORT", "C: a2 UID SEARCH RETURN (ALL RELEVANCY) FUZZY (TEXT Helo)\nS: * ESEARCH (TAG \"a2\") UID ALL 1,5,10 RELEVANCY (4 99 42)\nS: a2 OK\n" +
			"C: a3 UID SEARCH RETURN (ALL RELEVANCY) FUZZY (TEXT Helo)\nS: * ESEARCH (TAG \"a3\") UID ALL 1\nS: a3 OK\nC: a4 UID SORT (RELEVANCY) UTF-8 FUZZY (TEXT Helo)\nS: * SORT 5 10 1\nS: a4 OK",
			func(c *Client) (any, error) {
				helo := &imap.SearchCriteria{Fuzzy: []imap.SearchCriteria{{Text: []string{"Helo"}}}}
				found, err := c.SearchFuzzy(t.Context(), helo)
				untold, err2 := c.SearchFuzzy(t.Context(), helo)
				sorted, err3 := c.Sort(t.Context(), []imap.SortKey{{Key: imap.SortRelevancy}}, helo)
				return fmt.Sprint(found, untold, sorted), errors.Join(err, err2, err3)
			}, "[{1 4} {5 99} {10 42}] [{1 0}] [5 10 1]"},
		{"search, fuzzy, with a relevancy missing", "SEARCH=FUZZY ESEARCH", "C: a2 UID SEARCH RETURN (ALL RELEVANCY) FUZZY (TEXT Helo)\nS: * ESEARCH (TAG \"a2\") UID ALL 1,5 RELEVANCY (4)\nS: a2 OK",
			func(c *Client) (any, error) {
				return c.SearchFuzzy(t.Context(), &imap.SearchCriteria{Fuzzy: []imap.SearchCriteria{{Text: []string{"Helo"}}}})
			}, "! imapclient: UID SEARCH: imap: at octet 0: want 2 relevancies"},
		{"search, fuzzy, without FUZZY", "SEARCH=FUZZY ESEARCH SORT", "", func(c *Client) (any, error) {
			_, err := c.SearchFuzzy(t.Context(), &imap.SearchCriteria{Text: []string{"Helo"}})
			_, err2 := c.Sort(t.Context(), []imap.SortKey{{Key: imap.SortRelevancy}}, &imap.SearchCriteria{})
			return []bool{errors.Is(err, ErrArgument), errors.Is(err2, ErrArgument)}, nil
		}, "[true true]"},
		{"search, fuzzy, not offered", "ESEARCH SORT", "", func(c *Client) (any, error) {
			helo := &imap.SearchCriteria{Not: []imap.SearchCriteria{{Fuzzy: []imap.SearchCriteria{{Text: []string{"Helo"}}}}}}
			_, err := c.SearchFuzzy(t.Context(), helo)
			_, err2 := c.Search(t.Context(), helo)
			_, err3 := c.Sort(t.Context(), []imap.SortKey{{Key: imap.SortRelevancy}}, helo)
			_, err4 := c.Sort(t.Context(), []imap.SortKey{{Key: imap.SortDate}}, helo)
			return []bool{errors.Is(err, ErrUnsupported), errors.Is(err2, ErrUnsupported), errors.Is(err3, ErrUnsupported), errors.Is(err4, ErrUnsupported)}, nil
		}, "[true true true true]"},
		{"fetch, partial, with previews", "PARTIAL PREVIEW", "C: a2 UID FETCH 1:9 (UID PREVIEW (LAZY)) (PARTIAL -1:-3)\nS: * 3 FETCH (UID 3 PREVIEW NIL)\nS: * 4 FETCH (PREVIEW {2}\nS: hi UID 4)\nS: * 5 FETCH (UID 5 PREVIEW \"\")\nS: a2 OK",
			func(c *Client) (any, error) {
				var out []string
				for m, err := range c.FetchPartial(t.Context(), imap.UIDSet{{First: 1, Last: 9}}, imap.PartialRange{First: 1, Last: 3, FromEnd: true}, 0, Preview(true)) {
					if err != nil {
						return out, err
					}
					out = append(out, fmt.Sprintf("%d %q %v", m.UID, m.Preview, m.HasPreview))
				}
				return out, nil
			}, `[3 "" false 4 "hi" true 5 "" true]`},
		{"partial, not offered", "", "", func(c *Client) (any, error) {
			_, err := c.SearchPartial(t.Context(), imap.PartialRange{First: 1, Last: 1}, &imap.SearchCriteria{})
			_, err2 := c.SearchPartial(t.Context(), imap.PartialRange{}, &imap.SearchCriteria{})
			_, err3 := fetched(c.FetchPartial(t.Context(), imap.AllUIDs(), imap.PartialRange{First: 1, Last: 1}, 0))
			return []bool{errors.Is(err, ErrUnsupported), errors.Is(err2, ErrArgument), errors.Is(err3, ErrUnsupported)}, nil
		}, "[true true true]"},
		{"UIDONLY", "ENABLE UIDONLY CONDSTORE", "C: a2 ENABLE UIDONLY\nS: * ENABLED UIDONLY\nS: a2 OK\nC: a3 UID FETCH 25900:26600 (UID FLAGS)\nS: * 25996 UIDFETCH (FLAGS (\\Seen))\nS: * 26600 UIDFETCH (FLAGS () UID 26600)\nS: a3 OK\n" +
			"C: a4 UID STORE 7 FLAGS.SILENT ()\nS: * 7 UIDFETCH (FLAGS () MODSEQ (9))\nS: a4 OK",
			func(c *Client) (any, error) {
				_, err := c.Enable(t.Context(), "UIDONLY")
				var out []string
				for m, err := range c.Fetch(t.Context(), imap.UIDSet{{First: 25900, Last: 26600}}, imap.FieldFlags) {
					if err != nil {
						return out, err
					}
					out = append(out, fmt.Sprint(m.Seq, m.UID, m.Flags))
				}
				_, err2 := fetched(c.FetchSeq(t.Context(), imap.SequenceSet{{First: 1, Last: 1}}, 0))
				stored, err3 := c.Store(t.Context(), imap.UIDs(7), imap.FlagChange{}, imap.NoUnchangedSince)
				return append(out, fmt.Sprint(errors.Is(err2, ErrUnsupported), stored)), errors.Join(err, err3)
			}, `[0 25996 [\Seen] 0 26600 [] true &{9  }]`},
		{"languages", "LANGUAGE", "C: a2 LANGUAGE\nS: * LANGUAGE (EN DE IT i-default)\nS: a2 OK", func(c *Client) (any, error) { return c.Language(t.Context()) }, "[EN DE IT i-default]"},
		{"language", "LANGUAGE", "C: a2 LANGUAGE de-AT \"*\"\nS: * LANGUAGE (\"DE\")\nS: a2 OK", func(c *Client) (any, error) { return c.Language(t.Context(), "de-AT", "*") }, "[DE]"},
		{"language with what is no argument", "LANGUAGE", "", func(c *Client) (any, error) { return c.Language(t.Context(), "de\r\na3 DELETE INBOX") }, "! " + ErrArgument.Error()},
		{"no languages", "", "", func(c *Client) (any, error) { return c.Language(t.Context()) }, "! " + ErrUnsupported.Error()},
		{"JMAP", "JMAPACCESS", "C: a2 GETJMAPACCESS\nS: * JMAPACCESS \"https://example.com/s/\"\nS: a2 OK", func(c *Client) (any, error) { return c.JMAPAccess(t.Context()) }, "https://example.com/s/"},
		{"UIDBATCHES", "UIDBATCHES", "C: a2 UIDBATCHES 2000\nS: * UIDBATCHES (TAG \"a1\") 9:1\nS: * UIDBATCHES (TAG \"a2\") 215295:99696,99695:1\nS: a2 OK\nC: a3 UIDBATCHES 2000 6:8\nS: * UIDBATCHES (TAG \"a3\")\nS: a3 OK\nC: a4 UIDBATCHES 1\nS: a4 NO [TOOFEW] x",
			func(c *Client) (any, error) {
				all, err := c.UIDBatches(t.Context(), 2000, 0, 0)
				none, err2 := c.UIDBatches(t.Context(), 2000, 6, 8)
				_, err3 := c.UIDBatches(t.Context(), 1, 0, 0)
				_, err4 := c.UIDBatches(t.Context(), 2000, 8, 6)
				return []any{all, none, err3 != nil, errors.Is(err4, ErrArgument)}, errors.Join(err, err2)
			}, "[[{99696 215295} {1 99695}] [] true true]"},
		{"quota", "QUOTA QUOTA=RES-MESSAGE", "C: a2 GETQUOTAROOT INBOX\nS: * QUOTAROOT INBOX \"#user/alice\" \"!partition/sda4\"\nS: * QUOTA \"#user/alice\" (MESSAGE 42 1000)\nS: * QUOTA \"!partition/sda4\" (STORAGE 104 10923847)\nS: a2 OK Getquotaroot complete",
			func(c *Client) (any, error) { return c.Quota(t.Context(), "INBOX") }, "[{#user/alice [{MESSAGE 42 1000}]} {!partition/sda4 [{STORAGE 104 10923847}]}]"},
		{"set quota", "QUOTA QUOTASET", "C: a2 SETQUOTA #user/alice (STORAGE 510)\nS: * QUOTA \"#user/alice\" (STORAGE 58 512)\nS: a2 OK Rounded quota\nC: a3 SETQUOTA !partition/sda4 ()\nS: a3 NO Cannot change system limit",
			func(c *Client) (any, error) {
				q, err := c.SetQuota(t.Context(), "#user/alice", map[string]int64{"STORAGE": 510})
				_, err2 := c.SetQuota(t.Context(), "!partition/sda4", nil)
				_, err3 := c.SetQuota(t.Context(), "x", map[string]int64{"A B": 1})
				return []any{*q, err2 != nil, errors.Is(err3, ErrArgument)}, err
			}, "[{#user/alice [{STORAGE 58 512}]} true true]"},
		{"set quota, not offered", "QUOTA", "", func(c *Client) (any, error) { return c.SetQuota(t.Context(), "", nil) }, "! imapclient: the server does not support this"},
		{"metadata", "METADATA", `
			C: a2 GETMETADATA (MAXSIZE 1024) INBOX (/shared/comment /private/comment)
			S: * METADATA "INBOX" (/private/comment "My own comment")
			S: a2 OK [METADATA LONGENTRIES 2199] GETMETADATA complete`,
			func(c *Client) (any, error) {
				list, longest, err := c.Metadata(t.Context(), "INBOX", imap.MetadataOptions{MaxSize: 1024}, "/shared/comment", "/private/Comment")
				return fmt.Sprint(list, longest), err
			}, "[{/private/comment My own comment false}] 2199"},
		{"metadata of the server, refused", "METADATA-SERVER", "C: a2 GETMETADATA \"\" (/shared/comment)\nS: a2 NO no", func(c *Client) (any, error) {
			_, _, err := c.Metadata(t.Context(), "", imap.MetadataOptions{}, "/shared/comment")
			return nil, err
		}, "! imapclient: GETMETADATA: imap: NO no"},
		{"metadata of mailboxes, not offered", "METADATA-SERVER", "", func(c *Client) (any, error) {
			_, _, err := c.Metadata(t.Context(), "INBOX", imap.MetadataOptions{}, "/shared/comment")
			return nil, err
		}, "! imapclient: the server does not support this"},
		{"metadata, garbage", "METADATA", "C: a2 GETMETADATA INBOX (/shared/comment)\nS: * METADATA INBOX (x y)\nS: a2 OK", func(c *Client) (any, error) {
			_, _, err := c.Metadata(t.Context(), "INBOX", imap.MetadataOptions{}, "/shared/comment")
			return nil, err
		}, "! imapclient: GETMETADATA: imap: at octet 18: want the name of an entry"},
		{"set metadata", "METADATA", `
			C: a2 SETMETADATA INBOX (/private/comment "My new comment" /shared/comment NIL)
			S: a2 NO [METADATA TOOMANY] SETMETADATA failed`,
			func(c *Client) (any, error) {
				err2 := c.SetMetadata(t.Context(), "INBOX", imap.Annotation{Entry: "/comment"})
				err := c.SetMetadata(t.Context(), "INBOX", imap.Annotation{Entry: "/private/comment", Value: "My new comment"}, imap.Annotation{Entry: "/shared/comment", None: true})
				return nil, fmt.Errorf("%v; %w", err2, err)
			}, "! imapclient: invalid argument; imapclient: SETMETADATA: imap: NO [METADATA TOOMANY] SETMETADATA failed"},
		{"myrights", "ACL RIGHTS=texk", "C: a2 MYRIGHTS inbox\nS: * MYRIGHTS INBOX rwiptsldaex\nS: a2 OK", func(c *Client) (any, error) { return c.MyRights(t.Context(), "inbox") }, "lrswipxtea"},
		{"myrights, RFC 2086", "ACL", "C: a2 MYRIGHTS INBOX\nS: * MYRIGHTS INBOX lrsd\nS: a2 OK", func(c *Client) (any, error) { return c.MyRights(t.Context(), "INBOX") }, "lrsd"},
		{"myrights of another", "ACL", "C: a2 MYRIGHTS INBOX\nS: * MYRIGHTS x lrsd\nS: a2 OK", func(c *Client) (any, error) { return c.MyRights(t.Context(), "INBOX") },
			"! imapclient: MYRIGHTS: no MYRIGHTS response"},
		{"myrights, not offered", "", "", func(c *Client) (any, error) { return c.MyRights(t.Context(), "INBOX") }, "! imapclient: the server does not support this"},
		{"getacl", "ACL RIGHTS=texk", "C: a2 GETACL INBOX/Drafts\nS: * ACL INBOX/Drafts Fred rwipslxetad Chris lrswi\nS: a2 OK",
			func(c *Client) (any, error) { return c.ACL(t.Context(), "INBOX/Drafts") }, "[{Fred lrswipxtea} {Chris lrswi}]"},
		{"getacl, garbage", "ACL", "C: a2 GETACL INBOX\nS: * ACL INBOX Fred lRs\nS: a2 OK", func(c *Client) (any, error) { return c.ACL(t.Context(), "INBOX") },
			"! imapclient: GETACL: imap: at octet 17: want rights, lower-case letters and digits"},
		{"listrights", "ACL RIGHTS=texk", "C: a2 LISTRIGHTS ~/Mail/saved smith\nS: * LISTRIGHTS ~/Mail/saved smith la r swicdkxte c\nS: a2 OK",
			func(c *Client) (any, error) { return c.GrantableRights(t.Context(), "~/Mail/saved", "smith") }, "{la [r swikxte]}"},
		{"setacl", "ACL", "C: a2 SETACL INBOX/Drafts Chris +ad\nS: a2 NO can't set acl", func(c *Client) (any, error) {
			return nil, c.SetACL(t.Context(), "INBOX/Drafts", "Chris", imap.RightsChange{Op: imap.RightsAdd, Rights: imap.RightAdminister | imap.RightsObsolete&^(1<<2)})
		}, "! imapclient: SETACL: imap: NO can't set acl"},
		{"setacl to nothing", "ACL", "C: a2 SETACL INBOX \"a b\" \"\"\nS: a2 OK", func(c *Client) (any, error) { return nil, c.SetACL(t.Context(), "INBOX", "a b", imap.RightsChange{}) }, "<nil>"},
		{"setacl for nobody", "ACL", "", func(c *Client) (any, error) { return nil, c.SetACL(t.Context(), "INBOX", "", imap.RightsChange{}) }, "! imapclient: invalid argument"},
		{"deleteacl", "ACL", "C: a2 DELETEACL INBOX Fred\nS: a2 OK", func(c *Client) (any, error) { return nil, c.DeleteACL(t.Context(), "INBOX", "Fred") }, "<nil>"},
		{"list-myrights", "ACL RIGHTS=texk LIST-MYRIGHTS", `
			C: a2 LIST "" "%" RETURN (SUBSCRIBED CHILDREN MYRIGHTS)
			S: * LIST () "." "INBOX"
			S: * MYRIGHTS "INBOX" lrswipkxtecda
			S: * LIST () "." "foo"
			S: * MYRIGHTS "foo" lrs
			S: * LIST (\NonExistent) "." "bar"
			S: a2 OK`, func(c *Client) (any, error) { return rightsOf(c.ListRights(t.Context(), "%")) }, "INBOX lrswipkxtea, foo lrs, bar "},
		{"list-myrights without", "ACL", "C: a2 LIST \"\" \"%\"\nS: * LIST () \".\" foo\nS: * LIST (\\Noselect) \".\" bar\nS: a2 OK\nC: a3 MYRIGHTS foo\nS: * MYRIGHTS foo lrs\nS: a3 OK",
			func(c *Client) (any, error) { return rightsOf(c.ListRights(t.Context(), "%")) }, "foo lrs, bar "},
		{"catenate", "CATENATE LITERAL+", `
			C: a2 APPEND Drafts (\Seen) CATENATE (URL "/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME" TEXT {3+}
			C: a
			C:  URL "/;UID=30")
			S: a2 OK [APPENDUID 385759045 45] append completed`,
			func(c *Client) (any, error) {
				return c.Catenate(t.Context(), "Drafts", []imap.Flag{imap.FlagSeen}, time.Time{},
					Part{URL: imap.MessageURL{Mailbox: "Drafts", UIDValidity: 385759045, UID: 20, Section: imap.Section{Part: []uint32{1}, Specifier: imap.SectionMIME}}},
					Part{Size: 3, Body: strings.NewReader("a\r\n")}, Part{URL: imap.MessageURL{UID: 30}})
			}, "&{385759045 [45] [] 0}"},
		{"catenate, no such message", "CATENATE", "C: a2 APPEND Drafts CATENATE (URL \"/;UID=30\" TEXT {3}\nS: a2 NO [BADURL /;UID=30] gone", func(c *Client) (any, error) {
			return c.Catenate(t.Context(), "Drafts", nil, time.Time{}, Part{URL: imap.MessageURL{UID: 30}}, Part{Size: 3, Body: strings.NewReader("abc")})
		}, "! imapclient: APPEND: imap: NO [BADURL /;UID=30] gone"},
		{"catenate, not offered", "", "", func(c *Client) (any, error) {
			return c.Catenate(t.Context(), "Drafts", nil, time.Time{}, Part{URL: imap.MessageURL{UID: 30}})
		}, "! imapclient: the server does not support this"},
		{"quota, garbage", "QUOTA", "C: a2 GETQUOTAROOT INBOX\nS: * QUOTA x (MESSAGE y)\nS: a2 OK", func(c *Client) (any, error) { return c.Quota(t.Context(), "INBOX") },
			"! imapclient: GETQUOTAROOT: imap: at octet 19: want a number"},
		{"quota, not offered", "", "", func(c *Client) (any, error) { return c.Quota(t.Context(), "INBOX") }, "! imapclient: the server does not support this"},
		{"copy, told garbage", "UIDPLUS", "C: a2 UID COPY 1:3,7 Archive\nS: a2 OK [COPYUID x] done", func(c *Client) (any, error) { return c.Copy(t.Context(), set, "Archive") }, "&{0 [] []}"},
		{"append, told garbage", "LITERAL+", "C: a2 APPEND INBOX (\\Seen) \"25-Nov-2026 00:00:00 +0000\" {5+}\nC: abc\nC:\nS: a2 OK [APPENDUID 1 *] x",
			func(c *Client) (any, error) { return appendOne(c, message, "abc\r\n") }, "&{0 [] [] 0}"},
		{"esearch", "ESEARCH LITERAL+", "C: a2 UID SEARCH RETURN (ALL) CHARSET UTF-8 HEADER Subject {2+}\nC: \xc3\xbc\nS: * ESEARCH (TAG \"a1\") UID ALL 77\nS: * ESEARCH (TAG \"a2\") UID ALL 1:3,9\nS: a2 OK",
			func(c *Client) (any, error) {
				return c.Search(t.Context(), &imap.SearchCriteria{Header: []imap.HeaderCriterion{{Name: "Subject", Value: "ü"}}})
			}, "1:3,9"},
		{"append", "UIDPLUS", "C: a2 APPEND INBOX (\\Seen) \"25-Nov-2026 00:00:00 +0000\" {5}\nS: + go\nC: abc\nC:\nS: a2 OK [APPENDUID 7 9] x",
			func(c *Client) (any, error) { return appendOne(c, message, "abc\r\n") }, "&{7 [9] [] 0}"},
		{"append unasked", "LITERAL+", "C: a2 APPEND INBOX (\\Seen) \"25-Nov-2026 00:00:00 +0000\" {5+}\nC: abc\nC:\nS: a2 OK",
			func(c *Client) (any, error) { return appendOne(c, message, "abc\r\n") }, "&{0 [] [] 0}"},
		{"append refused before", "", "C: a2 APPEND INBOX (\\Seen) \"25-Nov-2026 00:00:00 +0000\" {5}\nS: a2 NO [TRYCREATE] no\nC: a3 NOOP\nS: a3 OK",
			func(c *Client) (any, error) {
				_, err := appendOne(c, message, "abc\r\n")
				return nil, errors.Join(err, c.Noop(t.Context()))
			}, "! imapclient: APPEND: imap: NO [TRYCREATE] no"},
		{"append several", "MULTIAPPEND", "C: a2 APPEND INBOX {1}\nS: + \nC: a {1}\nS: + \nC: b\nS: a2 OK [APPENDUID 7 9:10] x",
			func(c *Client) (any, error) {
				return c.Append(t.Context(), "INBOX", imap.AppendMessage{Size: 1, Body: strings.NewReader("a")}, imap.AppendMessage{Size: 1, Body: strings.NewReader("b")})
			}, "&{7 [9 10] [] 0}"},
		{"replace", "REPLACE UIDPLUS LITERAL+", "C: a2 UID REPLACE 2000 Drafts (\\Seen) {5+}\nC: abc\nC:\nS: * OK [APPENDUID 1 2001] Replacement Message ready\nS: * 5 EXISTS\nS: * 4 EXPUNGE\nS: a2 OK Replace completed",
			func(c *Client) (any, error) {
				return c.Replace(t.Context(), 2000, "Drafts", imap.AppendMessage{Flags: []imap.Flag{imap.FlagSeen}, Size: 5, Body: strings.NewReader("abc\r\n")})
			}, "&{1 [2001] [] 0}"},
		{"replace, not offered", "", "", func(c *Client) (any, error) {
			return c.Replace(t.Context(), 2000, "Drafts", imap.AppendMessage{Size: 1, Body: strings.NewReader("x")})
		}, "! imapclient: the server does not support this"},
		{"compress and unauthenticate, refused", "COMPRESS=DEFLATE UNAUTHENTICATE", "C: a2 COMPRESS DEFLATE\nS: a2 NO [COMPRESSIONACTIVE] x\nC: a3 UNAUTHENTICATE\nS: a3 BAD x\nC: a4 NOOP\nS: a4 OK",
			func(c *Client) (any, error) {
				err, err2 := c.Compress(t.Context()), c.Unauthenticate(t.Context())
				return []bool{err != nil, err2 != nil}, c.Noop(t.Context())
			}, "[true true]"},
		{"append too short", "LITERAL+", "",
			func(c *Client) (any, error) { return appendOne(c, message, "abc") }, "! imapclient: APPEND: a body is not of the 5 octets that it was said to have"},
		{"append too long", "LITERAL+", "",
			func(c *Client) (any, error) { return appendOne(c, message, "abcdefg") }, "! imapclient: APPEND: a body is not of the 5 octets that it was said to have"},
		{"enable", "ENABLE", "C: a2 ENABLE UTF8=ACCEPT\nS: * ENABLED UTF8=ACCEPT\nS: a2 OK\nC: a3 DELETE {2}\nS: + \nC: \xc3\xbc\nS: a3 OK",
			func(c *Client) (any, error) {
				on, err := c.Enable(t.Context(), "UTF8=ACCEPT")
				return on, errors.Join(err, c.Delete(t.Context(), "ü"))
			}, "[UTF8=ACCEPT]"},
		{"id", "ID", "C: a2 ID (\"name\" \"x\")\nS: * ID (\"name\" \"Server\" \"version\" NIL)\nS: a2 OK",
			func(c *Client) (any, error) { return c.ID(t.Context(), map[string]string{"name": "x"}) }, "map[name:Server version:]"},
		{"id of nothing", "ID", "C: a2 ID NIL\nS: * ID NIL\nS: a2 OK", func(c *Client) (any, error) { return c.ID(t.Context(), nil) }, "map[]"},
		{"changed since", "CONDSTORE", "C: a2 UID FETCH 1:3,7 (UID FLAGS MODSEQ) (CHANGEDSINCE 5)\nS: * 1 FETCH (UID 1 FLAGS () MODSEQ (6))\nS: * VANISHED (EARLIER) 2:3\nS: a2 OK",
			func(c *Client) (any, error) {
				return fetched(c.FetchSince(t.Context(), set, 5, imap.FieldFlags|imap.FieldModSeq))
			}, "1"},
		{"fetch by number", "", "C: a2 FETCH 1,* (UID BODY[1.2.MIME]<0.10>)\nS: * 1 FETCH (UID 5 BODY[1.2.MIME]<0> \"x\")\nS: * 1 FETCH (FLAGS ())\nS: a2 OK",
			func(c *Client) (any, error) {
				return fetched(c.FetchSeq(t.Context(), imap.SequenceSet{{First: 1, Last: 1}, {}}, 0, imap.FetchItem{Att: imap.FetchBody,
					Section: imap.Section{Part: []uint32{1, 2}, Specifier: imap.SectionMIME, Partial: true, Length: 10}}))
			}, "5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, plain, tt.caps, tt.dialogue)
			v, err := tt.do(c)
			got := fmt.Sprint(v)
			if err != nil {
				got = "! " + err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func listed(seq func(func(*imap.Listing, error) bool)) (string, error) {
	var out []string
	for l, err := range seq {
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprint(l.Name, string(max(l.Delim, '-')), l.Attrs))
	}
	return strings.Join(out, " "), nil
}

func counted(list []ListedStatus, err error) (string, error) {
	var out []string
	for _, l := range list {
		if n := "-"; l.Status == nil {
			out = append(out, l.Name+" "+n)
		} else {
			out = append(out, fmt.Sprint(l.Name, " ", l.Status.Unseen))
		}
	}
	return strings.Join(out, " "), err
}

func fetched(seq func(func(*Message, error) bool)) (string, error) {
	var out []string
	for m, err := range seq {
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprint(m.UID))
	}
	return strings.Join(out, " "), nil
}

func appendOne(c *Client, m imap.AppendMessage, body string) (any, error) {
	m.Body = strings.NewReader(body)
	return c.Append(context.Background(), "INBOX", m)
}

// TestArguments checks that nothing of the caller's becomes a command of its own.
func TestArguments(t *testing.T) {
	c := connect(t, plain, "CONDSTORE ENABLE UIDPLUS CREATE-SPECIAL-USE", "")
	ctx := t.Context()
	evil := imap.Flag("x)\r\na9 DELETE y")
	body := strings.NewReader("x")
	first := func(seq func(func(*Message, error) bool)) error { _, err := fetched(seq); return err }
	for i, err := range []error{
		second(c.Store(ctx, imap.UIDs(1), imap.FlagChange{Flags: []imap.Flag{evil}}, imap.NoUnchangedSince)),
		second(c.Store(ctx, nil, imap.FlagChange{}, imap.NoUnchangedSince)),
		second(c.Append(ctx, "x", imap.AppendMessage{Size: 1, Body: body, Flags: []imap.Flag{evil}})),
		second(c.Append(ctx, "x", imap.AppendMessage{Size: -1, Body: body})),
		second(c.Append(ctx, "x")),
		second(c.Enable(ctx, string(evil))),
		second(c.Status(ctx, "x", imap.StatusItem(evil))),
		second(c.Status(ctx, "")),
		second(c.Search(ctx, &imap.SearchCriteria{Flags: []imap.Flag{evil}})),
		second(c.Search(ctx, &imap.SearchCriteria{EmailID: string(evil)})),
		c.Create(ctx, "x", imap.CreateOptions{SpecialUse: string(evil)}),
		first(c.Fetch(ctx, nil, 0)),
		first(c.Fetch(ctx, imap.UIDs(1), 0, imap.FetchItem{Att: imap.FetchAtt(evil)})),
		first(c.Fetch(ctx, imap.UIDs(1), 0, imap.FetchItem{Att: imap.FetchAtt("BODY[x" + evil)})),
		first(c.Fetch(ctx, imap.UIDs(1), 0, HeaderFields(string(evil)))),
		first(c.Fetch(ctx, imap.UIDs(1), 0, Body(string(evil)))),
		first(c.Fetch(ctx, imap.UIDs(1), 0, Body("1.0"))),
		c.Expunge(ctx, nil),
		second(c.Copy(ctx, nil, "x")),
		second(c.Move(ctx, imap.UIDs(1), "")),
	} {
		if !errors.Is(err, ErrArgument) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := c.Login(ctx, "a", "b\x00"); !errors.Is(err, sasl.ErrMalformed) {
		t.Error(err)
	}
	if c.tags != 1 {
		t.Errorf("%d commands", c.tags)
	}
}

func second[T any](_ T, err error) error { return err }

func rightsOf(list []ListedRights, err error) (any, error) {
	var out []string
	for _, l := range list {
		out = append(out, l.Name+" "+l.Rights.String())
	}
	return strings.Join(out, ", "), err
}
