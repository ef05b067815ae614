package dkim_test

import (
	"strings"
	"testing"

	"github.com/mailbricks/mailbricks/dkim"
)

// The message of RFC 6376 §A.3. The indentation of the RFC's figure is not part of it, nor is its second space in "We
// lost the game.": the hash is that of one.
const rfc6376Signed = `DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
`

// TestRFC6376 verifies the RFC's example with the key of its appendix C.
func TestRFC6376(t *testing.T) {
	v := dkim.Verifier{Resolver: zone{"brisbane._domainkey.example.com": "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ" +
		"KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v" +
		"/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"}}
	message := strings.ReplaceAll(rfc6376Signed, "\n", "\r\n")
	res := verify(t, v, message)
	const want = "dkim=pass header.d=example.com header.i=joe@football.example.com header.s=brisbane header.a=rsa-sha256 header.b=AuUoFEfD"
	if len(res) != 1 || string(res[0].AppendResult(nil)) != want || res[0].KeyBits != 1024 {
		t.Errorf("%+v", res)
	}
	for old, new := range map[string]string{"game. Are": "game.  Are", "Joe.\r\n": "Joe. \r\n"} { // simple: every space counts
		if res := verify(t, v, strings.Replace(message, old, new, 1)); res[0].Value != dkim.Fail || res[0].Body != dkim.Bad || res[0].Header != dkim.Good {
			t.Errorf("%q: %+v", new, res)
		}
	}
	for old, new := range map[string]string{"Subject: Is": "subject: Is", "with SUBMISSION": "with  SUBMISSION"} {
		if res := verify(t, v, strings.Replace(message, old, new, 1)); res[0].Value != dkim.Fail || res[0].Body != dkim.Good || res[0].Header != dkim.Bad {
			t.Errorf("%q: %+v", new, res)
		}
	}
}
