package jmap

import (
	"reflect"
	"testing"
	"time"
)

type every struct {
	Selection `json:"-"`

	ID       ID              `json:"id"`
	Text     string          `json:"text"`
	Yes      bool            `json:"yes"`
	Number   int64           `json:"number"`
	Unsigned uint            `json:"unsigned"`
	Set      map[ID]bool     `json:"set"`
	Words    map[string]bool `json:"words"`
	Null     NullString      `json:"null"`
	At       Date            `json:"at"`
	UTC      UTCDate         `json:"utc"`
	Pointer  *string         `json:"pointer"`
	Whole    *every          `json:"whole"`
	List     []string        `json:"list"`
	IDs      []ID            `json:"ids"`
	Dates    []UTCDate       `json:"dates"`
	Nulls    NullList[ID]    `json:"nulls"`
	Maybe    Optional[ID]    `json:"maybe"`
	Raw      Raw             `json:"raw"`
	Bytes    []byte          `json:"bytes"`
	Records  []every         `json:"records"`
	Lists    [][]string      `json:"lists"`
	Values   map[ID]uint     `json:"values"`
	Struct   struct {
		A []int `json:"a"`
	} `json:"struct"`
}

// What is appended is what the JSON package would have written.
func TestAppendValue(t *testing.T) {
	sel, err := Select[every]([]string{"text", "list"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 27, 12, 0, 0, 5000, time.FixedZone("", 3600))
	full := every{ID: "i", Text: "\x00\u2028<&>\"\\é\t", Yes: true, Number: -1 << 62, Unsigned: 1 << 40, Set: map[ID]bool{"b": true, "a": false}, Words: map[string]bool{"é\n": true},
		Null: "x", At: Date{at}, UTC: UTCDate{at}, Pointer: new("p"), Whole: &every{ID: "in"}, List: []string{"a", ""}, IDs: []ID{"1"}, Dates: []UTCDate{{at}, {}}, Nulls: NullList[ID]{"n"},
		Maybe: Optional[ID]{Set: true, Value: new(ID("v"))}, Raw: Raw(`{"r":[1]}`), Bytes: []byte("bytes"), Records: []every{{Selection: sel, Text: "chosen"}, {ID: "all"}},
		Lists: [][]string{nil, {}, {"l"}}, Values: map[ID]uint{"z": 1, "a": 2}}
	full.Struct.A = []int{1}
	for name, x := range map[string]*every{"zero": {}, "full": &full, "empty": {List: []string{}, Records: []every{}, Set: map[ID]bool{}, Bytes: []byte{}, Nulls: NullList[ID]{}}} {
		v := reflect.ValueOf(x).Elem()
		for i := 1; i < v.NumField(); i++ {
			field := v.Type().Field(i).Name
			got, err := appendValue([]byte("x"), v.Field(i))
			if err != nil {
				t.Fatal(err)
			}
			want, err := appendNulls([]byte("x"), v.Field(i).Addr().Interface())
			if err != nil || string(got) != string(want) {
				t.Errorf("%s, %s: got %s, want %s, %v", name, field, got, want, err)
			}
		}
	}
}

// A response is the same whether it is written alone or within another value.
func TestAppendGetResponse(t *testing.T) {
	sel, err := Select[every](Properties[every](), nil)
	if err != nil {
		t.Fatal(err)
	}
	type plain GetResponse[every]
	for _, r := range []GetResponse[every]{
		{},
		{AccountID: "a", State: "é", List: []every{{ID: "without a selection"}, {Selection: sel, ID: "1"}, {Selection: sel.Null("text"), Text: "not this"}}, NotFound: []ID{"x", "y"}},
	} {
		got, err := Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Marshal(plain(r))
		if err != nil || string(got) != string(want) {
			t.Errorf("got  %s\nwant %s, %v", got, want, err)
		}
	}
	for _, bad := range []any{GetResponse[every]{AccountID: "\xff"}, GetResponse[every]{State: "\xff"}, GetResponse[every]{NotFound: []ID{"\xff"}},
		GetResponse[every]{List: []every{{Selection: sel, Text: "\xff"}}}, GetResponse[every]{List: []every{{Selection: sel, UTC: UTCDate{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}}}} {
		if got, err := Marshal(bad); err == nil {
			t.Errorf("%+v became %s", bad, got)
		}
	}
}
