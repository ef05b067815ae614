// Plays client, issuer and origin of Privacy Pass with privacypass-ts. One call a line: JSON in, JSON out, octets in hexadecimal.
import { createInterface } from 'node:readline';
import { publicVerif, Token, TokenChallenge } from '@cloudflare/privacypass-ts';

const { BLIND_RSA, BlindRSAMode, Client, Issuer, Origin, TokenRequest, TokenResponse, convertRSASSAPSSToEnc, getPublicKeyBytes } = publicVerif;
const octets = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (b) => Buffer.from(b).toString('hex');
const algorithm = { name: 'RSA-PSS', hash: 'SHA-384' };
const publicKey = (spki) => crypto.subtle.importKey('spki', convertRSASSAPSSToEnc(octets(spki)), algorithm, true, ['verify']);

const client = new Client(BlindRSAMode.PSS);
let issuer;

const calls = {
  // An issuer with this private key.
  async issuer({ pkcs8, spki }) {
    const key = await crypto.subtle.importKey('pkcs8', octets(pkcs8), algorithm, true, ['sign']);
    issuer = new Issuer(BlindRSAMode.PSS, 'issuer.example', key, await publicKey(spki));
    return hex(await getPublicKeyBytes(issuer.publicKey));
  },
  async sign({ request }) {
    return hex((await issuer.issue(TokenRequest.deserialize(BLIND_RSA, octets(request)))).serialize());
  },
  async request({ challenge, spki }) {
    return hex((await client.createTokenRequest(TokenChallenge.deserialize(octets(challenge)), octets(spki))).serialize());
  },
  async finalize({ response }) {
    return hex((await client.finalize(TokenResponse.deserialize(octets(response)))).serialize());
  },
  async verify({ token, spki }) {
    const ok = await new Origin(BlindRSAMode.PSS).verify(Token.deserialize(BLIND_RSA, octets(token)), await publicKey(spki));
    return ok ? '01' : '00';
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...args } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: await calls[call](args) }));
  } catch (e) {
    console.log(JSON.stringify({ error: String(e) }));
  }
}
