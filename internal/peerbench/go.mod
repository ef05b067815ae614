module github.com/mailbricks/mailbricks/internal/peerbench

go 1.26.0

replace github.com/mailbricks/mailbricks => ../..

require (
	github.com/emersion/go-msgauth v0.7.0
	github.com/mailbricks/mailbricks v0.0.0-00010101000000-000000000000
)

require (
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
