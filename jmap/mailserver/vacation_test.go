package mailserver_test

import (
	"strings"
	"testing"
)

// TestVacationSet: there is one, with the id "singleton" (RFC 8621 §8.1, RFC 8620 §5.3).
func TestVacationSet(t *testing.T) {
	h := newServer(newStore())
	get := `[["VacationResponse/get",{"accountId":"u1","ids":null},"0"]]`
	expect(t, h, get, `[["VacationResponse/get",{"accountId":"u1","state":"0","list":[{"id":"singleton","isEnabled":false,"fromDate":null,"toDate":null,"subject":null,"textBody":null,"htmlBody":null}],"notFound":[]},"0"]]`)
	set := func(arguments string) string {
		return `[["VacationResponse/set",{"accountId":"u1",` + arguments + `},"0"]]`
	}
	expect(t, h, set(`"ifInState":"0","create":{"k":{"isEnabled":true}},"update":{"singleton":{"isEnabled":true,"fromDate":"2026-11-24T00:00:00Z","subject":"Away","textBody":"x"},"other":{}},"destroy":["singleton","other"]`),
		`[["VacationResponse/set",{"accountId":"u1","oldState":"0","newState":"7","created":{},"updated":{"singleton":null},"destroyed":[],"notCreated":{"k":{"type":"singleton"}},"notUpdated":{"other":{"type":"notFound"}},"notDestroyed":{"other":{"type":"notFound"},"singleton":{"type":"singleton"}}},"0"]]`)
	expect(t, h, get, `[["VacationResponse/get",{"accountId":"u1","state":"7","list":[{"id":"singleton","isEnabled":true,"fromDate":"2026-11-24T00:00:00Z","toDate":null,"subject":"Away","textBody":"x","htmlBody":null}],"notFound":[]},"0"]]`)
	for _, patch := range []string{`"isEnabled":1`, `"fromDate":"2026-11-24"`, `"subject":false`, `"htmlBody":"` + strings.Repeat("x", 70_000) + `"`, `"id":"x"`, `"x":null`, `"subject/0":"x"`} {
		expect(t, h, set(`"update":{"singleton":{`+patch+`,"textBody":null}}`), `[["VacationResponse/set",…"oldState":"7","newState":"7",…"notUpdated":{"singleton":{"type":"invalidProperties",…`)
	}
	expect(t, h, set(`"ifInState":"0","update":{"singleton":{"isEnabled":false}}`), `[["error",{"type":"stateMismatch",…},"0"]]`)
	expect(t, h, set(`"destroy":["singleton"]`), `[["VacationResponse/set",…"oldState":"7","newState":"7",…`)
	expect(t, h, set(`"update":{"singleton":{"id":"singleton","textBody":null,"isEnabled":false,"fromDate":null}}`), `[["VacationResponse/set",…"updated":{"singleton":null},…`)
	expect(t, h, `[["VacationResponse/get",{"accountId":"u1","ids":["singleton","x"],"properties":["isEnabled","textBody","fromDate","subject"]},"0"]]`,
		`[["VacationResponse/get",{…"list":[{"id":"singleton","isEnabled":false,"textBody":null,"fromDate":null,"subject":"Away"}],"notFound":["x"]},"0"]]`)
}
