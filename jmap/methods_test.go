package jmap_test

import (
	"testing"

	"github.com/mailbricks/mailbricks/jmap"
)

type todo struct {
	jmap.Selection `json:"-"`

	ID    jmap.ID             `json:"id,omitzero"`
	Title string              `json:"title,omitzero"`
	Tags  []string            `json:"tags,omitzero"`
	Words map[string]bool     `json:"words,omitzero"`
	Part  *todo               `json:"part,omitzero"`
	Extra map[string]jmap.Raw `json:",embed"`
}

func TestSelection(t *testing.T) {
	dynamic := func(string) error { return nil }
	sel, err := jmap.Select[todo]([]string{"tags", "words", "part", "x:y", "x:z", "id", "tags"}, dynamic)
	if err != nil {
		t.Fatal(err)
	}
	rec := todo{Selection: sel, ID: "t1", Title: "not asked for", Extra: map[string]jmap.Raw{"x:z": jmap.Raw(`[1]`)}}
	rec.Part = &todo{ID: "t2", Title: "whole"}
	got, err := jmap.Marshal(jmap.GetResponse[todo]{AccountID: "a", State: "s", List: []todo{rec}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"accountId":"a","state":"s","list":[{"id":"t1","tags":null,"words":{},"part":{"id":"t2","title":"whole"},` +
		`"x:y":null,"x:z":[1]}],"notFound":[]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var back jmap.GetResponse[todo]
	if err := jmap.Unmarshal(got, &back); err != nil || string(back.List[0].Extra["x:z"]) != "[1]" || back.List[0].ID != "t1" {
		t.Errorf("back: %+v, %v", back, err)
	}
	if _, err := jmap.Select[todo]([]string{"nope"}, nil); !jmap.IsMethodError(err, jmap.InvalidArguments) {
		t.Errorf("unknown property: %v", err)
	}
}

func TestRequestJSON(t *testing.T) {
	type args struct {
		Deep bool `json:"deep,omitzero"`
	}
	r := jmap.GetRequest[args]{AccountID: "a", IDs: []jmap.ID{}, Args: args{Deep: true}}
	got, err := jmap.Marshal(r)
	if want := `{"accountId":"a","ids":[],"deep":true}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	r = jmap.GetRequest[args]{}
	if err := jmap.Unmarshal([]byte(`{"accountId":"a","ids":null,"deep":true,"new":1}`), &r); err != nil || r.IDs != nil || !r.Args.Deep {
		t.Errorf("got %+v, %v", r, err)
	}
	got, err = jmap.Marshal(jmap.SetResponse[todo]{AccountID: "a", NewState: "2"})
	want := `{"accountId":"a","newState":"2","created":{},"updated":{},"destroyed":[],"notCreated":{},"notUpdated":{},"notDestroyed":{}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if err := jmap.Unmarshal([]byte(`{"position":-3,"limit":-1}`), new(jmap.QueryRequest[args, args, args])); err == nil {
		t.Error("negative limit: no error")
	}
}
