// Package jmap is the grammar and vocabulary of JMAP (RFC 8620): what a client and a server say to each other, typed
// once for both, and the roles that a store of any data type plays.
//
//	client                                            server
//	GET /.well-known/jmap                          →
//	                                               ←  Session: accounts, capabilities and limits, URLs, state
//	POST apiUrl  Request                           →
//	  using       [urn:ietf:params:jmap:core …]
//	  methodCalls [[Foo/query {…} "0"]
//	               [Foo/get {"#ids": {resultOf "0",
//	                name "Foo/query", path "/ids"}} "1"]]
//	                                               ←  Response
//	                                                  methodResponses [[Foo/query {ids} "0"] [Foo/get {list} "1"]]
//
// Package jmapserver answers such requests, package jmapclient makes them, package push tells of changes, package mail
// holds the types of RFC 8621.
//
// What is here: identifiers, dates, the Session, Request and Response with their Invocations, result references and
// their pointers (RFC 6901 and "*"), patches, filters, the requests and responses of the standard methods, and every
// error on its three levels: [RequestError], [MethodError], [SetError].
//
// JSON is I-JSON (RFC 7493): duplicate names and text that is not UTF-8 are refused, member names match exactly.
// Nil slices and maps are written as [] and {}, but in a record with a [Selection], where a nil slice is null.
//
// # What RFC 8620 and RFC 8621 demand, and what shows it
//
// Every MUST of RFC 8620 §3 to §7 and of RFC 8621 that a test can see, in the order of the RFCs, with the test that fails
// without it (directory below jmap or examples, and name). A hole is a MUST that is not kept, or that no test shows.
//
//	RFC 8620
//	§3.1       media types of request and response                        jmapserver.TestRequestErrors
//	§3.3       calls in order; unknown members of a Request ignored       jmapserver.TestCalls, jmap.TestBadRequests
//	§3.4       responses in order; createdIds given back, and more        jmapserver.TestCalls
//	§3.5       a default is as good as the value                          mailserver.TestEmailGet, mailserver.TestEmailQuery
//	§3.6.1     problem details, "limit" with its name                     jmapserver.TestRequestErrors, mailserver.TestBadInput
//	§3.6.2     an error ends its call only and changes nothing            jmapserver.TestCalls, mailserver.TestBadInput
//	§3.7       references first; unresolved, doubled                      jmap.TestBadReferences, mailserver.TestBadInput
//	§3.9       invalidArguments                                           mailserver.TestBadInput
//	§5.1       unknown property; repeated ids once; state changes         jmapserver.TestCalls, jmaptest.TestStore
//	§5.2       maxChanges kept, above 0; intermediate states in order     mailserver.TestBadInput, jmaptest.TestStore, mailstore.TestChangesKeepAClientInStep
//	§5.3       PatchObject                                                jmap.TestBadPatches
//	§5.3       what the server sets; per record all or nothing; notFound  mailserver.TestBadInput, jmaptest.TestStore
//	§5.3       creation ids across calls, used again                      mailserver.TestCreate, mailserver.TestCreationIDAgain
//	§5.4       copy to another account, destroying the original           mailserver.TestCopy
//	§5.5       filter, sort, stable order                                 mailserver.TestEmailQuery, mailserver.TestQueriesAgainstModel, mailstore.TestQueries
//	§5.5       position, anchor, anchorOffset, limit, total               jmap.TestPage, mailserver.TestQueriesAgainstModel, mailstore.TestQueries
//	§5.6       queryChanges                                               mailserver.TestQueriesAgainstModel, mailstore.TestQueries, mailserver.TestQueryChangesRefused
//	§5.7       the values of a set are true                               mailserver.TestCreate
//	§6         an upload lives an hour at least                           mailstore.TestBlobsBelongToAnAccount
//	§6.1       upload: its response; unreferenced blobs of one account    jmapserver.TestUpload, jmaptest.TestStore
//	           hole: who shares an account sees the uploads of the others
//	§6.2       download: filename                                         jmapserver.TestDownload
//	§7.1       StateChange                                                push.TestEvents
//	§7.2       its properties; nothing else before the code               push.TestPushSet, push.TestPushVerification
//	           encrypted with the keys; TTL; 429 makes it rarer           push.TestPushEncrypted, push.TestPushDelivery, push.TestPush429
//	           destroyed with its time, URL or credential                 push.TestPushEnds
//	           hole: an access token, not its refresh token, is what a subscription is tied to
//	§7.2.1     url and keys never told; others' not found; no state       jmapserver.TestPushSubscription
//	§7.3       types, closeafter, ping, no event id with it, limits       push.TestTypesAndPing, push.TestCloseAfter, push.TestResume
//
//	RFC 8621
//	§1.3 §1.4  capabilities of accounts                                   serve.TestJMAP
//	§1.5       EmailDelivery                                              jmaptest.TestStore, mailstore.TestStore
//	§2         names, siblings, loops, one role a mailbox                 jmaptest.TestStore, mailstore.TestMailboxSet
//	           hole: isSubscribed is not kept for each user of a shared mailbox
//	§2.2       updatedProperties                                          mailserver.TestChanges, mailstore.TestUpdatedPropertiesOfMailboxes
//	§2.3       sorts                                                      mailserver.TestMailboxQuery
//	§2.5       mailboxHasChild, mailboxHasEmail                           jmaptest.TestStore
//	§3         threads never merge, stable order                          mailstore.TestThreads, jmaptest.TestStore
//	§4.1.1     one mailbox at least; keywords; \Deleted is not seen       jmaptest.TestStore, mailserver.TestChanges, mailstore.TestDeletedIsNotSeen
//	§4.1.2     forms of header fields                                     mail.TestDecodeText, mail.TestAddresses, mail.TestParseDate
//	§4.1.3     header:NAME:asFORM:all                                     mail.TestHeaderProperty
//	§4.1.4     preview of 256 characters                                  mail.TestPreviewLength
//	§4.2       default properties, truncation, forbidden forms            mailserver.TestEmailGet
//	§4.4       conditions, phrases, sorts by keyword                      mailserver.TestEmailQuery
//	§4.6       what a new Email must not have; Message-ID and Date        mailserver.TestCreate, mail.TestComposeHeader
//	§4.8       import: invalidProperties, alreadyExists; EAI headers      mailserver.TestBadInput, mailstore.TestEmailSet, mailserver.TestInternationalHeader
//	§4.9       parse                                                      mailserver.TestParse
//	§4.10      copy: mailboxIds                                           mailserver.TestCopy
//	§5         marks and entities, 255 octets                             mailserver.TestSnippets
//	§6         identities of addresses stay; forbiddenFrom; states        mailserver.TestIdentities, jmaptest.TestStore, mailstore.TestIdentitiesBounded
//	§1.3.2     maxDelayedSend, submissionExtensions                       mailserver.TestParameters
//	§7         envelope from the message, its checks, Bcc removed         mailserver.TestSubmission, mailserver.TestMailFrom
//	§7         parameters; sendAt (RFC 4865), which is kept               mailserver.TestParameters, outbox.TestHeld
//	§7         deliveryStatus: replies, tries, DSN and MDN                outbox.TestRetries, mail.TestReports, mailstore.TestReports
//	§7.3 §7.4  filters and sorts                                          mailserver.TestSubmissionQuery
//	§7.5       cancel, cannotUnsend; what of the email is destroyed       mailserver.TestCancel, mailserver.TestEmailGoesBeforeItIsSent
//	§7.5       onSuccessUpdateEmail, onSuccessDestroyEmail, errors        mailserver.TestSubmission, mailserver.TestCancel
//	§8         one VacationResponse, neither made nor destroyed           mailserver.TestVacationSet, jmaptest.TestStore
//	           RFC 3834: what is not answered; the answer; once a sender  mail.TestNoAnswer, mail.TestAnswer, mailstore.TestVacation
//
//	RFC 9007
//	§2         what a client may not say; words in lower case             mailserver.TestMDNRefused, mailserver.TestMDN
//	§2.1       identity, onSuccessUpdateEmail, mdnAlreadySent, errors     mailserver.TestMDNRefused, mailserver.TestMDN
//	           RFC 8098 §2.1: when none is sent; §3: null reverse-path    mailserver.TestMDNRefused, mailserver.TestMDN
//	§2.2       forEmailId, notParsable, notFound                          mailserver.TestMDN
//
//	RFC 9404
//	§4.1       sources and their ranges; nothing guessed; #creation       mailserver.TestBlobMethods
//	§4.2       data, encoding problems, truncation, digests of ranges     mailserver.TestBlobMethods, mailserver.TestBlobDigests
//	§4.3       lookup: empty where nothing is, unknownDataType            mailserver.TestBlobLookup
//
//	RFC 9425
//	§4.1       every property; types by capabilities in use               mailserver.TestQuota
//	§4.3       updatedProperties                                          mailserver.TestQuotaHistory
//	§4.4 §4.5  query, its filters and sorts; queryChanges                 mailserver.TestQuota, mailserver.TestQuotaHistory
//	§6         pushed                                                     mailserver.TestQuota
package jmap
