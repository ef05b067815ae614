// Package mailrelay assembles one relay of mail out of the SDK's parts.
//
//	strangers ──▶ MX ── Verifier ──┬─ one recipient ────────────────▶ Deliver (a store, LMTP)    its reply is passed on
//	              local domains    └─ several, or the store is away ─┐
//	users ──▶ Submission ── Signer ──────────────────────────────────┴▶ queue ──┬─ local domain ──▶ Deliver
//	          any domain                                             Run sends  └─ others ────────▶ Next (MX, smarthost)
//
//	r, err := mailrelay.New(mailrelay.Config{Hostname: "mx.example.com", Local: []string{"example.com"},
//		Deliver: store, Next: router, Spool: spool, Resolver: resolver})
//	go r.Run(ctx)                              // the queue
//	err = r.MXServer().Serve(ctx, listener)    // smtpserver around r.MX()
//
// What a 250 after DATA means: the message is on durable storage, in the store or in the queue. A letter for one local
// recipient goes straight through, so the store's own reply reaches the sender, and nobody has to be sent a
// notification. A letter for several, whose results might differ, goes into the queue, because SMTP has one reply for
// all; so does one that comes while the store is out of reach. Recipients are asked for at the store while the sender
// waits, so unknown users are refused at RCPT; while the store is out of reach, mail for them is taken and its sender told
// later. Mail of authenticated users always goes through the queue.
//
// Gate, Opener, Aliaser and Payer, which package contacts makes, stand where smtp/policy has them: behind the Verifier, around
// the Signer, and before Next. Mail between users does not pass the Gate, but the address of a channel leads to its
// mailbox there too.
//
// Never an open relay: MX takes mail for the domains in Local alone and refuses others with 550 5.7.1, Submission takes
// mail of authenticated users alone. Users may write as anybody: what they send is signed for the author domains that
// Config.Keys has, and forged results of checks by this host are taken away.
package mailrelay
