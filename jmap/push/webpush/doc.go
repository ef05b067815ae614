// Package webpush is the grammar and the cryptography of web push: a message that only its receiver can read, the proof
// of who sends it, and the request that hands it to a push service.
//
//	receiver: NewReceiver ─ Keys ─▶ sender                         over another channel
//
//	POST /push/JzLQ3raZ…  HTTP/1.1                             →
//	TTL: 60   Urgency: normal   Topic: upd
//	Authorization: vapid t=…, k=…
//	Content-Encoding: aes128gcm
//
//	salt, record size, sender's key, AES-GCM of the message
//	                                                           ←  201, or 404, 410, 413, 429 with Retry-After …
//
//	receiver: Decrypt(body)
//
// It dials nothing: the RoundTripper, the clock and the randomness are the caller's.
//
// Done: RFC 8188 (Seal and Open, several records too), RFC 8291 (Encrypt and Receiver), RFC 8292 (Signer and Verify),
// RFC 8030 §5 (Sender). Not here: receipts (RFC 8030 §5.1), and the push service's side.
package webpush
