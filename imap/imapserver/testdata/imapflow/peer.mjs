// Reads an account with imapflow, over STARTTLS and COMPRESS, resynchronises with QRESYNC, and waits in IDLE for a message.
// Prints what it sees as lines of JSON.
//
//   node peer.mjs PORT CA-FILE
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const [port, ca] = process.argv.slice(2);
const options = {
  host: '127.0.0.1', port: Number(port), secure: false, doSTARTTLS: true,
  auth: { user: 'alice', pass: 'secret' }, tls: { ca: readFileSync(ca), servername: '127.0.0.1' },
  logger: false, qresync: true, emitLogs: false, disableAutoIdle: true, maxIdleTime: 20000,
};
const print = (kind, value) => console.log(JSON.stringify({ kind, value }));

const first = new ImapFlow(options);
await first.connect();
print('capabilities', [...first.capabilities.keys()]);
print('enabled', [...first.enabled]);
print('compressed', Boolean(first._inflate));
let box = await first.mailboxOpen('INBOX');
const known = { uidValidity: box.uidValidity, highestModseq: box.highestModseq };
for await (const m of first.fetch('1:*', { uid: true, flags: true, envelope: true, bodyStructure: true, source: true })) {
  print('message', { uid: m.uid, subject: m.envelope.subject ?? '', type: m.bodyStructure.type, source: m.source.toString('base64'), modseq: Number(m.modseq) });
}
print('flagged', await first.messageFlagsAdd('1,3', ['\\Flagged'], { uid: true }));
print('deleted', await first.messageDelete('2', { uid: true }));
print('found', await first.search({ flagged: true }, { uid: true }));
print('appended', (await first.append('INBOX', Buffer.from('Subject: mine\r\n\r\nbody\r\n'), ['\\Seen'])).uid);
await first.logout();

const second = new ImapFlow(options);
await second.connect();
// What has changed since the first one looked: flags with CONDSTORE, and what has gone with QRESYNC.
const changed = [], gone = [];
second.on('expunge', e => gone.push(e.uid));
await second.mailboxOpen('INBOX');
for await (const m of second.fetch('1:*', { uid: true, flags: true }, { uid: true, changedSince: known.highestModseq })) changed.push(m.uid);
print('changed', changed.sort((a, b) => a - b));
print('gone', gone);
const news = new Promise(resolve => second.once('exists', e => resolve(e.count - e.prevCount)));
const idling = second.idle();
print('idle', true);
print('news', await news);
await second.noop();
await idling;
await second.logout();
