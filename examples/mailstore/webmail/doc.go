// Package webmail is a mail client in the browser, over JMAP and its WebSocket: mailboxes, conversations and a reader side
// by side, or one after the other where there is little room.
//
//	GET  /                   the page: HTML, CSS and ES modules, embedded
//	POST /webmail/body       {"accountId","emailId","images","text"} → {"url","remote","lines"}: an HTML body to be shown in
//	                         a frame; with text, {"text"}: to be quoted
//	GET  /webmail/body/{key} that body, once
//
// All else is JMAP (package jmapserver): a session, a ticket for the WebSocket, requests and pushed changes over it,
// uploads and downloads.
//
// A list comes with one request (Email/query, Email/get and Thread/get by result references), from what the server knows
// without reading a message, and is kept in place by what changed since (Email/changes, Email/queryChanges), which is asked
// for, in one request again, when the server pushes that something did.
//
// Where the session has the capability of package contact, the page also shows who asks to write, the addresses that were
// given to one correspondent each, with who else has used them, and who may write; each ends with one click.
//
// # What keeps mail in its place
//
// Mail is hostile. Text is only ever put in as text: the page makes no element from a string, which its policy
// (require-trusted-types-for) forbids besides. An HTML body is taken apart and put together anew from elements and
// attributes that are known to be harmless: no script, form, frame, style sheet or event; a link that a text hides is
// written out behind it. What is left goes to a frame of an origin of its own (sandbox), whose policy allows no script,
// no form and nothing from elsewhere. Pictures from elsewhere are left out, and the policy forbids them, until the reader
// asks for them.
//
// The name and the password stay in the memory of the page, which sends them itself. The browser knows no cookie and no
// password that it would add to the request of another page; nor are requests of other origins taken.
package webmail
