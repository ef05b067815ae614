package main

import (
	"fmt"

	msgauth "github.com/emersion/go-msgauth/authres"

	"github.com/mailbricks/mailbricks/auth/authres"
)

// authresRows reads Authentication-Results.
func authresRows() ([]row, error) {
	const field = " mx.example.org; spf=pass smtp.mailfrom=bounce.example.com; dkim=pass header.d=example.com header.i=@example.com; " +
		"dmarc=pass header.from=example.com"
	return []row{{"authres parse, 3 results", []impl{
		{name: "mailbricks", start: func() (func() error, error) {
			return func() error {
				f, err := authres.Parse(field)
				if err == nil && len(f.Results) != 3 {
					err = fmt.Errorf("%d results", len(f.Results))
				}
				return err
			}, nil
		}},
		{name: version("go-msgauth", "github.com/emersion/go-msgauth"), start: func() (func() error, error) {
			return func() error {
				_, results, err := msgauth.Parse(field)
				if err == nil && len(results) != 3 {
					err = fmt.Errorf("%d results", len(results))
				}
				return err
			}, nil
		}},
	}}}, nil
}
