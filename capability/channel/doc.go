// Package channel gives every correspondent an address of its own: one for a shop, a form, a conference. A channel stands
// with the capabilities because its address is one, a tag of package capability, and any sender can write to it.
//
//	bob makes a channel for a shop             bob+0g3t5...@example.com
//	shop.example writes                        250, and the channel is pinned to shop.example
//	shop.example writes again                  250
//	ads.example writes                         550 5.7.1, and Leaked{channel, shop.example, ads.example}
//	bob answers                                From: bob+0g3t5...@example.com, see smtp/policy.Aliaser
//	bob pauses, and resumes                    450 4.2.1 meanwhile
//	bob disconnects                            550 5.7.1 from then on, to everybody
//
// The first sender that is authenticated (aligned DKIM or SPF, see package dmarc) is pinned, by its domain or, with Exact,
// by its address; Peer says beforehand who it may be. Who is not authenticated is never pinned. A channel can expire, take
// so many messages of a class and no more, and be rotated to a new address that keeps the pin; when its owner has written to
// the correspondent, it takes an answer more. A Book does all this over a Store: the ones here are in memory and in one
// file; channeltest is the suite for others.
//
// Book answers, smtp/policy.Gate asks: at RCPT whether the channel is there, at the end of the header who the author is,
// and before the message is taken it pins. Uses are counted by capability.Store, so that a failed delivery costs none.
//
// A Leaked can be sent on as an abuse report (RFC 5965), of the header section alone.
package channel
