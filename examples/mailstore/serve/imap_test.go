package serve_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/auth/sasl"
	"github.com/mailbricks/mailbricks/examples/mailstore/serve"
	"github.com/mailbricks/mailbricks/imap/imapclient"
)

// TestCapabilities checks that what package imapserver can do is there with this store: a role that it lost would go unnoticed
// otherwise. QUOTA is there for those who have one.
func TestCapabilities(t *testing.T) {
	r := newRig(t, func(c *serve.Config) { c.JMAPURL = "https://mail.example.com/.well-known/jmap" })
	addr, _ := start(t, r.IMAP)
	c, err := imapclient.Dial(t.Context(), addr, imapclient.Options{TLSConfig: &tls.Config{RootCAs: r.roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Authenticate(t.Context(), sasl.Credentials{Username: "alice@example.com", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(`IMAP4REV1 IMAP4REV2
		ACL APPENDLIMIT=100000 BINARY CATENATE CHILDREN COMPRESS=DEFLATE CONDSTORE CONTEXT=SEARCH CONTEXT=SORT CREATE-SPECIAL-USE ENABLE
		ESEARCH ESORT I18NLEVEL=1 ID IDLE INPROGRESS JMAPACCESS LANGUAGE LIST-EXTENDED LIST-MYRIGHTS LIST-STATUS LITERAL+ MESSAGELIMIT=100000
		METADATA MOVE MULTIAPPEND MULTISEARCH NAMESPACE NOTIFY OBJECTID PARTIAL PREVIEW QRESYNC REPLACE RIGHTS=KXTE SASL-IR SAVEDATE SEARCH=FUZZY SEARCHRES SORT SORT=DISPLAY SPECIAL-USE STATUS=SIZE
		THREAD=ORDEREDSUBJECT THREAD=REFERENCES UIDBATCHES UIDONLY UIDPLUS UNAUTHENTICATE UNSELECT UTF8=ACCEPT WITHIN`) {
		if !c.Capabilities().Has(name) {
			t.Error("no", name)
		}
	}
}
