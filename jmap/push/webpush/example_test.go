package webpush_test

import (
	"fmt"
	"time"

	"github.com/mailbricks/mailbricks/jmap/push/webpush"
)

// A receiver makes keys, gives them to who is to send, and reads what comes.
func Example() {
	phone, err := webpush.NewReceiver(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p256dh, auth := phone.Keys().Strings()

	keys, err := webpush.ParseKeys(p256dh, auth)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := keys.Encrypt(nil, []byte("you have mail"))
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := phone.Decrypt(body)
	fmt.Printf("%s %v\n", message, err)
	// Output:
	// you have mail <nil>
}

// A push service checks who sends.
func ExampleVerify() {
	key, err := webpush.GenerateKey(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	signer := &webpush.Signer{Key: key, Subject: "mailto:push@example.com"}
	public, _ := signer.PublicKey()
	field, err := signer.Authorization("https://push.example.net")
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := webpush.Verify(field, "https://push.example.net", time.Now())
	fmt.Println(who == public, err)
	_, err = webpush.Verify(field, "https://push.example.org", time.Now())
	fmt.Println(err)
	// Output:
	// true <nil>
	// webpush: authorization: for another origin
}
